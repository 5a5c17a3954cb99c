# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows of the corpus where the application really gets a wrong answer."""

from rows import Row

REDIS = ("program:redis-server", "python:redis")
VARIED = ("--port", "{redis}", "--seed", "{seed}")


def asyncio_orders(*arguments):
    """An event loop reads a late reply on its own, so late is F3."""
    return [("early", (*arguments, "--order", "early"), "F2"),
            ("late", (*arguments, "--order", "late"), "F3")]


def socket_orders(*arguments):
    """Nobody reads a late reply but its owner, so late is F1."""
    return [("early", (*arguments, "--order", "early"), "F2"),
            ("late", (*arguments, "--order", "late"), "F1")]


def ways(names, *arguments):
    return [(f"{way} {label}", (*words, "--way", way), form) for way in names
            for label, words, form in socket_orders(*arguments)]


TIMED = ("--seed", "{seed}", "--timings", "{timings}")
LINE = ("--port", "{line}", *TIMED)
FREE = ("--port", "{line}", "--seed", "{seed}", "--timings", 100, "--threads", 6)
LAG_REDIS = ("--port", "{lag-redis}", *TIMED)
MARIADB = ("--port", "{mariadb}", "--pid", "{mariadb.pid}")

ROWS = [
    Row("pyredis-pool", "F2", True, "pyredis_pool.py",
        [(pool, (*VARIED, "--pool", pool)) for pool in ("plain", "blocking")], REDIS),
    Row("pyredis-single", "F2", True, "pyredis_single.py",
        asyncio_orders(*VARIED, "--timings", "{timings}"), REDIS),
    Row("asyncio-minipool", "F2", True, "minipool.py",
        [(f"{kind} {label}", (*arguments, "--kind", kind), form)
         for kind in ("cancel", "wait_for", "wait", "timeout")
         for label, arguments, form in asyncio_orders(*VARIED)], REDIS[:1]),
    Row("asyncio-destroyed", "F2", True, "destroyed.py", asyncio_orders(*VARIED), REDIS[:1]),
    Row("hiredis-longjmp", "F1", True, "hiredis.c", ways(("longjmp",), *LAG_REDIS), REDIS[:1]),
    Row("hiredis-pthread-cancel", "F1", True, "hiredis.c", ways(("pthread-cancel",), *LAG_REDIS),
        REDIS[:1]),
    Row("c-pool-rcvtimeo", "F1", True, "cpool.c", ways(("rcvtimeo",), *LINE)),
    Row("c-pool-poll", "F1", True, "cpool.c",
        ways(("poll", "ppoll", "select", "pselect", "epoll"), *LINE)),
    Row("c-pool-merged", "F2", True, "cpool.c",
        [(way, (*LINE, "--merged", "--way", way)) for way in ("poll", "rcvtimeo")], (),
        "hard: one read gets the old and the new reply, as with a client that sorts them"),
    Row("c-pool-eintr", "F1", True, "cpool.c", ways(("eintr", "poll-eintr"), *LINE)),
    Row("c-pool-threads", "F2", True, "cpool.c",
        [("rcvtimeo", (*FREE, "--way", "rcvtimeo"))], (),
        "threads share a pool and run freely"),
    Row("c-pool-threads-poll", "F2", True, "cpool.c", [("", (*FREE, "--way", "poll"))], (),
        "hard: reads run ahead, and soon the old replies lie in the client's own buffer"),
    Row("unix-socket", "F1", True, "cpool.c",
        ways(("rcvtimeo", "poll"), "--unix", "{line.unix}", *TIMED)),
    Row("pymemcache-baseexc", "F1", True, "pymemcache_baseexc.py",
        socket_orders("--port", "{lag-memcached}", *TIMED),
        ("program:memcached", "python:pymemcache")),
    Row("tls", "F1", True, "sync_pool.py",
        socket_orders("--port", "{tls}", "--certificate", "{tls.certificate}", *TIMED),
        ("program:openssl",)),
    Row("handshake-timeout", "F2", True, "sync_pool.py", socket_orders(*LINE, "--handshake")),
    Row("python-alarm", "F1", True, "sync_pool.py", socket_orders(*LINE), (),
        "the plain socket beside the row `tls`"),
    Row("greenlets", "F1", True, "greenlets.py",
        [(f"{library} {label}", (*words, "--library", library), form)
         for library in ("gevent", "eventlet") for label, words, form in socket_orders(*LINE)],
        ("python:gevent", "python:eventlet")),
    Row("trio-pool", "F1", True, "trio_pool.py", ways(("deadline", "cancel"), *LINE),
        ("python:trio",)),
    Row("rust-std-timeout", "F1", True, "std_timeout.rs", socket_orders(*LINE)),
    Row("rust-tokio-drop", "F1", True, "tokio_drop.rs",
        [(f"{label} {threads}", (*words, "--threads", count), form)
         for label, words, form in ways(("timeout", "select", "abort"), *LINE)
         for threads, count in (("one thread", 1), ("two threads", 2))],
        ("crate:tokio", "file:/usr/bin/cargo")),
    Row("go-pool-ctx", "F1", True, "pool_ctx.go", ways(("deadline", "ctx"), *LINE)),
    Row("go-pool-reader", "F2", True, "pool_ctx.go",
        asyncio_orders(*LINE, "--way", "reader"), (),
        "hard: a reader goroutine hands replies over in memory, as a correct client does"),
    Row("java-pool-timeout", "F1", True, "JavaPool.java", ways(("sotimeout", "select"), *LINE)),
    Row("java-pool-interrupt", "F1", True, "JavaPool.java", ways(("slices",), *LINE)),
    Row("java-pool-interrupt-parked", "F1", True, "JavaPool.java",
        ways(("sleep", "wakeup"), *LINE), (), "no wait on a descriptor times out"),
    Row("ruby-pool-timeout", "F1", True, "pool_timeout.rb", socket_orders(*LINE),
        ("ruby:connection_pool",)),
    Row("perl-alarm", "F1", True, "alarm.pl", socket_orders(*LINE), ("perl:JSON::PP",)),
    Row("lua-redis-timeout", "F1", True, "redis_timeout.lua", socket_orders(*LAG_REDIS),
        (*REDIS[:1], "lua:redis")),
    Row("php-predis-signal", "F3", True, "predis_signal.php", [("", LAG_REDIS)],
        (*REDIS[:1], "php:pcntl", "php:Predis/Autoloader.php"),
        "hard: the old reply is in the stream's buffer, and nothing in the kernel ended"),
    Row("aiohttp-disconnect", "F2", True, "aiohttp_disconnect.py",
        [("redis early", (*VARIED, "--timings", "{timings}", "--pool", "redis")),
         *((f"minipool {label}", (*words, "--timings", "{timings}", "--pool", "minipool"), form)
           for label, words, form in asyncio_orders(*VARIED))],
        (*REDIS, "python:aiohttp")),
    Row("seed-1", "F2", True, "pyredis_single.py",
        asyncio_orders(*VARIED, "--timings", "{timings}", "--clean", 2), REDIS,
        "redis-py, single connection"),
    Row("seed-1-pools", "F2", True, "pyredis_pool.py",
        [("plain pool", (*VARIED, "--pool", "plain", "--ops", 20)),
         ("blocking pool", (*VARIED, "--pool", "blocking", "--ops", 20)),
         ("many at once", (*VARIED, "--tasks", 40, "--ops", 10, "--cancel", 0.5)),
         ("left to the race", (*VARIED, "--ops", 500, "--server-delay", "none"))], REDIS),
    Row("pyredis-uvloop", "F2", True, "pyredis_single.py",
        asyncio_orders(*VARIED, "--timings", "{timings}", "--loop", "uvloop"),
        (*REDIS, "python:uvloop"),
        "hard: uvloop sends at the end of its turn: a task cancelled before that shows nowhere, "
        "and two requests of one turn are one to the kernel"),
    Row("uvloop-pools", "F2", True, "pyredis_pool.py",
        [(label, (*VARIED, "--loop", "uvloop", *more))
         for label, more in (("plain pool", ("--pool", "plain", "--ops", 20)),
                             ("blocking pool", ("--pool", "blocking", "--ops", 20)),
                             ("many at once", ("--tasks", 40, "--ops", 10, "--cancel", 0.5)))],
        (*REDIS, "python:uvloop")),
    Row("uvloop-disconnect", "F2", True, "aiohttp_disconnect.py",
        [("redis early", (*VARIED, "--timings", "{timings}", "--loop", "uvloop")),
         *((f"{pool} {label}", (*words, "--timings", "{timings}", "--pool", pool,
                                "--loop", "uvloop"), form)
           for label, words, form in asyncio_orders(*VARIED)
           for pool in ("minipool", "minipool-oldest")
           if (pool, label) != ("minipool", "late"))],
        (*REDIS, "python:aiohttp", "python:uvloop")),
    Row("uvloop-disconnect-late", "F3", True, "aiohttp_disconnect.py",
        [("", (*VARIED, "--order", "late", "--timings", "{timings}", "--pool", "minipool",
               "--loop", "uvloop"))],
        (*REDIS, "python:aiohttp", "python:uvloop"),
        "hard: whoever takes the old reply is done at once, and the next request leaves with his"),
    Row("seed-2-swallowed", "F2", True, "swallow.py",
        [(f"{name} {label}", words, form)
         for name, more in (("swallowed", ()), ("nested", ("--nested",)))
         for label, words, form in asyncio_orders("--port", "{redis}", "--echoes", 4,
                                                   "--work", "0.005", *more)]
        + [("the fix", ("--port", "{redis}", "--stock"), "fix")], REDIS,
        "a cancelled task goes on sending"),
    Row("seed-2-swallowed-at-once", "F3", True, "swallow.py",
        asyncio_orders("--port", "{redis}", "--echoes", 4)[:2], REDIS,
        "hard: asked without a pause, several replies come in one read of the client's own buffer"),
    Row("seed-2-wait-for", "F2", True, "minipool.py", asyncio_orders(*VARIED, "--kind", "wait_for"),
        REDIS[:1]),
    Row("seed-2-handler", "F2", True, "aiohttp_disconnect.py",
        [("redis early", (*VARIED, "--timings", "{timings}")),
         ("the fix", (*VARIED, "--timings", "{timings}", "--pool", "stock"), "fix")],
        (*REDIS, "python:aiohttp")),
    Row("seed-3", "-", True, "aiomysql_slots.py",
        [(label, (*MARIADB, "--way", way), form)
         for label, way, form in (("query", "query", "-"), ("commit", "commit", "-"),
                                  ("forgets to cancel", "forget", "fix"),
                                  ("the fix", "fixed", "fix"))],
        ("program:mariadbd", "python:aiomysql"), "a pool loses its slots, one a cancellation"),
    Row("seed-4", "F2", True, "destroyed.py", asyncio_orders(*VARIED), REDIS[:1],
        "a task is destroyed but it is pending"),
    Row("seed-5", "F1", True, "tokio_drop.rs",
        [*ways(("three", "select", "abort", "handler"), *LINE),
         *((f"the fix {label}", (*words, "--way", "fixed"), "fix")
           for label, words, _ in socket_orders(*LINE))],
        ("crate:tokio", "file:/usr/bin/cargo"), "tokio's dropped futures"),
]
