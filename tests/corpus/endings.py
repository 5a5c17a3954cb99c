# SPDX-License-Identifier: GPL-2.0-or-later
"""One connection for each ending that a cancelled request can have, one step at a time.

After each step a line says its name, and the next step waits for a line on standard input: whoever
drives this waits until the tracer has said what there is to say, so that nothing depends on time.
"""

import argparse
import array
import asyncio
import concurrent.futures
import fcntl
import json
import os
import socket
import struct
import sys
import termios
import time

from wire import Operation, Server, Wire, arrival, report

# Of tasks that are cancelled while their reply is owed; what happens to the connection then.
GIVEN_UP = ("outstanding", "unread", "residue", "drained", "taken-out", "closed-early",
            "closed-late")
ENDINGS = (*GIVEN_UP, "swallowed", "clean")
# Enough for a connection to count as one that carries one request at a time.
CLEAN = 10


def step(name, **more):
    print(json.dumps({"at": name, **more}), flush=True)
    if not sys.stdin.readline():
        sys.exit(f"endings.py: standard input ended at {name}")


class Connection:
    def __init__(self, wire, label):
        self.wire = wire
        self.label = label
        self.reader = self.writer = self.channel = None
        # They stay: what the memory of a freed task says depends on who got it next.
        self._tasks = []

    async def open(self, host, port):
        self.reader, self.writer = await asyncio.open_connection(host, port)
        self.channel = self.wire.channels[-1]

    async def answer(self):
        await self.reader.readline()
        return (await self.reader.readline()).strip().decode()

    async def ask(self, tag):
        operation = Operation()
        self.writer.write(f"ECHO {tag}\r\n".encode())
        self.wire.judge(operation, await self.answer(), tag)

    async def ask_stubbornly(self, go_on):
        """Its cancellation is caught, and the same task asks again."""
        try:
            await self.ask("cancelled")
        except asyncio.CancelledError:
            await go_on.wait()
            await self.ask("stubborn")

    def task(self, what, name):
        self._tasks.append(asyncio.create_task(what, name=f"{name}-{self.label}"))
        return self._tasks[-1]

    def queued(self):
        count = array.array("i", [0])
        fcntl.ioctl(self.writer.get_extra_info("socket").fileno(), termios.FIONREAD, count)
        return count[0]

    async def all_in_kernel(self, size):
        deadline = time.monotonic() + 10
        while self.queued() < size:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.label}: {self.queued()} of {size} bytes came")
            await asyncio.sleep(0.001)


class TimedOut:
    """A thread of its own that waits with SO_RCVTIMEO, in vain, and asks again."""

    REPLY = b"$%d\r\n%s\r\n"

    def __init__(self, host, port):
        self._thread = concurrent.futures.ThreadPoolExecutor(max_workers=1)
        self._address = host, port
        self._socket = None
        self.port = None
        self.wrong = self.exchanges = 0

    async def run(self, function, *args):
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *args)

    def _send(self, tag):
        self.exchanges += 1
        self._socket.sendall(b"ECHO " + tag + b"\r\n")

    def _receive(self, tag):
        """As many bytes as this reply has, and no more."""
        wanted = self.REPLY % (len(tag), tag)
        got = self._socket.recv(len(wanted), socket.MSG_WAITALL)
        self.wrong += got != wanted

    def _limit(self, microseconds):
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO,
                                struct.pack("ll", 0, microseconds))

    def open(self):
        self._socket = socket.create_connection(self._address)
        self.port = self._socket.getsockname()[1]

    def clean(self):
        for number in range(CLEAN):
            self._send(b"clean-%d" % number)
            self._receive(b"clean-%d" % number)

    def give_up(self):
        self._limit(50000)
        self._send(b"given-up")
        try:
            self._socket.recv(100)
            raise RuntimeError("the server was held, and answered")
        except BlockingIOError:
            self._limit(0)

    def ask_again(self):
        self._send(b"asks-too")

    def take_the_first(self):
        self._receive(b"asks-too")

    def ask_once_more(self):
        self._send(b"once-more")
        self._receive(b"once-more")

    def truth(self):
        return {"wrong": self.wrong, "exchanges": self.exchanges, "cancelled": 1, "closed": False}

    def close(self):
        self._socket.close()
        self._thread.shutdown()


async def main(args):
    wire = Wire().watch()
    server = Server(args.host, args.port)
    timed_out = TimedOut(args.host, args.port)
    connections = {label: Connection(wire, label) for label in ENDINGS}
    for connection in connections.values():
        await connection.open(args.host, args.port)
        await connection.task(connection.ask("first"), "first")
    await timed_out.run(timed_out.open)
    ports = {connection.channel.port: label for label, connection in connections.items()}
    ports[timed_out.port] = "timed-out"
    ports.update((port, "control") for port in server.connections())
    step("known", pid=os.getpid(), labels=ports)

    for connection in connections.values():
        for number in range(CLEAN):
            await connection.task(connection.ask(f"clean-{number}"), "clean")
    await timed_out.run(timed_out.clean)
    step("clean")

    server.hold()
    go_on = asyncio.Event()
    given_up = [connections[label].task(connections[label].ask("cancelled"), "ask")
                for label in GIVEN_UP]
    stubborn = connections["swallowed"].task(
        connections["swallowed"].ask_stubbornly(go_on), "ask")
    await asyncio.sleep(0)
    for task, label in zip((*given_up, stubborn), (*GIVEN_UP, "swallowed")):
        task.cancel()
        connections[label].channel.note_abandoned()
    await asyncio.gather(*given_up, return_exceptions=True)
    await timed_out.run(timed_out.give_up)
    step("abandoned")

    # While the old replies are on their way. Whoever asks now will be answered wrongly.
    connections["closed-early"].writer.close()
    await connections["closed-early"].writer.wait_closed()
    early = connections["outstanding"].task(connections["outstanding"].ask("next"), "next")
    go_on.set()
    drain = connections["drained"].task(connections["drained"].answer(), "drain")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await timed_out.run(timed_out.ask_again)
    connections["unread"].writer.transport.pause_reading()
    step("overtaken")

    late = [connections[label] for label in ("residue", "taken-out", "closed-late")]
    received = [connection.channel.received for connection in late]
    server.release()
    for connection, before in zip(late, received):
        await arrival(connection.channel, before)
    await connections["unread"].all_in_kernel(len("$9\r\ncancelled\r\n"))
    await asyncio.gather(early, stubborn, drain)
    await timed_out.run(timed_out.take_the_first)
    step("arrived")

    connections["closed-late"].writer.close()
    await connections["closed-late"].writer.wait_closed()
    taken = connections["taken-out"]
    await taken.task(taken.answer(), "take")
    unread = connections["unread"]
    last = unread.task(unread.ask("next"), "next")
    await asyncio.sleep(0)
    unread.writer.transport.resume_reading()
    await last
    for label in ("residue", "drained", "taken-out", "clean"):
        await connections[label].task(connections[label].ask("next"), "next")
    await timed_out.run(timed_out.ask_once_more)
    step("used")

    report("endings", wire, server)
    for connection in connections.values():
        connection.writer.close()
    timed_out.close()
    server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    asyncio.run(main(parser.parse_args()))
