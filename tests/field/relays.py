# SPDX-License-Identifier: GPL-2.0-or-later
"""Stock relays, each a private process of `nobody` between a port of its own and the upstream.

Each has a timer that runs while its clients pause, as relays in service have: health checks, clients
that lie idle, a tick of its own.
"""

import json
import os
import shutil
import subprocess

import harness
import servers_negative
from needs import PYTHON
from servers import free_port
from servers_negative import DataBase, Postgres

HERE = os.path.dirname(os.path.abspath(__file__))


def program(*names):
    """The first of these that is there: a name in PATH, or a whole path."""
    for name in names:
        found = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/usr/lib/stunnel")
        if found:
            return found
    raise AssertionError(f"{names[0]} is not installed: tools/install-deps.sh brings it")


class Upstream(DataBase):
    """upstream.py, which says its port when it listens."""

    def __init__(self, run):
        home = self._home(run, "upstream")
        for name in ("upstream.py", "asked.py"):
            shutil.copy(os.path.join(HERE, name), home)
        self._process = subprocess.Popen(
            [PYTHON, "-B", os.path.join(home, "upstream.py")], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, text=True, **self.user)
        self.port = json.loads(self._process.stdout.readline())["port"]
        self.pid = self._process.pid

    def stop(self):
        harness.end(self._process)
        self._process.stdout.close()


class Relay(DataBase):
    """COMMAND with a CONFIGURATION in the relay's own directory; both may name its WORDS."""

    names = ()
    configuration = ""
    arguments = ()
    behind = "upstream"
    script = None
    middle = None  # a port between two halves of it, whose connections are watched too

    def __init__(self, run):
        home = self._home(run, type(self).__name__.lower())
        binary = self.binary(run, home)
        self.port = free_port()
        self.words = {"home": home, "port": self.port, "upstream": run.server(self.behind).port}
        self.prepare(run, home)
        if self.script:
            # The tree may be nobody's to read.
            shutil.copy(os.path.join(HERE, self.script), home)
        path = os.path.join(home, "configuration")
        with open(path, "w", encoding="ascii") as to:
            to.write(self.configuration.format(**self.words))
        if self.user:  # some write down there what they have found out
            os.chown(path, self.user["user"], self.user["group"])
        self._serve(home, binary, *(word.format(**self.words) for word in self.arguments))

    def binary(self, run, home):
        del run, home
        return program(*self.names)

    def prepare(self, run, home):
        """More words, and what else has to be there before it starts."""

    def _accepts(self):
        if self._process.poll() is not None:
            with open(self._log.name, encoding="utf-8", errors="replace") as log:
                raise AssertionError(f"{self.names[:1]} did not start: {log.read()[-1000:]}")
        return super()._accepts()

    def stop(self):
        harness.end(self._process)
        self._log.close()


class HAProxyTCP(Relay):
    names = ("haproxy",)
    arguments = ("-db", "-f", "{home}/configuration")
    mode = "tcp"
    configuration = """
global
  nbthread 2
  maxconn 2000
defaults
  mode {mode}
  timeout connect 10s
  timeout client 60s
  timeout server 60s
listen all
  bind 127.0.0.1:{port}
  server upstream 127.0.0.1:{upstream} check inter 150ms
"""

    def prepare(self, run, home):
        self.words["mode"] = self.mode


class HAProxyHTTP(HAProxyTCP):
    mode = "http"


class Nginx(Relay):
    names = ("nginx",)
    arguments = ("-e", "{home}/error.log", "-c", "{home}/configuration")
    configuration = """
daemon off; master_process off; pid {home}/nginx.pid; error_log {home}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {home}/body; proxy_temp_path {home}/proxy;
  fastcgi_temp_path {home}/fastcgi; uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;
  upstream behind {{ server 127.0.0.1:{upstream}; keepalive 256; }}
  server {{
    listen 127.0.0.1:{port};
    proxy_http_version 1.1; proxy_request_buffering off; proxy_buffering off;
    location / {{ proxy_pass http://behind; proxy_set_header Connection ""; }}
    location /idle/ {{ proxy_pass http://behind; proxy_set_header Connection "";
                      keepalive_timeout 1; }}
    location /upgrade {{ proxy_pass http://behind; proxy_set_header Upgrade $http_upgrade;
                         proxy_set_header Connection upgrade; }}
  }}
}}
"""


class Squid(Relay):
    names = ("squid",)
    arguments = ("-N", "-f", "{home}/configuration")
    configuration = """
http_port 127.0.0.1:{port}
http_access allow all
cache deny all
cache_mem 8 MB
pid_filename {home}/squid.pid
cache_log {home}/cache.log
access_log none
coredump_dir {home}
pinger_enable off
visible_hostname localhost
shutdown_lifetime 0 seconds
max_filedescriptors 4096
"""


class NodePipe(Relay):
    names = ("node",)
    way = "http"
    script = "pipe.js"
    arguments = ("{home}/pipe.js", "{way}", "{port}", "{upstream}")

    def prepare(self, run, home):
        self.words["way"] = self.way


class NodePipeTCP(NodePipe):
    way = "tcp"


class PgBouncer(Relay):
    names = ("pgbouncer",)
    behind = "postgres"
    arguments = ("{home}/configuration",)
    configuration = """
[databases]
postgres = host=127.0.0.1 port={upstream} user=corpus
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = session
default_pool_size = 400
max_client_conn = 1000
tcp_socket_buffer = 131072
logfile = {home}/pgbouncer.log
"""


class MariaDB(servers_negative.MariaDB):
    def __init__(self, run):
        super().__init__(run)
        self.unix = os.path.join(run.directory, "mariadb", "mariadb.sock")


SERVERS = {"upstream": Upstream, "haproxy-tcp": HAProxyTCP, "haproxy-http": HAProxyHTTP,
           "nginx": Nginx, "squid": Squid, "node-pipe": NodePipe, "node-pipe-tcp": NodePipeTCP,
           "pgbouncer": PgBouncer, "postgres": Postgres,
           "mariadb": MariaDB}
