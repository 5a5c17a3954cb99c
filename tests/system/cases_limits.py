# SPDX-License-Identifier: GPL-2.0-or-later
"""No limit is silent: each that an unprivileged user can reach is filled, told by its name, lifts.

What there is comes from the program's own table (`mispair limits --json`), and that is compared
with the source: a map or a cap without a row fails, and so does a row that no test here fills.
"""

import collections
import contextlib
import json
import pathlib
import re
import shutil
import subprocess

from bpfobjects import maps_of
from harness import DEBIAN_PYTHON, START_LIMIT, TREE, Skip, check, wait_until
from processes import AS_NOBODY, SYSTEM, public

# Entries that a map has in the small form, and what is filled there.
ROOM, MANY, FEW = 64, 200, 4

# How a limit is filled: by filler.c or filler.py, WHAT, under which options; by how many in the real
# size, None: the small form says it all; in which hook tier, None: in any.
Row = collections.namedtuple("Row", "program what options whole hook", defaults=((), None, None))

ROWS = {
    "shares": Row("filler", "flood", ("--ring-size", "4096")),
    "socket_index": Row("filler", "connections"),
    "procs": Row("filler", "processes"),
    "tree": Row("filler", "children"),
    "cancelled": Row("filler.py", "cancels", ("--precise", "always"), 20_000),
    "loops": Row("filler.py", "loops", (), 20_000),
    "stepping": Row("filler.py", "steps", ("--no-memory",)),
    "ended": Row("filler.py", "ends", ("--no-memory",), 60_000),
    "signals": Row("filler", "signals"),
    "waits": Row("filler", "waits"),
    "probed_waits": Row("filler", "cancels"),
    "adoptables": Row("filler", "connections"),
    "unix_clients": Row("filler", "unix"),
    "keyed_ledgers": Row("filler", "connections", (), None, "kprobe"),
    "calls": Row("filler", "calls", (), None, "kprobe"),
    "tracks": Row("filler", "suspects", (), 8_400),
    "CALLS_MAX": Row("filler", "storm"),
    "DESCRIPTORS_MAX": None,  # processes_without_a_probe_are_told
    "max_size": None,  # tests/unit/test_recorder.c
}
# In the real size, where that takes seconds. Ends of threads fill what live ones cannot: a host has
# fewer numbers than that map has room.
WHOLE = {name: row for name, row in ROWS.items() if row and row.whole}
WHOLE["waits"] = Row("filler", "ends", (), 70_000)
# Filled when mispair starts, or not given back while it runs.
NEVER_LIFTS = {"adoptables"}


def table(context):
    done = context.command("limits", "--json")
    check(done.returncode == 0, f"mispair limits: status {done.returncode}")
    return [json.loads(line) for line in done.stdout.decode().splitlines()]


def rows_of(context, **wanted):
    return {row["object"]: row for row in table(context)
            if all(row.get(key) == value for key, value in wanted.items())}


# ---- the table and the source ----

def maps_in_source():
    for path in sorted((TREE / "bpf").glob("*.[ch]")):
        for name in re.findall(r"^}\s*(\w+)\s+SEC\(\"\.maps\"\)", path.read_text(), re.M):
            yield name


CAP = re.compile(r"^#define[ \t]+(\w*(?:MAX|LIMIT)\w*)[ \t]+\S", re.M)


def caps_in_source():
    for folder in ("bpf", "user"):
        for path in sorted((TREE / folder).glob("*.[ch]")):
            if path.name != "vmlinux.h":
                yield from CAP.findall(path.read_text())


def every_map_and_every_cap_has_a_row(context):
    rows = {(row["kind"], row["object"]) for row in table(context)}
    maps = set(maps_in_source())
    caps = set(caps_in_source())
    check(len(maps) > 20 and len(caps) > 50, f"{len(maps)} maps and {len(caps)} caps found")
    without = {("MAP", name) for name in maps} | {("CAP", name) for name in caps}
    check(without <= rows, f"no row for {sorted(without - rows)}")
    gone = {name for kind, name in rows if kind == "MAP"} - maps
    check(not gone, f"rows of maps that are not there: {sorted(gone)}")
    source = "".join(path.read_text() for path in (TREE / "user").glob("*.[ch]"))
    source += "".join(path.read_text() for path in (TREE / "bpf").glob("*.h")
                      if path.name != "limit_table.h")
    gone = [name for kind, name in rows if kind == "CAP" and not re.search(rf"\b\w*{name}\b", source)]
    check(not gone, f"rows of caps that are not there: {sorted(gone)}")
    return f"{len(maps)} maps, {len(caps)} caps"


def every_limit_that_anybody_reaches_is_filled_here(context):
    reached = rows_of(context, filled_by="ANYBODY")
    check(set(reached) == set(ROWS),
          f"not filled: {sorted(set(reached) - set(ROWS))}, "
          f"not in the table: {sorted(set(ROWS) - set(reached))}")
    silent = [name for name, row in reached.items()
              if not (row.get("loss") and row.get("hides") and row.get("lifts"))]
    check(not silent, f"they say not who is hidden or how it lifts: {silent}")
    names = collections.Counter(row["loss"] for row in table(context) if "loss" in row)
    shared = [name for name, number in names.items() if number > 1]
    check(not shared, f"limits share a name: {shared}")
    return f"{len(reached)} limits"


def the_manual_names_every_limit_and_whom_it_hides(context):
    manual = (TREE / "user" / "mispair.8").read_text()
    names = {row["loss"] for row in table(context) if "loss" in row}
    missing = [name for name in sorted(names) if not re.search(rf"\b{name}\b", manual)]
    check(not missing, f"the manual does not name {missing}")
    return f"{len(names)} names"


# ---- filling ----

def command_of(context, row):
    """Where nobody may read it, whoever owns the tree."""
    python = row.program.endswith(".py")
    source = SYSTEM / row.program if python else context.binary(row.program)
    copy = pathlib.Path(public(context)) / row.program
    if not copy.exists():
        shutil.copy(source, copy)
        copy.chmod(0o755)
    return [DEBIAN_PYTHON, str(copy)] if python else [str(copy)]


class Filler:
    """A process of nobody's, which is known to mispair, and fills when it is told."""

    def __init__(self, context, row, number, prefix=AS_NOBODY):
        command = command_of(context, row)
        self.process = subprocess.Popen([*prefix, *command, row.what, str(number)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.said("ready")

    @property
    def pid(self):
        return self.process.pid

    def said(self, word):
        line = self.process.stdout.readline().strip()
        check(line == word, f"the filler said {line!r} and not {word!r}")

    def tell(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def stop(self):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


def named(trace, name):
    """Of the lines that are whole; a host that is busy has very many others."""
    text = pathlib.Path(trace.path).read_text()
    return [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines()
            if f'"event.name":"mispair.{name}"' in line]


def losses(trace, reason):
    return [event for event in named(trace, "lost") if event["mispair.lost.reason"] == reason]


def lost(trace, reason):
    return sum(event["mispair.lost.count"] for event in losses(trace, reason))


def stats(trace):
    return len(named(trace, "stats"))


def wait_for_stats(trace):
    """Two more of them: all that was counted before has been told then."""
    now = stats(trace)
    wait_until(lambda: stats(trace) >= now + 2, START_LIMIT, "mispair tells its counts")


def is_ready(trace, filler, row):
    """What the limit takes: that nobody's tasks are known, or its functions are probed."""
    if not row.program.endswith(".py"):
        return True
    evidence = [event["mispair.runtime.evidence"]
                for event in named(trace, "runtime") if event["process.pid"] == filler.pid]
    if row.what in ("cancels", "ends", "steps"):
        return any("probe" in word for word in evidence)
    return bool(evidence)


def fill(context, trace, row, number):
    filler = context.keep(Filler(context, row, number))
    try:
        wait_until(lambda: is_ready(trace, filler, row) or filler.tell("again"), START_LIMIT,
                   "mispair knows the filler")
        filler.tell("go")
    except BaseException:
        filler.stop()
        raise
    return filler


def needs(context, row):
    if not row.hook:
        return ()
    text = context.command("probe").stdout.decode()
    if not re.search(rf"^{row.hook}\s+works", text, re.M):
        raise Skip(f"this kernel does not offer the hook tier {row.hook}")
    return (f"--hook={row.hook}",)


def told_well(event, told):
    check(event["mispair.lost.hides"] == told["hides"], f"it hides {event}")
    check(event["mispair.lost.lifts"] == told["lifts"], f"it lifts {event}")


def lifts(context, trace, row, reason):
    """After who filled it has gone, a few find room, and nothing more is lost."""
    def found_room():
        before = lost(trace, reason)
        filler = fill(context, trace, row, FEW)
        wait_for_stats(trace)
        filler.stop()
        return lost(trace, reason) == before

    wait_until(found_room, 3 * START_LIMIT, f"{reason} lifts")


def the_limit_is_told_by_its_name_and_lifts(context, name, whole=False):
    row, told = WHOLE[name] if whole else ROWS[name], rows_of(context)[name]
    # That table is of the collector, and always has its size.
    whole = whole or name == "tracks"
    number = row.whole if whole else MANY
    room = () if whole else ("--room", ROOM)
    options = (*needs(context, row), *row.options, *room, "--stats", "100ms")
    early = None
    if name == "adoptables":
        early = context.keep(Filler(context, row, number))
        early.tell("go")
        early.said("full")
    if name == "tree":
        return under_run(context, row, told, number, options)
    trace = context.trace(*options)
    filler = early or fill(context, trace, row, number)
    if whole:
        filler.said("full")
    wait_until(lambda: losses(trace, told["loss"]), START_LIMIT, f"{told['loss']} is told")
    told_well(losses(trace, told["loss"])[0], told)
    filler.stop()
    if name not in NEVER_LIFTS and row.what not in ("flood", "storm", "suspects"):
        lifts(context, trace, row, told["loss"])
    trace.finish()
    return f"{lost(trace, told['loss'])} lost"


def under_run(context, row, told, number, options):
    """The command is nobody's, and so are its children."""
    path = context.file("tree.json")
    done = context.command("run", "--json", path, *options, "--", *AS_NOBODY, "/bin/sh", "-c",
                           '(echo go; sleep 2) | "$@"', "sh", *command_of(context, row), row.what,
                           number)
    events = [json.loads(line) for line in pathlib.Path(path).read_text().splitlines()]
    found = [event for event in events if event["event.name"] == "mispair.lost"
             and event["mispair.lost.reason"] == told["loss"]]
    check(found, f"{told['loss']} is not told, status {done.returncode}: {done.stderr.decode()}")
    told_well(found[0], told)
    return f"{sum(event['mispair.lost.count'] for event in found)} lost"


# ---- a function that is called too often ----

def who_calls_too_often_is_left_alone_and_nobody_else(context):
    """The other one's function is in the same file, and is probed when the first is left alone."""
    trace = context.trace("--stats", "100ms")
    storm = fill(context, trace, ROWS["CALLS_MAX"], 1)
    wait_until(lambda: lost(trace, "adapter_hot"), START_LIMIT, "adapter_hot is told")
    told_well(losses(trace, "adapter_hot")[0], rows_of(context)["CALLS_MAX"])
    check(f"process {storm.pid} calls pthread.cancel" in trace.stderr(), trace.stderr())
    other = fill(context, trace, ROWS["probed_waits"], FEW)
    kept = context.keep(maps_of(trace.process.pid, ("probed_waits",))["probed_waits"])

    def noted():
        threads = pathlib.Path(f"/proc/{other.pid}/task").iterdir()
        return len({int(entry.name) for entry in threads} & kept.keys())

    wait_until(lambda: noted() == FEW, START_LIMIT,
               "the cancellations of another process are noted")
    other.stop()
    storm.stop()
    trace.finish()
    return f"{lost(trace, 'adapter_hot')} times"


def who_called_too_often_is_probed_again(context):
    """Half a minute later: it still calls, and is left alone a second time."""
    trace = context.trace("--stats", "100ms")
    storm = fill(context, trace, ROWS["CALLS_MAX"], 1)
    wait_until(lambda: lost(trace, "adapter_hot") == 2, 3 * START_LIMIT, "it is probed again")
    storm.stop()
    trace.finish()
    return f"{stats(trace)} stats"


def who_has_no_connection_is_not_counted(context):
    """As fast as it can: neither told as too often, nor does it take anything from others."""
    trace = context.trace("--stats", "100ms")
    known = context.keep(Filler(context, ROWS["probed_waits"], FEW))
    stranger = context.keep(Filler(context, Row("filler", "stranger"), 1))
    stranger.tell("go")
    for _ in range(15):
        wait_for_stats(trace)
    stranger.stop()
    known.stop()
    trace.finish()
    check(not lost(trace, "adapter_hot"), "a process without a connection was counted")
    return f"{stats(trace)} stats"


# ---- descriptors ----

def with_few_descriptors(context, number):
    """mispair from here on in this test: it has so many, and cannot have more."""
    script = pathlib.Path(context.file("mispair"))
    script.write_text(f'#!/bin/sh\nexec prlimit --nofile={number}:{number} {context.mispair} "$@"\n')
    script.chmod(0o755)
    context.mispair = script


def processes_without_a_probe_are_told(context):
    """Each has a function of its libc's that is probed in it alone."""
    told = rows_of(context)["DESCRIPTORS_MAX"]
    row = Row("filler", "processes")
    with_few_descriptors(context, 256)
    trace = context.trace("--stats", "100ms")
    filler = fill(context, trace, row, 300)
    filler.said("full")
    # Probes are attached one after the other, which takes a busy kernel a while.
    wait_until(lambda: losses(trace, told["loss"]), 3 * START_LIMIT, "probes are told as lost")
    told_well(losses(trace, told["loss"])[0], told)
    filler.stop()
    lifts(context, trace, row, told["loss"])
    trace.finish()
    return f"{lost(trace, told['loss'])} lost"


def case(function, *args, **options):
    def test(context):
        return function(context, *args, **options)
    return test


def tests():
    for function in (every_map_and_every_cap_has_a_row,
                     every_limit_that_anybody_reaches_is_filled_here,
                     the_manual_names_every_limit_and_whom_it_hides,
                     who_calls_too_often_is_left_alone_and_nobody_else,
                     who_has_no_connection_is_not_counted,
                     processes_without_a_probe_are_told):
        yield function.__name__, function
    for name, row in ROWS.items():
        if row and name != "CALLS_MAX":
            yield (f"the_limit_of_{name}_is_told_by_its_name_and_lifts",
                   case(the_limit_is_told_by_its_name_and_lifts, name))
