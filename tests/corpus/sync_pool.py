# SPDX-License-Identifier: GPL-2.0-or-later
"""A blocking Python client with a pool of its own, left by a SIGALRM handler that raises.

With --certificate it speaks TLS. --handshake is the bug of go-redis (CVE-2025-29923) instead: the
set-up command of a new connection times out, the error is ignored, and the first caller reads the
answer to the set-up command.
"""

import itertools
import socket
import ssl

from syncwire import Truth, arguments, left_by_alarm, mark, sleep, timings

SETUP_LIMIT = 0.005
CALL_LIMIT = 5.0


class Line:
    """One connection to the line server: what is sent comes back."""

    def __init__(self, truth, args):
        plain = socket.create_connection((args.host, args.port))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = plain if args.certificate is None else self._wrapped(plain, args)
        self.sock.settimeout(None)
        self.truth = truth.about(self.sock)
        self._have = b""

    def _wrapped(self, plain, args):
        context = ssl.create_default_context(cafile=args.certificate)
        return context.wrap_socket(plain, server_hostname="localhost")

    def ask(self, request):
        self.truth.before_send()
        self.sock.sendall(request.encode() + b"\n")
        self.truth.judge(self._next().decode(), request)

    def drain(self):
        self._next()

    def _next(self):
        while b"\n" not in self._have:
            more = self.sock.recv(4096)
            if not more:
                raise ConnectionError("the server hung up")
            self._have += more
        self.truth.took(self._have)
        line, _, self._have = self._have.partition(b"\n")
        return line


class Pool:
    """Last in, first out; whatever happened to its exchange, a connection goes back."""

    def __init__(self, truth, args):
        self._truth = truth
        self._args = args
        self.idle = []

    def call(self, request):
        line = self.idle.pop() if self.idle else Line(self._truth, self._args)
        try:
            line.ask(request)
        finally:
            self.idle.append(line)


def set_up_ignoring_errors(line, lag, limit):
    line.sock.settimeout(limit)
    try:
        line.ask("CLIENT SETINFO" + mark(lag))
    except TimeoutError:
        line.truth.left()
    line.sock.settimeout(CALL_LIMIT)


def left_round(pool, tags, timing):
    for _ in range(timing.clean + 1):
        pool.call(f"tag-{next(tags)}")
    left_by_alarm(pool.idle[-1].truth, timing.limit,
                  lambda: pool.call(f"tag-{next(tags)}{mark(timing.lag)}"))
    sleep(timing.gap)
    for _ in range(timing.followers):
        pool.call(f"tag-{next(tags)}")


def handshake_round(truth, args, pool, tags, timing):
    # A new connection whose set-up is answered in time, and one whose set-up is not.
    for lag in (0, timing.lag):
        line = Line(truth, args)
        set_up_ignoring_errors(line, lag, timing.limit if lag else CALL_LIMIT)
        pool.idle.append(line)
        if lag:
            sleep(timing.gap)
        for _ in range(timing.followers):
            pool.call(f"tag-{next(tags)}")


def main(args):
    truth, tags, kept = Truth("sync-pool"), itertools.count(1), []
    for timing in timings(args):
        pool = Pool(truth, args)
        kept.append(pool)
        if args.handshake:
            handshake_round(truth, args, pool, tags, timing)
        else:
            left_round(pool, tags, timing)
            clean = Pool(truth, args)
            kept.append(clean)
            for _ in range(2):
                clean.call(f"tag-{next(tags)}")
    truth.print()
    for pool in kept:
        for line in pool.idle:
            line.sock.close()


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("--certificate", help="of the server, for TLS")
    parser.add_argument("--handshake", action="store_true", help="the set-up times out")
    main(parser.parse_args())
