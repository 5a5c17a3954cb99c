# SPDX-License-Identifier: GPL-2.0-or-later
"""The event loop that a workload runs on."""

import asyncio


def loop_argument(parser):
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="asyncio")


def run(args, coroutine):
    if args.loop == "uvloop":
        import uvloop
        uvloop.install()
    asyncio.run(coroutine)
