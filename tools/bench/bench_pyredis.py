# SPDX-License-Identifier: GPL-2.0-or-later
"""redis-py asyncio: workers over one pool, a fixed number of commands; prints commands a second."""

import argparse
import asyncio
import sys
import time

DEBIAN_PACKAGES = "/usr/lib/python3/dist-packages"
if DEBIAN_PACKAGES not in sys.path:
    sys.path.append(DEBIAN_PACKAGES)

from redis import asyncio as aredis  # noqa: E402


async def worker(client, count):
    for _ in range(count):
        await client.get("bench")


async def round_of(client, args, count):
    await asyncio.gather(*(worker(client, count // args.workers) for _ in range(args.workers)))


async def main(args):
    client = aredis.Redis(host=args.host, port=args.port)
    await client.set("bench", "x" * 32)
    # The connections are open, and whoever watches has looked into this process.
    await round_of(client, args, args.commands // 10)
    began = time.perf_counter()
    await round_of(client, args, args.commands)
    print(f"{args.commands / (time.perf_counter() - began):.1f}")
    await client.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--commands", type=int, default=40000)
    asyncio.run(main(parser.parse_args()))
