# SPDX-License-Identifier: GPL-2.0-or-later
"""Processes that come, go, change and lie: who is found then, what is kept, what is probed."""

import contextlib
import functools
import importlib
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import time

import poisoner
from bpfobjects import probes_of
from cases_sinks import free_port
from harness import CORPUS, START_LIMIT, Skip, check, wait_until
from processes import (AS_NOBODY, DEBIAN_PYTHON, MODULE_NAME, NOBODY, SYSTEM, TAKEN, Held, Kept,
                       Victim, bpf_sections, copy, found_in_full, libc_file, module_file,
                       nothing_of_the_dead, placed, public, resident_kb, slow_to_analyse)

# A C program of that name must not lend it to whom it becomes.
FOREIGN_NAME = "payments-api"
BASH = ('exec 3<>"/dev/tcp/127.0.0.1/$1"; shift; printf "PING\\r\\n" >&3; read -r answer <&3; '
        'exec 3>&-; echo ready; read -r go; [ $# = 0 ] || exec "$@"')
SHARED = ("gcc", "-shared", "-fPIC", "-nostdlib", "-o")
# Its function lies where no libc has it.
CONTROL = b"""
__asm__(".text\\n.skip 40000, 0x90");
int pthread_cancel(unsigned long thread);
int pthread_cancel(unsigned long thread) { return thread == 7 ? 3 : 0; }
"""
ATTEMPTS = 5       # at a number that somebody else was given meanwhile
GROWTH_KB = 5120
CHURN, CHILDREN, SWAPS, VARIANTS = 3000, 2000, 5, 3


# ---- another program, another process, the same number ----


def bash(context):
    path = shutil.which("bash")
    if path is None:
        raise Skip("bash is not installed")
    return [path, "-c", BASH, "bash"]


def asyncio_launcher(context):
    return [DEBIAN_PYTHON, str(SYSTEM / "launcher.py")]


def go(context):
    if shutil.which("go") is None:
        raise Skip("go is not installed")
    sys.path.insert(0, str(CORPUS))
    languages = importlib.import_module("languages")
    try:
        return languages.command(SYSTEM / "go_launcher.go", context.binaries)
    except languages.BuildFailed as failure:
        raise Skip(str(failure).splitlines()[0]) from None


def foreign(context):
    return [copy(context, context.binary("launcher"), FOREIGN_NAME)]


LAUNCHERS = {"bash": bash, "asyncio": asyncio_launcher, "go": go, "a_c_program": foreign}


def traced(context, port, *options):
    trace = context.trace("--port", port, "--ledgers", *options)
    return trace, context.keep(Kept(trace.process.pid))


def known(trace, pid):
    """The tracer has a record of a process: it has told how its connection ended."""
    wait_until(lambda: trace.so_far().named("connection.ledger", pid), START_LIMIT,
               f"the launcher's connection is told (pid {pid})")


def launch(context, trace, argv, port, *command):
    """A launcher that the tracer knows, and that a byte makes go on."""
    held = context.keep(Held([*argv, port, *command]))
    held.expect("ready")
    known(trace, held.pid)
    return held


def exec_by(context, trace, kept, argv, port):
    """The truth of a victim that a known launcher becomes."""
    launcher = launch(context, trace, argv, port, *Victim.argv(port))
    before = kept.id_of(launcher.pid)
    launcher.go_on()
    return Victim.adopt(launcher, before).be_wrong(kept)


def under_the_number_of(context, trace, kept, argv, port, *command):
    """The truth of a victim with the number of a known launcher that has ended."""
    for _ in range(ATTEMPTS):
        launcher = launch(context, trace, argv, port, *command)
        launcher.finish_after_a_byte()
        victim = context.keep(Victim(port, [context.binary("process_as"), launcher.pid],
                                     pid=launcher.pid))
        try:
            return victim.be_wrong(kept)
        except AssertionError:
            # The number is another process's already; everything else is a failure.
            if victim.process.poll() != TAKEN:
                raise
    raise AssertionError(f"{ATTEMPTS} numbers were taken before they could be used")


def a_launcher_leaves_nothing_to_who_comes_after_it(context, launcher):
    """It becomes the victim; it ends, or becomes /bin/true, and the victim gets its number."""
    argv = launcher(context)
    port = context.redis().port
    trace, kept = traced(context, port)
    truths = {
        "exec": exec_by(context, trace, kept, argv, port),
        "the number of one that ended": under_the_number_of(context, trace, kept, argv, port),
        "the number of one that became true":
            under_the_number_of(context, trace, kept, argv, port, "/bin/true"),
    }
    return found_in_full(trace.finish(), truths, (FOREIGN_NAME,))


def a_launcher_that_execs_at_once_leaves_nothing(context):
    """The tracer hears of the launcher when it is another program already, or about to be."""
    port = context.redis().port
    trace, kept = traced(context, port)
    truths = {}
    for number in range(3):
        launcher = context.keep(Held([*foreign(context), port, "--at-once", *Victim.argv(port)]))
        launcher.expect("ready")
        truths[f"exec {number}"] = Victim.adopt(launcher).be_wrong(kept)
    return found_in_full(trace.finish(), truths, (FOREIGN_NAME,))


# ---- many processes ----


def whole_host(context):
    at = free_port()
    trace = context.trace("--metrics", at, "--stats", "0s")
    kept = context.keep(Kept(trace.process.pid, f"http://127.0.0.1:{at}/metrics"))
    wait_until(lambda: kept.ready(), START_LIMIT, "the metrics")
    return trace, kept


def crowd(context, kind, number):
    held = context.keep(Held([context.binary("crowd"), kind, number, 4]))
    held.expect("ready")
    return held


def come_and_go(context, kind, number):
    """Milliseconds that they took."""
    held = crowd(context, kind, number)
    held.go_on()
    took, = held.expect("done")
    held.finish()
    return int(took)


def of_processes_that_ended_nothing_is_kept(context, number):
    port = context.redis().port
    trace, kept = whole_host(context)
    come_and_go(context, "connect", max(number // 10, 300))
    nothing_of_the_dead(kept)
    before = resident_kb(kept.tracer)
    took = come_and_go(context, "connect", number)
    nothing_of_the_dead(kept)
    grown = resident_kb(kept.tracer) - before
    check(grown < GROWTH_KB, f"{grown} kB more are resident after {number} processes")
    victim = context.keep(Victim(port))
    truth = victim.be_wrong(kept)
    found_in_full(trace.finish(), {"after them": truth})
    tables = ", ".join(sorted(kept.tables_seen)) or "no table is told"
    return f"{number} in {took} ms, {grown} kB more, {tables}"


def of_a_known_process_children_nothing_is_kept(context, number):
    port = context.redis().port
    trace, kept = whole_host(context)
    parent = crowd(context, "exit", number)
    wait_until(lambda: parent.pid in kept.pids("procs"), START_LIMIT, "the parent is met")
    parent.go_on()
    took, = parent.expect("done")
    nothing_of_the_dead(kept)
    check(parent.pid in kept.pids("procs"), "the parent, which lives, is forgotten")
    victim = context.keep(Victim(port))
    truth = victim.be_wrong(kept)
    parent.finish()
    found_in_full(trace.finish(), {"after them": truth})
    return f"{number} in {took} ms"


# ---- processes that lie ----


def who_lies_about_its_tasks_misleads_nobody(context, variant, prefix):
    """The liar is the first process of its file, a copy; an honest one of the same file is next."""
    port = context.redis().port
    copy(context, module_file(), "private", MODULE_NAME)
    script = copy(context, SYSTEM / "poisoner.py", "poisoner.py")
    own = {"PYTHONPATH": context.file("private")}
    trace, kept = traced(context, port)
    liar = context.keep(Held([*prefix, DEBIAN_PYTHON, script, variant, port], own))
    liar.expect("ready")
    known(trace, liar.pid)
    victim = context.keep(Victim(port, environment=own))
    truth = victim.be_wrong(kept)
    liar.go_on()
    liar.finish()
    events = trace.finish()
    claims = {event["mispair.runtime.evidence"] for event in events.named("runtime", liar.pid)}
    wrong = claims & {"memory", "memory+probe"}
    detail = found_or_not(events, truth)
    check(not wrong and not detail,
          f"of the liar, of which no task was seen: evidence {sorted(claims)}; of the victim: "
          f"{detail or 'all found'}")
    return f"evidence about the liar: {', '.join(sorted(claims)) or 'none'}"


def found_or_not(events, truth):
    try:
        found_in_full(events, {"the victim": truth})
    except AssertionError as failure:
        return str(failure)
    return None


def target(context):
    """A library of root's, whose code is a constant."""
    if platform.machine() != "x86_64":
        raise Skip("the library is written for x86-64")
    path = os.path.join(public(context), "libtarget.so")
    subprocess.run([*SHARED, path, SYSTEM / "target.S"], check=True)
    return path


@contextlib.contextmanager
def tracing(context, mode, argv):
    """(the tracer's pid, a command) below mispair run, or beside mispair trace."""
    if mode == "trace":
        trace = context.trace()
        held = Held(argv)
        tracer = trace.process.pid
    else:
        held = Held(context.argv("run", "--json", context.file(f"run-{time.monotonic_ns()}.json"),
                                 "--", *argv))
        tracer = held.pid
    try:
        yield tracer, held
    finally:
        # Its standard input ends, and so do all that it has started.
        held.process.stdin.close()
        held.process.wait(START_LIMIT)
        held.stop()
        if mode == "trace":
            trace.stop()


def swap_round(context, number, port, library):
    """The command line of one round, with files that no round before has had."""
    stamp = f"round-{time.monotonic_ns()}"
    for i in range(number):
        copy(context, module_file(), stamp, str(i), MODULE_NAME, owner=NOBODY)
    control = os.path.join(context.directory, stamp, "control", "libc.so.6")
    os.mkdir(os.path.dirname(control))
    subprocess.run([*SHARED, control, "-O2", "-x", "c", "-"], input=CONTROL, check=True)
    slow = os.path.join(context.directory, stamp, "libc.so.6")
    slow_to_analyse(slow)
    return [*AS_NOBODY, copy(context, context.binary("swapper"), "swapper"), port, number,
            os.path.join(context.directory, stamp), library, slow, control]


def swaps(context, mode, number, port, library, bystander):
    """The breakpoints in LIBRARY, of NUMBER processes that map it late and of the bystander."""
    argv = swap_round(context, number, port, library)
    with tracing(context, mode, argv) as (tracer, swapper):
        pids = {}
        for _ in range(number + 2):
            what, pid = swapper.line().split()
            pids.setdefault(what, []).append(int(pid))
        control, = pids["control"]
        wait_until(lambda: placed(tracer, control, "/control/"), 3 * START_LIMIT,
                   "what was mapped after them is probed")
        return ([place for pid in pids["swapped"] for place in placed(tracer, pid, library)],
                set() if bystander.process.poll() is not None
                else placed(tracer, bystander.pid, library))


def a_file_mapped_over_the_analysed_one_is_not_probed(context, mode, number, together=SWAPS):
    library = target(context)
    port = context.redis().port
    bystander = context.keep(Held([DEBIAN_PYTHON, SYSTEM / "bystander.py", library]))
    bystander.expect("ready")
    late, elsewhere = [], set()
    for _ in range(0, number, together):
        some, others = swaps(context, mode, together, port, library, bystander)
        late += some
        elsewhere |= others
    bystander.process.stdin.close()
    status = bystander.process.wait(START_LIMIT)
    check(not late and not elsewhere and status == 0,
          f"{len(late)} breakpoints lie in {os.path.basename(library)} of {number} processes "
          f"that mapped it late, {len(elsewhere)} in that of a process of root's, whose status is "
          f"{status}")
    return f"{number} files, {bystander.process.stdout.read().strip()} calls of root's process"


# ---- what is probed ----


def no_program_is_for_a_return(context):
    """A probe on a return changes the stack of who is probed."""
    names = sorted(bpf_sections(context.mispair))
    returns = [name for name in names if "uretprobe" in name]
    check(not returns, f"a BPF program is in {returns}")
    check(any("uprobe" in name for name in names), f"no program is for a probe: {names}")
    return f"{len(names)} sections"


def no_return_is_probed(context, command, options, least):
    """LEAST: breakpoints in asyncio's module by which all probes of the mode are there."""
    port = context.redis().port
    options = [option.format(context.binary("launcher")) for option in options]
    argv = Victim.argv(port)
    if command == "run":
        held = context.keep(Held(context.argv("run", "--json", context.file("run.json"), *options,
                                              "--", *argv)))
        tracer = held.pid
        wait_until(lambda: children(tracer, argv), START_LIMIT, "the command runs")
        pid, = children(tracer, argv)
    else:
        trace = context.trace("--port", port, *options)
        held = context.keep(Held(argv))
        tracer, pid = trace.process.pid, held.pid
    wait_until(lambda: len(placed(tracer, pid, MODULE_NAME)) >= least, START_LIMIT,
               f"{least} probes in asyncio's module")
    kinds = [probe.kind for probe in probes_of(tracer)]
    returns = kinds.count("uretprobe")
    check(not returns, f"{returns} of {len(kinds)} probes are on a return")
    everywhere = [probe for probe in probes_of(tracer) if probe.path and probe.pid is None]
    check(command == "run" or not everywhere, f"{len(everywhere)} probes are in all processes")
    held.go_on()
    held.process.communicate(timeout=START_LIMIT)
    return f"{len(kinds)} probes"


def children(pid, argv):
    """Those of a process that run a command, and are not on their way to it."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        numbers = file.read().split()
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return [int(number) for number in numbers
                if pathlib.Path(f"/proc/{number}/cmdline").read_bytes().split(b"\0")[:-1]
                == [os.fsencode(word) for word in argv]]
    return []


def client(context, kept, name, port, environment=None, prefix=()):
    """A client that stays, and that the tracer has looked at."""
    program = copy(context, context.binary("launcher"), name, name)
    held = context.keep(Held([*prefix, program, port, "--hold"], environment))
    held.expect("ready")
    wait_until(lambda: kept.answered(held.pid), START_LIMIT, f"{name} is looked at")
    return held


def probed_only_the_other(kept, one, other, part):
    """Of two clients of which one must not be probed, when the other one is, which came later."""
    wait_until(lambda: placed(kept.tracer, other.pid, part), START_LIMIT, "the control is probed")
    here = placed(kept.tracer, one.pid)
    check(not here, f"{len(here)} breakpoints, for example {sorted(here)[:2]}")
    return f"{len(placed(kept.tracer, other.pid, part))} in the control"


def a_program_of_the_never_list_is_not_probed(context, name, options):
    port = context.redis().port
    _, kept = traced(context, port, *options)
    spared = client(context, kept, name, port)
    control = client(context, kept, "ordinary", port)
    return probed_only_the_other(kept, spared, control, "/libc.so.6")


FOREIGN_FILES = {"anothers_file": {"owner": NOBODY}, "a_file_for_all": {"mode": 0o777}}


def a_libc_that_others_can_write_is_not_probed(context, how):
    port = context.redis().port
    copy(context, libc_file(), "theirs", "libc.so.6", **how)
    copy(context, libc_file(), "ours", "libc.so.6")
    _, kept = traced(context, port)
    clients = [client(context, kept, name, port, {"LD_LIBRARY_PATH": context.file(name)})
               for name in ("theirs", "ours")]
    return probed_only_the_other(kept, *clients, "/ours/libc.so.6")


def a_module_that_others_can_write_is_not_probed(context, how):
    port = context.redis().port
    copy(context, module_file(), "theirs", MODULE_NAME, **how)
    copy(context, module_file(), "ours", MODULE_NAME)
    _, kept = traced(context, port)
    victims = []
    for name in ("theirs", "ours"):
        own = {"PYTHONPATH": context.file(name)}
        victims.append(context.keep(Victim(port, environment=own)).meet(kept))
    wait_until(lambda: placed(kept.tracer, victims[1].pid, "/ours/"), START_LIMIT,
               "the control is probed")
    here = placed(kept.tracer, victims[0].pid, "/theirs/")
    check(not here, f"{len(here)} breakpoints in a file that others can write")
    return f"{len(placed(kept.tracer, victims[1].pid, '/ours/'))} in the control"


MODES = {
    "trace": ("trace", (), 2),
    "run": ("run", (), 2),
    "trace_precise_always": ("trace", ("--precise", "always"), 2),
    "trace_with_a_named_cancellation": ("trace", ("--cancel-at={}:main",), 2),
    "trace_without_memory": ("trace", ("--no-memory",), 4),
    "run_without_memory": ("run", ("--no-memory",), 4),
}


def tests():
    case = functools.partial
    for name, launcher in LAUNCHERS.items():
        yield (f"a_launcher_leaves_nothing_to_who_comes_after_it_{name}",
               case(a_launcher_leaves_nothing_to_who_comes_after_it, launcher=launcher))
    yield ("a_launcher_that_execs_at_once_leaves_nothing",
           a_launcher_that_execs_at_once_leaves_nothing)
    yield ("of_processes_that_ended_nothing_is_kept",
           case(of_processes_that_ended_nothing_is_kept, number=CHURN))
    yield ("of_a_known_process_children_nothing_is_kept",
           case(of_a_known_process_children_nothing_is_kept, number=CHILDREN))
    for number, variant in enumerate(poisoner.VARIANTS[:VARIANTS]):
        yield (f"who_lies_about_its_tasks_misleads_nobody_{variant.replace('-', '_')}",
               case(who_lies_about_its_tasks_misleads_nobody, variant=variant,
                    prefix=AS_NOBODY if number % 2 == 0 else ()))
    for mode in ("run", "trace"):
        yield (f"a_file_mapped_over_the_analysed_one_is_not_probed_by_{mode}",
               case(a_file_mapped_over_the_analysed_one_is_not_probed, mode=mode, number=SWAPS))
    yield "no_program_is_for_a_return", no_program_is_for_a_return
    for name, (command, options, least) in MODES.items():
        yield (f"no_return_is_probed_{name}",
               case(no_return_is_probed, command=command, options=options, least=least))
    for name, program, options in (("built_in", "clickhouse-server", ()),
                                   ("of_the_user", "spared", ("--never-probe", "spared"))):
        yield (f"a_program_of_the_never_list_is_not_probed_{name}",
               case(a_program_of_the_never_list_is_not_probed, name=program, options=options))
    for name, how in FOREIGN_FILES.items():
        yield (f"a_libc_that_others_can_write_is_not_probed_{name}",
               case(a_libc_that_others_can_write_is_not_probed, how=how))
        yield (f"a_module_that_others_can_write_is_not_probed_{name}",
               case(a_module_that_others_can_write_is_not_probed, how=how))
