#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Slow readers of PostgreSQL, many at once: COPY in, in two parts, then COPY out.

As slow_reader.py, and with the same last line of output. psycopg is the client, threads are many.
"""

import argparse
import contextlib
import collections
import json
import os
import socket
import sys
import threading
import time

import psycopg

sys.dont_write_bytecode = True
WARM, AFTER = 12, 3
ROWS, WIDTH = 2000, 1000
RECEIVE_BUFFER = 32768
PART = 100
OUT = f"COPY (SELECT repeat('x', {WIDTH}) FROM generate_series(1, {ROWS})) TO STDOUT"


def small(connection, count, tag):
    count["asked"] += 1
    assert connection.execute("SELECT %s", (tag,)).fetchone() == (tag,), "another's answer"


def copy_in(connection, count, args):
    count["asked"] += 1
    with connection.cursor() as cursor:
        with cursor.copy("COPY kept FROM STDIN") as copy:
            copy.write(b"y" * WIDTH + b"\n")
            for part in range(2):
                for _ in range(PART):
                    copy.write(b"y" * WIDTH + b"\n")
                if not part:
                    time.sleep(args.pause)
        assert cursor.rowcount == 2 * PART + 1, "part of the rows"


def copy_out(connection, count, args, aborts):
    """Seconds without a read."""
    count["asked"] += 1
    stopped = 0
    # To leave a COPY whose connection is closed is an error to psycopg.
    with contextlib.suppress(*[psycopg.OperationalError] if aborts else []):
        with connection.cursor() as cursor, cursor.copy(OUT) as copy:
            got = len(next(iter(copy)))
            began = time.monotonic()
            time.sleep(args.still)
            stopped = time.monotonic() - began
            if aborts:
                connection.close()
                return stopped
            got += sum(map(len, copy))
        assert got == ROWS * (WIDTH + 1), "part of the rows"
    return stopped


def exchange(args, number, count):
    connection = psycopg.connect(f"host=127.0.0.1 port={args.relay} user=corpus dbname=postgres",
                                 autocommit=True, sslmode="disable", gssencmode="disable")
    with socket.fromfd(connection.fileno(), socket.AF_INET, socket.SOCK_STREAM) as same:
        same.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    try:
        connection.execute("CREATE TEMPORARY TABLE kept (line text)")
        for warm in range(WARM):
            small(connection, count, f"{number}.{warm}")
        for turn in range(args.each):
            aborts = number % 4 == 3 and turn == args.each - 1
            copy_in(connection, count, args)
            stopped = copy_out(connection, count, args, aborts)
            count["exchanges"] += 1
            count["stopped_ms"] = min(count["stopped_ms"], int(stopped * 1000))
            if aborts:
                count["ended_early"] += 1
                break
            for after in range(AFTER):
                small(connection, count, f"{number}.{turn}.{after}")
            count["read_on"] += 1
    finally:
        connection.close()


def main(args):
    lock = threading.Lock()
    numbers = iter(range(1, args.connections + 1))
    whole = collections.Counter({"exchanges": 0, "read_on": 0, "ended_early": 0, "failed": 0, "asked": 0})
    whole["stopped_ms"] = 1 << 30

    def one_after_the_other():
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            count = collections.Counter({"stopped_ms": 1 << 30})
            try:
                exchange(args, number, count)
            except Exception as why:  # told, and the others go on
                count["failed"] += 1
                print(f"{number}: {why!r}", file=sys.stderr)
            with lock:
                least = min(whole["stopped_ms"], count.pop("stopped_ms"))
                whole.update(count)
                whole["stopped_ms"] = least

    threads = [threading.Thread(target=one_after_the_other) for _ in range(args.parallel)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps({"workload": "slow_copy", "pid": os.getpid(), **whole}), flush=True)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--relay", type=int, required=True, metavar="PORT")
    parser.add_argument("--connections", type=int, default=30)
    parser.add_argument("--parallel", type=int, default=30)
    parser.add_argument("--each", type=int, default=1)
    parser.add_argument("--pause", type=float, default=1.2)
    parser.add_argument("--still", type=float, default=3.0)
    return parser.parse_args()


if __name__ == "__main__":
    main(arguments())
