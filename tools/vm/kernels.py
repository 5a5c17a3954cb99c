# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's cloud kernels: which ones the matrix has, and how each is fetched.

Point versions vanish from the archive, so a kernel's package is looked up when it is needed. What
was fetched is used for some days without asking again, and for ever if there is no network.
"""

import collections
import os
import re
import sys
import time

import cache
import debs
from cache import Unavailable

# How long a fetched kernel is good without asking for a newer one.
FRESH = 3 * 24 * 3600

# Suites in the order in which they are asked. From 7.0 on linux-image-* is empty, and the kernel
# is in linux-binary-*.
Source = collections.namedtuple("Source", "suites pattern")
SERIES = {
    "5.10": Source(("bullseye-security",), r"linux-image-5\.10\.0-\d+-cloud-{arch}"),
    "6.1": Source(("bookworm-security", "bookworm"), r"linux-image-6\.1\.0-\d+-cloud-{arch}"),
    "6.12": Source(("bookworm-security", "bookworm-backports"),
                   r"linux-image-6\.12\.\d+\+deb12-cloud-{arch}"),
    "6.18": Source(("trixie-backports",), r"linux-image-6\.18\.\d+\+deb13-cloud-{arch}"),
    "7.x": Source(("trixie-backports", "sid"),
                  r"linux-(image|binary)-7\.\d+\.\d+\+deb1\d-cloud-{arch}"),
}
ARCHES = ("amd64", "arm64")

Kernel = collections.namedtuple("Kernel", "series arch release image")


def _cached(folder):
    """The newest image that is there, by the time it was fetched."""
    images = sorted(folder.glob("vmlinuz-*"), key=os.path.getmtime)
    return images[-1] if images else None


def _kernel(series, arch, image):
    return Kernel(series, arch, image.name.removeprefix("vmlinuz-"), image)


def _find(source, arch):
    """(suite, package) of the newest; a suite that cannot be had leaves its reason."""
    reasons = []
    for name in source.suites:
        suite = debs.Suite(name, arch)
        try:
            names = suite.names("linux-image-") + suite.names("linux-binary-")
        except Unavailable as reason:
            reasons.append(str(reason))
            continue
        # An image of 7.0 on has a binary package of the same version: that one.
        names = [n for n in names if n.replace("-image-", "-binary-") == n
                 or n.replace("-image-", "-binary-") not in names]
        package = debs.newest(names, source.pattern.format(arch=arch))
        if package:
            return suite, package
        reasons.append(f"{name} has no package like {source.pattern.format(arch=arch)}")
    raise Unavailable("; ".join(reasons))


def fetch(series, arch="amd64"):
    """A Kernel, from the cache or from the archive. Raises Unavailable with the reason."""
    if series not in SERIES or arch not in ARCHES:
        raise Unavailable(f"no kernel is called {series} on {arch}; there are "
                          f"{', '.join(SERIES)} on {', '.join(ARCHES)}")
    folder = cache.folder("kernels", f"{arch}-{series}")
    have, asked = _cached(folder), folder / "asked"
    if have and asked.exists() and time.time() - asked.stat().st_mtime < FRESH:
        return _kernel(series, arch, have)
    try:
        suite, package = _find(SERIES[series], arch)
        release = re.sub(r"^linux-(image|binary)-", "", package)
        image = folder / f"vmlinuz-{release}"
        if not image.exists():
            _extract(suite, package, release, folder, image)
        os.utime(image)
    except Unavailable as reason:
        if not have:
            raise
        print(f"vm: {have.name} from the cache: {reason}", file=sys.stderr)
        return _kernel(series, arch, have)
    asked.touch()
    return _kernel(series, arch, image)


def _extract(suite, package, release, folder, image):
    print(f"vm: fetching {package} from {suite.name}", file=sys.stderr, flush=True)
    for deb in suite.download(package, into=folder / "debs"):
        unpacked = folder / "unpacked"
        debs.unpack(deb, unpacked)
        # In /boot, or from 7.3 on beside its modules.
        os.replace(debs.only_file(unpacked, "**/vmlinuz*"), image)
        debs.remove(unpacked)
        deb.unlink()
