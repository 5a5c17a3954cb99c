# SPDX-License-Identifier: GPL-2.0-or-later
"""python3-aioredis 1.3.1: one connection shared by many tasks, correct under cancellation.

One reader task and a queue of waiters: a cancelled waiter still takes its reply out of the
queue. The system calls are those of the bug. With --sequential even the order is the bug's:
one task at a time, cancelled, and the next one sends before the old reply has come.
"""

import asyncio
import itertools
import random

# First, because it makes Debian's packages importable.
from pyredis_common import arguments, hold_arguments
from wire import Operation, Server, Wire, arrival, pause, report

import aioredis


class Shared:
    def __init__(self, wire, connection):
        self.wire = wire
        self.connection = connection
        self.tags = itertools.count(1)

    async def echo(self, started):
        operation = Operation()
        started.set_result(operation)
        tag = f"tag-{next(self.tags)}"
        answer = await self.connection.execute("ECHO", tag, encoding="utf-8")
        self.wire.judge(operation, answer, tag)

    async def start(self):
        started = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self.echo(started))
        operation = await started
        await operation.sent.wait()
        return task, operation

    async def cancel(self, task, operation):
        owed = self.wire.cancel(task, operation)
        try:
            await task
        except asyncio.CancelledError:
            pass
        return owed


async def at_a_time(shared, server, args, varied):
    """The tasks of a round share the connection; some are cancelled while the server is held."""
    while shared.wire.cancelled() < args.cancelled:
        server.hold()
        calls = [await shared.start() for _ in range(args.tasks)]
        await pause(varied.choice((-1, 0, varied.uniform(0, 0.001))))
        for task, operation in calls:
            if varied.random() < 0.5 and shared.wire.cancelled() < args.cancelled:
                await shared.cancel(task, operation)
        calls += [await shared.start() for _ in range(2)]
        server.release()
        await asyncio.gather(*(task for task, _ in calls), return_exceptions=True)


async def sequential(shared, server, args, varied):
    while shared.wire.cancelled() < args.cancelled:
        server.hold()
        task, operation = await shared.start()
        received = operation.channel.received
        await pause(varied.choice((-1, 0, varied.uniform(0, 0.001))))
        await shared.cancel(task, operation)
        if args.order == "late":
            server.release()
            await arrival(operation.channel, received)
        task, operation = await shared.start()
        server.release()
        await task


async def main(args):
    wire = Wire()
    server = Server(args.host, args.port, args.server_delay, args.hold)
    connection = await aioredis.create_connection((args.host, args.port))
    wire.adopt(connection._reader, connection._writer)
    shared = Shared(wire, connection)
    varied = random.Random(args.seed)
    await (sequential if args.sequential else at_a_time)(shared, server, args, varied)
    report("aioredis-sequential-" + args.order if args.sequential else "aioredis-shared",
           wire, server, cancelled_owed=wire.cancelled())
    connection.close()
    await connection.wait_closed()
    server.close()


if __name__ == "__main__":
    parser = arguments(__doc__)
    hold_arguments(parser)
    parser.add_argument("--sequential", action="store_true", help="one task at a time")
    parser.add_argument("--tasks", type=int, default=8, help="at a time")
    parser.add_argument("--cancelled", type=int, default=200, help="commands given up in all")
    asyncio.run(main(parser.parse_args()))
