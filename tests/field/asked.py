# SPDX-License-Identifier: GPL-2.0-or-later
"""What the slow reader and the server behind the relay agree on."""

SMALL = 1000
LARGE = 2_000_000
# Bodies of a POST: that of a small exchange, and that of a large one, which goes out in two parts.
BODY = (100, 40_000)


def answer(size, tag):
    """SIZE bytes that begin and end with the tag: whose answer it is, and that it is whole."""
    mark = b"<%s>" % tag
    return mark + b"." * (size - 2 * len(mark)) + mark
