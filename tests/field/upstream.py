#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What lies behind a relay: a server whose answers are as large as they are asked for.

upstream.py [--port N] prints its port as a line of JSON. Two ways to ask on one port:

  ask SIZE TAG\\n                  SIZE bytes, as answer() makes them
  note\n                          nothing comes back
  bye\n                           it closes
  POST /SIZE/TAG HTTP/1.1          the same as the body, once that of the request has come
  GET /upgrade HTTP/1.1            101, and from then on lines as above

An answer of less than SMALL bytes comes a little later, so that clients who ask at the same time
need a connection each.
"""

import argparse
import asyncio
import base64
import hashlib
import json

from asked import BODY, SMALL, answer

THINKS = 0.02
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # of RFC 6455


async def small_ones_take_time(size):
    if size < SMALL:
        await asyncio.sleep(THINKS)


async def headers_of(reader):
    headers = {}
    while (line := (await reader.readline()).strip()):
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    return headers


async def skip_body(reader, headers):
    """The body of a request; returns its length."""
    if headers.get("transfer-encoding", "").lower() != "chunked":
        length = int(headers.get("content-length", 0))
        await reader.readexactly(length)
        return length
    length = 0
    while (size := int(await reader.readline(), 16)):
        await reader.readexactly(size)
        await reader.readline()
        length += size
    await reader.readline()
    return length


async def serve_http(line, reader, writer):
    """One request. Is the connection a plain one from then on?"""
    method, path = line.split()[:2]
    headers = await headers_of(reader)
    if headers.get("upgrade"):
        key = hashlib.sha1(headers["sec-websocket-key"].encode() + GUID).digest()
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                     b"Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n"
                     % base64.b64encode(key))
        return True
    length = await skip_body(reader, headers)
    size, tag = path.strip(b"/").split(b"/")[-2:] if path.count(b"/") > 1 else (b"20", b"-")
    size = int(size)
    right = method != b"POST" or length in BODY
    await small_ones_take_time(size)
    writer.write(b"HTTP/1.1 %s\r\nContent-Type: text/plain\r\nCache-Control: no-store\r\n"
                 b"Content-Length: %d\r\n\r\n"
                 % (b"200 OK" if right else b"400 Part of the body is missing", size))
    writer.write(answer(size, tag))
    return False


async def serve(reader, writer):
    plain = False
    try:
        while (line := await reader.readline()):
            if line == b"note\n":
                continue
            if line == b"bye\n":
                break
            if plain or line.startswith(b"ask "):
                size, tag = line.split()[1:]
                await small_ones_take_time(int(size))
                writer.write(answer(int(size), tag))
            else:
                plain = await serve_http(line, reader, writer)
            await writer.drain()
    except (OSError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    args = parser.parse_args()
    server = await asyncio.start_server(serve, "127.0.0.1", args.port, backlog=1024)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
