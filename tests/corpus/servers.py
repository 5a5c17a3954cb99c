# SPDX-License-Identifier: GPL-2.0-or-later
"""The private servers of a run, started when an argument of a row names one.

{redis}       a redis-server          {redis.pid} {memcached.pid} ...  its process
{memcached}   a memcached             {line}      the line server: each line comes back
{line.unix}   the same, its path      {tls}       the same behind TLS; {tls.certificate} is its own
{mariadb}     a mariadbd, user root
{echo}        echo_server.c           {echo.unix} {echo.abstract} {echo.v6}
{lag-NAME}    a relay in front of NAME

What a client sends may hold a mark ~N~: the line server answers that request N milliseconds
late, and a relay hands it on N milliseconds late. Replies stay in order, as on any connection, and
the next few keep a distance, so that a client that is awake reads them one by one. The line server
sends the reply to a mark ~N+~ together with the next one.
"""

import os
import re
import shutil
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
import harness  # noqa: E402

MARK = re.compile(rb"~(\d+)\+?~")
REDIS_REQUEST = re.compile(rb"(?=\*\d+\r\n)")
TOGETHER = b"+~"
DISTANCE = 0.015
FOLLOWERS = 4


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def lag(data):
    """Seconds by which the marks in some bytes delay them, and whether there are any."""
    marks = MARK.findall(data)
    return sum(int(number) for number in marks) / 1000, bool(marks)


def quick(sock):
    if sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class Redis(harness.Redis):
    def __init__(self, run):
        super().__init__(run.directory)
        self.pid = self._process.pid


class Process:
    """A server of another's making: ready when it accepts a connection on its port."""

    def __init__(self, run, *command):
        self._log = open(os.path.join(run.directory, os.path.basename(command[0]) + ".log"), "w")
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self._log,
                                         stderr=subprocess.STDOUT)
        self.pid = self._process.pid
        harness.wait_until(self._accepts, harness.START_LIMIT, f"{command[0]} accepts")

    def _accepts(self):
        harness.check(self._process.poll() is None, f"{self._log.name}: it did not start")
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def stop(self):
        # A workload that was ended early may have left it stopped.
        self._process.send_signal(harness.signal.SIGCONT)
        harness.end(self._process)
        self._log.close()


class Memcached(Process):
    def __init__(self, run):
        binary = shutil.which("memcached")
        if binary is None:
            raise harness.Skip("memcached is not installed")
        self.port = free_port()
        super().__init__(run, binary, "-u", "root", "-l", "127.0.0.1", "-p", str(self.port))


class MariaDB(Process):
    """Whoever connects from here is root, without a password."""

    def __init__(self, run):
        installer, binary = shutil.which("mariadb-install-db"), shutil.which("mariadbd")
        if installer is None or binary is None:
            raise harness.Skip("mariadb-server is not installed")
        data = os.path.join(run.directory, "mariadb")
        subprocess.run([installer, "--no-defaults", "--user=root", "--skip-test-db",
                        "--auth-root-authentication-method=normal", f"--datadir={data}"],
                       check=True, stdin=subprocess.DEVNULL, capture_output=True)
        self.port = free_port()
        super().__init__(run, binary, "--no-defaults", "--user=root", f"--datadir={data}",
                         f"--socket={data}/socket", f"--port={self.port}",
                         "--bind-address=127.0.0.1", "--skip-name-resolve")


class Echo(harness.EchoServer):
    def __init__(self, run):
        super().__init__(run.binary("echo_server"), run.directory)
        self.port, self.unix, self.pid = self.v4, self.path, self._process.pid


class Threads:
    """Serves each connection of a listening socket in a thread of its own."""

    def __init__(self, server, handler):
        server.daemon_threads = True
        server.block_on_close = False
        server.RequestHandlerClass = handler
        self._server = server
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()


class TCPServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    request_queue_size = 512


class UnixServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    request_queue_size = 512


class EachLine(socketserver.StreamRequestHandler):
    """Each line comes back, later if its mark says so."""

    disable_nagle_algorithm = False

    def handle(self):
        quick(self.connection)
        kept, apart_for = b"", 0
        try:
            for line in self.rfile:
                before, marked = lag(line)
                time.sleep(before + (DISTANCE if apart_for else 0))
                apart_for = FOLLOWERS if marked else max(apart_for - 1, 0)
                kept += line
                if TOGETHER not in line:
                    self.wfile.write(kept)
                    kept = b""
        except OSError:
            pass


class Line:
    def __init__(self, run):
        self.unix = os.path.join(run.directory, "line.sock")
        tcp = TCPServer(("127.0.0.1", 0), None)
        self.port = tcp.server_address[1]
        self._all = [Threads(tcp, EachLine), Threads(UnixServer(self.unix, None), EachLine)]

    def stop(self):
        for threads in self._all:
            threads.stop()


class TLSServer(TCPServer):
    """The handshake belongs into the connection's own thread."""

    context = None

    def finish_request(self, request, client_address):
        try:
            wrapped = self.context.wrap_socket(request, server_side=True)
        except OSError:
            return
        with wrapped:
            self.RequestHandlerClass(wrapped, client_address, self)


class TLS(Threads):
    def __init__(self, run):
        self.certificate = os.path.join(run.directory, "certificate.pem")
        key = os.path.join(run.directory, "key.pem")
        openssl = shutil.which("openssl")
        if openssl is None:
            raise harness.Skip("openssl is not installed")
        subprocess.run([openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost", "-addext",
                        "subjectAltName=IP:127.0.0.1,DNS:localhost", "-days", "2",
                        "-keyout", key, "-out", self.certificate],
                       check=True, stdin=subprocess.DEVNULL, capture_output=True)
        server = TLSServer(("127.0.0.1", 0), None)
        server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.context.load_cert_chain(self.certificate, key)
        self.port = server.server_address[1]
        super().__init__(server, EachLine)


class Relay(Threads):
    """Between a client and a real server; marked requests are handed on late."""

    def __init__(self, port):
        class Handed(socketserver.BaseRequestHandler):
            def handle(self):
                relay(self.request, port)

        server = TCPServer(("127.0.0.1", 0), None)
        self.port = server.server_address[1]
        super().__init__(server, Handed)


def relay(client, port):
    with socket.create_connection(("127.0.0.1", port)) as server:
        quick(client)
        quick(server)
        back = threading.Thread(target=pump, args=(server, client, at_once), daemon=True)
        back.start()
        pump(client, server, lag)
        back.join()


def apart(data):
    """Requests that came close to each other: redis' one by one, others behind a marked one."""
    if data.startswith(b"*"):
        return [part for part in REDIS_REQUEST.split(data) if part]
    mark = MARK.search(data)
    end = data.find(b"\n", mark.end()) + 1 if mark else 0
    return [part for part in (data[:end], data[end:]) if part]


def at_once(_):
    return 0, False


def pump(source, target, delay):
    apart_for = 0
    try:
        while data := source.recv(65536):
            for request in apart(data):
                before, marked = delay(request)
                time.sleep(before + (DISTANCE if apart_for else 0))
                target.sendall(request)
                apart_for = FOLLOWERS if marked else max(apart_for - 1, 0)
    except OSError:
        pass
    try:
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


KINDS = {"redis": Redis, "memcached": Memcached, "mariadb": MariaDB, "echo": Echo,
         "line": Line, "tls": TLS}


class Run:
    """What one run of a workload may name in its arguments; all of it is stopped at the end."""

    def __init__(self, directory, binaries, values, kinds):
        self.directory = directory
        self.binaries = binaries
        self._values = {**values, "dir": directory}
        self._kinds = {**KINDS, **kinds}
        self._started = {}

    def binary(self, name):
        path = self.binaries / name
        harness.check(path.exists(), f"{path} is not built")
        return path

    def server(self, name):
        if name not in self._started:
            if name.startswith("lag-"):
                self._started[name] = Relay(self.server(name.removeprefix("lag-")).port)
            else:
                self._started[name] = self._kinds[name](self)
        return self._started[name]

    def _value(self, match):
        name, _, attribute = match[1].partition(".")
        if name in self._values:
            return str(self._values[name])
        return str(getattr(self.server(name), attribute or "port"))

    def filled(self, arguments):
        return [re.sub(r"\{([a-z0-9_.-]+)\}", self._value, str(word)) for word in arguments]

    def stop(self):
        for server in reversed(self._started.values()):
            server.stop()
