#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A reverse proxy of aiohttp, which streams both ways: aiohttp_proxy.py PORT UPSTREAM."""

import asyncio
import sys

import aiohttp
from aiohttp import web

PORT, UPSTREAM = map(int, sys.argv[1:])
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "upgrade", "host"}


def end_to_end(headers):
    return {name: value for name, value in headers.items() if name.lower() not in HOP_BY_HOP}


async def hand_on(request):
    session = request.app["session"]
    async with session.request(request.method, f"http://127.0.0.1:{UPSTREAM}{request.path_qs}",
                               data=request.content if request.body_exists else None,
                               headers=end_to_end(request.headers)) as reply:
        response = web.StreamResponse(status=reply.status, headers=end_to_end(reply.headers))
        await response.prepare(request)
        async for chunk in reply.content.iter_chunked(16384):
            await response.write(chunk)
        await response.write_eof()
    return response


async def look_around():
    """What services do now and then; here it is a timer of the loop."""
    while True:
        await asyncio.sleep(0.1)


async def with_session(app):
    beside = asyncio.create_task(look_around())
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
        app["session"] = session
        yield
    beside.cancel()


def main():
    app = web.Application(client_max_size=1 << 30)
    app.cleanup_ctx.append(with_session)
    app.router.add_route("*", "/{path:.*}", hand_on)
    web.run_app(app, host="127.0.0.1", port=PORT, print=None, handle_signals=False)


if __name__ == "__main__":
    main()
