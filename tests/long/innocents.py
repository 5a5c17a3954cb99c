# SPDX-License-Identifier: GPL-2.0-or-later
"""Stock programs that do nothing wrong, thousands of exchanges of each: tests/field in its long form."""

import argparse
import pathlib
import sys

from harness import check

FIELD = pathlib.Path(__file__).resolve().parents[1] / "field"


def innocents(args, log):
    # Its modules have names that others have too: only who runs this part sees them.
    sys.path.insert(0, str(FIELD))
    import field

    failures = []

    def say(line):
        log(line)
        if line.startswith("FAILED"):
            failures.append(line)

    options = argparse.Namespace(mispair=args.mispair, binaries=args.binaries, share=args.share,
                                 long=True, only=None, keep=None, together=1)
    passed, failed = field.run(options, say)
    check(not failed, f"{failed} of {passed + failed} rows failed:\n" + "\n".join(failures))
    return f"{passed} rows"
