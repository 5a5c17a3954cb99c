# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows of the corpus where the application never gets a wrong answer: mispair stays silent.

`cancelled` counts every operation that was cancelled, timed out, or whose wait was interrupted.
"""

import os
import pathlib

from rows import Row
from servers_negative import SERVERS  # noqa: F401  for the scoreboard

TAG = ("--port", "{tag}")
# A receive time-out is no shorter than the kernel's tick.
SLOW = ("--latest", "25000", "--operations", "100", "--threads", "8")


def row(name, workload, variants, needs=(), note=""):
    return Row(name, "-", False, workload, variants, needs, note)


WAITS = [
    row("timeout-then-wait-on", "waits.c",
        [*((way, (*TAG, "--way", way)) for way in ("poll", "select", "epoll")),
         ("rcvtimeo", (*TAG, "--way", "rcvtimeo", *SLOW))]),
    row("signals-retried", "waits.c",
        [("recv", (*TAG, "--way", "signal", "--children")),
         ("poll", (*TAG, "--way", "signal-poll", "--children")),
         ("restarted", (*TAG, "--way", "signal", "--restart", "--children"))]),
    row("streaming-replies", "waits.c",
        [(way, (*TAG, "--way", way, "--streaming", "--operations", "250"))
         for way in ("poll", "signal")] +
        [("rcvtimeo", (*TAG, "--way", "rcvtimeo", "--streaming", *SLOW))]),
    row("peek-probes", "waits.c",
        [(way, (*TAG, "--way", way, "--peek", "--operations", "250"))
         for way in ("poll", "signal")] +
        [("rcvtimeo", (*TAG, "--way", "rcvtimeo", "--peek", *SLOW))]),
]


def hands(name, *ways, note=""):
    return row(name, "hands.c", [(label, (*TAG, *words)) for label, *words in ways], note=note)


HANDS = [
    hands("threads-hand-over", ("", "--way", "hand-over", "--operations", 1500)),
    hands("sender-thread-ends", ("", "--way", "sender-ends", "--operations", 1000)),
    hands("drained-before-reuse", ("itself", "--way", "drained"),
          ("by another thread", "--way", "drained-by-another")),
    hands("closed-same-descriptor",
          *((how, "--way", "closed-" + how) for how in ("poll", "rcvtimeo", "signal"))),
    hands("thread-cancelled-closes", ("", "--way", "thread-cancelled")),
    hands("fire-and-forget", ("", "--way", "forget", "--operations", 3000)),
    hands("some-never-answered", ("", "--way", "unanswered"),
          ("thread ends", "--way", "unanswered-thread-ends")),
    hands("request-in-two-parts",
          *((what, "--way", "two-parts", "--between", what)
            for what in ("pause", "poll", "rcvtimeo", "probe", "signal", "thread"))),
]

ROWS = [*WAITS, *HANDS]
