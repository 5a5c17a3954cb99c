#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A PostgreSQL that is the client of another one, and does not read to the end.

remote_rows.py WAY --port PORT --behind PORT. Each connection's backend asks the one behind WARM small
things, then begins with a large result and leaves it.

  fdw      a foreign table: a LIMIT, a statement that times out, then a small query again
  dblink   dblink_send_query(), then dblink_disconnect() over what came
"""

import argparse
import collections
import json
import os
import sys
import threading

import psycopg

sys.dont_write_bytecode = True
WARM, ROWS = 12, 20000
LARGE = f"SELECT i, repeat('x', 1000) FROM generate_series(1, {ROWS}) AS s (i)"


def small(connection, count, statement, expected):
    count["asked"] += 1
    assert connection.execute(statement).fetchone() == (expected,), "another's answer"


def by_fdw(connection, args, number, count):
    del args
    for turn in range(WARM):
        small(connection, count, f"SELECT i FROM few WHERE i = {turn}", turn)
    assert len(connection.execute("SELECT * FROM many LIMIT 10").fetchall()) == 10
    count["asked"] += 1
    try:
        connection.execute("SET statement_timeout = 20")
        connection.execute("SELECT count(*) FROM slow")
        assert False, "it took no time"
    except psycopg.errors.QueryCanceled:
        count["asked"] += 1
    connection.execute("SET statement_timeout = 0")
    small(connection, count, f"SELECT i FROM few WHERE i = {number % 100}", number % 100)


def by_dblink(connection, args, number, count):
    del number
    where = f"host=127.0.0.1 port={args.behind} user=corpus dbname=postgres sslmode=disable"
    connection.execute("SELECT dblink_connect('there', %s)", (where,))
    for turn in range(WARM):
        small(connection, count, f"SELECT i FROM dblink('there', 'SELECT {turn}') AS t (i int)",
              turn)
    connection.execute("SELECT dblink_send_query('there', %s)", (LARGE,))
    connection.execute("SELECT dblink_is_busy('there'), pg_sleep(0.02)")
    connection.execute("SELECT dblink_disconnect('there')")
    count["asked"] += 1


def set_up(args):
    where = "host=127.0.0.1 port={} user=corpus dbname=postgres".format
    with psycopg.connect(where(args.behind), autocommit=True) as behind:
        behind.execute("CREATE TABLE few AS SELECT i FROM generate_series(0, 99) AS s (i)")
        behind.execute(f"CREATE TABLE many AS {LARGE}")
        behind.execute("CREATE VIEW slow AS SELECT pg_sleep(1)::text AS t FROM few")
    with psycopg.connect(where(args.port), autocommit=True) as front:
        for extension in ("postgres_fdw", "dblink"):
            front.execute(f"CREATE EXTENSION {extension}")
        front.execute("CREATE SERVER behind FOREIGN DATA WRAPPER postgres_fdw OPTIONS "
                      f"(host '127.0.0.1', port '{args.behind}', dbname 'postgres')")
        front.execute("CREATE USER MAPPING FOR corpus SERVER behind OPTIONS (user 'corpus')")
        front.execute("IMPORT FOREIGN SCHEMA public FROM SERVER behind INTO public")


WAYS = {"fdw": by_fdw, "dblink": by_dblink}


def main(args):
    set_up(args)
    lock = threading.Lock()
    numbers = iter(range(args.connections))
    whole = collections.Counter(exchanges=0, ended_early=0, failed=0, asked=0)

    def one_after_the_other():
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            count = collections.Counter()
            try:
                with psycopg.connect(f"host=127.0.0.1 port={args.port} user=corpus "
                                     "dbname=postgres", autocommit=True) as connection:
                    WAYS[args.way](connection, args, number, count)
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
    print(json.dumps({"workload": "remote_rows", "pid": os.getpid(), **whole}), flush=True)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--behind", type=int, required=True, metavar="PORT")
    parser.add_argument("--connections", type=int, default=20)
    parser.add_argument("--parallel", type=int, default=4)
    return parser.parse_args()


if __name__ == "__main__":
    main(arguments())
