# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of processes share: victims, what a tracer keeps of whom, and where probes are.

A victim waits until the tracer has looked at it, and then gives wrong answers. What the tracer
keeps is read from its own BPF maps and metrics. A probe is read from the memory of the process
that it is in, as a byte of code that its file does not have: that is so for each way to place one.
"""

import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.request

from bpfobjects import maps_of, probes_of
from harness import CORPUS, DEBIAN_PYTHON, RUN_LIMIT, Skip, check, end, truths_in, wrong_ports

SYSTEM = pathlib.Path(__file__).resolve().parent
PYTHON_NAME = os.path.basename(os.path.realpath(DEBIAN_PYTHON))
MODULE_NAME = "_asyncio.cpython-311-x86_64-linux-gnu.so"
NOBODY = 65534
AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
TIMINGS = 10
# A tracer that has not looked at a process by then does not look at it: the victim goes on.
LOOK_LIMIT = 10
# From the end of the last process to the end of all that is kept of it.
FORGET_LIMIT = 5
METRICS_AGE = 2  # they tell of the last pass
TAKEN = 75  # what process_as ends with when the number is somebody's
# States of a process in the BPF maps in which the tracer has no answer, or not yet a useful one.
ASKED, NO_RUNTIME, WAITING = 1, 2, 3


def module_file():
    """Debian's own _asyncio."""
    found = subprocess.run([DEBIAN_PYTHON, "-c", "import _asyncio; print(_asyncio.__file__)"],
                           stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    if os.path.basename(found) != MODULE_NAME:
        raise Skip(f"the tests know {MODULE_NAME}, and here it is {found}")
    return found


def libc_file():
    """The libc that programs of this host map."""
    maps = pathlib.Path("/proc/self/maps").read_text()
    return re.search(r"\S*/libc\.so\.6$", maps, re.M).group(0)


def public(context):
    """The test's directory, which other users may read."""
    os.chmod(context.directory, 0o755)
    return context.directory


def copy(context, source, *name, owner=0, mode=0o755):
    """A file of the test's own, of which nobody has heard."""
    public(context)
    path = os.path.join(context.directory, *name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    shutil.copyfile(source, path)
    os.chown(path, owner, owner)
    os.chmod(path, mode)
    return path


class Held:
    """A process that prints what it does and waits for a byte on its standard input."""

    def __init__(self, argv, environment=None):
        self.process = subprocess.Popen(
            list(map(str, argv)), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
            env=None if environment is None else {**os.environ, **environment})
        self.pid = self.process.pid

    def line(self):
        """Its next line; it fails the test if it has ended instead."""
        line = self.process.stdout.readline()
        if not line:
            self._has_ended()
        return line.strip()

    def expect(self, word):
        line = self.line()
        check(line.split()[:1] == [word], f"{self.process.args[:3]} printed {line!r}, not {word}")
        return line.split()[1:]

    def _has_ended(self):
        _, stderr = self.process.communicate(timeout=RUN_LIMIT)
        raise AssertionError(f"{self.process.args[:3]} ended with status "
                             f"{self.process.returncode}: {stderr[-2000:]}")

    def go_on(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def finish_after_a_byte(self):
        self.go_on()
        return self.finish()

    def finish(self):
        """What it prints until its end, which its standard input's end brings about."""
        stdout, stderr = self.process.communicate(timeout=RUN_LIMIT)
        check(self.process.returncode == 0,
              f"{self.process.args[:3]}: status {self.process.returncode}, {stderr[-2000:]}")
        return stdout

    def stop(self):
        end(self.process)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            try:
                pipe.close()
            except BrokenPipeError:
                pass


class Victim(Held):
    """pyredis_single.py with one clean connection, and then wrong answers on each of TIMINGS."""

    def __init__(self, port, prefix=(), environment=None, pid=None):
        super().__init__([*prefix, *self.argv(port)], environment)
        if pid is not None:
            self.pid = pid
        self.looked_at, self.before = False, None

    @classmethod
    def adopt(cls, held, before=None):
        """What another program has become, or is about to become; BEFORE: that one's id."""
        victim = cls.__new__(cls)
        victim.process, victim.pid, victim.looked_at = held.process, held.pid, False
        victim.before = before
        return victim

    @staticmethod
    def argv(port, *options):
        return [DEBIAN_PYTHON, str(CORPUS / "pyredis_single.py"), "--port", str(port), "--timings",
                str(TIMINGS), "--wait", *options]

    def meet(self, kept, limit=LOOK_LIMIT):
        """Waits until the tracer has an answer about it. If none comes, the verdicts show it."""
        deadline = time.monotonic() + limit
        while not self.looked_at and time.monotonic() < deadline:
            if self.process.poll() is not None:
                self._has_ended()
            self.looked_at = kept.answered(self.pid, runtime=True, before=self.before)
            time.sleep(0.02)
        return self

    def truth(self):
        truth = truths_in(self.finish())
        check(len(truth) == 1, f"the victim printed {len(truth)} truths")
        check(truth[0]["pid"] == self.pid, f"pid {truth[0]['pid']}, not {self.pid}")
        check(len(wrong_ports(truth[0])) == TIMINGS, "the victim saw too few wrong answers")
        return truth[0]

    def be_wrong(self, kept):
        """All in one: it is looked at, goes on and tells its truth."""
        self.meet(kept).go_on()
        return self.truth()


def names_of(events, pid):
    """What the findings about a process call its program."""
    others = "mispair.runtime", "mispair.connection.ledger", "mispair.coverage"
    return {event.get("process.executable.name", "-") for event in events.all
            if event.get("process.pid") == pid and event["event.name"] not in others}


def verdict_on(events, truth, forbidden=()):
    """None if each wrong connection is called reused, at likely or above, under the right name."""
    pid = truth["pid"]
    wrong = wrong_ports(truth)
    found = {str(event.get("network.local.port")) for event in events.alarms()
             if event["event.name"] == "mispair.connection.reused"
             and event.get("process.pid") == pid} & wrong
    names = names_of(events, pid)
    # How far the launcher itself was watched is said as well, under its name.
    strange = {event["process.executable.name"] for event in events.all
               if event.get("process.executable.name") in forbidden
               and event["event.name"] != "mispair.coverage"}
    if found == wrong and names == {PYTHON_NAME} and not strange:
        return None
    return (f"{len(found)} of {len(wrong)} found, called {sorted(names | strange) or 'nothing'}; "
            f"of others: {said_of(events, pid, wrong - found) or 'nothing'}")


def said_of(events, pid, ports):
    """What was said of some connections of a process, and of what was lost."""
    return [(event["event.name"].rpartition(".")[2], event.get("mispair.confidence"),
             event.get("mispair.reason")) for event in events.all
            if event.get("process.pid") == pid and str(event.get("network.local.port")) in ports] + \
           [(event["mispair.lost.reason"], event["mispair.lost.count"]) for event in events.all
            if event["event.name"] == "mispair.lost"]


def found_in_full(events, truths, forbidden=()):
    """TRUTHS: by a word for what was done before."""
    bad = {word: verdict_on(events, truth, forbidden) for word, truth in truths.items()}
    bad = [f"{word}: {what}" for word, what in bad.items() if what]
    check(not bad, "; ".join(bad))
    return f"{sum(len(wrong_ports(truth)) for truth in truths.values())} found under {PYTHON_NAME}"


# ---- what a tracer keeps ----


def bpftool(*words):
    """Its answer, None if what was asked for is not there (any more)."""
    done = subprocess.run(["bpftool", "-j", *map(str, words)], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True)
    return None if done.returncode or not done.stdout.strip() else json.loads(done.stdout)


class Kept:
    """What a tracer keeps of processes; METRICS: the address or the file of its metrics."""

    OF_PROCESSES = ("procs", "runtimes", "tree")

    def __init__(self, tracer, metrics=None):
        self.tracer = tracer
        self.metrics = metrics
        self.maps = maps_of(tracer, self.OF_PROCESSES)
        self.tables_seen = set()
        check("procs" in self.maps, f"pid {tracer} has no map of processes")

    def stop(self):
        for one in self.maps.values():
            one.close()

    def pids(self, name):
        """The keys of a map; there need not be one of that name."""
        return self.maps[name].keys() if name in self.maps else set()

    def value(self, name, pid):
        if name not in self.maps:
            return None
        key = [f"0x{byte:02x}" for byte in struct.pack("=I", pid)]
        entry = bpftool("map", "lookup", "id", self.maps[name].number, "key", *key)
        return entry.get("formatted", {}).get("value") if entry else None

    def id_of(self, pid):
        """What the tracer knows a process by beside its number; None: it does not."""
        return (self.value("procs", pid) or {}).get("id")

    def answered(self, pid, runtime=False, before=None):
        """Has the tracer looked at this process, and not at another of its number before?

        RUNTIME: and found what runs there. A first look may come before asyncio is loaded, and the
        next connection asks again. BEFORE: the id of the program that was there before an exec.
        """
        met = self.value("procs", pid)
        answer = self.value("runtimes", pid) if "runtimes" in self.maps else met
        return bool(met and answer) and answer.get("id") == met.get("id") \
            and (before is None or answer.get("id") != before) \
            and answer.get("state") not in (ASKED, WAITING, *([NO_RUNTIME] if runtime else []))

    def dead(self):
        """Map -> how many processes it has that are gone."""
        return {name: sum(not os.path.exists(f"/proc/{pid}") for pid in self.pids(name))
                for name in self.OF_PROCESSES if name in self.maps}

    def ready(self):
        return bool(fetch(self.metrics))

    def tables(self):
        """Table in the tracer's own memory -> entries; a tracer need not say."""
        found = re.findall(r'^mispair_table_entries\{table="([a-z_]+)"\} ([0-9.e+]+)$',
                           fetch(self.metrics) if self.metrics else "", re.M)
        self.tables_seen |= {table for table, _ in found}
        return {table: int(float(value)) for table, value in found}

    def living(self):
        return self.pids("procs") | self.pids("runtimes")


def forks():
    """How many processes and threads this host has begun."""
    stat = pathlib.Path("/proc/stat").read_text()
    return int(re.search(r"^processes (\d+)$", stat, re.M).group(1))


def fetch(metrics):
    """The metrics; before the first look at the sockets there are none."""
    if not metrics.startswith("http:"):
        return pathlib.Path(metrics).read_text() if os.path.exists(metrics) else ""
    try:
        with urllib.request.urlopen(metrics, timeout=RUN_LIMIT) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as refusal:
        check(refusal.code == 503, f"{metrics}: {refusal}")
        return ""


def nothing_of_the_dead(kept, limit=FORGET_LIMIT):
    """Within the limit: no map has a process that is gone, and no table one that was gone before.

    A table may have who lived at the start, and who began since: others use this host as well. It
    is looked at when the limit has passed: before that, the metrics can be those of a time when the
    processes had not begun.
    """
    began, lived, forks_before = time.monotonic(), kept.living(), forks()
    while any((dead := kept.dead()).values()):
        check(time.monotonic() < began + limit,
              f"{limit} s later these are of processes that are gone: {dead}")
        time.sleep(0.1)
    if not kept.tables():
        return
    time.sleep(max(began + limit - time.monotonic(), 0))
    while True:
        most = len(lived | kept.living()) + forks() - forks_before
        over = {table: entries for table, entries in kept.tables().items()
                if table in ("processes", "runtimes") and entries > most}
        if not over:
            return
        check(time.monotonic() < began + limit + METRICS_AGE,
              f"{limit} s later more is kept than {most} of processes that may live: {over}")
        time.sleep(0.1)


def resident_kb(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^VmRSS:\s*(\d+) kB$", status, re.M).group(1))


# ---- where probes are ----


def placed(tracer, pid, part=""):
    """The breakpoints in a process that are this tracer's: another one may run on this host too."""
    own = {(probe.path, probe.offset) for probe in probes_of(tracer)
           if probe.pid in (None, pid)}
    return {(path, offset) for path, offset in breakpoints(pid, part)
            if (path, offset) in own or (None, offset) in own}


def breakpoints(pid, part=""):
    """(file, offset) of each byte of code in a process that its file has not; PART: of the path.

    Without those of files that are gone: they cannot be compared.
    """
    different = set()
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
            fields = line.split(maxsplit=5)
            if len(fields) < 6 or part not in fields[5] or not os.path.isfile(fields[5]) \
                    or "x" not in fields[1]:
                continue
            start, stop = (int(bound, 16) for bound in fields[0].split("-"))
            different |= differences(memory, start, stop, fields[5], int(fields[2], 16))
    return different


def differences(memory, start, stop, path, offset):
    with open(path, "rb") as file:
        file.seek(offset)
        there = file.read(stop - start)
    try:
        memory.seek(start)
        here = memory.read(len(there))
    except OSError:  # not to be read, or unmapped since
        return set()
    if here == there[:len(here)]:
        return set()
    return {(path, offset + at) for at, (one, other) in enumerate(zip(here, there))
            if one != other}


def bpf_sections(binary):
    """The names of the sections of the BPF object that is linked into a program."""
    data = pathlib.Path(binary).read_bytes()
    names, at = set(), data.find(b"\x7fELF", 1)
    while at > 0:
        header = data[at:at + 64]
        if len(header) == 64 and struct.unpack_from("<H", header, 18)[0] == 247:  # EM_BPF
            names |= section_names(data[at:], header)
        at = data.find(b"\x7fELF", at + 1)
    check(names, f"{binary} has no BPF object")
    return names


def section_names(elf, header):
    table, = struct.unpack_from("<Q", header, 40)
    size, count, strings = struct.unpack_from("<HHH", header, 58)
    rows = [struct.unpack_from("<IIQQQQ", elf, table + i * size) for i in range(count)]
    start = rows[strings][4]
    return {elf[start + row[0]:elf.index(b"\0", start + row[0])].decode() for row in rows}


def slow_to_analyse(path, functions=12000, segments=60000):
    """A file of a few MB that names one function very often, and has very many segments."""
    strings = b"\0pthread_cancel\0"
    segment = struct.pack("<IIQQQQQQ", 4, 4, 0, 0, 0, 0, 0, 4)
    symbol = struct.pack("<IBBHQQ", 1, 0x12, 0, 1, 0x1000, 16)
    symbols_at = 64 + segments * len(segment)
    strings_at = symbols_at + functions * len(symbol)
    sections_at = (strings_at + len(strings) + 7) & ~7

    def section(kind=0, offset=0, size=0, link=0, each=0):
        return struct.pack("<IIQQQQIIQQ", 0, kind, 0, 0, offset, size, link, 0, 1, each)

    header = b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + struct.pack(
        "<HHIQQQIHHHHHH", 3, 62, 1, 0, 64, sections_at, 0, 64, 56, segments, 64, 3, 2)
    body = (segment * segments + symbol * functions + strings).ljust(sections_at - 64, b"\0")
    sections = section() + section(11, symbols_at, functions * len(symbol), 2, len(symbol)) \
        + section(3, strings_at, len(strings))
    pathlib.Path(path).write_bytes(header + body + sections)
    return path


if sys.byteorder != "little":
    raise ImportError("these tests read memory as little-endian machines lay it out")
