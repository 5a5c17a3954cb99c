# SPDX-License-Identifier: GPL-2.0-or-later
"""What cannot work is refused before anything is attached, and what works in part is said."""

import functools
import os
import pathlib
import shutil
import signal
import subprocess

from harness import (START_LIMIT, Events, Skip, Trace, check, end, truth_of, wait_until,
                     wrong_ports)

NOBODY = "65534"
# With these, and as nobody, a tracer finds what root finds.
NEEDED = ("bpf", "perfmon", "sys_ptrace", "dac_read_search", "checkpoint_restore")
# One of NEEDED, or what stands for two of them.
SUFFICIENT = ("sys_admin", "sys_ptrace", "dac_read_search")


def shared(context):
    """A folder that nobody may write to, and the binary in it, which everybody can read."""
    os.chmod(context.directory, 0o777)
    copy = context.file("mispair")
    if not os.path.exists(copy):
        shutil.copy(context.mispair, copy)
        os.chmod(copy, 0o755)
    return copy


def with_capabilities(context, capabilities):
    if shutil.which("setpriv") is None:
        raise Skip("setpriv is not installed")
    words = ",".join(["-all", *(f"+{name}" for name in capabilities)])
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
            f"--inh-caps={words}", f"--ambient-caps={words}", f"--bounding-set={words}",
            shared(context)]


def ran(argv, **options):
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=120, **options)
    return done.returncode, done.stderr.decode()


def is_refused(context, argv, status, *words):
    """With one line that says why, and without the command having run."""
    marker = context.file("command-was-run")
    got, message = ran([*argv, "--", "touch", marker])
    check(got == status, f"status {got}, not {status}: {message}")
    check(message.startswith("mispair: ") and message.count("\n") == 1,
          f"not one line: {message!r}")
    for word in words:
        check(word in message, f"{word!r} is not in {message!r}")
    check(not os.path.exists(marker), "the command was run untraced")
    return message.strip()


def a_missing_capability_is_named(context, capability):
    rest = [name for name in NEEDED if name != capability]
    name = f"CAP_{capability.upper()}"
    message = is_refused(context, [*with_capabilities(context, rest), "run"], 5, name)
    for other in rest:
        check(f"CAP_{other.upper()} " not in message, f"{other} is not missing: {message}")
    return name


class As:
    """The context of a trace that is run by nobody, with these capabilities."""

    def __init__(self, context, capabilities):
        self.directory, self.file = context.directory, context.file
        self._argv = with_capabilities(context, capabilities)

    def argv(self, *args):
        return [*self._argv, *map(str, args)]


def the_named_capabilities_find_what_root_finds(context, capabilities):
    """The client is root's."""
    port = context.redis().port
    trace = context.keep(Trace(As(context, capabilities), ("--port", port)))
    truth = truth_of(context.workload("pyredis_single.py", "--port", port, "--timings", 10,
                                      "--settle", 0.3))[0]
    events = trace.finish()
    found = {str(event["network.local.port"]) for event in
             events.named("connection.reused", truth["pid"])
             if event["mispair.confidence"] != "suspect"}
    wrong = wrong_ports(truth)
    check(len(wrong) == 10, f"{len(wrong)} connections gave wrong answers")
    check(found <= wrong and len(found) >= 7, f"{len(found & wrong)} of {len(wrong)} were found")
    return f"{len(found & wrong)} of {len(wrong)}"


def a_pid_namespace_of_its_own_is_refused(context):
    argv = ["unshare", "--pid", "--fork", "--mount-proc", str(context.mispair), "run"]
    return is_refused(context, argv, 4, "pid namespace", "--pid=host")


def a_user_namespace_of_its_own_is_refused(context):
    argv = ["unshare", "--user", "--map-root-user", str(context.mispair), "run"]
    if ran(["unshare", "--user", "--map-root-user", "true"])[0]:
        raise Skip("no user namespaces here")
    return is_refused(context, argv, 5, "user namespace")


def on_another_host(context, lockdown=None, yama=None):
    """The command line of a mispair that reads these facts, in a mount namespace of its own."""
    if not os.path.isdir("/sys/kernel/security"):
        raise Skip("this kernel has no place for securityfs")
    lines = ["mount --make-private /sys", "mount -t tmpfs none /sys/kernel/security",
             f'echo "{lockdown or "[none] integrity confidentiality"}" > '
             "/sys/kernel/security/lockdown"]
    if yama is not None:
        fake = context.file("proc-sys-kernel")
        os.makedirs(os.path.join(fake, "yama"), exist_ok=True)
        pathlib.Path(fake, "yama", "ptrace_scope").write_text(f"{yama}\n")
        for name in ("pid_max", "osrelease"):
            shutil.copy(f"/proc/sys/kernel/{name}", fake)
        lines.append(f"mount --bind {fake} /proc/sys/kernel")
    script = " && ".join([*lines, 'exec "$@"'])
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh",
            str(context.mispair), "run"]


def confidentiality_is_refused(context):
    argv = on_another_host(context, lockdown="none integrity [confidentiality]")
    return is_refused(context, argv, 4, "lockdown=confidentiality", "boot it with")


def works_in_part(context, word, **facts):
    """Said on one line and in `start`; --strict refuses it."""
    argv = on_another_host(context, **facts)
    path = context.file("events.json")
    status, message = ran([*argv, "--json", path, "--", "true"])
    check(status == 0, f"status {status}: {message}")
    said = [line for line in message.splitlines() if line.startswith("mispair: works in part: ")]
    check(len(said) == 1, f"not said on one line: {message!r}")
    events = Events(pathlib.Path(path).read_text())
    check(word in events.all[0]["mispair.degraded"], f"not in `start`: {events.all[0]}")
    check("in part: " in message and word in message.split("hooks", 1)[1],
          f"not in the text's first line: {message!r}")
    is_refused(context, [*argv, "--strict"], 4, "--strict")
    return said[0]


def a_host_that_lacks_nothing_is_told_to_lack_nothing(context):
    """But for what this very kernel's hooks lack, which mispair says itself."""
    argv = on_another_host(context, yama=1)
    path = context.file("events.json")
    status, message = ran([*argv, "--json", path, "--", "true"])
    check(status == 0, f"status {status}: {message}")
    words = Events(pathlib.Path(path).read_text()).all[0]["mispair.degraded"]
    check(not {"lockdown", "yama", "namespaces"} & set(words), f"told: {words}")
    check(bool(words) == ("works in part" in message), f"{words}, but said: {message!r}")
    return f"told: {words}"


def an_ignored_signal_stays_ignored(context):
    """As a shell's background job has it, and nohup."""
    path = context.file("events.json")
    process = subprocess.Popen(
        ["sh", "-c", 'trap "" INT HUP; exec "$@"', "sh", *context.argv("trace", "--json", path)],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: os.path.exists(path) and "mispair.start" in
                   pathlib.Path(path).read_text(), START_LIMIT, "mispair trace starts")
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        process.wait(START_LIMIT)
    finally:
        end(process)
    reason = Events(pathlib.Path(path).read_text()).all[-1]["mispair.stop.reason"]
    check(reason == "SIGTERM", f"ended by {reason}")
    return reason


def a_findings_status_can_be_told_from_the_commands(context):
    """Of a command that has a status 3 of its own."""
    server = context.echo_server()
    client = [str(context.binary("unread37")), "--v4-port", str(server.v4), "--clean", "20"]
    wrong = context.command("run", "--exit-code", 42, "--", "sh", "-c", '"$@"; exit 3', "sh",
                            *client)
    right = context.command("run", "--exit-code", 42, "--", "sh", "-c", "exit 3")
    check((wrong.returncode, right.returncode) == (42, 3),
          f"{wrong.returncode} with a finding, {right.returncode} without")
    return "42 and 3"


def tests():
    for capability in NEEDED:
        yield (f"a_missing_{capability}_is_named",
               functools.partial(a_missing_capability_is_named, capability=capability))
    for name, capabilities in (("five_capabilities", NEEDED), ("three_with_admin", SUFFICIENT)):
        yield (f"{name}_find_what_root_finds",
               functools.partial(the_named_capabilities_find_what_root_finds,
                                 capabilities=capabilities))
    yield "a_pid_namespace_of_its_own_is_refused", a_pid_namespace_of_its_own_is_refused
    yield "a_user_namespace_of_its_own_is_refused", a_user_namespace_of_its_own_is_refused
    yield "lockdown_for_confidentiality_is_refused", confidentiality_is_refused
    yield ("lockdown_for_integrity_works_in_part",
           functools.partial(works_in_part, word="lockdown",
                             lockdown="none [integrity] confidentiality"))
    yield "yama_3_works_in_part", functools.partial(works_in_part, word="yama", yama=3)
    yield ("a_host_that_lacks_nothing_is_told_to_lack_nothing",
           a_host_that_lacks_nothing_is_told_to_lack_nothing)
    yield "an_ignored_signal_stays_ignored", an_ignored_signal_stays_ignored
    yield ("a_findings_status_can_be_told_from_the_commands",
           a_findings_status_can_be_told_from_the_commands)
