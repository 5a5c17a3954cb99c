# SPDX-License-Identifier: GPL-2.0-or-later
"""A kernel's own type information (BTF) without booting it.

The payload of an amd64 vmlinuz is an ELF file with a .BTF section, compressed; an arm64 image
carries the section raw. What is found is kept beside the kernel.
"""

import functools
import gzip
import json
import lzma
import os
import shutil
import struct
import subprocess

from cache import Unavailable

BTF_HEADER = struct.Struct("<HBBIIIII")
BTF_MAGIC = 0xEB9F
ELF64 = struct.Struct("<16sHHIQQQIHHHHHH")
SECTION = struct.Struct("<IIQQQQIIQQ")
STRINGS_BEGIN = b"\0int\0"


def _tool(name, data):
    """DATA through a decompressor, from its standard input to its standard output."""
    program = shutil.which(name)
    if not program:
        raise Unavailable(f"{name} is not installed")
    # It complains about what follows its stream, and has written everything by then.
    return subprocess.run([program, "-dcf"], input=data, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL).stdout


# Of the Linux boot image's possible compressions: magic and how to undo it.
COMPRESSIONS = (
    (b"\x02\x21\x4c\x18", lambda data: _tool("lz4", data)),
    (b"\x28\xb5\x2f\xfd", lambda data: _tool("zstd", data)),
    (b"\xfd7zXZ\0", lambda data: lzma.LZMADecompressor().decompress(data)),
    (b"\x1f\x8b\x08", lambda data: gzip.decompress(data)),
)


def elf_section(image, wanted):
    """A section of a 64-bit little-endian ELF image by its name; None if there is none."""
    if image[:6] != b"\x7fELF\x02\x01":
        return None
    header = ELF64.unpack_from(image)
    offset, size, count, names = header[6], header[11], header[12], header[13]
    sections = [SECTION.unpack_from(image, offset + n * size) for n in range(count)]
    strings = sections[names][4]
    for name, _, _, _, begin, length, *_ in sections:
        end = image.index(b"\0", strings + name)
        if image[strings + name:end] == wanted:
            return image[begin:begin + length]
    return None


def raw_btf(image):
    """The one BTF blob in an image that has no sections; None if there is none that is whole."""
    magic = BTF_HEADER.pack(BTF_MAGIC, 1, 0, BTF_HEADER.size, 0, 0, 0, 0)[:8]
    at = image.find(magic)
    while at >= 0:
        _, _, _, _, type_off, type_len, str_off, str_len = BTF_HEADER.unpack_from(image, at)
        strings = at + BTF_HEADER.size + str_off
        # The kernel's own is megabytes; what looks like one in some table is not.
        if type_off == 0 and str_off == type_len and type_len > 1 << 20 \
                and strings + str_len <= len(image) and image[strings] == 0:
            return image[at:strings + str_len]
        at = image.find(magic, at + 1)
    return None


def payload(image):
    """The uncompressed kernel of an amd64 boot image; None if it has none."""
    setup_sectors = image[0x1F1] or 4
    code = (setup_sectors + 1) * 512
    offset, length = struct.unpack_from("<II", image, 0x248)
    data = image[code + offset:code + offset + length]
    for magic, undo in COMPRESSIONS:
        if data.startswith(magic):
            # The last four bytes are the size of what was compressed.
            return undo(data)[:struct.unpack("<I", data[-4:])[0]]
    return None


def extract(kernel):
    """Path of the kernel's BTF."""
    path = kernel.image.with_name(f"btf-{kernel.release}")
    if path.exists():
        return path
    image = kernel.image.read_bytes()
    if kernel.arch == "amd64":
        image = payload(image)
        blob = elf_section(image, b".BTF") if image else None
    else:
        blob = raw_btf(image)
    if not blob:
        raise Unavailable(f"no BTF in {kernel.image.name}")
    partial = path.with_suffix(".tmp")
    partial.write_bytes(blob)
    os.replace(partial, path)
    return path


class Types:
    """The types of one kernel, by name."""

    def __init__(self, path):
        bpftool = shutil.which("bpftool", path=os.environ["PATH"] + ":/usr/sbin:/sbin")
        if not bpftool:
            raise Unavailable("bpftool is not installed")
        done = subprocess.run([bpftool, "-j", "btf", "dump", "file", str(path)],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if done.returncode:
            raise Unavailable(f"bpftool cannot read {path}: {done.stderr.decode().strip()[:200]}")
        self._types = json.loads(done.stdout)["types"]
        # Identifiers are in order from 1, but for what the dump of a kernel leaves out.
        self._by_id = {t["id"]: t for t in self._types}

    @functools.cached_property
    def _functions(self):
        return {t["name"]: t for t in self._types if t["kind"] == "FUNC"}

    @functools.cached_property
    def _typedefs(self):
        return {t["name"]: t for t in self._types if t["kind"] == "TYPEDEF"}

    @functools.cached_property
    def _records(self):
        found = {}
        for t in self._types:
            if t["kind"] in ("STRUCT", "UNION") and t["name"] != "(anon)":
                found.setdefault(t["name"], []).append(t)
        return found

    def _bare(self, number):
        """The type behind const, volatile and typedef; None is void."""
        while number:
            t = self._by_id[number]
            if t["kind"] not in ("CONST", "VOLATILE", "RESTRICT", "TYPEDEF", "TYPE_TAG"):
                return t
            number = t["type_id"]
        return None

    def spell(self, number):
        """A type as C would spell it, without qualifiers: 'struct sock *', 'int'."""
        t = self._bare(number)
        if t is None:
            return "void"
        if t["kind"] == "PTR":
            return f"{self.spell(t['type_id'])} *".replace("* *", "**")
        word = {"STRUCT": "struct ", "UNION": "union ", "ENUM": "enum "}.get(t["kind"], "")
        return word + t["name"]

    def _arguments(self, prototype):
        return [self.spell(p["type_id"]) for p in self._by_id[prototype]["params"]]

    def function(self, name):
        """Spelled types of a function's arguments; None if the kernel has no such function."""
        t = self._functions.get(name)
        return self._arguments(t["type_id"]) if t else None

    def tracepoint(self, name):
        """The same of a tracepoint, without the first argument that only the kernel sees."""
        t = self._typedefs.get(f"btf_trace_{name}")
        if not t:
            return None
        return self._arguments(self._by_id[t["type_id"]]["type_id"])[1:]

    def has_record(self, name):
        return name in self._records or name in self._typedefs

    def has_field(self, record, path):
        """Whether a struct, or one that is a typedef, has a field such as "in6_u.u6_addr32"."""
        candidates = self._records.get(record, [])
        if not candidates and record in self._typedefs:
            candidates = [self._bare(self._typedefs[record]["type_id"])]
        return any(self._walk(c, path.split(".")) for c in candidates)

    def _walk(self, t, names):
        if not t or t["kind"] not in ("STRUCT", "UNION"):
            return False
        for member in t["members"]:
            inner = self._bare(member["type_id"])
            # An anonymous struct's or union's fields are as good as its own.
            if member["name"] == "(anon)" and self._walk(inner, names):
                return True
            if member["name"] == names[0]:
                return len(names) == 1 or self._walk(inner, names[1:])
        return False
