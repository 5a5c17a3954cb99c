# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows of the corpus where the application really gets a wrong answer."""

from rows import Row

REDIS = ("program:redis-server", "python:redis")
VARIED = ("--port", "{redis}", "--seed", "{seed}")


def asyncio_orders(*arguments):
    """An event loop reads a late reply on its own, so late is F3."""
    return [("early", (*arguments, "--order", "early"), "F2"),
            ("late", (*arguments, "--order", "late"), "F3")]


ROWS = [
    Row("pyredis-pool", "F2", True, "pyredis_pool.py",
        [(pool, (*VARIED, "--pool", pool)) for pool in ("plain", "blocking")], REDIS),
    Row("pyredis-single", "F2", True, "pyredis_single.py",
        asyncio_orders(*VARIED, "--timings", "{timings}"), REDIS),
    Row("asyncio-minipool", "F2", True, "minipool.py",
        [(f"{kind} {label}", (*arguments, "--kind", kind), form)
         for kind in ("cancel", "wait_for", "wait", "timeout")
         for label, arguments, form in asyncio_orders(*VARIED)], REDIS[:1]),
    Row("asyncio-destroyed", "F2", True, "destroyed.py", asyncio_orders(*VARIED), REDIS[:1]),
]
