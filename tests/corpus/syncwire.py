# SPDX-License-Identifier: GPL-2.0-or-later
"""What the blocking Python workloads share: options, varied timings, and each connection's truth.

The library under test is not changed. A workload says before each request on which socket it will
go out, and judges each answer by its tag.
"""

import argparse
import array
import collections
import contextlib
import fcntl
import json
import os
import random
import signal
import termios
import time


class Connection:
    def __init__(self, sock):
        self.port = sock.getsockname()[1]
        self.wrong = self.abandoned = self.operations = self.merged = 0
        self.closed = False
        self.reuse = {"unread": 0, "outstanding": 0}
        self._sock = sock
        self._owed = False

    def before_send(self):
        self.operations += 1
        if not self._owed:
            return
        self._owed = False
        queued = array.array("i", [0])
        fcntl.ioctl(self._sock.fileno(), termios.FIONREAD, queued)
        self.reuse["unread" if queued[0] else "outstanding"] += 1

    def left(self):
        """Its owner stopped waiting while the reply was owed."""
        self.abandoned += 1
        self._owed = True

    def took(self, lines):
        """What one read has taken: with more than one reply, the rest lies in our own buffer."""
        self.merged += lines.count(b"\n") > 1

    def judge(self, answer, expected):
        self.wrong += answer != expected

    def truth(self):
        return {"wrong": self.wrong, "closed": self.closed, "abandoned": self.abandoned,
                "merged": self.merged, "reuse": self.reuse}


class Truth:
    def __init__(self, workload):
        self.workload = workload
        self.connections = []

    def about(self, sock):
        connection = Connection(sock)
        self.connections.append(connection)
        return connection

    def total(self, what):
        return sum(getattr(connection, what) for connection in self.connections)

    def print(self):
        time.sleep(REST)
        abandoned = self.total("abandoned")
        print(json.dumps({
            "workload": self.workload, "pid": os.getpid(),
            "operations": self.total("operations"), "cancelled": abandoned,
            "cancelled_owed": abandoned, "wrong": self.total("wrong"),
            "connections": {str(c.port): c.truth() for c in self.connections}}), flush=True)


# A pool outlives its last call: what its connections hold has the time to arrive, and rests.
REST = 0.5

# clean: exchanges before it; the rest in seconds: how late the reply is, how long its owner waits,
# the time from giving up to the reuse. followers: exchanges after it.
Timing = collections.namedtuple("Timing", "clean lag limit gap followers")


def timings(args):
    varied = random.Random(args.seed)
    for _ in range(args.timings):
        lag, limit = varied.uniform(0.03, 0.06), varied.uniform(0.002, 0.01)
        gap = (lag - limit + varied.uniform(0.01, 0.03) if args.order == "late"
               else varied.uniform(0, lag / 3))
        yield Timing(varied.randrange(4), lag, limit, gap, varied.randint(1, 3))


def mark(seconds):
    """What makes the server, or the relay before it, answer late."""
    return f"~{round(seconds * 1000)}~" if seconds else ""


class GivenUp(BaseException):
    """Not an Exception, so that `except Exception` does not see it."""


def _raise(*_):
    raise GivenUp


@contextlib.contextmanager
def alarm(seconds):
    """GivenUp out of a signal handler, wherever the program is by then."""
    signal.signal(signal.SIGALRM, _raise)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def left_by_alarm(connection, seconds, call):
    """On a slow machine the reply can come first; then nothing was given up."""
    try:
        with alarm(seconds):
            call()
    except GivenUp:
        connection.left()


def arguments(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--order", choices=("early", "late"), default="early",
                        help="reuse before the old reply arrives, or after it")
    parser.add_argument("--seed", type=int, default=1, help="of the varied timings")
    parser.add_argument("--timings", type=int, default=20)
    return parser


def sleep(seconds):
    time.sleep(max(0, seconds))
