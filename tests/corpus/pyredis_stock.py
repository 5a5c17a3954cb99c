# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's python3-redis as it is: many commands cancelled, each while its reply is owed.

The cancelled command is BLPOP on a list that never gets an element, so that the reply is owed
for certain however late the cancellation comes. The library closes each such connection.
"""

import asyncio
import itertools
import random

from pyredis_common import arguments, close, pooled_client, wait_arguments, wait_to_go_on
from wire import Operation, Wire, pause, report


async def give_up(wire, client, tag, varied):
    operation = None

    async def block():
        nonlocal operation
        operation = Operation()
        await client.blpop(f"never-{tag}", 0)

    task = asyncio.create_task(block())
    await asyncio.sleep(0)
    await operation.sent.wait()
    await pause(varied.choice((-1, 0, varied.uniform(0, 0.002))))
    if not wire.cancel(task, operation):
        raise RuntimeError("BLPOP was answered")
    try:
        await task
    except asyncio.CancelledError:
        pass


async def worker(wire, client, tags, args, varied):
    for tag in tags:
        if tag > args.cancelled:
            return
        await give_up(wire, client, tag, varied)
        for number in range(varied.randrange(3)):
            operation = Operation()
            answer = await client.echo(f"tag-{tag}-{number}")
            wire.judge(operation, answer, f"tag-{tag}-{number}")


async def main(args):
    wire = Wire().watch()
    await wait_to_go_on(args)
    client = pooled_client(args, args.pool == "blocking", stock=True)
    varied = random.Random(args.seed)
    tags = itertools.count(1)
    await asyncio.gather(*(worker(wire, client, tags, args, varied) for _ in range(args.tasks)))
    report("pyredis-stock", wire, cancelled_owed=wire.cancelled())
    await close(client)


if __name__ == "__main__":
    parser = arguments(__doc__)
    wait_arguments(parser)
    parser.add_argument("--pool", choices=("plain", "blocking"), default="plain")
    parser.add_argument("--tasks", type=int, default=8, help="at a time")
    parser.add_argument("--cancelled", type=int, default=1000, help="commands given up in all")
    asyncio.run(main(parser.parse_args()))
