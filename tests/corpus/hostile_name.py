#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A client on a Unix socket whose path may be anything; it is for the terminal of whoever looks.

Listens on the path itself, connects to it, and exchanges a byte now and then until it is ended.
Prints its pid once the first exchange is done. Run it by an interpreter whose file has a name that
is as hostile as the path.
"""

import os
import socket
import sys
import threading
import time


def serve(listener):
    peer, _ = listener.accept()
    while peer.recv(1):
        peer.sendall(b"y")


def main():
    path = os.fsencode(sys.argv[1])
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    threading.Thread(target=serve, args=(listener,), daemon=True).start()
    client = socket.socket(socket.AF_UNIX)
    client.connect(path)
    client.sendall(b"x")
    client.recv(1)
    print(os.getpid(), flush=True)
    while True:
        time.sleep(0.05)
        client.sendall(b"x")
        client.recv(1)


if __name__ == "__main__":
    main()
