#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the long tests: the rules about processes and the stock programs that nobody may accuse, again
and again, an hour of a busy host, and an hour of connections in a guest.

run.py [PART...]. A part that passed on this very commit with this very binary is skipped. One line
a part, and a closing line.
"""

import argparse
import hashlib
import json
import pathlib
import signal
import subprocess
import sys
import time
import traceback

TREE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TREE / "tests" / "system"))
import harness  # noqa: E402
import innocents  # noqa: E402
import parts  # noqa: E402
import soak  # noqa: E402
import walk  # noqa: E402

PARTS = {**parts.PARTS, "innocents": innocents.innocents, "soak": soak.soak,
         "walk": walk.walk}


class Stamps:
    """Which parts have passed, of which commit and binary. A tree with changes has no commit."""

    def __init__(self, directory, binary):
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        git = ["git", "-c", "safe.directory=*", "-C", str(TREE)]
        commit = subprocess.run([*git, "rev-parse", "HEAD"], stdout=subprocess.PIPE, text=True)
        changes = subprocess.run([*git, "status", "--porcelain"], stdout=subprocess.PIPE)
        self.of = None
        if commit.returncode == 0 and not changes.stdout:
            self.of = {"commit": commit.stdout.strip(),
                       "binary": hashlib.sha256(binary.read_bytes()).hexdigest()}

    def passed(self, part):
        """What it said when it passed, or None."""
        try:
            stamp = json.loads((self.directory / f"{part}.json").read_text())
        except (FileNotFoundError, ValueError):
            return None
        return stamp["detail"] if self.of and stamp["of"] == self.of else None

    def keep(self, part, detail):
        if self.of:
            (self.directory / f"{part}.json").write_text(
                json.dumps({"of": self.of, "detail": detail}) + "\n")


class Log:
    """Lines for who waits, with the time since the start of the part."""

    def __init__(self, part):
        self.part = part
        self.began = time.monotonic()

    def __call__(self, text):
        print(f"  {self.part} {time.monotonic() - self.began:6.0f} s  {text}", flush=True)


def run_part(name, args):
    try:
        return "ok", PARTS[name](args, Log(name))
    except harness.Skip as reason:
        return "SKIP", str(reason)
    except AssertionError as failure:
        return "FAILED", str(failure)
    except subprocess.TimeoutExpired as timeout:
        return "FAILED", f"{timeout.cmd[:3]} did not end within {timeout.timeout} s"
    except Exception:  # a part must not take the others with it
        return "FAILED", traceback.format_exc()


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", metavar="PART", nargs="*", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--fresh", action="store_true", help="also what has passed")
    parser.add_argument("--share", type=float, default=1, metavar="X",
                        help="do only this share of each part but soak, to try it out")
    parser.add_argument("--soak-minutes", type=float, default=60, metavar="N")
    parser.add_argument("--walk-minutes", type=float, default=60, metavar="N")
    parser.add_argument("--mispair", type=pathlib.Path, default=TREE / "build" / "mispair")
    parser.add_argument("--binaries", type=pathlib.Path, default=TREE / "build" / "tests")
    parser.add_argument("--state", type=pathlib.Path, default=TREE / "build" / "check-long",
                        help="where it is kept what has passed")
    args = parser.parse_args()
    strange = set(args.parts) - set(PARTS)
    if strange:
        parser.error(f"no such part: {', '.join(sorted(strange))}")
    args.mispair, args.binaries = args.mispair.resolve(), args.binaries.resolve()
    if not args.mispair.exists():
        parser.error(f"{args.mispair} is not built")
    return args


def main():
    args = arguments()
    # What was started is stopped, whatever ends us.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit("run.py: ended by a signal"))
    stamps = Stamps(args.state, args.mispair)
    whole = args.share == 1
    count = {"ok": 0, "FAILED": 0, "SKIP": 0}
    for name in args.parts or PARTS:
        began = time.monotonic()
        before = None if args.fresh or not whole else stamps.passed(name)
        if before is not None:
            outcome, detail = "SKIP", f"has passed on this commit: {before}"
        else:
            outcome, detail = run_part(name, args)
        if outcome == "ok" and whole:
            stamps.keep(name, detail)
        count[outcome] += 1
        print(f"{outcome} {name} ({detail}; {time.monotonic() - began:.0f} s)", flush=True)
    print(f"{count['ok']} passed, {count['FAILED']} failed, {count['SKIP']} skipped")
    return 1 if count["FAILED"] else 0


if __name__ == "__main__":
    sys.exit(main())
