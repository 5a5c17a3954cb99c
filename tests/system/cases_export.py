# SPDX-License-Identifier: GPL-2.0-or-later
"""What leaves mispair: the schema of its events."""

import copy
import functools
import json

import schema
from harness import check


def the_schema_is_printed_as_it_is_in_the_tree(context):
    done = context.command("schema")
    check(done.returncode == 0 and not done.stderr, f"status {done.returncode}: {done.stderr!r}")
    check(done.stdout == schema.SCHEMA.read_bytes(), "not the tree's schema")
    return f"{len(schema.events(json.loads(done.stdout)))} events"


def no_release_was_promised_more_than_there_is_now(_context):
    now = schema.snapshot(schema.load())
    check(schema.releases(), "there is no snapshot of a release")
    for path in schema.releases():
        broken = list(schema.broken_promises(json.loads(path.read_text()), now))
        check(not broken, f"{path.name}: {broken[:5]}")
    return ", ".join(path.stem for path in schema.releases())


def renamed(event):
    event["mispair.owed_replies"] = event.pop("mispair.owed")


def removed(event):
    del event["mispair.owed"]


def retyped(event):
    event["mispair.owed"]["type"] = "string"


def optional(event):
    del event["mispair.owed"]["required"]


def without_a_word(event):
    event["mispair.reuse.kind"]["enum"].remove("residue")


def retyped_within_the_timeline(event):
    event["mispair.timeline"]["items"]["bytes"]["type"] = "string"


def a_key_may_not_be(_context, change):
    was = schema.snapshot(schema.load())
    now = copy.deepcopy(was)
    change(now["mispair.connection.reused"])
    broken = list(schema.broken_promises(was, now))
    check(len(broken) == 1, f"complaints: {broken}")
    check(not list(schema.broken_promises(was, was)), "the same schema is refused")
    return broken[0]


def a_key_may_be_added(_context):
    was = schema.snapshot(schema.load())
    now = copy.deepcopy(was)
    now["mispair.connection.reused"]["mispair.new"] = {"type": "string"}
    now["mispair.new"] = {}
    check(not list(schema.broken_promises(was, now)), "an addition is refused")


def the_validator_sees(_context, change, what):
    """That a line is valid means something only if others are not."""
    validator = schema.Validator()
    event = {"schema": "mispair.event/1", "time": "2026-11-21T08:30:00.123456789Z",
             "time_unix_nano": "1795249800123456789", "event.name": "mispair.lost",
             "severity.text": "WARN", "mispair.lost.reason": "sink", "mispair.lost.count": 1,
             "mispair.lost.total": 1}
    check(validator.complaint(event) is None, f"a good line: {validator.complaint(event)}")
    event.update(change)
    check(validator.complaint(event), f"{what} is not seen")
    return validator.complaint(event)


def tests():
    for function in (the_schema_is_printed_as_it_is_in_the_tree,
                     no_release_was_promised_more_than_there_is_now, a_key_may_be_added):
        yield function.__name__, function
    for change in (renamed, removed, retyped, optional, without_a_word,
                   retyped_within_the_timeline):
        yield (f"a_key_that_is_{change.__name__}_is_refused",
               functools.partial(a_key_may_not_be, change=change))
    for what, change in (("an_unknown_key", {"mispair.surprise": 1}),
                         ("a_wrong_type", {"mispair.lost.count": "1"}),
                         ("an_unknown_word", {"mispair.lost.reason": "fate"}),
                         ("an_unknown_event", {"event.name": "mispair.fate"})):
        yield (f"the_validator_sees_{what}",
               functools.partial(the_validator_sees, change=change, what=what))
