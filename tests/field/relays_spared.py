# SPDX-License-Identifier: GPL-2.0-or-later
"""More stock relays, of the long form: those that no rule has ever accused, and that stay so."""

import pathlib
import shutil

import harness
import languages
from needs import PYTHON
from relays import HERE, Relay, program
from servers import free_port
from servers_negative import DataBase, Postgres


class Apache(Relay):
    names = ("apache2",)
    arguments = ("-DFOREGROUND", "-f", "{home}/configuration")
    configuration = """
ServerRoot {home}
ServerName localhost
PidFile {home}/pid
DefaultRuntimeDir {home}
ErrorLog {home}/error.log
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule proxy_module /usr/lib/apache2/modules/mod_proxy.so
LoadModule proxy_http_module /usr/lib/apache2/modules/mod_proxy_http.so
LoadModule proxy_wstunnel_module /usr/lib/apache2/modules/mod_proxy_wstunnel.so
Listen 127.0.0.1:{port}
ServerLimit 16
ThreadsPerChild 25
MaxRequestWorkers 400
ListenBacklog 1024
ProxyPass /upgrade ws://127.0.0.1:{upstream}/upgrade
ProxyPass / http://127.0.0.1:{upstream}/
"""


class Varnish(Relay):
    names = ("varnishd",)
    arguments = ("-F", "-j", "none", "-f", "{home}/configuration", "-a", "127.0.0.1:{port}",
                 "-n", "{home}/work", "-s", "malloc,64m", "-p", "thread_pool_min=250", "-T", "none")
    configuration = """
vcl 4.1;
backend upstream {{ .host = "127.0.0.1"; .port = "{upstream}"; }}
sub vcl_recv {{ return (pipe); }}
"""


class Tinyproxy(Relay):
    names = ("tinyproxy",)
    arguments = ("-d", "-c", "{home}/configuration")
    configuration = """
Port {port}
Listen 127.0.0.1
Allow 127.0.0.1
Timeout 60
MaxClients 600
LogFile "{home}/log.of.its.own"
LogLevel Error
"""


class Socat(Relay):
    names = ("socat",)
    arguments = ("TCP-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr,backlog=512",
                 "TCP:127.0.0.1:{upstream}")


class Stunnel(Relay):
    """Into TLS and out of it again: `middle` is the port between."""

    names = ("stunnel4", "stunnel")
    arguments = ("{home}/configuration",)
    configuration = """
foreground = yes
pid =
debug = err
[in]
client = yes
accept = 127.0.0.1:{port}
connect = 127.0.0.1:{middle}
[out]
accept = 127.0.0.1:{middle}
connect = 127.0.0.1:{upstream}
cert = {home}/certificate.pem
key = {home}/key.pem
"""

    def prepare(self, run, home):
        self.middle = self.words["middle"] = free_port()
        self._prepare(home, program("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt",
                      "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost", "-days", "2",
                      "-keyout", f"{home}/key.pem", "-out", f"{home}/certificate.pem")


class SSHServer(DataBase):
    """An sshd of nobody's own. PAM is asked whether nobody may come in: the account has no password."""

    def __init__(self, run):
        home = self.home = self._home(run, "sshd")
        self.port = free_port()
        for name in ("host", "user"):
            self._prepare(home, program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f",
                          f"{home}/{name}")
        self._serve(home, program("sshd"), "-D", "-e", "-f", "/dev/null", "-p", str(self.port),
                    "-h", f"{home}/host", "-o", "ListenAddress=127.0.0.1", "-o", "UsePAM=yes",
                    "-o", f"AuthorizedKeysFile={home}/user.pub", "-o", "StrictModes=no",
                    "-o", f"PidFile={home}/pid")

    def stop(self):
        harness.end(self._process)
        self._log.close()


class SSHForward(Relay):
    names = ("ssh",)
    arguments = ("-N", "-F", "/dev/null", "-i", "{key}", "-p", "{sshd}", "-o", "BatchMode=yes",
                 "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                 "-o", "ExitOnForwardFailure=yes", "-L", "127.0.0.1:{port}:127.0.0.1:{upstream}",
                 "nobody@127.0.0.1")

    def prepare(self, run, home):
        sshd = run.server("sshd")
        self.words.update(key=f"{sshd.home}/user", sshd=sshd.port)
        self.middle = sshd.port


class GoReverseProxy(Relay):
    arguments = ("{port}", "{upstream}")

    def binary(self, run, home):
        program("go")
        built = languages.command(pathlib.Path(HERE, "reverse_proxy.go"), run.binaries)
        return shutil.copy(built[0], home)


class AiohttpProxy(Relay):
    names = (PYTHON,)
    script = "aiohttp_proxy.py"
    arguments = ("-B", "{home}/aiohttp_proxy.py", "{port}", "{upstream}")


class Sentinel(Relay):
    names = ("redis-sentinel",)
    behind = "redis"
    arguments = ("{home}/configuration",)
    configuration = """
port {port}
bind 127.0.0.1
dir {home}
sentinel monitor master 127.0.0.1 {upstream} 1
sentinel down-after-milliseconds master 30000
"""


class PostgresBehind(Postgres):
    def _home(self, run, name):
        return super()._home(run, name + "-behind")


SERVERS = {"sentinel": Sentinel, "postgres-behind": PostgresBehind, "apache": Apache, "varnish": Varnish, "tinyproxy": Tinyproxy, "socat": Socat,
           "stunnel": Stunnel, "sshd": SSHServer, "ssh-forward": SSHForward,
           "go-reverse-proxy": GoReverseProxy, "aiohttp-proxy": AiohttpProxy}
