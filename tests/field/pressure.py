# SPDX-License-Identifier: GPL-2.0-or-later
"""Back pressure as the kernel shows it: bytes that a relay lets lie in a socket for seconds.

The relay's connections to the server behind it are those with the server's port at the far end. How
many bytes lie unread in each is read from /proc/net/tcp, a few times a second.
"""

import pathlib
import threading
import time

EVERY = 0.2
LONG = 2.0
ESTABLISHED = "01"


def unread(port):
    """(local port, bytes) of each connection to this port."""
    far = f":{port:04X}"
    for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, state, queues = line.split()[:5]
        if remote.endswith(far) and state == ESTABLISHED:
            yield int(local.rpartition(":")[2], 16), int(queues.partition(":")[2], 16)


class Pressure:
    """Looks on from its making until stop(); `held` is how often bytes lay LONG without a change."""

    def __init__(self, port):
        self.port = port
        self.held = 0
        self.most = 0
        self._since = {}
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self):
        while not self._ends.wait(EVERY):
            self._look(time.monotonic())

    def _look(self, now):
        lie = {local: size for local, size in unread(self.port) if size}
        for local in set(self._since) - set(lie):
            del self._since[local]
        for local, size in lie.items():
            was, since, counted = self._since.get(local, (None, now, False))
            if size != was:
                since, counted = now, False
            elif not counted and now - since >= LONG:
                self.held += 1
                self.most = max(self.most, size)
                counted = True
            self._since[local] = size, since, counted

    def stop(self):
        self._ends.set()
        self._thread.join()
