# SPDX-License-Identifier: GPL-2.0-or-later
"""What a guest has beside its kernel, as an initramfs.

Two archives: the base (shell, Python, redis, bpftool), which is kept in the cache until a package
in it changes, and what is under test, gathered anew for each boot from the tree and its build.
On amd64 the base is gathered from the running system, on arm64 from unpacked packages.
"""

import functools
import hashlib
import importlib.util
import io
import os
import pathlib
import re
import shlex
import subprocess

import cache
import cpio
import cross
import debs
from cache import TREE, Unavailable

VERSION = 1  # of the base's layout
PYTHON_PACKAGES = ("python3-redis", "python3-aioredis")
PROGRAMS = ("/usr/bin/python3", "/usr/bin/redis-server", "/usr/bin/redis-benchmark",
            "/usr/sbin/bpftool")
BUSYBOX = ("/bin/busybox", "/usr/bin/busybox")
# Of Python's own library: what no test imports, and it is large.
LEFT_OUT = re.compile(r"/(test|tests|idlelib|lib2to3|tkinter|ensurepip|turtledemo|distutils|"
                      r"pydoc_data|config-[^/]*)(/|$)")
# What a guest gets of the tree.
TREE_PARTS = ("tests/corpus", "tests/recordings", "tests/schema", "tests/system", "tests/view",
              "tests/vm", "tools/bench", "tools/vm", "user/schema")
UNPACKED_LEFT_OUT = ("/usr/share", "/etc", "/var", "/usr/include")
# Files of the network that libraries look for.
ETC = {"etc/passwd": b"root:x:0:0:root:/root:/bin/sh\n", "etc/group": b"root:x:0:\n",
       "etc/hosts": b"127.0.0.1 localhost guest\n::1 localhost\n",
       "etc/nsswitch.conf": b"hosts: files\n"}


@functools.cache
def libraries(binary):
    """Paths of the shared objects that the loader takes for a binary of this system."""
    listing = subprocess.run(["ldd", str(binary)], stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, text=True).stdout
    missing = re.findall(r"^\s*(\S+) => not found", listing, re.M)
    if missing:
        raise Unavailable(f"{binary} needs {', '.join(missing)}, which this system has not")
    return frozenset(re.findall(r"(/\S+) \(0x", listing))


def put(archive, path):
    """A path of this system, and what its symbolic links lead to, where the guest expects it."""
    path = str(path)
    archive.host_file(os.path.realpath(path), path)


def put_program(archive, path, where=None):
    if where:
        archive.host_file(os.path.realpath(path), str(where))
    else:
        put(archive, path)
    for library in libraries(str(path)):
        put(archive, library)


def installed(package):
    done = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", package],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    status, _, version = done.stdout.partition(" ")
    return version if status == "installed" else None


@functools.cache
def python_packages():
    """The Python packages and the Python packages that they depend on."""
    found, ask = {}, list(PYTHON_PACKAGES)
    while ask:
        package = ask.pop()
        version = installed(package)
        if package in found or not version:
            continue
        found[package] = version
        depends = debs.output(["dpkg-query", "-W", "-f", "${Depends}", package])
        ask += re.findall(r"\bpython3-[a-z0-9.+-]+", depends)
    return found


def _python_library():
    """Python's own library on this system, without what is large and not imported."""
    top = debs.output(["/usr/bin/python3", "-c",
                       "import os; print(os.path.dirname(os.__file__))"]).strip()
    for folder, folders, files in os.walk(top):
        folders[:] = [f for f in folders if not LEFT_OUT.search(os.path.join(folder, f) + "/")]
        for name in files:
            yield os.path.join(folder, name)


def _gather(archive):
    busybox = next((path for path in BUSYBOX if os.path.exists(path)), None)
    if not busybox or libraries(busybox):
        raise Unavailable("busybox-static is not installed")
    archive.host_file(os.path.realpath(busybox), "bin/busybox")
    for path in PROGRAMS:
        if os.path.exists(path):
            put_program(archive, path)
    for path in _python_library():
        put(archive, path)
        if path.endswith(".so"):
            for library in libraries(path):
                put(archive, library)
    for package in python_packages():
        for path in debs.output(["dpkg", "-L", package]).splitlines():
            if path.startswith("/usr/lib/") and os.path.isfile(path):
                put(archive, path)
                if path.endswith(".py"):
                    compiled = importlib.util.cache_from_source(path)
                    if os.path.exists(compiled):
                        put(archive, compiled)
                if path.endswith(".so"):
                    for library in libraries(path):
                        put(archive, library)


def _finish(archive):
    for path, data in ETC.items():
        archive.data(path, data)
    archive.device("dev/console", 5, 1)
    archive.device("dev/null", 1, 3)
    archive.close()


def _fingerprint():
    """Changes when the base would: its layout, a package, a program."""
    parts = [VERSION, sorted(python_packages().items())]
    for path in (*PROGRAMS, *BUSYBOX):
        if os.path.exists(path):
            status = os.stat(path)
            parts.append((path, status.st_size, status.st_mtime_ns))
    parts.append(debs.output(["dpkg-query", "-W", "-f", "${Package} ${Version}\n",
                              "libc6", "libpython3*-stdlib"]))
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def base_amd64():
    path = cache.folder("userland") / f"amd64-{_fingerprint()}.cpio"
    if not path.exists():
        for old in path.parent.glob("amd64-*.cpio"):
            old.unlink()
        write_archive(path, lambda archive: (_gather(archive), _finish(archive)))
    return path


def _gather_unpacked(archive, root):
    """All of an unpacked root that a program can need."""
    for folder, folders, files in os.walk(root):
        inside = os.path.normpath("/" + os.path.relpath(folder, root)).rstrip("/") + "/"
        folders[:] = [f for f in folders if inside + f not in UNPACKED_LEFT_OUT
                      and not LEFT_OUT.search(inside + f + "/")]
        for name in files:
            archive.host_file(os.path.join(folder, name), inside + name)
        for name in folders:
            if os.path.islink(os.path.join(folder, name)):
                archive.host_file(os.path.join(folder, name), inside + name)


def base_arm64():
    root, key = cross.guest_root()
    path = cache.folder("userland") / f"arm64-{key}-{VERSION}.cpio"
    if not path.exists():
        for old in path.parent.glob("arm64-*.cpio"):
            old.unlink()
        write_archive(path, lambda archive: (_gather_unpacked(archive, root), _finish(archive)))
    return path


def base(arch):
    return {"amd64": base_amd64, "arm64": base_arm64}[arch]()


def write_archive(path, fill):
    """Whole or not at all."""
    partial = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        with open(partial, "wb") as file:
            fill(cpio.Archive(file))
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


class UnderTest:
    """The second archive: the tree, its build, what the caller adds, and the command."""

    def __init__(self, arch):
        self._arch = arch
        self._buffer = io.BytesIO()
        self._archive = cpio.Archive(self._buffer)
        self._archive.data("init", (TREE / "tools" / "vm" / "init.sh").read_bytes(), 0o755)

    def add(self, source, where):
        """A file or a folder of the host; a program brings its libraries."""
        source = pathlib.Path(source)
        if source.is_dir():
            for path in sorted(source.rglob("*")):
                if path.is_file() and "__pycache__" not in path.parts:
                    self.add(path, f"{where}/{path.relative_to(source)}")
        elif self._arch == "amd64" and source.read_bytes()[:4] == b"\x7fELF":
            put_program(self._archive, source, where)
        else:
            self._archive.host_file(os.path.realpath(source), where)

    def add_tree(self, binary, tests):
        """The program and its tests, where the tree would have them below /mispair."""
        for part in TREE_PARTS:
            if (TREE / part).exists():
                self.add(TREE / part, f"mispair/{part}")
        if binary:
            self.add(binary, "mispair/build/mispair")
        for path in (*tests.glob("*"), *tests.glob("kernel/*")):
            if path.is_file():
                self.add(path, f"mispair/build/tests/{path.relative_to(tests)}")

    def command(self, argv, environment):
        lines = [f"export {name}={shlex.quote(str(value))}\n"
                 for name, value in environment.items()]
        self._archive.data("vm/environment", "".join(lines).encode())
        self._archive.data("vm/command", f"exec {shlex.join(map(str, argv))}\n".encode())

    def bytes(self):
        self._archive.close()
        return self._buffer.getvalue()
