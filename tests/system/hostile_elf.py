# SPDX-License-Identifier: GPL-2.0-or-later
"""A process that maps a broken file by the name of CPython's _asyncio and opens a connection.

It shows mispair an ELF file that the traced process has chosen. The process itself is harmless:
the file is mapped and never run.
"""

import importlib.util
import mmap
import os
import random
import socket
import sys
import time

HEADER_FIELDS = {"e_phoff": (32, 8), "e_shoff": (40, 8), "e_phentsize": (54, 2),
                 "e_phnum": (56, 2), "e_shentsize": (58, 2), "e_shnum": (60, 2)}


def variants(good):
    yield "empty", b"\0"
    for size in (1, 16, 63, 64, 200, 4096, len(good) // 2, len(good) - 1):
        yield f"cut at {size}", good[:size]
    for name, (at, size) in HEADER_FIELDS.items():
        for byte in (b"\xff", b"\x7f", b"\x01"):
            yield f"{name} all {byte.hex()}", good[:at] + byte * size + good[at + size:]
    yield "program headers of ones", good[:64] + b"\xff" * 56 * 16 + good[64 + 56 * 16:]
    yield "nothing but ones after the header", good[:64] + b"\xff" * (len(good) - 64)
    varied = random.Random(1)
    for number in range(20):
        broken = bytearray(good)
        for _ in range(200):
            broken[64 + varied.randrange(len(good) - 64)] = varied.randrange(256)
        yield f"random bytes {number}", bytes(broken)


def one(directory, name, number, content, port):
    path = os.path.join(directory, str(number))
    os.mkdir(path)
    path = os.path.join(path, name)
    with open(path, "wb") as file:
        file.write(content)
    child = os.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, __file__, "--map", path, str(port)])
    _, status = os.waitpid(child, 0)
    return status


def map_and_connect(path, port):
    with open(path, "rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ | mmap.PROT_EXEC,
                           flags=mmap.MAP_PRIVATE)
    assert len(mapped) > 0
    with socket.create_connection(("127.0.0.1", port)) as client:
        for _ in range(50):
            client.sendall(b"PING\r\n")
            assert client.recv(64).startswith(b"+PONG")
    # Long enough to be looked into while the file is mapped.
    time.sleep(0.02)


def main():
    if sys.argv[1] == "--map":
        map_and_connect(sys.argv[2], int(sys.argv[3]))
        return 0
    directory, port = sys.argv[1], int(sys.argv[2])
    # Found, not imported: a child that had the real module mapped would hide the broken one.
    module = importlib.util.find_spec("_asyncio").origin
    with open(module, "rb") as file:
        good = file.read()
    count = 0
    for count, (name, content) in enumerate(variants(good), 1):
        status = one(directory, os.path.basename(module), count, content, port)
        if status:
            sys.exit(f"{name}: the process ended with status {status:#x}")
    print(f'{{"row": "hostile-elf", "pid": {os.getpid()}, "wrong": 0, "variants": {count}, '
          '"connections": {}}')
    return 0


if __name__ == "__main__":
    sys.exit(main())
