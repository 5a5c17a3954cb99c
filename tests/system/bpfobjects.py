# SPDX-License-Identifier: GPL-2.0-or-later
"""The BPF maps and links of another process, by bpf(2).

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
GET_NEXT_KEY, MAP_BY_ID, GET_INFO, LINK_BY_ID = 4, 14, 15, 30
# Of struct bpf_link_info: kinds of links, and what they say where.
PERF_EVENT, UPROBE_MULTI = 7, 12
PERF_KIND_AT, MULTI_COUNT_AT = 16, 52  # count, flags, and the process that is probed, 0: all
PERF_KINDS = {1: "uprobe", 2: "uretprobe"}
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


def _info(fd):
    info = ctypes.create_string_buffer(INFO_LEN)
    _bpf(GET_INFO, struct.pack("=IIQ", fd, INFO_LEN, ctypes.addressof(info)))
    return info.raw


def _held(pid, what):
    """Ids of the maps or links that a process holds."""
    found = set()
    for info in pathlib.Path(f"/proc/{pid}/fdinfo").iterdir():
        try:
            number = re.search(rf"^{what}_id:\s*(\d+)$", info.read_text(), re.M)
        except FileNotFoundError:  # closed since it was listed
            continue
        if number is not None:
            found.add(int(number.group(1)))
    return found


class Map:
    """One map, open; its keys are four bytes."""

    def __init__(self, number):
        self.number = number
        self.fd = _bpf(MAP_BY_ID, struct.pack("=I", number))
        self.name = _info(self.fd)[NAME_AT:NAME_AT + NAME_LEN].split(b"\0")[0].decode()

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
    found = {}
    for number in sorted(_held(pid, "map")):
        one = Map(number)
        if one.name in wanted and one.name not in found:
            found[one.name] = one
        else:
            one.close()
    return found


def probes_of(pid):
    """What a process has attached in other processes: "uprobe" or "uretprobe" for each place.

    Links say it since 6.6 (1b715e1b0ec5 and e56fdbfb06e2).
    """
    found = []
    for number in _held(pid, "link"):
        try:
            fd = _bpf(LINK_BY_ID, struct.pack("=I", number))
        except FileNotFoundError:  # detached since it was listed
            continue
        try:
            info = _info(fd)
        finally:
            os.close(fd)
        kind, = struct.unpack_from("=I", info, 0)
        if kind == PERF_EVENT:
            kind, = struct.unpack_from("=I", info, PERF_KIND_AT)
            found += [(PERF_KINDS[kind], None)] if kind in PERF_KINDS else []
        elif kind == UPROBE_MULTI:
            count, flags, bound = struct.unpack_from("=III", info, MULTI_COUNT_AT)
            found += [("uretprobe" if flags & 1 else "uprobe", bound)] * count
    return found
