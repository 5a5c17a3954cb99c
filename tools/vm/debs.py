# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian packages of any suite and architecture, downloaded and unpacked, never installed.

apt runs with lists, a cache and a status file of its own, so the system's are not touched. The
mirror is the one that the system uses: only the suite's name differs.
"""

import functools
import os
import pathlib
import re
import shutil
import subprocess
import time

import cache
from cache import Unavailable

# Lists older than this are fetched again.
FRESH = 12 * 3600
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def output(command, **options):
    return subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, **options).stdout


@functools.cache
def mirrors():
    """URI of the main and of the security archive, as this system is configured."""
    found = {}
    listing = output(["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)",
                      "Created-By: Packages"])
    for line in listing.splitlines():
        uri, release = line.split()
        if release.endswith("-security"):
            found["security"] = uri
        elif re.fullmatch(r"[a-z]+-updates", release):
            found["main"] = uri
    return found


class Suite:
    """One suite for one architecture."""

    def __init__(self, name, arch):
        self.name = name
        self.arch = arch
        archive = "security" if name.endswith("-security") else "main"
        signed = f"[signed-by={KEYRING}] " if os.path.exists(KEYRING) else ""
        if archive not in mirrors():
            raise Unavailable(f"this system has no source of packages for {name}")
        self._line = f"{signed}{mirrors()[archive]} {name} main"
        self._folder = cache.folder("apt", f"{arch}-{name}")

    def _apt(self, command, *args, cwd=None):
        base = self._folder
        return output([command, "-o", f"Dir::Etc::sourcelist={base / 'sources.list'}",
                       "-o", "Dir::Etc::sourceparts=/dev/null",
                       "-o", f"Dir::State::Lists={base / 'lists'}",
                       "-o", "Dir::State::status=/dev/null",
                       "-o", f"Dir::Cache={base / 'cache'}",
                       "-o", "APT::Sandbox::User=root",
                       "-o", f"APT::Architecture={self.arch}",
                       "-o", f"APT::Architectures={self.arch}",
                       "-o", "Acquire::Languages=none",
                       "-o", "Acquire::Retries=2", *args], cwd=cwd)

    def update(self):
        stamp = self._folder / "updated"
        if stamp.exists() and time.time() - stamp.stat().st_mtime < FRESH:
            return
        for part in ("lists/partial", "cache/archives/partial"):
            (self._folder / part).mkdir(parents=True, exist_ok=True)
        (self._folder / "sources.list").write_text(f"deb {self._line}\n")
        try:
            self._apt("apt-get", "-q", "--error-on=any", "update")
        except (subprocess.CalledProcessError, FileNotFoundError) as failure:
            reason = getattr(failure, "stderr", "") or str(failure)
            raise Unavailable(f"no lists of {self._line}: {reason.strip()[:300]}") from failure
        stamp.touch()

    def names(self, prefix):
        self.update()
        return self._apt("apt-cache", "pkgnames", prefix).split()

    def depends(self, *packages):
        """The packages and all that they depend on, without the virtual ones."""
        self.update()
        listing = self._apt("apt-cache", "depends", "--recurse", "--no-recommends",
                            "--no-suggests", "--no-conflicts", "--no-breaks", "--no-replaces",
                            "--no-enhances", *packages)
        return sorted(set(re.findall(r"^([a-z0-9][a-z0-9.+-]+)", listing, re.M)))

    def download(self, *packages, into):
        self.update()
        into.mkdir(parents=True, exist_ok=True)
        try:
            listing = self._apt("apt-get", "-q", "--print-uris", "download", *packages)
            files = [into / name for name in re.findall(r"^'\S+' (\S+\.deb) ", listing, re.M)]
            if not all(file.exists() for file in files):
                # It writes to the current folder, under the names that it printed.
                self._apt("apt-get", "-q", "download", *packages, cwd=into)
        except subprocess.CalledProcessError as failure:
            raise Unavailable(f"{' '.join(packages)[:100]} of {self._line}: "
                              f"{failure.stderr.strip()[:300]}") from failure
        return files


def unpack(deb, into):
    into.mkdir(parents=True, exist_ok=True)
    subprocess.run(["dpkg", "-x", str(deb), str(into)], check=True)


def newest(names, pattern):
    """Of the names that match, the one with the highest numbers in it; None if there is none."""
    def numbers(name):
        return [int(n) for n in re.findall(r"\d+", name)]
    matching = [name for name in names if re.fullmatch(pattern, name)]
    return max(matching, key=numbers, default=None)


def only_file(folder, pattern):
    found = sorted(pathlib.Path(folder).glob(pattern))
    if len(found) != 1:
        raise Unavailable(f"{len(found)} files like {pattern} in {folder}, not one")
    return found[0]


def remove(folder):
    shutil.rmtree(folder, ignore_errors=True)
