# SPDX-License-Identifier: GPL-2.0-or-later
"""One workload under each hook tier of this kernel: the same is said about each connection."""

import json
import os
import pathlib
import re
import signal
import subprocess

from harness import START_LIMIT, Events, Skip, check, end, truths_in, wait_until

TIERS = ("tp_btf", "fexit", "kprobe")
# What mispair run answers where a tier does not work.
LACKS = 4
# What a tier says on stderr that does not see a receive end without bytes, and what it says less.
BLIND = "receives that end by a timeout or a signal are not seen"
TIMED_OUT = "timed-out"
# Step of endings.py: what must have been said of a connection, in order, before the next step.
STEPS = {
    # Of unread37: its process has been looked into, however busy the machine is.
    "looked-into": {},
    "known": {},
    "clean": {},
    "abandoned": {label: ["abandoned"] for label in
                  ("outstanding", "unread", "residue", "drained", "taken-out", "closed-early",
                   "closed-late", TIMED_OUT)},
    "overtaken": {"outstanding": ["abandoned", "reused"], "swallowed": ["reused"],
                  "closed-early": ["abandoned", "closed"], TIMED_OUT: ["abandoned", "reused"]},
    "arrived": {"unread": ["abandoned", "dirty"], "residue": ["abandoned", "dirty"],
                "taken-out": ["abandoned", "dirty"], "closed-late": ["abandoned", "dirty"],
                "drained": ["abandoned", "drained"], TIMED_OUT: ["abandoned", "reused", "reused"]},
    # Who was answered from the buffer left a reply of its own behind.
    "used": {"unread": ["abandoned", "dirty", "reused"],
             "residue": ["abandoned", "dirty", "reused", "dirty"],
             # The second one of its pool: slots may be lost.
             "closed-late": ["abandoned", "dirty", "closed", "leaked"]},
}
LAST = "used"
# After these mispair is not stopped: it is asked whose thread the loop's is when the runtime is known.
ON_THE_WAY = ("looked-into", "known", LAST)
# Of an event: what differs from run to run.
VOLATILE = ("time", "time_unix_nano", "host.name", "process.pid", "thread.id",
            "network.local.port", "mispair.socket.cookie", "mispair.cancel.age_ns")
ADDRESS = re.compile(r"0x[0-9a-f]+|(?<=thread )\d+")


class Run:
    """One run of mispair over the workload, driven by what mispair says."""

    def __init__(self, context, tier, command):
        self.tier = tier
        self.path = context.file(f"tier-{tier}.json")
        # Appended to, and read by its name: who reads by this descriptor moves mispair's place in it.
        self._stderr = open(context.file(f"tier-{tier}.stderr"), "a")
        self._process = subprocess.Popen(
            [str(context.mispair), "run", f"--hook={tier}", "--json", self.path, "--ledgers",
             "--precise", "never", "--stats", "200ms", "--", *command],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._stderr, text=True)
        self._ports, self._pid = {}, None
        self.truths, self.skipped = [], 0

    def stderr(self):
        return pathlib.Path(self._stderr.name).read_text()

    def blind(self):
        return BLIND in self.stderr()

    def stop(self):
        self._process.send_signal(signal.SIGCONT)
        self._process.stdin.close()
        end(self._process)
        self._process.stdout.close()
        self._stderr.close()

    def drive(self):
        """To its end. False: the tier does not work here.

        Between two steps mispair is stopped: what it finds when it looks is then how the step ended,
        and never, say, a reply in the socket that its reader was about to take.
        """
        for line in self._process.stdout:
            self.truths += truths_in(line)
            if line.startswith('{"at"'):
                self._process.send_signal(signal.SIGCONT)
                at = json.loads(line)
                self._await(at)
                if at["at"] not in ON_THE_WAY:
                    self._process.send_signal(signal.SIGSTOP)
                    wait_until(self._is_stopped, START_LIMIT, "mispair is stopped")
                self._process.stdin.write("go on\n")
                self._process.stdin.flush()
        return self._process.wait(START_LIMIT) != LACKS

    def _is_stopped(self):
        status = pathlib.Path(f"/proc/{self._process.pid}/stat").read_text()
        return status.rpartition(")")[2].split()[0] == "T"

    def _await(self, at):
        if "labels" in at:
            self._ports, self._pid = at["labels"], at["pid"]
            wait_until(lambda: self._named("runtime"), START_LIMIT, "the runtime is found")
        wanted = {label: said for label, said in STEPS[at["at"]].items()
                  if label != TIMED_OUT or not self.blind()}

        def has_said(label):
            said = self._said(label)
            # A gap, where the kernel skipped a program of this very connection.
            return said == wanted[label] or said[-1:] == ["unobserved"] and self._named("lost")

        try:
            wait_until(lambda: all(map(has_said, wanted)), START_LIMIT, "all is said")
        except AssertionError as late:
            said = {label: self._said(label) for label in wanted}
            differ = {label: (said[label], wanted[label]) for label in wanted
                      if said[label] != wanted[label]}
            raise AssertionError(f"{self.tier}, at {at['at']}: {late}; (said, wanted): "
                                 f"{differ}") from None
        # All that the kernel had told by now was handled before the second statistics from now.
        lines = len(self._named("stats")) + 2
        wait_until(lambda: len(self._named("stats")) >= lines, START_LIMIT, "statistics")

    def _lost(self, event):
        """What may be missing. Programs that the kernel skipped, since another task was in the same
        one: of fexit, from 7.x on of tracepoints, which the kprobe tier has as well.

        And the first request of a connection, where the runtime is found late: nobody goes on
        before it is found, and what is compared comes after that.
        """
        first = event["mispair.lost.reason"] == "late_attach" and \
            event["mispair.lost.total"] <= len(self._ports)
        check(first or event["mispair.lost.reason"] == "skipped",
              f"{self.tier}: evidence was lost: {event}")
        if not first:
            self.skipped += event["mispair.lost.count"]

    def _so_far(self):
        text = pathlib.Path(self.path).read_text()
        return [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines()]

    def _named(self, name):
        return [event for event in self._so_far() if event["event.name"] == "mispair." + name]

    def _said(self, label):
        return [event["event.name"].rpartition(".")[2] for event in self._so_far()
                if event.get("process.pid") == self._pid and "mispair.owed" in event
                and self._ports.get(str(event.get("network.local.port"))) == label]

    def streams(self):
        """{connection: its events, without what differs from run to run}"""
        found = {}
        names = {truth["pid"]: f"{truth['row']} {number}"
                 for number, truth in enumerate(self.truths)}
        for event in Events(pathlib.Path(self.path).read_text()).all:
            name = event["event.name"]
            if name in ("mispair.start", "mispair.stats", "mispair.stop"):
                continue
            if name == "mispair.lost":
                self._lost(event)
                continue
            who = names.get(event["process.pid"], "another process")
            port = str(event.get("network.local.port"))
            key = self._ports.get(port, who) if event["process.pid"] == self._pid else who
            found.setdefault(key, []).append(normal(event))
            if key == "control":  # the server tells there for how long it has run
                found[key][-1].pop("mispair.rx_bytes", None)
        return found


def normal(event):
    """An event without times and addresses; of a timeline the order stays."""
    left = {key: ADDRESS.sub("X", value) if isinstance(value, str) else value
            for key, value in event.items() if key not in VOLATILE}
    if "mispair.timeline" in left:
        left["mispair.timeline"] = [
            {key: ADDRESS.sub("X", value) if isinstance(value, str) else value
             for key, value in entry.items() if key != "at_ns"}
            for entry in left["mispair.timeline"]]
    return left


def workload(context):
    """Two programs in C that leave 37 bytes unread, then one connection for each ending."""
    echo, redis = context.echo_server(), context.redis()
    unread = f"{context.binary('unread37')} --clean 20 --step looked-into"
    script = f'{unread} --v4-port {echo.v4} && {unread} --unix-name {echo.path} && exec "$@"'
    return ["/bin/sh", "-c", script, "sh",
            *context.workload("endings.py", "--port", redis.port)]


def if_preempted(event):
    """Where programs are preempted, the answer may have come between a send and its program.

    The old bytes cannot always be told from it then, and the reuse counts as `outstanding`.
    """
    left = {key: value for key, value in event.items() if key != "mispair.unread_bytes"}
    if left.get("mispair.reuse.kind") in ("unread", "outstanding"):
        left["mispair.reuse.kind"] = "outstanding"
        left.pop("mispair.reason")
    if "mispair.timeline" in left:
        left["mispair.timeline"] = [entry for entry in left["mispair.timeline"]
                                    if entry["what"] != "unread"]
    return left


def is_preempted(tier):
    """Can a task be preempted within a program of this tier? (bpf/missed.h, user/tiers.c)"""
    release = tuple(map(int, re.match(r"(\d+)\.(\d+)", os.uname().release).groups()))
    return release >= (7, 0) or (tier == "fexit" and release >= (6, 13))


def first_difference(one, other, compared):
    for key in sorted({*one, *other}):
        mine, yours = one.get(key, []), other.get(key, [])
        for number in range(max(len(mine), len(yours))):
            a = compared(mine[number]) if number < len(mine) else None
            b = compared(yours[number]) if number < len(yours) else None
            if a != b:
                fields = sorted(k for k in {*(a or {}), *(b or {})}
                                if (a or {}).get(k) != (b or {}).get(k))
                return f"{key}, event {number}: " + "; ".join(
                    f"{k} {(a or {}).get(k)!r} and {(b or {}).get(k)!r}" for k in fields[:4])
    return None


def findings_of(stream):
    return [event for event in stream if "mispair.owed" in event]


def the_verdicts_are_the_same_in_every_tier(context):
    """A tier that is blind to receives that fail says so, and then only that connection differs."""
    command, runs = workload(context), []
    for tier in TIERS:
        run = context.keep(Run(context, tier, command))
        if run.drive():
            check(len(run.truths) == 3, f"{tier}: {len(run.truths)} of 3 truths: {run.stderr()}")
            runs.append((run, run.streams()))
    if len(runs) < 2:
        raise Skip(f"of the hook tiers only {[run.tier for run, _ in runs]} works here")
    (first, reference), told = runs[0], 0
    skipped, gaps = sum(run.skipped for run, _ in runs), with_gaps(runs)
    preempted = any(is_preempted(run.tier) for run, _ in runs)
    check(len(gaps) <= skipped, f"{sorted(gaps)} have gaps, and {skipped} programs were skipped")
    if skipped:  # nothing tells on which Unix socket
        gaps |= {key for key, stream in reference.items() for event in stream
                 if event.get("network.transport") == "unix"}
    for run, streams in runs:
        check(run.blind() == (run.tier == "kprobe"), f"{run.tier} says: {run.stderr()}")
        vain = [event for event in findings_of(streams[TIMED_OUT])
                if event.get("mispair.cancel.kind") == "recv.timeout"]
        check(TIMED_OUT in gaps or bool(vain) != run.blind(), f"{run.tier}: {len(vain)} receives that timed out")
        told += sum(map(len, streams.values()))
        differ = first_difference(seen_by(run, reference, gaps), seen_by(run, streams, gaps),
                                  if_preempted if preempted else lambda event: event)
        check(differ is None, f"{first.tier} and {run.tier} differ: {differ}")
    return f"{', '.join(run.tier for run, _ in runs)}: {told} events, {len(reference)} connections" \
           f"{f', {skipped} programs skipped, gaps on {len(gaps)}' if skipped else ''}"


def with_gaps(runs):
    """Connections of which some run says that it has not seen all."""
    return {key for _, streams in runs for key, stream in streams.items() for event in stream
            if event["event.name"] == "mispair.connection.unobserved"
            or event.get("mispair.unobserved")}


def seen_by(run, streams, gaps):
    """To a blind tier one who asks again after a receive in vain only goes on asking."""
    return {key: stream for key, stream in streams.items()
            if key not in gaps and (key != TIMED_OUT or not run.blind())}


def tests():
    yield "the_verdicts_are_the_same_in_every_tier", the_verdicts_are_the_same_in_every_tier
