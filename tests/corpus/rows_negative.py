# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows of the corpus where the application never gets a wrong answer: mispair stays silent.

`cancelled` counts every operation that was cancelled, timed out, or whose wait was interrupted.
"""

import os

from rows import Row
from servers_negative import SERVERS  # noqa: F401  for the scoreboard

TAG = ("--port", "{tag}")
# A receive time-out is no shorter than the kernel's tick.
SLOW = ("--latest", "25000", "--operations", "100", "--threads", "8")
LONG = ("--latest", "700000", "--operations", "5", "--threads", "16")


def row(name, workload, variants, needs=(), note=""):
    return Row(name, "-", False, workload, variants, needs, note)


WAITS = [
    row("timeout-then-wait-on", "waits.c",
        [*((way, (*TAG, "--way", way)) for way in ("poll", "select", "epoll")),
         ("rcvtimeo", (*TAG, "--way", "rcvtimeo", *SLOW))]),
    row("signals-retried", "waits.c",
        [("recv", (*TAG, "--way", "signal", "--children")),
         ("poll", (*TAG, "--way", "signal-poll", "--children")),
         ("restarted", (*TAG, "--way", "signal", "--restart", "--children"))]),
    row("streaming-replies", "waits.c",
        [(way, (*TAG, "--way", way, "--streaming", "--operations", "250"))
         for way in ("poll", "signal")] +
        [("rcvtimeo", (*TAG, "--way", "rcvtimeo", "--streaming", *SLOW))]),
    row("long-waits", "waits.c",
        [(way, (*TAG, "--way", way, *LONG))
         for way in ("poll", "epoll", "rcvtimeo", "signal", "signal-poll")],
        note="hundreds of time-outs or signals, far beyond any grace, and then the reply"),
    row("waits-until-quiet", "waits.c",
        [*((way, (*TAG, "--way", way, "--until-quiet")) for way in ("poll", "epoll")),
         ("rcvtimeo", (*TAG, "--way", "rcvtimeo", "--until-quiet", *SLOW))],
        note="a time-out is how the client knows that the reply is whole; then it asks again"),
    row("peek-probes", "waits.c",
        [(way, (*TAG, "--way", way, "--peek", "--operations", "250"))
         for way in ("poll", "signal")] +
        [("rcvtimeo", (*TAG, "--way", "rcvtimeo", "--peek", *SLOW))]),
]


EVENTS = [
    row("event-loop-with-tick", "events.c", [("", (*TAG, "--way", "tick", "--operations", 3000))]),
    row("shared-by-a-queue", "events.c",
        [("one thread", (*TAG, "--way", "multiplexed")), ("threads", (*TAG, "--way", "duplex"))],
        note="many in flight on one connection; who gives up leaves its place in the queue"),
    row("push-behind-a-reply", "behind.c", [("", (*TAG, "--connections", "1000"))],
        note="it comes before the receive of the reply has returned, and lies unread at the send"),
    row("passed-between-processes", "processes.sh", [("", ("{tag}",))], ("program:bash",)),
]


def hands(name, *ways, note=""):
    return row(name, "hands.c", [(label, (*TAG, *words)) for label, *words in ways], note=note)


HANDS = [
    hands("threads-hand-over", ("", "--way", "hand-over", "--operations", 1500)),
    hands("sender-thread-ends", ("", "--way", "sender-ends", "--operations", 1000)),
    hands("drained-before-reuse", ("itself", "--way", "drained"),
          ("by another thread", "--way", "drained-by-another")),
    hands("closed-same-descriptor",
          *((how, "--way", "closed-" + how) for how in ("poll", "rcvtimeo", "signal"))),
    hands("thread-cancelled-closes", ("", "--way", "thread-cancelled")),
    hands("fire-and-forget", ("", "--way", "forget", "--operations", 3000)),
    hands("some-never-answered", ("", "--way", "unanswered"),
          ("thread ends", "--way", "unanswered-thread-ends")),
    hands("request-in-two-parts",
          *((what, "--way", "two-parts", "--between", what)
            for what in ("pause", "poll", "rcvtimeo", "probe", "signal", "thread"))),
]


REDIS = ("--port", "{redis}", "--seed", "{seed}")
POSTGRES = ("--port", "{postgres}", "--seed", "{seed}")
MARIADB = ("--port", "{mariadb}", "--seed", "{seed}")
PYTHON_REDIS = ("program:redis-server", "python:redis")
AIOREDIS = ("program:redis-server", "python:aioredis")
UVLOOP = ("--loop", "uvloop")
FEWER = ("--operations", "150")


def ways(*names, server, more=()):
    """A variant for each way of a workload."""
    return [(name, (*server, "--way", name, *more)) for name in names]


PYTHON_CLIENTS = [
    row("pyredis-async", "pyredis_stock.py",
        [(pool, (*REDIS, "--pool", pool)) for pool in ("plain", "blocking")], PYTHON_REDIS,
        "1,000 cancelled BLPOPs each; every connection is closed"),
    row("pyredis-async-pipelines", "correct_aredis.py", ways("pipelines", server=REDIS),
        PYTHON_REDIS),
    row("pyredis-async-pubsub", "correct_aredis.py",
        ways("subscriptions", "listeners", server=REDIS), PYTHON_REDIS),
    row("uvloop-redis", "correct_aredis.py",
        ways("pipelines", "subscriptions", "listeners", server=REDIS, more=UVLOOP),
        (*PYTHON_REDIS, "python:uvloop")),
    row("pyredis-sync", "correct_redis.py",
        ways("commands", "alarms", "storm", server=REDIS), PYTHON_REDIS),
    row("pyredis-sync-pings", "correct_redis.py",
        ways("pings", server=(*REDIS, "--server-pid", "{redis.pid}")), PYTHON_REDIS,
        "a subscriber pings a server that is slow; several pongs are owed at times"),
    row("pyredis-sync-pipelines", "correct_redis.py", ways("pipelines", server=REDIS),
        PYTHON_REDIS),
    row("pyredis-sync-pubsub", "correct_redis.py",
        ways("subscriptions", server=REDIS, more=("--operations", "200")), PYTHON_REDIS),
    row("swallowed-with-care", "swallow.py",
        [(f"{then} {order}", ("--port", "{redis}", "--order", order, "--then", then))
         for then in ("drains", "both", "farewell") for order in ("early", "late")], PYTHON_REDIS,
        "a cancelled task that goes on with its connection, as the bug does, and does no wrong"),
    row("redis-hangs-up-when-idle", "correct_redis.py",
        ways("idle", server=REDIS, more=("--operations", "60")), PYTHON_REDIS),
    row("aioredis-shared", "aioredis_shared.py",
        [("", (*REDIS, "--cancelled", "1000")),
         ("one at a time, early", (*REDIS, "--cancelled", "300", "--sequential")),
         ("one at a time, late", (*REDIS, "--cancelled", "300", "--sequential",
                                  "--order", "late"))], AIOREDIS,
        "the hardest: one reader task, a queue of waiters, and the bug's system calls"),
    row("aiopg", "correct_databases.py", ways("aiopg", server=POSTGRES, more=FEWER),
        ("python:aiopg",)),
    row("psycopg-pool-async", "correct_databases.py",
        ways("psycopg-pool", server=POSTGRES, more=FEWER),
        ("python:psycopg_pool",)),
    row("asyncpg", "correct_databases.py",
        [(loop, (*POSTGRES, "--way", "asyncpg", "--loop", loop, "--operations", "100"))
         for loop in ("asyncio", "uvloop")],
        ("python:asyncpg", "python:uvloop"), "CancelRequest beside it, then the drain"),
    row("aiomysql", "correct_databases.py", ways("aiomysql", server=MARIADB),
        ("python:aiomysql",)),
    row("asyncio-shield", "correct_databases.py", ways("shield", server=POSTGRES),
        ("python:psycopg",), "who asked is cancelled; the exchange is not, and ends"),
    row("uvloop-postgres", "correct_databases.py",
        ways("aiopg", "psycopg-pool", "shield", server=POSTGRES, more=(*UVLOOP, *FEWER)),
        ("python:aiopg", "python:psycopg_pool", "python:uvloop")),
    row("uvloop-aiomysql", "correct_databases.py", ways("aiomysql", server=MARIADB, more=UVLOOP),
        ("python:aiomysql", "python:uvloop")),
    row("psycopg-pool", "correct_postgres.py", ways("server-side", server=POSTGRES),
        ("python:psycopg_pool",)),
    row("psycopg-interrupted", "correct_postgres.py",
        ways("interrupt", server=POSTGRES, more=("--operations", "200")),
        ("python:psycopg",), "^C, then CancelRequest beside it, then the drain"),
    row("psycopg2-farewell", "correct_postgres.py",
        ways("farewell", server=POSTGRES, more=("--operations", "150")),
        ("python:psycopg2",), "the wait times out, the client says goodbye and closes"),
    row("psycopg2-cancel", "correct_postgres.py", ways("cancel", server=POSTGRES),
        ("python:psycopg2",), "CancelRequest on a second connection, then the drain"),
    row("listen-notify", "correct_postgres.py",
        ways("notify", server=POSTGRES, more=("--operations", "100")), ("python:psycopg2",)),
    row("streamed-rows", "correct_postgres.py", ways("stream", server=POSTGRES),
        ("python:psycopg2", "python:psycopg")),
]

LINE = ("--port", "{line}", "--seed", "{seed}", "--timings", "{timings}")
GREEN = [
    row("greenlets-with-care", "greenlets.py",
        [(f"{library} {then}", (*LINE, "--library", library, "--then", then))
         for library, then in (("gevent", "drained"), ("eventlet", "closed"))],
        ("python:gevent", "python:eventlet")),
    row("trio-with-care", "trio_pool.py",
        [(f"{way} {then}", (*LINE, "--way", way, "--then", then))
         for way, then in (("deadline", "drained"), ("cancel", "closed"))], ("python:trio",)),
    row("ldap-timeouts", "correct_ldap.py",
        [("", ("--port", "{ldap}", "--seed", "{seed}", "--operations", "32", "--tasks", "16"))],
        ("python:ldap",),
        "late replies, out of order, to a client that knows them by a number"),
]

HTTP = ("--port", "{http}", "--seed", "{seed}")
NO_SERVER = ("--seed", "{seed}")
MANY = ("--operations", "1000")


def loops(*names, server):
    return [(f"{name} {loop}", (*server, "--way", name, "--loop", loop, *MANY))
            for name in names for loop in ("asyncio", "uvloop")]


NETWORK = [
    row("requests-timeout", "correct_http.py",
        ways("requests", server=HTTP, more=MANY), ("python:requests",)),
    row("aiohttp-timeout", "correct_http.py",
        ways("aiohttp", server=HTTP, more=MANY), ("python:aiohttp",)),
    row("uvloop-aiohttp", "correct_http.py", ways("aiohttp", server=HTTP, more=(*MANY, *UVLOOP)),
        ("python:aiohttp", "python:uvloop")),
    row("expect-100-continue", "correct_http.py", ways("expect", server=HTTP, more=MANY),
        note="our own client; the 100 comes never, late, or just when the body goes out"),
    row("curl-expect-100", "correct_http.py", ways("curl", server=HTTP, more=MANY),
        ("program:curl",), "curl waits for a 100 that never comes, then sends the body"),
    row("curl-short-lives", "correct_http.py", ways("short-lives", server=HTTP),
        ("program:curl",), "the process ends while its reply is owed"),
    row("http2-cancelled-streams", "correct_h2.py", ways("tasks", "alone", server=NO_SERVER),
        ("python:h2",), "RST_STREAM, and the next request on the same connection"),
    row("asyncio-pool-closes", "correct_streams.py", loops("pool", server=TAG),
        ("python:uvloop",)),
    row("asyncio-pool-drains", "correct_streams.py", loops("drain", server=TAG),
        ("python:uvloop",)),
    row("asyncio-cleans-up", "correct_streams.py", loops("cleanup", server=TAG),
        ("python:uvloop",), "the cancelled task itself reads its reply, and asks once more"),
    row("asyncio-waits-again", "correct_streams.py",
        loops("retry", server=TAG) +
        [("long waits", (*TAG, "--way", "retry", "--latest", "400000", "--operations", "80"))],
        ("python:uvloop",), "asyncio.timeout and wait_for around one read, until it ends well"),
    row("aioredis-uvloop", "correct_streams.py", loops("aioredis", server=REDIS),
        ("python:uvloop", *AIOREDIS)),
    row("websocket", "correct_streams.py", loops("websocket", server=NO_SERVER),
        ("python:uvloop", "python:websockets")),
    row("accepted-sockets", "correct_streams.py", loops("accepted", server=NO_SERVER),
        ("python:uvloop",), "the handlers of a server are cancelled, its clients are not"),
    row("loops-come-and-go", "correct_loops.py",
        [(loop, (*TAG, "--loop", loop, *MANY)) for loop in ("asyncio", "uvloop")],
        ("python:uvloop",), "in threads that ask by themselves in between"),
    row("tls-tickets", "correct_unasked.py",
        [("", ("--way", "tickets", "--port", "{tls}", "--certificate", "{tls.certificate}"))],
        ("program:openssl",), "two tickets lie unread at the first send"),
    row("resp3-pushes", "correct_unasked.py", ways("pushes", server=REDIS, more=MANY),
        ("program:redis-server",), "an invalidation lies unread at the next send"),
    row("server-says-goodbye", "correct_unasked.py",
        ways("goodbye", server=("--port", "{goodbye}"), more=("--operations", "800"))),
    row("nginx-upstream", "correct_unasked.py", ways("nginx", server=HTTP, more=MANY),
        ("file:/usr/sbin/nginx",), "its clients hang up while it waits for the server behind"),
]

MEMCACHED = ("--port", "{memcached}", "--seed", "{seed}")
STOPPED = ("--port", "{memcached}", "--server-pid", "{memcached.pid}")
NODE_MODULES = os.path.join(
    os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")), "mispair/npm/node_modules")

JAVA = ("--port", "{line}", "--seed", "{seed}", "--drivers", 4, "--timings", 30)

LANGUAGES = [
    row("hiredis-timeout", "correct_hiredis.c", ways("timeouts", server=("--port", "{redis}")),
        ("program:redis-server",), "the error stays, the context is freed"),
    row("hiredis-pipelines", "correct_hiredis.c",
        ways("pipelines", "impatient", server=("--port", "{redis}"), more=("--operations", 4000)),
        ("program:redis-server",), "eight commands appended, then eight replies read"),
    row("redis-benchmark-pipelines", "redis_benchmark.sh", [("", ("{redis}",))],
        ("program:redis-benchmark",), "-P 8"),
    row("libpq-pipeline-mode", "correct_libpq.c",
        ways("pipelines", server=("--port", "{postgres}"), more=("--operations", 4000))),
    row("libpq-cancel-then-drain", "correct_libpq.c",
        ways("cancels", server=("--port", "{postgres}"))),
    row("memcached-noreply", "correct_memcached.py",
        ways("noreply", "writers", server=MEMCACHED), ("python:pymemcache",)),
    row("pymemcache-timeout", "correct_memcached.py",
        ways("timeouts", server=(*STOPPED, "--seed", "{seed}")), ("python:pymemcache",)),
    row("ruby-dalli", "correct_dalli.rb", ways("socket", "timeout", server=STOPPED),
        ("ruby:dalli",), "its own time-out closes; Timeout.timeout leaves it to the next use"),
    row("ruby-pool-discards", "correct_pool.rb",
        [("", TAG), ("busy", (*TAG, "--busy", "--operations", 100))], ("ruby:connection_pool",)),
    row("php-redis-timeout", "correct_redis.php", [("", ("--port", "{redis}"))], ("php:redis",)),
    row("perl-redis-fast", "correct_fast.pl", [("", ("--port", "{redis}"))],
        ("perl:Redis::Fast",), "keeps the connection and is right: a queue of who waits"),
    row("node-ioredis", "correct_node.js", ways("ioredis", server=("--port", "{redis}")),
        (f"file:{NODE_MODULES}/ioredis",), "commandTimeout; one shared connection"),
    row("node-pg", "correct_node.js", ways("pg", server=("--port", "{postgres}")),
        (f"file:{NODE_MODULES}/pg",), "query_timeout; the pool closes"),
    row("node-pool-destroys", "correct_node.js", ways("net", server=TAG)),
    row("go-http-context", "correct_http.go", [("", ("--port", "{http}"))]),
    row("go-shared-by-a-queue", "correct_mux.go",
        [("one caller", TAG), ("six callers", (*TAG, "--callers", "6"))],
        note="a reader goroutine; a caller whose context ends leaves its place in the queue"),
    row("java-pool-closes", "JavaPool.java",
        ways("sotimeout", "select", "slices", "sleep", "wakeup", "channel", server=JAVA,
             more=("--then", "close")),
        note="the last of them is closed by the JDK itself"),
    row("java-pool-drains", "JavaPool.java",
        ways("sotimeout", "select", "slices", "sleep", "wakeup", server=JAVA,
             more=("--then", "drain")),
        note="who is timed out or interrupted waits on, and then returns the connection"),
    row("java-pool-pipelines", "JavaPool.java",
        ways("sotimeout", "select", "slices", "sleep", "wakeup", server=JAVA,
             more=("--then", "pipeline")),
        note="who is interrupted sends another request first, and then reads both replies"),
    row("rust-tokio-closes", "tokio_closes.rs",
        ways("timeout", "select", "abort", "whole", server=TAG), ("crate:tokio",)),
]

ROWS = [*WAITS, *EVENTS, *HANDS, *PYTHON_CLIENTS, *GREEN, *NETWORK, *LANGUAGES]
