# SPDX-License-Identifier: GPL-2.0-or-later
"""Exact numbers: exchanges and bytes of each socket, and unread bytes to the byte."""

import collections
import functools
import json
import pathlib
import re
import subprocess
import sys
import time

from harness import START_LIMIT, check, end, truth_of, wait_until

# Seconds of refresh passes that find nothing new.
QUIET = 3

MODES = {"one_send_a_request": (), "two_sends_a_request": ("--split",),
         "peeking_before_each_read": ("--peek",), "failing_sends_in_between": ("--fail",)}


def exchanges(context, server, *options):
    return [str(context.binary("exchanges")), "--v4-port", str(server.v4), "--v6-port",
            str(server.v6), "--unix-name", server.path, *map(str, options)]


def numbers(ledger):
    return tuple(int(ledger["mispair." + key])
                 for key in ("requests", "replies", "tx_bytes", "rx_bytes"))


def expected(connection):
    return (connection["exchanges"], connection["exchanges"], connection["tx_bytes"],
            connection["rx_bytes"])


def ledgers_agree(events, truth):
    """TCP sockets are compared by port. A Unix socket has none, and its numbers are its own."""
    ledgers = events.named("connection.ledger", truth["pid"])
    connections = truth["connections"]
    check(len(ledgers) == len(connections),
          f"{len(ledgers)} ledgers for {len(connections)} connections")
    family = {"ipv4": "v4", "ipv6": "v6"}
    tcp = [l for l in ledgers if l["network.transport"] == "tcp"]
    nameless = [l for l in tcp if "network.local.port" not in l]
    check(not nameless, f"{len(nameless)} of {len(tcp)} TCP ledgers have no local port")
    by_port = {f"{family[l['network.type']]}-{l['network.local.port']}": numbers(l) for l in tcp}
    wanted = {port: expected(c) for port, c in connections.items() if c["family"] != "unix"}
    unobserved = {f"{family[l['network.type']]}-{l['network.local.port']}" for l in tcp
                  if l["mispair.unobserved"]}
    differ = {port: (by_port.get(port), want) for port, want in wanted.items()
              if by_port.get(port) != want}
    silent = sorted(set(differ) - unobserved)
    check(not silent, f"{len(silent)} TCP ledgers differ from the truth, and are not said to be "
                      f"unobserved (got, wanted): {[differ[port] for port in silent[:3]]}")
    unix = collections.Counter(numbers(l) for l in ledgers if l["network.transport"] == "unix")
    wanted = collections.Counter(expected(c) for c in connections.values()
                                 if c["family"] == "unix")
    got, want = unix - wanted, wanted - unix
    skipped = events.skipped()
    check(len(differ) + want.total() <= skipped,
          f"{len(differ)} TCP ledgers differ from the truth (got, wanted): "
          f"{list(differ.items())[:3]}; {want.total()} Unix ledgers do: "
          f"{list(got)[:3]}, {list(want)[:3]}; told as skipped: {skipped}")


def two_hundred_thousand_exchanges_are_counted_exactly(context):
    server = context.echo_server()
    result = context.run(exchanges(context, server, "--v4", 20, "--v6", 15, "--unix", 15,
                                   "--per-conn", 4000), "--ledgers")
    truth = result.truths[0]
    check(truth["exchanges"] == 200_000, f"the workload did {truth['exchanges']} exchanges")
    ledgers_agree(result.events, truth)
    check(not result.events.alarms(), f"alarms: {result.events.alarms()[:1]}")
    return f"{truth['exchanges']} exchanges on {len(truth['connections'])} connections"


def exchanges_are_counted_exactly(context, options):
    server = context.echo_server()
    result = context.run(exchanges(context, server, "--v4", 20, "--v6", 15, "--unix", 15,
                                   "--per-conn", context.amount(200), *options), "--ledgers")
    truth = result.truths[0]
    ledgers_agree(result.events, truth)
    check(not result.events.alarms(), f"alarms: {result.events.alarms()[:1]}")
    skipped = result.events.skipped()
    return f"{truth['exchanges']} exchanges{f', {skipped} programs skipped' if skipped else ''}"


def a_filter_does_not_change_the_counts(context):
    """Only the IPv6 port is asked for; the rest of the same process stays out."""
    server = context.echo_server()
    trace = context.trace("--ledgers", "--port", server.v6)
    truth = truth_of(exchanges(context, server, "--v4", 5, "--v6", 5, "--unix", 5,
                               "--per-conn", 50))[0]
    events = trace.finish()
    truth["connections"] = {port: c for port, c in truth["connections"].items()
                            if c["family"] == "v6"}
    ledgers_agree(events, truth)
    return "5 of 15 connections"


def open_connections_are_met(context, port, command):
    """Each once, however many descriptors it has: mispair ends before they do."""
    filters = ("--port", port)
    # An emulated machine has time for one of them.
    ways = [(), ("--ledgers",)][:context.amount(20) // 10 or 1]
    traces = [context.trace(*way, *filters) for way in ways]
    client = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        truth = json.loads(client.stdout.readline())
        time.sleep(QUIET)
        events = [trace.finish() for trace in traces]
        client.stdin.close()
        client.wait(START_LIMIT)
    finally:
        end(client)
        client.stdout.close()
    for told in events[1:]:
        ledgers_agree(told, truth)
    want = len(truth["connections"]), sum(c["exchanges"] for c in truth["connections"].values())
    for told in events:
        stop = told.named("stop")[0]
        got = stop["mispair.sockets.tracked"], stop["mispair.requests"]
        check(got == want, f"{got} connections and requests in all, not {want}")
    return f"{want[0]} connections, {want[1]} requests"


def open_connections_are_met_once(context):
    port = context.redis().port
    return open_connections_are_met(context, port,
                                    context.workload("shared_descriptors.py", "--port", port))


def open_connections_in_another_network_namespace_are_met(context):
    """A container has one of its own; here it has its own server as well."""
    port = 6399
    script = ('ip link set lo up && cd "$0" || exit 1; '
              f'redis-server --port {port} --bind 127.0.0.1 --save "" --unixsocket ready '
              '>/dev/null & server=$!; until [ -S ready ]; do sleep 0.05; done; '
              '"$@"; kill $server')
    command = ["unshare", "--net", "sh", "-c", script, context.directory,
               *context.workload("shared_descriptors.py", "--port", port)]
    return open_connections_are_met(context, port, command)


# Ends a connection each, in ways after which the kernel has forgotten whose it was.
DISCONNECTS = r"""
import ctypes, json, socket, struct, sys
ports = {}
for way in ("linger", "unspecified"):
    client = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    client.sendall(b"PING\r\n")
    client.recv(64)
    ports[way] = client.getsockname()[1]
    if way == "linger":
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    elif ctypes.CDLL(None).connect(client.fileno(), struct.pack("H14x", socket.AF_UNSPEC), 16):
        sys.exit("connect() to AF_UNSPEC failed")
    client.close()
print(json.dumps(ports))
"""


def a_socket_keeps_the_addresses_that_it_had(context):
    port = context.redis().port
    trace = context.trace("--ledgers", "--port", port)
    done = subprocess.run([sys.executable, "-c", DISCONNECTS, str(port)], stdout=subprocess.PIPE,
                          check=True)
    ledgers = trace.finish().named("connection.ledger")
    told = {(l["network.local.address"], l.get("network.local.port"), l["network.peer.address"],
             l.get("network.peer.port")) for l in ledgers}
    want = {("127.0.0.1", local, "127.0.0.1", port) for local in json.loads(done.stdout).values()}
    check(told == want, f"told {told}, not {want}")
    return "after SO_LINGER 0 and a connect() to AF_UNSPEC"


def metric(path, name):
    """A number of the metrics; None: it is not there yet."""
    if not path.exists():
        return None
    found = re.search(rf"^{re.escape(name)} (\S+)$", path.read_text(), re.M)
    return found and float(found[1])


def idle_connections_are_not_looked_at(context):
    number, path = context.amount(300), pathlib.Path(context.file("metrics.prom"))
    indexed = 'mispair_table_entries{table="index"}'
    trace = context.trace("--metrics-file", path, "--comm", "manyconn")
    many = context.keep(Many(context.binary("manyconn"), number))
    wait_until(lambda: metric(path, "mispair_sockets") == number, START_LIMIT,
               f"{number} connections are tracked")
    wait_until(lambda: metric(path, indexed) == 0, START_LIMIT, "none of them is looked at")
    check(metric(path, "mispair_sockets") == number, "they are not tracked any more")
    many.stop()
    wait_until(lambda: metric(path, "mispair_sockets") == 0, START_LIMIT, "all are gone")
    stop = trace.finish().named("stop")[0]
    total = stop["mispair.sockets.total"]
    check(total >= number, f"{total} connections in all, not {number}")
    return f"{number} connections"


class Many:
    """manyconn: idle connections, from the moment that all are open."""

    def __init__(self, binary, number):
        self.process = subprocess.Popen([str(binary), str(number)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        check(self.process.stdout.readline().startswith("ready"), "they could not be opened")

    def stop(self):
        if not self.process.stdin.closed:
            self.process.stdin.close()
            self.process.wait(START_LIMIT)
            self.process.stdout.close()


def unread_bytes_are_told_exactly(context, where, left):
    server = context.echo_server()
    option = {"v4": ("--v4-port", server.v4), "v6": ("--v6-port", server.v6),
              "unix": ("--unix-name", server.path),
              "abstract_unix": ("--unix-name", server.abstract)}[where]
    command = [context.binary("unread37"), *option, "--left", left]
    result = context.run(list(map(str, command)), "--ledgers")
    truth = result.truths[0]
    # It is closed with bytes in its queue once more: a reset, and an end all the same.
    ledgers = result.events.named("connection.ledger", truth["pid"])
    check(len(ledgers) == 1, f"{len(ledgers)} ledgers for one connection")
    check(truth["unread_at_send"] == left and truth["wrong"] == 1, f"the workload saw {truth}")
    events = result.events.named("connection.reused", truth["pid"])
    check(len(events) == 1, f"{len(events)} reused events, not one: "
          f"{result.events.lines}")
    event = events[0]
    told = event["mispair.reuse.kind"], int(event["mispair.unread_bytes"])
    check(told == ("unread", left), f"told {told}, not {('unread', left)}")
    if "unix" in where:
        path = event.get("network.peer.address")
        check(path == option[1], f"the peer is {path!r}, not {option[1]!r}")
    else:
        port = str(event["network.local.port"])
        check(port in truth["connections"], f"port {port} is not the workload's")
    return f"{left} bytes, {event['mispair.confidence']}"


def unread_bytes_on_a_connection_of_known_habits_are_likely(context, where):
    """Nothing is seen to end the wait, so a server that pushes is not ruled out: not certain.

    Many times, since a server may have read the new request before the send is looked at.
    """
    server, times = context.echo_server(), context.amount(40)
    option = {"v4": ("--v4-port", server.v4), "unix": ("--unix-name", server.path)}[where]
    command = [context.binary("unread37"), *option, "--clean", "20"]
    loop = f'for i in $(seq {times}); do "$@" || exit 1; done'
    result = context.run(["/bin/sh", "-c", loop, "sh", *map(str, command)])
    told = [(event["mispair.confidence"], int(event["mispair.unread_bytes"]))
            for event in result.events.named("connection.reused")]
    missing, skipped = times - len(told), result.events.skipped()
    unobserved = len(result.events.named("connection.unobserved"))
    check(set(told) == {("likely", 37)} and 0 <= missing <= skipped and
          (where == "unix" or missing <= unobserved),
          f"told {collections.Counter(told)}, not {times}; {unobserved} unobserved, "
          f"told as skipped: {skipped}")
    check(result.status == 3, f"exit status {result.status}")
    return f"{times} times likely, 37 bytes"


def tests():
    yield ("two_hundred_thousand_exchanges_are_counted_exactly",
           two_hundred_thousand_exchanges_are_counted_exactly)
    yield "a_socket_keeps_the_addresses_that_it_had", a_socket_keeps_the_addresses_that_it_had
    yield "idle_connections_are_not_looked_at", idle_connections_are_not_looked_at
    yield "open_connections_are_met_once", open_connections_are_met_once
    yield ("open_connections_in_another_network_namespace_are_met",
           open_connections_in_another_network_namespace_are_met)
    for name, options in MODES.items():
        yield (f"exchanges_are_counted_exactly_with_{name}",
               functools.partial(exchanges_are_counted_exactly, options=options))
    yield "a_filter_does_not_change_the_counts", a_filter_does_not_change_the_counts
    for where in ("v4", "unix"):
        yield (f"unread_bytes_on_a_connection_of_known_habits_are_likely_on_{where}",
               functools.partial(unread_bytes_on_a_connection_of_known_habits_are_likely,
                                 where=where))
    for where in ("v4", "v6", "unix", "abstract_unix"):
        for left in (1, 37, 999):
            yield (f"exactly_{left}_unread_bytes_are_reported_on_{where}",
                   functools.partial(unread_bytes_are_told_exactly, where=where, left=left))
