#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A Redis that stalls for a while, again and again, before the sentinel that watches it.

Its replies to what the sentinel asks come late, all at once. At the end the sentinel knows its
master.
"""

import argparse
import json
import os
import sys
import time

import redis

sys.dont_write_bytecode = True
STALL, BETWEEN = 1.2, 0.8


def main(args):
    stalled = redis.Redis(port=args.redis)
    sentinel = redis.Redis(port=args.sentinel, decode_responses=True)
    count = {"exchanges": 0, "ended_early": 0, "failed": 0, "asked": 0}
    for _ in range(args.connections):
        stalled.execute_command("DEBUG", "SLEEP", str(STALL))
        time.sleep(BETWEEN)
        where = sentinel.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "master")
        right = where == ["127.0.0.1", str(args.redis)]
        count["exchanges" if right else "failed"] += 1
        count["asked"] += 1
    print(json.dumps({"workload": "stalls", "pid": os.getpid(), **count}), flush=True)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--redis", type=int, required=True, metavar="PORT")
    parser.add_argument("--sentinel", type=int, required=True, metavar="PORT")
    parser.add_argument("--connections", type=int, default=10, help="how often it stalls")
    parser.add_argument("--parallel", type=int, help="is not heard: there is one")
    return parser.parse_args()


if __name__ == "__main__":
    main(arguments())
