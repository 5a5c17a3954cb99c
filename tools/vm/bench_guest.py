# SPDX-License-Identifier: GPL-2.0-or-later
"""The part of the bench that runs in the guest: each workload untraced, under each tier, untraced.

Prints one JSON line a measurement. The clock counts instructions (guest.COUNTED), so nothing is
repeated for its own sake, and waiting costs nothing.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import time

MISPAIR = "build/mispair"
REDIS_PORT = 6379
WARM_MS = 600
SCHEDSTAT = pathlib.Path("/proc/schedstat")
BPF_STATS = pathlib.Path("/proc/sys/kernel/bpf_stats_enabled")


def output(command):
    return subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE,
                          text=True).stdout


def ping_pong(args):
    """Nanoseconds of a round, which is one exchange: two sends and two receives.

    What a tracer does once for a process, as to probe it when it is not young any more, is over when
    the rounds that count begin.
    """
    return float(output(["build/tests/pingpong", "--rounds", args.rounds, "--warm-ms", WARM_MS]))


def busy_ns():
    """For how long the one CPU has run anything but its idle task."""
    for line in SCHEDSTAT.read_text().splitlines():
        if line.startswith("cpu0 "):
            return int(line.split()[7])
    raise OSError(f"{SCHEDSTAT} has no cpu0")


def redis_run(requests):
    before = busy_ns()
    output(["redis-benchmark", "-p", REDIS_PORT, "-t", "get", "-n", requests, "-c", 1, "--csv"])
    return busy_ns() - before


def redis_get(args):
    """Nanoseconds of a request, over both ends and all that the kernel does in between.

    redis-benchmark itself rounds to milliseconds and waits for timers at its start and its end: so
    only busy time counts, and two lengths cancel what does not belong to a request. One client: with
    more of them, how many requests a turn of redis' loop serves changes from run to run by 3 %.
    """
    few = args.requests
    return (redis_run(few + args.requests) - redis_run(few)) / args.requests


WORKLOADS = {"ping-pong": ping_pong, "redis-get": redis_get}


class Tracer:
    """mispair on the whole guest, from its start line on."""

    def __init__(self, tier):
        self._process = subprocess.Popen(
            [MISPAIR, "trace", f"--hook={tier}", "--json", "-"], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if "mispair.start" not in self._process.stdout.readline():
            self._process.wait()
            raise OSError(f"mispair trace --hook={tier} ended with status "
                          f"{self._process.returncode}: {self._process.stderr.read().strip()}")

    def stop(self):
        self._process.terminate()
        self._process.communicate()


def programs():
    """Runs and instructions of each BPF program that is loaded now."""
    listing = json.loads(output(["bpftool", "-j", "prog", "show"]))
    return [{"program": p.get("name", "?"), "runs": p["run_cnt"], "ns": p["run_time_ns"]}
            for p in listing if p.get("run_cnt")]


def measure(name, tier, args):
    result = {"workload": name, "tier": tier}
    tracer = None
    try:
        tracer = Tracer(tier) if tier else None
        # Start-up work of the kernel and of the tracer ends within a second.
        time.sleep(3)
        result["figure"] = WORKLOADS[name](args)
        if args.programs and tracer:
            result["programs"] = programs()
    except OSError as failure:
        result["error"] = str(failure)
    finally:
        if tracer:
            tracer.stop()
    print(json.dumps(result), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiers", nargs="*", default=[])
    parser.add_argument("--workloads", nargs="*", default=list(WORKLOADS), choices=WORKLOADS)
    parser.add_argument("--rounds", type=int, default=10000)
    parser.add_argument("--requests", type=int, default=10000)
    parser.add_argument("--programs", action="store_true", help="what each BPF program costs")
    args = parser.parse_args()
    if args.programs:
        BPF_STATS.write_text("1\n")
    redis = None
    if "redis-get" in args.workloads:
        redis = subprocess.Popen(["redis-server", "--port", str(REDIS_PORT), "--save", "",
                                  "--appendonly", "no"], stdout=subprocess.DEVNULL)
        time.sleep(3)
        redis_run(args.requests // 10)  # what only a first run pays for: pages, caches
    for name in args.workloads:
        for tier in (None, *args.tiers, None):
            measure(name, tier, args)
    if redis:
        redis.terminate()
        redis.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
