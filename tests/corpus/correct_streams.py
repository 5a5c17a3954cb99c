# SPDX-License-Identifier: GPL-2.0-or-later
"""asyncio clients that are right: a pool that closes what was cancelled, one that shares a
connection, WebSocket, and a server whose handlers are cancelled; with and without uvloop.
"""

import asyncio
import random
import socket
import threading

from correct import Truth, cancelled, loop_arguments, workers
from loops import run


async def pool(args, truth):
    """Streams to tag_server: what was cancelled is closed, the rest is used again."""
    free = []

    async def exchange(tag, delay):
        if free:
            reader, writer = free.pop()
        else:
            reader, writer = await asyncio.open_connection("127.0.0.1", args.port)
        try:
            writer.write(f"{tag} {delay}\n".encode())
            truth.judge((await reader.readline()).strip(), tag)
        except asyncio.CancelledError:
            writer.close()
            raise
        free.append((reader, writer))

    async def work(number, varied):
        await exchange(truth.tag(), varied.randrange(500))
        await cancelled(truth, exchange(truth.tag(), varied.randrange(6000)),
                        varied.uniform(0, 0.005))

    await workers(args, work)
    for _, writer in free:
        writer.close()


async def drain(args, truth):
    """What was cancelled is read to its end by a task of its own, and then used again."""
    free = asyncio.Queue()
    for _ in range(args.tasks):
        free.put_nowait(await asyncio.open_connection("127.0.0.1", args.port))
    draining = set()

    async def finish(reader, writer, tag):
        truth.judge((await reader.readline()).strip(), tag)
        free.put_nowait((reader, writer))

    async def exchange(tag, delay):
        reader, writer = await free.get()
        writer.write(f"{tag} {delay}\n".encode())
        try:
            truth.judge((await reader.readline()).strip(), tag)
        except asyncio.CancelledError:
            task = asyncio.create_task(finish(reader, writer, tag))
            draining.add(task)
            task.add_done_callback(draining.discard)
            raise
        free.put_nowait((reader, writer))

    async def work(number, varied):
        await cancelled(truth, exchange(truth.tag(), varied.randrange(6000)),
                        varied.uniform(0, 0.005))

    await workers(args, work)
    await asyncio.gather(*draining)
    while not free.empty():
        free.get_nowait()[1].close()


async def cleanup(args, truth):
    """A cancelled task reads its own reply, says what has to be said, and then lets go."""
    free = asyncio.Queue()
    for _ in range(args.tasks):
        free.put_nowait(await asyncio.open_connection("127.0.0.1", args.port))

    async def ask(reader, writer, tag, delay=0):
        writer.write(f"{tag} {delay}\n".encode())
        truth.judge((await reader.readline()).strip(), tag)

    async def exchange(tag, delay):
        reader, writer = await free.get()
        writer.write(f"{tag} {delay}\n".encode())
        try:
            truth.judge((await reader.readline()).strip(), tag)
        except asyncio.CancelledError:
            truth.judge((await reader.readline()).strip(), tag)
            await ask(reader, writer, "rollback-" + tag)
            raise
        finally:
            free.put_nowait((reader, writer))

    async def work(number, varied):
        # Cancelled once: the clean-up is not disturbed.
        task = asyncio.create_task(exchange(truth.tag(), varied.randrange(6000)))
        await asyncio.wait([task], timeout=varied.uniform(0.001, 0.005))
        if task.cancel():
            truth.interrupted()
        await asyncio.wait([task])

    await workers(args, work)
    while not free.empty():
        free.get_nowait()[1].close()


async def retry(args, truth):
    """The wait for a reply times out again and again, and is begun again by whoever asked."""
    async def by_timeout(reader):
        async with asyncio.timeout(0.001):
            return await reader.readline()

    async def by_wait_for(reader):
        return await asyncio.wait_for(reader.readline(), 0.001)

    free = [await asyncio.open_connection("127.0.0.1", args.port) for _ in range(args.tasks)]

    async def work(number, varied):
        reader, writer = free.pop()
        tag, wait, late = truth.tag(), varied.choice((by_timeout, by_wait_for)), False
        writer.write(f"{tag} {varied.randrange(args.latest)}\n".encode())
        while True:
            try:
                answer = await wait(reader)
                break
            except asyncio.TimeoutError:
                late = True
        truth.judge(answer.strip(), tag)
        truth.interrupted(late)
        free.append((reader, writer))

    await workers(args, work)
    for _, writer in free:
        writer.close()


async def aioredis(args, truth):
    """One connection, one reader, a queue of waiters (python3-aioredis 1.3.1)."""
    import aioredis as library
    connection = await library.create_connection(("127.0.0.1", args.port))

    async def sleep():
        await connection.execute("DEBUG", "SLEEP", "0.002")

    async def echo(tag):
        truth.judge(await connection.execute("ECHO", tag, encoding="utf-8"), tag)

    async def work(number, varied):
        if number % 10 == 0:
            await cancelled(truth, sleep(), 0)
        await cancelled(truth, echo(truth.tag()), varied.choice((0, 0.0005, 1)))

    await workers(args, work)
    connection.close()
    await connection.wait_closed()


async def websocket(args, truth):
    """Messages come unasked, and each receive is given up again and again."""
    import websockets

    async def serve(peer):
        varied = random.Random(args.seed)
        async for message in peer:
            if varied.random() < 0.3:
                await peer.send("unasked")
            await asyncio.sleep(varied.uniform(0, 0.004))
            await peer.send(message)

    async def receive(peer):
        while True:
            try:
                return await asyncio.wait_for(peer.recv(), 0.001)
            except asyncio.TimeoutError:
                truth.interrupted()

    async with websockets.serve(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        peers = [await websockets.connect(f"ws://127.0.0.1:{port}") for _ in range(args.tasks)]

        async def work(number, varied):
            peer, tag = peers.pop(), truth.tag()
            await peer.send(tag)
            while (answer := await receive(peer)) == "unasked":
                pass
            truth.judge(answer, tag)
            peers.append(peer)

        await workers(args, work)
        for peer in peers:
            await peer.close()


async def accepted(args, truth):
    """A server's own side: a handler that has read a request is cancelled, another one answers."""
    async def answer(writer, tag):
        await asyncio.sleep(0.0005)
        writer.write(tag + b"\n")

    async def serve(reader, writer):
        while (line := await reader.readline()):
            task = asyncio.create_task(answer(writer, line.strip()))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            truth.interrupted()
            await asyncio.create_task(answer(writer, line.strip()))
        writer.close()

    def client(port, count):
        with socket.create_connection(("127.0.0.1", port)) as sock:
            stream = sock.makefile("rwb", buffering=0)
            for _ in range(count):
                tag = truth.tag()
                stream.write(f"{tag}\n".encode())
                truth.judge(stream.readline().strip(), tag)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    clients = [threading.Thread(target=client, args=(port, args.operations // args.tasks))
               for _ in range(args.tasks)]
    for thread in clients:
        thread.start()
    for thread in clients:
        await asyncio.to_thread(thread.join)
    server.close()


WAYS = {"pool": pool, "drain": drain, "cleanup": cleanup, "retry": retry, "aioredis": aioredis,
        "websocket": websocket, "accepted": accepted}


def main(args):
    truth = Truth("correct_streams")
    run(args, WAYS[args.way](args, truth))
    truth.report()


if __name__ == "__main__":
    parser = loop_arguments(__doc__, tuple(WAYS))
    parser.add_argument("--latest", type=int, default=4000, metavar="US", help="of retry's replies")
    main(parser.parse_args())
