# SPDX-License-Identifier: GPL-2.0-or-later
"""What really went over each connection of an asyncio workload, seen from inside the process.

A workload must know its own truth without the tracer. The library under test stays unmodified:
asyncio.open_connection is wrapped, and the stream objects it returns note each request and each
byte received. An Operation is one tagged request; it travels in a context variable, so it is
known which connection the library chose for it.

Nothing here may keep a task alive: the address of a freed task is the address of the next one,
and that is one of the things the tracer has to get right.
"""

import array
import asyncio
import contextvars
import fcntl
import json
import os
import signal
import socket
import termios
import time

_operation = contextvars.ContextVar("operation", default=None)


class Operation:
    """One tagged request, from before it is sent until its answer is judged."""

    def __init__(self):
        self.channel = None
        self.sent = asyncio.Event()
        self._received_when_sent = 0
        _operation.set(self)

    def note_sent(self, channel):
        self.channel = channel
        self._received_when_sent = channel.received
        self.sent.set()

    def owed(self):
        """The request is on the wire and not one byte was read from the connection since."""
        return self.channel is not None and self.channel.received == self._received_when_sent


class Channel:
    """One connection and what was true about it."""

    def __init__(self, reader, writer):
        sock = writer.get_extra_info("socket")
        self.port = writer.get_extra_info("sockname")[1]
        self.received = 0
        self.requests = 0
        self.cancelled = 0
        self.wrong = 0
        self.reuse = {"unread": 0, "outstanding": 0, "residue": 0}
        self.must = []
        self.owners = []
        self._fileno = sock.fileno()
        self._writer = writer
        self._received_when_abandoned = None
        self._watch_reader(reader)
        self._watch_writer(writer)

    def _watch_reader(self, reader):
        feed_data = reader.feed_data

        def feed(data):
            self.received += len(data)
            return feed_data(data)

        reader.feed_data = feed

    def _watch_writer(self, writer):
        write, writelines = writer.write, writer.writelines

        def noted_write(data):
            self._before_send()
            return write(data)

        def noted_writelines(data):
            self._before_send()
            return writelines(data)

        writer.write = noted_write
        writer.writelines = noted_writelines

    def _before_send(self):
        self.requests += 1
        if self._received_when_abandoned is not None:
            self.reuse[self._reuse_kind()] += 1
            self._received_when_abandoned = None
        operation = _operation.get()
        if operation is not None:
            operation.note_sent(self)

    def _reuse_kind(self):
        queued = array.array("i", [0])
        fcntl.ioctl(self._fileno, termios.FIONREAD, queued)
        if queued[0]:
            return "unread"
        if self.received != self._received_when_abandoned:
            return "residue"
        return "outstanding"

    def note_abandoned(self):
        """The owner of the last request was cancelled, and its reply is owed."""
        self.cancelled += 1
        self._received_when_abandoned = self.received

    def closed(self):
        return self._writer.transport.is_closing()

    def truth(self):
        return {"wrong": self.wrong, "exchanges": self.requests, "cancelled": self.cancelled,
                "closed": self.closed(), "reuse": self.reuse, "must": self.must,
                "owners": self.owners}


class Wire:
    """Every connection that this process opened through asyncio streams."""

    def __init__(self):
        self.channels = []

    def watch(self):
        open_connection = asyncio.open_connection

        async def watched(*args, **kwargs):
            reader, writer = await open_connection(*args, **kwargs)
            self.adopt(reader, writer)
            return reader, writer

        asyncio.open_connection = watched
        return self

    def adopt(self, reader, writer):
        """For a library that does not use asyncio.open_connection."""
        channel = Channel(reader, writer)
        self.channels.append(channel)
        return channel

    def cancel(self, task, operation):
        """Cancel a task; its request counts as abandoned only if it is certainly owed now."""
        owed = operation.owed() and not task.done()
        task.cancel()
        if owed:
            operation.channel.note_abandoned()
        return owed

    def judge(self, operation, answer, expected):
        """Count a wrong answer on the connection that gave it."""
        if answer == expected:
            return True
        operation.channel.wrong += 1
        return False

    def connections(self):
        """By local port. A port that came up again after a reset holds both connections' truth."""
        by_port = {}
        for channel in self.channels:
            key, truth = str(channel.port), channel.truth()
            by_port[key] = added(by_port[key], truth) if key in by_port else truth
        return by_port

    def wrong(self):
        return sum(channel.wrong for channel in self.channels)

    def cancelled(self):
        return sum(channel.cancelled for channel in self.channels)


def added(one, other):
    """Two connections' truth in one: counts add up, and both must be closed."""
    if isinstance(one, bool):
        return one and other
    if isinstance(one, dict):
        return {key: added(one[key], other[key]) for key in one}
    return one + other


class Server:
    """The private redis-server of this run, and three ways to make its replies late.

    stop   stop and continue its process: exact, for any server
    sleep  DEBUG SLEEP on a second connection
    pause  CLIENT PAUSE on a second connection
    none   the server answers as fast as it can
    """

    def __init__(self, host, port, how="stop", seconds=0.02):
        self.how = how
        self.seconds = seconds
        self._sleeping = False
        self._control = socket.create_connection((host, port))
        self._replies = self._control.makefile("rb")
        self.requests = 0
        info = self._command("INFO server").decode()
        self.pid = next(int(line.split(":")[1]) for line in info.splitlines()
                        if line.startswith("process_id:"))

    def _command(self, line):
        self._send(line)
        return self._reply()

    def _send(self, line):
        self.requests += 1
        self._control.sendall(line.encode() + b"\r\n")

    def _reply(self):
        head = self._replies.readline()
        if head.startswith(b"-"):
            raise RuntimeError(head.decode().strip())
        if head.startswith(b"$"):
            return self._replies.read(int(head[1:]) + 2)[:-2]
        return head[1:].strip()

    def hold(self):
        """From now on no reply is sent (for `seconds`, or until release)."""
        if self.how == "stop":
            os.kill(self.pid, signal.SIGSTOP)
            while self._state() != "T":
                time.sleep(0.0001)
        elif self.how == "pause":
            self._command(f"CLIENT PAUSE {int(self.seconds * 1000)} ALL")
        elif self.how == "sleep":
            self._finish_sleep()
            self._send(f"DEBUG SLEEP {self.seconds}")
            self._sleeping = True

    def release(self):
        if self.how == "stop":
            os.kill(self.pid, signal.SIGCONT)

    def close(self):
        self._finish_sleep()
        self.release()
        self._replies.close()
        self._control.close()

    def connections(self):
        """The control connection is a client connection of this process too, and a clean one."""
        return {str(self._control.getsockname()[1]):
                {"wrong": 0, "exchanges": self.requests, "cancelled": 0, "closed": False}}

    def _finish_sleep(self):
        if self._sleeping:
            self._reply()
            self._sleeping = False

    def _state(self):
        with open(f"/proc/{self.pid}/stat", "rb") as stat:
            return stat.read().rpartition(b")")[2].split()[0].decode()


async def arrival(channel, received, limit=5.0):
    """Wait until the event loop has read something more from a connection."""
    deadline = time.monotonic() + limit
    while channel.received == received and not channel.closed():
        if time.monotonic() > deadline:
            raise TimeoutError(f"no reply on port {channel.port} in {limit} s")
        await asyncio.sleep(0.0005)


async def pause(seconds):
    """Wait; zero is exactly one turn of the event loop, and a negative time is not even that."""
    if seconds >= 0:
        await asyncio.sleep(seconds)


def report(row, wire, server=None, **more):
    """The workload's one line on stdout."""
    connections = wire.connections()
    if server is not None:
        connections.update(server.connections())
    operations = sum(channel.requests for channel in wire.channels)
    print(json.dumps({"row": row, "pid": os.getpid(), "operations": operations,
                      "wrong": wire.wrong(), **more,
                      "connections": connections}), flush=True)
