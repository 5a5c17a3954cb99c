#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes the recordings in this folder anew, or the ones that are named: `make recordings`, as root.

A recording holds kernel records as they lie in memory. When their layout changes, older recordings
are refused, and these are made again. Of each workload three files are kept: NAME.rec, what
mispair saw; NAME.json, what it said then; NAME.truth.json, what the workload itself knew. A replay
has to say the same, and what it says has to agree with the truth.
"""

import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
TREE = HERE.parents[1]
sys.path.insert(0, str(TREE / "tests" / "system"))

import harness  # noqa: E402


def recordings(context):
    """Name -> options and command; small ones, each for another form of the bug or its absence."""
    redis = context.redis().port
    echo = context.echo_server()
    return {
        "outstanding": ((), context.workload("pyredis_single.py", "--port", redis,
                                             "--timings", 3)),
        "pool": (("--precise", "always"),
                 context.workload("pyredis_pool.py", "--port", redis, "--tasks", 8, "--ops", 5)),
        "stock": ((), context.workload("pyredis_single.py", "--port", redis, "--stock",
                                       "--timings", 3)),
        # It keeps its connections open until standard input ends: several refresh passes.
        "held-open": (("--ledgers",), ["/bin/sh", "-c", 'sleep 2 | "$@"', "sh",
                                       *context.workload("pyredis_single.py", "--port", redis,
                                                         "--timings", 1, "--hold-open")]),
        "ring-full": (("--ring-size", "4096", "--ledgers"),
                      context.workload("pyredis_pool.py", "--port", redis, "--tasks", 30,
                                       "--ops", 10)),
        "minipool": ((), context.workload("minipool.py", "--port", redis, "--order", "late",
                                          "--tasks", 2, "--rounds", 3)),
        "unread": (("--ledgers",), [str(context.binary("unread37")), "--v4-port", str(echo.v4)]),
    }


# What a recording says of the host that it was made on: no name and no folder of it.
ANONYMOUS = ["unshare", "--uts", "/bin/sh", "-c", 'hostname host && exec "$@"', "sh"]


def record(context, name, options, command):
    command = [word.replace(f"{TREE}/", "") for word in command]
    return subprocess.run(
        [*ANONYMOUS, str(context.mispair), "record", "-w", context.file(f"{name}.rec"),
         "--json", context.file(f"{name}.json"), "--stats", "500ms", *options, "--", *command],
        cwd=TREE, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        timeout=harness.RUN_LIMIT)


def main():
    context = harness.Context(TREE / "build" / "mispair", TREE / "build" / "tests")
    try:
        wanted = sys.argv[1:]
        for name, (options, command) in recordings(context).items():
            if wanted and name not in wanted:
                continue
            done = record(context, name, options, command)
            harness.check(done.returncode == 0, f"{name}: {done.stderr.decode()}")
            truth = b"".join(line + b"\n" for line in done.stdout.splitlines()
                             if line.startswith(b'{"row"'))
            harness.check(truth, f"{name}: the workload printed no truth")
            (HERE / f"{name}.truth.json").write_bytes(truth)
            for kind in ("rec", "json"):
                shutil.copyfile(context.file(f"{name}.{kind}"), HERE / f"{name}.{kind}")
            print(f"{name}: {(HERE / f'{name}.rec').stat().st_size} bytes")
    finally:
        context.close()


if __name__ == "__main__":
    main()
