# SPDX-License-Identifier: GPL-2.0-or-later
"""Boots a kernel in QEMU without KVM, runs one command in it, and passes on what it printed.

The command's output comes through the second serial port, so that nothing the kernel says is in it.
One guest runs at a time on this host.
"""

import collections
import contextlib
import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

import userland
from cache import Unavailable

START = "vm: test start"
STATUS = re.compile(r"vm: exit status (\d+)$")
LOCK = "/tmp/mispair-vm.lock"

Machine = collections.namedtuple("Machine", "program options console port")
MACHINES = {
    "amd64": Machine("qemu-system-x86_64", ["-cpu", "max"], "ttyS0", "ttyS1"),
    # Plain "max" takes three times as long to boot.
    "arm64": Machine("qemu-system-aarch64",
                     ["-machine", "virt", "-cpu", "cortex-a57"], "ttyAMA0", "ttyS0"),
}
# One CPU: while one patches the kernel's text (a tracepoint is enabled), TCG lets the other run into
# the half-patched instruction.
PARALLEL = ["-accel", "tcg,thread=single", "-smp", "1"]
# Several are for what shows only where two run at once. Whoever has the kernel patch its text in such
# a guest takes all but the first away meanwhile.
SEVERAL = ["-accel", "tcg,thread=multi", "-smp"]
# One virtual nanosecond is one instruction of the guest, and two boots of one image are the same.
COUNTED = ["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off", "-smp", "1",
           "-seed", "42", "-rtc", "base=2024-01-01T00:00:00,clock=vm"]


class Crash(Exception):
    """The guest ended without saying how its command ended."""

    def __init__(self, message, started):
        super().__init__(message)
        self.started = started


@contextlib.contextmanager
def one_at_a_time():
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    try:
        lock = os.open(LOCK, flags, 0o666)
    except PermissionError:  # another user's: it can be locked all the same
        lock = os.open(LOCK, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("vm: waiting for another guest on this host", file=sys.stderr, flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


@contextlib.contextmanager
def _no_orphan():
    """Whoever ends this process ends the guest too: what cleans up is run."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _processors(counted, processors):
    if counted:
        return COUNTED
    return PARALLEL if processors == 1 else [*SEVERAL, str(processors)]


def _command(kernel, machine, initrd, console, cpus, append):
    program = shutil.which(machine.program)
    if not program:
        raise Unavailable(f"{machine.program} is not installed")
    words = [f"console={machine.console}", "panic=-1", "quiet", "random.trust_cpu=on"]
    # Fewer indirect jumps through thunks, which are slow to emulate; where instructions are counted
    # the kernel is as people run it.
    words.append("nokaslr" if cpus == COUNTED else "mitigations=off")
    if kernel.arch == "arm64":
        second = ["-serial", f"file:{console}", "-chardev", "stdio,id=out,signal=off",
                  "-device", "pci-serial,chardev=out"]
    else:
        second = ["-serial", f"file:{console}", "-chardev", "stdio,id=out,signal=off",
                  "-serial", "chardev:out"]
    return [program, *machine.options, *cpus, "-m", "1G",
            "-kernel", str(kernel.image), "-initrd", str(initrd),
            "-append", " ".join(words + append), *second, "-display", "none",
            "-monitor", "none", "-nodefaults", "-no-reboot", "-net", "none"]


def _last_words(console):
    with open(console, errors="replace") as file:
        lines = [line.rstrip() for line in file if line.strip()]
    return "\n".join("    " + line for line in lines[-25:])


def _once(command, console, limit, sink):
    started = status = None
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT)
    timer = threading.Timer(limit, process.kill)
    timer.start()
    try:
        for raw in process.stdout:
            line = raw.decode(errors="replace").rstrip("\r\n")
            ended = STATUS.search(line)
            if line.endswith(START):
                started = True
            elif ended:
                if line[:ended.start()]:
                    sink(line[:ended.start()])
                status = int(ended[1])
            else:
                sink(line)
        process.wait()
    finally:
        expired = timer.finished.is_set()
        timer.cancel()
        if process.poll() is None:
            process.kill()
            process.wait()
        process.stdout.close()
    if status is None:
        why = f"ended after the limit of {limit} s" if expired else "ended without an exit status"
        raise Crash(f"the guest {why}; its console:\n{_last_words(console)}", bool(started))
    return status


def run(kernel, under_test, command, *, environment=None, counted=False, processors=1, append=(),
        limit=600, sink=print):
    """Runs COMMAND in a guest that has UNDER_TEST; gives the command's exit status.

    COUNTED guests have one processor, whatever PROCESSORS says.
    A guest that did not come as far as the command is tried once more: a boot in about 200 panics
    under emulation with several threads. A command that began is never repeated.
    """
    machine = MACHINES[kernel.arch]
    under_test.command(command, {"VM_PORT": machine.port, **(environment or {})})
    with tempfile.TemporaryDirectory(prefix="mispair-vm-") as folder:
        initrd, console = os.path.join(folder, "initrd"), os.path.join(folder, "console")
        with open(initrd, "wb") as out, open(userland.base(kernel.arch), "rb") as base:
            shutil.copyfileobj(base, out)
            out.write(under_test.bytes())
        qemu = _command(kernel, machine, initrd, console, _processors(counted, processors),
                        list(append))
        with one_at_a_time(), _no_orphan():
            try:
                return _once(qemu, console, limit, sink)
            except Crash as crash:
                if crash.started:
                    raise
                print(f"vm: booting once more: {crash}", file=sys.stderr, flush=True)
            return _once(qemu, console, limit, sink)
