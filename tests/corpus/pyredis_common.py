# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's python3-redis, as it is and with the bug of redis-py 4.4.0 to 4.5.3."""

import argparse
import asyncio
import sys

# Another interpreter of the same minor version can use Debian's packages too, after its own.
DEBIAN_PACKAGES = "/usr/lib/python3/dist-packages"
if DEBIAN_PACKAGES not in sys.path:
    sys.path.append(DEBIAN_PACKAGES)

from redis import asyncio as aredis  # noqa: E402
from redis.asyncio.connection import Connection  # noqa: E402


class CancelDoesNotDisconnect(Connection):
    """redis-py 4.4.0 to 4.5.3 let a cancelled command leave its connection open.

    4.3.4 calls disconnect() from an `except BaseException`; the versions with the bug did not
    come there for a CancelledError. Doing nothing while one is being handled is the same.
    """

    async def disconnect(self, *args, **kwargs):
        if isinstance(sys.exc_info()[1], asyncio.CancelledError):
            return
        await super().disconnect(*args, **kwargs)


def connection_class(stock):
    return Connection if stock else CancelDoesNotDisconnect


def single_client(args, stock=False):
    """single_connection_client keeps one connection of a pool, so the pool chooses the class."""
    pool = aredis.ConnectionPool(connection_class=connection_class(stock), host=args.host,
                                 port=args.port, decode_responses=True)
    return aredis.Redis(connection_pool=pool, single_connection_client=True)


def pooled_client(args, blocking=False, stock=False, max_connections=64):
    kind = aredis.BlockingConnectionPool if blocking else aredis.ConnectionPool
    pool = kind(connection_class=connection_class(stock), host=args.host, port=args.port,
                decode_responses=True, max_connections=max_connections)
    return aredis.Redis(connection_pool=pool)


async def close(client):
    await client.close()
    await client.connection_pool.disconnect()


def arguments(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seed", type=int, default=1, help="of the varied timings")
    return parser


def wait_arguments(parser):
    parser.add_argument("--wait", action="store_true",
                        help="after one clean exchange, go on only when a line comes on stdin")


async def wait_to_go_on(args):
    """Whoever watches has time to look into this process, and to change how it watches."""
    if not args.wait:
        return
    client = pooled_client(args, stock=True)
    await client.echo("here")
    await close(client)
    sys.stdin.readline()


def hold_arguments(parser):
    parser.add_argument("--order", choices=("early", "late"), default="early",
                        help="reuse before the old reply arrives, or after it was read")
    parser.add_argument("--server-delay", choices=("stop", "sleep", "pause", "none"),
                        default="stop", help="how the server is made to answer late")
    parser.add_argument("--hold", type=float, default=0.02, metavar="SECONDS",
                        help="how long sleep and pause delay it")
