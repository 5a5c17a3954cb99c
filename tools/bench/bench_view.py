#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the live view costs with very many connections: CPU a refresh, memory, answers to keys.

Opens the connections (tools/bench/manyconn.c), runs `mispair top` in a terminal of 200x60 of its
own and, for comparison, `mispair trace`, whose refresh pass does all but the rows of the view.
Prints figures; asserts nothing.
"""

import argparse
import fcntl
import os
import pathlib
import pty
import select
import signal
import statistics
import struct
import subprocess
import termios
import time

TREE = pathlib.Path(__file__).resolve().parents[2]
TICK = os.sysconf("SC_CLK_TCK")


class InTerminal:
    """A command in a pseudo terminal that somebody reads."""

    def __init__(self, command, cols=200, rows=60):
        self.pid, self.fd = pty.fork()
        if not self.pid:
            os.environ.update(TERM="xterm-256color", LANG="C.UTF-8")
            os.execv(command[0], command)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def drain(self, seconds):
        """Reads what comes for so long."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self.fd], [], [], left)[0]:
                try:
                    os.read(self.fd, 65536)
                except OSError:
                    raise SystemExit("bench_view: the view has ended") from None

    def await_screen(self):
        """Until its first picture is there."""
        if not select.select([self.fd], [], [], 30)[0]:
            raise SystemExit("bench_view: no screen")

    def answer(self, key):
        """Seconds from a key to the first byte of what it changes on the screen."""
        while select.select([self.fd], [], [], 0)[0]:
            os.read(self.fd, 65536)
        began = time.monotonic()
        os.write(self.fd, key)
        if not select.select([self.fd], [], [], 10)[0]:
            return 10.0
        took = time.monotonic() - began
        # To its end, or the rest of this answer would be taken for the next one.
        while select.select([self.fd], [], [], 0.03)[0]:
            os.read(self.fd, 65536)
        return took

    def stop(self):
        os.kill(self.pid, signal.SIGTERM)
        while os.waitpid(self.pid, os.WNOHANG) == (0, 0):
            if select.select([self.fd], [], [], 0.1)[0]:
                try:
                    os.read(self.fd, 65536)
                except OSError:  # it has closed its end
                    pass
        os.close(self.fd)


def cpu(pid):
    """Seconds of user and of system time."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) / TICK, int(fields[12]) / TICK


def memory(pid):
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return {line.split(":")[0]: int(line.split()[1]) for line in text.splitlines()[1:]}


def cpu_per_second(pid, seconds, pause):
    """Milliseconds of user and of system time, and their sum."""
    began, (user, system) = time.monotonic(), cpu(pid)
    pause(seconds)
    took = (time.monotonic() - began) / 1000
    user, system = ((now - before) / took for now, before in zip(cpu(pid), (user, system)))
    return user, system, user + system


def measure(args, many):
    began = time.monotonic()
    trace = subprocess.Popen([str(args.mispair), "trace"], stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE)
    try:
        # The first line comes when all that was open has been adopted.
        trace.stdout.readline()
        print(f"start: {time.monotonic() - began:.1f} s until all were adopted, "
              f"{sum(cpu(trace.pid)):.1f} s of CPU")
        time.sleep(args.settle)
        user, system, passes = cpu_per_second(trace.pid, args.seconds, time.sleep)
        print(f"trace: {passes:.1f} ms of CPU a second ({user:.1f} user, {system:.1f} system), two "
              f"passes over the ledgers: {passes / 2:.1f} ms a pass; memory "
              f"{memory(trace.pid)['Rss'] / 1024:.0f} MiB")
    finally:
        trace.terminate()
        trace.communicate()
    view = InTerminal([str(args.mispair), "top"])
    try:
        view.await_screen()
        view.drain(args.settle)
        user, system, both = cpu_per_second(view.pid, args.seconds, view.drain)
        print(f"top:   {both:.1f} ms of CPU a second ({user:.1f} user, {system:.1f} system), the same "
              f"two passes, one of them a refresh of the view: {both - passes / 2:.1f} ms a "
              f"refresh, its pass included; memory {memory(view.pid)['Rss'] / 1024:.0f} MiB")
        for what, keys in (("moving", (b"j", b"k")), ("to the end and back", (b"G", b"g")),
                           ("sorting", (b">", b"<")), ("filtering", (b"/", b"7", b"\x15", b"\x1b")),
                           ("grouping", (b"t", b"t"))):
            took = [view.answer(keys[i % len(keys)]) for i in range(args.keys)]
            took.sort()
            print(f"keys:  {what}: median {statistics.median(took) * 1000:.1f} ms, "
                  f"95 % below {took[int(0.95 * len(took))] * 1000:.1f} ms, "
                  f"slowest {took[-1] * 1000:.1f} ms")
    finally:
        view.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mispair", type=pathlib.Path, default=TREE / "build" / "mispair")
    parser.add_argument("--connections", type=int, default=100000)
    parser.add_argument("--rate", type=int, default=0, help="exchanges a second over all of them")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--settle", type=float, default=3)
    parser.add_argument("--keys", type=int, default=60)
    args = parser.parse_args()
    many = subprocess.Popen([str(TREE / "build" / "tests" / "manyconn"), str(args.connections),
                             str(args.rate)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            text=True)
    try:
        if not many.stdout.readline().startswith("ready"):
            raise SystemExit("bench_view: the connections could not be opened")
        print(f"{args.connections} connections, {args.rate} exchanges a second over them")
        measure(args, many)
    finally:
        many.stdin.close()
        many.wait()


if __name__ == "__main__":
    main()
