# SPDX-License-Identifier: GPL-2.0-or-later
"""A user who floods: what others lose by it, what is written about it, and whom it is laid to."""

import os
import signal
import time

from harness import RUN_LIMIT, check, told_by, verdict_of
from processes import AS_NOBODY, NOBODY, Held, Kept, Victim, copy, found_in_full

FLOOD_NAME = "flood"
CONNECTIONS = 8
JSON_PER_SECOND = 1_000_000
# So much of a flood is enough for a rate.
FLOOD_SECONDS = 4


def flood(context, number=CONNECTIONS):
    """One process of nobody's, on one CPU, that waits for a byte."""
    program = copy(context, context.binary(FLOOD_NAME), FLOOD_NAME)
    held = context.keep(Held([*AS_NOBODY, program, number]))
    os.sched_setaffinity(held.pid, {max(os.sched_getaffinity(0))})
    port, = held.expect("ready")
    return held, port


def traced(context, *ports):
    """Of these ports only: others use this host as well."""
    trace = context.trace("--stats", "0s", *(word for port in ports for word in ("--port", port)))
    return trace, context.keep(Kept(trace.process.pid))


def lost_of(events, pid):
    """What is told as throttled of one process, each time by its name and user."""
    mine = [event for event in events.named("lost", pid)
            if event["mispair.lost.reason"] == "throttled"]
    for event in mine:
        check(event["mispair.user.id"] == NOBODY and event["mispair.process.comm"] == FLOOD_NAME,
              f"of whom is that? {event}")
    return sum(event["mispair.lost.count"] for event in mine)


def laid_to(events, pid):
    """All that was lost for want of room is the flood's, and so is each connection with a gap."""
    others = [event for event in events.named("lost")
              if event["mispair.lost.reason"] in ("throttled", "ring_full", "track_full")
              and event.get("process.pid") != pid]
    check(not others, f"lost, and not the flood's: {others[:2]}")
    gaps = {event["process.pid"] for event in events.named("connection.unobserved")} - {pid}
    check(not gaps, f"processes {gaps} have connections with gaps")
    lost = lost_of(events, pid)
    at_end = events.all[-1].get("mispair.lost.throttled", 0)
    check(at_end == lost, f"{lost} told of the flood, {at_end} at the end")
    return lost


def counts_add_up(events):
    """What was told, one by one and in counts, is what there was."""
    told = {}
    for event in events.all:
        if event["event.name"].startswith(("mispair.connection.", "mispair.exchange.")) \
                and event["event.name"] != "mispair.connection.ledger" \
                or event["event.name"] == "mispair.findings":
            key = f"mispair.findings.{verdict_of(event)}"
            if "mispair.confidence" in event:
                key += f".{event['mispair.confidence']}"
            told[key] = told.get(key, 0) + told_by(event)
    total = {key: value for key, value in events.all[-1].items()
             if key.startswith("mispair.findings.") and value}
    check(told == total, f"told {told}, counted {total}")
    return sum(total.values())


def a_flood_takes_no_room_from_others(context):
    """The collector is stopped while it floods, and the victim goes wrong after that."""
    port = context.redis().port
    attacker, its_port = flood(context)
    trace, kept = traced(context, port, its_port)
    victim = context.keep(Victim(port)).meet(kept)
    trace.process.send_signal(signal.SIGSTOP)
    attacker.go_on()
    attacker.expect("going")
    victim.go_on()
    truth = victim.truth()
    trace.process.send_signal(signal.SIGCONT)
    attacker.finish()
    events = trace.finish()
    found = found_in_full(events, {"beside the flood": truth})
    lost = laid_to(events, attacker.pid)
    check(lost, "the flood has lost nothing: it was none")
    return f"{found}; {lost} of the flood's lost"


def a_flood_is_told_in_few_lines(context, victims=1, seconds=FLOOD_SECONDS):
    """... while the collector runs, and all others are found."""
    port = context.redis().port
    attacker, its_port = flood(context)
    trace, kept = traced(context, port, its_port)
    others = [context.keep(Victim(port)).meet(kept) for _ in range(victims)]
    began = time.monotonic()
    attacker.go_on()
    attacker.expect("going")
    truths = {}
    for number, victim in enumerate(others):
        victim.go_on()
        truths[f"victim {number}"] = victim.truth()
    time.sleep(max(began + seconds - time.monotonic(), 0))
    attacker.process.stdin.close()
    attacker.process.wait(RUN_LIMIT)
    took = time.monotonic() - began
    events = trace.finish()
    found = found_in_full(events, truths)
    lost = laid_to(events, attacker.pid)
    findings = counts_add_up(events)
    size = os.path.getsize(trace.path)
    check(size < took * JSON_PER_SECOND,
          f"{size} bytes of JSON in {took:.1f} s about {findings} findings")
    of_flood = [event for event in events.all if event.get("process.pid") == attacker.pid]
    check(sum(told_by(event) for event in of_flood) > 10 * len(of_flood),
          f"{len(of_flood)} events are of the flood, and nothing was repeated")
    return f"{found}; {findings} findings in {size / took / 1000:.0f} kB/s, {lost} lost"


def tests():
    for function in (a_flood_takes_no_room_from_others, a_flood_is_told_in_few_lines):
        yield function.__name__, function
