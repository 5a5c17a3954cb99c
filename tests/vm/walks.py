#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""In a guest: a storm of connections beside a walk over all TCP sockets, or beside `mispair trace`.

walks.py old: until the kernel complains. walks.py new: with connections that are in doubt, and some
that go wrong. A line of JSON each minute, and one about all at the end; judging is the host's.
"""

import argparse
import contextlib
import errno
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

TREE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TREE / "tests" / "system"))
import harness  # noqa: E402

BINARIES = TREE / "build" / "tests"
CLIENTS = 6
# Of a thousand connections, how many are given up; how many of these each client keeps; one of how
# many is used again.
DOUBTS = ("--doubt", 20, "--keep", 32, "--reuse", 25)
# Not the watchdogs' words: an emulated processor may stand still for seconds.
COMPLAINT = re.compile(r"refcount_t: |use-after-free|WARNING: CPU|BUG: (kernel|unable|Bad)|Oops|"
                       r"general protection|list_(add|del) corruption")
TELL_S, LOOK_S = 60, 0.5
# Seconds for a program to end, and until all that the storm has done is in the metrics.
END_LIMIT, COUNTED_LIMIT = 120, 120


class KernelLog:
    """What the kernel has said since this was made."""

    def __init__(self):
        self._fd = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
        os.lseek(self._fd, 0, os.SEEK_END)
        self.lines = []

    def read(self):
        while True:
            try:
                record = os.read(self._fd, 8192).decode(errors="replace")
            except BlockingIOError:
                return self.lines
            except OSError as error:
                if error.errno != errno.EPIPE:  # the oldest lines have been overwritten
                    raise
                continue
            self.lines.append(record.partition(";")[2].splitlines()[0])

    def complains(self):
        return any(map(COMPLAINT.search, self.read()))


class Teller:
    """A program that prints lines of JSON about itself, of which the last counts."""

    def __init__(self, *argv):
        self.process = subprocess.Popen(list(map(str, argv)), stdout=subprocess.PIPE, bufsize=0)
        os.set_blocking(self.process.stdout.fileno(), False)
        self._rest = b""
        self.last = {}

    def look(self):
        *lines, self._rest = (self._rest + (self.process.stdout.read() or b"")).split(b"\n")
        if lines:
            self.last = json.loads(lines[-1])
        return self.last

    def alive(self):
        self.look()  # its pipe may not fill
        return self.process.poll() is None

    def stop(self):
        """Its exit status."""
        self.process.terminate()
        self.process.wait(END_LIMIT)
        self.look()
        return self.process.returncode


class Metrics:
    """The file of metrics that mispair writes every few seconds."""

    def __init__(self, path):
        self.path = pathlib.Path(path)

    def read(self):
        """What of it is told."""
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        samples = {name: float(value) for name, _, value in
                   (line.rpartition(" ") for line in lines if not line.startswith("#"))}

        def labelled(metric):
            begin = metric + "{"
            return {name[len(begin):-1]: value for name, value in samples.items()
                    if name.startswith(begin) and value}

        return {"sockets": int(samples.get("mispair_sockets_total", 0)),
                "requests": int(samples.get("mispair_exchanges_total", 0)),
                "replies": int(samples.get("mispair_replies_total", 0)),
                "indexed": int(samples.get('mispair_map_entries{map="socket_index"}', 0)),
                "pass_s": labelled("mispair_pass_seconds"),
                "cpu_s": samples.get("mispair_cpu_seconds_total", 0),
                "findings": labelled("mispair_findings_total"),
                "lost": labelled("mispair_events_lost_total")}


@contextlib.contextmanager
def one_processor():
    """The first alone: another would run into text of the kernel that is half patched."""
    others = sorted(pathlib.Path("/sys/devices/system/cpu").glob("cpu[1-9]*/online"))
    for path in others:
        path.write_text("0")
    try:
        yield
    finally:
        for path in others:
            path.write_text("1")


def bpftool(*words):
    return subprocess.run(["bpftool", "-j", *words], stdout=subprocess.PIPE, check=True,
                          text=True).stdout


def passes():
    """How many passes mispair has begun, by its own count."""
    for one in json.loads(bpftool("map", "show")):
        if one.get("name", "").startswith("mispair") and one["name"].endswith(".data"):
            found = re.search(r'"pass_number":\s*(\d+)', bpftool("map", "dump", "id",
                                                                 str(one["id"])))
            if found:
                return int(found[1]) - 1
    raise AssertionError("no map of mispair's has the number of the pass")


def tell(**what):
    print(json.dumps(what), flush=True)


def watch(log, seconds, programs, line):
    """Until the kernel complains, a program ends or the time is over; the seconds that were."""
    began = told = time.monotonic()
    while time.monotonic() - began < seconds:
        time.sleep(LOOK_S)
        if log.complains() or not all([program.alive() for program in programs]):
            break
        if time.monotonic() - told >= TELL_S:
            told = time.monotonic()
            tell(seconds=round(told - began), **line())
    return round(time.monotonic() - began, 1)


def old(args):
    log = KernelLog()
    walk = Teller(BINARIES / "walktcp")
    storm = Teller(BINARIES / "connects", "--clients", CLIENTS, "--every", 1)
    seconds = watch(log, args.seconds, (walk, storm), lambda: {**storm.last, **walk.last})
    # What was walked over may still be in use: what follows from that is said soon.
    statuses = {"walktcp": walk.stop(), "connects": storm.stop()}
    tell(half="old", seconds=seconds, **storm.last, **walk.last, statuses=statuses,
         said=log.read())


class Traced:
    """mispair trace, as the programs that tell about themselves."""

    def __init__(self, context):
        self.metrics = Metrics(context.file("metrics.prom"))
        with one_processor():
            self.trace = context.trace("--metrics-file", self.metrics.path, "--stats", "0s",
                                       "--rotate-size", "8M", "--rotate-count", "1")

    def alive(self):
        return self.trace.process.poll() is None

    def wait_for(self, storm):
        """Until it has counted what the storm has done."""
        deadline = time.monotonic() + COUNTED_LIMIT
        while time.monotonic() < deadline and \
                self.metrics.read()["requests"] < storm["exchanges"] + storm["gave_up"]:
            time.sleep(LOOK_S)

    def stop(self):
        """Its exit status."""
        with one_processor():
            self.trace.process.send_signal(signal.SIGINT)
            return self.trace.process.wait(END_LIMIT)


def new(args):
    harness.START_LIMIT = END_LIMIT
    with contextlib.closing(harness.Context(TREE / "build" / "mispair", BINARIES)) as context:
        log = KernelLog()
        traced = Traced(context)
        storm = Teller(BINARIES / "connects", "--clients", CLIENTS, "--every", 1, *DOUBTS)
        indexed = []

        def line():
            numbers = traced.metrics.read()
            indexed.append(numbers["indexed"])
            return {"passes": passes(), **storm.last, **numbers}

        seconds = watch(log, args.seconds, (traced, storm), line)
        statuses = {"connects": storm.stop()}
        lived = traced.alive()
        made = 0
        if lived:
            line()
            traced.wait_for(storm.last)
            made = passes()
            statuses["mispair"] = traced.stop()
        tell(half="new", seconds=seconds, lived=lived, statuses=statuses, passes=made,
             **storm.last, **traced.metrics.read(), indexed_most=max(indexed, default=0),
             stderr=traced.trace.stderr()[-2000:], said=log.read())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("half", choices=["old", "new"])
    parser.add_argument("--seconds", type=float, required=True)
    args = parser.parse_args()
    {"old": old, "new": new}[args.half](args)


if __name__ == "__main__":
    main()
