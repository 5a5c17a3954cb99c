#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""short_lives.py PORT NUMBER: children, one after another, each with one wrong exchange.

Each lives as long as Python takes to start and to ask for a few values: a third of a second.
"""

import pathlib
import subprocess
import sys

CORPUS = pathlib.Path(__file__).resolve().parents[1] / "corpus"

for seed in range(int(sys.argv[2])):
    subprocess.run(["/usr/bin/python3", str(CORPUS / "pyredis_single.py"), "--port", sys.argv[1],
                    "--seed", str(seed)], check=True)
