# SPDX-License-Identifier: GPL-2.0-or-later
"""The rules of cases_process.py and cases_fair.py in their long form: a part is a function (arguments,
log)."""

import itertools
import pathlib

import cases_fair
import cases_limits
import cases_process as cases
import harness
import poisoner
from harness import DEBIAN_PYTHON, check, wrong_ports

LONG = pathlib.Path(__file__).resolve().parent
RUNS, CHURN, CHILDREN, SWAPS, SWAPS_TOGETHER, SHORT_LIVES = 50, 100_000, 20_000, 1000, 20, 300
LOG_EVERY = 10
VICTIMS, FLOOD_SECONDS = 4, 15  # ten connections each


def amount(args, whole):
    return max(int(whole * args.share), 1)


def once(args, function, *words, **options):
    """What one run says, with servers and files of its own; a failure is raised."""
    context = harness.Context(args.mispair, args.binaries)
    try:
        return function(context, *words, **options)
    finally:
        context.close()


class Count:
    """Of runs: how many have failed, and with which words. A skip ends the part."""

    def __init__(self, log):
        self.log = log
        self.runs = self.failed = 0
        self.first = None

    def run(self, name, args, function, *words, **options):
        self.runs += 1
        try:
            detail = once(args, function, *words, **options)
        except AssertionError as failure:
            self.failed += 1
            self.first = self.first or f"{name}: {failure}"
            self.log(f"{name} FAILED: {failure}")
            return
        if self.runs % LOG_EVERY == 1:
            self.log(f"{name}: {detail}; {self.failed} of {self.runs} failed so far")

    def all_passed(self):
        check(not self.failed, f"{self.failed} of {self.runs} runs failed; {self.first}")
        return f"{self.runs} runs"


def exec_(args, log):
    """Each launcher, and after it each who gets its number."""
    count = Count(log)
    for number in range(amount(args, RUNS)):
        for name, launcher in cases.LAUNCHERS.items():
            count.run(f"{name} {number}", args,
                      cases.a_launcher_leaves_nothing_to_who_comes_after_it, launcher=launcher)
        count.run(f"at once {number}", args, cases.a_launcher_that_execs_at_once_leaves_nothing)
    return count.all_passed()


def churn(args, log):
    log("processes that connect")
    said = once(args, cases.of_processes_that_ended_nothing_is_kept,
                number=amount(args, CHURN))
    log(said)
    children = once(args, cases.of_a_known_process_children_nothing_is_kept,
                    number=amount(args, CHILDREN))
    return f"{said}; children: {children}"


def poison(args, log):
    count = Count(log)
    variants = poisoner.VARIANTS[:amount(args, len(poisoner.VARIANTS))]
    for variant, (user, prefix) in itertools.product(
            variants, (("nobody", cases.AS_NOBODY), ("root", ()))):
        count.run(f"{variant} by {user}", args, cases.who_lies_about_its_tasks_misleads_nobody,
                  variant=variant, prefix=prefix)
    return count.all_passed()


def swap(args, log):
    count = Count(log)
    together = min(SWAPS_TOGETHER, amount(args, SWAPS))
    for mode in ("run", "trace"):
        for number in range(0, amount(args, SWAPS), together):
            count.run(f"{mode} {number}", args,
                      cases.a_file_mapped_over_the_analysed_one_is_not_probed, mode=mode,
                      number=together, together=together)
    return f"{count.all_passed()} of {together} files"


def children(args, log):
    """Short lives below mispair run. How many are found is told; that some are is asked for."""
    del log
    return once(args, short_lives, amount(args, SHORT_LIVES))


def short_lives(context, number):
    result = context.run([DEBIAN_PYTHON, str(LONG / "short_lives.py"), str(context.redis().port),
                          str(number)])
    wrong = found = 0
    for truth in result.truths:
        reused = {str(event.get("network.local.port")) for event in result.events.alarms()
                  if event["event.name"] == "mispair.connection.reused"
                  and event["process.pid"] == truth["pid"]}
        wrong += len(wrong_ports(truth))
        found += len(wrong_ports(truth) & reused)
    check(wrong, "no child had a wrong answer")
    check(found, f"none of {wrong} was found")
    return f"recall {found / wrong:.3f}: {found} of {wrong}, in {number} children"


def flood(args, log):
    """Forty connections go wrong beside a flood of another user's, and all are found."""
    del log
    return once(args, cases_fair.a_flood_is_told_in_few_lines, victims=amount(args, VICTIMS),
                seconds=FLOOD_SECONDS)


def limits(args, log):
    """Each limit in its real size, and half a minute of what is called too often."""
    count = Count(log)
    for name in list(cases_limits.WHOLE)[:amount(args, len(cases_limits.WHOLE))]:
        log(f"{name}")
        count.run(name, args, cases_limits.the_limit_is_told_by_its_name_and_lifts, name,
                  whole=True)
    count.run("probed again", args, cases_limits.who_called_too_often_is_probed_again)
    return count.all_passed()


PARTS = {"flood": flood, "exec": exec_, "churn": churn, "poison": poison, "swap": swap, "children": children,
         "limits": limits}
