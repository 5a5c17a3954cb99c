# SPDX-License-Identifier: GPL-2.0-or-later
"""What people and traced processes get wrong, on purpose or not."""

import functools
import os
import pathlib
import shutil
import subprocess

from harness import DEBIAN_PYTHON, Events, Skip, check

NOBODY = 65534
LIBC = f"/lib/{os.uname().machine}-linux-gnu/libc.so.6"

USAGE = {
    "an_unknown_command": ("frobnicate",),
    "an_unknown_option": ("trace", "--frobnicate"),
    "run_without_a_command": ("run",),
    "run_with_nothing_after_the_dashes": ("run", "--"),
    "a_port_above_65535": ("trace", "--port", "65536"),
    "a_port_with_trailing_junk": ("trace", "--port", "80x"),
    "a_pid_with_trailing_junk": ("trace", "-p", "12x"),
    "a_pid_of_zero": ("trace", "-p", "0"),
    "a_negative_pid": ("trace", "-p", "-5"),
    "a_pid_beyond_64_bits": ("trace", "-p", "99999999999999999999"),
    "a_peer_that_is_no_address": ("trace", "--peer", "300.1.2.3"),
    "an_unknown_level": ("run", "--fail-on", "banana", "--", "true"),
    "a_ring_of_no_bytes": ("trace", "--ring-size", "0"),
    "a_ring_size_with_trailing_junk": ("trace", "--ring-size", "4096q"),
    "probe_of_a_word": ("probe", "banana"),
    "a_cancellation_in_no_file": ("trace", "--cancel-at", "/nowhere/at-all:give_up"),
    "a_cancellation_in_a_directory": ("trace", "--cancel-at", "/tmp:give_up"),
    "a_cancellation_in_a_text": ("run", "--cancel-at", "/etc/passwd:give_up", "--", "true"),
    "a_cancellation_in_no_function": ("trace", "--cancel-at", "/bin/sh:there_is_none"),
    "a_cancellation_of_a_file_alone": ("trace", "--cancel-at", "/bin/sh"),
    "a_cancellation_of_argument_0": ("trace", "--cancel-at", f"{LIBC}:pthread_cancel:0"),
    "a_cancellation_of_argument_7": ("trace", "--cancel-at", f"{LIBC}:pthread_cancel:7"),
    "a_cancellation_in_no_usdt_probe": ("trace", "--cancel-usdt", f"{LIBC}:libc:there_is_none"),
    "a_usdt_probe_without_a_provider": ("trace", "--cancel-usdt", f"{LIBC}:setjmp"),
}

ESCAPES = {"colour": "\x1b[31mred", "title": "\x1b]0;x\x07t", "newline": 'a\nb"c\\',
           "c1_control": "c1\x9b31m", "not_utf8": b"\xff\xfe\x80"}


def is_a_clear_message(text, what):
    check(text.strip(), f"{what}: nothing on stderr")
    check("Traceback" not in text and "Assertion" not in text, f"{what}: {text}")
    check(len(text.splitlines()) <= 12, f"{what}: {len(text.splitlines())} lines on stderr")


def usage_is_status_2(context, args):
    done = context.command(*args)
    check(done.returncode == 2, f"status {done.returncode}: {done.stderr!r}")
    is_a_clear_message(done.stderr.decode(), " ".join(args))
    check(not done.stdout, f"stdout is for data, and holds {done.stdout[:100]!r}")
    return done.stderr.decode().splitlines()[0]


def help_is_status_0_on_stdout(context):
    for args in ((), ("run",), ("trace",), ("probe",)):
        done = context.command(*args, "--help")
        check(done.returncode == 0, f"{args} --help gave status {done.returncode}")
        check(done.stdout.strip() and not done.stderr, f"{args} --help is not on stdout only")
    return "four commands"


def a_process_that_does_not_exist_is_a_usage_error(context):
    child = subprocess.Popen(["true"])
    child.wait()
    done = context.command("trace", "-p", child.pid)
    message = done.stderr.decode()
    check(done.returncode == 2, f"status {done.returncode}: {message}")
    is_a_clear_message(message, "-p of a dead process")
    check(str(child.pid) in message, f"the message does not name process {child.pid}: {message}")
    return message.splitlines()[0]


def unprivileged(context):
    """The binary where everybody can read it; the tree may be in a private directory."""
    os.chmod(context.directory, 0o755)
    copy = context.file("mispair")
    shutil.copy(context.mispair, copy)
    os.chmod(copy, 0o755)
    if shutil.which("setpriv") is None:
        raise Skip("setpriv is not installed")
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", copy]


def without_privilege_the_status_is_5(context, args):
    marker = context.file("command-was-run")
    args = [marker if arg == "MARKER" else arg for arg in args]
    done = subprocess.run(unprivileged(context) + args, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    message = done.stderr.decode()
    check(done.returncode == 5, f"status {done.returncode}: {message}")
    is_a_clear_message(message, "no privilege")
    check(not os.path.exists(marker), "the command was run untraced")
    return message.splitlines()[0]


def without_btf_the_status_is_4(context):
    """In a mount namespace of its own, where /sys/kernel/btf is empty."""
    if os.path.exists(f"/boot/vmlinux-{os.uname().release}"):
        raise Skip("a kernel image in /boot has BTF as well")
    # Only /sys is made private, because in a plain chroot / is no mount point.
    script = 'mount --make-private /sys && mount -t tmpfs none /sys/kernel/btf && exec "$@"'
    done = subprocess.run(["unshare", "--mount", "--propagation", "unchanged", "/bin/sh", "-c",
                           script, "sh", str(context.mispair), "run", "--", "true"],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=60)
    message = done.stderr.decode()
    check(done.returncode == 4, f"status {done.returncode}: {message}")
    check("BTF" in message, f"the message does not say what is missing: {message}")
    return message.splitlines()[0]


def a_full_disk_is_said_and_the_command_still_runs(context):
    marker = context.file("command-was-run")
    done = context.command("run", "--json", "/dev/full", "--", "touch", marker)
    message = done.stderr.decode()
    check(os.path.exists(marker), "the command was not run")
    check(done.returncode >= 0, f"ended by signal {-done.returncode}")
    check("/dev/full" in message or "writ" in message, f"nothing is said of it: {message!r}")
    return f"status {done.returncode}"


def a_symbolic_link_is_not_followed(context):
    target = pathlib.Path(context.file("target"))
    target.write_text("precious")
    os.symlink(target, context.file("link"))
    done = context.command("run", "--json", context.file("link"), "--", "true")
    check(done.returncode == 1, f"status {done.returncode}")
    is_a_clear_message(done.stderr.decode(), "a symbolic link")
    check(target.read_text() == "precious", "the target was written to")
    return done.stderr.decode().splitlines()[0]


def a_command_that_does_not_exist_is_a_failure(context):
    done = context.command("run", "--", context.file("no-such-command"))
    check(done.returncode not in (0, 3), f"status {done.returncode}")
    is_a_clear_message(done.stderr.decode(), "no such command")
    return f"status {done.returncode}"


def a_hostile_name_reaches_no_terminal(context, name):
    """A process may call itself anything. Its connection has a finding, so that it is printed."""
    server = context.echo_server()
    binary = os.path.join(os.fsencode(context.directory), os.fsencode(name))
    shutil.copy(context.binary("unread37"), binary)
    path = context.file("events.json")
    # Bytes, because a name need not be text.
    done = subprocess.run([os.fsencode(context.mispair), b"run", b"--json", os.fsencode(path),
                           b"--", binary, b"--v4-port", str(server.v4).encode()],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=60)
    raw = pathlib.Path(path).read_bytes()
    for where, text in (("stdout", done.stdout), ("stderr", done.stderr), ("the events", raw)):
        harmful = [char for char in text.decode() if char != "\n"
                   and (char < " " or "\x7f" <= char <= "\x9f")]
        check(not harmful, f"{where} has control characters: {harmful[:5]}")
    check(Events(raw.decode()).named("connection.reused"), "no finding")
    return "no control character"


def a_hostile_elf_file_disturbs_nothing(context):
    """Each in a process of its own, with a connection; a real client after them is judged."""
    port = context.redis().port
    os.mkdir(context.file("elf"))
    helper = pathlib.Path(__file__).with_name("hostile_elf.py")
    script = '"$1" "$2" "$3" "$4" && shift 4 && exec "$@"'
    result = context.run(["/bin/sh", "-c", script, "sh", DEBIAN_PYTHON, str(helper),
                          context.file("elf"), str(port),
                          *context.workload("pyredis_single.py", "--port", port)])
    check(len(result.truths) == 2, f"only {len(result.truths)} of 2 programs told their truth")
    hostile, truth = result.truths
    alarms = [event for event in result.events.alarms()
              if event["process.pid"] != truth["pid"]]
    check(not alarms, f"a process with a broken file is accused: {alarms[:1]}")
    check(result.events.named("connection.reused", truth["pid"]),
          "the client after them is not judged")
    return f"{hostile['variants']} broken files"


def processes_that_exit_while_they_are_read_disturb_nothing(context):
    port = context.redis().port
    script = ("import os, socket, sys\n"
              "for _ in range(300):\n"
              "    if os.fork() == 0:\n"
              "        s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))\n"
              "        s.sendall(b'PING\\r\\n')\n"
              "        os._exit(0)\n"
              "    os.wait()\n")
    loop = '"$1" -c "$2" "$3" && shift 3 && exec "$@"'
    result = context.run(["/bin/sh", "-c", loop, "sh", DEBIAN_PYTHON, script, str(port),
                          *context.workload("pyredis_single.py", "--port", port)])
    truth = result.truths[0]
    check(not [event for event in result.events.alarms()
               if event["process.pid"] != truth["pid"]], "a process that exited is accused")
    check(result.events.named("connection.reused", truth["pid"]),
          "the client after them is not judged")
    return "300 processes"


def tests():
    for name, args in USAGE.items():
        yield f"{name}_is_a_usage_error", functools.partial(usage_is_status_2, args=args)
    for name, args in (("run", ["run", "--", "touch", "MARKER"]), ("trace", ["trace"])):
        yield (f"without_privilege_{name}_ends_with_status_5",
               functools.partial(without_privilege_the_status_is_5, args=args))
    for name, text in ESCAPES.items():
        yield (f"a_process_name_with_{name}_reaches_no_terminal",
               functools.partial(a_hostile_name_reaches_no_terminal, name=text))
    for function in (help_is_status_0_on_stdout, a_process_that_does_not_exist_is_a_usage_error,
                     without_btf_the_status_is_4,
                     a_full_disk_is_said_and_the_command_still_runs,
                     a_symbolic_link_is_not_followed,
                     a_command_that_does_not_exist_is_a_failure,
                     a_hostile_elf_file_disturbs_nothing,
                     processes_that_exit_while_they_are_read_disturb_nothing):
        yield function.__name__, function
