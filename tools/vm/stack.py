#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""How much stack each BPF program needs with all that it calls, read out of the object.

A verifier allows 512 bytes along a chain of calls, each function's rounded up to 32
(kernel/bpf/verifier.c, check_max_stack_depth()), and refuses what needs more; newer ones do so
more leniently, and may be what one develops on. This tells at once what a guest of 6.1 tells in ten
minutes. The last line is "N passed, N failed, N skipped", one for each program.
"""

import argparse
import collections
import functools
import pathlib
import re
import subprocess
import sys

LIMIT, ROUND = 512, 32
CALL, PSEUDO_CALL = 0x85, 1
SECTION = re.compile(r"Disassembly of section (.*):")
LABEL = re.compile(r"([0-9a-f]+) <(?!LBB)(.*)>:")
RELOCATION = re.compile(r"\s+[0-9a-f]+:\s+R_BPF_64_32\s+(\S+)")
INSN = re.compile(r"\s+(\d+):\s+((?:[0-9a-f]{2}[ \t]){8})(.*)")


class Functions:
    """Of an object: where each function is, how deep its own stack is, and whom it calls."""

    def __init__(self, path):
        listing = subprocess.run(["llvm-objdump", "-d", "-r", path], check=True, text=True,
                                 stdout=subprocess.PIPE).stdout
        self.at, self.depth, self.calls = {}, collections.Counter(), collections.defaultdict(list)
        section = name = None
        for line in listing.splitlines():
            if found := SECTION.match(line):
                section = found.group(1)
            elif found := LABEL.match(line):
                name = (section, found.group(2))
                self.at[section, int(found.group(1), 16)] = name
            elif found := RELOCATION.match(line):
                self.calls[name][-1][2] = found.group(1)
            elif found := INSN.match(line):
                self._read(name, int(found.group(1)),
                           bytes.fromhex(re.sub(r"\s", "", found.group(2))), found.group(3))

    def _read(self, name, number, code, text):
        offsets = re.findall(r"r10 - (\d+)", text) + re.findall(r"r\d+ \+= -(\d+)$", text)
        for offset in map(int, offsets):
            if offset <= LIMIT:
                self.depth[name] = max(self.depth[name], offset)
        if code[0] == CALL and code[1] >> 4 == PSEUDO_CALL:
            self.calls[name].append([number, int.from_bytes(code[4:], "little", signed=True), None])

    def called(self, name):
        for number, distance, symbol in self.calls[name]:
            if symbol is None:
                yield self.at[name[0], 8 * (number + 1 + distance)]
            elif symbol == ".text":
                yield self.at[".text", 8 * (distance + 1)]
            elif (".text", symbol) in self.at.values():
                yield ".text", symbol
            # Else it is one of the kernel's own, which has a stack of its own.

    @functools.cache
    def chain(self, name):
        """(bytes, names) of the deepest way down from a function."""
        below = max((self.chain(callee) for callee in self.called(name)), default=(0, ()))
        own = (max(self.depth[name], 1) + ROUND - 1) // ROUND * ROUND
        return own + below[0], (f"{name[1]} {own}", *below[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("object", type=pathlib.Path)
    functions = Functions(parser.parse_args().object)
    programs = [name for name in functions.at.values() if name[0] != ".text"]
    deep = [chain for chain in map(functions.chain, programs) if chain[0] > LIMIT]
    for size, names in deep:
        print(f"FAILED {size} bytes of stack: {', '.join(names)}")
    deepest = max(map(functions.chain, programs))
    print(f"deepest: {deepest[0]} bytes, {', '.join(deepest[1])}")
    print(f"{len(programs) - len(deep)} passed, {len(deep)} failed, 0 skipped")
    return 1 if deep else 0


if __name__ == "__main__":
    sys.exit(main())
