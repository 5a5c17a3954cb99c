#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks what the BPF programs take for granted against the types of each kernel, without booting.

Each function and tracepoint that is hooked has the arguments that are used where they are expected,
and each field that bpf/vmlinux.h names exists, unless a table below says since or until when.
"""

import argparse
import re
import sys
import time

import btf
import kernels
import vmlinux_h
from cache import TREE, Unavailable

MATRIX = [(series, "amd64") for series in kernels.SERIES] + [("6.1", "arm64"), ("6.12", "arm64")]

TIERS = ("tp_btf", "fexit", "kprobe")

SK, MSG, LEN, TASK, SOCKET = ("struct sock *", "struct msghdr *", "long unsigned int",
                              "struct task_struct *", "struct socket *")

# Function: the argument lists that it may have. A list that is new here is new to the programs too.
FUNCTIONS = {
    "tcp_sendmsg": [(SK, MSG, LEN)],
    "tcp_recvmsg": [
        (SK, MSG, LEN, "int", "int", "int *"),  # to 5.18; "nonblock" comes before the flags
        (SK, MSG, LEN, "int", "int *"),         # from 5.19 (ec095263a965) to 6.18.15
        (SK, MSG, LEN, "int"),                  # 6.18.44, 7.2
    ],
    "unix_stream_sendmsg": [(SOCKET, MSG, LEN)],
    "unix_stream_recvmsg": [(SOCKET, MSG, LEN, "int")],
    "unix_release": [(SOCKET,)],
}

# Tracepoint: its first arguments, and the first version that has it.
TRACEPOINTS = {
    "sock_send_length": ((SK, "int", "int"), (6, 3)),  # 6e6eda44b939
    "sock_recv_length": ((SK, "int", "int"), (6, 3)),
    "inet_sock_set_state": ((SK, "int", "int"), (0, 0)),
    "tcp_destroy_sock": ((SK,), (0, 0)),
    "tcp_rcv_space_adjust": ((SK,), (0, 0)),
    "signal_deliver": (("int", "struct kernel_siginfo *", "struct k_sigaction *"), (0, 0)),
    "hrtimer_expire_entry": (("struct hrtimer *",), (0, 0)),
    "hrtimer_start": (("struct hrtimer *",), (0, 0)),
    "sched_process_fork": ((TASK, TASK), (0, 0)),
    "sched_process_exec": ((TASK,), (0, 0)),
    "sched_process_exit": ((TASK,), (0, 0)),
}

# Field: the architecture that has it, as bpf_core_field_exists or __TARGET_ARCH_ chooses.
ONE_ARCH = {
    ("thread_struct", "fsbase"): "amd64",
    ("thread_struct", "uw.tp_value"): "arm64",
    **{("pt_regs", register): "amd64" for register in ("di", "si", "dx", "cx", "ax")},
    **{("pt_regs", register): "amd64" for register in ("r8", "r9", "ip", "orig_ax", "ss")},
    **{("pt_regs", register): "arm64" for register in ("pstate", "orig_x0", "syscallno")},
    **{("user_pt_regs", register): "arm64" for register in ("regs", "pc")},
}

# Field: versions that have it, as (from, before), and what the programs do without it.
SOME_VERSIONS = {
    # CONFIG_MPTCP, which Debian's 5.10 has not: nobody can make such a socket there.
    ("tcp_sock", "is_mptcp"): ((6, 1), (999, 0)),
}

# Kinds of programs whose section names a function or a tracepoint of the kernel.
SECTION = re.compile(r'SEC\("\??(tp_btf|raw_tp|fentry|fexit|kprobe|kretprobe)/(\w+)"\)')

# Iterators, also those that may sleep, and which of them there may be. One over TCP sockets takes
# references on request sockets whose count is still 0, and the kernel then uses what was freed.
ITERATOR = re.compile(r'"\??iter(?:\.s)?/([^"]*)"')
ITERATORS = {"task_file"}


def chosen(words):
    """SERIES[/ARCH] as (series, arch); all of the matrix if there are none."""
    return [(series, arch or "amd64") for series, _, arch in
            (word.partition("/") for word in words or [])] or MATRIX


def version(kernel):
    return tuple(map(int, re.match(r"(\d+)\.(\d+)", kernel.release).groups()))


def sources():
    return "\n".join(path.read_text() for path in sorted((TREE / "bpf").glob("*.[ch]")))


def check_iterators(text):
    """No program walks over the sockets of the host."""
    for name in sorted(set(ITERATOR.findall(text)) - ITERATORS):
        yield f"bpf/ has an iterator over {name}; there may be one over {', '.join(ITERATORS)}"


def check_sources():
    """A hook that is in the programs and not in the tables would never be checked."""
    yield from check_iterators(sources())
    for kind, name in sorted(set(SECTION.findall(sources()))):
        table = TRACEPOINTS if kind in ("tp_btf", "raw_tp") else FUNCTIONS
        if name not in table:
            yield f"bpf/ hooks {kind}/{name}, which tools/vm/signatures.py does not know"


def check_functions(types):
    for name, known in FUNCTIONS.items():
        arguments = types.function(name)
        if arguments is None:
            yield f"there is no function {name}"
        elif tuple(arguments) not in known:
            yield f"{name} takes ({', '.join(arguments)}), which no program expects"


def check_tracepoints(types, kernel):
    for name, (wanted, since) in TRACEPOINTS.items():
        arguments = types.tracepoint(name)
        there = version(kernel) >= since
        if (arguments is not None) != there:
            yield f"tracepoint {name} is {'missing' if there else 'there, too early'}"
        elif there and tuple(arguments[:len(wanted)]) != wanted:
            yield f"tracepoint {name} has ({', '.join(arguments)})"


def should_have(kernel, record, field):
    arch = ONE_ARCH.get((record, field))
    begin, end = SOME_VERSIONS.get((record, field), ((0, 0), (999, 0)))[:2]
    return arch in (None, kernel.arch) and begin <= version(kernel) < end


def check_fields(types, kernel, header):
    """Also in the other direction: an exception that no longer holds is an error."""
    for record, field, flavour in header:
        there = types.has_field(record, field)
        if flavour:
            continue
        if there != should_have(kernel, record, field):
            yield f"{record}.{field} is {'there' if there else 'missing'}"


def unseen_flavours(header, seen):
    for record, field, flavour in header:
        if flavour and seen and not any(types.has_field(record, field) for types in seen):
            yield f"{record}.{field}: no kernel of the matrix has it"


def tiers(types, kernel):
    """The hook tiers that have to work on a kernel, best first."""
    found = []
    if types.tracepoint("sock_send_length") and types.tracepoint("sock_recv_length"):
        found.append("tp_btf")
    # Functions alone do not tell: sk_storage in tracing programs came with 5.11 (8e4597c627fb),
    # attaching to functions of arm64 with 6.4 (trampolines over ftrace, 2aa6ac03516d).
    if version(kernel) >= {"amd64": (5, 11), "arm64": (6, 4)}[kernel.arch]:
        found.append("fexit")
    return found + ["kprobe"]


def report(name, problems, count):
    for problem in problems:
        print(f"FAILED {name}: {problem}")
    count["failed" if problems else "passed"] += 1


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kernel", action="append", metavar="SERIES[/ARCH]",
                        help="only this one; may be repeated")
    parser.add_argument("--max-skips", type=int, default=0, metavar="N")
    args = parser.parse_args()
    header = vmlinux_h.fields((TREE / "bpf" / "vmlinux.h").read_text())
    count = {"passed": 0, "failed": 0, "skipped": 0}
    seen = []
    report("bpf/", list(check_sources()), count)
    for series, arch in chosen(args.kernel):
        began = time.monotonic()
        try:
            kernel = kernels.fetch(series, arch)
            types = btf.Types(btf.extract(kernel))
        except Unavailable as reason:
            print(f"SKIP {series} {arch}: {reason}")
            count["skipped"] += 1
            continue
        seen.append(types)
        problems = [*check_functions(types), *check_tracepoints(types, kernel),
                    *check_fields(types, kernel, header)]
        report(f"{kernel.release}", problems, count)
        if not problems:
            print(f"ok {kernel.release}: {len(FUNCTIONS)} functions, {len(TRACEPOINTS)} "
                  f"tracepoints, {len(header)} fields; tiers {', '.join(tiers(types, kernel))} "
                  f"({time.monotonic() - began:.1f} s)")
    if len(seen) == len(MATRIX):
        report("bpf/vmlinux.h", list(unseen_flavours(header, seen)), count)
    print(f"{count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped")
    return 1 if count["failed"] or count["skipped"] > args.max_skips else 0


if __name__ == "__main__":
    sys.exit(main())
