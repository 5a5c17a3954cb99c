# SPDX-License-Identifier: GPL-2.0-or-later
"""Bytes that nobody asked for lie unread in a socket when the next request is sent, or is not.

TLS session tickets after the handshake, RESP3 pushes, a server's goodbye; and nginx, whose clients
hang up while it waits for the server behind it.
"""

import array
import fcntl
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import termios
import time

from correct import Truth, arguments, threads


def queued(sock):
    count = array.array("i", [0])
    fcntl.ioctl(sock.fileno(), termios.FIONREAD, count)
    return count[0]


def await_queued(sock, limit=1.0):
    until = time.monotonic() + limit
    while not queued(sock) and time.monotonic() < until:
        time.sleep(0.0002)


def connect(port):
    sock = socket.create_connection(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def tickets(args, truth):
    """The tickets lie unread when the first request is sent. A time-out closes the connection."""
    context = ssl.create_default_context(cafile=args.certificate)

    def work(number, varied):
        plain = connect(args.port)
        with context.wrap_socket(plain, server_hostname="127.0.0.1") as sock:
            await_queued(sock)
            for _ in range(2):
                tag = truth.tag()
                sock.sendall(tag.encode() + b"\n")
                truth.judge(sock.recv(100).strip(), tag)
            sock.settimeout(0.004)
            try:
                sock.sendall(b"~8~\n")
                sock.recv(100)
            except TimeoutError:
                truth.gave_up()

    threads(args, work)


def parsed(stream):
    """One value of RESP3, as far as these servers use it."""
    line = stream.readline().rstrip(b"\r\n")
    kind, rest = line[:1], line[1:]
    if kind in b"*>%":
        count = int(rest) * (2 if kind == b"%" else 1)
        return kind, [parsed(stream) for _ in range(count)]
    if kind == b"$":
        return kind, stream.read(int(rest) + 2)[:-2]
    return kind, rest


def pushes(args, truth):
    """CLIENT TRACKING: the server says which keys have changed whenever they do."""
    speaker = connect(args.port)
    sock = connect(args.port)
    stream = sock.makefile("rb")

    def ask(*words):
        sock.sendall(b"*%d\r\n" % len(words) + b"".join(
            b"$%d\r\n%s\r\n" % (len(word), word) for word in map(str.encode, words)))
        while (answer := parsed(stream))[0] == b">":
            pass
        return answer[1]

    ask("HELLO", "3")
    ask("CLIENT", "TRACKING", "ON", "BCAST")
    for number in range(args.operations):
        tag = truth.tag()
        if number % 3:
            speaker.sendall(f"SET key {tag}\r\n".encode())
            speaker.recv(100)
            await_queued(sock)
            truth.interrupted()
        truth.judge(ask("ECHO", tag), tag)


def goodbye(args, truth):
    """The server says goodbye to the idle; who looks before sending sees it and connects anew."""
    socks = {n: connect(args.port) for n in range(args.operations // 4)}
    for turn in range(4):
        for n, sock in socks.items():
            if queued(sock):
                truth.interrupted()
                sock.close()
                socks[n] = sock = connect(args.port)
            tag = truth.tag()
            sock.sendall(f"{tag}\n".encode())
            truth.judge(sock.recv(100).strip(), tag)
        # Some are asked again before they are dropped.
        time.sleep(0.4 if turn % 2 == 0 else 0.02)


def nginx(args, truth):
    """nginx keeps connections to the server behind it; its clients do not wait for all answers."""
    from servers_negative import nginx_configuration
    from servers import free_port
    port = free_port()
    with tempfile.TemporaryDirectory() as home:
        configuration = nginx_configuration(home, port, args.port)
        binary = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
        process = subprocess.Popen([binary, "-p", home, "-c", configuration],
                                   stderr=subprocess.DEVNULL)
        try:
            while True:
                try:
                    connect(port).close()
                    break
                except ConnectionRefusedError:
                    time.sleep(0.01)
            threads(args, lambda number, varied: through_nginx(port, truth, varied))
        finally:
            process.terminate()
            process.wait()


def through_nginx(port, truth, varied):
    tag = truth.tag()
    with connect(port) as sock:
        sock.sendall(f"GET /{tag}?delay={varied.randrange(12)} HTTP/1.1\r\nHost: here\r\n"
                     "Connection: close\r\n\r\n".encode())
        sock.settimeout(varied.uniform(0.002, 0.016))
        answer = b""
        try:
            while (data := sock.recv(65536)):
                answer += data
        except TimeoutError:
            truth.gave_up()
            return
    truth.judge(answer.rpartition(b"\r\n\r\n")[2], tag)


WAYS = {"tickets": tickets, "pushes": pushes, "goodbye": goodbye, "nginx": nginx}

if __name__ == "__main__":
    parser = arguments(__doc__, tuple(WAYS))
    parser.add_argument("--certificate", help="of the TLS server")
    options = parser.parse_args()
    counts = Truth("correct_unasked")
    WAYS[options.way](options, counts)
    counts.report()
