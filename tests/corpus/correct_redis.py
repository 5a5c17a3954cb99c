# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's python3-redis as it is, synchronous: commands, pipelines and subscriptions time out.

The time-out is so short that a busy host misses it now and then without being asked to.
"""

import os
import signal
import threading
import time

import redis
from redis.connection import BlockingConnectionPool

from correct import Truth, arguments, threads

TIMEOUT = 0.005


def never(varied):
    """How long the server waits for a list that never gets an element: for ever, or too long."""
    return varied.choice((0, 0.006, 0.012))


def commands(args, truth, client):
    def work(number, varied):
        tag = truth.tag()
        try:
            truth.judge(client.echo(tag), tag)
            client.blpop(f"never-{tag}", never(varied))
        except redis.TimeoutError:
            truth.gave_up()

    threads(args, work)


def pipelines(args, truth, client):
    def work(number, varied):
        tags = [truth.tag() for _ in range(5)]
        pipe = client.pipeline(transaction=number % 2 == 0)
        for tag in tags:
            pipe.echo(tag)
        try:
            for tag, answer in zip(tags, pipe.execute()):
                truth.judge(answer, tag)
            pipe = client.pipeline(transaction=False)
            pipe.echo(tags[0]).blpop(f"never-{tags[0]}", never(varied)).echo(tags[1])
            pipe.execute()
        except redis.TimeoutError:
            truth.gave_up()

    threads(args, work)


def subscriptions(args, truth, client):
    """Messages come when they like; who listens gives up waiting and waits again."""
    def work(number, varied):
        tag = truth.tag()
        subscription = client.pubsub()
        subscription.subscribe(tag)
        while (message := subscription.get_message(timeout=0.003)) is None:
            truth.interrupted()
        truth.judge(message["type"], "subscribe")
        messages = [f"{tag}-{n}" for n in range(5)]
        speaker = threading.Thread(target=speak, args=(tag, messages, varied.random()))
        speaker.start()
        while messages:
            message = subscription.get_message(timeout=0.003)
            if message is None:
                truth.interrupted()
            else:
                truth.judge(message["data"], messages.pop(0))
        speaker.join()
        subscription.close()

    def speak(channel, messages, pace):
        for message in list(messages):
            time.sleep(0.01 * pace)
            client.publish(channel, message)

    threads(args, work)


class Alarm(Exception):
    pass


def alarms(args, truth, client):
    """A signal handler raises in the middle of a read: the library closes the connection."""
    def ring(number, frame):
        raise Alarm

    signal.signal(signal.SIGALRM, ring)
    for number in range(args.operations):
        tag = truth.tag()
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.002 + number % 7 / 5000)
            # Not for ever: an alarm that comes in a destructor is thrown away.
            client.blpop(f"never-{tag}", 1)
        except Alarm:
            truth.gave_up()
        truth.judge(client.echo(tag), tag)


def storm(args, truth, client):
    """Signal handlers that return: each wait that a signal ends is begun again by Python."""
    rung = 0

    def ring(number, frame):
        nonlocal rung
        rung += 1

    signal.signal(signal.SIGALRM, ring)
    signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_REAL, 0.0007, 0.0007)
    signal.setitimer(signal.ITIMER_PROF, 0.001, 0.001)
    for number in range(args.operations):
        tag, before = truth.tag(), rung
        truth.judge(client.echo(tag), tag)
        truth.judge(client.execute_command("DEBUG", "SLEEP", "0.003"), "OK")
        truth.interrupted(rung > before)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.setitimer(signal.ITIMER_PROF, 0)


def pings(args, truth, client):
    """A subscriber pings the server when nothing came for a while; all pongs come in the end."""
    subscription = client.pubsub()
    subscription.subscribe("nothing")
    truth.judge(subscription.get_message(timeout=5)["type"], "subscribe")
    asked, answered = [], 0
    for number in range(args.operations):
        if number % 4 == 0:
            os.kill(args.server_pid, signal.SIGSTOP)
            threading.Timer(0.008, os.kill, (args.server_pid, signal.SIGCONT)).start()
        asked.append(truth.tag())
        subscription.ping(asked[-1])
        while (message := subscription.get_message(timeout=0.003)) is not None:
            truth.judge(message["data"], asked[answered])
            answered += 1
        truth.interrupted()
    while answered < len(asked):
        message = subscription.get_message(timeout=5)
        truth.judge(message["data"], asked[answered])
        answered += 1


def idle(args, truth, client):
    """The server hangs up on connections that are idle for a second."""
    client.config_set("timeout", 1)
    held = [redis.Redis(port=args.port, decode_responses=True)
            for _ in range(args.operations)]
    for _ in range(2):
        for one in held:
            tag = truth.tag()
            truth.judge(one.echo(tag), tag)
        time.sleep(2.5)
        truth.interrupted(len(held))
    for one in held:
        tag = truth.tag()
        truth.judge(one.echo(tag), tag)


WAYS = {"commands": commands, "pipelines": pipelines, "subscriptions": subscriptions,
        "alarms": alarms, "storm": storm, "pings": pings, "idle": idle}
IMPATIENT = ("commands", "pipelines")

if __name__ == "__main__":
    parser = arguments(__doc__, tuple(WAYS))
    parser.add_argument("--server-pid", type=int)
    parsed = parser.parse_args()
    counts = Truth("correct_redis")
    pool = BlockingConnectionPool(port=parsed.port, decode_responses=True, max_connections=24,
                                  socket_timeout=TIMEOUT if parsed.way in IMPATIENT else None)
    WAYS[parsed.way](parsed, counts, redis.Redis(connection_pool=pool))
    counts.report()
