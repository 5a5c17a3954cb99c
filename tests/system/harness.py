# SPDX-License-Identifier: GPL-2.0-or-later
"""What the system tests share: private servers, mispair runs, events and the workloads' truth.

A test is a function whose name is a sentence about behaviour. It returns a short detail for its
line of output, raises Skip with a reason, or raises AssertionError.
"""

import collections
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import schema

TREE = pathlib.Path(__file__).resolve().parents[2]
CORPUS = TREE / "tests" / "corpus"
DEBIAN_PYTHON = "/usr/bin/python3"

# bpftool is in /usr/sbin, which a plain `su` leaves out of PATH.
os.environ["PATH"] += ":/usr/sbin:/sbin"

# What we start may be interrupted and hung up, also where we were started with that ignored (a
# shell's &, nohup).
signal.signal(signal.SIGINT, signal.default_int_handler)
for _number in (signal.SIGTERM, signal.SIGHUP):
    if signal.getsignal(_number) == signal.SIG_IGN:
        signal.signal(_number, signal.SIG_DFL)

# A start or a stop that takes longer than this is a failure, not slowness.
START_LIMIT = 20
RUN_LIMIT = 180


class Skip(Exception):
    """Why a test cannot be run here."""


def check(condition, message):
    if not condition:
        raise AssertionError(message)


def wait_until(condition, limit, what):
    deadline = time.monotonic() + limit
    while not condition():
        check(time.monotonic() < deadline, f"{what}: not within {limit} s")
        time.sleep(0.01)


def other_python():
    """The interpreter that `python3` on PATH really is, if it is not Debian's."""
    found = shutil.which("python3")
    if found is None:
        raise Skip("there is no python3 on PATH")
    real = subprocess.run([found, "-c", "import sys; print(sys.executable)"], check=True,
                          stdout=subprocess.PIPE, text=True).stdout.strip()
    if os.path.realpath(real) == os.path.realpath(DEBIAN_PYTHON):
        raise Skip("python3 on PATH is /usr/bin/python3, which is tested already")
    answer = subprocess.run([real, "-c", "import sys; print(sys.version_info[:2] == (3, 11))"],
                            check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    if answer != "True":
        raise Skip("Debian's redis package is for Python 3.11, and python3 on PATH is not that")
    return real


class Redis:
    """A redis-server of our own: a free port, its own directory, nothing saved."""

    def __init__(self, directory):
        binary = shutil.which("redis-server")
        if binary is None:
            raise Skip("redis-server is not installed")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._log = open(os.path.join(directory, f"redis-{self.port}.log"), "w+")
        self._process = subprocess.Popen(
            [binary, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", directory,
             "--enable-debug-command", "yes", "--save", "", "--appendonly", "no"],
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=subprocess.STDOUT)
        wait_until(self._answers, START_LIMIT, "redis-server answers")

    def _answers(self):
        check(self._process.poll() is None, "redis-server did not start")
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as client:
                client.sendall(b"PING\r\n")
                return client.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    def stop(self):
        # A workload that was ended early may have left it stopped.
        self._process.send_signal(signal.SIGCONT)
        end(self._process)
        self._log.close()


class EchoServer:
    """tests/corpus/echo_server.c on both loopback addresses, a Unix path and an abstract name."""

    def __init__(self, binary, directory):
        self.path = os.path.join(directory, "echo.sock")
        self.abstract = "@" + os.path.basename(directory)
        self._process = subprocess.Popen([str(binary), self.path, self.abstract],
                                         stdout=subprocess.PIPE, text=True)
        ports = json.loads(self._process.stdout.readline())
        self.v4, self.v6 = ports["v4"], ports["v6"]

    def stop(self):
        end(self._process)
        self._process.stdout.close()


def end(process):
    """Ends a process that we started, and only that one."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def told_by(event):
    """How many findings an event tells that none before it has."""
    return event.get("mispair.count", 1)


def verdict_of(event):
    """Of a finding, or of a sum of findings."""
    return event.get("mispair.verdict") or event["event.name"].rpartition(".")[2]


class Events:
    """The NDJSON of one run of mispair; every line of it is valid against the schema."""

    validator = None
    validated = 0
    # A guest has no validator; what its tests say is validated where the host runs the same tests.
    in_guest = False

    def __init__(self, text, whole=True, made_up=False):
        self.lines = text.splitlines()
        self.all = [json.loads(line) for line in self.lines]
        if not made_up:
            self._validate()
        if not whole:
            return
        check(self.all, "mispair wrote no events")
        for event in self.all:
            check(event["schema"].startswith("mispair.event/"), f"no schema in {event}")
        check(self.all[0]["event.name"] == "mispair.start", "the first line is not mispair.start")
        check(self.all[-1]["event.name"] == "mispair.stop", "the last line is not mispair.stop")

    def _validate(self):
        if Events.in_guest:
            return
        if Events.validator is None:
            Events.validator = schema.Validator()
        for event in self.all:
            wrong = Events.validator.complaint(event)
            check(wrong is None, f"an event is not valid: {wrong}")
        Events.validated += len(self.all)

    def named(self, name, pid=None):
        return [event for event in self.all if event["event.name"] == "mispair." + name
                and (pid is None or event.get("process.pid") == pid)]

    def ports(self, name, pid):
        """How many findings there were for each local port, as the truth spells it."""
        ports = collections.Counter()
        for event in self.named(name, pid):
            ports[str(event.get("network.local.port"))] += told_by(event)
        return ports

    def findings(self, name, pid=None):
        """How many there were of "reused", "dirty" and so on, one by one or in sums."""
        return sum(told_by(event) for event in self.all
                   if verdict_of(event) == name
                   and (pid is None or event.get("process.pid") == pid))

    def skipped(self):
        """Programs that the kernel did not run since they were running already, as mispair has told.

        Of fexit on 6.18, of tracepoints too on 7.x, where a program can be preempted; emulation,
        where one takes long, shows it. Which socket it was cannot be known.
        """
        return sum(event["mispair.lost.count"] for event in self.named("lost")
                   if event["mispair.lost.reason"] == "skipped")

    def alarms(self):
        """Of connections; a sum is about none."""
        return [event for event in self.all
                if event.get("mispair.confidence") in ("likely", "certain")
                and event["event.name"] != "mispair.findings"]

    def lost(self):
        return sum(event["mispair.lost.count"] for event in self.named("lost"))


Result = collections.namedtuple("Result", "status stdout stderr events truths")


class Context:
    """What one test may use; everything it started is stopped when the test ends."""

    def __init__(self, mispair, binaries, hook=None, small=False):
        self.mispair = mispair
        self.binaries = binaries
        self._hook = hook
        self._small = small
        self.directory = tempfile.mkdtemp(prefix="mispair-test-")
        self._started = []

    def close(self):
        for thing in reversed(self._started):
            thing.stop()
        shutil.rmtree(self.directory)

    def redis(self):
        return self.keep(Redis(self.directory))

    def echo_server(self):
        return self.keep(EchoServer(self.binary("echo_server"), self.directory))

    def keep(self, thing):
        """Something that has stop(), for the end of the test."""
        self._started.append(thing)
        return thing

    def binary(self, name):
        path = self.binaries / name
        check(path.exists(), f"{path} is not built")
        return path

    def file(self, name):
        return os.path.join(self.directory, name)

    def amount(self, usual):
        """How much of something a workload does: less of it on an emulated machine."""
        return max(usual // 10, 1) if self._small else usual

    def argv(self, *args):
        """mispair's command line, with the hook tier that is forced in this run of the tests."""
        words = list(map(str, args))
        if self._hook and words and words[0] in ("run", "trace"):
            words.insert(1, f"--hook={self._hook}")
        return [str(self.mispair), *words]

    def command(self, *args, environment=None, **options):
        """mispair itself, to its end."""
        return subprocess.run(self.argv(*args), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=RUN_LIMIT, env=environment, **options)

    def run(self, command, *options):
        """mispair run on a workload, which prints its truth; several lines if it is a loop."""
        path = self.file(f"run-{len(os.listdir(self.directory))}.json")
        done = self.command("run", "--json", path, *options, "--", *command)
        stderr = done.stderr.decode(errors="replace")
        check(os.path.exists(path), f"no event file, status {done.returncode}: {stderr}")
        events = Events(pathlib.Path(path).read_text())
        truths = truths_in(done.stdout.decode(errors="replace"))
        check(truths, f"the workload printed no truth, status {done.returncode}: {stderr}")
        return Result(done.returncode, done.stdout, stderr, events, truths)

    def workload(self, name, *args, python=DEBIAN_PYTHON):
        return [python, str(CORPUS / name), *map(str, args)]

    def trace(self, *options):
        return self.keep(Trace(self, options))


class Trace:
    """mispair trace in the background, from its start line on."""

    def __init__(self, context, options):
        self.path = context.file(f"trace-{len(os.listdir(context.directory))}.json")
        # Read by its name: who reads by this descriptor moves the place where mispair writes.
        self._stderr = open(self.path + ".stderr", "a")
        self.process = subprocess.Popen(
            context.argv("trace", "--json", self.path, *options),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self._stderr)
        wait_until(self._ready, START_LIMIT, "mispair trace starts")

    def _ready(self):
        check(self.process.poll() is None,
              f"mispair trace ended with status {self.process.returncode}: {self.stderr()}")
        return os.path.exists(self.path) and "mispair.start" in pathlib.Path(self.path).read_text()

    def stderr(self):
        return pathlib.Path(self._stderr.name).read_text()

    def so_far(self):
        """The lines that are whole."""
        text = pathlib.Path(self.path).read_text()
        return Events(text[:text.rfind("\n") + 1], whole=False)

    def finish(self, number=signal.SIGINT):
        self.process.send_signal(number)
        self.process.wait(START_LIMIT)
        return Events(pathlib.Path(self.path).read_text())

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
        end(self.process)
        self._stderr.close()


def truths_in(stdout):
    return [json.loads(line) for line in stdout.splitlines() if line.startswith('{"row"')]


def truth_of(command):
    """A workload that runs without mispair, or under a trace that is running already."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=RUN_LIMIT, text=True)
    check(done.returncode == 0, f"the workload failed: {done.stderr}")
    return truths_in(done.stdout)


def wrong_ports(truth):
    return {port for port, c in truth["connections"].items() if c["wrong"]}


def really_reused(truth):
    """Connections that were sent on while an abandoned reply was owed, seen by the workload.

    A wrong answer needs one of these; one of these need not end in a wrong answer, because the
    next user can be cancelled as well.
    """
    return {port for port, c in truth["connections"].items()
            if c["wrong"] or any(c.get("reuse", {}).values())}


def agree(events, truth):
    """Both directions: each wrong answer was reported, and nobody was accused wrongly.

    Where the kernel skipped programs, a connection may be unobserved instead, and then that is said.
    """
    pid = truth["pid"]
    reported = set(events.ports("connection.reused", pid))
    missed = wrong_ports(truth) - reported
    silent = missed - set(events.ports("connection.unobserved", pid))
    check(not silent and len(missed) <= events.skipped(),
          f"{len(missed)} of {len(wrong_ports(truth))} connections gave wrong answers and have no "
          f"reused event: {sorted(missed)[:5]}; {len(silent)} of them are not called unobserved; "
          f"told as skipped: {events.skipped()}")
    accuse_nobody_wrongly(events, truth)


def accuse_nobody_wrongly(events, truth):
    pid = truth["pid"]
    accused = {str(event.get("network.local.port"))
               for event in events.named("connection.reused", pid)
               if event.get("mispair.confidence") in ("likely", "certain")}
    false = accused - really_reused(truth)
    check(not false, f"{len(false)} connections accused without a reuse: {sorted(false)[:5]}")
