# SPDX-License-Identifier: GPL-2.0-or-later
"""A loop goes on in another thread, and comes back: whose requests are whose?

The main thread asks from a task, so that it is known whose loop that is. Then another thread runs
the same loop (the next one with its memory would look so, too), and its tasks come and go while the
main thread asks twice, by itself, before it reads both answers. It has cancelled nothing and reads
all that it is owed. Several times, since a tracer that looks at loops now and then may be lucky.
"""

import argparse
import asyncio
import json
import os
import socket
import sys
import threading
import time

from loops import loop_argument, policy

ROUNDS = 4
# For the tracer to find out what it wants to know: nothing here tells that it has.
SAID = 0.4


class Client:
    def __init__(self, port):
        self._sock = socket.create_connection(("127.0.0.1", port))
        self._stream = self._sock.makefile("rwb", buffering=0)

    def send(self, tag, delay=0):
        self._stream.write(f"{tag} {delay}\n".encode())

    def read(self, tag):
        answer = self._stream.readline().strip().decode()
        if answer != tag:
            sys.exit(f"moving_loop.py: {answer} in place of {tag}")

    def ask(self, tag):
        self.send(tag)
        self.read(tag)


class Blocked:
    """A thread in which a task of `loop` runs, from its beginning to `end()`, and never awaits."""

    def __init__(self, loop):
        self._runs, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=loop.run_until_complete, args=(self._task(),))
        self._thread.start()
        self._runs.wait()

    async def _task(self):
        self._runs.set()
        self._over.wait()

    def end(self):
        self._over.set()
        self._thread.join()


def main(args):
    policy(args)
    first, second = Client(args.port), Client(args.port)
    ends = threading.Event()
    # Of a process with one thread it need not be asked whose its loop is.
    threading.Thread(target=ends.wait).start()

    async def known():
        first.ask("known")
        time.sleep(SAID)
        first.ask("known")

    loop = asyncio.new_event_loop()
    for _ in range(ROUNDS):
        loop.run_until_complete(known())
        blocked = Blocked(loop)
        second.ask("met")
        time.sleep(SAID)
        second.send("one", 20000)
        blocked.end()
        blocked = Blocked(loop)
        second.send("two")
        second.read("one")
        second.read("two")
        blocked.end()
    ends.set()
    loop.close()
    print(json.dumps({"workload": "moving_loop", "pid": os.getpid(), "operations": 5 * ROUNDS,
                      "cancelled": 0, "cancelled_owed": 0, "wrong": 0, "connections": {}}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    loop_argument(parser)
    main(parser.parse_args())
