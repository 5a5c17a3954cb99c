#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the system tests: real clients and real servers on loopback, under mispair.

One line a test, a closing line, and status 0 only if nothing failed and no more tests were
skipped than --max-skips allows.
"""

import argparse
import importlib
import pathlib
import subprocess
import sys
import time
import traceback

import harness

# How much longer than usual an emulated machine may take before it is a failure.
SLOWER = 8
# In the order of what a reader wants to know first.
FILES = ("cases_asyncio", "cases_counts", "cases_loss", "cases_limits", "cases_fair", "cases_life",
         "cases_process", "cases_bad_input", "cases_refuse", "cases_traffic", "cases_judge", "cases_export", "cases_record",
         "cases_files", "cases_sinks", "cases_view", "cases_coverage", "cases_adapters", "cases_waits", "cases_tiers")


def tests():
    for name in FILES:
        yield from importlib.import_module(name).tests()


def run_one(function, args):
    context = harness.Context(args.mispair.resolve(), args.binaries.resolve(), args.hook,
                              args.small)
    try:
        return "ok", function(context)
    except harness.Skip as reason:
        return "SKIP", str(reason)
    except AssertionError as failure:
        return "FAILED", str(failure)
    except subprocess.TimeoutExpired as timeout:
        return "FAILED", f"{timeout.cmd[:3]} did not end within {timeout.timeout} s"
    except Exception:  # a test must not take the others with it
        return "FAILED", traceback.format_exc()
    finally:
        context.close()


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", metavar="TEXT", action="append", default=[],
                        help="tests with this in their name; may be repeated")
    parser.add_argument("--hook", metavar="TIER", help="force a hook tier on every mispair")
    parser.add_argument("--small", action="store_true",
                        help="smaller workloads, for an emulated machine")
    parser.add_argument("--list", action="store_true", help="print the names and exit")
    parser.add_argument("--mispair", type=pathlib.Path,
                        default=harness.TREE / "build" / "mispair")
    parser.add_argument("--binaries", type=pathlib.Path,
                        default=harness.TREE / "build" / "tests",
                        help="where the C workloads are built")
    parser.add_argument("--max-skips", type=int, metavar="N", help="fail if more are skipped")
    return parser.parse_args()


def main():
    args = arguments()
    if args.small:
        # Before the tests are imported: the verifier alone takes half a minute under emulation.
        harness.START_LIMIT *= SLOWER
        harness.RUN_LIMIT *= SLOWER
    chosen = [(name, function) for name, function in tests()
              if not args.only or any(text in name for text in args.only)]
    if args.list:
        print("\n".join(name for name, _ in chosen))
        return 0
    if not chosen:
        sys.exit(f"run.py: no test has one of {args.only} in its name")
    if not args.mispair.exists():
        sys.exit(f"run.py: {args.mispair} is not built")
    harness.Events.in_guest = args.small
    count = {"ok": 0, "FAILED": 0, "SKIP": 0}
    for number, (name, function) in enumerate(chosen, 1):
        began = time.monotonic()
        outcome, detail = run_one(function, args)
        count[outcome] += 1
        took = time.monotonic() - began
        print(f"{outcome} {number} - {name} ({detail or 'as expected'}; {took:.1f} s)", flush=True)
    print(f"{harness.Events.validated} events were validated against the schema")
    print(f"{count['ok']} passed, {count['FAILED']} failed, {count['SKIP']} skipped")
    if args.max_skips is not None and count["SKIP"] > args.max_skips:
        print(f"more than {args.max_skips} skipped")
        return 1
    return 1 if count["FAILED"] else 0


if __name__ == "__main__":
    sys.exit(main())
