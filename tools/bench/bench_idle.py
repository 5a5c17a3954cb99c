#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What very many idle connections cost `mispair trace`: CPU, memory, and the length of a pass.

Opens the connections (tools/bench/manyconn.c) under a running tracer, or before it starts, some of
them in doubt: a reply is owed and its wait was given up. Prints figures; asserts nothing.
"""

import argparse
import pathlib
import re
import subprocess
import tempfile
import time

import bench_view

TREE = bench_view.TREE
INDEXED = 'mispair_table_entries{table="index"}'
LAST, LONGEST = (f'mispair_pass_seconds{{pass="{which}"}}' for which in ("last", "longest"))


def numbers(path):
    """name -> value of the metrics that are there now."""
    text = path.read_text() if path.exists() else ""
    return {name: float(value) for name, value in re.findall(r"^(mispair\S+) (\S+)$", text, re.M)}


def opened(args):
    many = subprocess.Popen([str(TREE / "build" / "tests" / "manyconn"), str(args.connections),
                             "0", str(args.doubted)], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True)
    if not many.stdout.readline().startswith("ready"):
        raise SystemExit("bench_idle: the connections could not be opened")
    return many


def traced(args, metrics):
    # The whole host, as in production: what else happens there is in the figures.
    trace = subprocess.Popen([str(args.mispair), "trace", "--metrics-file", str(metrics)],
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
    while not metrics.exists():
        if trace.poll() is not None:
            raise SystemExit(f"bench_idle: mispair ended with status {trace.returncode}")
        time.sleep(0.1)
    return trace


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mispair", type=pathlib.Path, default=TREE / "build" / "mispair")
    parser.add_argument("--connections", type=int, default=300000)
    parser.add_argument("--doubted", type=int, default=0)
    parser.add_argument("--before", action="store_true", help="open them before the tracer starts")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--settle", type=float, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mispair-bench-") as folder:
        metrics = pathlib.Path(folder) / "metrics.prom"
        many = opened(args) if args.before else None
        trace = traced(args, metrics)
        try:
            alone = bench_view.memory(trace.pid)["Rss"] / 1024
            many = many or opened(args)
            time.sleep(args.settle)
            user, system, both = bench_view.cpu_per_second(trace.pid, args.seconds, time.sleep)
            now = numbers(metrics)
            print(f"{args.connections} connections, {args.doubted} of them in doubt, opened "
                  f"{'before' if args.before else 'under'} the tracer: {both:.1f} ms of CPU a "
                  f"second ({user:.1f} user, {system:.1f} system), "
                  f"memory {bench_view.memory(trace.pid)['Rss'] / 1024:.0f} MiB, "
                  f"{alone:.0f} without them")
            print(f"tracked {now['mispair_sockets']:.0f}, looked at by the last pass "
                  f"{now[INDEXED]:.0f}, which took "
                  f"{now[LAST] * 1000:.2f} ms, the longest "
                  f"{now[LONGEST] * 1000:.2f} ms")
        finally:
            trace.terminate()
            trace.wait()
            if many:
                many.stdin.close()
                many.wait()


if __name__ == "__main__":
    main()
