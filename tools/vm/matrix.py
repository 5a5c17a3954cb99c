#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel matrix: boots each kernel and runs the system tests that matter under each hook tier.

Which tiers have to work is read from the kernel's own types, so a tier that should work and does
not is a failure. A kernel that cannot be had is a skip with its reason.
"""

import argparse
import collections
import pathlib
import re
import sys
import time

import btf
import cross
import guest
import kernels
import signatures
import userland
from cache import TREE, Unavailable

# Under every tier of a kernel. The first are enough for the kernels of `make check`.
QUICK = (
    "probe_says_which_tier_and_why_not_the_others",
    "exchanges_are_counted_exactly_with_peeking_before_each_read",
    "exchanges_are_counted_exactly_with_failing_sends_in_between",
    "exactly_37_unread_bytes_are_reported_on_v4",
    "exactly_37_unread_bytes_are_reported_on_unix",
    "unread_bytes_on_a_connection_of_known_habits_are_likely_on_v4",
    "every_wrong_answer_is_reported_single_early_usr_bin_python",
    "every_wrong_answer_is_reported_single_late_usr_bin_python",
    "stock_redis_closes_each_cancelled_connection_plain_usr_bin_python",
    "a_socket_with_a_gap_is_unobserved",
    "after_sigkill_nothing_is_left_in_the_kernel",
)
TESTS = QUICK + (
    "exchanges_are_counted_exactly_with_one_send_a_request",
    "exchanges_are_counted_exactly_with_two_sends_a_request",
    "exactly_37_unread_bytes_are_reported_on_v6",
    "exactly_37_unread_bytes_are_reported_on_abstract_unix",
    "unread_bytes_on_a_connection_of_known_habits_are_likely_on_unix",
    "a_full_ring_accuses_nobody",
    "open_connections_are_met_once_over_sockets",
)
# Once a kernel: it runs one workload under each tier itself.
COMPARED = "the_verdicts_are_the_same_in_every_tier"
RESULT = re.compile(r"(ok|FAILED|SKIP) \d+ - (\S+) \((.*); ([\d.]+) s\)$")
OPEN_RESULT = re.compile(r"(ok|FAILED|SKIP) \d+ - (\S+) \((.*)$")
# Tiers that a kernel can lack; forcing one there has to be refused with a reason.
CAN_LACK = ("tp_btf", "fexit")
LOCKDOWN = "lockdown=confidentiality"
# What helps: which tier and what about it, or what to boot with.
HELPS = {
    "forced": r"mispair: this kernel does not offer the hook tier {tier}: .*(has no|refused|failed)",
    "locked": r"mispair: this kernel is locked down .*boot it with lockdown=integrity",
}
# Seconds for a boot, and for each tier in it.
LIMIT_BOOT, LIMIT_TIER = 300, 1800

Row = collections.namedtuple("Row", "kernel tier test outcome detail seconds")


def guest_script(tests, tiers, cannot):
    """What runs in the guest: marks say whose output follows."""
    tests = " ".join(f"--only {name}" for name in tests)
    lines = ["echo == vectors", "build/tests/kernel/twin 2>&1; echo status $?"]
    for tier in tiers:
        lines += [f"echo == tier {tier}",
                  f"python3 tests/system/run.py --hook {tier} --small {tests} 2>&1"]
    if len(tiers) > 1:
        lines += ["echo == tiers",
                  f"python3 tests/system/run.py --small --only {COMPARED} 2>&1"]
    for tier in cannot:
        lines += [f"echo == force {tier}",
                  f"build/mispair run --hook={tier} -- true 2>&1 </dev/null; echo status $?"]
    return "\n".join(lines)


LOCKED_SCRIPT = """echo == locked
cat /sys/kernel/security/lockdown
build/mispair run -- true 2>&1
echo status $?"""


def sections(lines):
    """{mark: lines}"""
    found, name = {}, None
    for line in lines:
        if line.startswith("== "):
            name = line[3:]
            found[name] = []
        elif name:
            found[name].append(line)
    return found


def status_of(lines):
    for line in reversed(lines):
        if line.startswith("status "):
            return int(line.split()[1])
    return None


def tests_of(kernel, tier, lines):
    """The rows of one run of run.py; a failure's detail may have several lines."""
    rows, pending = [], None
    for line in lines:
        begin = OPEN_RESULT.match(line)
        if begin:
            pending = [line]
        elif pending:
            pending.append(line)
        whole = pending and RESULT.match("\n".join(pending).replace("\n", " "))
        if whole:
            outcome, test, detail, seconds = whole.groups()
            rows.append(Row(kernel, tier, test, outcome, detail, float(seconds)))
            pending = None
    if not rows or not re.match(r"\d+ passed, ", lines[-1]):
        tail = " ".join(lines[-5:])
        rows.append(Row(kernel, tier, "the_tests_run_to_their_end", "FAILED", tail, 0.0))
    return rows


def vectors_of(kernel, lines):
    version = re.match(r"(\d+)\.(\d+)\.", kernel)
    if version and (int(version[1]), int(version[2])) < (5, 14):
        return Row(kernel, "any", "the_ledgers_vectors_agree_in_the_kernel", "SKIP",
                   "programs of type syscall came with 5.14 (79a7f8bdb159)", 0.0)
    text = "\n".join(lines)
    passed = len(re.findall(r"^\[       OK \]", text, re.M))
    ok = status_of(lines) == 0 and passed
    detail = f"{passed} vectors" if ok else text[-600:]
    return Row(kernel, "any", "the_ledgers_vectors_agree_in_the_kernel", "ok" if ok else "FAILED",
               detail, 0.0)


def refusal(kernel, tier, test, lines, why):
    """Exit status 4, and a sentence that helps."""
    text = " ".join(line for line in lines if not line.startswith("status "))
    if status_of(lines) == 4 and re.search(HELPS[why].format(tier=tier), text):
        return Row(kernel, tier, test, "ok", text[-300:], 0.0)
    return Row(kernel, tier, test, "FAILED",
               f"status {status_of(lines)}, not 4 and a reason: {text[-300:]}", 0.0)


def locked(kernel, lines):
    """mispair refuses it in words, also where a tier would load there and read nothing."""
    name = "a_locked_down_kernel_is_refused_with_status_4"
    if not any("[confidentiality]" in line for line in lines):
        return Row(kernel, "any", name, "SKIP", "this kernel has no lockdown", 0.0)
    return refusal(kernel, "any", name, lines, "locked")


def boot(kernel, args, script, limit, append=()):
    """{mark: lines} of what the script printed in a guest."""
    build = args.build if kernel.arch == "amd64" else cross.build(TREE / "build" / kernel.arch)
    under_test = userland.UnderTest(kernel.arch)
    under_test.add_tree(build / "mispair", build / "tests")
    lines = []

    def keep(line):
        lines.append(line)
        if args.verbose:
            print(f"    | {line}", flush=True)
    guest.run(kernel, under_test, ["sh", "-c", script], append=append, limit=limit, sink=keep)
    return sections(lines)


def run_guests(kernel, should, args):
    """Rows of one kernel: every tier that should work there in one boot, and one locked down."""
    name = kernel.release
    tiers = [tier for tier in should if tier in (args.tier or should)]
    cannot = [tier for tier in CAN_LACK if tier not in should]
    script = guest_script(QUICK if args.quick else TESTS, tiers, cannot)
    marks = boot(kernel, args, script, LIMIT_BOOT + LIMIT_TIER * len(tiers))
    yield vectors_of(name, marks.get("vectors", []))
    for tier in tiers:
        yield from tests_of(name, tier, marks.get(f"tier {tier}") or ["nothing was printed"])
    if len(tiers) > 1:
        yield from tests_of(name, "all", marks.get("tiers") or ["nothing was printed"])
    for tier in cannot:
        yield refusal(name, tier, "a_forced_tier_that_cannot_work_gives_status_4",
                      marks.get(f"force {tier}", []), "forced")
    marks = boot(kernel, args, LOCKED_SCRIPT, LIMIT_BOOT, [LOCKDOWN])
    yield locked(name, marks.get("locked", []))


def run_kernel(series, arch, args):
    """Rows of one kernel; what keeps it from being tested is a row as well."""
    name, rows = f"{series} {arch}", []
    try:
        kernel = kernels.fetch(series, arch)
        name = kernel.release
        should = signatures.tiers(btf.Types(btf.extract(kernel)), kernel)
        for row in run_guests(kernel, should, args):
            rows.append(row)
    except Unavailable as reason:
        rows.append(Row(name, "any", "the_kernel_can_be_tested_here", "SKIP", str(reason), 0.0))
    except (guest.Crash, cross.BuildFailed) as crash:
        rows.append(Row(name, "any", "the_guest_runs_to_its_end", "FAILED", str(crash), 0.0))
    return rows


def show(kernel, rows, seconds):
    """Tests down, tiers across."""
    tiers = list(dict.fromkeys(row.tier for row in rows))
    cells = {(row.test, row.tier): row for row in rows}
    width = max(len(row.test) for row in rows)
    print(f"\n{kernel} ({seconds:.0f} s)\n{'':<{width}}" + "".join(f"{t:>14}" for t in tiers))
    for test in dict.fromkeys(row.test for row in rows):
        line = f"{test:<{width}}"
        for tier in tiers:
            row = cells.get((test, tier))
            word = {"ok": "pass", "FAILED": "FAIL", "SKIP": "skip"}.get(row and row.outcome, "")
            line += f"{word + (f' {row.seconds:.1f} s' if row and row.seconds else ''):>14}"
        print(line)
    for row in rows:
        if row.outcome != "ok":
            print(f"{row.outcome} {row.kernel} {row.tier} {row.test}: {row.detail}")
    sys.stdout.flush()


def summary(blocks):
    """One line a kernel: what each tier did and how long the kernel took."""
    print("\n" + f"{'kernel':<30}" + "".join(f"{t:>14}" for t in signatures.TIERS) + f"{'time':>9}")
    for kernel, rows, seconds in blocks:
        line = f"{kernel:<30}"
        for tier in signatures.TIERS:
            count = collections.Counter(row.outcome for row in rows if row.tier == tier
                                        and "forced_tier" not in row.test)
            word = "-" if not count else f"{count['FAILED']} of {count.total()} FAIL" \
                if count["FAILED"] else f"{count['ok']} pass"
            line += f"{word:>14}"
        print(f"{line}{seconds:>7.0f} s")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kernel", action="append", metavar="SERIES[/ARCH]",
                        help="only this one; may be repeated")
    parser.add_argument("--tier", action="append", choices=signatures.TIERS,
                        help="only this one; may be repeated")
    parser.add_argument("--build", type=pathlib.Path, default=TREE / "build",
                        help="the build for amd64")
    parser.add_argument("--quick", action="store_true", help="fewer tests a tier")
    parser.add_argument("--max-skips", type=int, default=0, metavar="N")
    parser.add_argument("--verbose", action="store_true", help="what the guests print")
    return parser.parse_args()


def main():
    args = arguments()
    wanted = signatures.chosen(args.kernel)
    blocks = []
    for series, arch in wanted:
        began = time.monotonic()
        rows = run_kernel(series, arch, args)
        seconds = time.monotonic() - began
        blocks.append((rows[0].kernel, rows, seconds))
        show(*blocks[-1])
    summary(blocks)
    count = collections.Counter(row.outcome for _, rows, _ in blocks for row in rows)
    print(f"{count['ok']} passed, {count['FAILED']} failed, {count['SKIP']} skipped")
    if count["SKIP"] > args.max_skips:
        print(f"more than {args.max_skips} skipped")
    return 1 if count["FAILED"] or count["SKIP"] > args.max_skips or not count["ok"] else 0


if __name__ == "__main__":
    sys.exit(main())
