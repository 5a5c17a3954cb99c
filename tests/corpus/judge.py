# SPDX-License-Identifier: GPL-2.0-or-later
"""What mispair said against what was true, one connection at a time.

The truth is the last line of a workload's output, one JSON object:

  workload        its name                 pid             of the process with the connections
  operations      requests made            cancelled       given up, timed out, interrupted
  cancelled_owed  of these, while owed     wrong           answers that were somebody else's
  connections     by local port, or "cookie:<hex SO_COOKIE>" for a Unix socket, each with
      wrong       wrong answers it gave    closed          the client gave it up itself
      abandoned   its reply was owed when its owner stopped waiting (`cancelled` means the same)
      reuse       how often it was sent on after that: a count, or counts by kind
      must        names of verdicts that have to be given for it, "swallowed" among them
      merged      one read took the old reply and the next: no receive is one behind, whatever
                  its form would have been
      owners      names of the task that was cancelled and of the next one, if mispair has to know
      returned    it lay in the pool with the reply owed before the client closed it
      leaked      its place in the pool never came back
  must            names of verdicts that have to be given for some connection

Without `connections`, for a library that hides its sockets, the run is judged as a whole.
"""

import collections
import json

ALARM = ("likely", "certain")
IDLE = ("exchange.abandoned", "connection.dirty", "connection.leaked")
VERDICTS = ("reused", "dirty", "abandoned", "leaked", "closed", "drained", "unobserved")
FORM_OF_KIND = {"unread": "F1", "outstanding": "F2", "residue": "F3"}
MERGED = "merged"
WHOLE = "(the whole run)"


def truth_in(stdout):
    """The last line that is a truth; older workloads call themselves a row."""
    for line in reversed(stdout.splitlines()):
        if line.startswith(('{"workload"', '{"row"')):
            return json.loads(line)
    return None


def key_of(event):
    if event.get("network.transport") == "unix":
        return "cookie:" + str(event.get("mispair.socket.cookie"))
    return str(event.get("network.local.port"))


def short(event):
    return event.get("mispair.verdict") or \
        event["event.name"].removeprefix("mispair.").split(".")[-1]


def was_reused(connection):
    reuse = connection.get("reuse", 0)
    return bool(connection["wrong"] or
                (any(reuse.values()) if isinstance(reuse, dict) else reuse))


def was_abandoned(connection):
    return bool(connection.get("abandoned", connection.get("cancelled", 0)))


def form_of(connection, otherwise):
    if connection.get("merged"):
        return MERGED
    reuse = connection.get("reuse", {})
    kinds = {kind for kind, n in reuse.items() if n} if isinstance(reuse, dict) else ()
    return FORM_OF_KIND[kinds.pop()] if len(kinds) == 1 else otherwise


class Judgement:
    """One run. `found`, `missed` and `false` are sets of connections."""

    def __init__(self, truth, events):
        self.truth = truth
        self.counts = collections.Counter()
        self.kinds = collections.Counter()
        self.lost = collections.Counter()
        for event in events.named("lost"):
            self.lost[event["mispair.lost.reason"]] += event["mispair.lost.count"]
        self.found, self.missed, self.false, self.right = set(), set(), set(), set()
        self.unsaid = set()
        self.complaints = []
        # At `likely` and above, and at any confidence.
        self._said = collections.defaultdict(set)
        self._mentioned = collections.defaultdict(set)
        self._owners = collections.defaultdict(list)
        self._alarms = collections.defaultdict(list)
        self._note(events)
        if "connections" in truth:
            self._by_connection(truth["connections"])
        else:
            self._as_a_whole()
        for verdict in set(truth.get("must", ())) - set().union(*self._mentioned.values()):
            self._not_said(WHOLE, f"nothing is called {verdict}")

    def _named(self, key, owners):
        """An address can follow a name."""
        return any(all(f"{given} ".startswith(f"{name} ") for name, given in zip(owners, pair))
                   for pair in self._owners[key])

    def _not_said(self, key, why):
        self.unsaid.add(key)
        self.complaints.append(why)

    def _note(self, events):
        for event in events.all:
            verdict, confidence = short(event), event.get("mispair.confidence")
            if verdict not in VERDICTS:
                continue
            count = event.get("mispair.count", 1)
            self.counts[verdict, confidence] += count
            kind = event.get("mispair.cancel.kind")
            if kind and verdict not in ("unobserved",):
                self.kinds[kind] += count
            if event["event.name"] == "mispair.findings":
                continue  # of no connection
            key = key_of(event)
            self._mentioned[key].add(verdict)
            if confidence in ALARM:
                self._said[key].add(verdict)
                self._alarms[key].append(event)
            if verdict == "reused":
                self._owners[key].append([event.get("mispair.owner.previous", ""),
                                          event.get("mispair.owner.next", "")])
            if event.get("mispair.cancel.swallowed"):
                self._mentioned[key].add("swallowed")

    def _by_connection(self, connections):
        for key, connection in connections.items():
            said = self._said.get(key, set())
            if connection["wrong"]:
                (self.found if "reused" in said else self.missed).add(key)
            for verdict in set(connection.get("must", ())) - self._mentioned.get(key, set()):
                self._not_said(key, f"{key} is not called {verdict}")
            if connection.get("owners") and not self._named(key, connection["owners"]):
                self._not_said(key, f"{key}: {connection['owners']} are not named, but "
                                    f"{self._owners[key]}")
        for key, said in self._said.items():
            self._weigh(key, said, connections.get(key))

    def _weigh(self, key, said, connection):
        """Was each alarm about this connection right?"""
        if not said & {"reused", "dirty", "abandoned", "leaked"}:
            return
        if connection is None:
            self._accuse(key, "a connection that the workload does not know")
            return
        said = said - {"leaked"} if connection.get("leaked") else said
        if "reused" in said and not was_reused(connection):
            self._accuse(key, "called reused, and never was")
        elif said & {"dirty", "abandoned", "leaked"} and not (
                was_reused(connection) or was_abandoned(connection)):
            self._accuse(key, "called dirty or abandoned, and nobody left it")
        elif said & {"dirty", "abandoned", "leaked"} and "reused" not in said and (
                connection["closed"] and not was_reused(connection)
                and not connection.get("returned")):
            self._accuse(key, "called dirty or abandoned, and it was closed")
        else:
            self.right.add(key)

    def _accuse(self, key, why):
        self.false.add(key)
        self.complaints.append(f"{key}: {why}")

    def _as_a_whole(self):
        said = set().union(*self._said.values())
        if self.truth["wrong"]:
            (self.found if "reused" in said else self.missed).add(WHOLE)
        alarms = said & {"reused", "dirty", "abandoned", "leaked"}
        if "reused" in alarms and not self.truth["wrong"]:
            self._accuse(WHOLE, "called reused, and no answer was wrong")
        elif alarms and not (self.truth["wrong"] or self.truth.get("cancelled_owed")):
            self._accuse(WHOLE, "an alarm, and nothing was cancelled")
        elif alarms:
            self.right.add(WHOLE)

    def by_form(self, form):
        """(form, found, missed), by where the old reply was if the workload knows one place."""
        counts = collections.Counter()
        connections = self.truth.get("connections", {})
        for found, keys in ((True, self.found), (False, self.missed)):
            for key in keys:
                counts[form_of(connections.get(key, {}), form), found] += 1
        return [(of, counts[of, True], counts[of, False]) for of in {of for of, _ in counts}]

    def against_the_innocent(self):
        """The events that accused somebody wrongly, for who wants to know how that came."""
        return [event for key in self.false for of, events in self._alarms.items()
                for event in events if key in (of, WHOLE)]

    def wanted(self):
        """Something has to be said although no answer was wrong."""
        connections = self.truth.get("connections", {}).values()
        return self.truth.get("must") or any(c.get("must") for c in connections)

    def passed(self):
        return not self.missed and not self.false and not self.unsaid

    def verdicts(self):
        """`reused 3c 1l 2s`: certain, likely, suspect."""
        parts = []
        for verdict in VERDICTS:
            marks = [f"{self.counts[verdict, name]}{(name or '')[:1]}"
                     for name in ("certain", "likely", "suspect", "none", None)
                     if self.counts[verdict, name]]
            if marks:
                parts.append(f"{verdict} {' '.join(marks)}")
        return ", ".join(parts) or "silent"
