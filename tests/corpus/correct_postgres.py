# SPDX-License-Identifier: GPL-2.0-or-later
"""PostgreSQL through python3-psycopg2, python3-psycopg and its pool, in threads.

A statement is cancelled from a second connection (CancelRequest) and its answer, an error, is read
on the first one. Notifications come unasked, and rows are read to their end.
"""

import select
import signal
import threading
import time

import psycopg
import psycopg2
import psycopg2.errors
import psycopg2.extensions
import psycopg_pool

from correct import Truth, arguments, threads


def where(args):
    return f"host=127.0.0.1 port={args.port} user=corpus dbname=postgres"


def cancel(args, truth):
    """A second thread cancels the statement; the first goes on with the same connection."""
    local = threading.local()

    def work(number, varied):
        if not hasattr(local, "connection"):
            local.connection = psycopg2.connect(where(args))
            local.connection.autocommit = True
        connection, tag = local.connection, truth.tag()
        with connection.cursor() as cursor:
            watch = threading.Timer(varied.uniform(0.001, 0.008), connection.cancel)
            watch.start()
            try:
                # Not for long: the cancellation may come before the statement.
                cursor.execute("SELECT pg_sleep(0.1)")
            except psycopg2.errors.QueryCanceled:
                truth.gave_up()
            watch.join()
            cursor.execute("SELECT %s", (tag,))
            truth.judge(cursor.fetchone()[0], tag)

    threads(args, work)


def server_side(args, truth):
    """The server gives up: statement_timeout. The answer is an error, and it is read."""
    with psycopg_pool.ConnectionPool(where(args), min_size=4, max_size=8) as pool:
        def work(number, varied):
            tag = truth.tag()
            try:
                with pool.connection() as connection:
                    connection.execute("SET LOCAL statement_timeout = 4")
                    connection.execute("SELECT pg_sleep(%s)", (varied.uniform(0, 0.02),))
            except psycopg.errors.QueryCanceled:
                truth.gave_up(owed=False)
            with pool.connection() as connection:
                truth.judge(connection.execute("SELECT %s", (tag,)).fetchone()[0], tag)

        threads(args, work)


def interrupt(args, truth):
    """^C in the middle of a statement: psycopg cancels it and reads its answer."""
    # A shell that has put us in the background ignores ^C for us.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    connection = psycopg.connect(where(args), autocommit=True)
    for number in range(args.operations):
        tag = truth.tag()
        watch = threading.Timer(0.001 + number % 9 / 2000, signal.pthread_kill,
                                (threading.main_thread().ident, signal.SIGINT))
        asked = False
        try:
            watch.start()
            asked = True
            connection.execute("SELECT pg_sleep(0.2)")
        except (KeyboardInterrupt, psycopg.errors.QueryCanceled):
            truth.gave_up(asked)
        watch.join()
        if connection.info.transaction_status == psycopg.pq.TransactionStatus.ACTIVE:
            # ^C came where psycopg does not expect it: between the request and the wait.
            connection.close()
            connection = psycopg.connect(where(args), autocommit=True)
        try:
            truth.judge(connection.execute("SELECT %s", (tag,)).fetchone()[0], tag)
        except psycopg.errors.QueryCanceled:
            # The cancellation was meant for the statement before, which was quicker.
            truth.gave_up(owed=False)
    connection.close()


def farewell(args, truth):
    """^C, and the connection is closed. libpq says goodbye to the server before it hangs up."""
    for number in range(args.operations):
        tag = truth.tag()
        connection = psycopg2.connect(where(args))
        connection.autocommit = True
        cursor = connection.cursor()
        for _ in range(number % 10):
            cursor.execute("SELECT %s", (tag,))
            truth.judge(cursor.fetchone()[0], tag)
        psycopg2.extensions.set_wait_callback(impatient(number))
        try:
            cursor.execute("SELECT %s, pg_sleep(%s)", (tag, 0.006))
            truth.judge(cursor.fetchone()[0], tag)
        except TimeoutError:
            truth.gave_up()
        # With every other one the answer comes before the goodbye, and is not read.
        select.select([], [], [], 0.01 * (number % 2))
        connection.close()
        psycopg2.extensions.set_wait_callback(None)


def impatient(number):
    """Waits for a server as psycopg2's own wait_select does, but not for ever."""
    limit = time.monotonic() + 0.002 + number % 5 / 1000

    def wait(connection):
        while (state := connection.poll()) != psycopg2.extensions.POLL_OK:
            reading = state == psycopg2.extensions.POLL_READ
            fds = [connection.fileno()]
            if not any(select.select(fds if reading else [], [] if reading else fds, [],
                                     max(0, limit - time.monotonic()))):
                raise TimeoutError

    return wait



def notify(args, truth):
    """Notifications come between the answers, and whoever waits for them looks up now and then."""
    def work(number, varied):
        connection = psycopg2.connect(where(args))
        connection.autocommit = True
        tags = [truth.tag() for _ in range(4)]
        with connection.cursor() as cursor:
            cursor.execute(f"LISTEN {tags[0]}")
        speaker = threading.Thread(target=speak, args=(tags[0], list(tags), varied))
        speaker.start()
        while tags:
            if not select.select([connection], [], [], 0.002)[0]:
                truth.interrupted()
                with connection.cursor() as cursor:
                    cursor.execute("SELECT %s", (tags[0],))
                    truth.judge(cursor.fetchone()[0], tags[0])
            else:
                connection.poll()
            while connection.notifies:
                truth.judge(connection.notifies.pop(0).payload, tags.pop(0))
        speaker.join()
        connection.close()

    def speak(channel, payloads, varied):
        connection = psycopg2.connect(where(args))
        connection.autocommit = True
        for payload in payloads:
            select.select([], [], [], varied.uniform(0, 0.008))
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_notify(%s, %s)", (channel, payload))
        connection.close()

    threads(args, work)


def stream(args, truth):
    """Rows in many pieces, read to the end; in between the reader is busy elsewhere."""
    rows = "SELECT %s || g FROM generate_series(1, 200) g"

    def work(number, varied):
        tag = truth.tag()
        connection, other = pool[threading.get_ident() % len(pool)]
        if number % 2:
            with connection.cursor("named") as cursor:
                cursor.itersize = 40
                cursor.execute(rows, (tag,))
                got = [row[0] for row in cursor]
            connection.commit()
        else:
            got = []
            for row in other.cursor().stream(rows, (tag,)):
                got.append(row[0])
                if len(got) == 100:
                    select.select([], [], [], 0.002)
                    truth.interrupted()
            other.commit()
        truth.judge("".join(got), "".join(f"{tag}{n}" for n in range(1, 201)))

    # One thread: a cursor is not to be shared.
    args.tasks = 1
    pool = [(psycopg2.connect(where(args)), psycopg.connect(where(args)))]
    threads(args, work)


WAYS = {"cancel": cancel, "server-side": server_side, "interrupt": interrupt,
        "farewell": farewell, "notify": notify, "stream": stream}

if __name__ == "__main__":
    parsed = arguments(__doc__, tuple(WAYS)).parse_args()
    counts = Truth("correct_postgres")
    WAYS[parsed.way](parsed, counts)
    counts.report()
