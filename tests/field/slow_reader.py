#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Slow readers behind a relay, many at once.

Each connection makes WARM small exchanges. Then it sends a large request in two parts, between
which it pauses: a timer of the relay's loop lies there. It reads the beginning of the answer, stops
reading for a while, then reads on to the end and makes small exchanges again; each fourth ends by
an abort instead. The last line of output is a JSON object that counts all this.

--way tcp        lines of text
      http       POST, on a connection that is kept
      proxy      the same with a whole URI, as a client that knows of its proxy
      upgrade    an Upgrade first, then as tcp
      connect    a CONNECT first, then as tcp
"""

import argparse
import asyncio
import collections
import json
import os
import socket
import sys
import time

from asked import BODY, LARGE, answer

sys.dont_write_bytecode = True
WARM, AFTER = 12, 3
HTTP = ("http", "proxy", "idle")
RECEIVE_BUFFER = 32768
SEGMENT = 1448  # of an Ethernet: with loopback's own a relay's send buffer takes megabytes at once
LIMIT = 60
NOTES = 6


class Wrong(Exception):
    """Not what was asked for."""


class Connection:
    def __init__(self, args, number):
        self.args = args
        self.number = number
        self.asked = 0
        self.loop = asyncio.get_running_loop()
        self.kept = b""

    async def open(self):
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setblocking(False)
        await self.loop.sock_connect(self.sock, ("127.0.0.1", self.args.relay))
        if self.args.way == "upgrade":
            self.asked += 1
            await self.send(b"GET /upgrade HTTP/1.1\r\nHost: upstream\r\nUpgrade: websocket\r\n"
                            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
            await self.head(b" 101 ")
        elif self.args.way == "connect":
            await self.send(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n"
                            % (self.args.upstream, self.args.upstream))
            await self.head(b" 200 ")

    def close(self):
        self.sock.close()

    async def send(self, data):
        await asyncio.wait_for(self.loop.sock_sendall(self.sock, data), LIMIT)

    async def read(self, most):
        """Once, and as little as it likes to be; never nothing."""
        if self.kept:
            data, self.kept = self.kept[:most], self.kept[most:]
            return data
        data = await asyncio.wait_for(self.loop.sock_recv(self.sock, most), LIMIT)
        if not data:
            raise Wrong("it was closed from the other side")
        return data

    async def exactly(self, size):
        parts = []
        while size:
            parts.append(await self.read(min(size, 1 << 18)))
            size -= len(parts[-1])
        return b"".join(parts)

    async def head(self, status):
        """The head of an HTTP response. Other bodies than of a length that is told are not known."""
        head = b""
        while b"\r\n\r\n" not in head:
            head += await self.read(65536)
        head, _, rest = head.partition(b"\r\n\r\n")
        self.kept = rest + self.kept
        if status not in head.split(b"\r\n")[0]:
            raise Wrong(f"the response begins {head[:200]!r}")

    def request(self, size, tag, body):
        """The two parts of a request."""
        if self.args.way not in HTTP:
            return b"ask %d " % size, tag + b"\n"
        where = {"proxy": b"http://127.0.0.1:%d" % self.args.upstream,
                 "idle": b"/idle"}.get(self.args.way, b"")
        head = (b"POST %s/%d/%s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: text/plain\r\n"
                b"Content-Length: %d\r\n\r\n" % (where, size, tag, self.args.upstream, body))
        return head + b"x" * (body // 2), b"x" * (body - body // 2)

    async def begin(self, size, body, pause=0):
        """Asks; returns the tag, once the answer itself is what comes next."""
        self.asked += 1
        tag = b"%d.%d" % (self.number, self.asked)
        first, second = self.request(size, tag, body)
        if pause:
            await self.send(first)
            await asyncio.sleep(pause)
            await self.send(second)
        else:
            await self.send(first + second)
        if self.args.way in HTTP:
            await self.head(b" 200 ")
        return tag

    async def small(self):
        tag = await self.begin(100, BODY[0])
        if await self.exactly(100) != answer(100, tag):
            raise Wrong("another's answer, or part of one")

    async def large(self, aborts):
        tag = await self.begin(self.args.large, BODY[1], self.args.pause)
        data = await self.exactly(1000)
        stopped = time.monotonic()
        if self.args.meanwhile == "notes":
            for _ in range(NOTES):
                await asyncio.sleep(self.args.still / NOTES)
                await self.send(b"note\n")
        else:
            await asyncio.sleep(self.args.still)
        stopped = time.monotonic() - stopped
        if aborts:
            if self.args.meanwhile == "goodbye":
                await self.send(b"bye\n")
            return stopped
        ahead = None
        if self.args.meanwhile == "ahead":
            ahead = await self.begin(100, BODY[0])
        data += await self.exactly(self.args.large - len(data))
        if data != answer(self.args.large, tag):
            raise Wrong("another's answer, or part of one")
        if ahead and await self.exactly(100) != answer(100, ahead):
            raise Wrong("another's answer to the request ahead")
        return stopped


async def exchange(args, number, count):
    connection = Connection(args, number)
    try:
        await connection.open()
        for _ in range(WARM):
            await connection.small()
        for turn in range(args.each):
            aborts = number % 4 == 3 and turn == args.each - 1
            stopped = await connection.large(aborts)
            count["exchanges"] += 1
            count["stopped_ms"] = min(count.get("stopped_ms", 1 << 30), int(stopped * 1000))
            if aborts:
                count["ended_early"] += 1
                break
            for _ in range(AFTER):
                await connection.small()
            count["read_on"] += 1
    except (OSError, Wrong, asyncio.TimeoutError) as why:
        count["failed"] += 1
        print(f"{number}, after {connection.asked} requests: {why!r}", file=sys.stderr)
    finally:
        connection.close()
        count["asked"] += connection.asked


async def idlers(args, count):
    """Clients that ask once and stay until the relay has enough of them: a timer of its own."""
    plain = argparse.Namespace(**{**vars(args), "way": "idle"})
    while True:
        connection = Connection(plain, 0)
        await connection.open()
        await connection.small()
        count["asked"] += 1
        asyncio.get_running_loop().call_later(args.idle, connection.close)
        await asyncio.sleep(0.15)


async def main(args):
    count = collections.Counter({"exchanges": 0, "read_on": 0, "ended_early": 0, "failed": 0, "asked": 0})
    numbers = iter(range(1, args.connections + 1))
    beside = asyncio.create_task(idlers(args, count)) if args.idle else None

    async def one_after_the_other():
        for number in numbers:
            await exchange(args, number, count)

    await asyncio.gather(*(one_after_the_other() for _ in range(args.parallel)))
    if beside:
        beside.cancel()
    print(json.dumps({"workload": "slow_reader", "pid": os.getpid(), **count}), flush=True)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--way", choices=("tcp", "http", "proxy", "upgrade", "connect"),
                        default="tcp")
    parser.add_argument("--relay", type=int, required=True, metavar="PORT")
    parser.add_argument("--upstream", type=int, required=True, metavar="PORT")
    parser.add_argument("--connections", type=int, default=30)
    parser.add_argument("--parallel", type=int, default=30)
    parser.add_argument("--each", type=int, default=1, help="slow exchanges on a connection")
    parser.add_argument("--pause", type=float, default=1.0, help="between the parts, seconds")
    parser.add_argument("--still", type=float, default=3.0, help="without reading, seconds")
    parser.add_argument("--meanwhile", choices=("notes", "ahead", "goodbye"),
                        help="of lines: notes go out while the answer lies unread, the next request "
                             "goes out ahead of it, or who aborts says goodbye")
    parser.add_argument("--large", type=int, default=LARGE, metavar="BYTES",
                        help="of an answer: more than the relay and both its sockets take")
    parser.add_argument("--idle", type=float, default=0,
                        help="others come all the time, ask once and go after so many seconds")
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main(arguments()))
