# SPDX-License-Identifier: GPL-2.0-or-later
"""More private servers for the rows that stay silent, started when a row's arguments name one.

{tag}        tag_server.c: late replies on demand     {goodbye}   the same; it hangs up on the idle
{postgres}   a PostgreSQL of our own                  {mariadb}   a MariaDB of our own
{http}       HTTP/1.1, late replies on demand         {nginx}     nginx in front of it, keep-alive
{ldap}       LDAP, each search answered when its time has come, which its base says

The data bases run as `nobody`: they refuse root. All is in the run's directory.
"""

import glob
import json
import os
import pwd
import re
import shutil
import signal
import socketserver
import subprocess
import threading
import time

from servers import Process, TCPServer, Threads, free_port, harness, quick

NOBODY = pwd.getpwnam("nobody")
# A statement whose client has gone sleeps on and keeps its place: hundreds at once, on a fast host.
MAX_CONNECTIONS = 1000


class Tag:
    options = ()

    def __init__(self, run):
        self._process = subprocess.Popen([str(run.binary("tag_server")), *self.options],
                                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                         text=True)
        self.port = json.loads(self._process.stdout.readline())["port"]
        self.pid = self._process.pid

    def stop(self):
        harness.end(self._process)
        self._process.stdout.close()


class Goodbye(Tag):
    options = ("--goodbye", "150")


class DataBase(Process):
    """A server that wants a directory of its own and will not run as root."""

    def _home(self, run, name):
        # The directories above are root's own: nobody has to get through them.
        os.chmod(run.directory, 0o711)
        home = os.path.join(run.directory, name)
        os.mkdir(home, 0o700)
        os.chown(home, NOBODY.pw_uid, NOBODY.pw_gid)
        self.user = self._user()
        return home

    @staticmethod
    def _user():
        if os.geteuid() != 0:
            return {}
        return {"user": NOBODY.pw_uid, "group": NOBODY.pw_gid, "extra_groups": []}

    def _prepare(self, home, *command):
        done = subprocess.run(command, cwd=home, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, **self.user)
        harness.check(done.returncode == 0, f"{command[0]}: {done.stdout[-1000:]}")

    def _serve(self, home, *command):
        self._log = open(os.path.join(home, "log"), "w")
        self._process = subprocess.Popen(command, cwd=home, stdin=subprocess.DEVNULL,
                                         stdout=self._log, stderr=subprocess.STDOUT, **self.user)
        self.pid = self._process.pid
        harness.wait_until(self._accepts, harness.START_LIMIT, f"{command[0]} accepts")


class Postgres(DataBase):
    def __init__(self, run):
        folders = sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"))
        if not folders:
            raise harness.Skip("postgresql is not installed")
        folder = os.path.dirname(folders[-1])
        home = self._home(run, "postgres")
        self.port = free_port()
        self._prepare(home, f"{folder}/initdb", "-A", "trust", "-U", "corpus", "-N", "-E", "UTF8",
                      "--locale=C", f"{home}/data")
        self._serve(home, f"{folder}/postgres", "-D", f"{home}/data", "-p", str(self.port),
                    "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
                    "-c", f"max_connections={MAX_CONNECTIONS}", "-c", "fsync=off")
        ready = (f"{folder}/pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port))
        harness.wait_until(lambda: subprocess.run(ready).returncode == 0, harness.START_LIMIT,
                           "postgres is ready")

    def stop(self):
        # The fast shutdown: it does not wait for clients.
        self._process.send_signal(signal.SIGINT)
        self._process.wait(harness.START_LIMIT)
        super().stop()


class MariaDB(DataBase):
    def __init__(self, run):
        server, install = shutil.which("mariadbd"), shutil.which("mariadb-install-db")
        if server is None or install is None:
            raise harness.Skip("mariadb-server-core is not installed")
        home = self._home(run, "mariadb")
        self.port = free_port()
        self._prepare(home, install, "--no-defaults", f"--datadir={home}/data",
                      "--auth-root-authentication-method=normal", "--skip-test-db",
                      "--innodb-log-file-size=4M")
        self._serve(home, server, "--no-defaults", f"--datadir={home}/data",
                    f"--socket={home}/mariadb.sock", f"--port={self.port}",
                    "--bind-address=127.0.0.1", "--skip-name-resolve",
                    "--innodb-log-file-size=4M", "--skip-log-bin",
                    f"--max-connections={MAX_CONNECTIONS}")


class Request:
    """One HTTP request; `body` is read when it is wanted."""

    def __init__(self, stream):
        self.path = None
        line = stream.readline(65536)
        if not line.strip():
            return
        headers = {}
        while (header := stream.readline(65536).strip()):
            name, _, value = header.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        self.headers = headers
        self.path = line.split()[1].decode("latin-1")
        self._stream = stream

    def body(self):
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            return self._stream.read(int(self.headers.get("content-length", 0)))
        whole = b""
        while (size := int(self._stream.readline(), 16)):
            whole += self._stream.read(size)
            self._stream.readline()
        self._stream.readline()
        return whole


class Answers(socketserver.StreamRequestHandler):
    """GET /TAG?delay=MS[&pieces=N] is answered with the tag, a POST with its own body.

    &continue=never or MS is about "Expect: 100-continue": by default it is answered at once.
    """

    def handle(self):
        quick(self.connection)
        try:
            while (request := Request(self.rfile)).path is not None:
                self._answer(request)
        except (OSError, ValueError):
            pass

    def _answer(self, request):
        words = dict(re.findall(r"(\w+)=(\w+)", request.path))
        if request.headers.get("expect", "").lower() == "100-continue":
            self._go_on(words.get("continue", "0"))
        body = request.body() or request.path.split("?")[0].lstrip("/").encode()
        time.sleep(int(words.get("delay", 0)) / 1000)
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
        pieces = int(words.get("pieces", 1))
        for number in range(pieces):
            self.wfile.write(body[len(body) * number // pieces:len(body) * (number + 1) // pieces])
            time.sleep(0.001 if pieces > 1 else 0)

    def _go_on(self, when):
        if when == "never":
            return
        time.sleep(int(when) / 1000)
        self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")


class HTTP(Threads):
    def __init__(self, run):
        server = TCPServer(("127.0.0.1", 0), None)
        self.port = server.server_address[1]
        super().__init__(server, Answers)


class Searches(socketserver.BaseRequestHandler):
    """As much of LDAP (RFC 4511) as a bind and searches take; `ou=MS` is answered so much later."""

    BIND, UNBIND, SEARCH = 0x60, 0x42, 0x63
    DONE = b"\x07\x0a\x01\x00\x04\x00\x04\x00"  # success, no DN, no message

    def handle(self):
        quick(self.request)
        self._whole = threading.Lock()
        stream = self.request.makefile("rb")
        while (message := self._message(stream)):
            number, kind = message[:2 + message[1]], message[2 + message[1]]
            if kind == self.BIND:
                self._answer(number, b"\x61")
            elif kind == self.SEARCH:
                after = int(re.search(rb"ou=(\d+)", message)[1]) / 1000
                threading.Timer(after, self._answer, (number, b"\x65")).start()
            elif kind == self.UNBIND:
                return

    @staticmethod
    def _message(stream):
        head = stream.read(2)
        if len(head) < 2:
            return b""
        size = head[1]
        if size & 0x80:
            size = int.from_bytes(stream.read(size & 0x7f), "big")
        return stream.read(size)

    def _answer(self, number, kind):
        body = number + kind + self.DONE
        try:
            with self._whole:
                self.request.sendall(bytes((0x30, len(body))) + body)
        except OSError:
            pass


class LDAP(Threads):
    def __init__(self, run):
        server = TCPServer(("127.0.0.1", 0), None)
        self.port = server.server_address[1]
        super().__init__(server, Searches)


NGINX = """
daemon off; master_process off; pid {home}/nginx.pid; error_log {home}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {home}/body; proxy_temp_path {home}/proxy;
  fastcgi_temp_path {home}/fastcgi; uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;
  upstream behind {{ server 127.0.0.1:{upstream}; keepalive 16; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://behind; proxy_http_version 1.1;
                  proxy_set_header Connection ""; proxy_read_timeout {timeout}; }}
  }}
}}
"""


def nginx_configuration(home, port, upstream, timeout="5s"):
    """Written to a file, whose path is returned. The workload starts nginx: it is the client."""
    path = os.path.join(home, f"nginx-{port}.conf")
    with open(path, "w", encoding="ascii") as to:
        to.write(NGINX.format(home=home, port=port, upstream=upstream, timeout=timeout))
    return path


SERVERS = {"tag": Tag, "goodbye": Goodbye, "postgres": Postgres, "mariadb": MariaDB, "http": HTTP,
           "ldap": LDAP}
