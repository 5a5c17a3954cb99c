# SPDX-License-Identifier: GPL-2.0-or-later
"""The event loop that a workload runs on."""

import asyncio


def loop_argument(parser):
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="asyncio")


def policy(args):
    """What asyncio.run() runs on from now on."""
    if args.loop == "uvloop":
        import uvloop
        uvloop.install()


def run(args, coroutine):
    policy(args)
    asyncio.run(coroutine)
