# SPDX-License-Identifier: GPL-2.0-or-later
"""python3-pymemcache with noreply: most writes are never answered, each read is."""

import os
import signal
import threading
import time

from pymemcache.client.base import Client

from correct import Truth, arguments, threads


def some(client, truth, varied):
    """Writes without an answer, then a read of the last one."""
    for _ in range(1 + varied.randrange(4)):
        tag = truth.tag()
        client.set(tag, tag, noreply=True)
        if varied.random() < 0.2:
            client.delete("nothing", noreply=True)
    if varied.random() < 0.5:
        time.sleep(varied.uniform(0, 0.003))
    truth.judge(client.get(tag), tag)


def noreply(args, truth):
    local = threading.local()

    def work(number, varied):
        if not hasattr(local, "client"):
            local.client = Client(("127.0.0.1", args.port), no_delay=True)
        some(local.client, truth, varied)

    threads(args, work)


def writers(args, truth):
    """Each writer is a thread of its own and has gone when the next one asks."""
    client = Client(("127.0.0.1", args.port), no_delay=True)

    def write(tag):
        client.set(tag, tag, noreply=True)

    for _ in range(args.operations):
        tag = truth.tag()
        writer = threading.Thread(target=write, args=(tag,))
        writer.start()
        writer.join()
        truth.interrupted()
        truth.judge(client.get(tag), tag)


def timeouts(args, truth):
    """A time-out closes the connection: pymemcache closes on every Exception."""
    client = Client(("127.0.0.1", args.port), no_delay=True, timeout=0.004)
    server = Client(("127.0.0.1", args.port), no_delay=True)
    for number in range(args.operations):
        tag = truth.tag()
        server.set(tag, tag, noreply=False)
        with Stopped(args.server_pid, 0.002 + number % 6 / 1000):
            try:
                truth.judge(client.get(tag), tag)
            except OSError:
                truth.gave_up()


class Stopped:
    """The server's process, for so long."""

    def __init__(self, pid, seconds):
        self._pid, self._timer = pid, threading.Timer(seconds, self._go_on)

    def _go_on(self):
        os.kill(self._pid, signal.SIGCONT)

    def __enter__(self):
        os.kill(self._pid, signal.SIGSTOP)
        self._timer.start()

    def __exit__(self, *exception):
        self._timer.join()


WAYS = {"noreply": noreply, "writers": writers, "timeouts": timeouts}

if __name__ == "__main__":
    parser = arguments(__doc__, tuple(WAYS))
    parser.add_argument("--server-pid", type=int)
    parsed = parser.parse_args()
    counts = Truth("correct_memcached")
    WAYS[parsed.way](parsed, counts)
    counts.report()
