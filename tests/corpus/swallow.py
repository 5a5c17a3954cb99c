# SPDX-License-Identifier: GPL-2.0-or-later
"""A task that catches its own CancelledError and goes on sending, over one redis connection.

With the bug, its next answer is that of the command it was cancelled in; with the client as it
is, the connection is closed and the next command opens another one. With --nested the outer task
is cancelled as well, while it waits for the inner one that it has cancelled itself.

With --then it does no wrong, on the same client with the bug: it takes the old reply first
("drains"), asks and then takes both ("both"), or sends a last word, reads nothing and has the
connection closed later ("farewell").
"""

import asyncio
import itertools

from pyredis_common import arguments, close, hold_arguments, single_client
from wire import Operation, Server, Wire, arrival, report


# Seconds: a pool keeps its connections, and one that has said goodbye is closed soon.
REST = 0.5
FAREWELL = 0.02


class Swallower:
    def __init__(self, wire, server, client, args):
        self.wire = wire
        self.server = server
        self.client = client
        self.args = args
        self.tags = itertools.count(1)
        self.operation = None

    async def echo(self):
        self.operation = Operation()
        operation, tag = self.operation, f"tag-{next(self.tags)}"
        self.wire.judge(operation, await self.client.echo(tag), tag)

    async def goes_on(self):
        try:
            await self.echo()
        except asyncio.CancelledError:
            if self.args.order == "late":
                await self.late_reply()
            else:
                asyncio.get_running_loop().call_later(0.002, self.server.release)
            if self.args.then:
                await self.behaves(self.client.connection)
                return
            await self.echoes()

    async def behaves(self, connection):
        """What a careful owner does with the connection that owes it a reply."""
        operation, tag = Operation(), f"tag-{next(self.tags)}"
        if self.args.then == "drains":
            await connection.read_response()
        await connection.send_command("ECHO", tag)
        if self.args.then == "farewell":
            return
        if self.args.then == "both":
            await connection.read_response()
        self.wire.judge(operation, await connection.read_response(), tag)
        await self.echo()

    async def late_reply(self):
        channel, received = self.operation.channel, self.operation.channel.received
        self.server.release()
        await arrival(channel, received)

    async def nested(self):
        inner = asyncio.create_task(self.echo())
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            self.wire.cancel(inner, self.operation)
            try:
                await inner
            except asyncio.CancelledError:
                pass
            await self.goes_on_after(inner)

    async def goes_on_after(self, inner):
        assert inner.cancelled()
        if self.args.order == "late":
            await self.late_reply()
        else:
            asyncio.get_running_loop().call_later(0.002, self.server.release)
        await self.echoes()

    async def echoes(self):
        """The next commands, and what the task does with each answer."""
        for _ in range(self.args.echoes):
            await self.echo()
            await asyncio.sleep(self.args.work)


async def one_round(wire, server, args):
    client = single_client(args, args.stock)
    await client.echo("clean")
    swallower = Swallower(wire, server, client, args)
    server.hold()
    task = asyncio.create_task(swallower.nested() if args.nested else swallower.goes_on())
    # One turn for the task, and one for the task that it may have made.
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    if args.nested:
        task.cancel()
    else:
        wire.cancel(task, swallower.operation)
    await task
    return client


async def main(args):
    wire = Wire().watch()
    server = Server(args.host, args.port, args.server_delay, args.hold)
    clients = [await one_round(wire, server, args) for _ in range(args.rounds)]
    await asyncio.sleep(FAREWELL if args.then == "farewell" else REST)
    if not args.nested:
        for channel in wire.channels:
            channel.must = ["swallowed"] if channel.wrong else []
    report("swallow-" + ("stock" if args.stock else args.then or args.order), wire, server,
           cancelled_owed=wire.cancelled())
    for client in clients:
        await close(client)
    server.close()


if __name__ == "__main__":
    parser = arguments(__doc__)
    hold_arguments(parser)
    parser.add_argument("--stock", action="store_true", help="without the bug")
    parser.add_argument("--then", choices=("drains", "both", "farewell"), help="without harm")
    parser.add_argument("--nested", action="store_true", help="the outer task is cancelled")
    parser.add_argument("--echoes", type=int, default=2, help="after the cancellation")
    parser.add_argument("--work", type=float, default=0, help="seconds between two of them")
    parser.add_argument("--rounds", type=int, default=10)
    asyncio.run(main(parser.parse_args()))
