# SPDX-License-Identifier: GPL-2.0-or-later
"""arm64: what a guest and a cross-build need, unpacked from Debian's packages into the cache."""

import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys

import cache
import debs
from cache import TREE, Unavailable

SUITE = "bookworm"
COMPILER = "aarch64-linux-gnu-gcc"
TRIPLET = "aarch64-linux-gnu"

# Headers and libraries beside libc6-dev-arm64-cross, without what they depend on in turn: libraries
# come with the guest's root.
DEV = ("libbpf-dev", "libelf-dev", "zlib1g-dev", "libjson-c-dev", "libcmocka-dev", "uthash-dev",
       "libbpf1", "libelf1", "zlib1g", "libjson-c5", "libcmocka0", "libzstd-dev", "libzstd1",
       "libncurses-dev", "libncursesw6", "libtinfo6", "libcap-ng-dev", "libcap-ng0",
       # Headers only: these libraries are loaded when an option wants them.
       "libmicrohttpd-dev", "libcurl4-gnutls-dev", "librdkafka-dev")
GUEST = ("python3-redis", "python3-aioredis", "redis-server", "redis-tools", "bpftool",
         "busybox-static", "libbpf1", "libelf1", "libjson-c5", "libzstd1", "libcmocka0",
         "libncursesw6", "libtinfo6", "libcap-ng0")
# Of all that these depend on: libraries, Python, redis and bpftool, not Perl and the installer.
WANTED = re.compile(r"lib(?!perl|pam|semanage|newt|slang|debian|text-|file-)[a-z0-9.+-]+(?<!-perl)"
                    r"|python3[a-z0-9.-]*|redis-.*|bpftool|busybox-static|zlib1g")


class BuildFailed(Exception):
    """make's own words."""


def _unpacked(kind, packages):
    """The packages, unpacked into one folder; again only when one of them has a new version."""
    folder = cache.folder("arm64", kind)
    suite = debs.Suite(SUITE, "arm64")
    try:
        files = suite.download(*packages, into=folder / "debs")
    except Unavailable as reason:
        if not (folder / "key").exists():
            raise
        print(f"vm: arm64 packages from the cache: {reason}", file=sys.stderr)
        return folder / "root", (folder / "key").read_text()
    key = hashlib.sha256("\n".join(sorted(f.name for f in files)).encode()).hexdigest()[:16]
    stamp, root = folder / "key", folder / "root"
    if not stamp.exists() or stamp.read_text() != key:
        stamp.unlink(missing_ok=True)
        debs.remove(root)
        print(f"vm: unpacking {len(files)} arm64 packages", file=sys.stderr, flush=True)
        for file in files:
            debs.unpack(file, root)
        stamp.write_text(key)
    return root, key


def guest_root():
    """(root folder, key that names its contents)"""
    names = debs.Suite(SUITE, "arm64").depends(*GUEST)
    root, key = _unpacked("guest", [name for name in names if WANTED.fullmatch(name)])
    compiled = root.parent / "compiled"
    if not compiled.exists() or compiled.read_text() != key:
        # The package would do so when it is installed; under emulation it takes seconds a test.
        subprocess.run(["/usr/bin/python3", "-m", "compileall", "-qq", "-s", str(root), "-p", "/",
                        str(root / "usr/lib/python3"), str(root / "usr/lib/python3.11")])
        compiled.write_text(key)
    return root, key


def _relative_links(root):
    """Links to absolute paths lead out of the root; to a linker they must stay in it."""
    for folder, _, files in os.walk(root):
        for name in files:
            path = pathlib.Path(folder) / name
            if path.is_symlink() and os.readlink(path).startswith("/"):
                target = root / os.readlink(path).lstrip("/")
                path.unlink()
                path.symlink_to(os.path.relpath(target, folder))


def build(folder):
    """mispair, its workloads and its vectors for arm64, in FOLDER."""
    if not shutil.which(COMPILER):
        raise Unavailable(f"{COMPILER} is not installed")
    root, _ = _unpacked("dev", DEV)
    _relative_links(root)
    libraries = [root / "usr/lib" / TRIPLET, root / "lib" / TRIPLET]
    # What the libraries themselves need is in the guest, so it need not be found here.
    link = [f"-L{path}" for path in libraries] + ["-Wl,--allow-shlib-undefined"]
    include = [f"-isystem {root / 'usr/include' / TRIPLET}", f"-isystem {root / 'usr/include'}"]
    done = subprocess.run(
        ["make", "-C", str(TREE), "--no-print-directory", "-j2", "all", "guest-tests",
         "ARCH=arm64", f"CC={COMPILER}", f"BUILD={folder}", f"CPPFLAGS={' '.join(include)}",
         f"LDFLAGS={' '.join(link)}"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise BuildFailed(f"the cross-build failed:\n{done.stdout[-3000:]}")
    return folder
