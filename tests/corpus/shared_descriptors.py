#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Connections that stay open, each with several descriptors in two processes.

Connection N does N exchanges. Prints its truth and holds everything until its standard input ends.
"""

import argparse
import json
import os
import socket
import sys

PING, PONG = b"PING\r\n", b"+PONG\r\n"


def exchange(client):
    client.sendall(PING)
    got = b""
    while len(got) < len(PONG):
        got += client.recv(len(PONG) - len(got))
    assert got == PONG, got


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="of a redis-server")
    parser.add_argument("--connections", type=int, default=8)
    args = parser.parse_args()
    held, connections = [], {}
    for number in range(1, args.connections + 1):
        client = socket.create_connection(("127.0.0.1", args.port))
        held += [client, client.dup(), client.dup()]
        for _ in range(number):
            exchange(client)
        connections[f"v4-{client.getsockname()[1]}"] = {
            "family": "v4", "exchanges": number, "tx_bytes": number * len(PING),
            "rx_bytes": number * len(PONG)}
    # A worker that inherits them all, as servers that fork have it.
    ready, gone = os.pipe(), os.pipe()
    if not os.fork():
        os.close(gone[1])
        os.write(ready[1], b".")
        os.read(gone[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    print(json.dumps({"row": "shared-descriptors", "pid": os.getpid(),
                      "connections": connections}), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
