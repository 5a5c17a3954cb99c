# SPDX-License-Identifier: GPL-2.0-or-later
"""The rows: a stock program that does nothing wrong, and what is done to it.

name     as it is shown
driver   a file in this directory (.py), or of the C workloads; it prints a JSON object at the end
words    its arguments: {NAME} is the port of a server of relays.py, started when it is named
watched  the server whose clients `mispair trace` watches: the far end of the relay's connections;
         None: the driver itself is the client, below `mispair run`. What the driver tells of says
         what it has to have done: "stopped_ms", that a reader stopped for seconds and bytes lay
         unread meanwhile; "unread", that something lay unread at each farewell
small    (connections, in parallel) of the small form
long     of the long one
checked  the row is part of `make check`; all are in the long form
timed    the relay's loop has a timer while its clients pause, and mispair doubts the request
"""

import collections

Row = collections.namedtuple("Row", "name driver words watched small long checked timed",
                             defaults=((30, 30), (1000, 200), True, False))

LESS = (200, 100)
# Relays of bytes, which know nothing of requests.
LINES = (("haproxy-tcp", "haproxy-tcp"), ("nginx-upgraded", "nginx", "--way", "upgrade", "--idle", "3"),
         ("squid-connect", "squid", "--way", "connect"), ("node-pipe-tcp", "node-pipe-tcp"),
         ("socat", "socat"))
FAREWELLS = ((20, 4), (1000, 4))
TO = ("--relay", "{RELAY}", "--upstream", "{upstream}")


def slow(name, relay, *words, timed=True, **more):
    where = tuple(word.replace("RELAY", relay) for word in TO)
    return Row(name, "slow_reader.py", (*where, *words), "upstream", timed=timed, **more)


def spared(name, relay, *words):
    return slow(name, relay, *words, checked=False, long=LESS, timed=False)


def farewell(name, *words):
    return Row(name, "farewell.py", words, None, *FAREWELLS)


ROWS = [
    slow("haproxy-tcp", "haproxy-tcp"),
    slow("haproxy-http", "haproxy-http", "--way", "http"),
    slow("haproxy-upgraded", "haproxy-http", "--way", "upgrade"),
    slow("nginx-streamed-upload", "nginx", "--way", "http", "--idle", "3"),
    slow("nginx-upgraded", "nginx", "--way", "upgrade", "--idle", "3"),
    slow("squid-connect", "squid", "--way", "connect"),
    # Its timer is one a second, and what comes from others ends its waits too.
    slow("squid-http", "squid", "--way", "proxy", "--pause", "2.5"),
    slow("node-pipe", "node-pipe", "--way", "http"),
    slow("node-pipe-tcp", "node-pipe-tcp"),
    farewell("pymysql-stream", "pymysql", "--port", "{mariadb}", "--unix", "{mariadb.unix}"),
    farewell("psycopg-stream", "psycopg", "--port", "{postgres}"),
    farewell("psycopg2-copy", "psycopg2", "--port", "{postgres}"),
    Row("libpq-single-row", "single_row", ("--port", "{postgres}"), None, *FAREWELLS),
    Row("pgbouncer-copy", "slow_copy.py", ("--relay", "{pgbouncer}"), "postgres"),
    spared("apache", "apache", "--way", "http"),
    spared("apache-upgraded", "apache", "--way", "upgrade"),
    spared("varnish", "varnish", "--way", "http"),
    spared("tinyproxy", "tinyproxy", "--way", "connect"),
    spared("socat", "socat"),
    spared("stunnel", "stunnel", "--large", "6000000"),
    spared("ssh-forward", "ssh-forward", "--large", "6000000"),
    spared("go-reverse-proxy", "go-reverse-proxy", "--way", "http"),
    spared("aiohttp-proxy", "aiohttp-proxy", "--way", "http"),
    *(slow(f"{name}-{meanwhile}", relay, *words, "--meanwhile", meanwhile, checked=False, long=LESS,
           timed=relay != "socat")
      for name, relay, *words in LINES for meanwhile in ("notes", "ahead", "goodbye")),
    spared("reader-itself", "upstream"),
    Row("copy-itself", "slow_copy.py", ("--relay", "{postgres}"), "postgres", long=LESS,
        checked=False),
    *(Row(way, "remote_rows.py", (way, "--port", "{postgres}", "--behind", "{postgres-behind}"),
          "postgres-behind", *FAREWELLS, checked=False) for way in ("fdw", "dblink")),
    Row("redis-sentinel", "stalls.py", ("--redis", "{redis}", "--sentinel", "{sentinel}"), "redis",
        (5, 1), (20, 1), checked=False),
]
