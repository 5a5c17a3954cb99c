# SPDX-License-Identifier: GPL-2.0-or-later
"""filler.py WHAT NUMBER: fills a limit of mispair's that only a Python of asyncio reaches.

As filler.c: "ready", a line on standard input, "full", and it keeps what it has until the input
ends. Its connection is used inside a task, so that its process is known, and its layout proved.
"""

import asyncio
import socket
import sys
import threading
import time


def connected():
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        return client, server.accept()[0]


async def ask(ends):
    client, other = ends
    client.send(b"q")
    other.recv(1)
    other.send(b"a")
    client.recv(1)


def loops(number, ends):
    """Each sends once, and still runs when mispair looks. Closed ones stay where they are, so that
    no two have one address.

    A thread has a task of its own that runs all the time: where there is one loop only, it is
    nobody's question on which thread it runs.
    """
    running = threading.Barrier(2)

    async def run():
        running.wait()
        threading.Event().wait()

    threading.Thread(target=lambda: asyncio.run(run()), daemon=True).start()
    running.wait()
    kept = []

    async def ask_and_stay():
        await ask(ends)
        time.sleep(0.003)

    for _ in range(number):
        loop = asyncio.new_event_loop()
        loop.run_until_complete(ask_and_stay())
        loop.close()
        kept.append(loop)
    return kept


async def cancel(number):
    tasks = [asyncio.create_task(asyncio.sleep(60)) for _ in range(number)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def end(number):
    """All are there at the same time, so that no two have one address."""
    await asyncio.gather(*[asyncio.create_task(asyncio.sleep(0)) for _ in range(number)])


def steps(number):
    begun = threading.Barrier(number + 1)

    def run():
        asyncio.run(asyncio.sleep(0))
        begun.wait()
        threading.Event().wait()

    threading.stack_size(256 * 1024)
    for _ in range(number):
        threading.Thread(target=run, daemon=True).start()
    begun.wait()


def main():
    what, number = sys.argv[1], int(sys.argv[2])
    ends = connected()
    loop = asyncio.new_event_loop()
    loop.run_until_complete(ask(ends))
    print("ready", flush=True)
    for _ in iter(lambda: sys.stdin.readline().strip(), "go"):
        # Asked to show itself again, until mispair knows what it needs.
        loop.run_until_complete(ask(ends))
    kept = None
    if what == "loops":
        kept = loops(number, ends)
    elif what == "steps":
        steps(number)
    else:
        loop.run_until_complete({"cancels": cancel, "ends": end}[what](number))
    print("full", flush=True)
    sys.stdin.read()
    del kept


if __name__ == "__main__":
    main()
