# SPDX-License-Identifier: GPL-2.0-or-later
"""Is it there? One probe for each kind of thing that a row can need; None means yes.

program:NAME  python:MODULE  ruby:FEATURE  lua:MODULE  perl:MODULE  php:FILE-OR-EXTENSION
node:MODULE   crate:NAME     file:PATH     built:NAME (a C workload)
"""

import functools
import glob
import os
import shutil
import subprocess

PYTHON = "/usr/bin/python3"
LUA = "lua5.1"
CRATES = "/usr/share/cargo/registry"


def _runs(*command):
    if shutil.which(command[0]) is None:
        return False
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, timeout=60)
    return done.returncode == 0


def _php(what):
    if what.endswith(".php"):
        return _runs("php", "-r", f"exit(@include('{what}') ? 0 : 1);")
    return _runs("php", "-r", f"exit(extension_loaded('{what}') ? 0 : 1);")


def node_environment():
    """Debian's modules and those that npm installed into the tree's build directory or globally."""
    paths = [os.environ.get("NODE_PATH", ""), "/usr/share/nodejs", "/usr/lib/node_modules",
             "/usr/local/lib/node_modules"]
    return {**os.environ, "NODE_PATH": ":".join(filter(None, paths))}


def _node(module):
    if shutil.which("node") is None:
        return False
    done = subprocess.run(["node", "-e", f"require('{module}')"], stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60,
                          env=node_environment())
    return done.returncode == 0


PROBES = {
    "program": lambda what: shutil.which(what) is not None,
    "python": lambda what: _runs(PYTHON, "-c", f"import {what}"),
    "ruby": lambda what: _runs("ruby", "-r", what, "-e", ""),
    "lua": lambda what: _runs(LUA, "-e", f"require '{what}'"),
    "perl": lambda what: _runs("perl", f"-M{what}", "-e", "1"),
    "php": _php,
    "node": _node,
    "crate": lambda what: bool(glob.glob(f"{CRATES}/{what}-[0-9]*")),
    "file": os.path.exists,
}


@functools.lru_cache(maxsize=None)
def missing(need, binaries):
    """Why this need is not met, or None."""
    kind, _, what = need.partition(":")
    found = (binaries / what).exists() if kind == "built" else PROBES[kind](what)
    return None if found else f"{kind} {what} is missing"


def first_missing(needs, binaries):
    return next(filter(None, (missing(need, binaries) for need in needs)), None)
