# SPDX-License-Identifier: GPL-2.0-or-later
"""Waits that end by a timeout: seen where the timer fires, or where the wait began."""

import functools
import subprocess

from harness import RUN_LIMIT, check, wait_until
from cases_adapters import Run, private_servers
from judge import Judgement, truth_in

TIMINGS = 10
# The tracepoint where a timer fires runs over whoever has the CPU, and a host may keep it from us.
DEAF = ("--without", "hrtimer_expire_entry")
HEARD_SOON = 30


def client(context, way, order):
    return [str(context.binary("cpool")), "--port", "{line}", "--way", way, "--order", order,
            "--timings", str(context.amount(TIMINGS))]


def without_its_timer_a_timeout_is_known_by_the_wait_that_began(context, way, order):
    run = Run(context, client(context, way, order), *DEAF)
    run.all_found()
    timeouts = run.named("poll.timeout")
    check(len(timeouts) >= len(run.judgement.found), f"another kind: {run.events.alarms()}")
    return f"{len(run.judgement.found)} of {run.truth['wrong']}"


def without_either_no_wait_is_known_to_have_ended(context):
    run = Run(context, client(context, "poll", "late"), *DEAF, "--without", "hrtimer_start")
    check(run.truth["wrong"], "the workload had no wrong answer")
    check(not run.events.alarms(), f"by what, then? {run.events.alarms()[:1]}")
    said = run.events.named("connection.reused")
    check({event["mispair.cancel.kind"] for event in said} == {"unseen"}, f"{said[:1]}")
    return f"{len(said)} suspects"


def a_host_that_hides_its_timers_is_noticed_and_made_up_for(context):
    """A trace of the whole host, to which waits that begin are too many unless it has to."""
    trace = context.trace(*DEAF)
    wait_until(lambda: "not told of all timers" in trace.stderr(), HEARD_SOON, "the trace notices")
    servers = private_servers(context)
    try:
        done = subprocess.run(servers.filled(client(context, "poll", "early")),
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              timeout=RUN_LIMIT, text=True, check=True)
    finally:
        servers.stop()
    truth = truth_in(done.stdout)
    events = trace.finish()
    events.all = [event for event in events.all
                  if event.get("process.pid", truth["pid"]) == truth["pid"]]
    judgement = Judgement(truth, events)
    check(judgement.found and not judgement.missed, f"missed: {sorted(judgement.missed)}")
    check(not judgement.false, f"accused wrongly: {sorted(judgement.false)}")
    return f"{len(judgement.found)} found"


def tests():
    for way in ("poll", "epoll"):
        for order in ("early", "late"):
            yield (f"without_its_timer_a_timeout_is_known_by_the_wait_that_began_{way}_{order}",
                   functools.partial(without_its_timer_a_timeout_is_known_by_the_wait_that_began,
                                     way=way, order=order))
    for function in (without_either_no_wait_is_known_to_have_ended,
                     a_host_that_hides_its_timers_is_noticed_and_made_up_for):
        yield function.__name__, function
