# SPDX-License-Identifier: GPL-2.0-or-later
"""The BPF maps of another process, by bpf(2).

Not by bpftool where keys are counted: whoever starts a process is one that has children, and that
is what a tracer keeps count of.
"""

import ctypes
import os
import pathlib
import platform
import re
import struct

SYSCALL = {"x86_64": 321, "aarch64": 280}
GET_NEXT_KEY, GET_FD_BY_ID, GET_INFO = 4, 14, 15
INFO_LEN, NAME_AT, NAME_LEN = 80, 24, 16
# A map that changes all the time may be begun anew for ever.
STEPS_MAX = 1 << 20

_libc = ctypes.CDLL(None, use_errno=True)


def _bpf(command, attributes):
    buffer = ctypes.create_string_buffer(attributes, 128)
    done = _libc.syscall(SYSCALL[platform.machine()], command, buffer, 128)
    if done < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return done


class Map:
    """One map, open; its keys are four bytes."""

    def __init__(self, number):
        self.number = number
        self.fd = _bpf(GET_FD_BY_ID, struct.pack("=I", number))
        info = ctypes.create_string_buffer(INFO_LEN)
        _bpf(GET_INFO, struct.pack("=IIQ", self.fd, INFO_LEN, ctypes.addressof(info)))
        self.name = info.raw[NAME_AT:NAME_AT + NAME_LEN].split(b"\0")[0].decode()

    def keys(self):
        key, following = ctypes.c_uint32(), ctypes.c_uint32()
        found, at = set(), 0
        for _ in range(STEPS_MAX):
            try:
                _bpf(GET_NEXT_KEY, struct.pack("=IIQQ", self.fd, 0, at,
                                               ctypes.addressof(following)))
            except FileNotFoundError:
                return found
            found.add(following.value)
            key.value, at = following.value, ctypes.addressof(key)
        raise RuntimeError(f"map {self.name} has no end")

    def close(self):
        os.close(self.fd)


def maps_of(pid, wanted):
    """Name -> Map, of the WANTED names among those that a process holds."""
    found, seen = {}, set()
    for info in pathlib.Path(f"/proc/{pid}/fdinfo").iterdir():
        try:
            number = re.search(r"^map_id:\s*(\d+)$", info.read_text(), re.M)
        except FileNotFoundError:  # closed since it was listed
            continue
        if number is None or number.group(1) in seen:
            continue
        seen.add(number.group(1))
        one = Map(int(number.group(1)))
        if one.name in wanted and one.name not in found:
            found[one.name] = one
        else:
            one.close()
    return found
