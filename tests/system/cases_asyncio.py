# SPDX-License-Identifier: GPL-2.0-or-later
"""Real asyncio clients: verdicts against the workload's own count of wrong answers."""

import functools
import subprocess

from cases_adapters import Run
from harness import (DEBIAN_PYTHON, Skip, accuse_nobody_wrongly, agree, check, other_python,
                     truth_of, wrong_ports)

PYTHONS = {"usr_bin_python": lambda: DEBIAN_PYTHON, "python_on_path": other_python}

# name: workload, options, the kind of reuse that the workload forces
POSITIVE = {
    "single_early": ("pyredis_single.py", ("--order", "early", "--timings", 50), "outstanding"),
    "single_late": ("pyredis_single.py", ("--order", "late", "--timings", 50), "residue"),
    "single_early_after_clean_exchanges":
        ("pyredis_single.py", ("--order", "early", "--timings", 50, "--clean", 20), "outstanding"),
    "single_late_after_clean_exchanges":
        ("pyredis_single.py", ("--order", "late", "--timings", 50, "--clean", 20), "residue"),
    "single_with_debug_sleep":
        ("pyredis_single.py", ("--timings", 20, "--server-delay", "sleep"), "outstanding"),
    "single_with_client_pause":
        ("pyredis_single.py", ("--timings", 20, "--server-delay", "pause"), "outstanding"),
    "pool_early": ("pyredis_pool.py", ("--order", "early", "--ops", 50), "outstanding"),
    "blocking_pool_early":
        ("pyredis_pool.py", ("--order", "early", "--ops", 50, "--pool", "blocking"),
         "outstanding"),
    "many_operations_at_once":
        ("pyredis_pool.py", ("--tasks", 40, "--ops", 10, "--cancel", 0.5), "outstanding"),
}
for _order, _kind in (("early", "outstanding"), ("late", "residue")):
    for _way in ("cancel", "wait_for", "wait", "timeout"):
        POSITIVE[f"minipool_{_way}_{_order}"] = (
            "minipool.py", ("--kind", _way, "--order", _order), _kind)
    POSITIVE[f"destroyed_task_{_order}"] = ("destroyed.py", ("--order", _order), _kind)
    POSITIVE[f"swallowed_{_order}"] = ("swallow.py", ("--order", _order), _kind)
    POSITIVE[f"nested_cancellation_{_order}"] = (
        "swallow.py", ("--order", _order, "--nested"), _kind)

# The workload leaves the race to the machine: whatever is wrong must be reported.
RACES = {
    "single_unforced": ("pyredis_single.py", ("--timings", 50, "--server-delay", "none")),
    "pool_unforced": ("pyredis_pool.py", ("--ops", 50, "--server-delay", "none")),
    "blocking_pool_unforced":
        ("pyredis_pool.py", ("--ops", 50, "--server-delay", "none", "--pool", "blocking")),
}

# Looks like the bug to the kernel, and is none.
SILENT = {
    "shared_aioredis": ("aioredis_shared.py", ("--cancelled", 200)),
    "loops_in_several_threads": ("threads_loops.py", ()),
    "swallowed_with_stock_redis": ("swallow.py", ("--stock",)),
    # The hardest: not even a second owner's request in flight tells it from the bug.
    "shared_aioredis_one_task_at_a_time_early":
        ("aioredis_shared.py", ("--sequential", "--order", "early")),
    "shared_aioredis_one_task_at_a_time_late":
        ("aioredis_shared.py", ("--sequential", "--order", "late")),
}


def wrong_answers_are_reported(context, case, python):
    workload, options, kind = case
    result = context.run(context.workload(workload, "--port", context.redis().port, *options,
                                          python=python()))
    truth = result.truths[0]
    check(wrong_ports(truth), "the workload saw no wrong answer, so it shows nothing")
    agree(result.events, truth)
    first_kind = {}
    for event in result.events.named("connection.reused", truth["pid"]):
        first_kind.setdefault(str(event["network.local.port"]), event["mispair.reuse.kind"])
    others = {port: first_kind[port] for port in wrong_ports(truth) & set(first_kind)
              if set_of_kinds(truth, port) == {kind} and first_kind[port] != kind}
    check(not others, f"{len(others)} connections are not {kind}: {sorted(others.items())[:5]}")
    return f"{len(wrong_ports(truth))} connections with {truth['wrong']} wrong answers, {kind}"


def set_of_kinds(truth, port):
    return {kind for kind, n in truth["connections"][port]["reuse"].items() if n}


def races_are_judged_as_they_end(context, case, python):
    workload, options = case
    result = context.run(context.workload(workload, "--port", context.redis().port, *options,
                                          python=python()))
    truth = result.truths[0]
    agree(result.events, truth)
    return f"{len(wrong_ports(truth))} of {len(truth['connections'])} connections were wrong"


def correct_clients_are_not_accused(context, case, python):
    workload, options = case
    result = context.run(context.workload(workload, "--port", context.redis().port, *options,
                                          python=python()))
    truth = result.truths[0]
    check(truth["wrong"] == 0, f"the workload saw {truth['wrong']} wrong answers")
    alarms = result.events.alarms()
    check(not alarms, f"{len(alarms)} alarms, the first: {alarms[:1]}")
    return f"{truth['cancelled_owed']} cancelled, no alarm"


def each_process_of_a_loop_is_judged(context, order):
    """Each process is found anew: its very first exchange is the one that goes wrong."""
    command = context.workload("pyredis_single.py", "--port", context.redis().port,
                               "--order", order)
    loop = 'for gap in -1 0 0.0001 0.0005 0.001 0.002 0.005 0.01 0.02 0.05; do ' \
           '"$@" --gap "$gap" || exit 1; done'
    result = context.run(["/bin/sh", "-c", loop, "sh", *command])
    check(len(result.truths) == 10, f"{len(result.truths)} of 10 processes told their truth")
    for truth in result.truths:
        check(truth["wrong"], "the workload saw no wrong answer, so it shows nothing")
        agree(result.events, truth)
    return "10 processes"


def stock_redis_closes_each_cancelled_connection(context, pool, python):
    result = context.run(context.workload("pyredis_stock.py", "--port", context.redis().port,
                                          "--pool", pool, "--cancelled",
                                          context.amount(1000), python=python()))
    truth, events = result.truths[0], result.events
    check(truth["wrong"] == 0, f"the workload saw {truth['wrong']} wrong answers")
    for name in ("connection.dirty", "connection.reused"):
        found = events.named(name)
        check(not found, f"{len(found)} {name} events, the first: {found[:1]}")
    closed = events.ports("connection.closed", truth["pid"])
    missing = {port: c["cancelled"] - closed[port] for port, c in truth["connections"].items()
               if closed[port] < c["cancelled"]}
    check(sum(missing.values()) <= events.skipped(),
          f"{sum(missing.values())} of {truth['cancelled_owed']} cancelled commands have no closed "
          f"event: {sorted(missing)[:5]}; told as skipped: {events.skipped()}")
    return f"{truth['cancelled_owed']} cancelled, {sum(closed.values())} closed"


def late_replies_in_a_checking_pool_end_well(context, pool):
    """redis-py's pools look for unread data at checkout and close.

    Some connections lie idle for less time than it takes to call them dirty; none is reused.
    """
    result = context.run(context.workload("pyredis_pool.py", "--port", context.redis().port,
                                          "--order", "late", "--pool", pool))
    truth, events = result.truths[0], result.events
    check(truth["wrong"] == 0, f"the workload saw {truth['wrong']} wrong answers")
    accuse_nobody_wrongly(events, truth)
    told = {name: set(events.ports("connection." + name, truth["pid"]))
            for name in ("dirty", "closed")}
    abandoned = {port for port, c in truth["connections"].items() if c["cancelled"]}
    missed = abandoned - told["dirty"] - told["closed"]
    check(not missed, f"nothing is told of {len(missed)} of {len(abandoned)} connections that "
                      f"came back with a reply: {sorted(missed)[:5]}")
    return f"{len(told['dirty'])} dirty, {len(told['closed'])} closed"


def a_swallowed_cancellation_is_counted(context):
    result = context.run(context.workload("swallow.py", "--port", context.redis().port))
    truth = result.truths[0]
    swallowed = {str(event["network.local.port"])
                 for event in result.events.named("connection.reused", truth["pid"])
                 if event.get("mispair.cancel.swallowed")}
    missed = wrong_ports(truth) - swallowed
    check(not missed, f"{len(missed)} of {len(wrong_ports(truth))} are not called swallowed")
    return f"{len(swallowed)} swallowed"


def a_finding_names_both_tasks_and_proves_itself(context):
    result = context.run(context.workload("pyredis_single.py", "--port", context.redis().port))
    truth = result.truths[0]
    events = result.events.named("connection.reused", truth["pid"])
    check(events, "no reused event")
    event = events[0]
    check(event["mispair.owner.previous"] != event["mispair.owner.next"],
          "the previous and the next owner are the same")
    check(event["mispair.owner.previous"].startswith("get-foo-"),
          f"the previous owner is {event['mispair.owner.previous']!r}, not the cancelled task")
    check(event["mispair.owner.next"].startswith("Task-"),
          f"the next owner is {event['mispair.owner.next']!r}, not the main task")
    what = [entry["what"] for entry in event["mispair.timeline"]]
    check(what.count("request") >= 2, f"the timeline lacks the two requests: {what}")
    check({"cancel", "cancel_seen"} & set(what), f"the timeline lacks the cancellation: {what}")
    at = [entry["at_ns"] for entry in event["mispair.timeline"]]
    check(at == sorted(at), f"the timeline goes back in time: {at}")
    return ", ".join(what)


def a_finding_prolongs_the_probe(context):
    """The probe of a young process ends after 2,048 calls, and not where something was found."""
    redis = context.redis()
    result = context.run(context.workload(
        "pyredis_single.py", "--port", redis.port, "--timings", 2, "--cancels-between", 3000))
    seen = [event["mispair.cancel.evidence"] for event in result.events.named("connection.reused")]
    check(len(seen) >= 2 and set(seen) == {"probe"}, f"the cancellations were known by {seen}")
    return f"{len(seen)} findings"


def without_memory_steps_are_probed_instead(context, order):
    """The fallback for a CPython whose layout is not known: who reads cannot be seen, so suspect."""
    result = context.run(context.workload("pyredis_single.py", "--port", context.redis().port,
                                          "--order", order, "--timings", 50), "--no-memory")
    truth = result.truths[0]
    check(wrong_ports(truth), "the workload saw no wrong answer, so it shows nothing")
    evidence = [event["mispair.runtime.evidence"] for event in result.events.named("runtime")]
    check(evidence == ["probe"], f"evidence {evidence}")
    reused = set(result.events.ports("connection.reused", truth["pid"]))
    missing = sorted(set(wrong_ports(truth)) - reused)
    check(not missing, f"{len(missing)} connections are missing: {missing[:5]}")
    return f"{len(reused)} reused"


def without_memory_a_shared_connection_is_not_accused(context):
    result = context.run(context.workload("aioredis_shared.py", "--port", context.redis().port,
                                          "--cancelled", 200), "--no-memory")
    accuse_nobody_wrongly(result.events, result.truths[0])
    return "no alarm"


def with_uvloop():
    if subprocess.run([DEBIAN_PYTHON, "-c", "import uvloop"], capture_output=True).returncode:
        raise Skip("python3-uvloop is not installed")
    return ("--loop", "uvloop")


def a_pool_under_uvloop_is_judged(context):
    result = context.run(context.workload("pyredis_pool.py", "--port", context.redis().port,
                                          *with_uvloop()))
    truth = result.truths[0]
    check(wrong_ports(truth), "the workload saw no wrong answer, so it shows nothing")
    agree(result.events, truth)
    return f"{len(wrong_ports(truth))} connections"


def the_only_connection_of_a_later_uvloop_process_is_judged(context):
    """No task connects after the process is known: its loop has to be found in its memory."""
    port = context.redis().port
    trace = context.trace("--port", port)
    truths = truth_of(context.workload("pyredis_single.py", "--port", port, *with_uvloop(),
                                       "--delay", "0.005", "--gap", "0.002", "--settle", "1",
                                       "--clean", "2"))
    events = trace.finish()
    check(wrong_ports(truths[0]), "the workload saw no wrong answer, so it shows nothing")
    agree(events, truths[0])
    return f"{len(wrong_ports(truths[0]))} connection"


def threads_beside_a_uvloop_loop_own_their_requests(context):
    """Whatever task the loop has running while they send, and though Python cannot see its thread."""
    exchanges, threads = 1000, 8
    run = Run(context, context.workload(
        "correct_streams.py", "--way", "accepted", *with_uvloop(), "--operations", exchanges,
        "--tasks", threads), "--ledgers")
    counted_and_nothing_said(run, [exchanges // threads] * threads)
    return f"{threads} connections"


def counted_and_nothing_said(run, exchanges):
    """Of a process whose connections had so many exchanges, each answered to who had asked."""
    pid = run.truth["pid"]
    said = [event for event in run.events.all if event.get("process.pid") == pid
            and event["event.name"].startswith("mispair.connection.")]
    ledgers = [event for event in said if event["event.name"] == "mispair.connection.ledger"]
    counts = sorted((event["mispair.requests"], event["mispair.replies"]) for event in ledgers)
    check(counts == sorted((number, number) for number in exchanges), f"counted {counts}")
    others = [event for event in said if event not in ledgers]
    check(not others, f"{len(others)} said of threads that wait, for example {others[:1]}")


def a_loop_that_goes_on_in_another_thread_is_that_ones(context, loop):
    words = with_uvloop() if loop == "uvloop" else ()
    run = Run(context, context.workload("moving_loop.py", "--port", "{tag}", *words), "--ledgers")
    # Two requests of one thread, neither answered before the other, are one in two parts.
    counted_and_nothing_said(run, [run.truth["operations"] // 5 * 2] * 2)


def tests():
    def case(function, *args):
        return functools.partial(function_with_context, function, args)

    for python_name, python in PYTHONS.items():
        for name, positive in POSITIVE.items():
            yield (f"every_wrong_answer_is_reported_{name}_{python_name}",
                   case(wrong_answers_are_reported, positive, python))
        for name, race in RACES.items():
            yield (f"a_race_is_judged_as_it_ends_{name}_{python_name}",
                   case(races_are_judged_as_they_end, race, python))
        for name, silent in SILENT.items():
            yield (f"a_correct_client_is_not_accused_{name}_{python_name}",
                   case(correct_clients_are_not_accused, silent, python))
        for pool in ("plain", "blocking"):
            yield (f"stock_redis_closes_each_cancelled_connection_{pool}_{python_name}",
                   case(stock_redis_closes_each_cancelled_connection, pool, python))
    for order in ("early", "late"):
        yield (f"each_process_of_a_loop_is_judged_{order}",
               case(each_process_of_a_loop_is_judged, order))
    for pool in ("plain", "blocking"):
        yield (f"late_replies_in_a_checking_pool_are_not_called_reused_{pool}",
               case(late_replies_in_a_checking_pool_end_well, pool))
    for order in ("early", "late"):
        yield (f"without_memory_steps_are_probed_instead_{order}",
               case(without_memory_steps_are_probed_instead, order))
    yield ("without_memory_a_shared_connection_is_not_accused",
           without_memory_a_shared_connection_is_not_accused)
    yield "a_pool_under_uvloop_is_judged", a_pool_under_uvloop_is_judged
    yield ("the_only_connection_of_a_later_uvloop_process_is_judged",
           the_only_connection_of_a_later_uvloop_process_is_judged)
    yield ("threads_beside_a_uvloop_loop_own_their_requests",
           threads_beside_a_uvloop_loop_own_their_requests)
    for loop in ("asyncio", "uvloop"):
        yield (f"a_loop_that_goes_on_in_another_thread_is_that_ones_{loop}",
               case(a_loop_that_goes_on_in_another_thread_is_that_ones, loop))
    yield "a_finding_prolongs_the_probe", a_finding_prolongs_the_probe
    yield "a_swallowed_cancellation_is_counted", a_swallowed_cancellation_is_counted
    yield ("a_finding_names_both_tasks_and_proves_itself",
           a_finding_names_both_tasks_and_proves_itself)


def function_with_context(function, args, context):
    return function(context, *args)
