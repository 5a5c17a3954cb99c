#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Stock programs that do nothing wrong, under mispair: nobody may be accused.

Relays under back pressure and farewells over unread rows. Each row starts private servers, one
`mispair trace` of the connections to the server behind, and a driver. It fails if anybody was
called reused, dirty, abandoned or leaked at `likely` or above, and also if it did not do what it
is there for: the driver's exchanges ended as they have to, mispair has counted them, and bytes lay
unread for seconds. What is not installed is a failure. The last line is "N passed, N failed, N
skipped".
"""

import argparse
import collections
import concurrent.futures
import functools
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "corpus"), str(HERE.parent / "system")]
sys.dont_write_bytecode = True

import harness  # noqa: E402
import relays  # noqa: E402
import relays_spared  # noqa: E402
from harness import check  # noqa: E402
from judge import ALARM, short, truth_in  # noqa: E402
from needs import PYTHON  # noqa: E402
from pressure import Pressure  # noqa: E402
from table import ROWS  # noqa: E402
from servers import Run  # noqa: E402

SERVERS = {**relays.SERVERS, **relays_spared.SERVERS}
ACCUSATIONS = ("reused", "dirty", "abandoned", "leaked")
DRIVE_LIMIT = 600
SHOWN = 3  # accusations of a row
EACH = 2   # slow exchanges on a connection of the long form
TOGETHER = 3  # rows at once in the small form; the long one is heavy enough by itself


class Drive:
    """One driver under mispair: its truth, the events, what lay unread meanwhile, and for how long."""

    def __init__(self, context, row, words, ports):
        self.pressure = None
        self.began = time.monotonic()
        first = [PYTHON, "-B", str(HERE / row.driver)] if row.driver.endswith(".py") else \
            [str(context.binary(row.driver))]
        if ports:
            self._under_trace(context, ports, [*first, *words])
        else:
            self._under_run(context, [*first, *words])
        self.took = time.monotonic() - self.began

    def _under_trace(self, context, ports, command):
        options = [word for port in ports for word in ("--port", str(port))]
        trace = context.trace(*options, "--fail-on", "never")
        self.pressure = Pressure(ports[0])
        self.began = time.monotonic()
        try:
            self._drive(command)
        finally:
            self.pressure.stop()
        self.events = trace.finish()

    def _under_run(self, context, command):
        path = context.file("events.json")
        self._drive(context.argv("run", "--json", path, "--fail-on", "never", "--", *command))
        self.events = harness.Events(pathlib.Path(path).read_text())

    def _drive(self, command):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=DRIVE_LIMIT)
        self.truth = truth_in(done.stdout)
        check(done.returncode == 0 and self.truth, f"status {done.returncode}: {done.stderr[-2000:]}")
        check(not self.truth["failed"],
              f"{self.truth['failed']} exchanges failed: {done.stderr[:1000]}")


def findings(events):
    """(verdict, confidence) counted, and the events at `likely` and above that accuse somebody."""
    counted = collections.Counter()
    accusing = []
    for event in events.all:
        verdict, confidence = short(event), event.get("mispair.confidence")
        if verdict not in ACCUSATIONS or confidence is None:
            continue
        counted[verdict, confidence] += 1
        if confidence in ALARM:
            accusing.append(event)
    return counted, accusing


def really_done(row, driven, exchanges):
    """Has the row done what it is there for? What it says about that."""
    truth, stop = driven.truth, driven.events.all[-1]
    check(truth["exchanges"] == exchanges, f"{truth['exchanges']} exchanges of {exchanges}")
    check(stop["mispair.requests"] >= truth["asked"] and stop["mispair.replies"] >= exchanges,
          f"mispair counted {stop['mispair.requests']} requests and {stop['mispair.replies']} "
          f"replies of {truth['asked']}")
    if "unread" in truth:
        check(truth["unread"] == exchanges, f"at {truth['unread']} of {exchanges} farewells "
                                            f"something lay unread")
        # A connection each, and one that is a Unix socket is in no other total.
        check(stop["mispair.sockets.total"] >= exchanges,
              f"mispair counted {stop['mispair.sockets.total']} of {exchanges} connections")
        return "rows unread at each"
    if "stopped_ms" not in truth:
        return f"mispair counted {stop['mispair.requests']} requests"
    pressure = driven.pressure
    check(truth["stopped_ms"] > 2000, f"a pause of the reader took {truth['stopped_ms']} ms")
    # On a busy host a part of the three seconds goes by before all lies still.
    check(4 * pressure.held >= exchanges,
          f"bytes lay unread for 2 s in {pressure.held} of {exchanges} exchanges only")
    done = f"unread for 2 s {pressure.held} times, at most {pressure.most >> 10} kB"
    if not row.timed:
        return done
    # The second part of a request counts as one where a wait had ended since the first.
    doubted = stop["mispair.requests"] - truth["asked"]
    check(4 * doubted >= exchanges, f"a timer of the relay lay in {doubted} of {exchanges} requests")
    return f"{done}; {doubted} requests with a timer between their parts"


def ports_of(run, row):
    """The far ends that mispair watches: of the server behind, and between a relay's halves."""
    if not row.watched:
        return []
    between = [run.server(name).middle for name in SERVERS if "{%s}" % name in row.words
               and hasattr(run.server(name), "middle")]
    return [run.server(row.watched).port, *filter(None, between)]


def one_row(args, row):
    """What the row says when it has passed. The first accusations are told when it has not."""
    context = harness.Context(args.mispair, args.binaries)
    try:
        run = context.keep(Run(context.directory, args.binaries, {}, SERVERS))
        connections, parallel = row.long if args.long else row.small
        connections = max(int(connections * args.share), 1)
        words = [*run.filled(row.words), "--connections", str(connections), "--parallel",
                 str(min(parallel, connections))]
        each = EACH if args.long and row.driver.startswith("slow") else 1
        if row.driver.startswith("slow"):
            words += ["--each", str(each)]
        driven = Drive(context, row, words, ports_of(run, row))
        truth = driven.truth
        if args.keep:
            (args.keep / f"{row.name}.json").write_text("\n".join(driven.events.lines) + "\n")
        counted, accusing = findings(driven.events)
        said = ", ".join(f"{n} {verdict} {confidence}"
                         for (verdict, confidence), n in sorted(counted.items())) or "silent"
        early = truth["ended_early"]
        check(not accusing, f"{said}; of {connections} connections\n" +
              "\n".join(json.dumps(event) for event in accusing[:SHOWN]))
        done = really_done(row, driven, connections * each)
        return (f"{truth['exchanges']} exchanges, {early} ended early, {truth['asked']} requests; "
                f"{done}; {said}; {driven.took:.0f} s")
    finally:
        context.close()


def outcome_of(args, row):
    try:
        return "ok", one_row(args, row)
    except (AssertionError, harness.Skip) as failure:
        # A program that is not there is not a reason to pass.
        return "FAILED", str(failure)
    except Exception:  # a row must not take the others with it
        return "FAILED", traceback.format_exc()


def run(args, say):
    """All chosen rows; SAY is called with a line for each. (passed, failed)"""
    rows = [row for row in ROWS if any(text in row.name for text in args.only or ())
            or not args.only and (row.checked or args.long)]
    count = collections.Counter()
    pool = concurrent.futures.ThreadPoolExecutor(args.together)
    try:
        outcomes = {pool.submit(outcome_of, args, row): row for row in rows}
        for future in concurrent.futures.as_completed(outcomes):
            outcome, detail = future.result()
            count[outcome] += 1
            say(f"{outcome:6} {outcomes[future].name:24} {detail}")
    finally:
        pool.shutdown(cancel_futures=True)
    return count["ok"], count["FAILED"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", action="append", metavar="TEXT",
                        help="rows with this in their name (repeatable)")
    parser.add_argument("--long", action="store_true", help="all rows, and the long form of each")
    parser.add_argument("--share", type=float, default=1, metavar="X",
                        help="only this share of the connections")
    parser.add_argument("--together", type=int, default=TOGETHER, metavar="N", help="rows at once")
    parser.add_argument("--keep", type=pathlib.Path, metavar="DIR", help="keep the events there")
    parser.add_argument("--mispair", type=pathlib.Path, default=harness.TREE / "build" / "mispair")
    parser.add_argument("--binaries", type=pathlib.Path, default=harness.TREE / "build" / "tests")
    args = parser.parse_args()
    args.mispair, args.binaries = args.mispair.resolve(), args.binaries.resolve()
    if not args.mispair.exists():
        parser.error(f"{args.mispair} is not built")
    return args


def main():
    args = arguments()
    if args.keep:
        args.keep.mkdir(parents=True, exist_ok=True)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit("field.py: ended by a signal"))
    passed, failed = run(args, functools.partial(print, flush=True))
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
