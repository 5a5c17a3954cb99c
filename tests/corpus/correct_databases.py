# SPDX-License-Identifier: GPL-2.0-or-later
"""Pools of asyncio data base clients whose statements are cancelled: each closes the connection.

python3-aiopg, python3-psycopg-pool, python3-aiomysql; and a statement that is shielded, so that
its answer is read although whoever asked has gone.
"""

import asyncio
import logging

from correct import Truth, cancelled, loop_arguments, workers
from loops import run


def where(args):
    return f"host=127.0.0.1 port={args.port} user=corpus dbname=postgres"


async def ask(truth, cursor, tag):
    await cursor.execute("SELECT %s", (tag,))
    truth.judge((await cursor.fetchone())[0], tag)


async def with_pool(args, truth, acquire, sleep):
    """`acquire` gives a context of a cursor."""
    async def stuck(varied, begun):
        async with acquire() as cursor:
            # psycopg's pool loses a slot when who waits for a connection is cancelled.
            begun.set()
            await cursor.execute(sleep, (varied.choice((0.3, 0.004)),))

    async def work(number, varied):
        async with acquire() as cursor:
            await ask(truth, cursor, truth.tag())
        begun = asyncio.Event()
        await cancelled(truth, stuck(varied, begun), varied.uniform(0, 0.004), begun)

    await workers(args, work)


class Acquire:
    """A connection of a pool and a cursor of it."""

    def __init__(self, connection):
        self._connection = connection

    async def __aenter__(self):
        connection = await self._connection.__aenter__()
        try:
            self._cursor = await as_cursor(connection)
        except BaseException:
            await self._connection.__aexit__(None, None, None)
            raise
        return self._cursor

    async def __aexit__(self, *exception):
        return await self._connection.__aexit__(*exception)


async def as_cursor(connection):
    cursor = connection.cursor()
    return await cursor if hasattr(cursor, "__await__") else cursor


async def aiopg_pool(args, truth):
    import aiopg
    async with aiopg.create_pool(where(args), minsize=2, maxsize=args.tasks) as pool:
        await with_pool(args, truth, lambda: Acquire(pool.acquire()), "SELECT pg_sleep(%s)")


async def psycopg_async_pool(args, truth):
    import psycopg_pool
    # It says each time that it closed a connection, which is what it should do.
    logging.getLogger("psycopg").setLevel(logging.ERROR)
    async with psycopg_pool.AsyncConnectionPool(where(args), min_size=4,
                                                max_size=args.tasks) as pool:
        await with_pool(args, truth, lambda: Acquire(pool.connection()), "SELECT pg_sleep(%s)")


async def asyncpg_pool(args, truth):
    """Asks by CancelRequest for the end of the statement, and keeps the connection."""
    import asyncpg

    async def stuck(connection, seconds, begun):
        begun.set()
        await connection.execute(f"SELECT pg_sleep({seconds})")

    async def timed(connection, seconds, limit):
        try:
            await connection.execute(f"SELECT pg_sleep({seconds})", timeout=limit)
        except asyncio.TimeoutError:
            truth.gave_up()

    async def work(number, varied):
        tag, begun = truth.tag(), asyncio.Event()
        seconds, limit = varied.choice((0.3, 0.004)), varied.uniform(0, 0.004)
        if number % 3 == 0:
            async with pool.acquire() as connection:
                await timed(connection, seconds, limit)
        elif number % 3 == 1:
            async with pool.acquire() as connection:
                await cancelled(truth, stuck(connection, seconds, begun), limit, begun)
                truth.judge(await connection.fetchval("SELECT $1::text", tag), tag)
        else:
            await cancelled(truth, stuck(pool, seconds, begun), limit, begun)
        truth.judge(await pool.fetchval("SELECT $1::text", tag), tag)

    async with asyncpg.create_pool(host="127.0.0.1", port=args.port, user="corpus",
                                   database="postgres", min_size=2, max_size=args.tasks,
                                   ssl=False) as pool:
        await workers(args, work)


async def aiomysql_pool(args, truth):
    import aiomysql
    async with aiomysql.create_pool(host="127.0.0.1", port=args.port, user="root", minsize=2,
                                    maxsize=args.tasks, autocommit=True) as pool:
        await with_pool(args, truth, lambda: Acquire(pool.acquire()), "SELECT SLEEP(%s)")


async def shield(args, truth):
    """The one who asked is cancelled, the exchange is not: it ends, then the connection is free."""
    import psycopg
    free = asyncio.Queue()
    for _ in range(args.tasks):
        free.put_nowait(await psycopg.AsyncConnection.connect(where(args), autocommit=True))
    unfinished = set()

    async def exchange(connection, tag, seconds):
        try:
            cursor = await connection.execute("SELECT %s || pg_sleep(%s)", (tag, seconds))
            truth.judge((await cursor.fetchone())[0], tag)
        finally:
            free.put_nowait(connection)

    async def shielded(seconds):
        task = asyncio.create_task(exchange(await free.get(), truth.tag(), seconds))
        unfinished.add(task)
        task.add_done_callback(unfinished.discard)
        await asyncio.shield(task)

    async def work(number, varied):
        await cancelled(truth, shielded(varied.uniform(0, 0.01)), varied.uniform(0, 0.004))

    await workers(args, work)
    await asyncio.gather(*unfinished)
    while not free.empty():
        await free.get_nowait().close()


WAYS = {"aiopg": aiopg_pool, "asyncpg": asyncpg_pool, "psycopg-pool": psycopg_async_pool,
        "aiomysql": aiomysql_pool, "shield": shield}


async def main(args):
    truth = Truth("correct_databases")
    await WAYS[args.way](args, truth)
    truth.report()


if __name__ == "__main__":
    parsed = loop_arguments(__doc__, tuple(WAYS)).parse_args()
    run(parsed, main(parsed))
