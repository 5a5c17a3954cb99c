# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's python3-redis as it is, synchronous: commands, pipelines and subscriptions time out.

The time-out is so short that a busy host misses it now and then without being asked to.
"""

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
        subscription = client.pubsub(ignore_subscribe_messages=True)
        subscription.subscribe(tag)
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
        time.sleep(0.005)
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
        signal.setitimer(signal.ITIMER_REAL, 0.002 + number % 7 / 5000)
        try:
            client.blpop(f"never-{tag}", 0)
        except Alarm:
            truth.gave_up()
        truth.judge(client.echo(tag), tag)


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
        "alarms": alarms, "idle": idle}

if __name__ == "__main__":
    parsed = arguments(__doc__, tuple(WAYS)).parse_args()
    counts = Truth("correct_redis")
    pool = BlockingConnectionPool(port=parsed.port, decode_responses=True, max_connections=24,
                                  socket_timeout=None if parsed.way == "alarms" else TIMEOUT * (
                                      1 if parsed.way in ("commands", "pipelines") else 1000))
    WAYS[parsed.way](parsed, counts, redis.Redis(connection_pool=pool))
    counts.report()
