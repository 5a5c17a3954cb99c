#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Boots another kernel, runs a command in it, and ends with the command's exit status.

The guest has the tree's tests and build below /mispair, which is also where the command runs. If
the kernel or something else cannot be had, says so and ends with status 77.
"""

import argparse
import os
import pathlib
import sys

import cross
import guest
import kernels
import userland
from cache import TREE, Unavailable

SKIPPED = 77


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kernel", default="6.12", choices=list(kernels.SERIES))
    parser.add_argument("--arch", default="amd64", choices=kernels.ARCHES)
    parser.add_argument("--binary", type=pathlib.Path, help="mispair itself; build/mispair, on "
                        "arm64 cross-built")
    parser.add_argument("--tests", type=pathlib.Path, help="where the tests are built")
    parser.add_argument("--add", action="append", default=[], metavar="HOSTPATH[:GUESTPATH]")
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--append", action="append", default=[], metavar="WORD",
                        help="to the kernel's command line")
    parser.add_argument("--icount", action="store_true",
                        help="one CPU, one nanosecond an instruction, the same every time")
    parser.add_argument("--limit", type=int, default=600, metavar="SECONDS")
    parser.add_argument("command", nargs="+", metavar="CMD")
    return parser.parse_args()


def main():
    args = arguments()
    try:
        if args.arch == "arm64" and not (args.binary and args.tests):
            build = cross.build(TREE / "build" / "arm64")
        else:
            build = TREE / "build"
        under_test = userland.UnderTest(args.arch)
        for item in args.add:
            source, _, where = item.partition(":")
            under_test.add(source, where or os.path.abspath(source))
        under_test.add_tree(args.binary or build / "mispair", args.tests or build / "tests")
        environment = dict(item.partition("=")[::2] for item in args.env)
        return guest.run(kernels.fetch(args.kernel, args.arch), under_test, args.command,
                         environment=environment, counted=args.icount, append=args.append,
                         limit=args.limit, sink=lambda line: print(line, flush=True))
    except Unavailable as reason:
        print(f"SKIP {args.kernel} {args.arch}: {reason}", file=sys.stderr)
        return SKIPPED
    except (guest.Crash, cross.BuildFailed) as crash:
        print(f"vm: {crash}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
