# SPDX-License-Identifier: GPL-2.0-or-later
"""A storm of connections in a guest of several processors: beside a walk over all TCP sockets the
kernel complains, beside mispair, which walks over none, it says nothing for an hour.

The guest's side is tests/vm/walks.py. A walk is never run on the host.
"""

import json
import pathlib
import sys

from harness import Skip, check

VM = pathlib.Path(__file__).resolve().parents[2] / "tools" / "vm"
SERIES = "6.18"
PROCESSORS = 2
# Seconds: at most, until the kernel complains of a walk; for a boot, and for an end.
OLD_LIMIT, MARGIN = 900, 600
LONGEST = 'pass="longest"'
COUNT_OF_ZERO, WALKED_IN = "refcount_t: addition on 0", "bpf_iter_tcp"


def figures(told):
    return (f"{told['connections']} connections in {told['seconds']:.0f} s "
            f"({told['connections'] / told['seconds']:.0f} a second)")


def judge_old(told, complaint):
    """COMPLAINT: what finds the words of a kernel that is in trouble."""
    check(not any(told["statuses"].values()), f"programs of the guest ended with an error: "
          f"{told['statuses']}")
    words = [line for line in told["said"] if complaint.search(line)]
    check(words, f"beside a walk the kernel did not complain of a reference in {figures(told)} and "
          f"{told['walks']} walks: without that, what it does beside mispair shows nothing")
    check(COUNT_OF_ZERO in words[0] and any(WALKED_IN in line for line in told["said"]),
          f"the kernel complains of something else: {words}")
    return f"a walk is complained of after {figures(told)} and {told['walks']} walks"


def judge_new(told, complaint):
    words = [line for line in told["said"] if complaint.search(line)]
    check(not words, f"the kernel complains after {figures(told)}: {words}")
    check(told["lived"], f"mispair has ended after {figures(told)}: {told['statuses']}; "
          f"{told['stderr']}")
    check(told["statuses"] == {"connects": 0, "mispair": 0},
          f"not all have ended well: {told['statuses']}; {told['stderr']}")
    check(not told["lost"], f"lost: {told['lost']}")
    check(told["passes"] and told["indexed_most"] and told["gave_up"],
          f"no pass had work: {told['passes']} passes, {told['indexed_most']} sockets in the "
          f"index, {told['gave_up']} in doubt")
    made = (told["connections"], told["exchanges"] + told["gave_up"], told["exchanges"])
    seen = (told["sockets"], told["requests"], told["replies"])
    check(seen == made, f"connections, requests, replies: mispair has counted {seen} of {made}")
    reused = [kind for kind in told["findings"] if 'kind="reused"' in kind]
    alarms = sum(count for kind, count in told["findings"].items()
                 if 'confidence="likely"' in kind or 'confidence="certain"' in kind)
    check(bool(reused) == bool(told["wrong"]) and alarms <= told["wrong"],
          f"{told['wrong']} connections went wrong, and there are {told['findings']}")
    return (f"none in {figures(told)} beside mispair, {told['passes']} passes, the longest "
            f"{1000 * told['pass_s'].get(LONGEST, 0):.0f} ms; counted exactly, nothing lost; "
            f"{told['gave_up']} in doubt, {told['indexed_most']} at once; of {told['wrong']} wrong "
            f"{alarms:.0f} found")


def in_guest(args, log, half, seconds):
    """What the guest's side has told at its end."""
    import guest
    import kernels
    import userland

    under_test = userland.UnderTest("amd64")
    under_test.add_tree(args.mispair, args.binaries)
    lines = []

    def keep(line):
        lines.append(line)
        log(line[:300])

    status = guest.run(kernels.fetch(SERIES), under_test,
                       ["python3", "tests/vm/walks.py", half, "--seconds", str(seconds)],
                       processors=PROCESSORS, limit=seconds + MARGIN, sink=keep)
    check(status == 0, f"the guest's side ended with status {status}: {lines[-5:]}")
    return json.loads(lines[-1])


def walk(args, log):
    # Its modules have names that others have too: only who runs this part sees them.
    sys.path[:0] = [str(VM), str(VM.parents[1] / "tests" / "vm")]
    import cache
    import guest
    import walks

    seconds = max(int(args.walk_minutes * 60 * args.share), 60)
    try:
        old = judge_old(in_guest(args, log, "old", OLD_LIMIT), walks.COMPLAINT)
        log(old)
        return f"{old}; {judge_new(in_guest(args, log, 'new', seconds), walks.COMPLAINT)}"
    except cache.Unavailable as reason:
        raise Skip(str(reason)) from reason
    except guest.Crash as crash:
        raise AssertionError(str(crash)) from crash
