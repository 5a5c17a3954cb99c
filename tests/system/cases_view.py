# SPDX-License-Identifier: GPL-2.0-or-later
"""The live view: golden screens, and driven sessions in tmux against live workloads."""

import ctypes
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import unicodedata

from harness import DEBIAN_PYTHON, TREE, Skip, check, end, truth_of, wait_until

sys.path.insert(0, str(TREE / "tests" / "view"))
import screens  # noqa: E402  (it is beside its golden files)

# What people may call their programs and sockets, and what must be seen of it.
HOSTILE = {
    "controls": (b"a\x1b[2J\x1b[31mb\n", r"a\x1b[2J\x1b[31mb\x0a"),
    "c1_controls": ("c\u009b31md".encode(), r"c\u009b31md"),
    "no_utf8": (b"e\xff\xfe\x80f", r"e\xff\xfe\x80f"),
    "direction": ("g\u202etxt.h".encode(), r"g\u202etxt.h"),
    "combining": ("i\u0301\u0301j".encode(), r"i\u0301\u0301j"),
    "wide": ("日本語".encode(), "日本語"),
}


class Shell:
    """A shell in a terminal, and mispair started from it."""

    def __init__(self, context, cols=100, rows=30, environment=None):
        if shutil.which("tmux") is None:
            raise Skip("tmux is not installed")
        self.context = context
        self.terminal = screens.Terminal(cols, rows, "bash", "--norc", "--noprofile",
                                         environment={"PS1": "shell> ", **(environment or {})})
        context._started.append(self)
        self.terminal.wait_for(lambda screen: "shell>" in screen, "the shell's prompt")
        self.before = self.state()

    def stop(self):
        self.terminal.close()

    def run(self, command):
        self.terminal.text(command)
        self.terminal.key("Enter")

    def state(self):
        """The terminal as programs find it: its line discipline, and what tmux knows of it."""
        path = self.context.file("stty")
        if os.path.exists(path):
            os.unlink(path)
        self.run(f"stty -a >{path}.new; mv {path}.new {path}")
        wait_until(lambda: os.path.exists(path), 20, "stty")
        modes = re.sub(r"rows \d+; columns \d+;", "", pathlib.Path(path).read_text())
        flags = ("alternate_on", "cursor_flag", "mouse_any_flag", "keypad_flag")
        return (modes, *(self.terminal.ask(flag) for flag in flags))

    def view(self, *options):
        """Starts the view; returns once its first screen with a round is there."""
        self.run(" ".join((str(self.context.mispair), *map(str, options))))
        self.terminal.wait_for(lambda screen: "watching" in screen and "q quit" in screen
                               and "own cpu" in screen, "the view")
        return self.terminal

    def pid(self):
        found = subprocess.run(["ps", "--no-headers", "-o", "pid,comm", "--ppid",
                                str(self.terminal.pid())], check=False, stdout=subprocess.PIPE,
                               text=True).stdout.split("\n")
        pids = [int(line.split()[0]) for line in found if "mispair" in line]
        check(len(pids) == 1, f"the shell's children are {found}")
        return pids[0]

    def as_before(self, how):
        self.terminal.wait_for(lambda screen: screen.rstrip().endswith("shell>"),
                               f"the prompt after {how}")
        now = self.state()
        check(now == self.before, f"after {how} the terminal was left as {now}, it had been "
                                  f"{self.before}")


def golden(name, arguments, keys, sizes):
    def test(context):
        if shutil.which("tmux") is None:
            raise Skip("tmux is not installed")
        for size in sizes:
            screens.compare(context.binary("view_scene"), name, arguments, keys, size)
        return ", ".join(f"{cols}x{rows}" for cols, rows in sizes)
    return test


def every_golden_file_is_compared(context):
    wanted = {screens.golden_file(name, size).name
              for name, _, _, sizes in screens.SCREENS for size in sizes}
    there = {path.name for path in screens.GOLDEN.iterdir()}
    check(there == wanted, f"only one of both has {sorted(there ^ wanted)}")
    return f"{len(there)} files"


def bad_client(context):
    """A client with the bug that keeps its connection."""
    redis = context.redis()
    return subprocess.Popen(context.workload("pyredis_single.py", "--port", redis.port,
                                             "--settle", "1", "--clean", "20", "--hold-open"),
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL), redis.port


def the_bad_connection_is_found_by_filter_opened_and_read(context):
    shell = Shell(context, 120, 40)
    terminal = shell.view()
    client, port = bad_client(context)
    try:
        client.stdout.readline()
        terminal.key("/")
        terminal.text(f":{port}")
        terminal.wait_for(lambda screen: f"filter: :{port}_" in screen, "the filter's text")
        terminal.key("Enter")
        terminal.wait_for(lambda screen: "▶REUSED" in screen and f":{port}" in screen,
                          "the one bad connection")
        terminal.key("Enter")
        page = terminal.wait_for(lambda screen: "What happened" in screen, "the details")
        # Who sent, that it was cancelled, and who was next.
        check(re.search(r"├── request \d+ B ─+▶│", page), f"no request is drawn:\n{page}")
        check("✗ cancelled" in page, f"no cancellation is drawn:\n{page}")
        check("still owed" in page and "What a correct client does" in page, f"{page}")
        owners = re.findall(r"ms  (\S+) +[├✗]", page)
        check(len(set(owners)) == 2, f"the owners are {owners}:\n{page}")
        check(f"[{client.pid}]" in page, f"not the client's pid {client.pid}:\n{page}")
        terminal.key("Escape")
        terminal.wait_for(lambda screen: "▶REUSED" in screen, "the table again")
        terminal.key("q")
        shell.as_before("q")
    finally:
        end(client)
        client.stdout.close()
    return f"{owners[0]}, then {owners[-1]}"


def the_terminal_is_as_it_was_after(context, how):
    shell = Shell(context)
    terminal = shell.view("--mouse")
    pid = shell.pid()
    if how == "q":
        terminal.key("q")
    elif how == "control_c":
        terminal.key("C-c")
    elif how == "f10":
        terminal.key("F10")
    elif how == "a_resize_storm":
        for number in range(60):
            terminal.tmux("resize-window", "-x", str(40 + number * 7 % 130), "-y",
                          str(5 + number * 5 % 50))
        terminal.tmux("resize-window", "-x", "100", "-y", "30")
        terminal.wait_for(lambda screen: len(screen.splitlines()) == 30 and "q quit" in
                          screen.splitlines()[-1] and "VERDICT" in screen, "the last size's view")
        terminal.key("q")
    elif how == "sigsegv_in_a_thread":
        others = [int(name) for name in os.listdir(f"/proc/{pid}/task") if int(name) != pid]
        check(others, "it has no other thread")
        libc = ctypes.CDLL(None, use_errno=True)
        check(libc.tgkill(pid, min(others), signal.SIGSEGV) == 0, os.strerror(ctypes.get_errno()))
    else:
        os.kill(pid, getattr(signal, how.upper()))
    if how in ("sigabrt", "sigsegv", "sigsegv_in_a_thread"):
        # The shell says how it ended, in words of its own.
        terminal.wait_for(lambda screen: "shell>" in screen, "the prompt")
        terminal.key("Enter")
    shell.as_before(how)
    return ""


def a_stopped_view_gives_the_terminal_back_and_returns(context):
    shell = Shell(context)
    terminal = shell.view()
    for how in ("a key", "SIGTSTP"):
        if how == "a key":
            terminal.key("C-z")
        else:
            os.kill(shell.pid(), signal.SIGTSTP)
        terminal.wait_for(lambda screen: "Stopped" in screen and
                          screen.rstrip().endswith("shell>"), f"the shell after {how}")
        shell.as_before(how)
        # Another size while it is stopped.
        terminal.tmux("resize-window", "-x", "90", "-y", "25")
        shell.run("clear; fg")
        terminal.wait_for(lambda screen: "VERDICT" in screen and "q quit" in
                          screen.splitlines()[24], "the view again")
        check(terminal.ask("alternate_on") == "1", "it came back without its own screen")
        terminal.tmux("resize-window", "-x", "100", "-y", "30")
        terminal.key("?")
        terminal.wait_for(lambda screen: "Keys" in screen, "keys are answered")
        terminal.key("Escape")
        terminal.wait_for(lambda screen: "VERDICT" in screen, "the table")
    terminal.key("q")
    shell.as_before("q")
    return "^Z and SIGTSTP"


def a_terminal_that_goes_away_ends_the_view(context):
    shell = Shell(context)
    shell.view()
    pid = shell.pid()
    handle = os.pidfd_open(pid)
    try:
        shell.terminal.close()
        wait_until(lambda: not os.path.exists(f"/proc/{pid}")
                   or "Z" in pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1][:3],
                   20, "it ends")
    finally:
        os.close(handle)
    return ""


def cells(line):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


def hostile_names_keep_to_their_own_cells(context, kind):
    """The line of a hostile process, and every other one, is as wide as it should be."""
    name, seen = HOSTILE[kind]
    folder = os.fsencode(context.directory)
    # A file of its own: the view shows the name of the executable.
    python = folder + b"/" + name
    shutil.copy(os.path.realpath(DEBIAN_PYTHON), python)
    client = subprocess.Popen([python, str(TREE / "tests" / "corpus" / "hostile_name.py"),
                               folder + b"/s" + name], stdout=subprocess.PIPE,
                              env={**os.environ, "PYTHONHOME": "/usr"})
    try:
        pid = client.stdout.readline().strip().decode()
        check(pid == str(client.pid), f"the workload said {pid!r}")
        shell = Shell(context, 230, 30)
        terminal = shell.view("-p", pid)
        screen = terminal.wait_for(lambda text: f" {pid} " in text, "the process's row")
        lines = screen.splitlines()
        row = next(line for line in lines if f" {pid} " in line)
        title = next(line for line in lines if "VERDICT" in line)
        cut = seen[:17]
        check(cut in row, f"{cut!r} is not in {row!r}")
        check(seen in row.split()[-1], f"the path in {row!r} does not show {seen!r}")
        end_of_pid = cells(row[:row.index(f" {pid} ")]) + 1 + len(pid)
        check(end_of_pid == title.index("PID") + 3, f"the columns moved:\n{title}\n{row}")
        check(lines[0].startswith("mispair ") and lines[-1].startswith("Enter details"),
              f"the screen is disturbed:\n{screen}")
        check(sum("VERDICT" in line for line in lines) == 1, f"two tables:\n{screen}")
        terminal.key("Enter")
        terminal.wait_for(lambda text: "The connection" in text and seen in text, "the details")
        terminal.key("q")
        shell.as_before("q")
    finally:
        end(client)
        client.stdout.close()
    return repr(name)


def rows_come_and_go_with_their_connections(context):
    """Between two looks most lie still, and are not told again."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        shell = Shell(context, 120, 30)
        terminal = shell.view("--port", port, "-d", "0.3")
        pairs = []

        def connect():
            client = socket.create_connection(("127.0.0.1", port))
            accepted, _ = server.accept()
            client.sendall(b"question")
            accepted.sendall(accepted.recv(99))
            client.recv(99)
            pairs.append((client, accepted))

        def hang_up():
            for one in pairs.pop():
                one.close()

        def rows(screen):
            return [line for line in screen.splitlines() if f"127.0.0.1:{port}" in line]

        def await_rows(count, what):
            return rows(terminal.wait_for(lambda screen: len(rows(screen)) == count, what))

        for _ in range(5):
            connect()
        await_rows(5, "five rows")
        pairs[0][1].sendall(b"goodbye")
        terminal.wait_for(lambda screen: sum(" 7 B " in row for row in rows(screen)) == 1,
                          "bytes that came to a connection that lies still")
        hang_up()
        hang_up()
        await_rows(3, "two rows less")
        terminal.key("Space")
        terminal.wait_for(lambda screen: "PAUSED" in screen, "paused")
        hang_up()
        connect()
        connect()
        time.sleep(2)  # four passes, of which nothing may be seen
        check(len(rows(terminal.screen())) == 3, "the picture moved while it was paused")
        terminal.key("Space")
        await_rows(4, "what came and went meanwhile")
        terminal.key("q")
        shell.as_before("q")
        while pairs:
            hang_up()
    return ""


def batch_mode_prints_so_many_tables_to_a_pipe(context):
    client, port = bad_client(context)
    try:
        client.stdout.readline()
        done = context.command("-b", "-n", "3", "-d", "0.3", "--port", port)
    finally:
        end(client)
        client.stdout.close()
    text = done.stdout.decode()
    check(done.returncode == 0 and not done.stderr, f"{done.returncode}: {done.stderr!r}")
    check("\x1b" not in text, "there are escape sequences in it")
    titles = [line for line in text.splitlines() if line.startswith("VERDICT")]
    check(len(titles) == 3, f"{len(titles)} tables:\n{text}")
    at = titles[0].index("PID") + 3
    rows = [line for line in text.splitlines() if line.endswith(f" 127.0.0.1:{port}")]
    # Both connections of the client, opened before mispair was started.
    check(len(rows) == 6, f"{len(rows)} rows:\n{text}")
    for row in rows:
        check(row[:at].endswith(f" {client.pid}"), f"not under its title:\n{titles[0]}\n{row}")
    return f"{len(text)} bytes"


def batch_mode_ends_when_nobody_reads(context):
    mispair = subprocess.Popen([str(context.mispair), "-b", "-d", "0.1"], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        check(mispair.stdout.readline(), "no first line")
        mispair.stdout.close()
        check(mispair.wait(20) == 0, f"status {mispair.returncode}")
        check(not mispair.stderr.read(), "it complains")
    finally:
        end(mispair)
        mispair.stderr.close()
    return ""


def a_sort_column_that_is_none_is_refused_with_the_list(context):
    done = context.command("top", "-o", "nonsense")
    check(done.returncode == 2 and b"latency" in done.stderr, f"{done.returncode} {done.stderr!r}")
    listed = context.command("top", "--help").stdout.decode()
    for word in ("latency", "mispair.unread_bytes", "-o, --sort COLUMN"):
        check(word in listed, f"--help does not name {word}")
    return ""


def a_dumb_terminal_gets_plain_lines(context):
    shell = Shell(context)
    shell.run(f"TERM=dumb {context.mispair}")
    terminal = shell.terminal
    terminal.wait_for(lambda screen: "cannot show the live view" in screen
                      and "mispair 0." in screen, "plain lines")
    client, port = bad_client(context)
    try:
        client.stdout.readline()
        terminal.wait_for(lambda screen: "REUSED outstanding" in screen, "the finding's line")
    finally:
        end(client)
        client.stdout.close()
    check(terminal.ask("alternate_on") == "0", "it took the screen")
    terminal.key("C-c")
    terminal.wait_for(lambda screen: "mispair summary" in screen and
                      screen.rstrip().endswith("shell>"), "the summary")
    return ""


def colours_can_be_had_and_refused(context):
    def coloured(environment, *options):
        shell = Shell(context, environment=environment)
        terminal = shell.view(*options)
        text = terminal.tmux("capture-pane", "-p", "-e")
        terminal.key("q")
        shell.as_before("q")
        return re.search(r"\x1b\[[0-9;]*(3[0-7]|4[0-7])[;m]", text) is not None

    check(coloured({}), "no colours by default")
    check(not coloured({"NO_COLOR": "1"}), "NO_COLOR is ignored")
    check(not coloured({}, "--color", "never"), "--color never is ignored")
    check(coloured({"NO_COLOR": "1"}, "--color", "always"), "--color always is ignored")
    return "four ways"


def without_a_utf8_locale_the_view_is_ascii(context):
    shell = Shell(context, environment={"LANG": "C"})
    terminal = shell.view()
    terminal.wait_for(lambda screen: "VERDICTv" in screen and screen.isascii(), "an ASCII view")
    terminal.key("q")
    shell.as_before("q")
    return ""


def pause_holds_the_table_and_counts(context):
    shell = Shell(context, 120, 30)
    client, port = bad_client(context)
    try:
        client.stdout.readline()
        terminal = shell.view("--port", port, "-d", "0.2")
        terminal.key("Space")
        terminal.wait_for(lambda screen: "PAUSED: 0 exchanges" in screen, "paused")
        truth_of(context.workload("pyredis_single.py", "--port", port, "--settle", "1",
                                  "--clean", "30", "--stock"))
        terminal.wait_for(lambda screen: re.search(r"PAUSED: [1-9]\d* exchanges", screen),
                          "the exchanges meanwhile are counted")
        terminal.key("Space")
        terminal.wait_for(lambda screen: "PAUSED" not in screen, "going on")
        terminal.key("q")
    finally:
        end(client)
        client.stdout.close()
    return ""


def replay_top(context, *options):
    shell = Shell(context, 120, 40)
    shell.run(" ".join(map(str, (context.mispair, "replay",
                                 TREE / "tests" / "recordings" / "held-open.rec", "top",
                                 *options))))
    return shell, shell.terminal


def a_recording_drives_the_same_view(context):
    """Without the client, its server, or the kernel side: the end stays until it was read."""
    shell, terminal = replay_top(context)
    terminal.wait_for(lambda screen: "▶REUSED" in screen and "q quit" in screen, "the finding")
    terminal.key("Enter")
    page = terminal.wait_for(lambda screen: "What happened" in screen, "the details")
    check("✗ cancelled" in page, f"no cancellation is drawn:\n{page}")
    terminal.key("Escape")
    terminal.wait_for(lambda screen: "▶REUSED" in screen, "the table again")
    terminal.key("/")
    terminal.text("nothing has this name")
    terminal.key("Enter")
    terminal.wait_for(lambda screen: "REUSED" not in screen, "the filter")
    terminal.key("q")
    shell.as_before("q")
    return ""


def a_replay_counts_screens_in_batch_mode_only(context):
    rec = TREE / "tests" / "recordings" / "held-open.rec"
    for words in (("top", "-n", "3"), ("-n", "3")):
        done = context.command("replay", rec, *words)
        check(done.returncode == 2 and b"add -b" in done.stderr and not done.stdout,
              f"{words}: {done.returncode} {done.stderr!r}")
    done = context.command("replay", rec, "top", "-b", "-n", "1")
    check(done.returncode == 0 and done.stdout.count(b"VERDICT") == 1, f"{done}")
    return "status 2"


def tests():
    for name, arguments, keys, sizes in screens.SCREENS:
        yield f"view_screen_{name}", golden(name, arguments, keys, sizes)
    for how in ("q", "control_c", "f10", "sigterm", "sighup", "sigabrt", "sigsegv",
                "sigsegv_in_a_thread", "a_resize_storm"):
        yield (f"view_leaves_the_terminal_as_it_was_after_{how}",
               lambda context, how=how: the_terminal_is_as_it_was_after(context, how))
    for kind in HOSTILE:
        yield (f"view_hostile_names_keep_to_their_own_cells_{kind}",
               lambda context, kind=kind: hostile_names_keep_to_their_own_cells(context, kind))
    for function in (every_golden_file_is_compared,
                     the_bad_connection_is_found_by_filter_opened_and_read,
                     a_stopped_view_gives_the_terminal_back_and_returns,
                     a_terminal_that_goes_away_ends_the_view,
                     pause_holds_the_table_and_counts,
                     rows_come_and_go_with_their_connections,
                     a_recording_drives_the_same_view, a_replay_counts_screens_in_batch_mode_only,
                     batch_mode_prints_so_many_tables_to_a_pipe,
                     batch_mode_ends_when_nobody_reads,
                     a_sort_column_that_is_none_is_refused_with_the_list,
                     a_dumb_terminal_gets_plain_lines, colours_can_be_had_and_refused,
                     without_a_utf8_locale_the_view_is_ascii):
        yield "view_" + function.__name__, function
