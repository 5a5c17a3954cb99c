# SPDX-License-Identifier: GPL-2.0-or-later
"""Metrics, OpenTelemetry and Kafka: what arrives, and what happens when nobody is there."""

import contextlib
import http.server
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request

from harness import RUN_LIMIT, START_LIMIT, Events, Skip, check, end, truth_of, wait_until


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def single(context, port):
    return context.workload("pyredis_single.py", "--port", port, "--timings", 20)


def fetch(url):
    """(status, type, text); before the first look at the sockets the status is 503."""
    try:
        with urllib.request.urlopen(url, timeout=START_LIMIT) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as refusal:
        if refusal.code != 503:
            raise
        return refusal.code, refusal.headers["Content-Type"], refusal.read().decode()


def samples(text):
    """Series -> value."""
    return {series: float(value) for series, value in
            re.findall(r"^([a-z_]+(?:\{.*\})?) ([0-9.]+)$", text, re.M)}


def promtool_agrees(text):
    if shutil.which("promtool") is None:
        raise Skip("promtool is not installed")
    done = subprocess.run(["promtool", "check", "metrics"], input=text.encode(),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    check(done.returncode == 0 and not done.stdout, f"promtool: {done.stdout.decode()}")


def reused(text):
    return sum(value for series, value in samples(text).items()
               if series.startswith('mispair_findings_total{kind="reused"'))


def metrics_agree_with_the_events(context):
    port, at = context.redis().port, free_port()
    path = context.file("mispair.prom")
    trace = context.trace("--port", port, "--metrics", at, "--metrics-file", path)
    url = f"http://127.0.0.1:{at}/metrics"
    truth_of(single(context, port))
    wait_until(lambda: trace.so_far().findings("reused") ==
               reused(fetch(url)[2]) > 0, START_LIMIT, "the metrics have the findings")
    status, kind, text = fetch(url)
    check(status == 200 and kind.startswith("text/plain; version=0.0.4"), f"{status} {kind}")
    promtool_agrees(text)
    check(not re.search(r"(pid|port|cookie|comm)=", text), "a label without bound")
    check(samples(text)["mispair_exchanges_total"] > 0, "no exchanges")
    check('mispair_map_entries{map="' in text, "no maps")
    for wrong in ("/", "/metrics/x"):
        try:
            fetch(f"http://127.0.0.1:{at}{wrong}")
            raise AssertionError(f"{wrong} is answered")
        except urllib.error.HTTPError as error:
            check(error.code == 404, f"{wrong}: {error.code}")
            error.close()
    with open("/proc/net/tcp", encoding="ascii") as table:
        listening = [line.split()[1] for line in table if f":{at:04X} 00000000" in line]
    check(listening == [f"0100007F:{at:04X}"], f"it listens on {listening}, not on loopback only")
    events = trace.finish()
    last = pathlib.Path(path).read_text()
    promtool_agrees(last)
    check(os.stat(path).st_mode & 0o777 == 0o644, "node_exporter cannot read the file")
    check(os.listdir(os.path.dirname(path)).count("mispair.prom") == 1, "the file")
    check(not [n for n in os.listdir(os.path.dirname(path)) if n.endswith(".tmp")], "left over")
    check(reused(last) == events.findings("reused"), "the last file's findings")
    stop, seen = events.all[-1], samples(last)
    for key, series in (("mispair.requests", "mispair_exchanges_total"),
                        ("mispair.replies", "mispair_replies_total"),
                        ("mispair.events", "mispair_events_total")):
        check(seen[series] == stop[key], f"{series} {seen[series]}, stop says {stop[key]}")
    return f"{len(samples(last))} series"


def program_times_are_there_when_the_kernel_counts_them(context):
    """kernel.bpf_stats_enabled is off by default; it is put back as it was."""
    knob = pathlib.Path("/proc/sys/kernel/bpf_stats_enabled")
    if not knob.exists():
        raise Skip("this kernel has no kernel.bpf_stats_enabled")
    before = knob.read_text()
    path = context.file("mispair.prom")
    port = context.redis().port
    try:
        knob.write_text("1")
        context.command("run", "--metrics-file", path, "--", *single(context, port))
    finally:
        knob.write_text(before)
    text = pathlib.Path(path).read_text()
    promtool_agrees(text)
    times = {series: value for series, value in samples(text).items()
             if series.startswith("mispair_bpf_program_seconds_total")}
    check(any("tp_send" in series and value > 0 for series, value in times.items()), f"{times}")
    if before.strip() == "0":
        context.command("run", "--metrics-file", path, "--", "true")
        check("bpf_program_seconds" not in pathlib.Path(path).read_text(), "times from nowhere")
    return f"{len(times)} programs"


def an_address_that_is_taken_is_an_error(context):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = context.command("trace", "--port", 1, "--metrics", port)
        check(done.returncode == 1 and str(port).encode() in done.stderr, f"{done}")
    for word in ("banana", "0", "65536", "300.1.2.3:80", "[::1:80", ":"):
        done = context.command("trace", "--metrics", word)
        check(done.returncode == 2, f"--metrics {word} gave {done.returncode}")
    return "1 and 2"


def a_real_prometheus_answers_a_query_for_findings(context):
    if shutil.which("prometheus") is None:
        raise Skip("prometheus is not installed")
    port, at, web = context.redis().port, free_port(), free_port()
    config = context.file("prometheus.yml")
    pathlib.Path(config).write_text(
        "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
        "scrape_configs:\n- job_name: mispair\n"
        f"  static_configs: [{{targets: ['127.0.0.1:{at}']}}]\n")
    trace = context.trace("--port", port, "--metrics", at)
    with open(context.file("prometheus.log"), "w") as log:
        server = subprocess.Popen(
            ["prometheus", f"--config.file={config}", f"--web.listen-address=127.0.0.1:{web}",
             f"--storage.tsdb.path={context.file('tsdb')}"], stdout=log, stderr=log)
    query = (f"http://127.0.0.1:{web}/api/v1/query?query="
             "sum(mispair_findings_total%7Bkind%3D%22reused%22%7D)")

    def answer():
        try:
            result = json.loads(fetch(query)[2])["data"]["result"]
        except (urllib.error.URLError, ConnectionError):
            return None
        return float(result[0]["value"][1]) if result else None

    try:
        truth_of(single(context, port))
        wait_until(lambda: (answer() or 0) == trace.so_far().findings("reused") > 0,
                   60, "Prometheus has the findings")
        value = answer()
    finally:
        end(server)
    told = trace.finish().findings("reused")
    # What waits for its due time is told at the end.
    check(0 < value <= told, f"Prometheus says {value}, {told} were told")
    return f"{value:.0f} findings"


# ---- OpenTelemetry ----


class Endpoint:
    """A collector that can be told to fail: a status, or "hang"."""

    def __init__(self):
        self.requests, self.plan = [], []
        self._over = threading.Event()
        endpoint = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                what = endpoint.plan.pop(0) if endpoint.plan else 200
                endpoint.requests.append((what, self.headers["Content-Type"], body))
                if what == "hang":
                    endpoint._over.wait(30)
                    return
                self.send_response(what)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *args):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.handle_error = lambda *args: None
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1/logs"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self):
        self._over.set()
        self._server.shutdown()
        self._server.server_close()

    def taken(self):
        """Log records of the requests that were answered with success."""
        records = []
        for what, kind, body in self.requests:
            check(kind == "application/json", f"content type {kind}")
            [resource] = json.loads(body)["resourceLogs"]
            attributes = plain(resource["resource"]["attributes"])
            check(attributes["service.name"] == "mispair" and attributes["host.name"],
                  f"resource {attributes}")
            if what == 200:
                records += resource["scopeLogs"][0]["logRecords"]
        return records


def plain(attributes):
    """OTLP's key-value list as a dictionary."""
    return {kv["key"]: value_of(kv["value"]) for kv in attributes}


def value_of(value):
    [(kind, inner)] = value.items()
    if kind == "intValue":
        check(isinstance(inner, str), "a 64-bit integer is a string in OTLP/JSON")
        return int(inner)
    if kind == "arrayValue":
        return [value_of(item) for item in inner["values"]]
    if kind == "kvlistValue":
        return plain(inner["values"])
    check(kind in ("stringValue", "boolValue"), f"a value of kind {kind}")
    return inner


NUMBERS = {"INFO": 9, "WARN": 13, "ERROR": 17}


def as_event(record):
    """The event that a log record was made of, but for the host, which is the resource's."""
    check(record["severityNumber"] == NUMBERS[record["severityText"]], f"{record}")
    event = plain(record["attributes"])
    check(event["event.name"] == record["eventName"], "the event's name")
    event |= {"time_unix_nano": record["timeUnixNano"], "severity.text": record["severityText"]}
    if "mispair.reason" in record["body"]["stringValue"] or \
            record["body"]["stringValue"] != record["eventName"]:
        event["mispair.reason"] = record["body"]["stringValue"]
    return event


def to_be_sent(events):
    names = ("mispair.connection.ledger", "mispair.start", "mispair.runtime", "mispair.stats",
             "mispair.stop")
    return [{key: value for key, value in event.items() if key not in ("time", "host.name")}
            for event in events.all if event["event.name"] not in names]


def otlp_delivers_through_failures(context):
    """The first request is answered with 500, the second never, the third with 503."""
    port = context.redis().port
    endpoint = context.keep(Endpoint())
    endpoint.plan = [500, "hang", 503]
    trace = context.trace("--port", port, "--otlp", endpoint.url)
    began = time.monotonic()
    truth_of(single(context, port))
    truth_of(single(context, port))
    # The hang is not over, and the file has it all: nobody waited for it.
    check(len(trace.so_far().named("connection.reused")) > 0, "tracing waits for the endpoint")
    wait_until(lambda: any(what == 200 for what, _, _ in endpoint.requests), 60, "it is taken")
    events = trace.finish()
    check([what for what, _, _ in endpoint.requests][:3] == [500, "hang", 503], "the plan")
    sent, wanted = [as_event(record) for record in endpoint.taken()], to_be_sent(events)
    check(sent == wanted and wanted, f"{len(wanted)} to be sent, {len(sent)} taken")
    check(events.all[-1]["mispair.lost.sink"] == 0, "something was lost")
    check(trace.stderr().count("cannot send to") == 1, trace.stderr())
    return f"{len(sent)} records after a 500, a hang and a 503, {time.monotonic() - began:.0f} s"


def otlp_without_anybody_there_loses_records_and_nothing_else(context):
    port, at = context.redis().port, free_port()
    path = context.file("events.json")
    began = time.monotonic()
    done = context.command("run", "--json", path, "--otlp", f"http://127.0.0.1:{at}/v1/logs",
                           "--fail-on", "never", "--", *single(context, port))
    check(done.returncode == 0, f"status {done.returncode}: {done.stderr.decode()}")
    events = Events(pathlib.Path(path).read_text())
    message = done.stderr.decode()
    check(f"{len(to_be_sent(events))} log records did not reach" in message, message[-400:])
    return f"{len(to_be_sent(events))} lost, {time.monotonic() - began:.0f} s"


def otlp_that_is_refused_is_not_tried_again(context):
    endpoint = context.keep(Endpoint())
    endpoint.plan = [400] * 1000
    done = context.command("run", "--otlp", endpoint.url, "--fail-on", "never", "--",
                           *single(context, context.redis().port))
    check(done.returncode == 0, done.stderr.decode())
    bodies = [body for _, _, body in endpoint.requests]
    check(bodies and len(set(bodies)) == len(bodies), "a refused request was sent again")
    check(b"it answers 400" in done.stderr, done.stderr.decode())
    return f"{len(bodies)} requests"


def only_http_is_a_url(context):
    for word in ("file:///etc/passwd", "127.0.0.1:4318", "ftp://x/"):
        done = context.command("trace", "--otlp", word)
        check(done.returncode == 2, f"{word} gave {done.returncode}")
    return "status 2"


# ---- Kafka ----


@contextlib.contextmanager
def mock_cluster(context, topic):
    process = subprocess.Popen([str(context.binary("kafka_mock")), topic], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    got = []
    try:
        brokers = process.stdout.readline().strip()
        check(brokers, "the mock cluster did not start")
        reader = threading.Thread(target=lambda: got.extend(process.stdout))
        reader.start()
        yield brokers, got
    finally:
        process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        reader.join(5)
        process.stdout.close()


def kafka_gets_every_event_keyed_by_its_connection(context):
    port = context.redis().port
    with mock_cluster(context, "findings") as (brokers, got):
        trace = context.trace("--port", port, "--kafka", brokers, "--topic", "findings",
                              "--ledgers")
        truth_of(single(context, port))
        events = trace.finish()
        wait_until(lambda: len(got) >= len(events.all), START_LIMIT, "every message arrives")
    messages = [line.rstrip("\n").split("\t", 2) for line in got]
    arrived = sorted(value for _, _, value in messages)
    check(arrived == sorted(events.lines), f"{len(arrived)} of {len(events.lines)} arrived")
    partitions = {}
    for partition, key, value in messages:
        check(partitions.setdefault(key, partition) == partition, f"{key} in two partitions")
        event = json.loads(value)
        host = event["host.name"]
        if "network.local.port" in event:
            ends = sorted((f"{event['network.local.address']} {event['network.local.port']}",
                           f"{event['network.peer.address']} {event['network.peer.port']}"))
            check(key == f"{host} tcp {' '.join(ends)}", f"key {key}")
        else:
            check(key == host, f"key {key} of {event['event.name']}")
    check(events.all[-1]["mispair.lost.sink"] == 0, "something was lost")
    return f"{len(messages)} messages, {len(partitions)} keys"


def kafka_without_brokers_loses_events_and_nothing_else(context):
    path = context.file("events.json")
    done = context.command("run", "--json", path, "--kafka", f"127.0.0.1:{free_port()}",
                           "--fail-on", "never", "--", *single(context, context.redis().port))
    check(done.returncode == 0, f"status {done.returncode}: {done.stderr.decode()}")
    events = Events(pathlib.Path(path).read_text())
    message = done.stderr.decode()
    check(f"{len(events.all)} events did not reach Kafka" in message, message[-400:])
    wrong = context.command("run", "--kafka", "127.0.0.1:1", "--kafka-config", "no.such=1", "--",
                            "true")
    check(wrong.returncode == 1 and b"no.such" in wrong.stderr, f"{wrong}")
    return f"{len(events.all)} lost"


def every_sink_at_once(context):
    """And a signal that ends it all."""
    port, at = context.redis().port, free_port()
    endpoint = context.keep(Endpoint())
    with mock_cluster(context, "mispair") as (brokers, got):
        trace = context.trace(
            "--port", port, "--metrics", at, "--metrics-file", context.file("m.prom"), "--otlp",
            endpoint.url, "--kafka", brokers, "--socket", context.file("s.sock"), "-w",
            context.file("all.rec"), "--keep", "60s", "--rotate-size", "1G")
        truth_of(single(context, port))
        events = trace.finish(signal.SIGTERM)
        wait_until(lambda: len(got) >= len(events.all), START_LIMIT, "every message arrives")
    check(trace.process.returncode == 0, f"status {trace.process.returncode}: {trace.stderr()}")
    check(len(endpoint.taken()) == len(to_be_sent(events)), "OTLP")
    check(events.all[-1]["mispair.lost.sink"] == 0, "something was lost")
    check(os.path.getsize(context.file("all.rec")) > 200, "the flight recorder wrote nothing")
    return f"{len(events.all)} events"


def own_ledgers(context, *asked):
    """Pids with a connection to a broker that only mispair and this test call."""
    path = context.file("own.json")
    with socket.create_server(("127.0.0.1", 0)) as broker:
        port = broker.getsockname()[1]
        broker.settimeout(START_LIMIT)
        # The shell's process becomes mispair's, so that it can be named before.
        mispair = subprocess.Popen(
            ["/bin/sh", "-c", f"exec {' '.join(context.argv('trace'))} --port {port} --ledgers "
             f"--json {path} --kafka 127.0.0.1:{port} --topic t {' '.join(asked)}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            peer, _ = broker.accept()  # mispair's own
            wait_until(lambda: os.path.exists(path) and "mispair.start" in
                       pathlib.Path(path).read_text(), START_LIMIT, "mispair starts")
            # The producer calls again; by now everything is attached.
            peer.close()
            again, _ = broker.accept()
            with socket.create_connection(("127.0.0.1", port)) as other:
                other.sendall(b"so that it has an owner")
                time.sleep(1.2)  # two passes see both
            mispair.send_signal(signal.SIGINT)
            again.close()
            broker.close()
            mispair.wait(RUN_LIMIT)
        finally:
            end(mispair)
    events = Events(pathlib.Path(path).read_text())
    return mispair.pid, {event["process.pid"] for event in events.named("connection.ledger")
                         if event.get("process.pid")}


def own_connections_are_not_reported_unless_they_are_asked_for(context):
    own, seen = own_ledgers(context)
    check(own not in seen, "mispair reports what it sends itself")
    check(os.getpid() in seen, f"nobody else's either: {seen}")
    own, seen = own_ledgers(context, "-p $$")
    check(own in seen, f"-p names it, and it is not among {seen}")
    return "and with -p they are"


def tests():
    for function in (metrics_agree_with_the_events,
                     program_times_are_there_when_the_kernel_counts_them,
                     an_address_that_is_taken_is_an_error,
                     a_real_prometheus_answers_a_query_for_findings,
                     otlp_delivers_through_failures,
                     otlp_without_anybody_there_loses_records_and_nothing_else,
                     otlp_that_is_refused_is_not_tried_again, only_http_is_a_url,
                     kafka_gets_every_event_keyed_by_its_connection,
                     kafka_without_brokers_loses_events_and_nothing_else, every_sink_at_once,
                     own_connections_are_not_reported_unless_they_are_asked_for):
        yield function.__name__, function
