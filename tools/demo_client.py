# SPDX-License-Identifier: GPL-2.0-or-later
"""Two users of a small web application that keeps chat titles in redis.

With --bug the client behaves as redis-py 4.4.0 to 4.5.3 did: a cancelled command leaves its
connection open, and the connection goes back to the pool with the reply still to come.
"""

import argparse
import asyncio
import sys

from redis.asyncio import Connection, ConnectionPool, Redis


class KeepsConnection(Connection):
    """disconnect() does nothing while a cancellation is being handled."""

    async def disconnect(self, *args, **kwargs):
        if isinstance(sys.exc_info()[1], asyncio.CancelledError):
            return
        await super().disconnect(*args, **kwargs)


async def title(client, user):
    return (await client.get(f"title:{user}")).decode()


async def main(args):
    kind = KeepsConnection if args.bug else Connection
    pool = ConnectionPool(connection_class=kind, host="127.0.0.1", port=args.port)
    client = Redis(connection_pool=pool)
    control = Redis(host="127.0.0.1", port=args.port)
    await client.set("title:alice", "Alice: my test results")
    await client.set("title:bob", "Bob: holiday in Wales")
    for _ in range(10):  # an ordinary day
        await title(client, "bob")

    # redis is slow for a moment; Alice closes her browser before her answer is there.
    slow = asyncio.create_task(control.execute_command("DEBUG", "SLEEP", "0.2"))
    await asyncio.sleep(0.05)
    request = asyncio.create_task(title(client, "alice"), name="Alice's request")
    await asyncio.sleep(0.05)
    request.cancel()
    try:
        await request
    except asyncio.CancelledError:
        print("  Alice asked for her title and closed the browser before it came")

    answer = await asyncio.create_task(title(client, "bob"), name="Bob's request")
    print(f"  Bob asked for his title and was shown:   {answer!r}")
    if not answer.startswith("Bob"):
        print("  ^^^ that is Alice's. No error, no slow query, no bad packet.")
    await slow
    await control.close()
    await pool.disconnect()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--bug", action="store_true")
    asyncio.run(main(parser.parse_args()))
