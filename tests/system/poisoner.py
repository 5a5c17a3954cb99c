#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""poisoner.py VARIANT PORT: a real CPython that lies about where asyncio keeps its current tasks.

Before its first connection it changes the zero-initialised data of its own _asyncio, as anybody may
who runs a program. Then it asks a server for one answer, closes the connection, prints "ready" and
waits for a byte on standard input. No task ever runs in it.
"""

import _asyncio
import ctypes
import os
import socket
import struct
import sys

VARIANTS = ("to-zero-slot-0", "two-dicts", "no-pointer", "own-dict-in-place", "to-zero-slot-1",
            "to-zero-slot-2", "to-zero-slot-3", "to-zero-slot-4", "to-zero-slot-5",
            "moved-and-two-dicts", "all-zero-slots", "a-list-in-place", "a-subclass-in-place",
            "the-type-in-place", "odd-in-place", "unmapped-in-place", "kernel-in-place",
            "loop-without-task", "loop-of-itself", "many-loops")
LOAD, RELRO, WRITABLE = 1, 0x6474E552, 2


def segments(image):
    at, = struct.unpack_from("<Q", image, 32)
    count, = struct.unpack_from("<H", image, 56)
    for i in range(count):
        kind, flags, _, address, _, in_file, size, _ = struct.unpack_from(
            "<IIQQQQQQ", image, at + 56 * i)
        yield kind, flags, address, in_file, size


def zero_initialised(path):
    """(address, size) of what the file does not hold, behind what the loader makes read-only."""
    with open(path, "rb") as file:
        parts = list(segments(file.read()))
    fixed = [(address, address + size) for kind, _, address, _, size in parts if kind == RELRO]
    for kind, flags, address, in_file, size in parts:
        end = address + in_file
        if kind == LOAD and flags & WRITABLE and size > in_file \
                and not any(start <= end < stop for start, stop in fixed):
            return end, size - in_file
    raise SystemExit(f"{path} has no zero-initialised data")


def base_of(path):
    with open("/proc/self/maps", encoding="utf-8") as maps:
        return next(int(line.split("-")[0], 16) for line in maps if line.rstrip().endswith(path))


class Slots:
    """The words of that data, and which of them hold a dict or nothing."""

    def __init__(self):
        address, size = zero_initialised(_asyncio.__file__)
        start = (base_of(_asyncio.__file__) + address + 7) & ~7
        self.words = (ctypes.c_uint64 * ((size - 8) // 8)).from_address(start)
        self.dicts = [i for i, word in enumerate(self.words) if self._is_dict(word)]
        self.zeros = [i for i, word in enumerate(self.words) if not word]
        if not self.dicts:
            raise SystemExit("there is no dict to lie about")

    @staticmethod
    def _is_dict(word):
        return word > 4096 and word % 8 == 0 \
            and ctypes.c_uint64.from_address(word + 8).value == id(dict)

    def put(self, places, what):
        for place in places:
            self.words[place] = what


class Subclass(dict):
    """What the type's address alone does not tell from a dict."""


# Nothing of these may be freed.
OWN, OTHER, LIST, SUBCLASS = {}, {}, [], Subclass()
IN_PLACE = {"a-list-in-place": id(LIST), "a-subclass-in-place": id(SUBCLASS),
            "the-type-in-place": id(dict), "odd-in-place": id(OWN) + 1,
            "unmapped-in-place": 0x10000, "kernel-in-place": 0xFFFF888000000000}


def poison(slots, variant):
    if variant.startswith("to-zero-slot-"):
        slots.put(slots.dicts, 0)
        slots.put([slots.zeros[int(variant[len("to-zero-slot-"):])]], id(OWN))
    elif variant == "two-dicts":
        slots.put(slots.zeros[:1], id(OWN))
    elif variant == "moved-and-two-dicts":
        slots.put(slots.dicts, 0)
        slots.put(slots.zeros[:1], id(OWN))
        slots.put(slots.zeros[1:2], id(OTHER))
    elif variant == "all-zero-slots":
        slots.put(slots.zeros, id(OWN))
    elif variant == "no-pointer":
        slots.put(slots.dicts, 0)
    else:
        if variant == "loop-without-task":
            OWN[object()] = "no task"
        elif variant == "loop-of-itself":
            key = object()
            OWN[key] = key
        elif variant == "many-loops":
            OWN.update((object(), object()) for _ in range(10000))
        slots.put(slots.dicts, IN_PLACE.get(variant, id(OWN)))


if __name__ == "__main__":
    poison(Slots(), sys.argv[1])
    with socket.create_connection(("127.0.0.1", int(sys.argv[2]))) as client:
        client.sendall(b"PING\r\n")
        client.recv(16)
    print("ready", flush=True)
    os.read(0, 1)
    # What the interpreter would tidy up is not as it was.
    os._exit(0)
