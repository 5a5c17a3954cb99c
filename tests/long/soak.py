# SPDX-License-Identifier: GPL-2.0-or-later
"""An hour of a host on which twenty processes a second come and go, and each minute a victim.

Loads: curl, redis-cli, shells, and containers, which have a cgroup and namespaces of their own. A
sample is a JSON line in soak.jsonl, each minute's is a line of the log as well.
"""

import contextlib
import itertools
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import time

import harness
from cases_sinks import free_port
from harness import DEBIAN_PYTHON, START_LIMIT, Skip, check, end, wait_until
from processes import (PYTHON_NAME, Kept, Victim, found_in_full, nothing_of_the_dead, resident_kb)

PER_SECOND = 20
TOGETHER_MAX = 60     # that have not ended: more are not begun, and counted as late
SAMPLE_S = 10
GROWTH_KB = 4096
DESCRIPTORS = 16
FOUND_LIMIT = 10
SHELL = ("sh", "-c", "for i in 1 2 3; do echo $i; done | sort | tail -1; ls / >/dev/null")
IN_OWN_NETWORK = 'ip link set lo up && echo "12" | exec "$0" connect 1 1'
INTO_CGROUP = 'echo 0 > "$0/cgroup.procs" && exec "$@"'


class Cgroups:
    """A directory of the second version of cgroups, and below it one for each container."""

    def __init__(self):
        mounts = [line.split() for line in pathlib.Path("/proc/mounts").read_text().splitlines()]
        root = next((words[1] for words in mounts if words[2] == "cgroup2"), None)
        if root is None:
            raise Skip("no cgroup2 is mounted")
        self.top = pathlib.Path(root) / f"mispair-soak-{os.getpid()}"
        self.top.mkdir()
        self.numbers = itertools.count()

    def new(self):
        directory = self.top / str(next(self.numbers))
        directory.mkdir()
        return directory

    def remove(self, directory):
        if (directory / "cgroup.kill").exists():
            (directory / "cgroup.kill").write_text("1")
        wait_until(lambda: not (directory / "cgroup.procs").read_text(), START_LIMIT,
                   f"{directory} is empty")
        directory.rmdir()

    def stop(self):
        for directory in [path for path in self.top.iterdir() if path.is_dir()]:
            self.remove(directory)
        self.top.rmdir()


class Web:
    """A private web server with one small file."""

    def __init__(self, context):
        directory = os.path.join(context.directory, "web")
        os.mkdir(directory)
        pathlib.Path(directory, "index.html").write_text("here\n")
        self.port = free_port()
        self.process = subprocess.Popen(
            [DEBIAN_PYTHON, "-m", "http.server", "--bind", "127.0.0.1", "--directory", directory,
             str(self.port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(self._answers, START_LIMIT, "the web server answers")

    def _answers(self):
        return subprocess.run(self.client(), stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL).returncode == 0

    def client(self):
        return ["curl", "-sf", "-o", "/dev/null", f"http://127.0.0.1:{self.port}/"]

    def stop(self):
        end(self.process)


class Load:
    """PER_SECOND processes begin each second, by the clock."""

    def __init__(self, context, redis_port):
        for program in ("curl", "redis-cli", "unshare", "ip"):
            if shutil.which(program) is None:
                raise Skip(f"{program} is not installed")
        self.context = context
        self.cgroups = context.keep(Cgroups())
        web = context.keep(Web(context))
        ping = ["redis-cli", "-p", str(redis_port), "ping"]
        launcher = [str(context.binary("launcher")), str(redis_port), "--at-once"]
        crowd = ["sh", "-c", IN_OWN_NETWORK, str(context.binary("crowd"))]
        self.kinds = itertools.cycle([
            ("curl", web.client()), ("redis", ping), ("container", launcher),
            ("curl", web.client()), ("shell", SHELL), ("redis", ping), ("network", crowd),
            ("curl", web.client()), ("redis", ping), ("shell", SHELL)])
        self.running = {}
        self.begun = self.late = self.failed = 0
        self.due = None

    def begin_what_is_due(self, now):
        """When the next one is due."""
        if self.due is None:
            self.due = now
        self.reap()
        while self.due <= now:
            self.due += 1 / PER_SECOND
            if len(self.running) >= TOGETHER_MAX:
                self.late += 1
            else:
                self._begin(*next(self.kinds))
        return self.due

    def _begin(self, kind, argv):
        directory = None
        if kind in ("container", "network"):
            directory = self.cgroups.new()
            argv = ["sh", "-c", INTO_CGROUP, str(directory), "unshare", "--pid", "--mount",
                    "--cgroup", *(["--net"] if kind == "network" else []), "--fork",
                    "--kill-child", "--mount-proc", *argv]
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        self.running[process] = directory
        self.begun += 1

    def reap(self):
        for process in [process for process in self.running if process.poll() is not None]:
            self.failed += process.returncode != 0
            directory = self.running.pop(process)
            if directory is not None:
                self.cgroups.remove(directory)

    def drain(self):
        wait_until(lambda: self.reap() or not self.running, START_LIMIT, "the load ends")

    def stop(self):
        for process in self.running:
            process.kill()
        for process in self.running:
            process.wait()
        self.running.clear()


class Findings:
    """The alarms in the events of a run that goes on; what was read is not read again."""

    def __init__(self, path):
        self.file = open(path, encoding="utf-8")
        self.rest = ""
        self.all = []
        self.lost = {}

    def read(self):
        self.rest += self.file.read()
        lines, _, self.rest = self.rest.rpartition("\n")
        for line in lines.splitlines():
            event = json.loads(line)
            if event.get("mispair.confidence"):
                self.all.append(event)
            elif event["event.name"] == "mispair.lost":
                reason = event["mispair.lost.reason"]
                self.lost[reason] = self.lost.get(reason, 0) + event["mispair.lost.count"]
        return self

    def alarms(self):
        return [event for event in self.all
                if event["mispair.confidence"] in ("likely", "certain")]

    def stop(self):
        self.file.close()


class Sampler:
    """What the tracer uses and keeps, as lines of JSON."""

    def __init__(self, path, kept, json_path):
        self.file = open(path, "w", encoding="utf-8")
        self.kept, self.json_path = kept, json_path
        self.began = time.monotonic()
        self.samples = []

    def sample(self, **more):
        pid = self.kept.tracer
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        found = {"s": round(time.monotonic() - self.began, 1), "rss_kb": resident_kb(pid),
                 "fds": len(os.listdir(f"/proc/{pid}/fd")), "dead": self.kept.dead(),
                 "tables": self.kept.tables(),
                 "cpu_s": (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"),
                 "json_bytes": os.path.getsize(self.json_path), **more}
        self.samples.append(found)
        self.write(found)
        return found

    def write(self, found):
        self.file.write(json.dumps(found) + "\n")
        self.file.flush()

    def stop(self):
        self.file.close()


def victim_of_minute(context, kept, findings, port, pump):
    """A line about one victim; PUMP keeps the load going meanwhile."""
    victim = context.keep(Victim(port))
    deadline = time.monotonic() + FOUND_LIMIT
    while not kept.answered(victim.pid, runtime=True) and time.monotonic() < deadline:
        pump()
    victim.go_on()
    while victim.process.poll() is None:
        pump()
    truth = victim.truth()
    deadline = time.monotonic() + FOUND_LIMIT
    while True:
        wrong = complaint(findings.read(), truth)
        if wrong is None or time.monotonic() > deadline:
            break
        pump()
    return {"victim": truth["pid"], "found": wrong or f"all, under {PYTHON_NAME}",
            "missed": wrong is not None}


def complaint(findings, truth):
    try:
        found_in_full(findings, {"victim": truth})
    except AssertionError as failure:
        return str(failure)
    return None


def line_of(minute, found, load, victim, lost):
    dead = ",".join(f"{name}:{count}" for name, count in found["dead"].items())
    tables = ",".join(f"{name}:{count}" for name, count in found["tables"].items()) or "-"
    return (f"minute {minute:3d}  {found['rss_kb']:6d} kB  {found['fds']:4d} fds  dead {dead}  "
            f"tables {tables}  cpu {found['cpu_s']:.1f} s  json {found['json_bytes']} B  "
            f"begun {load.begun} late {load.late} failed {load.failed}  "
            f"victim {victim['victim']}: {victim['found']}  lost {lost or 'nothing'}")


def slope(points):
    """Least squares: y's change per x."""
    xs, ys = zip(*points)
    x, y = statistics.fmean(xs), statistics.fmean(ys)
    below = sum((one - x) ** 2 for one in xs)
    return sum((one - x) * (other - y) for one, other in points) / below if below else 0.0


def judge(samples, victims):
    """What is wrong, and what is told in any case."""
    third = max(len(samples) // 3, 1)
    late = samples[third:]
    kb_s = slope([(one["s"], one["rss_kb"]) for one in late])
    growth = kb_s * (late[-1]["s"] - late[0]["s"])
    fds = [statistics.median(one["fds"] for one in part)
           for part in (samples[:third], samples[-third:])]
    missed = [victim for victim in victims if victim["missed"]]
    wrong = []
    if missed:
        wrong.append(f"{len(missed)} of {len(victims)} victims are not found in full, first: "
                     f"{missed[0]['found']}")
    if growth > GROWTH_KB:
        wrong.append(f"resident memory grows by {growth:.0f} kB in the last two thirds")
    if fds[1] > fds[0] + DESCRIPTORS:
        wrong.append(f"descriptors grow from {fds[0]:.0f} to {fds[1]:.0f}")
    return wrong, (f"{len(victims)} victims, memory {kb_s * 3600:+.0f} kB an hour (a straight line "
                   f"through {len(late)} samples: {growth:+.0f} kB), descriptors {fds[0]:.0f} then "
                   f"{fds[1]:.0f}")


def soak(args, log):
    context = harness.Context(args.mispair, args.binaries)
    with contextlib.closing(context):
        return soak_in(context, args, log)


def soak_in(context, args, log):
    ping, victims_port = context.redis().port, context.redis().port
    metrics = context.file("metrics.prom")
    trace = context.trace("--metrics-file", metrics)
    kept = context.keep(Kept(trace.process.pid, metrics))
    findings = context.keep(Findings(trace.path))
    load = context.keep(Load(context, ping))
    sampler = context.keep(Sampler(args.state / "soak.jsonl", kept, trace.path))
    next_sample = 0.0

    def pump():
        """Begin what is due, sample if it is time, and sleep until the next is due."""
        nonlocal next_sample
        now = time.monotonic()
        due = load.begin_what_is_due(now)
        check(trace.process.poll() is None, f"mispair ended: {trace.stderr()[-2000:]}")
        if now - sampler.began >= next_sample:
            next_sample += SAMPLE_S
            sampler.sample(begun=load.begun)
        time.sleep(max(due - time.monotonic(), 0))

    victims = []
    for minute in range(1, max(int(args.soak_minutes), 1) + 1):
        victims.append(victim_of_minute(context, kept, findings, victims_port, pump))
        while time.monotonic() - sampler.began < minute * 60:
            pump()
        found = sampler.sample(minute=minute, begun=load.begun, late=load.late,
                               failed=load.failed, lost=findings.read().lost, **victims[-1])
        log(line_of(minute, found, load, victims[-1], findings.lost))
    load.drain()
    wrong, said = judge(sampler.samples, victims)
    try:
        nothing_of_the_dead(kept)
    except AssertionError as failure:
        wrong.append(str(failure))
    if load.failed:
        wrong.append(f"{load.failed} of {load.begun} processes of the load have failed")
    sampler.write({"wrong": wrong, "said": said})
    trace.process.send_signal(signal.SIGINT)
    check(trace.process.wait(START_LIMIT) == 0, f"mispair's status: {trace.process.returncode}")
    check(not wrong, f"{'; '.join(wrong)}; {said}")
    return f"{said}; {load.begun} processes, {load.late} late"
