# SPDX-License-Identifier: GPL-2.0-or-later
"""HTTP/1.1 clients that time out and close, and clients that wait in vain for "100 Continue"."""

import asyncio
import os
import select
import shutil
import socket
import subprocess
import tempfile
import threading
import time

from correct import Truth, cancelled, loop_arguments, threads, workers
from loops import run


def url(args, tag, **words):
    return f"http://127.0.0.1:{args.port}/{tag}?" + "&".join(f"{k}={v}" for k, v in words.items())


def use_requests(args, truth):
    """python3-requests: a request that timed out takes its connection with it."""
    import requests
    local = threading.local()

    def work(number, varied):
        if not hasattr(local, "session"):
            local.session = requests.Session()
            local.session.trust_env = False
        tag = truth.tag()
        try:
            answer = local.session.get(url(args, tag, delay=varied.randrange(16), pieces=2),
                                       timeout=0.008)
            truth.judge(answer.text, tag)
        except requests.RequestException:
            truth.gave_up()

    threads(args, work)


async def use_aiohttp(args, truth):
    """python3-aiohttp: time-outs of its own, and tasks that are cancelled."""
    import aiohttp
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=args.tasks)) as session:
        async def get(tag, varied, timeout):
            async with session.get(url(args, tag, delay=varied.randrange(12)),
                                   timeout=timeout) as answer:
                truth.judge(await answer.text(), tag)

        async def work(number, varied):
            tag = truth.tag()
            if number % 3 == 0:
                await get(tag, varied, aiohttp.ClientTimeout(total=5))
            elif number % 3 == 1:
                await cancelled(truth, get(tag, varied, aiohttp.ClientTimeout(total=5)),
                                varied.uniform(0.001, 0.006))
            else:
                try:
                    await get(tag, varied, aiohttp.ClientTimeout(total=0.006))
                except asyncio.TimeoutError:
                    truth.gave_up()

        await workers(args, work)


CONTINUE = ("never", "0", "3", "6")


def expect(args, truth):
    """Our own client: it waits a little for "100 Continue", then sends the body all the same.

    Sometimes the 100 comes just then, and lies unread when the body is sent.
    """
    local = threading.local()

    def work(number, varied):
        if not hasattr(local, "sock"):
            local.sock = socket.create_connection(("127.0.0.1", args.port))
            local.stream = local.sock.makefile("rb")
        tag, when = truth.tag(), varied.choice(CONTINUE)
        local.sock.sendall(f"POST /x?continue={when} HTTP/1.1\r\nHost: here\r\nExpect: 100-continue"
                           f"\r\nContent-Length: {len(tag)}\r\n\r\n".encode())
        if not select.select([local.sock], [], [], varied.uniform(0.002, 0.006))[0]:
            truth.interrupted()
        local.sock.sendall(tag.encode())
        truth.judge(answer_in(local.stream), tag)

    threads(args, work)


def answer_in(stream):
    """The body of the next answer that is not a 100."""
    while True:
        status, length = stream.readline(), 0
        while (line := stream.readline().strip()):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if not status.split()[1].startswith(b"1"):
            return stream.read(length)


def curl(args, truth):
    """The curl program: many requests over one connection, each with "Expect: 100-continue"."""
    with tempfile.TemporaryDirectory() as folder:
        running = []
        for job in range(4):
            tags = [truth.tag() for _ in range(args.operations // 4)]
            config = os.path.join(folder, f"config{job}")
            with open(config, "w", encoding="ascii") as to:
                to.write("\nnext\n".join(
                    f'silent\nmax-time = 10\nurl = "{url(args, "x", **{"continue": when(tag)})}"\n'
                    'noproxy = "*"\nhttp1.1\nheader = "Expect: 100-continue"\n'
                    f'expect100-timeout = 0.006\ndata = "{tag}"\noutput = "{folder}/{tag}"'
                    for tag in tags))
            running.append((tags, subprocess.Popen([shutil.which("curl"), "-q", "-K", config])))
        for tags, process in running:
            process.wait()
            for tag in tags:
                with open(os.path.join(folder, tag), encoding="ascii") as answer:
                    truth.judge(answer.read(), tag)
                truth.interrupted(when(tag) == "never")


def short_lives(args, truth):
    """curl programs that time out or are killed while they wait: the socket ends with them."""
    program = shutil.which("curl")

    def work(number, varied):
        tag = truth.tag()
        limit = varied.choice(("0.01", "5"))
        process = subprocess.Popen([program, "-q", "-s", "--noproxy", "*", "-m", limit,
                                    url(args, tag, delay=varied.choice((0, 30)))],
                                   stdout=subprocess.PIPE, text=True)
        if varied.random() < 0.3:
            time.sleep(varied.uniform(0, 0.02))
            process.kill()
        answer = process.communicate()[0]
        if process.returncode == 0:
            truth.judge(answer, tag)
        else:
            truth.gave_up()

    threads(args, work)


def when(tag):
    return CONTINUE[int(tag.removeprefix("tag")) % len(CONTINUE)]


WAYS = {"requests": use_requests, "aiohttp": use_aiohttp, "expect": expect, "curl": curl,
        "short-lives": short_lives}

if __name__ == "__main__":
    parsed = loop_arguments(__doc__, tuple(WAYS)).parse_args()
    counts = Truth("correct_http")
    outcome = WAYS[parsed.way](parsed, counts)
    if outcome is not None:
        run(parsed, outcome)
    counts.report()
