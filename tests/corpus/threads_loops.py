# SPDX-License-Identifier: GPL-2.0-or-later
"""Two event loops in two threads, and a thread without one, all exchanging at the same time.

Every client here is correct. A tracer that asks "which task is running?" finds several loops, and
for the synchronous thread the right answer is none of their tasks, though one always runs.
"""

import asyncio
import random
import socket
import threading

from pyredis_common import arguments, close, pooled_client
from wire import Operation, Wire, pause, report


async def exchanges(wire, client, name, count):
    for number in range(count):
        operation = Operation()
        tag = f"{name}-{number}"
        wire.judge(operation, await client.echo(tag), tag)


async def cancellations(wire, client, name, count, varied):
    for number in range(count):
        operation = None

        async def block():
            nonlocal operation
            operation = Operation()
            await client.blpop(f"never-{name}-{number}", 0)

        task = asyncio.create_task(block())
        await asyncio.sleep(0)
        await operation.sent.wait()
        await pause(varied.uniform(0, 0.001))
        wire.cancel(task, operation)
        await asyncio.gather(task, return_exceptions=True)


async def one_loop(wire, args, name):
    client = pooled_client(args, stock=True)
    varied = random.Random(f"{args.seed} {name}")
    await asyncio.gather(
        *(exchanges(wire, client, f"{name}-task-{n}", args.exchanges) for n in range(args.tasks)),
        cancellations(wire, client, name, args.cancelled, varied))
    await close(client)


class Synchronous:
    """A connection of a plain thread; also used by one thread after the other."""

    def __init__(self, args):
        self.socket = socket.create_connection((args.host, args.port))
        self.replies = self.socket.makefile("rb")
        self.port = self.socket.getsockname()[1]
        self.wrong = self.exchanges = 0

    def run(self, count):
        for _ in range(count):
            tag = f"synchronous-{self.port}-{self.exchanges}".encode()
            self.socket.sendall(b"ECHO " + tag + b"\r\n")
            self.replies.readline()
            self.wrong += self.replies.readline().strip() != tag
            self.exchanges += 1

    def truth(self):
        return {"wrong": self.wrong, "exchanges": self.exchanges, "cancelled": 0, "closed": False}


def main(args):
    wire = Wire().watch()
    connections = [Synchronous(args) for _ in range(2)]
    threads = [threading.Thread(target=lambda name=name: asyncio.run(one_loop(wire, args, name)))
               for name in ("first", "second")]
    threads += [threading.Thread(target=connection.run, args=(args.exchanges,))
                for connection in connections]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # The owner of these connections was a thread that is gone; another one goes on with them.
    for connection in connections:
        connection.run(10)

    class Both:
        def connections(self):
            return {str(connection.port): connection.truth() for connection in connections}

    wrong = sum(connection.wrong for connection in connections)
    if wrong:
        raise RuntimeError(f"{wrong} answers to a synchronous exchange were wrong")
    report("threads-loops", wire, Both(), cancelled_owed=wire.cancelled())


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("--tasks", type=int, default=4, help="in each loop")
    parser.add_argument("--exchanges", type=int, default=500, help="of each task and thread")
    parser.add_argument("--cancelled", type=int, default=50, help="commands given up a loop")
    main(parser.parse_args())
