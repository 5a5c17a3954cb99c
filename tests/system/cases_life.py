# SPDX-License-Identifier: GPL-2.0-or-later
"""Start, exit codes, probe and every way to end."""

import json
import os
import pathlib
import re
import select
import signal
import subprocess
import sys

from harness import DEBIAN_PYTHON, START_LIMIT, Events, check, truth_of, wait_until

KINDS = ("prog", "map", "link")


def bpf_objects(kind):
    """Ids of all BPF objects of a kind on this host."""
    listing = subprocess.run(["bpftool", "-j", kind, "show"], check=True,
                             stdout=subprocess.PIPE).stdout
    return {entry["id"] for entry in json.loads(listing or "[]")}


def own_bpf_objects(pid):
    """What a process holds, by its descriptors: other BPF users of this host do not count."""
    held = {kind: set() for kind in KINDS}
    for info in pathlib.Path(f"/proc/{pid}/fdinfo").iterdir():
        try:
            text = info.read_text()
        except FileNotFoundError:  # closed since it was listed
            continue
        for kind, number in re.findall(r"^(prog|map|link)_id:\s*(\d+)$", text, re.M):
            held[kind].add(int(number))
    return held


def pinned():
    return {os.path.join(directory, name) for directory, _, names in os.walk("/sys/fs/bpf")
            for name in names if "mispair" in os.path.join(directory, name)}


def nothing_is_left(held):
    return not any(held[kind] & bpf_objects(kind) for kind in KINDS)


def after_sigkill_nothing_is_left_in_the_kernel(context):
    port = context.redis().port
    before = pinned()
    trace = context.trace()
    # A Python process, so that probes on it are attached too if there are any.
    truth_of(context.workload("pyredis_single.py", "--port", port, "--timings", 5))
    held = own_bpf_objects(trace.process.pid)
    check(held["prog"] and held["map"] and held["link"], f"a tracer that holds only {held}")
    trace.process.kill()
    trace.process.wait()
    # The kernel frees them after a grace period of its own.
    wait_until(lambda: nothing_is_left(held), START_LIMIT, "the kernel frees mispair's objects")
    left = pinned() - before
    check(not left, f"pinned files are left: {left}")
    return ", ".join(f"{len(held[kind])} {kind}s" for kind in KINDS)


def the_last_line_is_stop_after(context, number):
    port = context.redis().port
    trace = context.trace()
    truth_of(context.workload("pyredis_single.py", "--port", port, "--timings", 5))
    events = trace.finish(number)
    check(trace.process.returncode == 0, f"status {trace.process.returncode}: {trace.stderr()}")
    names = [event["event.name"] for event in events.all]
    check(names.count("mispair.start") == names.count("mispair.stop") == 1, f"events: {names}")
    return f"{len(names)} events"


def run_ends_with_the_commands_own_status(context):
    for script, status in (("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 128 + 9)):
        done = context.command("run", "--", "/bin/sh", "-c", script)
        check(done.returncode == status, f"{script!r} gave {done.returncode}, not {status}")
    return "0, 7 and 137"


def fail_on_turns_a_finding_into_status_3(context):
    port = context.redis().port
    wrong = context.workload("pyredis_single.py", "--port", port)
    stock = context.workload("pyredis_single.py", "--port", port, "--stock")
    for level, command, status in (("reused", wrong, 3), ("dirty", wrong, 3),
                                   ("abandoned", wrong, 3), ("never", wrong, 0),
                                   ("reused", stock, 0), ("dirty", stock, 0)):
        done = context.command("run", "--fail-on", level, "--", *command)
        name = "stock" if command is stock else "the bug"
        check(done.returncode == status,
              f"--fail-on {level} with {name} gave {done.returncode}, not {status}")
    return "six combinations"


def run_follows_a_grandchild_from_its_first_instruction(context):
    command = context.workload("pyredis_single.py", "--port", context.redis().port)
    result = context.run(["/bin/sh", "-c", 'sh -c \'"$@"; true\' sh "$@"; true', "sh", *command])
    truth = result.truths[0]
    check(result.events.named("connection.reused", truth["pid"]), "the grandchild is not followed")
    return f"pid {truth['pid']}"


def run_leaves_other_processes_alone(context):
    """The same bug in a process that is not a child of the command."""
    port = context.redis().port
    path = context.file("other.json")
    mispair = subprocess.Popen(context.argv("run", "--json", path, "--", "/bin/cat"),
                               stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: os.path.exists(path) and pathlib.Path(path).read_text(), 20, "start")
        truth = truth_of(context.workload("pyredis_single.py", "--port", port))[0]
        mispair.stdin.close()
        mispair.wait(20)
    finally:
        mispair.kill()
        mispair.wait()
    events = Events(pathlib.Path(path).read_text())
    check(not [e for e in events.all if e.get("process.pid") == truth["pid"]],
          "a process that is not below the command is in the events")
    return f"pid {truth['pid']} is not there"


def standard_output_carries_nothing_but_events(context):
    """The command's own output must not end up between them."""
    done = context.command("run", "--json", "-", "--", "/bin/sh", "-c", "echo words >&2")
    Events(done.stdout.decode())
    return f"{len(done.stdout.splitlines())} lines"


def a_closed_pipe_ends_quietly(context):
    mispair = subprocess.Popen(context.argv("trace", "--json", "-"),
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    try:
        ready, _, _ = select.select([mispair.stdout], [], [], START_LIMIT)
        check(ready, "no line on standard output")
        first = mispair.stdout.readline()
        check(b"mispair.start" in first, f"the first line is {first!r}")
        mispair.stdout.close()
        status = mispair.wait(20)
        stderr = mispair.stderr.read().decode()
    finally:
        mispair.kill()
        mispair.wait()
        mispair.stderr.close()
    check(status >= 0, f"ended by signal {-status}")
    check("broken pipe" not in stderr.lower(), f"it complains: {stderr}")
    return f"status {status}"


def the_event_file_is_private(context):
    path = context.file("private.json")
    done = context.command("run", "--json", path, "--", "true")
    check(done.returncode == 0, f"status {done.returncode}: {done.stderr!r}")
    mode = os.stat(path).st_mode & 0o777
    check(mode == 0o600, f"mode {mode:o}")
    return "0600"


def probe_says_which_tier_and_why_not_the_others(context):
    done = context.command("probe")
    text = done.stdout.decode()
    check(done.returncode == 0, f"status {done.returncode}: {done.stderr!r}")
    for tier in ("tp_btf", "fexit", "kprobe"):
        lines = [line for line in text.splitlines() if tier in line]
        check(lines, f"probe does not mention {tier}:\n{text}")
        check(any(len(line.split()) > 1 for line in lines), f"probe says nothing about {tier}")
    return "tp_btf, fexit, kprobe"


def probe_describes_a_python_process(context):
    child = subprocess.Popen([DEBIAN_PYTHON, "-c", "import asyncio; print(); input()"],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        child.stdout.readline()
        done = context.command("probe", child.pid)
    finally:
        child.kill()
        child.communicate()
    text = done.stdout.decode()
    check(done.returncode == 0, f"status {done.returncode}: {done.stderr!r}")
    version = "%d.%d" % sys.version_info[:2]
    check("python" in text.lower() and version in text, f"no CPython {version} in:\n{text}")
    return f"CPython {version}"


def tests():
    yield ("after_sigkill_nothing_is_left_in_the_kernel",
           after_sigkill_nothing_is_left_in_the_kernel)
    for number in (signal.SIGINT, signal.SIGTERM):
        yield (f"the_last_line_is_stop_after_{number.name.lower()}",
               lambda context, number=number: the_last_line_is_stop_after(context, number))
    for function in (run_ends_with_the_commands_own_status, fail_on_turns_a_finding_into_status_3,
                     run_follows_a_grandchild_from_its_first_instruction,
                     run_leaves_other_processes_alone, standard_output_carries_nothing_but_events,
                     a_closed_pipe_ends_quietly, the_event_file_is_private,
                     probe_says_which_tier_and_why_not_the_others,
                     probe_describes_a_python_process):
        yield function.__name__, function
