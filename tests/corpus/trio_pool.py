# SPDX-License-Identifier: GPL-2.0-or-later
"""A trio client with a pool of its own, left by a deadline or by another task's cancel().

trio's tasks are no asyncio ones: to the kernel all are one thread, which waits in one epoll. --then
is as in greenlets.py.
"""

import itertools

import trio

from syncwire import Truth, arguments, mark, timings


class Line:
    """One connection to the line server: what is sent comes back."""

    @classmethod
    async def open(cls, truth, args):
        line = cls()
        line.stream = await trio.open_tcp_stream(args.host, args.port)
        line.truth = truth.about(line.stream.socket)
        line._have = b""
        return line

    async def ask(self, request):
        self.truth.before_send()
        await self.stream.send_all(request.encode() + b"\n")
        self.truth.judge((await self._next()).decode(), request)

    async def drain(self):
        await self._next()

    async def _next(self):
        while b"\n" not in self._have:
            more = await self.stream.receive_some(4096)
            if not more:
                raise ConnectionError("the server hung up")
            self._have += more
        self.truth.took(self._have)
        line, _, self._have = self._have.partition(b"\n")
        return line


class Pool:
    """Last in, first out; whatever happened to its exchange, a connection goes back."""

    def __init__(self, truth, args):
        self._truth, self._args, self.idle = truth, args, []

    async def call(self, request):
        line = self.idle.pop() if self.idle else await Line.open(self._truth, self._args)
        try:
            await line.ask(request)
        finally:
            self.idle.append(line)


async def deadline(seconds, call):
    with trio.move_on_after(seconds) as scope:
        await call()
    return scope.cancelled_caught


async def cancelled(seconds, call):
    async def cancel():
        await trio.sleep(seconds)
        scope.cancel()

    async with trio.open_nursery() as nursery:
        with trio.CancelScope() as scope:
            nursery.start_soon(cancel)
            await call()
        nursery.cancel_scope.cancel()
    return scope.cancelled_caught


WAYS = {"deadline": deadline, "cancel": cancelled}


async def gave_up(pool, then):
    line = pool.idle[-1]
    if then == "closed":
        line.truth.abandoned += 1
        line.truth.closed = True
        pool.idle.remove(line)
        await trio.aclose_forcefully(line.stream)
    elif then == "drained":
        line.truth.abandoned += 1
        await line.drain()
    else:
        line.truth.left()


async def worker(args, truth, tags, kept, shares):
    for timing in shares:
        pool = Pool(truth, args)
        kept.append(pool)
        for _ in range(timing.clean + 1):
            await pool.call(f"tag-{next(tags)}")
        slow = f"tag-{next(tags)}{mark(timing.lag)}"
        if await WAYS[args.way](timing.limit, lambda: pool.call(slow)):
            await gave_up(pool, args.then)
        await trio.sleep(max(0, timing.gap))
        for _ in range(timing.followers):
            await pool.call(f"tag-{next(tags)}")


async def main(args):
    truth, tags, kept = Truth("trio-pool"), itertools.count(1), []
    every = list(timings(args))
    async with trio.open_nursery() as nursery:
        for n in range(args.tasks):
            nursery.start_soon(worker, args, truth, tags, kept, every[n::args.tasks])
    truth.print()


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("--way", choices=WAYS, default="deadline")
    parser.add_argument("--tasks", type=int, default=2, help="at a time")
    parser.add_argument("--then", choices=("reused", "closed", "drained"), default="reused")
    trio.run(main, parser.parse_args())
