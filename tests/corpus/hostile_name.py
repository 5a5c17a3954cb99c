#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A client whose process name and Unix socket path are meant for the terminal of whoever looks.

Opens a listener of its own on the path, one connection to it, and exchanges a byte until it is
ended. Prints its pid once the first exchange is done.
"""

import ctypes
import os
import socket
import sys
import threading
import time

NAMES = {"controls": b"\x1b[2J\x1b[31mX\n", "utf8": b"\xff\xfe\x80\xc3(", "bidi": "\u202eevil".encode(),
         "wide": "日本語名".encode()}
PR_SET_NAME = 15


def serve(listener):
    peer, _ = listener.accept()
    while peer.recv(1):
        peer.sendall(b"y")


def main():
    name = NAMES[sys.argv[1]]
    path = os.fsencode(sys.argv[2]) + b"/" + name.replace(b"/", b"_") + b".sock"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    threading.Thread(target=serve, args=(listener,), daemon=True).start()
    # A copy of the interpreter by that name: the name of an executable is shown, if there is one.
    ctypes.CDLL(None).prctl(PR_SET_NAME, name[:15], 0, 0, 0)
    client = socket.socket(socket.AF_UNIX)
    client.connect(path)
    first = True
    while True:
        client.sendall(b"x")
        client.recv(1)
        if first:
            print(os.getpid(), flush=True)
        first = False
        time.sleep(0.05)


if __name__ == "__main__":
    main()
