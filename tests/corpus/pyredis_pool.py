# SPDX-License-Identifier: GPL-2.0-or-later
"""A redis connection pool under many tasks, some of them cancelled while their reply is owed.

Each operation is a task of its own, and no reference to it is kept: a cancelled task is freed at
once, and a later task usually gets its address.
"""

import asyncio
import itertools
import random

from loops import loop_argument, run
from pyredis_common import arguments, close, hold_arguments, pooled_client
from wire import Operation, Server, Wire, arrival, pause, report

# The pool sends only after its own look at the connection, which takes some turns of the loop.
SEND_LIMIT = 5.0


class Caller:
    """Starts one task for each operation and judges its answer."""

    def __init__(self, wire, client):
        self.wire = wire
        self.client = client
        self.tags = itertools.count(1)

    async def _echo(self, started):
        operation = Operation()
        started.set_result(operation)
        tag = f"tag-{next(self.tags)}"
        answer = await self.client.echo(tag)
        self.wire.judge(operation, answer, tag)

    async def start(self):
        """Returns when the request is on the wire."""
        started = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self._echo(started))
        operation = await started
        await asyncio.wait_for(operation.sent.wait(), SEND_LIMIT)
        return task, operation


async def finish(calls):
    for task, _ in calls:
        try:
            await task
        except asyncio.CancelledError:
            pass
    calls.clear()


def split(calls, choose):
    """Some of the calls, at least one, are given up."""
    given_up = [call for call in calls if choose()] or [calls[0]]
    kept = [call for call in calls if call not in given_up]
    calls.clear()
    return given_up, kept


async def one_round(caller, server, args, varied):
    """Every connection has a request that is owed; some owners are cancelled; others follow."""
    wire = caller.wire
    await warm(caller, args)
    server.hold()
    given_up, kept = split([await caller.start() for _ in range(args.tasks)],
                           lambda: varied.random() < args.cancel)
    count = len(given_up)
    await pause(varied.choice((-1, 0, varied.uniform(0, 0.002))))
    waiting = []
    for task, operation in given_up:
        received = operation.channel.received
        if wire.cancel(task, operation):
            waiting.append((operation.channel, received))
    del task
    await finish(given_up)
    if args.order == "late":
        server.release()
        for channel, received in waiting:
            await arrival(channel, received)
    await pause(varied.choice((-1, 0, varied.uniform(0, 0.002))))
    followers = [await caller.start() for _ in range(count)]
    server.release()
    await finish(followers)
    await finish(kept)


async def warm(caller, args):
    """All connections open and checked before the server is held: connecting needs its answer."""
    calls = [asyncio.create_task(caller.client.echo(f"warm-{n}")) for n in range(args.tasks)]
    for task in calls:
        await task


async def free_running(caller, args, varied):
    """No held server: whether an answer is wrong is left to the race, and counted."""
    async def worker():
        for _ in range(args.ops):
            task, operation = await caller.start()
            if varied.random() < args.cancel:
                await pause(varied.choice((-1, 0, varied.uniform(0, 0.0002))))
                caller.wire.cancel(task, operation)
            await finish([(task, operation)])
            del task

    await asyncio.gather(*(worker() for _ in range(args.tasks)))


async def main(args):
    wire = Wire().watch()
    server = Server(args.host, args.port, args.server_delay, args.hold)
    client = pooled_client(args, args.pool == "blocking", args.stock, args.tasks)
    caller = Caller(wire, client)
    varied = random.Random(args.seed)
    if args.server_delay == "none":
        await free_running(caller, args, varied)
    else:
        for _ in range(args.ops):
            await one_round(caller, server, args, varied)
    report(f"pyredis-pool-{args.pool}-{args.order}", wire, server,
           cancelled_owed=wire.cancelled())
    await close(client)
    server.close()


if __name__ == "__main__":
    parser = arguments(__doc__)
    loop_argument(parser)
    hold_arguments(parser)
    parser.add_argument("--pool", choices=("plain", "blocking"), default="plain")
    parser.add_argument("--tasks", type=int, default=8, help="at a time")
    parser.add_argument("--ops", type=int, default=50, help="operations a task")
    parser.add_argument("--cancel", type=float, default=0.3, help="share that is given up")
    parser.add_argument("--stock", action="store_true", help="without the bug")
    parsed = parser.parse_args()
    run(parsed, main(parsed))
