# SPDX-License-Identifier: GPL-2.0-or-later
"""One shared redis connection; a cancelled GET; the next two GETs see each other's values."""

import asyncio
import random
import sys

from loops import loop_argument, run
from pyredis_common import (arguments, close, hold_arguments, single_client, wait_arguments,
                            wait_to_go_on)
from wire import Operation, Server, Wire, arrival, pause, report


async def get(wire, client, key, expected):
    operation = Operation()
    wire.judge(operation, await client.get(key), expected)


async def cancelled_get(wire, server, client, args, timing):
    """A task asks for foo, and is cancelled while the reply is owed."""
    operation = None

    async def ask():
        nonlocal operation
        operation = Operation()
        return await client.get(f"foo-{timing.number}")

    server.hold()
    task = asyncio.create_task(ask(), name=f"get-foo-{timing.number}")
    await asyncio.sleep(0)
    if timing.delay > 0:
        await asyncio.sleep(timing.delay)
    received = operation.channel.received
    owed = wire.cancel(task, operation)
    if owed and not args.stock:
        operation.channel.owners = [task.get_name(), asyncio.current_task().get_name()]
    try:
        await task
    except asyncio.CancelledError:
        pass
    if args.order == "late":
        server.release()
        if owed:
            await arrival(operation.channel, received)


async def one_timing(wire, server, args, timing):
    client = single_client(args, stock=args.stock)
    await client.set(f"bar-{timing.number}", f"value-of-bar-{timing.number}")
    await client.set(f"foo-{timing.number}", f"value-of-foo-{timing.number}")
    await asyncio.sleep(args.settle)
    for _ in range(args.clean):
        await get(wire, client, f"bar-{timing.number}", f"value-of-bar-{timing.number}")

    await cancelled_get(wire, server, client, args, timing)
    await pause(timing.gap)
    if args.order == "early":
        # Long enough after the next send for its request to be on the wire.
        asyncio.get_running_loop().call_later(0.002, server.release)
    for key in ("bar", "foo"):
        await get(wire, client, f"{key}-{timing.number}", f"value-of-{key}-{timing.number}")
    return client


async def cancel_much(count):
    """Tasks that ask nobody for anything, from one event of a connection to the next."""
    await asyncio.sleep(0.3)
    for _ in range(count):
        task = asyncio.ensure_future(asyncio.sleep(10))
        await asyncio.sleep(0)
        task.cancel()
    await asyncio.sleep(0.3)


class Timing:
    """Between send and cancellation, and between cancellation and reuse."""

    def __init__(self, number, delay, gap):
        self.number = number
        self.delay = delay
        self.gap = gap


def timings(args):
    yield Timing(0, args.delay, args.gap)
    varied = random.Random(args.seed)
    for number in range(1, args.timings):
        delay = varied.choice((0, varied.uniform(0, 0.0005), varied.uniform(0, 0.01)))
        gap = varied.choice((-1, 0, varied.uniform(0, 0.0005), varied.uniform(0, 0.01)))
        yield Timing(number, delay, gap)


async def main(args):
    wire = Wire().watch()
    server = Server(args.host, args.port, args.server_delay, args.hold)
    await wait_to_go_on(args)
    clients = []
    for timing in timings(args):
        if clients and args.cancels_between:
            await cancel_much(args.cancels_between)
        clients.append(await one_timing(wire, server, args, timing))
    # Before the clients are closed: "closed" means that the client gave the connection up.
    report("pyredis-single-" + args.order, wire, server, cancelled_owed=wire.cancelled())
    if args.hold_open:
        sys.stdin.readline()
    for client in clients:
        await close(client)
    server.close()


if __name__ == "__main__":
    parser = arguments(__doc__)
    loop_argument(parser)
    hold_arguments(parser)
    wait_arguments(parser)
    parser.add_argument("--delay", type=float, default=0, help="from the send to the cancel")
    parser.add_argument("--gap", type=float, default=-1, help="from the cancel to the reuse")
    parser.add_argument("--clean", type=int, default=0, help="clean exchanges first")
    parser.add_argument("--settle", type=float, default=0, metavar="SECONDS",
                        help="between a connection's first exchange and its others: a tracer of "
                        "the whole host learns of a process by its first connection")
    parser.add_argument("--timings", type=int, default=1, metavar="K",
                        help="K connections one after another, the timings varied")
    parser.add_argument("--cancels-between", type=int, default=0, metavar="N",
                        help="tasks to cancel between two connections")
    parser.add_argument("--hold-open", action="store_true",
                        help="keep the connections open until a line comes on stdin")
    parser.add_argument("--stock", action="store_true", help="without the bug")
    parsed = parser.parse_args()
    run(parsed, main(parsed))
