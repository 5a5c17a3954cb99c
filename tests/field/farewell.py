#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Results that are streamed and left early: the connection is closed over unread rows.

farewell.py WAY --port PORT [--unix PATH]. Each connection makes WARM small queries, takes a few rows
of a large result, and says goodbye with the rest unread. That it was unread is counted, and the
requests that went over TCP.

  pymysql    an SSCursor, over TCP and the Unix socket in turn; COM_QUIT
  psycopg    stream(); Terminate
  psycopg2   COPY out, and what takes the rows has enough of them; Terminate
"""

import argparse
import collections
import fcntl
import json
import os
import struct
import sys
import termios
import threading
import time

sys.dont_write_bytecode = True
WARM, TAKEN, ROWS, WIDTH = 12, 3, 5000, 1000
ARRIVES, STILL = 5, 0.005
SQL_ROWS = f"SELECT repeat('x', {WIDTH}) FROM generate_series(1, {ROWS})"


def lies_unread(descriptor):
    """Waits until some of the result lies in the socket and no more comes; how much."""
    deadline, before = time.monotonic() + ARRIVES, 0
    while time.monotonic() < deadline:
        size = struct.unpack("i", fcntl.ioctl(descriptor, termios.FIONREAD, b"\0" * 4))[0]
        if size and size == before:
            return size
        before = size
        time.sleep(STILL)
    return before


def warm(cursor, count, counted=True):
    for number in range(WARM):
        cursor.execute("SELECT %s", (f"tag{number}",))
        assert cursor.fetchone()[0] == f"tag{number}", "another's answer"
    count["asked"] += (WARM + 1) * counted


def by_pymysql(args, number, count):
    import pymysql
    import pymysql.cursors

    by_path = args.unix and number % 2
    where = {"unix_socket": args.unix} if by_path else {"host": "127.0.0.1", "port": args.port}
    connection = pymysql.connect(user="root", database="mysql", **where)
    with connection.cursor() as cursor:
        warm(cursor, count, counted=not by_path)
    cursor = connection.cursor(pymysql.cursors.SSCursor)
    cursor.execute(f"SELECT repeat('x', {WIDTH}) FROM seq_1_to_{ROWS}")
    taken = [cursor.fetchone() for _ in range(TAKEN)]
    count["unread"] += bool(lies_unread(connection._sock.fileno()))
    connection.close()
    return len(taken)


def by_psycopg(args, number, count):
    import psycopg

    connection = psycopg.connect(f"host=127.0.0.1 port={args.port} user=corpus dbname=postgres",
                                 autocommit=True, sslmode="disable", gssencmode="disable")
    cursor = connection.cursor()
    warm(cursor, count)
    rows = cursor.stream(SQL_ROWS)
    taken = [next(rows) for _ in range(TAKEN)]
    count["unread"] += bool(lies_unread(connection.fileno()))
    connection.close()
    return len(taken)


class Enough(Exception):
    pass


class Few:
    """A file that takes a few rows."""

    def __init__(self):
        self.rows = 0

    def write(self, _):
        self.rows += 1
        if self.rows == TAKEN:
            raise Enough


def by_psycopg2(args, number, count):
    import psycopg2

    connection = psycopg2.connect(f"host=127.0.0.1 port={args.port} user=corpus dbname=postgres",
                                  sslmode="disable", gssencmode="disable")
    connection.autocommit = True
    cursor = connection.cursor()
    warm(cursor, count)
    few = Few()
    try:
        cursor.copy_expert(f"COPY ({SQL_ROWS}) TO STDOUT", few)
    except Enough:
        pass
    count["unread"] += bool(lies_unread(connection.fileno()))
    connection.close()
    return few.rows


WAYS = {"pymysql": by_pymysql, "psycopg": by_psycopg, "psycopg2": by_psycopg2}


def main(args):
    lock = threading.Lock()
    numbers = iter(range(args.connections))
    whole = collections.Counter(exchanges=0, ended_early=0, failed=0, asked=0, unread=0)

    def one_after_the_other():
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            count = collections.Counter()
            try:
                assert WAYS[args.way](args, number, count) == TAKEN, "rows are missing"
                count.update(exchanges=1, ended_early=1)
            except Exception as why:  # told, and the others go on
                count["failed"] += 1
                print(f"{number}: {why!r}", file=sys.stderr)
            with lock:
                whole.update(count)

    threads = [threading.Thread(target=one_after_the_other) for _ in range(args.parallel)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps({"workload": "farewell", "pid": os.getpid(), **whole}), flush=True)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--unix", metavar="PATH")
    parser.add_argument("--connections", type=int, default=20)
    parser.add_argument("--parallel", type=int, default=4)
    return parser.parse_args()


if __name__ == "__main__":
    main(arguments())
