# SPDX-License-Identifier: GPL-2.0-or-later
"""Each way to exchange that the table of `mispair probe` knows is tried, and is what it says."""

import functools
import json
import re
import subprocess

from harness import TREE, Events, Skip, check

EXCHANGES = 20
NOT_HERE = 77


def table(mispair):
    done = subprocess.run([str(mispair), "probe", "--json"], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, check=True)
    return json.loads(done.stdout)["traffic"]


def the_table_the_trials_and_the_manual_are_one(context):
    rows = {row["name"]: row for row in table(context.mispair)}
    tried = subprocess.run([str(context.binary("traffic"))], stdout=subprocess.PIPE, text=True,
                           check=True).stdout.split()
    check(sorted(rows) == sorted(tried), f"only one has {sorted(set(rows) ^ set(tried))}")
    manual = dict(re.findall(r"^\.It Li (\w+) Ta (seen|unobserved|not seen) Ta ",
                             (TREE / "user" / "mispair.8").read_text(), re.M))
    states = {name: row["state"] for name, row in rows.items()}
    check(manual == states, f"the manual differs: {set(manual.items()) ^ set(states.items())}")
    names = [name for name, _ in tests()]
    for name in rows:
        check(any(re.fullmatch(rf"{name}_is_what_the_table_says", n) for n in names),
              f"{name} is tried by no test")
    return f"{len(rows)} rows"


def is_what_the_table_says(context, name):
    row = next((row for row in table(context.mispair) if row["name"] == name), None)
    check(row, f"the table has no {name}")
    path = context.file("events.json")
    done = context.command("run", "--ledgers", "--json", path, "--",
                           context.binary("traffic"), name, EXCHANGES)
    said = done.stdout.decode().strip().splitlines()
    if done.returncode == NOT_HERE:
        raise Skip(f"not on this kernel: {said[0] if said else ''}")
    check(done.returncode == 0, f"status {done.returncode}: {said} {done.stderr.decode()}")
    with open(path) as file:
        events = Events(file.read())
    ledgers = events.named("connection.ledger")
    counts = tuple(sum(ledger["mispair." + key] for ledger in ledgers)
                   for key in ("requests", "replies"))
    silent = [ledger for ledger in ledgers if not ledger["mispair.unobserved"]
              and ledger["mispair.tx_bytes"]]
    lost = {event["mispair.lost.reason"] for event in events.named("lost")}
    accused = [event for event in events.all if "mispair.confidence" in event]
    check(not accused, f"accused: {accused[:1]}")
    if row["state"] == "seen":
        check(counts == (EXCHANGES, EXCHANGES), f"{counts} requests and replies, not {EXCHANGES}")
        check(not lost and not events.named("connection.unobserved"), f"lost: {lost}")
    elif row["state"] == "unobserved":
        check(lost == {row["lost"]}, f"lost as {lost}, not as {row['lost']}")
        check(len(events.named("connection.unobserved")) == 1, "not said to be unobserved")
        check(not silent, f"counted all the same: {silent[:1]}")
    else:
        check(counts[1] == 0 and not lost, f"{counts} requests and replies, lost: {lost}")
    return f"{row['state']}: {counts[0]} requests, {counts[1]} replies"


# Each row of the table has its test by name; the first test holds this list to the table.
NAMES = ("tcp4", "tcp6", "unix", "socketpair", "unix_seqpacket", "unix_dgram", "udp", "mptcp",
         "sctp", "vsock", "smc", "ktls", "sockmap", "mmsg", "vectors", "sendfile", "splice_send",
         "vmsplice", "splice_recv", "splice_recv_unix", "zerocopy_send", "zerocopy_recv", "uring",
         "uring_sqpoll", "uring_fixed", "uring_zerocopy", "fastopen", "fastopen_connect", "peek",
         "trunc", "waitall", "lowat", "forked", "passed")


def tests():
    yield ("the_table_the_trials_and_the_manual_are_one",
           the_table_the_trials_and_the_manual_are_one)
    for name in NAMES:
        yield (f"{name}_is_what_the_table_says",
               functools.partial(is_what_the_table_says, name=name))
