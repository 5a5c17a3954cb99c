# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the VM tools keep what they download or build for a guest: outside of the tree."""

import os
import pathlib

TREE = pathlib.Path(__file__).resolve().parents[2]


class Unavailable(Exception):
    """Something that cannot be had here, and why: a reason to skip, never to pass."""


def root():
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return pathlib.Path(os.environ.get("MISPAIR_VM_CACHE") or os.path.join(home, "mispair", "vm"))


def folder(*parts):
    path = root().joinpath(*parts)
    path.mkdir(parents=True, exist_ok=True)
    return path
