# SPDX-License-Identifier: GPL-2.0-or-later
"""Probes that say that a wait was cancelled: those of runtimes, and those that a user names."""

import functools
import importlib
import os
import shutil
import subprocess
import sys
import time

from harness import CORPUS, RUN_LIMIT, Events, Skip, check, end

sys.path.insert(0, str(CORPUS))
from judge import Judgement, truth_in  # noqa: E402

ROUNDS = 8
MOST = 2 / 3
# How a user may name the moments at which giveup.c gives up; {} is the program.
NAMED = {
    "a_function_with_a_thread_number": "--cancel-at={}:give_up:1",
    "a_function_with_a_pthread_t": "--cancel-at={}:give_up:2",
    "a_function_of_the_thread_itself": "--cancel-at={}:abandon",
    "a_usdt_probe_with_a_thread_number": "--cancel-usdt={}:giveup:told:1",
    "a_usdt_probe_with_a_pthread_t": "--cancel-usdt={}:giveup:told:2",
    "a_usdt_probe_of_the_thread_itself": "--cancel-usdt={}:giveup:abandon",
}


def corpus(name):
    """A module of the corpus, when a test wants it: a guest has not all that they import."""
    try:
        return importlib.import_module(name)
    except (ImportError, KeyError) as lacking:
        raise Skip(f"the corpus's {name} does not work here: {lacking!r}") from None


def private_servers(context):
    return corpus("servers").Run(context.directory, context.binaries, {},
                                 corpus("servers_negative").SERVERS)


class Run:
    """One workload over servers of its own, under mispair, and what was said against the truth."""

    def __init__(self, context, words, *options, prefix=()):
        run = private_servers(context)
        path = context.file("events.json")
        try:
            command = context.argv("run", "--json", path, *options, "--", *prefix,
                                   *run.filled(words))
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, timeout=RUN_LIMIT, text=True)
        finally:
            run.stop()
        self.status = done.returncode
        self.truth = truth_in(done.stdout)
        check(self.truth, f"no truth, status {done.returncode}: {done.stderr[-2000:]}")
        with open(path, encoding="utf-8") as file:
            self.events = Events(file.read())
        self.judgement = Judgement(self.truth, self.events)

    def named(self, kind):
        """Alarms that name this kind of cancellation."""
        return [event for event in self.events.alarms()
                if event.get("mispair.cancel.kind") == kind]

    def found(self, share):
        """At least this share of the wrong answers.

        On a busy host the old reply and the new one may be there together, and one read takes both:
        that looks right to everybody but the client.
        """
        check(self.truth["wrong"], "the workload had no wrong answer")
        found, missed = len(self.judgement.found), len(self.judgement.missed)
        check(found >= share * (found + missed), f"missed: {sorted(self.judgement.missed)}; "
                                                 f"told as skipped: {self.events.skipped()}")
        check(not self.judgement.false, f"accused wrongly: {sorted(self.judgement.false)}")

    def all_found(self):
        """Of a client that reads so little at a time that nothing looks right."""
        self.found(1)

    def nothing_likely(self):
        check(not self.truth["wrong"], "the workload is meant to be right")
        alarms = self.events.alarms()
        check(not alarms, f"{len(alarms)} alarms, for example {alarms[:1]}")


def program(context, name):
    languages = corpus("languages")
    source = CORPUS / name
    for need in languages.language_needs(name):
        kind, _, what = need.partition(":")
        if kind == "program" and not shutil.which(what) or \
           kind == "file" and not os.path.exists(what):
            raise Skip(f"{what} is not installed")
    try:
        return languages.command(source, context.binaries)
    except languages.BuildFailed as failure:
        raise Skip(str(failure).splitlines()[0]) from None


def giveup(context, way, order, *options):
    binary = str(context.binary("giveup"))
    return Run(context, [binary, "--port", "{tag}", "--way", way, "--order", order, "--timings",
                         context.amount(ROUNDS)],
               *(option.format(binary) for option in options))


def what_a_user_names_is_a_cancellation(context, order, option):
    run = giveup(context, "keep", order, option)
    run.all_found()
    check(run.status == 3, f"status {run.status}")
    alarms = run.events.alarms()
    check(len(run.named("probe")) == len(alarms), f"another kind: {alarms}")
    for event in alarms:
        check(event["mispair.cancel.evidence"] == "probe", f"evidence of {event}")
        check(event["mispair.cancel.by"].startswith("thread "), f"by whom in {event}")
    return f"{len(alarms)} findings"


def a_client_that_closes_is_only_called_closed(context, option):
    run = giveup(context, "close", "early", option)
    run.nothing_likely()
    closed = run.events.named("connection.closed")
    check(len(closed) == run.truth["cancelled"],
          f"{len(closed)} closed of {run.truth['cancelled']}")
    for event in closed:
        check(event["mispair.cancel.kind"] == "probe", f"the kind of {event}")
    return f"{len(closed)} closed"


def a_wait_that_goes_on_is_no_finding(context, option):
    run = giveup(context, "goes-on", "early", option)
    run.nothing_likely()
    cancels = run.events.named("stop")[0]["mispair.cancellations"]
    check(cancels >= ROUNDS, f"only {cancels} calls were seen")
    return f"{cancels} calls"


def in_a_pid_namespace_threads_are_found_by_their_own_numbers(context, number):
    """Inside, the threads have numbers that outside are somebody else's or nobody's."""
    if shutil.which("unshare") is None:
        raise Skip("unshare is not installed")
    binary = str(context.binary("giveup"))
    run = Run(context, [binary, "--port", "{tag}", "--way", "keep", "--timings",
                        context.amount(ROUNDS)],
              f"--cancel-at={binary}:give_up:{number}",
              prefix=["unshare", "--pid", "--fork", "--kill-child"])
    # The workload tells its number inside, and the connections are what counts.
    run.all_found()
    check(run.named("probe"), "no finding names the probe")
    return f"{len(run.named('probe'))} findings"


def another_process_that_calls_the_function_disturbs_nobody(context):
    """Two of the same program: one is right and calls the function all the time."""
    binary = str(context.binary("giveup"))
    run = private_servers(context)
    argv = run.filled([binary, "--port", "{tag}", "--timings", context.amount(ROUNDS)])
    trace = context.trace("--port", argv[2], f"--cancel-at={binary}:give_up:1")
    try:
        children = [subprocess.Popen([*argv, "--way", way], stdout=subprocess.PIPE, text=True)
                    for way in ("keep", "goes-on")]
        truths = [truth_in(child.communicate(timeout=RUN_LIMIT)[0]) for child in children]
    finally:
        run.stop()
    events = trace.finish()
    alarms = {event["process.pid"] for event in events.alarms()}
    check(alarms == {truths[0]["pid"]}, f"accused: {alarms}, of {[t['pid'] for t in truths]}")
    return f"{len(events.alarms())} findings"


def pthread_cancel_is_named(context):
    run = Run(context, [context.binary("hiredis"), "--port", "{lag-redis}", "--way",
                        "pthread-cancel", "--timings", context.amount(20)])
    run.found(MOST)
    # It is attached at the first connection, which takes a moment.
    named = run.named("pthread.cancel")
    check(named, f"kinds: {kinds(run)}")
    check(named[0]["mispair.cancel.by"].startswith("thread "), f"by whom in {named[0]}")
    return f"{len(named)} of {len(run.events.alarms())} by name"


def kinds(run):
    return sorted({event.get("mispair.cancel.kind", "-") for event in run.events.alarms()})


def rubys_timeout_is_named(context, order):
    ruby = program(context, "pool_timeout.rb")[0]
    if subprocess.run([ruby, "-rconnection_pool", "-e", "1"], stderr=subprocess.DEVNULL,
                      check=False).returncode:
        raise Skip("Ruby has no connection_pool")
    run = Run(context, [*program(context, "pool_timeout.rb"), "--port", "{line}", "--order",
                        order, "--timings", context.amount(12)])
    run.found(MOST)
    named = run.named("ruby.interrupt")
    check(named, f"kinds: {kinds(run)}")
    return f"{len(named)} of {len(run.events.alarms())} by name"


def goroutines_are_owners(context, way):
    run = Run(context, [*program(context, "pool_ctx.go"), "-port", "{line}", "-way", way,
                        "-timings", context.amount(12)])
    run.found(MOST)
    alarms = run.events.alarms()
    for event in alarms:
        for key in ("mispair.owner.previous", "mispair.owner.next"):
            check(event[key].startswith("goroutine "), f"{key} in {event}")
    check(run.named("go.context"), f"kinds: {kinds(run)}")
    runtime = run.events.named("runtime")
    check(runtime and runtime[0]["process.runtime.name"] == "go", f"runtime: {runtime}")
    return f"{len(alarms)} findings, {len(run.named('go.context'))} by context"


def a_stripped_program_of_go_tells_the_same(context):
    """Its runtime has the names of its functions itself."""
    if shutil.which("strip") is None:
        raise Skip("strip is not installed")
    binary = context.file("stripped")
    subprocess.run(["strip", "-o", binary, *program(context, "pool_ctx.go")], check=True)
    run = Run(context, [binary, "-port", "{line}", "-timings", context.amount(12)])
    run.found(MOST)
    check(run.named("go.context"), f"kinds: {kinds(run)}")
    return f"{len(run.named('go.context'))} of {len(run.events.alarms())} by context"


def a_queue_of_goroutines_is_no_finding(context, callers):
    run = Run(context, [*program(context, "correct_mux.go"), "--port", "{tag}", "--callers",
                        callers])
    run.nothing_likely()
    return f"{run.truth['cancelled']} of {run.truth['operations']} given up"


def tokios_abort_is_named(context):
    run = Run(context, [*program(context, "tokio_drop.rs"), "--port", "{line}", "--way", "abort",
                        "--timings", context.amount(12)])
    check(not run.judgement.false, f"accused wrongly: {sorted(run.judgement.false)}")
    named = run.named("tokio.abort")
    check(named, f"kinds: {kinds(run)}")
    return f"{len(named)} of {len(run.events.alarms())} by name"


def jvm(context, way):
    """A library that has this one function of a JVM; whose wait it ends is not known."""
    if shutil.which("gcc") is None:
        raise Skip("gcc is not installed")
    library = context.file("libjvm.so")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library,
                    os.path.join(os.path.dirname(os.path.abspath(__file__)), "libjvm.c")],
                   check=True)
    return Run(context, [context.binary("giveup"), "--library", library, "--port", "{tag}",
                         "--way", way, "--timings", context.amount(ROUNDS)])


def the_jvms_interrupt_names_what_a_timeout_tells(context):
    run = jvm(context, "interrupt")
    run.all_found()
    named = run.named("jvm.interrupt")
    check(named, f"kinds: {kinds(run)}")
    return f"{len(named)} of {len(run.events.alarms())} by name"


def the_jvms_interrupt_alone_is_no_verdict(context):
    run = jvm(context, "keep")
    check(run.truth["wrong"], "the workload had no wrong answer")
    check(not run.named("jvm.interrupt"), f"kinds: {kinds(run)}")
    cancels = run.events.named("stop")[0]["mispair.cancellations"]
    check(cancels > 0, "no call was seen")
    return f"{cancels} calls"


def java(context, way, then):
    """A JVM as it comes, whose libjvm is stripped of all but what it exports."""
    return Run(context, [*program(context, "JavaPool.java"), "--port", "{line}", "--way", way,
                         "--then", then, "--timings", context.amount(ROUNDS)])


def a_real_jvms_interrupt_names_what_a_timeout_tells(context):
    run = java(context, "slices", "keep")
    run.found(MOST)
    named = run.named("jvm.interrupt")
    check(named, f"kinds: {kinds(run)}")
    return f"{len(named)} of {len(run.events.alarms())} by name"


def a_real_jvms_interrupt_of_a_parked_thread_is_a_cancellation(context, way):
    """No wait on a descriptor times out: only the interrupt says that it ended, and whose."""
    run = java(context, way, "keep")
    run.found(MOST)
    alarms = run.events.alarms()
    for event in alarms:
        check(event["mispair.confidence"] != "suspect", f"confidence of {event}")
        check(event["mispair.cancel.kind"] == "jvm.interrupt", f"the kind of {event}")
        check(event["mispair.cancel.by"].startswith("thread "), f"by whom in {event}")
    return f"{len(alarms)} findings"


def a_real_jvms_thread_that_is_woken_and_takes_all_replies_is_no_finding(context, way):
    run = java(context, way, "pipeline")
    run.nothing_likely()
    check(run.truth["cancelled"], "nobody was interrupted")
    return f"{run.truth['cancelled']} interrupts"


def a_real_jvms_interrupts_are_seen_and_accuse_nobody(context):
    run = java(context, "sleep", "close")
    run.nothing_likely()
    # The first may come before the probe; what a thread passes on to itself is none.
    cancels = run.events.named("stop")[0]["mispair.cancellations"]
    check(2 * cancels >= run.truth["cancelled"] > 0,
          f"{cancels} calls were seen, of {run.truth['cancelled']} interrupts")
    return f"{cancels} calls, {run.truth['cancelled']} interrupts"


def listed_by_probe(context, words, library, kinds_there):
    child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while library not in open(f"/proc/{child.pid}/maps", encoding="utf-8").read():
            check(time.monotonic() < deadline, f"{words[0]} did not start")
            time.sleep(0.05)
        done = context.command("probe", child.pid)
    finally:
        end(child)
    text = done.stdout.decode()
    check(done.returncode == 0, f"status {done.returncode}")
    for kind in kinds_there:
        check(f"adapter   {kind}" in text, f"{kind} is not listed: {text}")
    return ", ".join(kinds_there)


def probe_lists_adapters(context):
    return listed_by_probe(context, [*program(context, "pool_timeout.rb")[:1], "-e", "sleep 60"],
                           "libruby", ("pthread.cancel", "ruby.interrupt"))


def probe_lists_the_jvms_adapter(context):
    run = private_servers(context)
    try:
        words = run.filled([*program(context, "JavaPool.java"), "--port", "{line}",
                            "--timings", "1000"])
        return listed_by_probe(context, words, "libjvm", ("pthread.cancel", "jvm.interrupt"))
    finally:
        run.stop()


def tests():
    for name, option in NAMED.items():
        for order in ("early", "late"):
            yield (f"{name}_is_a_cancellation_{order}",
                   functools.partial(what_a_user_names_is_a_cancellation, order=order,
                                     option=option))
        yield (f"with_{name}_a_client_that_closes_is_only_called_closed",
               functools.partial(a_client_that_closes_is_only_called_closed, option=option))
    for name in ("a_function_with_a_thread_number", "a_usdt_probe_with_a_pthread_t"):
        yield (f"with_{name}_a_wait_that_goes_on_is_no_finding",
               functools.partial(a_wait_that_goes_on_is_no_finding, option=NAMED[name]))
    for what, number in (("number", 1), ("pthread_t", 2)):
        yield (f"in_a_pid_namespace_threads_are_found_by_their_{what}",
               functools.partial(in_a_pid_namespace_threads_are_found_by_their_own_numbers,
                                 number=number))
    for order in ("early", "late"):
        yield (f"rubys_timeout_is_named_{order}",
               functools.partial(rubys_timeout_is_named, order=order))
    for way in ("deadline", "ctx"):
        yield f"goroutines_are_owners_{way}", functools.partial(goroutines_are_owners, way=way)
    for callers in (1, 6):
        yield (f"a_queue_of_goroutines_of_{callers}_is_no_finding",
               functools.partial(a_queue_of_goroutines_is_no_finding, callers=callers))
    for way in ("sleep", "wakeup"):
        yield (f"a_real_jvms_interrupt_of_a_parked_thread_is_a_cancellation_{way}",
               functools.partial(a_real_jvms_interrupt_of_a_parked_thread_is_a_cancellation,
                                 way=way))
        yield (f"a_real_jvms_thread_that_is_woken_and_takes_all_replies_is_no_finding_{way}",
               functools.partial(
                   a_real_jvms_thread_that_is_woken_and_takes_all_replies_is_no_finding, way=way))
    for function in (a_stripped_program_of_go_tells_the_same,
                     another_process_that_calls_the_function_disturbs_nobody,
                     pthread_cancel_is_named, tokios_abort_is_named,
                     the_jvms_interrupt_names_what_a_timeout_tells,
                     the_jvms_interrupt_alone_is_no_verdict,
                     a_real_jvms_interrupt_names_what_a_timeout_tells,
                     a_real_jvms_interrupts_are_seen_and_accuse_nobody, probe_lists_adapters,
                     probe_lists_the_jvms_adapter):
        yield function.__name__, function
