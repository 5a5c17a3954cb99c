# SPDX-License-Identifier: GPL-2.0-or-later
"""asyncio.wait with a timeout over aiomysql's pool, and a wrapper that loses the pool's slots.

The wrapper's __aexit__ commits, then releases. aiomysql closes the connection of a cancelled
query, so the commit raises and the release is never reached: each cancellation costs the pool one
slot, until a query hangs for ever. No answer is wrong.

--way query    the cancelled tasks wait for their query
--way commit   they wait for their commit (the server is stopped before it)
--way forget   the pending tasks are not even cancelled: their queries wait for a lock that nobody
               gives back, and keep their slots
--way fixed    the wrapper releases in a `finally`
"""

import asyncio
import itertools
import json
import os
import signal
import time

import aiomysql
from syncwire import arguments


class Known:
    def __init__(self, connection):
        self.port = connection._writer.get_extra_info("sockname")[1]
        self.connection = connection
        self.wrong = self.abandoned = self.operations = 0
        self.lost = False

    def truth(self, fixed):
        closed = self.connection.closed
        return {"wrong": self.wrong, "closed": closed, "abandoned": self.abandoned,
                "leaked": self.lost,
                "must": ["closed"] if self.abandoned and closed and not fixed else []}


class Work:
    def __init__(self, pool, args):
        self.pool = pool
        self.args = args
        self.known = {}
        self.tags = itertools.count(1)

    def about(self, connection):
        if connection not in self.known:
            self.known[connection] = Known(connection)
        return self.known[connection]

    async def ask(self, known, statement, *values):
        known.operations += 1
        async with known.connection.cursor() as cursor:
            await cursor.execute(statement, values)
            return await cursor.fetchone()

    async def quick(self):
        async with Session(self) as known:
            tag = f"tag-{next(self.tags)}"
            known.wrong += (await self.ask(known, "SELECT %s", tag))[0] != tag

    async def slow(self):
        held = self.args.way == "commit"
        async with Session(self, held) as known:
            if self.args.way == "forget":
                await self.ask(known, "SELECT GET_LOCK('never', 3600)")
            elif not held:
                await self.ask(known, "SELECT SLEEP(60)")


class Session:
    """Its __aexit__ comes to the release only if the commit went well; the fixed one always."""

    def __init__(self, work, held=False):
        self.work = work
        self.held = held

    async def __aenter__(self):
        self.connection = await self.work.pool.acquire()
        return self.work.about(self.connection)

    async def __aexit__(self, *error):
        known, work = self.work.known[self.connection], self.work
        if work.args.way == "fixed":
            try:
                if error[0] is None:
                    await self.connection.commit()
            finally:
                work.pool.release(self.connection)
            return
        known.lost = True
        known.operations += 1
        if self.held:
            hold(work.args.pid)
        await self.connection.commit()
        work.pool.release(self.connection)
        known.lost = False


def hold(pid):
    os.kill(pid, signal.SIGSTOP)
    while state(pid) != "T":
        time.sleep(0.0001)


def state(pid):
    with open(f"/proc/{pid}/stat", "rb") as stat:
        return stat.read().rpartition(b")")[2].split()[0].decode()


async def one_round(work, args, quick=2):
    """One slow task, and some quick ones beside it while the pool can serve them."""
    held = args.way == "commit"
    tasks = [asyncio.create_task(work.slow())]
    tasks += [asyncio.create_task(work.quick()) for _ in range(0 if held else quick)]
    # However slow the machine is, only the slow one is still pending after the timeout.
    await asyncio.gather(*tasks[1:])
    _, pending = await asyncio.wait(tasks, timeout=0.05)
    if args.way != "forget":
        for late in pending:
            late.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
    if held:
        os.kill(args.pid, signal.SIGCONT)
    for known in work.known.values():
        if args.way == "forget":
            known.lost = known.connection in work.pool._used
        elif known.connection.closed and not known.abandoned:
            known.abandoned = 1


async def hangs(work):
    """Is the pool empty?"""
    try:
        await asyncio.wait_for(work.quick(), 1)
    except asyncio.TimeoutError:
        return True
    return False


async def main(args):
    pool = await aiomysql.create_pool(host=args.host, port=args.port, user="root", minsize=1,
                                      maxsize=args.slots, autocommit=False)
    holder = await aiomysql.connect(host=args.host, port=args.port, user="root")
    work = Work(pool, args)
    await work.ask(work.about(holder), "SELECT GET_LOCK('never', 0)")
    # A pool that has seen load has as many connections as it may have.
    await asyncio.gather(*(work.quick() for _ in range(args.slots)))
    # The last two slots stay, so that the pool can be seen at work while it shrinks.
    for _ in range(args.slots - 2):
        await asyncio.gather(*(work.quick() for _ in range(3)))
        await one_round(work, args)
    for _ in range(20):
        await work.quick()
    if args.way in ("query", "commit"):
        for _ in range(2):
            await one_round(work, args, quick=0)
        if not await hangs(work):
            raise RuntimeError("the pool still has a slot")
    print_truth(work, args)
    if args.way == "forget":
        os._exit(0)
    pool.terminate()
    await pool.wait_closed()
    holder.close()


def print_truth(work, args):
    all_known = work.known.values()
    abandoned = sum(known.abandoned for known in all_known)
    print(json.dumps({
        "workload": "aiomysql-" + args.way, "pid": os.getpid(),
        "operations": sum(known.operations for known in all_known), "cancelled": abandoned,
        "cancelled_owed": abandoned, "wrong": sum(known.wrong for known in all_known),
        "must": ["leaked"] if args.way in ("query", "commit") else [],
        "connections": {known.port: known.truth(args.way == "fixed") for known in all_known},
    }), flush=True)


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("--way", choices=("query", "commit", "forget", "fixed"), default="query")
    parser.add_argument("--pid", type=int, required=True, help="of the server")
    parser.add_argument("--slots", type=int, default=8, help="in the pool")
    asyncio.run(main(parser.parse_args()))
