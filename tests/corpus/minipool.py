# SPDX-License-Identifier: GPL-2.0-or-later
"""A connection pool of 40 lines over asyncio streams, with the usual bug in its `finally`.

The same wrong answers as redis-py's bug, by each of the ways in which asyncio ends a wait.
"""

import argparse
import asyncio
import contextlib
import itertools
import random
import sys

from wire import Operation, Server, Wire, arrival, pause, report


class MiniPool:
    """A connection always goes back, whatever happened to its exchange.

    Last in, first out, as redis-py's; or, as aiomysql's, the one that has rested longest.
    """

    def __init__(self, host, port, oldest_first=False):
        self._address = host, port
        self._next = 0 if oldest_first else -1
        self._idle = []

    @contextlib.asynccontextmanager
    async def connection(self):
        if self._idle:
            reader, writer = self._idle.pop(self._next)
        else:
            reader, writer = await asyncio.open_connection(*self._address)
        try:
            yield reader, writer
        finally:
            self._idle.append((reader, writer))

    async def echo(self, tag):
        async with self.connection() as (reader, writer):
            writer.write(b"ECHO " + tag.encode() + b"\r\n")
            await writer.drain()
            await reader.readline()
            return (await reader.readline()).strip().decode()

    async def fill(self, count):
        """Open `count` connections, each with a clean exchange behind it."""
        async with contextlib.AsyncExitStack() as held:
            for number in range(count):
                reader, writer = await held.enter_async_context(self.connection())
                writer.write(f"ECHO fill-{number}\r\n".encode())
                await reader.readline()
                await reader.readline()

    def close(self):
        for _, writer in self._idle:
            writer.close()


class Caller:
    def __init__(self, wire, pool):
        self.wire = wire
        self.pool = pool
        self.tags = itertools.count(1)

    async def ask(self, operations):
        operation = Operation()
        operations.append(operation)
        tag = f"tag-{next(self.tags)}"
        self.wire.judge(operation, await self.pool.echo(tag), tag)


async def by_cancel(caller, operations, count):
    tasks = [asyncio.create_task(caller.ask(operations)) for _ in range(count)]
    await asyncio.sleep(0)
    for task, operation in zip(tasks, operations):
        caller.wire.cancel(task, operation)
    await asyncio.gather(*tasks, return_exceptions=True)


async def by_wait_for(caller, operations, count):
    async def limited():
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(caller.ask(operations), 0.005)

    await asyncio.gather(*(limited() for _ in range(count)))
    note_abandoned(operations)


async def by_wait(caller, operations, count):
    tasks = [asyncio.create_task(caller.ask(operations)) for _ in range(count)]
    _, pending = await asyncio.wait(tasks, timeout=0.005)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    note_abandoned(operations)


async def by_timeout(caller, operations, count):
    async def limited():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.005):
                await caller.ask(operations)

    await asyncio.gather(*(limited() for _ in range(count)))
    note_abandoned(operations)


def note_abandoned(operations):
    """asyncio cancelled them. The server is held, so that what is owed now was owed then."""
    for operation in operations:
        if operation.owed():
            operation.channel.note_abandoned()


KINDS = {"cancel": by_cancel, "wait_for": by_wait_for, "wait": by_wait, "timeout": by_timeout}


async def one_round(caller, server, args, varied):
    server.hold()
    operations = []
    await KINDS[args.kind](caller, operations, args.tasks)
    if args.order == "late":
        received = [operation.channel.received for operation in operations]
        server.release()
        for operation, before in zip(operations, received):
            await arrival(operation.channel, before)
    await pause(varied.choice((-1, 0, varied.uniform(0, 0.002))))
    followers = [asyncio.create_task(caller.ask([])) for _ in range(args.tasks)]
    await asyncio.sleep(0)
    server.release()
    await asyncio.gather(*followers)


async def main(args):
    wire = Wire().watch()
    server = Server(args.host, args.port)
    varied = random.Random(args.seed)
    pools = []
    for _ in range(args.rounds):
        # A pool a round: a connection that was wrong once is wrong for the rest of its life.
        pools.append(MiniPool(args.host, args.port))
        await pools[-1].fill(args.tasks)
        await one_round(Caller(wire, pools[-1]), server, args, varied)
    report(f"asyncio-minipool-{args.kind}-{args.order}", wire, server,
           cancelled_owed=wire.cancelled())
    for pool in pools:
        pool.close()
    server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--kind", choices=sorted(KINDS), default="cancel")
    parser.add_argument("--order", choices=("early", "late"), default="early")
    parser.add_argument("--tasks", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    if arguments.kind == "timeout" and sys.version_info < (3, 11):
        sys.exit("asyncio.timeout is in Python 3.11 and later")
    asyncio.run(main(arguments))
