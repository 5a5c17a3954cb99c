# SPDX-License-Identifier: GPL-2.0-or-later
"""python3-pymemcache's Client, left by a BaseException out of a SIGALRM handler.

The client closes its socket on an Exception. A BaseException goes past that, and the next caller
reads the answer before. A `get` would notice, because the answer names its key; the answer of an
`incr` is a bare number.
"""

import itertools

from pymemcache.client.base import Client
from syncwire import Truth, arguments, left_by_alarm, mark, sleep, timings

NUMBERS = itertools.count(1)


class Caller:
    def __init__(self, truth, args):
        self.client = Client((args.host, args.port))
        self.client.version()
        self.connection = truth.about(self.client.sock)

    def counter(self, lag=0.0):
        """A counter of its own for each call, so that the next value is its tag."""
        number = next(NUMBERS) * 1000
        key = f"counter-{number}{mark(lag)}"
        self.connection.before_send()
        self.client.set(key, str(number), noreply=False)
        return key, number + 1

    def increment(self, key, expected):
        self.connection.before_send()
        self.connection.judge(self.client.incr(key, 1), expected)


def one_round(truth, args, timing):
    # The set of a marked key is late too, so another connection does it.
    other, caller = Caller(truth, args), Caller(truth, args)
    late, counters = other.counter(timing.lag), [other.counter() for _ in range(8)]
    for counter in counters[:timing.clean]:
        caller.increment(*counter)
    left_by_alarm(caller.connection, timing.limit, lambda: caller.increment(*late))
    sleep(timing.gap)
    for counter in counters[4:4 + timing.followers]:
        caller.increment(*counter)
    return other, caller


def main(args):
    truth = Truth("pymemcache-baseexc")
    kept = [one_round(truth, args, timing) for timing in timings(args)]
    truth.print()
    for callers in kept:
        for caller in callers:
            caller.client.close()


if __name__ == "__main__":
    main(arguments(__doc__).parse_args())
