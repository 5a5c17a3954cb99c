# SPDX-License-Identifier: GPL-2.0-or-later
"""How far each process is watched: by real programs of each kind, and each with its reason."""

import functools
import os
import pathlib
import shutil
import signal
import subprocess

from cases_process import go
from harness import DEBIAN_PYTHON, RUN_LIMIT, START_LIMIT, Events, Skip, check, end, wait_until

# A task that asks ten times. Each program takes the port as its last word, and ends when its
# standard input does, which is when what is waited for was said of it.
ASYNCIO = """
import asyncio, sys
async def ask():
    reader, writer = await asyncio.open_connection("127.0.0.1", int(sys.argv[1]))
    for _ in range(10):
        writer.write(b"PING\\r\\n")
        await reader.readline()
        await asyncio.sleep(0.02)
    writer.close()
async def main():
    await asyncio.create_task(ask())
asyncio.run(main())
sys.stdin.read()
"""
# It has loaded asyncio, and a thread asks.
LOADED = """
import asyncio, socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as client:
    client.sendall(b"PING\\r\\n")
    client.recv(64)
    sys.stdin.read()
"""
THREADS = LOADED.replace("asyncio, ", "")
# It waits in epoll, with a timeout.
EPOLL = """
import select, socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as client, select.epoll() as poll:
    poll.register(client, select.EPOLLIN)
    poll.register(sys.stdin, select.EPOLLIN)
    client.sendall(b"PING\\r\\n")
    while all(fd == client.fileno() and client.recv(64) for fd, _ in poll.poll(0.1)):
        pass
"""
NODE = """
const c = require('net').connect(+process.argv[1], '127.0.0.1', () => c.write('PING\\r\\n'));
process.stdin.on('end', () => c.end()).resume();
"""
RUBY = """
require 'socket'
c = TCPSocket.new('127.0.0.1', ARGV[0].to_i)
c.write("PING\\r\\n")
c.readline
STDIN.read
"""
# FILE, TEXT and a command: its input ends when FILE has TEXT, or after half a minute.
UNTIL_SAID = ('file=$1 text=$2; shift 2; i=0; until [ $i = 300 ] || grep -q "$text" "$file"; do '
              'sleep 0.1; i=$((i + 1)); done | "$@"')
NOTHING_FOUND = ("none\n", "none; where only threads", "none where it could look")


def program(name, *words):
    path = shutil.which(name)
    if path is None:
        raise Skip(f"{name} is not installed")
    return [path, *words]


def python(text):
    return lambda context: [DEBIAN_PYTHON, "-c", text]


def watched(context, command, *options, reason=""):
    """What one run said of the one process with connections, the run's summary and its status.

    The process ends when REASON was said, or for any reason where none is given.
    """
    path = context.file(f"watched-{len(os.listdir(context.directory))}.json")
    done = context.command("run", "--json", path, *options, "--", "/bin/sh", "-c", UNTIL_SAID, "sh",
                           path, f'coverage.reason":"{reason}', *command,
                           str(context.redis().port))
    events = Events(pathlib.Path(path).read_text())
    told = events.named("coverage")
    check(told, f"nothing was said of it: status {done.returncode}, {done.stderr.decode()}")
    return told, events, done


def the_level_is(context, command, level, reason, runtime=None):
    told, events, done = watched(context, command(context), reason=reason)
    last, stop = told[-1], events.all[-1]
    check((last["mispair.coverage.level"], last["mispair.coverage.reason"]) == (level, reason),
          f"it is {last}")
    check(last.get("process.runtime.name") == runtime, f"its runtime is wrong: {last}")
    check(len({event["process.pid"] for event in told}) == 1, f"several processes: {told}")
    check(stop[f"mispair.processes.{level}"] == 1 and
          sum(stop[f"mispair.processes.{name}"] for name in ("full", "thread", "blind")) == 1,
          f"counted as {stop}")
    groups = stop["mispair.coverage.groups"]
    check([(group["level"], group["reason"], group["processes"]) for group in groups] ==
          [(level, reason, 1)], f"grouped as {groups}")
    summary = done.stderr.decode()
    says = NOTHING_FOUND[("full", "thread", "blind").index(level)]
    check(f"  findings       {says}" in summary, f"the summary says otherwise:\n{summary}")
    return last["mispair.coverage.text"]


def newer_python(context, *options):
    """CPython whose tasks nobody may know yet: what is said of it agrees with the evidence."""
    root = subprocess.run(program("pyenv", "root"), check=True, stdout=subprocess.PIPE,
                          text=True).stdout.strip()
    found = sorted(pathlib.Path(root, "versions").glob("3.1[2-9].*/bin/python3"))
    if not found:
        raise Skip("pyenv has no CPython after 3.11")
    told, events, _ = watched(context, [str(found[-1]), "-c", ASYNCIO], *options)
    runtime = events.named("runtime")[-1]
    return told[-1], runtime["mispair.runtime.evidence"]


def a_newer_cpython_is_watched_as_its_evidence_allows(context):
    last, evidence = newer_python(context)
    wanted = {"memory": ("full", "tasks"), "memory+probe": ("full", "tasks"),
              "probe": ("thread", "probed"), "none": ("blind", "runtime")}[evidence]
    check((last["mispair.coverage.level"], last["mispair.coverage.reason"]) == wanted,
          f"evidence {evidence}: {last}")
    return f"evidence {evidence}: {wanted[0]}"


def a_runtime_that_may_neither_be_read_nor_probed_is_blind(context):
    command = [DEBIAN_PYTHON, "-c", ASYNCIO]
    told, _, done = watched(context, command, "--no-memory", "--precise", "never", "--strict",
                            reason="runtime")
    last = told[-1]
    check((last["mispair.coverage.level"], last["mispair.coverage.reason"]) ==
          ("blind", "runtime"), f"it is {last}")
    check(done.returncode == 6, f"--strict ended with {done.returncode}")
    # The same run without --strict, and a strict one that could look.
    _, _, done = watched(context, command, "--no-memory", "--precise", "never")
    check(done.returncode == 0, f"without --strict it ended with {done.returncode}")
    _, events, done = watched(context, command, "--strict", reason="tasks")
    check(done.returncode == (6 if events.lost() else 0),
          f"watched in full, and --strict ended with {done.returncode}: {events.named('lost')}")
    return "status 6"


def who_ends_while_nobody_looks_is_blind(context):
    """mispair is stopped: what it then finds in its ring is of a process that has gone."""
    port = context.redis().port
    trace = context.trace("--port", port)
    trace.process.send_signal(signal.SIGSTOP)
    client = subprocess.Popen([context.binary("launcher"), str(port), "--at-once"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    client.wait(START_LIMIT)
    trace.process.send_signal(signal.SIGCONT)
    wait_until(lambda: trace.so_far().named("coverage", client.pid), START_LIMIT,
               "something is said of it")
    event = trace.finish().named("coverage", client.pid)[-1]
    check((event["mispair.coverage.level"], event["mispair.coverage.reason"]) ==
          ("blind", "gone"), f"it is {event}")
    return event["mispair.coverage.text"]


def connections_older_than_the_run_are_blind_until_they_rest(context):
    port = context.redis().port
    client = subprocess.Popen([context.binary("launcher"), str(port), "--hold"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        check(client.stdout.readline().strip() == b"ready", "it did not connect")
        trace = context.trace("--port", port)
        wait_until(lambda: trace.so_far().named("coverage", client.pid), START_LIMIT,
                   "something is said of it")
        event = trace.finish().named("coverage", client.pid)[-1]
    finally:
        end(client)
        client.stdin.close()
        client.stdout.close()
    check((event["mispair.coverage.level"], event["mispair.coverage.reason"]) ==
          ("blind", "adopted"), f"it is {event}")
    return event["mispair.coverage.text"]


def said(events):
    """All that was said of processes, without the times."""
    keys = [{key: value for key, value in event.items() if not key.startswith("time")}
            for event in events.named("coverage")]
    stop = events.all[-1]
    return keys, {key: value for key, value in stop.items()
                  if key.startswith(("mispair.processes", "mispair.coverage"))}


def a_replay_says_the_same_of_each_process(context):
    recording, path = context.file("watched.rec"), context.file("replayed.json")
    _, events, _ = watched(context, [DEBIAN_PYTHON, "-c", ASYNCIO], "-w", recording)
    done = context.command("replay", recording, "--json", path)
    check(done.returncode == 0, done.stderr.decode())
    again = Events(pathlib.Path(path).read_text())
    check(said(events) == said(again), f"{said(events)}\n{said(again)}")
    return f"{len(events.named('coverage'))} events"


def a_flight_recording_knows_who_was_there_before(context):
    """The ring has lost the process's beginning when a finding makes it a file."""
    redis = context.redis()
    recording, path = context.file("flight.rec"), context.file("flight.json")
    done = context.command("record", "-w", recording, "--keep", "1s", "--quiet", "--json",
                           context.file("live.json"), "--",
                           *context.workload("pyredis_single.py", "--port", redis.port, "--settle",
                                             "2", "--clean", "20"))
    check(b"recorded" in done.stderr, f"nothing was recorded: {done.stderr.decode()}")
    done = context.command("replay", recording, "--json", path)
    again = Events(pathlib.Path(path).read_text())
    levels = {event["mispair.coverage.level"] for event in again.named("coverage")}
    check(levels == {"full"}, f"the recording knows {again.named('coverage')}")
    return "as it was"


def tests():
    case = functools.partial
    programs = {
        "asyncio": (python(ASYNCIO), "full", "tasks", "cpython"),
        "go": (go, "full", "goroutines", "go"),
        "a_c_program": (lambda context: [str(context.binary("launcher"))], "full", "threads"),
        "python_without_asyncio": (python(THREADS), "full", "threads", "cpython"),
        "asyncio_that_is_loaded_and_idle": (python(LOADED), "thread", "unproved", "cpython"),
        "node": (lambda context: program("node", "-e", NODE), "thread", "no_owners", "node"),
        "ruby": (lambda context: program("ruby", "-e", RUBY), "thread", "no_owners", "ruby"),
        "an_event_loop": (python(EPOLL), "thread", "event_loop", "cpython"),
        "a_process_without_its_first_thread": (
            lambda context: [str(context.binary("headless"))], "blind", "unreadable"),
    }
    for name, (command, *wanted) in programs.items():
        yield (f"how_far_it_is_watched_is_told_of_{name}",
               case(lambda context, how, want: the_level_is(context, how, *want), how=command,
                    want=wanted))
    for function in (a_newer_cpython_is_watched_as_its_evidence_allows,
                     a_runtime_that_may_neither_be_read_nor_probed_is_blind,
                     who_ends_while_nobody_looks_is_blind,
                     connections_older_than_the_run_are_blind_until_they_rest,
                     a_replay_says_the_same_of_each_process,
                     a_flight_recording_knows_who_was_there_before):
        yield function.__name__, function
