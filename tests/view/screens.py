# SPDX-License-Identifier: GPL-2.0-or-later
"""Golden screens: a fixed recording drawn by the real painter in tmux, compared to the character.

    screens.py [--update] [NAME]     all screens, or those with NAME in their name

--update writes what it sees to golden/: look at each file before it is committed.
"""

import argparse
import contextlib
import difflib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
GOLDEN = HERE / "golden"
SIZES = ((80, 24), (120, 40), (200, 60))
LIMIT = 20

# Name, arguments of view_scene, keys in turn (@ROUND plays one more round), sizes.
SCREENS = (
    ("main", ("busy",), (), SIZES),
    ("main_ascii", ("--ascii", "busy"), (), SIZES[:1]),
    ("main_narrow", ("busy",), (), ((40, 10), (60, 12))),
    ("nothing_found", ("calm",), (), SIZES),
    ("empty", ("empty",), (), SIZES[:1]),
    ("losing", ("losing",), (), SIZES),
    ("covered", ("covered",), (), SIZES),
    ("covered_filtered", ("covered",), ("/", "b", "l", "i", "n", "d", "Enter"), SIZES[:1]),
    ("details_blind", ("covered",), ("/", "c", "u", "r", "l", "Enter", "Enter"), SIZES),
    ("details_blind_nothing", ("covered",), ("/", "p", "h", "p", "Enter", "Enter"), SIZES[:1]),
    ("details_by_thread", ("covered",), ("/", "n", "o", "d", "e", "Enter", "Enter"), SIZES),
    ("grouped", ("busy",), ("t", "Enter"), SIZES),
    ("grouped_closed", ("busy",), ("t",), SIZES[:1]),
    ("filtered", ("busy",), ("/", "r", "e", "d", "i", "s", "Enter"), SIZES),
    ("filter_typing", ("busy",), ("/", "p", "h", "p"), SIZES[:1]),
    ("filter_no_match", ("busy",), ("/", "x", "y", "z"), SIZES[:1]),
    ("sorted", ("busy",), ("6", "r"), SIZES[:1]),
    ("paused", ("busy",), ("p", "@ROUND", "@ROUND"), SIZES),
    ("frozen_following", ("busy",), ("o", "F"), SIZES[:1]),
    ("help", ("busy",), ("?",), SIZES),
    ("help_end", ("busy",), ("?", "G"), SIZES[:1]),
    ("details_reused_outstanding", ("busy",), ("Enter",), SIZES),
    ("details_reused_outstanding_end", ("busy",), ("Enter", "G"), SIZES[:1]),
    ("details_reused_outstanding_ascii", ("--ascii", "busy"), ("Enter",), SIZES[:1]),
    ("details_narrow", ("busy",), ("Enter",), ((40, 10), (60, 30))),
    ("details_reused_unread", ("busy",), ("j", "Enter"), SIZES),
    ("details_reused_behind", ("behind",), ("Enter",), SIZES),
    ("details_dirty", ("busy",), ("j",) * 2 + ("Enter",), SIZES),
    ("details_leaked", ("busy",), ("j",) * 3 + ("Enter",), SIZES),
    ("details_abandoned", ("busy",), ("j",) * 4 + ("Enter",), SIZES),
    ("details_reused_residue", ("busy",), ("j",) * 5 + ("Enter",), SIZES),
    ("details_unobserved", ("busy",), ("/", "c", "u", "r", "l", "Enter", "Enter"), SIZES),
    ("details_closed", ("busy",), ("/", "c", "l", "o", "s", "e", "d", "Enter", "Enter"), SIZES),
    ("details_drained", ("busy",), ("/", "d", "r", "a", "i", "n", "Enter", "Enter"), SIZES),
    ("details_nothing", ("calm",), ("/", "p", "h", "p", "Enter", "Enter"), SIZES),
    ("details_shared", ("calm",), ("/", "n", "o", "d", "e", "Enter", "Enter"), SIZES[:1]),
)


class Terminal:
    """A tmux server of its own with one window and no status line."""

    def __init__(self, cols, rows, *command, environment=None):
        self.directory = tempfile.mkdtemp(prefix="mispair-tmux-")
        conf = os.path.join(self.directory, "conf")
        with open(conf, "w") as out:
            out.write("set -g status off\nset -g default-terminal screen-256color\n"
                      "set -g remain-on-exit on\nset -g escape-time 0\n"
                      "set -g history-limit 5000\n")
        self._base = ["tmux", "-u", "-f", conf, "-S", os.path.join(self.directory, "socket")]
        self._env = {key: value for key, value in os.environ.items()
                     if key not in ("TMUX", "NO_COLOR", "LINES", "COLUMNS", "LC_ALL")}
        self._env["LANG"] = "C.UTF-8"
        self._env.update(environment or {})
        self.tmux("new-session", "-d", "-x", str(cols), "-y", str(rows), *command)

    def tmux(self, *args):
        return subprocess.run([*self._base, *args], check=True, env=self._env,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=LIMIT).stdout.decode()

    def key(self, name):
        self.tmux("send-keys", *(() if len(name) > 1 else ("-l",)), name)

    def text(self, text):
        self.tmux("send-keys", "-l", text)

    def screen(self):
        return self.tmux("capture-pane", "-p")

    def ask(self, what):
        return self.tmux("display-message", "-p", "#{%s}" % what).strip()

    def pid(self):
        return int(self.ask("pane_pid"))

    def wait_for(self, condition, what):
        """The screen that fulfils the condition."""
        deadline = time.monotonic() + LIMIT
        while True:
            screen = self.screen()
            if condition(screen):
                return screen
            if time.monotonic() > deadline:
                raise AssertionError(f"{what}: not within {LIMIT} s; the screen is\n{screen}")
            time.sleep(0.02)

    def changed(self, before):
        """Waits for another screen, for a moment: some keys change nothing."""
        deadline = time.monotonic() + 0.5
        while self.screen() == before and time.monotonic() < deadline:
            time.sleep(0.02)

    def settled(self):
        """The screen once it has stopped changing, for --update only."""
        before, since = None, time.monotonic()
        while time.monotonic() - since < 0.6:
            now = self.screen()
            if now != before:
                before, since = now, time.monotonic()
            time.sleep(0.05)
        return before

    def close(self):
        with contextlib.suppress(subprocess.SubprocessError):
            self.tmux("kill-server")
        shutil.rmtree(self.directory, ignore_errors=True)


def play(binary, arguments, keys, size):
    """A terminal that has been sent the keys. Each key is answered before the next is sent."""
    terminal = Terminal(*size, str(binary), *arguments)
    try:
        terminal.wait_for(lambda screen: "Enter" in screen, "the first screen")
        for key in keys:
            if key == "@ROUND":
                os.kill(terminal.pid(), signal.SIGUSR1)
                time.sleep(0.1)  # signals of a kind that wait are one
            else:
                before = terminal.screen()
                terminal.key(key)
                terminal.changed(before)
    except BaseException:
        terminal.close()
        raise
    return terminal


def golden_file(name, size):
    return GOLDEN / f"{name}-{size[0]}x{size[1]}.txt"


def compare(binary, name, arguments, keys, size):
    """Raises AssertionError with a diff if the screen does not become the golden one."""
    path = golden_file(name, size)
    want = path.read_text()
    terminal = play(binary, arguments, keys, size)
    try:
        terminal.wait_for(lambda screen: screen == want, path.name)
    except AssertionError:
        diff = difflib.unified_diff(want.splitlines(), terminal.screen().splitlines(),
                                    str(path.relative_to(HERE)), "the screen", lineterm="")
        raise AssertionError("\n".join(diff)) from None
    finally:
        terminal.close()


def update(binary, name, arguments, keys, size):
    terminal = play(binary, arguments, keys, size)
    try:
        golden_file(name, size).write_text(terminal.settled())
    finally:
        terminal.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--binary", type=pathlib.Path,
                        default=HERE.parents[1] / "build" / "tests" / "view_scene")
    parser.add_argument("name", nargs="?", default="")
    args = parser.parse_args()
    failed = 0
    for name, arguments, keys, sizes in SCREENS:
        if args.name not in name:
            continue
        for size in sizes:
            try:
                (update if args.update else compare)(args.binary, name, arguments, keys, size)
            except AssertionError as failure:
                failed += 1
                print(failure)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
