#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""launcher.py PORT [CMD...]: what launcher.c does, with asyncio."""

import asyncio
import os
import sys


async def ask(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"PING\r\n")
    await reader.readline()
    writer.close()
    await writer.wait_closed()


asyncio.run(ask(int(sys.argv[1])))
print("ready", flush=True)
# Not through sys.stdin, which would take more than is for us.
os.read(0, 1)
if sys.argv[2:]:
    os.execv(sys.argv[2], sys.argv[2:])
