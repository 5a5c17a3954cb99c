#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the extras cost the traced workload: every sink on at once, or the live view.

Three runs belong together: untraced, traced by a tracer that does no more than trace, and traced by
one with the extra. Which is first changes from one three to the next; the results are medians over
the threes of the ratios within each, with quartiles: once of the rates by the clock, and once by
the CPU time that the workload itself took, which is steadier where others use the machine too.
Everything that takes what the sinks send (an
HTTP endpoint, a Kafka cluster, readers of sockets) runs on this host as well, at a low priority.
"""

import argparse
import http.server
import json
import os
import pathlib
import pty
import resource
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

from bench import TREE, Redis, await_true, output, ping_pong, redis_benchmark, redis_py, spread


class Tracer:
    """mispair over the whole host, from its first words to its end."""

    def __init__(self, args):
        self.directory = tempfile.mkdtemp(prefix="mispair-bench-")
        self.closers = []
        self.errors = open(self.path("stderr"), "w+")
        self.begin(args)

    def path(self, name):
        return os.path.join(self.directory, name)

    def begin(self, args):
        self.start([str(args.mispair), "trace"])

    def start(self, command):
        with open(self.path("stdout"), "wb") as out:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=self.errors)
        await_true(self.ready, "mispair starts")

    def ready(self):
        if self.process.poll() is not None:
            self.errors.seek(0)
            sys.exit(f"bench_extra.py: status {self.process.returncode}: {self.errors.read()}")
        return os.path.getsize(self.path("stdout")) > 0

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        for closer in self.closers:
            closer()
        self.errors.close()
        shutil.rmtree(self.directory)


class Endpoint(http.server.BaseHTTPRequestHandler):
    """Takes what OTLP sends."""

    records = 0

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        Endpoint.records += len(body["resourceLogs"][0]["scopeLogs"][0]["logRecords"])
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *args):
        pass


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def in_thread(function):
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    return thread


class AllSinks(Tracer):
    """A file that rotates, a socket and its reader, a log, metrics that are scraped each second,
    OTLP, Kafka and a recording; with periodic stats, so that something is sent."""

    def begin(self, args):
        self.over = False
        at = free_port()
        self.start([str(args.mispair), "trace", "--stats", args.stats, "--json",
                    self.path("events.json"), "--rotate-size", "1M", "--socket",
                    self.path("events.sock"), f"--syslog={self.log()}", "--metrics", str(at),
                    "--metrics-file", self.path("m.prom"), "--otlp", self.endpoint(), "--kafka",
                    self.brokers(args), "--topic", "mispair", "-w", self.path("all.rec")])
        in_thread(self.read_socket)
        in_thread(lambda: self.scrape(at))

    def log(self):
        path = self.path("log.sock")
        log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        log.bind(path)
        self.closers.append(log.close)

        def read():
            try:
                while log.recv(65536):
                    pass
            except OSError:  # closed at the end
                pass

        in_thread(read)
        return path

    def endpoint(self):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
        in_thread(server.serve_forever)
        self.closers += [server.shutdown, server.server_close]
        return f"http://127.0.0.1:{server.server_port}/v1/logs"

    def brokers(self, args):
        mock = subprocess.Popen(["nice", "-n", "19", str(args.binaries / "kafka_mock"), "mispair"],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL, text=True)

        def close():
            mock.stdin.close()
            mock.kill()
            mock.wait()
            mock.stdout.close()

        self.closers.append(close)
        brokers = mock.stdout.readline().strip()
        in_thread(lambda: [None for _ in iter(mock.stdout.readline, "")])
        return brokers

    def read_socket(self):
        with socket.socket(socket.AF_UNIX) as reader:
            reader.connect(self.path("events.sock"))
            while reader.recv(65536):
                pass

    def scrape(self, at):
        while self.process.poll() is None:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{at}/metrics", timeout=5).read()
            except (OSError, urllib.error.HTTPError):  # not looked yet, or over
                pass
            time.sleep(1)


class View(Tracer):
    """The live view on a terminal of 200x60 that somebody reads."""

    def begin(self, args):
        self.pid, self.screen = pty.fork()
        if not self.pid:
            os.environ.update(TERM="xterm-256color", LANG="C.UTF-8", LINES="60", COLUMNS="200")
            os.execv(args.mispair, [str(args.mispair), "top"])
        if not select.select([self.screen], [], [], 30)[0]:
            sys.exit("bench_extra.py: no screen")
        in_thread(self.read)
        time.sleep(1)  # its first round

    def read(self):
        try:
            while os.read(self.screen, 65536):
                pass
        except OSError:  # the other end is closed
            pass

    def stop(self):
        os.kill(self.pid, signal.SIGTERM)
        os.waitpid(self.pid, 0)
        os.close(self.screen)
        self.errors.close()
        shutil.rmtree(self.directory)


def paced(args, _port):
    """So many exchanges a second: by the clock that is what it is, and no result."""
    output([args.binaries / "pingpong", "--rounds", args.rate * args.seconds, "--rate", args.rate])
    return args.rate


EXTRAS = {
    "sinks": (AllSinks, {"redis-benchmark-get": redis_benchmark, "redis-py-asyncio": redis_py,
                         "ping-pong": ping_pong}),
    "view": (View, {"paced": paced}),
}


def cpu_seconds(server):
    """Of clients that have ended, and of their server."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    served = pathlib.Path(f"/proc/{server}/schedstat").read_text().split()[0]
    return ended.ru_utime + ended.ru_stime + int(served) / 1e9


def one_run(bench, args, redis):
    """Rates by the clock and by CPU time; of the latter only ratios mean something."""
    before = cpu_seconds(redis.pid())
    rate = bench(args, redis.port)
    return {"clock": rate, "cpu": 1 / (cpu_seconds(redis.pid()) - before)}


def threes(bench, args, redis, extra):
    tracers = {"untraced": None, "traced": Tracer, "extra": extra}
    names = list(tracers)
    bench(args, redis.port)  # page cache, CPU clock
    for number in range(args.threes):
        rate = {}
        for name in names[number % 3:] + names[:number % 3]:
            tracer = tracers[name] and tracers[name](args)
            try:
                time.sleep(args.settle)
                rate[name] = one_run(bench, args, redis)
            finally:
                if tracer:
                    tracer.stop()
        yield rate


def ratios(measured, by, of, to):
    low, middle, high = spread([rate[of][by] / rate[to][by] for rate in measured])
    return {"ratio": round(middle, 4), "quartiles": [round(low, 4), round(high, 4)]}


def text(result):
    low, high = result["quartiles"]
    return f"{result['ratio']:.3f} ({low:.3f} to {high:.3f})"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("extra", choices=sorted(EXTRAS))
    parser.add_argument("--mispair", type=pathlib.Path, default=TREE / "build" / "mispair")
    parser.add_argument("--binaries", type=pathlib.Path, default=TREE / "build" / "tests")
    parser.add_argument("--python", default="/usr/bin/python3", help="that runs redis-py")
    parser.add_argument("--only", metavar="BENCH")
    parser.add_argument("--threes", type=int, default=9)
    parser.add_argument("--settle", type=float, default=2, metavar="SECONDS",
                        help="before each run, so that a tracer's own start is not in it")
    parser.add_argument("--requests", type=int, default=300000, help="of redis-benchmark")
    parser.add_argument("--commands", type=int, default=40000, help="of redis-py")
    parser.add_argument("--rounds", type=int, default=200000, help="of the ping-pong")
    parser.add_argument("--two-cpus", action="store_true", help="for the ping-pong")
    parser.add_argument("--stats", default="100ms", help="between two stats events")
    parser.add_argument("--rate", type=int, default=10000, help="exchanges a second (paced)")
    parser.add_argument("--seconds", type=int, default=5, help="of a paced run")
    args = parser.parse_args()
    args.pingpong = args.binaries / "pingpong"
    return args


def main():
    args = arguments()
    extra, benches = EXTRAS[args.extra]
    redis = Redis()
    results = []
    print(f"{'':<20} {'by':<5}   {'traced/untraced':<22}   {'with/untraced':<22}   with/without")
    try:
        for name, bench in benches.items():
            if args.only not in (None, name):
                continue
            measured = list(threes(bench, args, redis, extra))
            for by in ("cpu",) if bench is paced else ("clock", "cpu"):
                result = {"bench": name, "by": by, "threes": len(measured),
                          "traced": ratios(measured, by, "traced", "untraced"),
                          "with": ratios(measured, by, "extra", "untraced"),
                          "with_over_without": ratios(measured, by, "extra", "traced")}
                results.append(result)
                print(f"{name:<20} {by:<5}   {text(result['traced'])}   {text(result['with'])}   "
                      f"{text(result['with_over_without'])}", flush=True)
    finally:
        redis.stop()
    if args.extra == "sinks":
        print(f"OTLP took {Endpoint.records} records")
    print(json.dumps({"extra": args.extra, "benchmarks": results}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
