# SPDX-License-Identifier: GPL-2.0-or-later
"""How a workload of each language is started, and built where the Makefile does not.

Go, Rust and Java come from Debian's own compilers and crates, without a network. A Rust workload
that needs crates says so in a line "// cargo: NAME = VALUE" for each, as Cargo.toml spells it.
"""

import os
import pathlib
import re
import shutil
import subprocess

import needs

BUILD_LIMIT = 400
RUSTC, CARGO = "/usr/bin/rustc", "/usr/bin/cargo"

INTERPRETERS = {".py": [needs.PYTHON], ".rb": ["ruby"], ".php": ["php"], ".pl": ["perl"],
                ".lua": [needs.LUA], ".js": ["node"], ".sh": ["/bin/sh"]}

COMPILERS = {".go": ["program:go"], ".rs": ["file:" + RUSTC],
             ".java": ["program:javac", "program:java"]}


class BuildFailed(Exception):
    pass


def language_needs(workload):
    suffix = pathlib.Path(workload).suffix
    if suffix in COMPILERS:
        return COMPILERS[suffix]
    if suffix in INTERPRETERS:
        program = INTERPRETERS[suffix][0]
        return ["file:" + program if program.startswith("/") else "program:" + program]
    return []


def command(source, binaries):
    """The first words of the command line of a workload."""
    suffix = source.suffix
    if suffix in INTERPRETERS:
        return [*INTERPRETERS[suffix], str(source)]
    if suffix == ".java":
        return _java(source, binaries / "java")
    binary = binaries / source.stem
    if suffix in COMPILERS and _older(binary, source):
        (_build_go if suffix == ".go" else _build_rust)(source, binary)
    if not binary.exists():
        raise BuildFailed(f"{binary} is not built")
    return [str(binary)]


def _older(binary, source):
    return not binary.exists() or binary.stat().st_mtime < source.stat().st_mtime


def _compile(words, environment, directory):
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=BUILD_LIMIT, cwd=directory,
                          env={**os.environ, **environment})
    if done.returncode:
        raise BuildFailed(f"{' '.join(words)}:\n{done.stdout[-4000:]}")


def _java(source, classes):
    """The class has its file's name."""
    if _older(classes / f"{source.stem}.class", source):
        classes.mkdir(exist_ok=True)
        _compile(["javac", "-Xlint:all", "-Werror", "-d", str(classes), str(source)], {},
                 classes)
    return ["java", "-cp", str(classes), source.stem]


def _build_go(source, binary):
    _compile(["go", "build", "-o", str(binary), str(source)],
             {"GO111MODULE": "off", "GOFLAGS": "", "GOPROXY": "off", "GOTOOLCHAIN": "local",
              "GOCACHE": str(binary.parent / "go-cache")}, binary.parent)


def _build_rust(source, binary):
    crates = re.findall(r"^// cargo: (.*)$", source.read_text(), re.MULTILINE)
    if not crates:
        _compile([RUSTC, "-O", "--edition", "2021", "-o", str(binary), str(source)], {},
                 binary.parent)
        return
    package = binary.parent / f"cargo-{source.stem}"
    (package / ".cargo").mkdir(parents=True, exist_ok=True)
    (package / ".cargo" / "config.toml").write_text(
        '[source.crates-io]\nreplace-with = "debian"\n\n'
        f'[source.debian]\ndirectory = "{needs.CRATES}"\n')
    (package / "Cargo.toml").write_text(
        f'[package]\nname = "{source.stem}"\nversion = "0.0.0"\nedition = "2021"\n\n'
        f'[[bin]]\nname = "{source.stem}"\npath = "{source}"\n\n[dependencies]\n'
        + "\n".join(crates) + "\n\n[workspace]\n")
    # One target directory, so that a crate is compiled once for all workloads that name it.
    target = binary.parent / "cargo-target"
    _compile([CARGO, "build", "--offline", "--quiet"],
             {"CARGO_HOME": str(package / "home"), "RUSTC": RUSTC,
              "CARGO_TARGET_DIR": str(target)}, package)
    shutil.copy(target / "debug" / source.stem, binary)
