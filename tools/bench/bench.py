#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What mispair costs: each benchmark without and with a tracer of the whole host, in pairs.

A machine drifts, so a run is compared only with the one beside it, which of the two is first
alternates, and the result is the median of the pairs' ratios, with its quartiles. Where there are
two CPUs, server and client get one each.

With --floor further runs stand beside each pair, under two programs on the same tracepoints: that do
nothing, or the least that counts by socket. What they cost, no tracer on this host can save.
"""

import argparse
import csv
import json
import os
import pathlib
import shlex
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

TREE = pathlib.Path(__file__).resolve().parents[2]
START_LIMIT = 20
EVENTS_A_ROUND = 4


def on_cpu(number):
    cpus = sorted(os.sched_getaffinity(0))
    chosen = {cpus[number % len(cpus)]}
    return lambda: os.sched_setaffinity(0, chosen)


def await_true(condition, what):
    deadline = time.monotonic() + START_LIMIT
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"bench.py: {what}: not within {START_LIMIT} s")
        time.sleep(0.01)


class Redis:
    def __init__(self):
        self._directory = tempfile.mkdtemp(prefix="mispair-bench-")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
             "--dir", self._directory], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            preexec_fn=on_cpu(0))
        await_true(self._answers, "redis-server answers")

    def pid(self):
        return self._process.pid

    def _answers(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as client:
                client.sendall(b"PING\r\n")
                return client.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    def stop(self):
        self._process.terminate()
        self._process.wait()
        shutil.rmtree(self._directory)


class Tracer:
    """mispair over the whole host, from its start line to its end."""

    def __init__(self, args):
        self._directory = tempfile.mkdtemp(prefix="mispair-bench-")
        path = os.path.join(self._directory, "events.json")
        self._process = subprocess.Popen(
            [str(args.mispair), "trace", "--json", path, *shlex.split(args.mispair_args)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

        def started():
            if self._process.poll() is not None:
                sys.exit(f"bench.py: mispair ended with status {self._process.returncode}")
            return os.path.exists(path) and "mispair.start" in pathlib.Path(path).read_text()

        await_true(started, "mispair starts")

    def stop(self):
        self._process.send_signal(signal.SIGTERM)
        self._process.wait()
        shutil.rmtree(self._directory)


class Floor:
    """Other programs where mispair has its own. `does` is their word for it, `says` ours."""
    does = says = ""

    def __init__(self, args):
        self._process = subprocess.Popen([str(args.floor_program), self.does], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, text=True)
        if self._process.stdout.readline() != "attached\n":
            sys.exit("bench.py: the programs of the floor cannot be attached here")

    def stop(self):
        self._process.communicate()


class Nothing(Floor):
    does, says = "nothing", "do nothing"


class Count(Floor):
    does, says = "count", "only count"


FLOORS = (Nothing, Count)


def output(command, cpu=None):
    return subprocess.run(list(map(str, command)), check=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, text=True,
                          preexec_fn=None if cpu is None else on_cpu(cpu)).stdout


def redis_benchmark(args, port):
    rows = output(["redis-benchmark", "-p", port, "-t", "get", "-n", args.requests, "-c", 50,
                   "--csv"], cpu=1).splitlines()
    return float(next(csv.DictReader(rows))["rps"])


def redis_py(args, port):
    return float(output([args.python, TREE / "tools" / "bench" / "bench_pyredis.py", "--port",
                         port, "--commands", args.commands], cpu=1))


def ping_pong(args, _port):
    """Rounds a second, so that less is worse everywhere."""
    where = ["--two-cpus"] if args.two_cpus else []
    return 1e9 / float(output([args.pingpong, "--rounds", args.rounds, *where]))


def storm(what, threads=1):
    """Timeouts or signals a second. A timer's interrupt is nobody's CPU time, so by the clock.

    One CPU does some 30,000 timeouts a second; several threads have all CPUs.
    """
    def run(args, _port):
        return float(output([args.storm, "--what", what, "--count", args.storms,
                             "--threads", threads], cpu=1 if threads == 1 else None).split()[1])
    return run


# name: what it does, and the least ratio we want
BENCHES = {"redis-benchmark-get": (redis_benchmark, 0.98), "redis-py-asyncio": (redis_py, 0.97),
           "ping-pong": (ping_pong, None), "poll-timeouts": (storm("timeouts", 4), None),
           "signal-storm": (storm("signals"), None)}


def measure(bench, args, port, under):
    if under is None:
        return bench(args, port)
    tracer = under(args)
    try:
        time.sleep(args.settle)
        return bench(args, port)
    finally:
        tracer.stop()


def runs(bench, args, port):
    """{None: rate, Tracer: rate, each floor: rate} of runs that stand side by side."""
    bench(args, port)  # page cache, CPU clock
    order = [None, Tracer, *(floor for floor in FLOORS if floor.does in args.floor)]
    for number in range(args.pairs):
        first = number % len(order)
        yield {under: measure(bench, args, port, under)
               for under in (order[first:] + order[:first] if number % 4 < 2 else
                             (order[first:] + order[:first])[::-1])}


def spread(values):
    """Lower quartile, median, upper quartile."""
    if len(values) < 2:
        return values * 3
    return statistics.quantiles(values, n=4, method="inclusive")


def ratio(of, to, sides):
    return spread([side[of] / side[to] for side in sides])


def rounded(values):
    return [round(value, 4) for value in values]


def summary(name, target, sides):
    measured = [(side[None], side[Tracer]) for side in sides]
    low, middle, high = ratio(Tracer, None, sides)
    result = {"bench": name, "pairs": len(measured), "ratio": round(middle, 4),
              "quartiles": rounded([low, high]), "target": target,
              "met": target is None or middle >= target,
              "untraced_per_s": round(statistics.median(u for u, _ in measured), 1),
              "traced_per_s": round(statistics.median(t for _, t in measured), 1)}
    for floor in FLOORS:
        if floor in sides[0]:
            result[f"floor_{floor.does}"] = rounded(ratio(floor, None, sides))
            result[f"over_{floor.does}"] = rounded(ratio(Tracer, floor, sides))
    if name == "ping-pong":
        costs = [(1e9 / traced - 1e9 / untraced) / EVENTS_A_ROUND for untraced, traced in measured]
        low, middle, high = spread(costs)
        result["ns_per_event"] = round(middle, 1)
        result["ns_per_event_quartiles"] = [round(low, 1), round(high, 1)]
    return result


def print_row(result):
    target = "" if result["target"] is None else f"target {result['target']:.2f}"
    if "ns_per_event" in result:
        low, high = result["ns_per_event_quartiles"]
        target = f"{result['ns_per_event']:.0f} ns an event ({low:.0f} to {high:.0f})"
    elif not result["met"]:
        target += ", missed"
    low, high = result["quartiles"]
    print(f"{result['bench']:<20} {result['untraced_per_s']:>12,.0f} "
          f"{result['traced_per_s']:>12,.0f}   {result['ratio']:.3f} ({low:.3f} to {high:.3f})   "
          f"{target}", flush=True)
    for floor in FLOORS:
        for what, key in ((f"programs that {floor.says} over untraced", f"floor_{floor.does}"),
                          (f"traced over programs that {floor.says}", f"over_{floor.does}")):
            if key in result:
                low, middle, high = result[key]
                print(f"{'':<8}{what:<40} {middle:.3f} ({low:.3f} to {high:.3f})", flush=True)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mispair", type=pathlib.Path, default=TREE / "build" / "mispair")
    parser.add_argument("--mispair-args", default="", metavar="ARGS", help="for mispair trace")
    parser.add_argument("--pingpong", type=pathlib.Path,
                        default=TREE / "build" / "tests" / "pingpong")
    parser.add_argument("--storm", type=pathlib.Path, default=TREE / "build" / "tests" / "storm")
    parser.add_argument("--storms", type=int, default=200000, help="timeouts, or signals")
    parser.add_argument("--python", default="/usr/bin/python3", help="that runs redis-py")
    parser.add_argument("--only", choices=sorted(BENCHES))
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--settle", type=float, default=0, metavar="SECONDS",
                        help="between the start of a tracer and the run under it")
    parser.add_argument("--floor", nargs="+", default=[], choices=["nothing", "count"],
                        help="beside each pair a run under programs that do no more than this")
    parser.add_argument("--floor-program", type=pathlib.Path,
                        default=TREE / "build" / "tests" / "floor")
    parser.add_argument("--requests", type=int, default=500000, help="of redis-benchmark")
    parser.add_argument("--commands", type=int, default=40000, help="of redis-py")
    parser.add_argument("--rounds", type=int, default=200000, help="of the ping-pong")
    parser.add_argument("--two-cpus", action="store_true", help="for the ping-pong")
    parser.add_argument("--check", action="store_true", help="fail if a target is missed")
    return parser.parse_args()


def main():
    args = arguments()
    redis = Redis()
    results = []
    print(f"{'':<20} {'untraced/s':>12} {'traced/s':>12}   ratio (quartiles)")
    try:
        for name, (bench, target) in BENCHES.items():
            if args.only in (None, name):
                results.append(summary(name, target, list(runs(bench, args, redis.port))))
                print_row(results[-1])
    finally:
        redis.stop()
    print(json.dumps({"benchmarks": results}))
    return 1 if args.check and not all(result["met"] for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
