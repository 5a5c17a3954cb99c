# SPDX-License-Identifier: GPL-2.0-or-later
"""Lost evidence: counted, said, and never turned into a verdict."""

import contextlib
import signal
import subprocess

from harness import (RUN_LIMIT, START_LIMIT, accuse_nobody_wrongly, agree, check, truth_of,
                     truths_in, wait_until)

# The least that a BPF ring buffer can be on any page size of these machines.
TINY = 4096


def losses_add_up(events):
    lost = events.named("lost")
    told, last = {}, {}
    for event in lost:
        reason = event["mispair.lost.reason"]
        told[reason] = told.get(reason, 0) + event["mispair.lost.count"]
        last[reason] = event["mispair.lost.total"]
    # One process alone loses what does not fit its share; the rest is others'.
    check(told.get("throttled") or told.get("ring_full"), f"no event was lost: {told}")
    stop = events.all[-1]
    for reason, count in told.items():
        final = stop[f"mispair.lost.{reason}"]
        check(count == last[reason] == final,
              f"{reason}: lost events add up to {count}, say {last[reason]}, stop says {final}")
    return told.get("throttled", 0) + told.get("ring_full", 0)


@contextlib.contextmanager
def workload_that_nobody_watches(context, trace, *workload):
    """It is known to the collector, and goes on when the collector has been stopped."""
    process = subprocess.Popen(context.workload(*workload, "--wait"), stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    try:
        wait_until(lambda: trace.so_far().named("runtime", process.pid), START_LIMIT,
                   "mispair knows the process")
        trace.process.send_signal(signal.SIGSTOP)
        process.stdin.write("go on\n")
        process.stdin.flush()
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def a_full_ring_accuses_nobody(context):
    """The collector is stopped while a correct client cancels a thousand commands."""
    trace = context.trace("--ring-size", TINY)
    with workload_that_nobody_watches(context, trace, "pyredis_stock.py", "--port",
                                      context.redis().port, "--cancelled",
                                      context.amount(1000)) as process:
        truth = truths_in(process.stdout.readline())[0]
        process.wait(RUN_LIMIT)
    trace.process.send_signal(signal.SIGCONT)
    events = trace.finish()
    lost = losses_add_up(events)
    for name in ("connection.dirty", "connection.reused"):
        check(not events.named(name, truth["pid"]), f"{name} from lost evidence")
    return f"{lost} lost"


def a_socket_with_a_gap_is_unobserved(context):
    """Its connections are still open when the collector goes on: there is something to say."""
    trace = context.trace("--ring-size", TINY)
    with workload_that_nobody_watches(context, trace, "pyredis_single.py", "--port",
                                      context.redis().port, "--timings", 100,
                                      "--hold-open") as process:
        truth = truths_in(process.stdout.readline())[0]
        trace.process.send_signal(signal.SIGCONT)
        wait_until(lambda: trace.so_far().named("lost"), START_LIMIT, "the loss is told")
        process.stdin.write("close them\n")
        process.stdin.flush()
        process.wait(RUN_LIMIT)
    events = trace.finish()
    lost = losses_add_up(events)
    accuse_nobody_wrongly(events, truth)
    unobserved = events.named("connection.unobserved", truth["pid"])
    check(unobserved, f"{lost} events were lost and no connection is unobserved")
    return f"{lost} lost, {len(unobserved)} unobserved"


def what_comes_after_a_loss_is_judged_again(context):
    """With a ring that a thousand findings fill, and ten do not."""
    port = context.redis().port
    trace = context.trace("--ring-size", 1 << 16)
    with workload_that_nobody_watches(context, trace, "pyredis_stock.py", "--port",
                                      port) as process:
        truths_in(process.stdout.readline())
        process.wait(RUN_LIMIT)
    trace.process.send_signal(signal.SIGCONT)
    wait_until(lambda: trace.so_far().named("lost"), START_LIMIT, "the loss is told")
    # Known before anything goes wrong in it: a busy host lets a first request go unseen.
    truth = truth_of(context.workload("pyredis_single.py", "--port", port, "--timings", 10,
                                      "--settle", "0.2"))[0]
    events = trace.finish()
    losses_add_up(events)
    agree(events, truth)
    return f"{truth['wrong']} wrong answers after the loss"


def a_small_ring_under_load_tells_the_truth(context):
    """Whether a running collector loses anything depends on the machine; the verdicts do not."""
    result = context.run(context.workload("pyredis_pool.py", "--port", context.redis().port,
                                          "--tasks", 30, "--ops", 30), "--ring-size", TINY)
    accuse_nobody_wrongly(result.events, result.truths[0])
    return f"{result.events.lost()} lost"


def tests():
    for function in (a_full_ring_accuses_nobody, a_socket_with_a_gap_is_unobserved,
                     what_comes_after_a_loss_is_judged_again,
                     a_small_ring_under_load_tells_the_truth):
        yield function.__name__, function
