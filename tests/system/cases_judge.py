# SPDX-License-Identifier: GPL-2.0-or-later
"""The scoreboard's judge: it must see a miss and a false alarm, else its figures mean nothing."""

import functools
import json
import sys

from harness import CORPUS, Events, check

sys.path.insert(0, str(CORPUS))
from judge import MERGED, WHOLE, Judgement, short, truth_in  # noqa: E402


def said(verdict, confidence=None, port=1000, **more):
    group = "exchange" if verdict == "abandoned" else "connection"
    event = {"schema": "mispair.event/1", "event.name": f"mispair.{group}.{verdict}",
             "network.transport": "tcp", "network.local.port": port, **more}
    return event if confidence is None else {**event, "mispair.confidence": confidence}


def connection(wrong=0, closed=False, **more):
    return {"wrong": wrong, "closed": closed, **more}


def judged(connections, *events, **truth):
    text = "\n".join(json.dumps(event) for event in events)
    total = sum(c["wrong"] for c in connections.values())
    return Judgement({"wrong": total, "connections": connections, **truth},
                     Events(text, whole=False, made_up=True))


WRONG = connection(wrong=2, abandoned=1, reuse={"unread": 1, "outstanding": 0})

# name: the connections, what mispair said, (found, missed, false, unsaid)
CASES = {
    "a_wrong_connection_that_is_called_reused_is_found":
        ({"1000": WRONG}, [said("reused", "likely")], (1, 0, 0, 0)),
    "a_wrong_connection_of_which_nothing_is_said_is_missed":
        ({"1000": WRONG}, [], (0, 1, 0, 0)),
    "suspect_is_not_enough":
        ({"1000": WRONG}, [said("reused", "suspect")], (0, 1, 0, 0)),
    "dirty_is_not_enough_for_a_wrong_answer":
        ({"1000": WRONG}, [said("dirty", "certain")], (0, 1, 0, 0)),
    "the_neighbour_of_a_wrong_connection_is_accused_wrongly":
        ({"1000": WRONG, "1001": connection()}, [said("reused", "certain", 1001)], (0, 1, 1, 0)),
    "a_connection_nobody_knows_is_accused_wrongly":
        ({"1000": connection()}, [said("reused", "certain", 6379)], (0, 0, 1, 0)),
    "suspect_accuses_nobody":
        ({"1000": connection()}, [said("reused", "suspect")], (0, 0, 0, 0)),
    "a_reuse_that_happened_to_give_no_wrong_answer_is_no_false_alarm":
        ({"1000": connection(abandoned=1, reuse=1)}, [said("reused", "likely")], (0, 0, 0, 0)),
    "dirty_is_right_where_a_request_was_left_and_the_connection_lies_open":
        ({"1000": connection(abandoned=1)}, [said("dirty", "likely")], (0, 0, 0, 0)),
    "dirty_is_wrong_where_nothing_was_left":
        ({"1000": connection()}, [said("dirty", "likely")], (0, 0, 1, 0)),
    "dirty_is_wrong_where_the_client_closed_at_once":
        ({"1000": connection(closed=True, abandoned=1)}, [said("dirty", "likely")], (0, 0, 1, 0)),
    "dirty_is_right_where_the_client_closed_at_the_next_checkout":
        ({"1000": connection(closed=True, abandoned=1, returned=True)},
         [said("dirty", "likely")], (0, 0, 0, 0)),
    "closed_accuses_nobody":
        ({"1000": connection(closed=True, abandoned=1)}, [said("closed")], (0, 0, 0, 0)),
    "a_verdict_that_has_to_be_given_and_is_not_fails":
        ({"1000": connection(closed=True, abandoned=1, must=["closed"])}, [], (0, 0, 0, 1)),
    "a_verdict_that_has_to_be_given_and_is_passes":
        ({"1000": connection(closed=True, abandoned=1, must=["closed"])}, [said("closed")],
         (0, 0, 0, 0)),
    "the_owners_that_have_to_be_named_are_compared_as_whole_names":
        ({"1000": {**WRONG, "owners": ["task-1", "task-2"]}},
         [said("reused", "likely", **{"mispair.owner.previous": "task-1 0x7f00",
                                      "mispair.owner.next": "task-22 0x7f08"})], (1, 0, 0, 1)),
    "the_owners_that_have_to_be_named_are":
        ({"1000": {**WRONG, "owners": ["task-1", "task-2"]}},
         [said("reused", "likely", **{"mispair.owner.previous": "task-1 0x7f00",
                                      "mispair.owner.next": "task-2"})], (1, 0, 0, 0)),
    "a_unix_socket_is_known_by_its_cookie":
        ({"cookie:7f": WRONG},
         [said("reused", "likely", 0, **{"network.transport": "unix",
                                         "mispair.socket.cookie": "7f"})], (1, 0, 0, 0)),
}


def counted(judgement):
    return tuple(len(part) for part in (judgement.found, judgement.missed, judgement.false,
                                        judgement.unsaid))


def each_case(connections, events, expected, context):
    judgement = judged(connections, *events)
    check(counted(judgement) == expected,
          f"found, missed, false, unsaid are {counted(judgement)}, not {expected}")
    check(judgement.passed() == (not any(expected[1:])), "it passed or failed against its figures")


def a_run_without_connections_is_judged_as_a_whole(context):
    events = Events(json.dumps(said("reused", "likely")), whole=False, made_up=True)
    check(counted(Judgement({"wrong": 1}, events)) == (1, 0, 0, 0), "it was not found")
    accused = Judgement({"wrong": 0, "cancelled_owed": 1}, events)
    check(accused.false == {WHOLE}, "a reuse without a wrong answer was not counted as false")


def a_false_alarm_is_kept_with_its_event(context):
    judgement = judged({"1000": WRONG, "1001": connection()}, said("reused", "likely"),
                       said("reused", "certain", 1001), said("dirty", "suspect", 1001))
    kept = [(short(event), event["network.local.port"])
            for event in judgement.against_the_innocent()]
    check(kept == [("reused", 1001)], f"kept {kept}")


def the_form_is_where_the_old_reply_was(context):
    judgement = judged({"1000": WRONG, "1001": connection(wrong=1, reuse=1)},
                       said("reused", "likely"))
    check(sorted(judgement.by_form("F2")) == [("F1", 1, 0), ("F2", 0, 1)],
          f"by form: {judgement.by_form('F2')}")
    together = judged({"1000": {**WRONG, "merged": 1}})
    check(together.by_form("F2") == [(MERGED, 0, 1)], f"by form: {together.by_form('F2')}")


def the_truth_is_the_last_line_that_is_one(context):
    stdout = 'hello\n{"workload": "a", "wrong": 1}\n{"workload": "b", "wrong": 2}\nbye\n'
    check(truth_in(stdout)["workload"] == "b", "another line was taken")
    check(truth_in("nothing\n") is None, "a truth was found where there is none")


def tests():
    for name, case in CASES.items():
        yield name, functools.partial(each_case, *case)
    yield ("a_run_without_connections_is_judged_as_a_whole",
           a_run_without_connections_is_judged_as_a_whole)
    yield "a_false_alarm_is_kept_with_its_event", a_false_alarm_is_kept_with_its_event
    yield "the_form_is_where_the_old_reply_was", the_form_is_where_the_old_reply_was
    yield "the_truth_is_the_last_line_that_is_one", the_truth_is_the_last_line_that_is_one
