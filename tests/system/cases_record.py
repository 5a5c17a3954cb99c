# SPDX-License-Identifier: GPL-2.0-or-later
"""Recordings: a replay says what the live run said, byte for byte, and survives what is damaged."""

import contextlib
import functools
import json
import os
import pathlib
import shutil
import signal
import subprocess

import harness
from harness import (RUN_LIMIT, START_LIMIT, Events, Skip, accuse_nobody_wrongly, agree, check,
                     truth_of, truths_in, wait_until)

RECORDINGS = harness.TREE / "tests" / "recordings"
# The least that a BPF ring buffer can be.
TINY = 4096


def record(context, command, *options):
    """Status, the recording, the live run's events as bytes, and the truths."""
    number = len(os.listdir(context.directory))
    rec, events = context.file(f"{number}.rec"), context.file(f"{number}.json")
    done = context.command("record", "-w", rec, "--json", events, *options, "--", *command)
    stderr = done.stderr.decode(errors="replace")
    check(os.path.exists(events), f"status {done.returncode}: {stderr}")
    truths = truths_in(done.stdout.decode(errors="replace"))
    check(truths, f"the workload printed no truth, status {done.returncode}: {stderr}")
    return rec, pathlib.Path(events).read_bytes(), truths, stderr


def replay(context, rec, *options):
    return context.command("replay", rec, "--json", "-", *options)


def same_again(context, rec, live):
    done = replay(context, rec)
    check(done.returncode == 0 and not done.stderr, f"{done.returncode}: {done.stderr.decode()}")
    check(done.stdout == live, f"{difference(live, done.stdout)}")
    Events(done.stdout.decode())


def difference(live, again):
    ours, theirs = live.splitlines(), again.splitlines()
    for number, (one, other) in enumerate(zip(ours, theirs)):
        if one != other:
            return f"line {number}: live {one[:300]!r}, replayed {other[:300]!r}"
    return f"{len(ours)} lines live, {len(theirs)} replayed"


def a_replay_says_byte_for_byte_what_the_live_run_said(context, workload, options):
    rec, live, truths, _ = record(context, workload(context), "--stats", "200ms", *options)
    same_again(context, rec, live)
    return f"{len(live.splitlines())} lines from {os.path.getsize(rec)} bytes; {truths[0]['row']}"


WORKLOADS = {
    "single": (lambda c: c.workload("pyredis_single.py", "--port", c.redis().port), ()),
    "pool": (lambda c: c.workload("pyredis_pool.py", "--port", c.redis().port, "--tasks", 20,
                                  "--ops", 20), ("--ledgers",)),
    "probed": (lambda c: c.workload("pyredis_single.py", "--port", c.redis().port),
               ("--precise", "always", "--ledgers")),
    "destroyed": (lambda c: c.workload("destroyed.py", "--port", c.redis().port), ()),
    "unread": (lambda c: [str(c.binary("unread37")), "--v4-port", str(c.echo_server().v4)],
               ("--ledgers",)),
    "losses": (lambda c: c.workload("pyredis_pool.py", "--port", c.redis().port, "--tasks", 30,
                                    "--ops", 30), ("--ring-size", TINY)),
}


def a_whole_host_is_replayed_too(context):
    """trace, not run, and losses come from a stopped collector."""
    port = context.redis().port
    rec = context.file("host.rec")
    trace = context.trace("--port", port, "-w", rec, "--ledgers", "--stats", "200ms",
                          "--ring-size", TINY)
    child = subprocess.Popen(context.workload("pyredis_stock.py", "--port", port, "--wait"),
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        wait_until(lambda: trace.so_far().named("runtime", child.pid), START_LIMIT, "runtime")
        trace.process.send_signal(signal.SIGSTOP)
        child.stdin.write("go on\n")
        child.stdin.flush()
        truths_in(child.stdout.readline())
        child.wait(RUN_LIMIT)
        trace.process.send_signal(signal.SIGCONT)
        wait_until(lambda: trace.so_far().named("lost"), START_LIMIT, "the loss is told")
    finally:
        child.kill()
        child.communicate()
    events = trace.finish()
    same_again(context, rec, pathlib.Path(trace.path).read_bytes())
    return f"{len(events.all)} lines, {events.lost()} losses"


def a_replay_needs_no_privilege_and_no_bpf(context):
    """As nobody, with no capability, no /sys, and system calls of BPF and perf refused."""
    rec, live, _, _ = record(context, context.workload("pyredis_single.py", "--port",
                                                       context.redis().port))
    os.chmod(context.directory, 0o755)
    os.chmod(rec, 0o644)
    copy = context.file("mispair")
    shutil.copy(context.mispair, copy)
    os.chmod(copy, 0o755)
    if shutil.which("setpriv") is None or shutil.which("unshare") is None:
        raise Skip("setpriv and unshare are needed")
    script = ('mount -t tmpfs none /sys && exec setpriv --reuid=65534 --regid=65534 '
              '--clear-groups --inh-caps=-all --bounding-set=-all --no-new-privs "$@"')
    done = subprocess.run(["unshare", "--mount", "/bin/sh", "-c", script, "sh", copy, "replay", rec,
                           "--json", "-"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=60)
    check(done.returncode == 0, f"status {done.returncode}: {done.stderr.decode()}")
    check(done.stdout == live, difference(live, done.stdout))
    return "as nobody, without /sys"


def a_replay_of_the_text_is_the_text(context):
    rec, _, _, stderr = record(context, context.workload("pyredis_single.py", "--port",
                                                         context.redis().port))
    done = context.command("replay", rec)
    # What the recorder says of itself at the end was not said by a sink.
    live = [line for line in stderr.splitlines() if not line.startswith("mispair: recorded")]
    check(done.stdout.decode().splitlines() == live, "the text differs")
    return f"{len(live)} lines"


def a_replay_judges_what_it_sees_by_its_own_options(context):
    rec, _, truths, _ = record(context, context.workload("pyredis_single.py", "--port",
                                                         context.redis().port))
    check(truths[0]["wrong"], "the workload had no wrong answer")
    for level, status in (("reused", 3), ("never", 0)):
        done = replay(context, rec, "--fail-on", level)
        check(done.returncode == status, f"--fail-on {level} gave {done.returncode}")
    return "3 and 0"


def a_recording_in_the_tree_says_what_it_said(context, name):
    rec = RECORDINGS / f"{name}.rec"
    done = replay(context, rec)
    check(done.returncode == 0, f"{done.stderr.decode().strip()} (`make recordings` makes them "
                                f"anew when the kernel records have changed)")
    live = (RECORDINGS / f"{name}.json").read_bytes()
    check(done.stdout == live, difference(live, done.stdout))
    truth = truths_in((RECORDINGS / f"{name}.truth.json").read_text())[0]
    events = Events(done.stdout.decode())
    # Where evidence was lost, something may have been missed.
    (accuse_nobody_wrongly if events.lost() else agree)(events, truth)
    reused = len(events.named("connection.reused", truth["pid"]))
    check(bool(reused) == bool(truth["wrong"]), f"{reused} reused, {truth['wrong']} wrong answers")
    return f"{truth['wrong']} wrong answers, {reused} reused"


def a_torn_recording_is_read_up_to_the_tear(context):
    rec, live, _, _ = record(context, context.workload("pyredis_pool.py", "--port",
                                                       context.redis().port, "--tasks", 40, "--ops",
                                                       60), "--stats", "100ms")
    whole = pathlib.Path(rec).read_bytes()
    torn = context.file("torn.rec")
    seen = set()
    for cut in sorted({*range(1, len(whole), len(whole) // 40), len(whole) - 1}):
        pathlib.Path(torn).write_bytes(whole[:cut])
        done = replay(context, torn)
        check(done.returncode in (0, 1), f"cut at {cut}: status {done.returncode}")
        check(done.stderr, f"cut at {cut}: nothing is said of it")
        if not done.stdout:
            continue
        lines = done.stdout.splitlines()
        # The last lines are of the end: what was said before is a beginning of what was said live.
        stop = json.loads(lines[-1])
        check(stop["mispair.stop.reason"] == "recording ended", f"cut at {cut}: {stop}")
        Events(done.stdout.decode())
        ours = live.splitlines()
        common = 0
        while common < len(lines) and lines[common] == ours[common]:
            common += 1
        check(len(lines) - common <= 60, f"cut at {cut}: {len(lines) - common} lines differ")
        seen.add(common)
    check(len(seen) > 1, f"every cut gave the same: {seen}")
    return f"{min(seen)} to {max(seen)} of {len(live.splitlines())} lines"


def a_damaged_recording_is_refused_or_read_up_to_the_damage(context):
    rec, _, _, _ = record(context, context.workload("pyredis_single.py", "--port",
                                                    context.redis().port))
    whole = pathlib.Path(rec).read_bytes()
    bad = context.file("bad.rec")
    for at in range(0, len(whole), max(1, len(whole) // 60)):
        damaged = bytearray(whole)
        damaged[at] ^= 0x41
        pathlib.Path(bad).write_bytes(damaged)
        done = replay(context, bad)
        check(done.returncode in (0, 1) and done.stderr, f"byte {at}: status {done.returncode}")
    for text in (b"", b"{}\n", b"MISPAIR\x1a", whole[:100]):
        pathlib.Path(bad).write_bytes(text)
        done = replay(context, bad)
        check(done.returncode == 1 and done.stderr and not done.stdout, f"{text[:20]!r} is read")
    done = replay(context, context.file("no-such-file"))
    check(done.returncode == 1 and b"no-such-file" in done.stderr, "a missing file")
    return f"{len(whole)} bytes"


@contextlib.contextmanager
def small_disk(size):
    """A file system of so many bytes, in a directory of its own."""
    directory = harness.tempfile.mkdtemp(prefix="mispair-disk-")
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", directory], check=True)
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", directory], check=True)
        os.rmdir(directory)


def a_full_disk_ends_the_recording_and_not_the_run(context):
    with small_disk("64k") as disk:
        rec, events = os.path.join(disk, "a.rec"), context.file("a.json")
        with open(os.path.join(disk, "filler"), "wb") as filler:
            filler.write(bytes(56 << 10))
        # The load ends after the second of recording that fills what is left.
        done = context.command("record", "-w", rec, "--json", events, "--ledgers", "--",
                               *context.workload("pyredis_pool.py", "--port", context.redis().port,
                                                 "--tasks", 60, "--ops", 200))
        stderr = done.stderr.decode()
        check(done.returncode == 0, f"status {done.returncode}: {stderr}")
        check(stderr.count("cannot write the recording") == 1, f"not said once: {stderr[-500:]}")
        seen = Events(pathlib.Path(events).read_text())
        check(seen.all[-1]["mispair.lost.sink"] > 0, "the loss is not counted")
        again = replay(context, rec)
        check(again.returncode == 0 and b"no end" in again.stderr or not again.stdout,
              f"{again.returncode}: {again.stderr}")
    truth = truths_in(done.stdout.decode())[0]
    agree(seen, truth)
    return f"{seen.all[-1]['mispair.lost.sink']} lost, {truth['wrong']} wrong answers told"


def a_recording_ends_at_its_greatest_size(context):
    """The run ends by itself, and its end is in the recording."""
    rec = context.file("big.rec")
    port = context.redis().port
    trace = context.trace("--port", port, "-w", rec, "--max-size", "512K", "--precise", "always",
                          "--ledgers")
    while trace.process.poll() is None:
        truth_of(context.workload("pyredis_pool.py", "--port", port, "--tasks", 60, "--ops", 60))
    size = os.path.getsize(rec)
    check(size <= 512 << 10, f"{size} bytes")
    check("--max-size was reached" in trace.stderr(), f"nothing is said of it: {trace.stderr()}")
    live = pathlib.Path(trace.path).read_bytes()
    check(json.loads(live.splitlines()[-1])["mispair.stop.reason"] == "recording full",
          "the run did not end for it")
    same_again(context, rec, live)
    return f"{size} bytes, {len(live.splitlines())} lines"


def the_flight_recorder_keeps_what_led_to_a_finding(context):
    """Two findings, more apart than it remembers, in a stream of correct exchanges."""
    port = context.redis().port
    rec, events = context.file("flight.rec"), context.file("flight.json")
    single = " ".join(context.workload("pyredis_single.py", "--port", port, "--timings", 2))
    stock = " ".join(context.workload("pyredis_single.py", "--port", port, "--stock"))
    script = (f"{stock}; sleep 3; {stock}; {single}; sleep 5; {stock}; sleep 2; {single}; sleep 3;"
              f"{stock}")
    done = context.command("record", "-w", rec, "--keep", "1s", "--json", events, "--", "/bin/sh",
                           "-c", script)
    check(done.returncode == 0, done.stderr.decode())
    live = Events(pathlib.Path(events).read_text())
    again = Events(replay(context, rec).stdout.decode())
    wanted, got = [[(event["time_unix_nano"], event["event.name"], event["mispair.socket.cookie"])
                    for event in events.alarms()] for events in (live, again)]
    check(wanted and got == wanted, f"{len(wanted)} alarms live, {len(got)} replayed")
    check(again.all[0]["process.command_line"] == live.all[0]["process.command_line"], "start")
    names = {event.get("process.executable.name") for event in again.alarms()}
    check(all(name and "python" in name for name in names), f"processes: {names}")
    check(not again.named("lost"), f"what was lost before is lost again: {again.named('lost')}")
    quiet = context.file("quiet.rec")
    done = context.command("record", "-w", quiet, "--keep", "1s", "--",
                           *context.workload("pyredis_single.py", "--port", port, "--stock"))
    check(b"no finding" in done.stderr and os.path.getsize(quiet) < 200, "it wrote without cause")
    return f"{len(got)} alarms in {os.path.getsize(rec)} bytes"


def a_recording_is_private_and_follows_no_link(context):
    rec = context.file("private.rec")
    done = context.command("record", "-w", rec, "--", "true")
    check(done.returncode == 0 and os.stat(rec).st_mode & 0o777 == 0o600, "mode")
    os.symlink(context.file("target"), context.file("link"))
    done = context.command("record", "-w", context.file("link"), "--", "true")
    check(done.returncode == 1 and done.stderr, f"status {done.returncode}")
    check(not os.path.exists(context.file("target")), "it was written through the link")
    return "0600"


def tests():
    for name, (workload, options) in WORKLOADS.items():
        yield (f"a_replay_says_byte_for_byte_what_the_live_run_said_{name}",
               functools.partial(a_replay_says_byte_for_byte_what_the_live_run_said,
                                 workload=workload, options=options))
    for path in sorted(RECORDINGS.glob("*.rec")):
        yield (f"a_recording_in_the_tree_says_what_it_said_{path.stem}",
               functools.partial(a_recording_in_the_tree_says_what_it_said, name=path.stem))
    for function in (a_whole_host_is_replayed_too, a_replay_needs_no_privilege_and_no_bpf,
                     a_replay_of_the_text_is_the_text,
                     a_replay_judges_what_it_sees_by_its_own_options,
                     a_torn_recording_is_read_up_to_the_tear,
                     a_damaged_recording_is_refused_or_read_up_to_the_damage,
                     a_full_disk_ends_the_recording_and_not_the_run,
                     a_recording_ends_at_its_greatest_size,
                     the_flight_recorder_keeps_what_led_to_a_finding,
                     a_recording_is_private_and_follows_no_link):
        yield function.__name__, function
