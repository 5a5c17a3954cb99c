# SPDX-License-Identifier: GPL-2.0-or-later
"""An aiohttp server whose handler asks redis through a pool; the browser side hangs up.

The handler's task is cancelled when its peer is gone. aiohttp did that by itself up to 3.6, and
does from 3.9 on where it is asked to; Debian's 3.8 needs a middleware. --pool says over which
client:

  redis      redis-py with the bug of 4.4.0 to 4.5.3, and its pool
  minipool   our own pool over asyncio streams
  stock      redis-py as it is, which closes the connection: nobody gets a wrong answer

The browser is a bare asyncio client in this process; its own connections are no part of a pool,
and it says nothing wrong.
"""

import asyncio
import contextlib
import random

import aiohttp
from aiohttp import web
from loops import loop_argument, run
from minipool import MiniPool
from pyredis_common import arguments, pooled_client
from wire import Operation, Server, Wire, arrival, pause, report

# A pool outlives its last call: what its connections hold has the time to arrive, and rests.
REST = 0.5

aiohttp_version = tuple(int(part) for part in aiohttp.__version__.split(".")[:2])


@web.middleware
async def ends_with_its_peer(request, handler):
    task = asyncio.ensure_future(handler(request))
    while not task.done():
        await asyncio.wait([task], timeout=0.001)
        if request.transport is None:
            task.cancel()
            break
    return await task


class Site:
    """GET /TAG answers with what redis said to ECHO TAG."""

    def __init__(self, wire, echo):
        self.wire = wire
        self.echo = echo
        self.operations = {}
        self.cancelled = 0

    async def handle(self, request):
        tag = request.match_info["tag"]
        operation = self.operations[tag] = Operation()
        try:
            answer = await self.echo(tag)
        except asyncio.CancelledError:
            self.cancelled += 1
            if operation.owed():
                operation.channel.note_abandoned()
            raise
        self.wire.judge(operation, answer, tag)
        return web.Response(text=answer)

    async def start(self):
        by_itself = aiohttp_version >= (3, 9)
        application = web.Application(middlewares=() if by_itself else (ends_with_its_peer,))
        application.router.add_get("/{tag}", self.handle)
        self._runner = web.AppRunner(
            application, **({"handler_cancellation": True} if by_itself else {}))
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        return self._runner.addresses[0][1]

    async def stop(self):
        await self._runner.cleanup()


class Browser:
    """One page, one connection."""

    def __init__(self, open_connection, port):
        self._open = open_connection
        self._port = port
        self.ports = set()

    async def ask(self, tag):
        reader, writer = await self._open("127.0.0.1", self._port)
        self.ports.add(writer.get_extra_info("sockname")[1])
        writer.write(f"GET /{tag} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n".encode())
        return reader, writer

    async def fetch(self, tag):
        reader, writer = await self.ask(tag)
        page = await reader.read()
        writer.close()
        if b" 200 " not in page.partition(b"\r\n")[0]:
            raise RuntimeError(f"no page: {page[:80]}")


async def until(condition, limit=5.0):
    for _ in range(int(limit / 0.0005)):
        if condition():
            return
        await asyncio.sleep(0.0005)
    raise TimeoutError("the handler did not come that far")


async def one_round(site, browser, server, args, varied, tags):
    """`tasks` pages at once; some of them are closed before they come."""
    await asyncio.gather(*(browser.fetch(f"warm-{next(tags)}") for _ in range(args.tasks)))
    server.hold()
    asked = {}
    for _ in range(args.tasks):
        tag = f"tag-{next(tags)}"
        asked[tag] = await browser.ask(tag)
    for tag in asked:
        await until(lambda: tag in site.operations and site.operations[tag].sent.is_set())
    closed = [tag for tag in asked if varied.random() < args.cancel] or list(asked)[:1]
    received = {tag: site.operations[tag].channel.received for tag in closed}
    expected = site.cancelled + len(closed)
    await pause(varied.choice((-1, 0, varied.uniform(0, 0.002))))
    for tag in closed:
        asked.pop(tag)[1].close()
    await until(lambda: site.cancelled == expected)
    if args.order == "late":
        server.release()
        for tag in closed:
            await arrival(site.operations[tag].channel, received[tag])
    await pause(varied.choice((-1, 0, varied.uniform(0, 0.002))))
    followers = [asyncio.create_task(browser.fetch(f"next-{next(tags)}"))
                 for _ in (closed if args.order == "early" else range(args.tasks))]
    if args.order == "early":
        await asyncio.sleep(0.005)
    server.release()
    await asyncio.gather(*followers)
    for reader, writer in asked.values():
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()


def numbers():
    number = 0
    while True:
        number += 1
        yield number


def new_echo(args):
    if args.pool.startswith("minipool"):
        return MiniPool(args.host, args.port, args.pool == "minipool-oldest").echo
    return pooled_client(args, stock=args.pool == "stock").echo


async def main(args):
    open_connection = asyncio.open_connection
    wire = Wire().watch()
    server = Server(args.host, args.port)
    site = Site(wire, None)
    browser = Browser(open_connection, await site.start())
    varied, tags = random.Random(args.seed), numbers()
    kept = []
    for _ in range(args.timings):
        # A connection that was wrong once can be wrong for the rest of its life.
        kept.append(site.echo)
        site.echo = new_echo(args)
        await one_round(site, browser, server, args, varied, tags)
    await asyncio.sleep(REST)
    report_all(args, wire, server, site, browser)
    await site.stop()
    server.close()


def report_all(args, wire, server, site, browser):
    """The browser's connections are known and clean. A port may have been used twice."""
    known = wire.connections

    def connections():
        clean = {str(port): {"wrong": 0, "closed": True, "cancelled": 0}
                 for port in browser.ports}
        return {**clean, **known()}

    wire.connections = connections
    report(f"aiohttp-disconnect-{args.pool}-{args.order}", wire, server,
           operations=len(site.operations), cancelled=site.cancelled,
           cancelled_owed=wire.cancelled())


if __name__ == "__main__":
    parser = arguments(__doc__)
    loop_argument(parser)
    parser.add_argument("--pool", choices=("redis", "minipool", "minipool-oldest", "stock"),
                        default="redis")
    parser.add_argument("--order", choices=("early", "late"), default="early")
    parser.add_argument("--tasks", type=int, default=6, help="pages at a time")
    parser.add_argument("--cancel", type=float, default=0.4, help="share that is closed early")
    parser.add_argument("--timings", type=int, default=20, help="rounds")
    parsed = parser.parse_args()
    run(parsed, main(parsed))
