# SPDX-License-Identifier: GPL-2.0-or-later
"""Event loops that come and go in threads, which ask by themselves in between, and do no wrong.

As under asgiref: a thread runs a loop for one call. The next loop has the last one's address soon,
and another thread; and whatever task it runs is not who asks in the threads beside it.
"""

import asyncio
import socket
import threading
import time

from correct import Truth, loop_arguments, threads
from loops import policy

own = threading.local()


def ask(args, truth, delay):
    """On a connection that this thread keeps."""
    if not hasattr(own, "stream"):
        own.sock = socket.create_connection(("127.0.0.1", args.port))
        own.stream = own.sock.makefile("rwb", buffering=0)
    tag = truth.tag()
    own.stream.write(f"{tag} {delay}\n".encode())
    truth.judge(own.stream.readline().strip(), tag)


async def call(truth, varied):
    """Tasks that block their loop for moments, are cancelled, and have nothing to do with replies."""
    async def step():
        time.sleep(varied.uniform(0, 0.001))
        await asyncio.sleep(1)

    tasks = [asyncio.create_task(step()) for _ in range(4)]
    for task in tasks:
        await asyncio.sleep(0)
        task.cancel()
    await asyncio.wait(tasks)
    truth.interrupted(len(tasks))


def main(args):
    truth = Truth("correct_loops")
    policy(args)

    def work(number, varied):
        if varied.random() < 0.4:
            asyncio.run(call(truth, varied))
        for _ in range(4):
            ask(args, truth, varied.randrange(800))

    threads(args, work)
    truth.report()


if __name__ == "__main__":
    main(loop_arguments(__doc__).parse_args())
