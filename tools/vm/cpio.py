# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes cpio archives of the "newc" form, which a kernel unpacks as its first root.

Several of them one after another are one root, as long as each begins at a multiple of four bytes.
Everything in it belongs to root. Times are kept: Python compares them with its compiled files.
"""

import os
import stat

BLOCK = 512


class Archive:
    def __init__(self, file):
        self._file = file
        self._inode = 0
        self._offset = 0
        self._seen = {""}

    def _write(self, data):
        self._file.write(data)
        self._offset += len(data)

    def _pad(self, size):
        self._write(b"\0" * (-self._offset % size))

    def _entry(self, name, mode, data=b"", mtime=0, device=(0, 0)):
        self._inode += 1
        raw = name.encode() + b"\0"
        links = 2 if stat.S_ISDIR(mode) else 1
        fields = (self._inode, mode, 0, 0, links, int(mtime), len(data), 0, 0, *device, len(raw), 0)
        self._write(b"070701" + b"".join(b"%08X" % field for field in fields) + raw)
        self._pad(4)
        self._write(data)
        self._pad(4)

    def folder(self, path, mode=0o755):
        path = path.strip("/")
        if path in self._seen:
            return
        self.folder(os.path.dirname(path))
        self._seen.add(path)
        self._entry(path, stat.S_IFDIR | mode)

    def data(self, path, data, mode=0o644, mtime=0):
        path = path.strip("/")
        if path in self._seen:
            return
        self.folder(os.path.dirname(path))
        self._seen.add(path)
        self._entry(path, stat.S_IFREG | mode, data, mtime)

    def link(self, path, target):
        path = path.strip("/")
        if path in self._seen:
            return
        self.folder(os.path.dirname(path))
        self._seen.add(path)
        self._entry(path, stat.S_IFLNK | 0o777, os.fsencode(target))

    def device(self, path, major, minor):
        path = path.strip("/")
        self.folder(os.path.dirname(path))
        self._seen.add(path)
        self._entry(path, stat.S_IFCHR | 0o600, device=(major, minor))

    def host_file(self, source, path):
        """A file as it is on the host; a symbolic link's target is the caller's business."""
        status = os.lstat(source)
        if stat.S_ISLNK(status.st_mode):
            self.link(path, os.readlink(source))
        elif stat.S_ISREG(status.st_mode):
            with open(source, "rb") as file:
                self.data(path, file.read(), stat.S_IMODE(status.st_mode), status.st_mtime)
        elif stat.S_ISDIR(status.st_mode):
            self.folder(path)

    def close(self):
        self._entry("TRAILER!!!", 0)
        self._pad(BLOCK)
