// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * NDJSON: names and types of every key are an interface, and names that processes choose for
 * themselves do no harm.
 */
#include <time.h>

#include "sink_ndjson_fixture.h"

#include "escape.h"

/* ---- names and types ---- */

struct key {
	const char *name;
	enum json_type type;
};

/* clang-format off */
#define S(name) { name, json_type_string }
#define N(name) { name, json_type_int }
#define B(name) { name, json_type_boolean }
#define A(name) { name, json_type_array }
#define END { NULL, json_type_null }
#define COMMON                                                                                     \
	S("schema"), S("time"), S("time_unix_nano"), S("event.name"), S("severity.text"),          \
		S("host.name")
#define NETWORK                                                                                    \
	S("network.transport"), S("network.type"), S("network.local.address"),                     \
		N("network.local.port"), S("network.peer.address"), N("network.peer.port"),        \
		S("mispair.socket.cookie"), N("mispair.requests"), N("mispair.replies")
#define STATS                                                                                      \
	N("mispair.sockets.tracked"), N("mispair.sockets.total"), N("mispair.sockets.adopted"),    \
		N("mispair.requests"), N("mispair.replies"), N("mispair.cancellations"),           \
		N("mispair.findings.closed"), N("mispair.findings.drained"),                       \
		N("mispair.findings.unobserved"), N("mispair.findings.abandoned.suspect"),         \
		N("mispair.findings.abandoned.likely"), N("mispair.findings.abandoned.certain"),   \
		N("mispair.findings.leaked.suspect"), N("mispair.findings.leaked.likely"),         \
		N("mispair.findings.leaked.certain"), N("mispair.findings.dirty.suspect"),         \
		N("mispair.findings.dirty.likely"), N("mispair.findings.dirty.certain"),           \
		N("mispair.findings.reused.suspect"), N("mispair.findings.reused.likely"),         \
		N("mispair.findings.reused.certain"), N("mispair.lost.ring_full"),                 \
		N("mispair.lost.ledger_alloc"), N("mispair.lost.task_unreadable"),                 \
		N("mispair.lost.late_attach"), N("mispair.lost.map_full"),                         \
		N("mispair.lost.layout"), N("mispair.lost.return"), N("mispair.lost.skipped"), N("mispair.lost.track_full"),                            \
		N("mispair.lost.bad_record"), N("mispair.lost.sink"), N("mispair.lost.probes"), N("mispair.events"),         \
		N("mispair.cpu_ns")

static const struct key finding_keys[] = {
	COMMON,
	NETWORK,
	N("process.pid"),
	N("thread.id"),
	S("process.executable.name"),
	S("mispair.process.comm"),
	S("container.id"),
	S("network.protocol.name"),
	S("mispair.reuse.kind"),
	S("mispair.confidence"),
	N("mispair.owed"),
	N("mispair.unread_bytes"),
	N("mispair.residue_bytes"),
	S("mispair.cancel.kind"),
	S("mispair.cancel.evidence"),
	N("mispair.cancel.age_ns"),
	S("mispair.cancel.by"),
	B("mispair.cancel.swallowed"),
	S("mispair.owner.previous"),
	S("mispair.owner.next"),
	S("mispair.reason"),
	A("mispair.timeline"),
	END,
};

static const struct key request_keys[] = {
	N("at_ns"),
	S("what"),
	N("bytes"),
	S("owner"),
	END,
};
static const struct key cancel_keys[] = {
	N("at_ns"),
	S("what"),
	S("owner"),
	S("by"),
	END,
};

static const struct key start_keys[] = {
	COMMON,
	S("mispair.version"),
	S("os.version"),
	S("mispair.tier"),
	A("mispair.hooks"),
	A("mispair.degraded"),
	S("mispair.filters"),
	S("process.command_line"),
	END,
};

static const struct key runtime_keys[] = {
	COMMON,
	N("process.pid"),
	S("mispair.process.comm"),
	S("process.runtime.name"),
	S("process.runtime.version"),
	S("mispair.runtime.module"),
	S("mispair.runtime.evidence"),
	S("mispair.runtime.note"),
	END,
};

static const struct key coverage_keys[] = {
	COMMON,
	N("process.pid"),
	S("process.executable.name"),
	S("process.runtime.name"),
	S("process.runtime.version"),
	S("mispair.coverage.level"),
	S("mispair.coverage.reason"),
	S("mispair.coverage.text"),
	B("mispair.coverage.probed"),
	S("mispair.coverage.before"),
	END,
};

static const struct key ledger_keys[] = {
	COMMON,
	NETWORK,
	N("process.pid"),
	S("mispair.process.comm"),
	N("mispair.tx_bytes"),
	N("mispair.rx_bytes"),
	B("mispair.adopted"),
	B("mispair.open"),
	B("mispair.multiplexed"),
	B("mispair.unobserved"),
	END,
};

static const struct key stats_keys[] = {
	COMMON,
	STATS,
	END,
};

static const struct key lost_keys[] = {
	COMMON,
	S("mispair.lost.reason"),
	N("mispair.lost.count"),
	N("mispair.lost.total"),
	END,
};

static const struct key stop_keys[] = {
	COMMON,
	STATS,
	S("mispair.stop.reason"),
	N("process.exit.code"),
	END,
};

/* clang-format on */

/* Exactly these keys with exactly these types. */
static void assert_keys(struct json_object *obj, const struct key *want)
{
	size_t n = 0;

	for (; want->name; want++, n++) {
		struct json_object *v = NULL;

		if (!json_object_object_get_ex(obj, want->name, &v))
			fail_msg("no key %s", want->name);
		if (json_object_get_type(v) != want->type)
			fail_msg("key %s has another type", want->name);
	}
	assert_int_equal(json_object_object_length(obj), n);
}

static void assert_event(struct fixture *x, const struct key *keys, const char *event,
			 const char *severity)
{
	struct json_object *obj;

	close_sink(x);
	obj = only_line(x);
	assert_keys(obj, keys);
	assert_string_equal(str_of(obj, "schema"), "mispair.event/1");
	assert_string_equal(str_of(obj, "event.name"), event);
	assert_string_equal(str_of(obj, "severity.text"), severity);
	assert_string_equal(str_of(obj, "time"), "2026-11-21T08:30:00.123456789Z");
	assert_string_equal(str_of(obj, "time_unix_nano"), "1795249800123456789");
	json_object_put(obj);
}

static void a_finding_has_the_agreed_keys_and_values(void **state)
{
	struct json_object *obj, *tl;
	struct fixture *x = *state;
	struct finding f;

	full_finding(&f);
	open_sink(x);
	x->sink->finding(x->sink->ctx, &f);
	assert_event(x, finding_keys, "mispair.connection.reused", "ERROR");
	obj = only_line(x);
	assert_string_equal(str_of(obj, "mispair.socket.cookie"), "7f3a");
	assert_string_equal(str_of(obj, "network.transport"), "tcp");
	assert_string_equal(str_of(obj, "network.type"), "ipv4");
	assert_string_equal(str_of(obj, "mispair.reuse.kind"), "outstanding");
	assert_string_equal(str_of(obj, "mispair.confidence"), "certain");
	assert_string_equal(str_of(obj, "mispair.cancel.kind"), "asyncio.cancel");
	assert_string_equal(str_of(obj, "mispair.cancel.evidence"), "probe");
	assert_string_equal(str_of(obj, "mispair.owner.previous"), "task 0x7fe446ff3880");
	assert_string_equal(str_of(obj, "mispair.cancel.age_ns"), "812345");
	assert_true(json_object_object_get_ex(obj, "mispair.timeline", &tl));
	assert_int_equal(json_object_array_length(tl), 2);
	assert_keys(json_object_array_get_idx(tl, 0), request_keys);
	assert_keys(json_object_array_get_idx(tl, 1), cancel_keys);
	json_object_put(obj);
}

static void every_other_event_has_the_agreed_keys(void **state)
{
	static const char *const hooks[] = {"sock_send_length", "sock_recv_length", NULL};
	const struct start_info start = {.time_ns = MONO,
					 .version = "0.1",
					 .kernel = "6.18.0",
					 .tier = "tp_btf",
					 .hooks = hooks,
					 .filters = "",
					 .command = "python3 x.py",
					 .degraded = 1u << DEGRADED_YAMA | 1u << DEGRADED_RECEIVES};
	const struct runtime_report rt = {.time_ns = MONO,
					  .pid = 1,
					  .comm = "python3",
					  .runtime = "cpython",
					  .version = "3.11",
					  .module = "so",
					  .evidence = "memory",
					  .note = "no probe"};
	const struct socket_report so = {.time_ns = MONO,
					 .pid = 1,
					 .comm = "x",
					 .local_addr = "::1",
					 .peer_addr = "fe80::1",
					 .local_port = 1,
					 .peer_port = 2};
	const struct coverage_report cover = {.time_ns = MONO,
					      .pid = 1,
					      .name = "python3.7",
					      .now = {COVERAGE_BLIND, COVERED_RUNTIME},
					      .before = {COVERAGE_THREAD, COVERED_UNPROVED},
					      .runtime = "cpython",
					      .version = "3.7",
					      .text = "not known"};
	const struct run_stats stats = {.time_ns = MONO};
	const struct stop_info stop = {.time_ns = MONO, .reason = "signal", .command_status = 0};
	struct fixture *x = *state;

	open_sink(x);
	x->sink->start(x->sink->ctx, &start);
	assert_event(x, start_keys, "mispair.start", "INFO");
	open_sink(x);
	x->sink->runtime(x->sink->ctx, &rt);
	assert_event(x, runtime_keys, "mispair.runtime", "INFO");
	open_sink(x);
	x->sink->coverage(x->sink->ctx, &cover);
	assert_event(x, coverage_keys, "mispair.coverage", "WARN");
	open_sink(x);
	x->sink->socket(x->sink->ctx, &so);
	assert_event(x, ledger_keys, "mispair.connection.ledger", "INFO");
	open_sink(x);
	x->sink->stats(x->sink->ctx, &stats);
	assert_event(x, stats_keys, "mispair.stats", "INFO");
	open_sink(x);
	x->sink->lost(x->sink->ctx, MONO, LOSS_MAP_FULL, 3, 30);
	assert_event(x, lost_keys, "mispair.lost", "WARN");
	open_sink(x);
	x->sink->stop(x->sink->ctx, &stop);
	assert_event(x, stop_keys, "mispair.stop", "INFO");
}

/* A recording of before says nothing of processes, and its replay makes nothing up. */
static void processes_are_counted_once_there_are_any(void **state)
{
	const struct coverage_group group = {
		{COVERAGE_THREAD, COVERED_NO_OWNERS}, "node", "node", 3};
	struct stop_info stop = {.time_ns = MONO, .reason = "end", .command_status = -1};
	struct fixture *x = *state;
	struct json_object *obj, *v = NULL;

	open_sink(x);
	x->sink->stop(x->sink->ctx, &stop);
	close_sink(x);
	obj = only_line(x);
	assert_false(json_object_object_get_ex(obj, "mispair.processes.full", &v));
	assert_false(json_object_object_get_ex(obj, "mispair.coverage.groups", &v));
	json_object_put(obj);
	stop.stats.coverage.all[COVERAGE_THREAD] = 3;
	stop.groups = &group;
	stop.n_groups = 1;
	open_sink(x);
	x->sink->stop(x->sink->ctx, &stop);
	close_sink(x);
	obj = only_line(x);
	assert_true(json_object_object_get_ex(obj, "mispair.processes.blind", &v));
	assert_int_equal(json_object_get_int(v), 0);
	assert_true(json_object_object_get_ex(obj, "mispair.processes.thread", &v));
	assert_int_equal(json_object_get_int(v), 3);
	assert_false(json_object_object_get_ex(obj, "mispair.processes.untold", &v));
	assert_true(json_object_object_get_ex(obj, "mispair.coverage.groups", &v));
	assert_string_equal(json_object_to_json_string_ext(v, JSON_C_TO_STRING_PLAIN),
			    "[{\"level\":\"thread\",\"reason\":\"no_owners\",\"name\":\"node\","
			    "\"runtime\":\"node\",\"processes\":3}]");
	json_object_put(obj);
}

static void each_verdict_has_its_event_and_severity(void **state)
{
	static const struct {
		enum verdict verdict;
		enum confidence confidence;
		const char *event, *severity;
	} cases[] = {
		{VERDICT_CLOSED, CONF_NONE, "mispair.connection.closed", "INFO"},
		{VERDICT_DRAINED, CONF_NONE, "mispair.connection.drained", "INFO"},
		{VERDICT_UNOBSERVED, CONF_NONE, "mispair.connection.unobserved", "INFO"},
		{VERDICT_ABANDONED, CONF_LIKELY, "mispair.exchange.abandoned", "WARN"},
		{VERDICT_LEAKED, CONF_CERTAIN, "mispair.connection.leaked", "WARN"},
		{VERDICT_DIRTY, CONF_CERTAIN, "mispair.connection.dirty", "WARN"},
		{VERDICT_REUSED, CONF_SUSPECT, "mispair.connection.reused", "WARN"},
		{VERDICT_REUSED, CONF_LIKELY, "mispair.connection.reused", "ERROR"},
		{VERDICT_REUSED, CONF_CERTAIN, "mispair.connection.reused", "ERROR"},
	};
	struct fixture *x = *state;
	struct json_object *obj;
	struct finding f;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		full_finding(&f);
		f.verdict = cases[i].verdict;
		f.confidence = cases[i].confidence;
		open_sink(x);
		x->sink->finding(x->sink->ctx, &f);
		close_sink(x);
		obj = only_line(x);
		assert_string_equal(str_of(obj, "event.name"), cases[i].event);
		assert_string_equal(str_of(obj, "severity.text"), cases[i].severity);
		json_object_put(obj);
	}
}

static void what_is_unknown_has_no_key(void **state)
{
	static const struct key keys[] = {COMMON,
					  N("process.pid"),
					  S("network.transport"),
					  S("network.peer.address"),
					  S("mispair.socket.cookie"),
					  N("mispair.requests"),
					  N("mispair.replies"),
					  N("mispair.owed"),
					  N("mispair.unread_bytes"),
					  N("mispair.residue_bytes"),
					  END};
	const struct finding f = {.verdict = VERDICT_CLOSED,
				  .time_ns = MONO,
				  .transport = TRANSPORT_UNIX,
				  .peer_addr = "@abstract"};
	struct fixture *x = *state;

	open_sink(x);
	x->sink->finding(x->sink->ctx, &f);
	assert_event(x, keys, "mispair.connection.closed", "INFO");
}

static void large_numbers_survive_whole(void **state)
{
	struct fixture *x = *state;
	struct json_object *obj;
	struct finding f;

	full_finding(&f);
	f.cookie = UINT64_MAX;
	f.requests = UINT64_MAX;
	open_sink(x);
	x->sink->finding(x->sink->ctx, &f);
	close_sink(x);
	obj = only_line(x);
	assert_string_equal(str_of(obj, "mispair.socket.cookie"), "ffffffffffffffff");
	/* 2^53 - 1: every reader of JSON gets it as it is. */
	assert_string_equal(str_of(obj, "mispair.requests"), "9007199254740991");
	json_object_put(obj);
}

static void a_signal_that_killed_the_command_is_told_from_a_status(void **state)
{
	const struct stop_info stop = {
		.time_ns = MONO, .reason = "command exited", .command_status = SIGKILL};
	struct fixture *x = *state;
	struct json_object *obj;

	open_sink(x);
	x->sink->stop(x->sink->ctx, &stop);
	close_sink(x);
	obj = only_line(x);
	assert_string_equal(str_of(obj, "mispair.exit.signal"), "9");
	assert_null(str_of(obj, "process.exit.code"));
	json_object_put(obj);
}

/* A first finding is one; an update says how many, and since when; a sum has no connection. */
static void counts_are_told_where_there_is_more_than_one(void **state)
{
	const struct finding_sum sum = {.time_ns = MONO + 5,
					.first_ns = MONO,
					.verdict = VERDICT_REUSED,
					.confidence = CONF_LIKELY,
					.reuse = REUSE_UNREAD,
					.cancel = CANCEL_UNSEEN,
					.pid = 4242,
					.uid = 65534,
					.comm = "flood",
					.count = 12,
					.connections = 3};
	struct fixture *x = *state;
	struct json_object *obj;
	char first[24];
	struct finding f;

	full_finding(&f);
	f.count = f.total = 1;
	open_sink(x);
	x->sink->finding(x->sink->ctx, &f);
	close_sink(x);
	obj = only_line(x);
	assert_null(str_of(obj, "mispair.count"));
	assert_null(str_of(obj, "mispair.update"));
	json_object_put(obj);

	f.update = true;
	f.n_timeline = 0;
	f.count = 7;
	f.total = 8;
	f.first_ns = MONO - 1000;
	open_sink(x);
	x->sink->finding(x->sink->ctx, &f);
	close_sink(x);
	obj = only_line(x);
	assert_string_equal(str_of(obj, "event.name"), "mispair.connection.reused");
	assert_string_equal(str_of(obj, "mispair.count"), "7");
	assert_string_equal(str_of(obj, "mispair.total"), "8");
	assert_string_equal(str_of(obj, "mispair.update"), "true");
	snprintf(first, sizeof(first), "%llu",
		 strtoull(str_of(obj, "time_unix_nano"), NULL, 10) - 1000);
	assert_string_equal(str_of(obj, "mispair.first_unix_nano"), first);
	assert_null(str_of(obj, "mispair.timeline"));
	json_object_put(obj);

	open_sink(x);
	x->sink->finding_sum(x->sink->ctx, &sum);
	close_sink(x);
	obj = only_line(x);
	assert_string_equal(str_of(obj, "event.name"), "mispair.findings");
	assert_string_equal(str_of(obj, "severity.text"), "ERROR");
	assert_string_equal(str_of(obj, "mispair.verdict"), "reused");
	assert_string_equal(str_of(obj, "mispair.confidence"), "likely");
	assert_string_equal(str_of(obj, "mispair.reuse.kind"), "unread");
	assert_string_equal(str_of(obj, "mispair.cancel.kind"), "unseen");
	assert_string_equal(str_of(obj, "mispair.count"), "12");
	assert_string_equal(str_of(obj, "mispair.connections"), "3");
	assert_string_equal(str_of(obj, "mispair.user.id"), "65534");
	assert_null(str_of(obj, "mispair.socket.cookie"));
	json_object_put(obj);
}

static void the_tables_of_names_are_complete(void **state)
{
	const struct {
		const char *const *names;
		int n;
	} tables[] = {
		{verdict_names, VERDICT_MAX},
		{confidence_names, CONF_MAX},
		{reuse_names, REUSE_MAX},
		{cancel_names, CANCEL_MAX},
		{evidence_names, EVIDENCE_MAX},
		{timeline_names, TL_MAX},
		{loss_names, LOSS_MAX},
		{coverage_names, COVERAGE_MAX},
		{coverage_reason_names, COVERED_REASONS},
	};
	size_t t;
	int i;

	(void)state;
	for (t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
		for (i = 0; i < tables[t].n; i++)
			assert_non_null(tables[t].names[i]);
	}
	assert_string_equal(verdict_names[VERDICT_REUSED], "reused");
	assert_string_equal(confidence_names[CONF_CERTAIN], "certain");
	assert_string_equal(reuse_names[REUSE_RESIDUE], "residue");
	assert_string_equal(cancel_names[CANCEL_ASYNCIO_GONE], "asyncio.gone");
	assert_string_equal(evidence_names[EVIDENCE_MEMORY], "memory");
	assert_string_equal(timeline_names[TL_CANCEL_SEEN], "cancel_seen");
	assert_string_equal(loss_names[LOSS_TASK_UNREADABLE], "task_unreadable");
}

/* ---- hostile names ---- */

static void hostile_names_stay_inside_their_strings(void **state)
{
	static const struct {
		const char *name, *parsed;
	} cases[] = {
		{"\x1b]0;x\x07", "\x1b]0;x\x07"},
		{"\xff\xfe", "\\xff\\xfe"},
		{"\"},{\"a\":\"b", "\"},{\"a\":\"b"},
		{"back\\slash\n", "back\\slash\n"},
		{"\xc2\x9b"
		 "31m\x7f",
		 "\xc2\x9b"
		 "31m\x7f"},
		{"\xe2\x80\xae"
		 "txt.exe",
		 "\xe2\x80\xae"
		 "txt.exe"},
		{"caf\xc3\xa9", "caf\xc3\xa9"},
	};
	struct fixture *x = *state;
	struct json_object *obj;
	struct finding f;
	size_t i, n, step;
	char *text, *p;
	uint32_t cp;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		full_finding(&f);
		snprintf(f.exe_name, sizeof(f.exe_name), "%s", cases[i].name);
		snprintf(f.owner_prev, sizeof(f.owner_prev), "%s", cases[i].name);
		snprintf(f.timeline[1].by, sizeof(f.timeline[1].by), "%s", cases[i].name);
		open_sink(x);
		x->sink->finding(x->sink->ctx, &f);
		close_sink(x);
		/* A terminal sees nothing but printable characters and the line's end. */
		text = contents(x->path);
		n = strlen(text) - 1;
		for (p = text; p < text + n; p += step) {
			step = escape_decode(p, (size_t)(text + n - p), &cp);
			assert_true(step > 0);
			assert_false(escape_is_hidden(cp));
		}
		free(text);
		obj = only_line(x);
		assert_keys(obj, finding_keys);
		assert_string_equal(str_of(obj, "process.executable.name"), cases[i].parsed);
		assert_string_equal(str_of(obj, "mispair.owner.previous"), cases[i].parsed);
		json_object_put(obj);
	}
}

static void strings_without_an_end_and_counts_beyond_the_array_are_contained(void **state)
{
	struct fixture *x = *state;
	struct json_object *obj, *tl;
	struct finding *f = malloc(sizeof(*f));

	assert_non_null(f);
	full_finding(f);
	memset(f->comm, 'c', sizeof(f->comm));
	memset(f->timeline, 0x7f, sizeof(f->timeline));
	f->n_timeline = 1000;
	x->made_up = true;
	open_sink(x);
	x->sink->finding(x->sink->ctx, f);
	free(f);
	close_sink(x);
	obj = only_line(x);
	assert_string_equal(str_of(obj, "mispair.process.comm"), "cccccccccccccccc");
	assert_true(json_object_object_get_ex(obj, "mispair.timeline", &tl));
	assert_int_equal(json_object_array_length(tl), TIMELINE_MAX);
	json_object_put(obj);
}

static void the_clock_is_taken_once_and_is_about_now(void **state)
{
	struct fixture *x = *state;
	struct json_object *obj;
	struct timespec mono, real;
	long long got;

	assert_int_equal(sink_ndjson_new(x->path, &x->sink, x->err, sizeof(x->err)), 0);
	clock_gettime(CLOCK_MONOTONIC, &mono);
	clock_gettime(CLOCK_REALTIME, &real);
	x->sink->lost(x->sink->ctx, (uint64_t)mono.tv_sec * 1000000000 + (uint64_t)mono.tv_nsec,
		      LOSS_SINK, 1, 1);
	close_sink(x);
	obj = only_line(x);
	got = atoll(str_of(obj, "time_unix_nano"));
	got -= real.tv_sec * 1000000000LL + real.tv_nsec;
	assert_true(got > -1000000000LL && got < 1000000000LL);
	json_object_put(obj);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_finding_has_the_agreed_keys_and_values),
		TEST(every_other_event_has_the_agreed_keys),
		TEST(processes_are_counted_once_there_are_any),
		TEST(each_verdict_has_its_event_and_severity),
		TEST(what_is_unknown_has_no_key),
		TEST(large_numbers_survive_whole),
		TEST(a_signal_that_killed_the_command_is_told_from_a_status),
		TEST(counts_are_told_where_there_is_more_than_one),
		TEST(the_tables_of_names_are_complete),
		TEST(hostile_names_stay_inside_their_strings),
		TEST(strings_without_an_end_and_counts_beyond_the_array_are_contained),
		TEST(the_clock_is_taken_once_and_is_about_now),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
