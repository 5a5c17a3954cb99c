# SPDX-License-Identifier: GPL-2.0-or-later
"""The BPF maps and links of another process, by bpf(2).

Not by bpftool where keys are counted: whoever starts a process is one that has children, and that
is what a tracer keeps count of.
"""

import collections
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
PERF_KIND_AT, PERF_OFFSET_AT = 16, 36
PERF_KINDS = {1: "uprobe", 2: "uretprobe"}
MULTI_PATH_AT, MULTI_PATH_LEN_AT, MULTI_COUNT_AT = 16, 48, 52
PATH_LEN = 4096
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


def _info(fd, asked=b""):
    """The kernel's answer about an object; ASKED: where to, if it is more than fits."""
    info = ctypes.create_string_buffer(asked, INFO_LEN)
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

    def stop(self):
        self.close()

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


# KIND: "uprobe" or "uretprobe"; PATH and PID: None where a link does not say it or means all.
Probe = collections.namedtuple("Probe", "kind path offset pid")


def _multi_probes(fd, info):
    count, flags, pid = struct.unpack_from("=III", info, MULTI_COUNT_AT)
    offsets = (ctypes.c_uint64 * count)()
    path = ctypes.create_string_buffer(PATH_LEN)
    asked = bytearray(INFO_LEN)
    struct.pack_into("=QQ", asked, MULTI_PATH_AT, ctypes.addressof(path),
                     ctypes.addressof(offsets))
    struct.pack_into("=II", asked, MULTI_PATH_LEN_AT, PATH_LEN, count)
    _info(fd, bytes(asked))
    return [Probe("uretprobe" if flags & 1 else "uprobe", path.value.decode(), offset,
                  pid or None) for offset in offsets]


def _probes_behind(fd):
    info = _info(fd)
    kind, = struct.unpack_from("=I", info, 0)
    if kind == UPROBE_MULTI:
        return _multi_probes(fd, info)
    if kind != PERF_EVENT:
        return []
    kind, = struct.unpack_from("=I", info, PERF_KIND_AT)
    offset, = struct.unpack_from("=I", info, PERF_OFFSET_AT)
    # The name of a file is one that meant it only when it was probed.
    return [Probe(PERF_KINDS[kind], None, offset, None)] if kind in PERF_KINDS else []


def probes_of(pid):
    """What a process has attached in other processes. Links say it since 6.6."""
    found = []
    for number in _held(pid, "link"):
        try:
            fd = _bpf(LINK_BY_ID, struct.pack("=I", number))
        except FileNotFoundError:  # detached since it was listed
            continue
        try:
            found += _probes_behind(fd)
        finally:
            os.close(fd)
    return found
