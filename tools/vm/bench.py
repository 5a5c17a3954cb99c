#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What mispair costs in guest instructions: untraced and under each tier, in one boot.

Under -icount a virtual nanosecond is one instruction of the guest, whatever else this host does,
so cost is a number that can be compared with the one in tools/vm/baseline.json. It counts
instructions and not cache misses: tools/bench/bench.py measures time.
"""

import argparse
import json
import pathlib
import sys
import time

import guest
import kernels
import userland
from cache import TREE, Unavailable

BASELINE = TREE / "tools" / "vm" / "baseline.json"
BASELINE_KERNEL = "6.12"
# How much of itself a figure may rise.
TOLERANCE = 0.03
# What each tier may add to the bare ping-pong.
TARGETS = {"tp_btf": 0.04, "fexit": 0.06, "kprobe": 0.25}
SKIPPED = 77


def measure(args):
    """(kernel release, results as the guest printed them)."""
    kernel = kernels.fetch(args.kernel)
    under_test = userland.UnderTest(kernel.arch)
    under_test.add_tree(args.binary, args.tests)
    command = ["python3", "tools/vm/bench_guest.py", "--tiers", *args.tiers,
               "--workloads", *args.workloads]
    command += ["--programs"] if args.programs else []
    lines = []
    status = guest.run(kernel, under_test, command, counted=True, limit=args.limit,
                       sink=lines.append)
    results = []
    for line in lines:
        if line.startswith('{"workload"'):
            results.append(json.loads(line))
        else:
            print(line)
    if status:
        raise guest.Crash(f"the bench in the guest ended with status {status}", True)
    return kernel.release, results


def figures(results):
    """{workload: {tier: figure, "untraced": mean of before and after}}, and what went wrong."""
    table, wrong = {}, []
    for result in results:
        row = table.setdefault(result["workload"], {})
        if "error" in result:
            wrong.append(f"{result['workload']} {result['tier']}: {result['error']}")
        elif result["tier"]:
            row[result["tier"]] = round(result["figure"], 1)
        else:
            row.setdefault("both", []).append(result["figure"])
    for workload, row in table.items():
        both = row.pop("both")
        row["untraced"] = round(sum(both) / len(both), 1)
        if max(both) > min(both) * 1.01:
            wrong.append(f"{workload}: the untraced figures differ by more than 1 %: {both}")
    return table, wrong


def compare(table, baseline, tiers):
    """Rises of more than the tolerance.

    Debian's kernel changes below us, so what is compared is the figure that the baseline's ratio
    gives on today's untraced figure.
    """
    for workload, row in table.items():
        before = baseline["figures"].get(workload, {})
        for tier in tiers:
            if tier not in row:
                continue
            if tier not in before:
                yield f"{workload} {tier}: the baseline has no such figure (--update writes it)"
                continue
            expected = before[tier] / before["untraced"] * row["untraced"]
            if row[tier] > expected * (1 + TOLERANCE):
                yield (f"{workload} {tier}: {row[tier]:,.0f} instructions, "
                       f"{100 * (row[tier] / expected - 1):.1f} % above the baseline's "
                       f"{expected:,.0f}")


def show(table, tiers):
    print(f"{'workload':<12}{'tier':<10}{'instructions':>13}   over untraced   target")
    for workload, row in table.items():
        for tier in ("untraced", *tiers):
            if tier not in row:
                continue
            over = row[tier] / row["untraced"] - 1
            line = f"{workload:<12}{tier:<10}{row[tier]:>13,.1f}"
            if tier != "untraced":
                line += f"   {100 * over:+12.2f} %"
                if workload == "ping-pong":
                    target = TARGETS[tier]
                    line += f"   {100 * target:+.0f} %{'' if over <= target else ', missed'}"
            print(line)


def show_programs(results):
    for result in results:
        if "programs" not in result:
            continue
        print(f"{result['workload']}, {result['tier']}: instructions a run, with the clock's own")
        for p in sorted(result["programs"], key=lambda p: -p["ns"]):
            print(f"    {p['program']:<16}{p['runs']:>9} runs{p['ns'] / p['runs']:>10.0f} each")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kernel", default="6.12", choices=list(kernels.SERIES))
    parser.add_argument("--binary", type=pathlib.Path, default=TREE / "build" / "mispair")
    parser.add_argument("--tests", type=pathlib.Path, default=TREE / "build" / "tests",
                        help="where the ping-pong is built")
    parser.add_argument("--tiers", nargs="*", default=list(TARGETS), choices=list(TARGETS))
    parser.add_argument("--workloads", nargs="*", default=["ping-pong", "redis-get"])
    parser.add_argument("--programs", action="store_true",
                        help="what each BPF program costs; measuring that costs too")
    parser.add_argument("--update", action="store_true", help="write the baseline")
    parser.add_argument("--limit", type=int, default=900, metavar="SECONDS")
    return parser.parse_args()


def main():
    args = arguments()
    began = time.monotonic()
    try:
        release, results = measure(args)
    except Unavailable as reason:
        print(f"SKIP bench-vm: {reason}\n0 passed, 0 failed, 1 skipped")
        return SKIPPED
    except guest.Crash as crash:
        print(f"FAILED bench-vm: {crash}\n0 passed, 1 failed, 0 skipped")
        return 1
    table, wrong = figures(results)
    show(table, args.tiers)
    show_programs(results)
    compared = args.kernel == BASELINE_KERNEL and not args.programs
    if args.update and compared and not wrong:
        BASELINE.write_text(json.dumps({"kernel": release, "figures": table}, indent=1) + "\n")
    elif compared and not args.update:
        baseline = json.loads(BASELINE.read_text()) if BASELINE.exists() else {"figures": {}}
        wrong += compare(table, baseline, args.tiers)
    for line in wrong:
        print(f"FAILED bench-vm: {line}")
    print(f"Linux {release}, {'' if compared else 'not compared, '}"
          f"{time.monotonic() - began:.0f} s")
    figures_told = sum(len(row) for row in table.values())
    print(f"{max(figures_told - len(wrong), 0)} passed, {len(wrong)} failed, 0 skipped")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
