# SPDX-License-Identifier: GPL-2.0-or-later
"""Event files, local sockets and the system's log: no line is lost without being counted."""

import fcntl
import json
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import threading
import time

from cases_record import replay, small_disk
from harness import START_LIMIT, Events, check, end, truth_of, wait_until


def load(context, port, **how):
    """Some thousand findings and ledgers."""
    options = {"tasks": 60, "ops": 60} | how
    return context.workload("pyredis_pool.py", "--port", port, "--tasks", options["tasks"], "--ops",
                            options["ops"])


def rotated(path):
    """The text of FILE.N to FILE.1 and FILE, in the order in which it was written."""
    old = sorted(pathlib.Path(path).parent.glob(os.path.basename(path) + ".[0-9]*"),
                 key=lambda p: -int(p.suffix[1:]))
    return [p.read_bytes() for p in old if p.suffix[1:].isdigit()] + [
        pathlib.Path(path).read_bytes()]


def rotation_under_load_loses_no_line(context):
    """What there was to write is in the recording of the same run."""
    rec, path = context.file("all.rec"), context.file("events.json")
    done = context.command("record", "-w", rec, "--json", path, "--rotate-size", "8K",
                           "--rotate-count", "1000", "--ledgers", "--stats", "50ms", "--",
                           *load(context, context.redis().port))
    check(done.returncode == 0, done.stderr.decode())
    parts = rotated(path)
    check(len(parts) > 10, f"only {len(parts)} files")
    check(all(len(part) <= 8192 for part in parts), "a file is larger than asked for")
    check(all(part.endswith(b"\n") for part in parts), "a line was cut in two")
    whole = b"".join(parts)
    check(whole == replay(context, rec).stdout, "what was written is not what there was to write")
    Events(whole.decode())
    modes = {os.stat(name).st_mode & 0o777
             for name in pathlib.Path(path).parent.glob("events.json*")}
    check(modes == {0o600}, f"modes {modes}")
    return f"{len(whole.splitlines())} lines in {len(parts)} files"


def no_more_old_files_are_kept_than_asked_for(context):
    path = context.file("events.json")
    done = context.command("run", "--json", path, "--rotate-size", "4K", "--rotate-count", "2",
                           "--fail-on", "never", "--", *load(context, context.redis().port))
    check(done.returncode == 0, done.stderr.decode())
    names = sorted(p.name for p in pathlib.Path(path).parent.glob("events.json*"))
    check(names == ["events.json", "events.json.1", "events.json.2"], f"files {names}")
    check(json.loads(rotated(path)[-1].splitlines()[-1])["event.name"] == "mispair.stop", "the end")
    return ", ".join(names)


def sighup_under_load_loses_no_line(context):
    """As logrotate does it: rename, then SIGHUP."""
    rec, port = context.file("all.rec"), context.redis().port
    trace = context.trace("--port", port, "-w", rec, "--ledgers", "--stats", "50ms")
    work = subprocess.Popen(load(context, port, ops=150), stdout=subprocess.DEVNULL)
    parts = []
    try:
        while work.poll() is None:
            name = f"{trace.path}.{len(parts)}"
            os.rename(trace.path, name)
            trace.process.send_signal(signal.SIGHUP)
            wait_until(lambda: os.path.exists(trace.path), START_LIMIT, "the new file")
            parts.append(name)
            time.sleep(0.02)
    finally:
        work.kill()
        work.wait()
    trace.process.send_signal(signal.SIGINT)
    trace.process.wait(START_LIMIT)
    whole = b"".join(pathlib.Path(name).read_bytes() for name in [*parts, trace.path])
    check(len(parts) > 5, f"only {len(parts)} files")
    check(whole == replay(context, rec).stdout, "what was written is not what there was to write")
    return f"{len(whole.splitlines())} lines, {len(parts)} times SIGHUP"


def short_connections(count):
    """They end by a reset, and leave no port in TIME_WAIT."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        for _ in range(count):
            client = socket.create_connection(server.getsockname())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            peer, _ = server.accept()
            client.close()
            peer.close()


def a_reader_of_standard_output_who_sleeps_holds_nothing_up(context):
    """More lines than there is room for; what was lost is in the events and the metrics."""
    count, metrics = context.amount(12000), context.file("m.prom")
    mispair = subprocess.Popen(
        context.argv("trace", "--json", "-", "--ledgers", "--stats", "200ms", "-p", os.getpid(),
                     "--metrics-file", metrics),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    fcntl.fcntl(mispair.stdout, fcntl.F_SETPIPE_SZ, 4096)
    try:
        check(b"mispair.start" in mispair.stdout.readline(), "no start")
        lost = 0
        while not lost:
            short_connections(count)
            time.sleep(1.5)  # three passes, each of which writes the metrics
            found = re.search(r'events_lost_total{reason="sink"} (\d+)',
                              pathlib.Path(metrics).read_text())
            lost = int(found[1]) if found else 0
        mispair.send_signal(signal.SIGINT)
        rest, complaint = mispair.communicate(timeout=START_LIMIT)
    finally:
        end(mispair)
    events = Events(rest.decode(), whole=False)
    stop = events.all[-1]
    check(stop["event.name"] == "mispair.stop", "its last word is missing")
    check(stop["mispair.lost.sink"] >= lost, f"stop says {stop['mispair.lost.sink']}, not {lost}")
    check(complaint.count(b"read too slowly") >= 1, complaint.decode())
    check([e for e in events.named("lost") if e["mispair.lost.reason"] == "sink"],
          "no event says that others were lost")
    return f"{len(events.all)} lines, {stop['mispair.lost.sink']} lost"


def sighup_without_a_file_is_an_end(context):
    mispair = subprocess.Popen([str(context.mispair), "trace", "--port", "1", "--json", "-"],
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        first = mispair.stdout.readline()
        mispair.send_signal(signal.SIGHUP)
        rest, _ = mispair.communicate(timeout=START_LIMIT)
    finally:
        mispair.kill()
        mispair.wait()
    events = Events((first + rest).decode())
    check(events.all[-1]["mispair.stop.reason"] == "SIGHUP", "another reason")
    return "SIGHUP"


def a_file_that_cannot_be_opened_anew_stays_the_old_one(context):
    trace = context.trace("--port", 1)
    old = trace.path + ".old"
    os.rename(trace.path, old)
    os.symlink("/nowhere/at/all", trace.path)
    trace.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "old file stays" in trace.stderr(), START_LIMIT, "it is said")
    os.unlink(trace.path)
    trace.process.send_signal(signal.SIGINT)
    trace.process.wait(START_LIMIT)
    Events(pathlib.Path(old).read_text())
    return trace.stderr().strip().splitlines()[0][-60:]


def a_full_disk_is_survived_and_the_loss_told(context):
    """Full, then room again: what came in between is counted, in stats and in the metrics."""
    port = context.redis().port
    with small_disk("256k") as disk:
        path, metrics = os.path.join(disk, "events.json"), context.file("metrics.prom")
        rec, filler = context.file("all.rec"), os.path.join(disk, "filler")
        with open(filler, "wb") as file:
            file.write(bytes(200 << 10))
        with open(context.file("stderr"), "w+") as stderr:
            mispair = subprocess.Popen(
                [str(context.mispair), "trace", "--json", path, "-w", rec, "--ledgers", "--stats",
                 "100ms", "--metrics-file", metrics, "--port", str(port)], stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=stderr)
            try:
                wait_until(lambda: os.path.exists(path) and os.path.getsize(path), START_LIMIT,
                           "the first line")
                truth_of(load(context, port))
                message = pathlib.Path(context.file("stderr")).read_text()
                check(message.count("No space left") == 1, f"not said once: {message[-300:]!r}")
                os.unlink(filler)
                wait_until(lambda: "written to again" in
                           pathlib.Path(context.file("stderr")).read_text(), START_LIMIT,
                           "it goes on")
                mispair.send_signal(signal.SIGINT)
                mispair.wait(START_LIMIT)
            finally:
                mispair.kill()
                mispair.wait()
        lines = pathlib.Path(path).read_bytes().splitlines()
    wanted = replay(context, rec).stdout.splitlines()
    whole = [line for line in lines if line.endswith(b"}")]
    stop = json.loads(whole[-1])
    lost = stop["mispair.lost.sink"]
    check(lost > 0 and len(wanted) - len(whole) == lost,
          f"{len(wanted)} lines to write, {len(whole)} written, {lost} lost")
    check(set(whole) <= set(wanted), "a line that was never to be written")
    check(len(lines) - len(whole) <= 1, f"{len(lines) - len(whole)} torn lines")
    text = pathlib.Path(metrics).read_text()
    check(f'mispair_events_lost_total{{reason="sink"}} {lost}' in text, "not in the metrics")
    return f"{len(wanted)} lines, {lost} lost and counted"


def connect(path):
    client = socket.socket(socket.AF_UNIX)
    client.connect(path)
    return client


def readers_of_the_socket_get_every_line(context):
    """Two readers; one comes late and still gets the start."""
    path, rec = context.file("events.sock"), context.file("all.rec")
    port = context.redis().port
    trace = context.trace("--port", port, "--socket", path, "-w", rec, "--ledgers")
    first, got = connect(path), []
    reader = threading.Thread(target=lambda: got.append(first.makefile("rb").read()))
    reader.start()
    time.sleep(0.2)
    truth_of(load(context, port, ops=20))
    late = connect(path)
    time.sleep(0.2)
    check(os.stat(path).st_mode & 0o777 == 0o600, "mode")
    trace.finish()
    reader.join(START_LIMIT)
    rest = late.makefile("rb").read()
    for client in (first, late):
        client.close()
    check(got[0] == pathlib.Path(trace.path).read_bytes(), "the socket and the file differ")
    Events(rest.decode())
    check(not os.path.exists(path), "the socket is left behind")
    return f"{len(got[0].splitlines())} and {len(rest.splitlines())} lines"


def a_reader_that_does_not_read_costs_its_own_lines_only(context):
    path = context.file("events.sock")
    port = context.redis().port
    trace = context.trace("--port", port, "--socket", path, "--ledgers", "--stats", "50ms")
    lazy = connect(path)
    lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    wait_for = 0
    while not trace.so_far().named("lost") and wait_for < 40:
        truth_of(load(context, port))
        wait_for += 1
    events = trace.finish()
    lost = events.all[-1]["mispair.lost.sink"]
    check(lost > 0, "nothing was lost for it")
    text = lazy.makefile("rb").read()
    lazy.close()
    whole = text[:text.rfind(b"\n") + 1]
    got = Events(whole.decode(), whole=False)
    check(len(got.all) < len(events.all), "it got everything")
    check(len(events.all) - len(got.all) >= lost - 2, "more were counted than are missing")
    check(set(whole.splitlines()) <= set(pathlib.Path(trace.path).read_bytes().splitlines()),
          "half a line was continued by another")
    return f"{len(got.all)} of {len(events.all)} lines, {lost} counted"


def a_dead_socket_is_replaced_and_a_living_one_is_not(context):
    path = context.file("events.sock")
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(path)
    dead.close()
    trace = context.trace("--port", 1, "--socket", path)
    connect(path).close()
    done = context.command("trace", "--port", 1, "--socket", path)
    check(done.returncode == 1 and path.encode() in done.stderr, f"status {done.returncode}")
    connect(path).close()
    trace.finish()
    return done.stderr.decode().strip()


def findings_reach_the_systems_log(context):
    path = context.file("log.sock")
    log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    log.bind(path)
    log.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    rec = context.file("all.rec")
    done = context.command("record", "-w", rec, f"--syslog={path}", "--",
                           *context.workload("pyredis_single.py", "--port", context.redis().port))
    check(done.returncode == 0, done.stderr.decode())
    log.setblocking(False)
    messages = []
    try:
        while True:
            messages.append(log.recv(1 << 16).decode())
    except BlockingIOError:
        log.close()
    priorities = {message[:message.index(">") + 1] for message in messages}
    check("<27>" in priorities and "<30>" in priorities, f"priorities {priorities}")
    check(all(" mispair[" in message for message in messages), "no tag")
    lines = [message.split("@cee: ", 1)[1] for message in messages]
    Events("\n".join(lines))
    # Of processes only those that are not watched; this one is.
    wanted = [line for line in replay(context, rec).stdout.decode().splitlines()
              if json.loads(line)["event.name"] not in ("mispair.stats", "mispair.coverage")]
    check(lines == wanted, "the log and the events differ")
    return f"{len(lines)} messages"


def a_log_that_nobody_reads_holds_nothing_up(context):
    path = context.file("log.sock")
    log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    log.bind(path)
    events = context.file("events.json")
    done = context.command("run", "--json", events, f"--syslog={path}", "--fail-on", "never", "--",
                           *load(context, context.redis().port))
    log.close()
    check(done.returncode == 0, done.stderr.decode())
    lost = Events(pathlib.Path(events).read_text()).all[-1]["mispair.lost.sink"]
    check(lost > 0, "nothing was lost, so nothing was tested")
    missing = context.command("run", f"--syslog={context.file('none')}", "--", "true")
    check(missing.returncode == 1 and b"log" in missing.stderr, "a log that is not there")
    return f"{lost} lost"


def tests():
    for function in (rotation_under_load_loses_no_line, no_more_old_files_are_kept_than_asked_for,
                     sighup_under_load_loses_no_line,
                     a_reader_of_standard_output_who_sleeps_holds_nothing_up,
                     sighup_without_a_file_is_an_end,
                     a_file_that_cannot_be_opened_anew_stays_the_old_one,
                     a_full_disk_is_survived_and_the_loss_told,
                     readers_of_the_socket_get_every_line,
                     a_reader_that_does_not_read_costs_its_own_lines_only,
                     a_dead_socket_is_replaced_and_a_living_one_is_not,
                     findings_reach_the_systems_log, a_log_that_nobody_reads_holds_nothing_up):
        yield function.__name__, function
