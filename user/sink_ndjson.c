// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * NDJSON sink.
 *
 * Invariants:
 * - A line is built whole in memory, once, and handed to every outlet.
 * - What a line says is valid UTF-8 and harmless on a terminal: strings pass escape_utf8(), json-c
 *   escapes C0, and render() escapes what else would act on a terminal, losing nothing.
 * - No event is ever written in part because memory ran out: struct line remembers any failure
 *   and emit() drops the line and counts it.
 */
#include "sink_ndjson.h"

#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "escape.h"
#include "outlet_file.h"
#include "wallclock.h"

#define SCHEMA	      "mispair.event/1"
#define OUTLETS_MAX   8
/* Losses that stats always tell; those after them, where there were some. */
#define LOSSES_ALWAYS (LOSS_PROBES + 1)

struct ndjson {
	struct sink sink;
	struct outlet *outlets[OUTLETS_MAX];
	int n_outlets;
	uint64_t failures; /* lines that could not be built */
	uint64_t wall_offset;
	char host[65];
	char *buf; /* the line on its way out; grows, never shrinks */
	size_t cap;
};

/* A line in the making. Once failed it stays failed, so callers need not check each step. */
struct line {
	struct json_object *obj;
	bool failed;
	const char *event, *severity;
	uint64_t wall;
	bool finding;
};

/* ---- building ---- */

static void put(struct line *l, const char *key, struct json_object *value)
{
	if (!value || !l->obj || json_object_object_add(l->obj, key, value) < 0) {
		json_object_put(value);
		l->failed = true;
	}
}

static struct json_object *new_string(const char *s, size_t max)
{
	struct json_object *value;
	char small[512], *text = small;
	size_t n = strnlen(s, max), room = ESCAPE_MAX(n);

	/* Only a command line is ever this long. */
	if (room > sizeof(small)) {
		text = malloc(room);
		if (!text)
			return NULL;
	}
	n = escape_utf8(text, room, s, n);
	value = json_object_new_string_len(text, (int)n);
	if (text != small)
		free(text);
	return value;
}

static void put_str_max(struct line *l, const char *key, const char *s, size_t max)
{
	put(l, key, new_string(s, max));
}

/* An absent key means unknown: an empty string would be one more thing to test for. */
static void put_known(struct line *l, const char *key, const char *s, size_t max)
{
	if (s && max && s[0])
		put_str_max(l, key, s, max);
}

static void put_str(struct line *l, const char *key, const char *s)
{
	put_str_max(l, key, s, SIZE_MAX);
}

/* No reader of JSON has to know larger numbers, and none of ours gets there in a century. */
#define NUMBER_MAX 9007199254740991ULL

static void put_u64(struct line *l, const char *key, uint64_t v)
{
	put(l, key, json_object_new_uint64(v < NUMBER_MAX ? v : NUMBER_MAX));
}

static void put_bool(struct line *l, const char *key, bool v)
{
	put(l, key, json_object_new_boolean(v));
}

/* ---- writing ---- */

/* Leaves l's text in n->buf, newline included. Returns its length or 0 without memory. */
static size_t render(struct ndjson *n, struct line *l)
{
	size_t len, i, step, need, out = 0;
	const char *text;
	uint32_t cp;
	char *buf;

	text = json_object_to_json_string_length(
		l->obj, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
	if (!text)
		return 0;
	/* What escape_is_hidden() is left here: DEL, one byte, grows to the six of \u007f. */
	for (i = 0, need = len + 2; i < len; i += step) {
		step = escape_decode(text + i, len - i, &cp);
		if (!step)
			return 0;
		need += escape_is_hidden(cp) ? 6 : 0;
	}
	if (need > n->cap) {
		buf = realloc(n->buf, need);
		if (!buf)
			return 0;
		n->buf = buf;
		n->cap = need;
	}
	/*
	 * Hidden characters can only be inside strings, where \u is another spelling of the same
	 * string to a parser, but a C1 control or a direction mark does not reach a terminal.
	 */
	for (i = 0; i < len; i += step) {
		step = escape_decode(text + i, len - i, &cp);
		if (escape_is_hidden(cp)) {
			out += (size_t)snprintf(n->buf + out, need - out, "\\u%04x", cp);
		} else {
			memcpy(n->buf + out, text + i, step);
			out += step;
		}
	}
	n->buf[out++] = '\n';
	return out;
}

/* Consumes the line. */
static void emit(struct ndjson *n, struct line *l)
{
	struct event_line e = {.name = l->event,
			       .severity = l->severity,
			       .wall_ns = l->wall,
			       .obj = l->obj,
			       .finding = l->finding};
	int i;

	if (!l->failed)
		e.len = render(n, l);
	e.text = n->buf;
	if (!e.len)
		n->failures++;
	for (i = 0; e.len && i < n->n_outlets; i++)
		n->outlets[i]->line(n->outlets[i]->ctx, &e);
	json_object_put(l->obj);
}

/* ---- what events have in common ---- */

static void put_time(struct line *l, uint64_t wall)
{
	time_t sec = (time_t)(wall / WALLCLOCK_NS_PER_SEC);
	char date[40], text[64];
	struct tm tm;

	if (!gmtime_r(&sec, &tm) || !strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm)) {
		l->failed = true;
		return;
	}
	snprintf(text, sizeof(text), "%s.%09" PRIu64 "Z", date, wall % WALLCLOCK_NS_PER_SEC);
	put_str(l, "time", text);
	snprintf(text, sizeof(text), "%" PRIu64, wall);
	put_str(l, "time_unix_nano", text);
}

static void begin(struct ndjson *n, struct line *l, uint64_t time_ns, const char *event,
		  const char *severity)
{
	*l = (struct line){.obj = json_object_new_object(),
			   .event = event,
			   .severity = severity,
			   .wall = time_ns + n->wall_offset};
	if (!l->obj)
		l->failed = true;
	put_str(l, "schema", SCHEMA);
	put_time(l, time_ns + n->wall_offset);
	put_str(l, "event.name", event);
	put_str(l, "severity.text", severity);
	put_known(l, "host.name", n->host, sizeof(n->host));
}

static void put_cookie(struct line *l, uint64_t cookie)
{
	char text[20];

	snprintf(text, sizeof(text), "%" PRIx64, cookie);
	put_str(l, "mispair.socket.cookie", text);
}

static void put_network(struct line *l, enum transport transport, const char *local,
			uint16_t local_port, const char *peer, uint16_t peer_port)
{
	bool tcp = transport == TRANSPORT_TCP;

	put_str(l, "network.transport", tcp ? "tcp" : "unix");
	if (tcp && peer[0])
		put_str(l, "network.type",
			memchr(peer, ':', strnlen(peer, PEER_TEXT)) ? "ipv6" : "ipv4");
	put_known(l, "network.local.address", local, PEER_TEXT);
	if (tcp && local_port)
		put_u64(l, "network.local.port", local_port);
	put_known(l, "network.peer.address", peer, PEER_TEXT);
	if (tcp && peer_port)
		put_u64(l, "network.peer.port", peer_port);
}

/* Nothing where nothing is known: recordings of before do not say it. */
static void put_processes(struct line *l, const struct coverage_counts *c)
{
	uint64_t total = 0;
	char key[40];
	int i;

	for (i = COVERAGE_FULL; i < COVERAGE_MAX; i++)
		total += c->all[i];
	for (i = COVERAGE_FULL; total && i < COVERAGE_MAX; i++) {
		snprintf(key, sizeof(key), "mispair.processes.%s", coverage_names[i]);
		put_u64(l, key, c->all[i]);
	}
	if (c->untold)
		put_u64(l, "mispair.processes.untold", c->untold);
}

static void put_groups(struct line *l, const struct stop_info *s)
{
	struct json_object *array = s->n_groups ? json_object_new_array() : NULL;
	size_t i;

	for (i = 0; array && i < s->n_groups; i++) {
		const struct coverage_group *g = &s->groups[i];
		struct line e = {.obj = json_object_new_object()};

		put_str(&e, "level", coverage_names[g->v.level]);
		put_str(&e, "reason", coverage_reason_names[g->v.reason]);
		put_known(&e, "name", g->name, sizeof(g->name));
		put_known(&e, "runtime", g->runtime, sizeof(g->runtime));
		put_u64(&e, "processes", g->processes);
		if (e.failed || json_object_array_add(array, e.obj) < 0) {
			json_object_put(e.obj);
			l->failed = true;
		}
	}
	if (s->n_groups)
		put(l, "mispair.coverage.groups", array);
}

static void put_stats(struct line *l, const struct run_stats *s)
{
	char key[80];
	int v, c;

	put_u64(l, "mispair.sockets.tracked", s->sockets_tracked);
	put_u64(l, "mispair.sockets.total", s->sockets_total);
	put_u64(l, "mispair.sockets.adopted", s->sockets_adopted);
	put_u64(l, "mispair.requests", s->requests);
	put_u64(l, "mispair.replies", s->replies);
	put_u64(l, "mispair.cancellations", s->cancellations);
	for (v = VERDICT_NONE + 1; v < VERDICT_MAX; v++) {
		bool graded = v >= VERDICT_ABANDONED;

		for (c = CONF_NONE; c < CONF_MAX; c++) {
			/* A count where the contract says none is: show it, so that it is seen. */
			if (graded != (c != CONF_NONE) && !s->findings[v][c])
				continue;
			if (graded || c != CONF_NONE)
				snprintf(key, sizeof(key), "mispair.findings.%s.%s",
					 verdict_names[v], confidence_names[c]);
			else
				snprintf(key, sizeof(key), "mispair.findings.%s", verdict_names[v]);
			put_u64(l, key, s->findings[v][c]);
		}
	}
	for (c = 0; c < LOSS_MAX; c++) {
		if (c >= LOSSES_ALWAYS && !s->lost[c])
			continue;
		snprintf(key, sizeof(key), "mispair.lost.%s", loss_names[c]);
		put_u64(l, key, s->lost[c]);
	}
	put_processes(l, &s->coverage);
	put_u64(l, "mispair.events", s->events);
	put_u64(l, "mispair.cpu_ns", s->cpu_ns);
}

/* ---- events ---- */

static void put_degraded(struct line *l, uint32_t degraded)
{
	struct json_object *words = json_object_new_array(), *word;
	int i;

	for (i = 0; words && i < DEGRADED_MAX; i++) {
		if (!(degraded & 1u << i))
			continue;
		word = new_string(degraded_names[i], SIZE_MAX);
		if (!word || json_object_array_add(words, word) < 0) {
			json_object_put(word);
			l->failed = true;
		}
	}
	put(l, "mispair.degraded", words);
}

static void on_start(void *ctx, const struct start_info *info)
{
	const char *const *hook = info->hooks;
	struct json_object *hooks, *name;
	struct ndjson *n = ctx;
	struct line l;

	/* A replay speaks for the host and the clock that were traced. */
	if (info->has_wall_offset) {
		memcpy(n->host, info->host, sizeof(n->host));
		n->wall_offset = info->wall_offset_ns;
	}
	begin(n, &l, info->time_ns, "mispair.start", "INFO");
	put_known(&l, "mispair.version", info->version, SIZE_MAX);
	put_known(&l, "os.version", info->kernel, sizeof(info->kernel));
	put_known(&l, "mispair.tier", info->tier, SIZE_MAX);
	hooks = json_object_new_array();
	for (; hooks && hook && *hook; hook++) {
		name = new_string(*hook, SIZE_MAX);
		if (!name || json_object_array_add(hooks, name) < 0) {
			json_object_put(name);
			l.failed = true;
		}
	}
	put(&l, "mispair.hooks", hooks);
	put_degraded(&l, info->degraded);
	put_str(&l, "mispair.filters", info->filters ? info->filters : "");
	put_known(&l, "process.command_line", info->command, SIZE_MAX);
	emit(n, &l);
}

static void on_runtime(void *ctx, const struct runtime_report *r)
{
	struct ndjson *n = ctx;
	struct line l;

	begin(n, &l, r->time_ns, "mispair.runtime", "INFO");
	put_u64(&l, "process.pid", r->pid);
	put_known(&l, "mispair.process.comm", r->comm, sizeof(r->comm));
	put_known(&l, "process.runtime.name", r->runtime, sizeof(r->runtime));
	put_known(&l, "process.runtime.version", r->version, sizeof(r->version));
	put_known(&l, "mispair.runtime.module", r->module, sizeof(r->module));
	put_known(&l, "mispair.runtime.evidence", r->evidence, sizeof(r->evidence));
	put_known(&l, "mispair.runtime.note", r->note, sizeof(r->note));
	emit(n, &l);
}

static void on_coverage(void *ctx, const struct coverage_report *r)
{
	bool blind = r->now.level == COVERAGE_BLIND;
	struct ndjson *n = ctx;
	struct line l;

	begin(n, &l, r->time_ns, "mispair.coverage", blind ? "WARN" : "INFO");
	put_u64(&l, "process.pid", r->pid);
	put_known(&l, "process.executable.name", r->name, sizeof(r->name));
	put_known(&l, "process.runtime.name", r->runtime, sizeof(r->runtime));
	put_known(&l, "process.runtime.version", r->version, sizeof(r->version));
	put_str(&l, "mispair.coverage.level", coverage_names[r->now.level]);
	put_str(&l, "mispair.coverage.reason", coverage_reason_names[r->now.reason]);
	put_str_max(&l, "mispair.coverage.text", r->text, sizeof(r->text));
	put_bool(&l, "mispair.coverage.probed", r->probed);
	if (r->before.level)
		put_str(&l, "mispair.coverage.before", coverage_names[r->before.level]);
	emit(n, &l);
}

static const char *finding_event(enum verdict verdict)
{
	switch (verdict) {
	case VERDICT_CLOSED:
		return "mispair.connection.closed";
	case VERDICT_DRAINED:
		return "mispair.connection.drained";
	case VERDICT_UNOBSERVED:
		return "mispair.connection.unobserved";
	case VERDICT_ABANDONED:
		return "mispair.exchange.abandoned";
	case VERDICT_LEAKED:
		return "mispair.connection.leaked";
	case VERDICT_DIRTY:
		return "mispair.connection.dirty";
	case VERDICT_REUSED:
		return "mispair.connection.reused";
	default:
		return NULL;
	}
}

static const char *finding_severity(enum verdict verdict, enum confidence confidence)
{
	if (verdict < VERDICT_ABANDONED)
		return "INFO";
	return verdict == VERDICT_REUSED && confidence >= CONF_LIKELY ? "ERROR" : "WARN";
}

/* A time as the clock that this process knows it, in a place of its own. */
static void put_instant(struct ndjson *n, struct line *l, const char *key, uint64_t time_ns)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, time_ns + n->wall_offset);
	put_str(l, key, text);
}

/* No count: it is one, and the first. */
static void put_count(struct ndjson *n, struct line *l, const struct finding *f)
{
	if (!f->update && f->total <= 1)
		return;
	put_u64(l, "mispair.count", f->count);
	put_u64(l, "mispair.total", f->total);
	put_instant(n, l, "mispair.first_unix_nano", f->first_ns);
	put_bool(l, "mispair.update", f->update);
}

static void put_cancel(struct line *l, const struct finding *f)
{
	if (f->cancel == CANCEL_NONE || f->cancel >= CANCEL_MAX)
		return;
	put_str(l, "mispair.cancel.kind", cancel_names[f->cancel]);
	if (f->evidence != EVIDENCE_NONE && f->evidence < EVIDENCE_MAX)
		put_str(l, "mispair.cancel.evidence", evidence_names[f->evidence]);
	if (f->has_cancel_age)
		put_u64(l, "mispair.cancel.age_ns", f->cancel_age_ns);
	put_known(l, "mispair.cancel.by", f->cancel_by, sizeof(f->cancel_by));
	put_bool(l, "mispair.cancel.swallowed", f->swallowed);
}

static void put_timeline(struct line *l, const struct finding *f)
{
	struct json_object *array;
	size_t i;

	if (!f->n_timeline)
		return;
	array = json_object_new_array();
	for (i = 0; array && i < f->n_timeline && i < TIMELINE_MAX; i++) {
		const struct timeline_entry *t = &f->timeline[i];
		struct line e = {.obj = json_object_new_object()};

		put_u64(&e, "at_ns", t->at_ns);
		put_str(&e, "what", t->what < TL_MAX ? timeline_names[t->what] : "unknown");
		if (t->bytes)
			put_u64(&e, "bytes", t->bytes);
		put_known(&e, "owner", t->owner, sizeof(t->owner));
		put_known(&e, "by", t->by, sizeof(t->by));
		if (e.failed || json_object_array_add(array, e.obj) < 0) {
			json_object_put(e.obj);
			l->failed = true;
		}
	}
	put(l, "mispair.timeline", array);
}

static void on_finding(void *ctx, const struct finding *f)
{
	const char *event = finding_event(f->verdict);
	struct ndjson *n = ctx;
	struct line l;

	if (!event)
		return;
	begin(n, &l, f->time_ns, event, finding_severity(f->verdict, f->confidence));
	l.finding = true;
	put_u64(&l, "process.pid", f->pid);
	if (f->tid)
		put_u64(&l, "thread.id", f->tid);
	put_known(&l, "process.executable.name", f->exe_name, sizeof(f->exe_name));
	put_known(&l, "mispair.process.comm", f->comm, sizeof(f->comm));
	put_known(&l, "container.id", f->container_id, sizeof(f->container_id));
	put_network(&l, f->transport, f->local_addr, f->local_port, f->peer_addr, f->peer_port);
	put_known(&l, "network.protocol.name", f->protocol, SIZE_MAX);
	put_cookie(&l, f->cookie);
	if (f->reuse != REUSE_NONE && f->reuse < REUSE_MAX)
		put_str(&l, "mispair.reuse.kind", reuse_names[f->reuse]);
	if (f->confidence != CONF_NONE && f->confidence < CONF_MAX)
		put_str(&l, "mispair.confidence", confidence_names[f->confidence]);
	put_u64(&l, "mispair.requests", f->requests);
	put_u64(&l, "mispair.replies", f->replies);
	put_u64(&l, "mispair.owed", f->owed);
	put_u64(&l, "mispair.unread_bytes", f->unread_bytes);
	put_u64(&l, "mispair.residue_bytes", f->residue_bytes);
	put_cancel(&l, f);
	put_known(&l, "mispair.owner.previous", f->owner_prev, sizeof(f->owner_prev));
	put_known(&l, "mispair.owner.next", f->owner_next, sizeof(f->owner_next));
	put_known(&l, "mispair.reason", f->reason, sizeof(f->reason));
	put_count(n, &l, f);
	put_timeline(&l, f);
	emit(n, &l);
}

static void on_finding_sum(void *ctx, const struct finding_sum *s)
{
	struct ndjson *n = ctx;
	struct line l;

	if (!finding_event(s->verdict))
		return;
	begin(n, &l, s->time_ns, "mispair.findings", finding_severity(s->verdict, s->confidence));
	l.finding = true;
	put_u64(&l, "process.pid", s->pid);
	put_known(&l, "process.executable.name", s->exe_name, sizeof(s->exe_name));
	put_known(&l, "mispair.process.comm", s->comm, sizeof(s->comm));
	put_known(&l, "container.id", s->container_id, sizeof(s->container_id));
	put_u64(&l, "mispair.user.id", s->uid);
	put_str(&l, "mispair.verdict", verdict_names[s->verdict]);
	if (s->reuse != REUSE_NONE && s->reuse < REUSE_MAX)
		put_str(&l, "mispair.reuse.kind", reuse_names[s->reuse]);
	if (s->confidence != CONF_NONE && s->confidence < CONF_MAX)
		put_str(&l, "mispair.confidence", confidence_names[s->confidence]);
	if (s->cancel != CANCEL_NONE && s->cancel < CANCEL_MAX)
		put_str(&l, "mispair.cancel.kind", cancel_names[s->cancel]);
	put_u64(&l, "mispair.count", s->count);
	put_u64(&l, "mispair.connections", s->connections);
	put_instant(n, &l, "mispair.first_unix_nano", s->first_ns);
	emit(n, &l);
}

static void on_socket(void *ctx, const struct socket_report *s)
{
	struct ndjson *n = ctx;
	struct line l;

	begin(n, &l, s->time_ns, "mispair.connection.ledger", "INFO");
	put_u64(&l, "process.pid", s->pid);
	put_known(&l, "mispair.process.comm", s->comm, sizeof(s->comm));
	put_network(&l, s->transport, s->local_addr, s->local_port, s->peer_addr, s->peer_port);
	put_cookie(&l, s->cookie);
	put_u64(&l, "mispair.requests", s->requests);
	put_u64(&l, "mispair.replies", s->replies);
	put_u64(&l, "mispair.tx_bytes", s->tx_bytes);
	put_u64(&l, "mispair.rx_bytes", s->rx_bytes);
	put_bool(&l, "mispair.adopted", s->adopted);
	put_bool(&l, "mispair.open", s->open);
	put_bool(&l, "mispair.multiplexed", s->multiplexed);
	put_bool(&l, "mispair.unobserved", s->unobserved);
	emit(n, &l);
}

static void on_stats(void *ctx, const struct run_stats *s)
{
	struct ndjson *n = ctx;
	struct line l;

	begin(n, &l, s->time_ns, "mispair.stats", "INFO");
	put_stats(&l, s);
	emit(n, &l);
}

/* Whom a limit hides, and how it lifts. */
static void put_limit(struct line *l, enum loss cause)
{
	if (!*loss_hides[cause])
		return;
	put_str(l, "mispair.lost.hides", loss_hides[cause]);
	put_str(l, "mispair.lost.lifts", loss_lifts[cause]);
}

static void on_lost(void *ctx, uint64_t time_ns, enum loss cause, uint64_t count, uint64_t total)
{
	struct ndjson *n = ctx;
	struct line l;

	begin(n, &l, time_ns, "mispair.lost", "WARN");
	put_str(&l, "mispair.lost.reason", cause < LOSS_MAX ? loss_names[cause] : "unknown");
	put_u64(&l, "mispair.lost.count", count);
	put_u64(&l, "mispair.lost.total", total);
	if (cause < LOSS_MAX)
		put_limit(&l, cause);
	emit(n, &l);
}

static void on_throttled(void *ctx, const struct throttled_report *r)
{
	struct ndjson *n = ctx;
	struct line l;

	begin(n, &l, r->time_ns, "mispair.lost", "WARN");
	put_str(&l, "mispair.lost.reason", loss_names[LOSS_THROTTLED]);
	put_u64(&l, "mispair.lost.count", r->count);
	put_u64(&l, "mispair.lost.total", r->total);
	put_u64(&l, "process.pid", r->pid);
	put_known(&l, "process.executable.name", r->exe_name, sizeof(r->exe_name));
	put_known(&l, "mispair.process.comm", r->comm, sizeof(r->comm));
	put_known(&l, "container.id", r->container_id, sizeof(r->container_id));
	put_u64(&l, "mispair.user.id", r->uid);
	put_limit(&l, LOSS_THROTTLED);
	emit(n, &l);
}

static void on_stop(void *ctx, const struct stop_info *s)
{
	struct ndjson *n = ctx;
	struct line l;

	begin(n, &l, s->time_ns, "mispair.stop", "INFO");
	put_known(&l, "mispair.stop.reason", s->reason, SIZE_MAX);
	if (s->command_status != -1 && WIFEXITED(s->command_status))
		put_u64(&l, "process.exit.code", (uint64_t)WEXITSTATUS(s->command_status));
	if (s->command_status != -1 && WIFSIGNALED(s->command_status))
		put_u64(&l, "mispair.exit.signal", (uint64_t)WTERMSIG(s->command_status));
	put_groups(&l, s);
	put_stats(&l, &s->stats);
	emit(n, &l);
}

/* ---- life ---- */

static uint64_t get_failures(void *ctx)
{
	struct ndjson *n = ctx;
	uint64_t failures = n->failures;
	int i;

	for (i = 0; i < n->n_outlets; i++)
		if (n->outlets[i]->failures)
			failures += n->outlets[i]->failures(n->outlets[i]->ctx);
	return failures;
}

static void on_finish(void *ctx)
{
	struct ndjson *n = ctx;
	int i;

	for (i = 0; i < n->n_outlets; i++)
		n->outlets[i]->finish(n->outlets[i]->ctx);
	free(n->buf);
	free(n);
}

struct sink *sink_ndjson_new_empty(void)
{
	struct ndjson *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	/* A name that does not fit, or that we may not ask for, is unknown. */
	if (gethostname(n->host, sizeof(n->host) - 1))
		n->host[0] = '\0';
	n->wall_offset = wallclock_offset_ns();
	n->sink = (struct sink){
		.ctx = n,
		.start = on_start,
		.runtime = on_runtime,
		.coverage = on_coverage,
		.finding = on_finding,
		.finding_sum = on_finding_sum,
		.socket = on_socket,
		.stats = on_stats,
		.lost = on_lost,
		.throttled = on_throttled,
		.stop = on_stop,
		.failures = get_failures,
		.finish = on_finish,
	};
	return &n->sink;
}

int sink_ndjson_add(struct sink *sink, struct outlet *outlet)
{
	struct ndjson *n = sink->ctx;

	if (n->n_outlets == OUTLETS_MAX)
		return -ENOSPC;
	n->outlets[n->n_outlets++] = outlet;
	return 0;
}

int sink_ndjson_new(const char *path, struct sink **out, char *err, size_t errlen)
{
	struct outlet_file_opts o = {.path = path};
	struct outlet *file;
	int ret;

	*out = NULL;
	ret = outlet_file_new(&o, &file, err, errlen);
	if (ret)
		return ret;
	*out = sink_ndjson_new_empty();
	if (*out)
		return sink_ndjson_add(*out, file);
	snprintf(err, errlen, "cannot write to %s: out of memory", path);
	file->finish(file->ctx);
	return -ENOMEM;
}

void sink_ndjson_tick(struct sink *sink)
{
	struct ndjson *n = sink->ctx;
	int i;

	for (i = 0; i < n->n_outlets; i++)
		if (n->outlets[i]->tick)
			n->outlets[i]->tick(n->outlets[i]->ctx);
}

void sink_ndjson_reopen(struct sink *sink)
{
	struct ndjson *n = sink->ctx;
	int i;

	for (i = 0; i < n->n_outlets; i++)
		if (n->outlets[i]->reopen)
			n->outlets[i]->reopen(n->outlets[i]->ctx);
}

bool sink_ndjson_closed(const struct sink *sink)
{
	const struct ndjson *n = sink->ctx;
	int i;

	for (i = 0; i < n->n_outlets; i++)
		if (n->outlets[i]->closed && n->outlets[i]->closed(n->outlets[i]->ctx))
			return true;
	return false;
}

void sink_ndjson_set_wall_offset(struct sink *sink, uint64_t offset_ns)
{
	struct ndjson *n = sink->ctx;

	n->wall_offset = offset_ns;
}
