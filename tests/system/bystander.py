#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""bystander.py LIBRARY: calls its sum(), which is 0, until standard input ends.

Prints how often it has called, and fails at the first other answer.
"""

import ctypes
import select
import sys

library = ctypes.CDLL(sys.argv[1])
library.sum.restype = ctypes.c_uint64
library.sum.argtypes = ()
calls = 0
print("ready", flush=True)
while not select.select([sys.stdin], [], [], 0.002)[0]:
    answer = library.sum()
    calls += 1
    if answer:
        sys.exit(f"sum() is {answer:#x} at call {calls}")
print(calls)
