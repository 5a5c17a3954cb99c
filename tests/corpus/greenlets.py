# SPDX-License-Identifier: GPL-2.0-or-later
"""A blocking client with a pool of its own, in greenlets of gevent or eventlet, left by their Timeout.

All greenlets are one thread to the kernel, and wait in one epoll. --then says what becomes of the
connection: it goes back as it is (the bug), it is closed, or its late reply is read first.
"""

import functools
import itertools

from syncwire import Truth, arguments, mark, sleep, timings
from sync_pool import Line, Pool


def gevent_library():
    import gevent
    import gevent.monkey
    gevent.monkey.patch_all(ssl=False)
    return gevent.spawn, gevent.joinall, gevent.Timeout


def eventlet_library():
    import eventlet
    eventlet.monkey_patch()
    return (eventlet.spawn, lambda threads: [thread.wait() for thread in threads],
            eventlet.Timeout)


LIBRARIES = {"gevent": gevent_library, "eventlet": eventlet_library}


def gave_up(pool, then):
    line = pool.idle[-1]
    if then == "closed":
        line.truth.abandoned += 1
        line.truth.closed = True
        pool.idle.remove(line)
        line.sock.close()
    elif then == "drained":
        line.truth.abandoned += 1
        line.drain()
    else:
        line.truth.left()


def worker(args, truth, tags, limit, kept, shares):
    for timing in shares:
        pool = Pool(truth, args)
        kept.append(pool)
        for _ in range(timing.clean + 1):
            pool.call(f"tag-{next(tags)}")
        try:
            with limit(timing.limit):
                pool.call(f"tag-{next(tags)}{mark(timing.lag)}")
        except limit:
            gave_up(pool, args.then)
        sleep(timing.gap)
        for _ in range(timing.followers):
            pool.call(f"tag-{next(tags)}")


def main(args):
    spawn, join, limit = LIBRARIES[args.library]()
    truth, tags, kept = Truth("greenlets"), itertools.count(1), []
    every = list(timings(args))
    work = functools.partial(worker, args, truth, tags, limit, kept)
    join([spawn(work, every[n::args.greenlets]) for n in range(args.greenlets)])
    truth.print()
    for pool in kept:
        for line in pool.idle:
            line.sock.close()


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("--library", choices=LIBRARIES, default="gevent")
    parser.add_argument("--greenlets", type=int, default=2, help="at a time")
    parser.add_argument("--then", choices=("reused", "closed", "drained"), default="reused")
    parser.set_defaults(certificate=None)
    main(parser.parse_args())
