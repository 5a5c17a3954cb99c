# SPDX-License-Identifier: GPL-2.0-or-later
"""A task is destroyed while it is pending and its reply is owed; its connection goes on.

"Task was destroyed but it is pending": a worker sends its request and then waits on a queue that
only it knows, for leave to read the reply. When the last reference from outside is dropped, the
garbage collector finds worker, queue and future in one cycle. It closes the coroutine, whose
`finally` puts the connection back. Nothing was ever cancelled.
"""

import argparse
import asyncio
import gc
import random

from minipool import Caller, MiniPool
from wire import Operation, Server, Wire, arrival, pause, report


async def worker(pool, operations):
    operations.append(Operation())
    leave = asyncio.Queue()
    async with pool.connection() as (reader, writer):
        writer.write(b"ECHO never-asked-for\r\n")
        await leave.get()
        await reader.readline()


async def destroy(pool, operations, count):
    """The event loop itself holds its tasks weakly."""
    tasks = [asyncio.create_task(worker(pool, operations)) for _ in range(count)]
    await asyncio.sleep(0)
    for operation in operations:
        if not operation.owed():
            raise RuntimeError("the reply came although the server is held")
    del tasks
    collected(operations)


def collected(operations):
    gc.collect()
    for operation in operations:
        operation.channel.note_abandoned()


async def one_round(wire, server, args, varied):
    pool = MiniPool(args.host, args.port)
    await pool.fill(args.tasks)
    caller = Caller(wire, pool)
    server.hold()
    operations = []
    await destroy(pool, operations, args.tasks)
    # Closing an asynchronous context manager takes the loop a few turns.
    for _ in range(5):
        await asyncio.sleep(0)
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
    return pool


async def main(args):
    # "Task was destroyed but it is pending" is what this program is for, not news.
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    wire = Wire().watch()
    server = Server(args.host, args.port)
    varied = random.Random(args.seed)
    pools = [await one_round(wire, server, args, varied) for _ in range(args.rounds)]
    report("asyncio-destroyed-" + args.order, wire, server, cancelled_owed=wire.cancelled())
    for pool in pools:
        pool.close()
    server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--order", choices=("early", "late"), default="early")
    parser.add_argument("--tasks", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    asyncio.run(main(parser.parse_args()))
