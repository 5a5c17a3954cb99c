# SPDX-License-Identifier: GPL-2.0-or-later
"""What the Python workloads of correct clients share: the counts of truth, and giving up.

The libraries keep their sockets to themselves, so no connection is listed: an alarm about any of
them is a false one.
"""

import argparse
import asyncio
import collections
import itertools
import json
import os
import random
import sys
import threading

from loops import loop_argument

sys.dont_write_bytecode = True


class Truth:
    """Counts of one run; threads share it."""

    def __init__(self, workload):
        self.workload = workload
        self._counts = collections.Counter(operations=0, cancelled=0, cancelled_owed=0, wrong=0)
        self._lock = threading.Lock()
        self._tags = itertools.count(1)

    def tag(self):
        return f"tag{next(self._tags)}"

    def judge(self, answer, expected):
        """An answer that came, whether it is the right one or not."""
        if isinstance(answer, bytes):
            answer = answer.decode()
        self._add(operations=1, wrong=int(answer != expected))

    def gave_up(self, owed=True):
        """A wait that ended without its answer."""
        self._add(operations=1, cancelled=1, cancelled_owed=int(owed))

    def interrupted(self, times=1):
        """A wait that went on afterwards."""
        self._add(cancelled=times)

    def cancelled(self):
        return self._counts["cancelled"]

    def _add(self, **counts):
        with self._lock:
            self._counts.update(counts)

    def report(self):
        print(json.dumps({"workload": self.workload, "pid": os.getpid(), **self._counts,
                          "connections": {}}), flush=True)


def arguments(description, ways=()):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--port", type=int)
    parser.add_argument("--seed", type=int, default=1, help="of the varied timings")
    parser.add_argument("--operations", type=int, default=300, help="in all, about")
    parser.add_argument("--tasks", type=int, default=8, help="or threads, at a time")
    if ways:
        parser.add_argument("--way", choices=ways, default=ways[0])
    return parser


def loop_arguments(description, ways=()):
    """Those of a workload that may run on uvloop; it calls loops.run()."""
    parser = arguments(description, ways)
    loop_argument(parser)
    return parser


async def workers(args, work):
    """`work(number, varied)` for each operation, --tasks of them at a time.

    One that fails ends the others: a pool that is closed waits for whoever holds a connection.
    """
    numbers = iter(range(args.operations))

    async def worker(seed):
        varied = random.Random(seed)
        for number in numbers:
            await work(number, varied)

    tasks = [asyncio.create_task(worker(args.seed + task)) for task in range(args.tasks)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def threads(args, work):
    """The same with threads."""
    numbers, lock = iter(range(args.operations)), threading.Lock()
    failures = []

    def worker(seed):
        varied = random.Random(seed)
        try:
            while True:
                with lock:
                    number = next(numbers, None)
                if number is None:
                    return
                work(number, varied)
        except BaseException as failure:  # it must not end with its thread
            failures.append(failure)
            raise

    running = [threading.Thread(target=worker, args=(args.seed + n,)) for n in range(args.tasks)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    if failures:
        sys.exit(1)


async def cancelled(truth, wait, after, begun=None):
    """Lets `wait` run for so long and cancels it. Its result if it was quicker, else None.

    With an event the time begins when `wait` sets it.
    """
    task = asyncio.create_task(wait)
    if begun is not None:
        await begun.wait()
    await asyncio.wait([task], timeout=after)
    while not task.done():
        # redis-py's own zero time-outs are cancellations too, and one can take ours for its own.
        task.cancel()
        await asyncio.wait([task], timeout=0.05)
    try:
        return await task
    except asyncio.CancelledError:
        truth.gave_up()
        return None
