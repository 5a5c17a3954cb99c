# SPDX-License-Identifier: GPL-2.0-or-later
"""The structs and fields that bpf/vmlinux.h names, as (record, "field.inner") pairs.

It is our own header in one plain style: no macros among the fields, no bit fields, no function
pointers.
"""

import re

TOKEN = re.compile(r"[A-Za-z_]\w*|[{};,*]|\[[^]]*\]")
# CO-RE ignores what follows three underscores in a type's name: a second definition for kernels
# where the first does not fit.
FLAVOUR = re.compile(r"___\w+$")


class Parser:
    def __init__(self, text):
        text = re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.S)
        text = re.sub(r"^\s*#.*$", "", text, flags=re.M)
        self._tokens = TOKEN.findall(text)
        self._at = 0

    def _next(self):
        token = self._tokens[self._at]
        self._at += 1
        return token

    def _peek(self):
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _body(self):
        """Fields between braces: names, and paths through named inner structs."""
        fields = []
        while self._peek() != "}":
            inner, names, last = [], [], None
            while self._peek() != ";":
                token = self._next()
                if token == "{":
                    inner = self._body()
                elif token == ",":
                    names.append(last)
                elif re.match(r"[A-Za-z_]", token):
                    last = token
            self._next()
            if inner and last in ("struct", "union", None):
                fields += inner  # anonymous: its fields are the outer one's
            elif inner:
                fields += [f"{last}.{field}" for field in inner]
            else:
                fields += [*names, last]
        self._next()
        return fields

    def records(self):
        while self._at < len(self._tokens):
            words = []
            while self._peek() not in (None, "{", ";"):
                words.append(self._next())
            if self._peek() is None:
                return
            if self._next() == ";":
                continue
            if "enum" in words:
                while self._next() != "}":
                    pass
                fields = None
            else:
                fields = self._body()
            tail = []
            while self._peek() != ";":
                tail.append(self._next())
            self._next()
            name = tail[-1] if words[0] == "typedef" else words[-1]
            if fields is not None and name not in ("struct", "union"):
                yield name, fields


def fields(text):
    """[(record without its flavour, field path, whether it is a flavour)]"""
    return [(FLAVOUR.sub("", record), field, bool(FLAVOUR.search(record)))
            for record, names in Parser(text).records() for field in names]
