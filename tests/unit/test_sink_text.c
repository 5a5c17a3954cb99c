// SPDX-License-Identifier: GPL-2.0-or-later
/* Text for people: every expected line below was written by hand. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "escape.h"
#include "sink_text.h"

#define MONO 1000000ULL
/* 1970-01-01T12:00:01.123456789Z */
#define WALL 43201123456789ULL

struct fixture {
	char *text;
	size_t len;
	FILE *out;
	struct sink *sink;
};

static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	if (!x)
		return -1;
	x->out = open_memstream(&x->text, &x->len);
	if (!x->out)
		return -1;
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	if (x->sink)
		x->sink->finish(x->sink->ctx);
	fclose(x->out);
	free(x->text);
	free(x);
	return 0;
}

static void open_sink(struct fixture *x, const struct sink_text_opts *o)
{
	x->sink = sink_text_new(x->out, o);
	assert_non_null(x->sink);
	sink_text_set_wall_offset(x->sink, WALL - MONO);
}

static void base_finding(struct finding *f)
{
	*f = (struct finding){
		.verdict = VERDICT_REUSED,
		.confidence = CONF_CERTAIN,
		.reuse = REUSE_OUTSTANDING,
		.time_ns = MONO,
		.pid = 4242,
		.comm = "python3",
		.exe_name = "python3.11",
		.peer_addr = "10.0.0.9",
		.peer_port = 6379,
		.protocol = "redis",
		.requests = 812,
		.replies = 811,
		.owed = 1,
		.cancel = CANCEL_ASYNCIO,
		.evidence = EVIDENCE_PROBE,
		.owner_prev = "Task-7 0x7fe446ff3880",
		.owner_next = "Task-8 0x7fe446ff37c0",
		.reason = "the next request left before the reply arrived",
		.n_timeline = 4,
		.timeline = {{0, TL_REQUEST, 22, "Task-7 0x7fe446ff3880", ""},
			     {30100, TL_CANCEL, 0, "Task-7 0x7fe446ff3880",
			      "Task-1 0x7fe446ff0000"},
			     {107300, TL_REQUEST, 22, "Task-8 0x7fe446ff37c0", ""},
			     {300000, TL_REPLY, 9, "", ""}},
	};
}

/* clang-format off */

static void a_finding_is_one_line(void **state)
{
	const struct sink_text_opts o = { 0 };
	struct fixture *x = *state;
	struct finding f;

	base_finding(&f);
	open_sink(x, &o);
	x->sink->finding(x->sink->ctx, &f);
	assert_string_equal(x->text,
		"12:00:01.123 REUSED outstanding certain  python3.11[4242]  10.0.0.9:6379 (redis)  "
		"Task-7 → Task-8  owed 1  asked 812 got 811\n");
}

static void columns_stay_below_each_other(void **state)
{
	const struct sink_text_opts o = { 0 };
	struct fixture *x = *state;
	struct finding f;

	base_finding(&f);
	open_sink(x, &o);
	x->sink->finding(x->sink->ctx, &f);
	f.verdict = VERDICT_DIRTY;
	f.confidence = CONF_LIKELY;
	f.reuse = REUSE_NONE;
	f.transport = TRANSPORT_UNIX;
	f.protocol = NULL;
	f.unread_bytes = 9;
	strcpy(f.exe_name, "");
	strcpy(f.peer_addr, "@redis");
	strcpy(f.owner_next, "");
	x->sink->finding(x->sink->ctx, &f);
	f.verdict = VERDICT_CLOSED;
	f.confidence = CONF_NONE;
	f.transport = TRANSPORT_TCP;
	f.unread_bytes = 0;
	strcpy(f.peer_addr, "2001:db8::5");
	x->sink->finding(x->sink->ctx, &f);
	f.verdict = VERDICT_UNOBSERVED;
	strcpy(f.reason, "the ring was full");
	x->sink->finding(x->sink->ctx, &f);
	assert_string_equal(x->text,
		"12:00:01.123 REUSED outstanding certain  python3.11[4242]  10.0.0.9:6379 (redis)  "
		"Task-7 → Task-8  owed 1  asked 812 got 811\n"
		"12:00:01.123 DIRTY              likely   python3[4242]     unix:@redis            "
		"Task-7  owed 1  unread 9 B  asked 812 got 811\n"
		"12:00:01.123 closed                      python3[4242]     [2001:db8::5]:6379     "
		"Task-7  owed 1  asked 812 got 811\n"
		"12:00:01.123 unobserved                  python3[4242]     [2001:db8::5]:6379     "
		"Task-7  owed 1  asked 812 got 811  the ring was full\n");
}

static void a_chart_shows_who_waited_and_who_is_handed_the_reply(void **state)
{
	const struct sink_text_opts o = { .show_timeline = true };
	struct fixture *x = *state;
	struct finding f;

	base_finding(&f);
	open_sink(x, &o);
	x->sink->finding(x->sink->ctx, &f);
	assert_string_equal(x->text,
		"12:00:01.123 REUSED outstanding certain  python3.11[4242]  10.0.0.9:6379 (redis)  "
		"Task-7 → Task-8  owed 1  asked 812 got 811\n"
		"     0.000 ms  Task-7 0x7fe446ff3880  ──▶ request 22 B\n"
		"     0.030 ms  Task-7                  ✗  cancelled (by Task-1)\n"
		"     0.107 ms  Task-8 0x7fe446ff37c0  ──▶ request 22 B   "
		"the reply to Task-7 is still on its way: Task-8 will be handed it\n"
		"     0.300 ms                         ◀── 9 B\n"
		"   Why certain: the next request left before the reply arrived\n"
		"   A correct client would have closed this connection when the wait for its reply "
		"ended; this one sent the next request on it.\n"
		"\n");
}

static void the_ascii_chart_has_no_unicode(void **state)
{
	const struct sink_text_opts o = { .show_timeline = true, .ascii = true };
	struct fixture *x = *state;
	struct finding f;

	base_finding(&f);
	f.verdict = VERDICT_DIRTY;
	f.confidence = CONF_LIKELY;
	f.reuse = REUSE_NONE;
	f.residue_bytes = 9;
	strcpy(f.exe_name, "caf\xc3\xa9\xf0\x9f\x90\x8d");
	strcpy(f.reason, "the wait had ended");
	f.timeline[1].what = TL_CANCEL_SEEN;
	f.timeline[2] = (struct timeline_entry){ 1107300, TL_RESIDUE, 9, "", "" };
	f.timeline[3] = (struct timeline_entry){ 1234567890, TL_UNREAD, 5, "", "" };
	f.timeline[4] = (struct timeline_entry){ 1300000000, TL_CLOSE, 0, "", "" };
	f.n_timeline = 5;
	open_sink(x, &o);
	x->sink->finding(x->sink->ctx, &f);
	assert_string_equal(x->text,
		"12:00:01.123 DIRTY              likely   caf\\u00e9\\U0001f40d[4242]  "
		"10.0.0.9:6379 (redis)  Task-7 -> Task-8  owed 1  residue 9 B  asked 812 got 811\n"
		"     0.000 ms  Task-7 0x7fe446ff3880  --> request 22 B\n"
		"     0.030 ms  Task-7                  x  had been cancelled by now\n"
		"     1.107 ms                         <-- 9 B, and nobody waits for them\n"
		"  1234.567 ms                          o  5 B lie unread in the socket\n"
		"  1300.000 ms                          #  connection closed\n"
		"   Why likely: the wait had ended\n"
		"   A correct client would have closed this connection; this one keeps it, and whoever "
		"sends on it next may be handed the old reply.\n"
		"\n");
}

static void the_chart_claims_no_more_than_the_finding(void **state)
{
	static const struct {
		enum reuse_kind reuse;
		enum confidence confidence;
		const char *note;
	} cases[] = {
		{ REUSE_OUTSTANDING, CONF_CERTAIN,
		  "request 22 B   the reply to Task-7 is still on its way: Task-8 will be handed it\n" },
		{ REUSE_OUTSTANDING, CONF_SUSPECT,
		  "request 22 B   the reply to Task-7 is still on its way: Task-8 may be handed it\n" },
		{ REUSE_UNREAD, CONF_CERTAIN,
		  "request 22 B   5 B for Task-7 lie unread: Task-8 will be handed them\n" },
		{ REUSE_RESIDUE, CONF_LIKELY,
		  "request 22 B   9 B for Task-7 lie in a buffer: Task-8 may be handed them\n" },
	};
	const struct sink_text_opts o = { .show_timeline = true };
	struct fixture *x = *state;
	struct finding f;
	size_t i, from;

	open_sink(x, &o);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		from = x->len;
		base_finding(&f);
		f.reuse = cases[i].reuse;
		f.confidence = cases[i].confidence;
		f.unread_bytes = 5;
		f.residue_bytes = 9;
		x->sink->finding(x->sink->ctx, &f);
		assert_non_null(strstr(x->text + from, cases[i].note));
	}
	/* Without a cancellation it is the last request; without owners it is "this request". */
	from = x->len;
	base_finding(&f);
	f.confidence = CONF_SUSPECT;
	f.owner_prev[0] = f.owner_next[0] = '\0';
	f.n_timeline = 2;
	f.timeline[0] = (struct timeline_entry){ 0, TL_REQUEST, 1, "", "" };
	f.timeline[1] = (struct timeline_entry){ 5000, TL_REQUEST, 2, "", "" };
	x->sink->finding(x->sink->ctx, &f);
	assert_non_null(strstr(x->text + from, "     0.000 ms  ──▶ request 1 B\n"));
	assert_non_null(strstr(x->text + from,
		"     0.005 ms  ──▶ request 2 B   the reply to an earlier request is still on its way: "
		"this request may be handed it\n"));
}

static void ones_own_earlier_reply_is_not_handed_to_somebody(void **state)
{
	const struct sink_text_opts o = { .show_timeline = true };
	struct fixture *x = *state;
	struct finding f;

	open_sink(x, &o);
	base_finding(&f);
	f.confidence = CONF_LIKELY;
	strcpy(f.owner_prev, "thread 77");
	strcpy(f.owner_next, "thread 77");
	x->sink->finding(x->sink->ctx, &f);
	assert_non_null(strstr(x->text,
		"the reply to thread 77 is still on its way: it may take that for the reply to this "
		"request\n"));
	assert_null(strstr(x->text, "handed"));
}

static void a_suspect_is_not_told_what_a_correct_client_does(void **state)
{
	const struct sink_text_opts o = { .show_timeline = true };
	struct fixture *x = *state;
	struct finding f;
	size_t from;
	int v;

	open_sink(x, &o);
	for (v = VERDICT_ABANDONED; v < VERDICT_MAX; v++) {
		base_finding(&f);
		f.verdict = (enum verdict)v;
		f.confidence = CONF_SUSPECT;
		from = x->len;
		x->sink->finding(x->sink->ctx, &f);
		assert_non_null(strstr(x->text + from, "Why suspect: "));
		assert_null(strstr(x->text + from, "correct client"));
		f.confidence = CONF_LIKELY;
		x->sink->finding(x->sink->ctx, &f);
		assert_non_null(strstr(x->text + from, "A correct client "));
	}
}

static void owners_of_one_name_are_told_apart(void **state)
{
	static const struct {
		const char *prev, *next, *shown;
	} cases[] = {
		{ "worker 0x7f01", "worker 0x7f02", "  worker 0x7f01 → worker 0x7f02  " },
		{ "worker 0x7f01", "worker 0x7f01", "  worker → worker  " },
		{ "task 0x7f01", "task 0x7f02", "  task 0x7f01 → task 0x7f02  " },
		{ "thread 4242", "thread 4243", "  thread 4242 → thread 4243  " },
		{ "", "Task-8 0x7f02", "  ? → Task-8  " },
		{ "my 0x1 name 0x7f01", "0x7f02", "  my 0x1 name → 0x7f02  " },
	};
	const struct sink_text_opts o = { 0 };
	struct fixture *x = *state;
	struct finding f;
	size_t i, from;

	open_sink(x, &o);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		from = x->len;
		base_finding(&f);
		strcpy(f.owner_prev, cases[i].prev);
		strcpy(f.owner_next, cases[i].next);
		x->sink->finding(x->sink->ctx, &f);
		assert_non_null(strstr(x->text + from, cases[i].shown));
	}
}

static void colours_are_added_and_change_nothing_else(void **state)
{
	const struct sink_text_opts o = { .color = true };
	struct fixture *x = *state;
	struct finding f;

	base_finding(&f);
	open_sink(x, &o);
	x->sink->finding(x->sink->ctx, &f);
	f.verdict = VERDICT_DRAINED;
	f.confidence = CONF_NONE;
	f.reuse = REUSE_NONE;
	f.owner_next[0] = '\0';
	x->sink->finding(x->sink->ctx, &f);
	assert_string_equal(x->text,
		"12:00:01.123 \033[1;31mREUSED outstanding certain\033[0m  python3.11[4242]  "
		"10.0.0.9:6379 (redis)  Task-7 → Task-8  owed 1  asked 812 got 811\n"
		"\033[2m12:00:01.123 drained                     python3.11[4242]  "
		"10.0.0.9:6379 (redis)  Task-7  owed 1  asked 812 got 811\033[0m\n");
}

static void names_of_processes_cannot_drive_the_terminal(void **state)
{
	const struct sink_text_opts o = { .show_timeline = true };
	struct fixture *x = *state;
	struct finding f;
	size_t i, step;
	uint32_t cp;

	base_finding(&f);
	strcpy(f.exe_name, "\x1b]0;x\x07");
	strcpy(f.peer_addr, "/tmp/\n\xff.sock");
	strcpy(f.owner_prev, "\xe2\x80\xae" "evil");
	strcpy(f.timeline[0].owner, "\xc2\x9b" "2J");
	strcpy(f.timeline[1].by, "\r");
	strcpy(f.reason, "\x1b[2J");
	f.transport = TRANSPORT_UNIX;
	open_sink(x, &o);
	x->sink->finding(x->sink->ctx, &f);
	for (i = 0; i < x->len; i += step) {
		step = escape_decode(x->text + i, x->len - i, &cp);
		assert_true(step > 0);
		assert_true(cp == '\n' || !escape_is_hidden(cp));
	}
	assert_non_null(strstr(x->text, "\\x1b]0;x\\x07[4242]"));
	assert_non_null(strstr(x->text, "unix:/tmp/\\x0a\\xff.sock"));
	assert_non_null(strstr(x->text, "\\u202eevil → Task-8"));
	assert_non_null(strstr(x->text, "cancelled (by \\x0d)"));
}

static void the_longest_names_do_no_harm(void **state)
{
	const struct sink_text_opts o = { .show_timeline = true, .color = true };
	struct finding *f = malloc(sizeof(*f));
	struct fixture *x = *state;
	size_t i;

	assert_non_null(f);
	base_finding(f);
	/* Every string full of bytes that grow fourfold, and not one of them terminated. */
	memset(f->exe_name, 0xff, sizeof(f->exe_name));
	memset(f->peer_addr, 0xff, sizeof(f->peer_addr));
	memset(f->owner_prev, 0xff, sizeof(f->owner_prev));
	memset(f->owner_next, 0xfe, sizeof(f->owner_next));
	memset(f->reason, 0xff, sizeof(f->reason));
	for (i = 0; i < TIMELINE_MAX; i++) {
		f->timeline[i].what = (enum timeline_what)(i % (TL_MAX + 1));
		memset(f->timeline[i].owner, (int)(0x80 + i), OWNER_TEXT);
		memset(f->timeline[i].by, 0xff, OWNER_TEXT);
	}
	f->n_timeline = 1000;
	open_sink(x, &o);
	x->sink->finding(x->sink->ctx, f);
	free(f);
	assert_non_null(strstr(x->text, "asked 812 got 811\n"));
	assert_int_equal(x->sink->failures(x->sink->ctx), 0);
}

static void start_runtime_ledger_and_loss_are_a_line_each(void **state)
{
	static const char *const hooks[] = { "a", "b", NULL };
	const struct start_info start = { .time_ns = MONO, .version = "0.1", .kernel = "6.18.0", .tier = "tp_btf", .hooks = hooks, .filters = "port 6379", .command = "./app", .degraded = 1u << DEGRADED_LOCKDOWN | 1u << DEGRADED_YAMA };
	const struct runtime_report rt = { .time_ns = MONO, .pid = 7, .comm = "python3", .runtime = "cpython", .version = "3.11", .module = "m.so", .evidence = "memory", .note = "why" };
	const struct socket_report so = {
		.time_ns = MONO, .pid = 7, .comm = "app", .peer_addr = "10.0.0.9", .peer_port = 6379,
		.requests = 3, .replies = 2, .tx_bytes = 99, .rx_bytes = 50,
		.adopted = true, .open = true, .multiplexed = true, .unobserved = true,
	};
	const struct sink_text_opts o = { 0 };
	struct fixture *x = *state;

	open_sink(x, &o);
	x->sink->start(x->sink->ctx, &start);
	x->sink->runtime(x->sink->ctx, &rt);
	x->sink->socket(x->sink->ctx, &so);
	x->sink->lost(x->sink->ctx, MONO, LOSS_RING_FULL, 4, 40);
	assert_string_equal(x->text,
		"mispair 0.1 on Linux 6.18.0, tp_btf hooks (2), only port 6379, in part: lockdown yama, "
		"running ./app\n"
		"12:00:01.123 runtime                     python3[7]        cpython 3.11  "
		"evidence: memory  (why)\n"
		"12:00:01.123 ledger open                 app[7]            10.0.0.9:6379          "
		"asked 3 got 2  sent 99 B received 50 B  adopted  multiplexed  unobserved\n"
		"12:00:01.123 LOST ring_full              4 now, 40 in all: "
		"events did not fit into the ring buffer; this hides the connections of these "
		"events, which are called unobserved\n");
	assert_null(x->sink->stats);
}

static void the_summary_counts_and_names_what_was_lost(void **state)
{
	const struct sink_text_opts o = { 0 };
	struct stop_info stop = { .time_ns = MONO, .reason = "command exited", .command_status = 3 << 8 };
	struct fixture *x = *state;

	stop.stats.sockets_total = 15;
	stop.stats.sockets_tracked = 12;
	stop.stats.sockets_adopted = 3;
	stop.stats.requests = 812;
	stop.stats.replies = 811;
	stop.stats.cancellations = 7;
	stop.stats.findings[VERDICT_REUSED][CONF_CERTAIN] = 1;
	stop.stats.findings[VERDICT_DIRTY][CONF_LIKELY] = 20;
	stop.stats.findings[VERDICT_DIRTY][CONF_SUSPECT] = 3;
	stop.stats.findings[VERDICT_CLOSED][CONF_NONE] = 5;
	stop.stats.findings[VERDICT_DRAINED][CONF_NONE] = 6;
	stop.stats.findings[VERDICT_UNOBSERVED][CONF_NONE] = 2;
	stop.stats.lost[LOSS_RING_FULL] = 40;
	stop.stats.lost[LOSS_SINK] = 1;
	open_sink(x, &o);
	x->sink->stop(x->sink->ctx, &stop);
	assert_string_equal(x->text,
		"\n"
		"mispair summary, ended: command exited\n"
		"  command        exited with status 3\n"
		"  sockets        15 seen, 12 still tracked, 3 were open before the start\n"
		"  exchanges      812 requests, 811 replies\n"
		"  cancellations  7\n"
		"  findings            certain      likely     suspect\n"
		"    REUSED                  1           0           0\n"
		"    DIRTY                   0          20           3\n"
		"  good endings   5 closed, 6 drained\n"
		"  unobserved     2\n"
		"  LOST                     40  ring_full: events did not fit into the ring buffer; "
		"this hides the connections of these events, which are called unobserved\n"
		"                            1  sink: lines of output could not be written\n"
		"                 Sockets that this concerns are called unobserved; findings on them may "
		"be missing.\n");
}

static void an_empty_summary_says_so(void **state)
{
	const struct sink_text_opts o = { 0 };
	const struct stop_info stop = { .reason = "signal", .command_status = SIGTERM };
	struct fixture *x = *state;

	open_sink(x, &o);
	x->sink->stop(x->sink->ctx, &stop);
	assert_string_equal(x->text,
		"\n"
		"mispair summary, ended: signal\n"
		"  command        was killed by signal 15\n"
		"  sockets        0 seen, 0 still tracked, 0 were open before the start\n"
		"  exchanges      0 requests, 0 replies\n"
		"  cancellations  0\n"
		"  findings       none\n"
		"  good endings   0 closed, 0 drained\n"
		"  unobserved     0\n"
		"  lost           nothing\n");
}

static void the_summary_tells_nothing_found_from_could_not_look(void **state)
{
	static const struct coverage_group groups[] = {
		{ { COVERAGE_BLIND, COVERED_UNREADABLE }, "odd\x1b", "", 1 },
		{ { COVERAGE_THREAD, COVERED_NO_OWNERS }, "node", "node", 3 },
		{ { COVERAGE_THREAD, COVERED_NO_OWNERS }, "ruby3.1", "ruby", 1 },
		{ { COVERAGE_THREAD, COVERED_LOOP }, "a", "", 1 },
		{ { COVERAGE_THREAD, COVERED_LOOP }, "b", "", 1 },
		{ { COVERAGE_FULL, COVERED_THREADS }, "curl", "", 9 },
	};
	const struct sink_text_opts o = { 0 };
	struct stop_info stop = { .reason = "end", .command_status = -1, .groups = groups,
				  .n_groups = sizeof(groups) / sizeof(*groups) };
	struct fixture *x = *state;

	stop.stats.coverage.all[COVERAGE_FULL] = 1;
	open_sink(x, &o);
	x->sink->stop(x->sink->ctx, &stop);
	assert_non_null(strstr(x->text, "  findings       none\n"));
	assert_non_null(strstr(x->text,
		"  watched        1 process in full, 0 by thread only, 0 blind\n"
		"  lost           nothing\n"));
	stop.stats.coverage.all[COVERAGE_FULL] = 9;
	stop.stats.coverage.all[COVERAGE_THREAD] = 6;
	x->sink->stop(x->sink->ctx, &stop);
	assert_non_null(strstr(x->text,
		"  findings       none; where only threads are watched, tasks may hide some\n"));
	stop.stats.coverage.all[COVERAGE_BLIND] = 1;
	x->sink->stop(x->sink->ctx, &stop);
	assert_non_null(strstr(x->text, "  findings       none where it could look: see `watched`\n"));
	assert_non_null(strstr(x->text,
		"  watched        9 processes in full, 6 by thread only, 1 blind\n"
		"                 blind: odd\\x1b (its mappings could not be read)\n"
		"                 by thread only: node x3 (its tasks are not known as owners), "
		"ruby3.1 (its tasks are not known as owners), a (an event loop may work for many), "
		"1 more\n"
		"  lost           nothing\n"));
}

static void quiet_keeps_findings_and_losses(void **state)
{
	const struct start_info start = { .version = "0.1" };
	const struct sink_text_opts o = { .quiet = true };
	const struct runtime_report rt = { .pid = 7 };
	const struct socket_report so = { .pid = 7 };
	struct stop_info stop = { .command_status = -1 };
	struct fixture *x = *state;
	struct finding f;

	open_sink(x, &o);
	base_finding(&f);
	f.verdict = VERDICT_CLOSED;
	x->sink->start(x->sink->ctx, &start);
	x->sink->runtime(x->sink->ctx, &rt);
	x->sink->socket(x->sink->ctx, &so);
	x->sink->finding(x->sink->ctx, &f);
	x->sink->stop(x->sink->ctx, &stop);
	fflush(x->out);
	assert_int_equal(x->len, 0);
	stop.stats.lost[LOSS_SINK] = 1;
	f.verdict = VERDICT_ABANDONED;
	f.reuse = REUSE_NONE;
	x->sink->finding(x->sink->ctx, &f);
	x->sink->lost(x->sink->ctx, MONO, LOSS_SINK, 1, 1);
	x->sink->stop(x->sink->ctx, &stop);
	assert_string_equal(x->text,
		"12:00:01.123 ABANDONED          certain  python3.11[4242]  10.0.0.9:6379 (redis)  "
		"Task-7 → Task-8  owed 1  asked 812 got 811\n"
		"12:00:01.123 LOST sink                   1 now, 1 in all: "
		"lines of output could not be written\n"
		"  LOST                      1  sink: lines of output could not be written\n");
}

/* clang-format on */

static void a_full_device_counts_one_failure_an_event(void **state)
{
	const struct sink_text_opts o = {.show_timeline = true};
	FILE *full = fopen("/dev/full", "w");
	struct fixture *x = *state;
	struct finding f;

	assert_non_null(full);
	base_finding(&f);
	x->sink = sink_text_new(full, &o);
	assert_non_null(x->sink);
	x->sink->finding(x->sink->ctx, &f);
	assert_int_equal(x->sink->failures(x->sink->ctx), 1);
	x->sink->finding(x->sink->ctx, &f);
	assert_int_equal(x->sink->failures(x->sink->ctx), 2);
	assert_false(sink_text_closed(x->sink));
	fclose(full);
}

static void a_reader_that_leaves_ends_the_text_quietly(void **state)
{
	const struct sink_text_opts o = {0};
	struct fixture *x = *state;
	struct finding f;
	FILE *out;
	int p[2];

	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe(p), 0);
	out = fdopen(p[1], "w");
	assert_non_null(out);
	base_finding(&f);
	x->sink = sink_text_new(out, &o);
	assert_non_null(x->sink);
	x->sink->finding(x->sink->ctx, &f);
	assert_false(sink_text_closed(x->sink));
	close(p[0]);
	x->sink->finding(x->sink->ctx, &f);
	assert_true(sink_text_closed(x->sink));
	x->sink->finding(x->sink->ctx, &f);
	assert_int_equal(x->sink->failures(x->sink->ctx), 0);
	fclose(out);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* Eleven processes of one runtime, and one of which something else is known: how many lines. */
static size_t runtime_lines(struct fixture *x, const char *command)
{
	const struct start_info start = {.time_ns = MONO, .version = "0.1", .command = command};
	struct runtime_report rt = {.time_ns = MONO,
				    .comm = "go",
				    .runtime = "go",
				    .version = "1.24",
				    .evidence = "memory"};
	const struct sink_text_opts o = {0};
	size_t lines = 0;
	const char *at;

	open_sink(x, &o);
	x->sink->start(x->sink->ctx, &start);
	for (rt.pid = 1; rt.pid <= 11; rt.pid++)
		x->sink->runtime(x->sink->ctx, &rt);
	strcpy(rt.note, "no symbols");
	x->sink->runtime(x->sink->ctx, &rt);
	for (at = x->text; (at = strstr(at, " runtime ")); at++)
		lines++;
	return lines;
}

static void a_runtime_is_a_line_once_under_run(void **state)
{
	assert_int_equal(runtime_lines(*state, "go test"), 2);
}

static void a_runtime_is_a_line_for_each_process_of_a_host(void **state)
{
	assert_int_equal(runtime_lines(*state, NULL), 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_finding_is_one_line),
		TEST(columns_stay_below_each_other),
		TEST(a_chart_shows_who_waited_and_who_is_handed_the_reply),
		TEST(the_ascii_chart_has_no_unicode),
		TEST(the_chart_claims_no_more_than_the_finding),
		TEST(owners_of_one_name_are_told_apart),
		TEST(colours_are_added_and_change_nothing_else),
		TEST(names_of_processes_cannot_drive_the_terminal),
		TEST(the_longest_names_do_no_harm),
		TEST(start_runtime_ledger_and_loss_are_a_line_each),
		TEST(a_runtime_is_a_line_once_under_run),
		TEST(a_runtime_is_a_line_for_each_process_of_a_host),
		TEST(the_summary_counts_and_names_what_was_lost),
		TEST(an_empty_summary_says_so),
		TEST(the_summary_tells_nothing_found_from_could_not_look),
		TEST(ones_own_earlier_reply_is_not_handed_to_somebody),
		TEST(a_suspect_is_not_told_what_a_correct_client_does),
		TEST(quiet_keeps_findings_and_losses),
		TEST(a_full_device_counts_one_failure_an_event),
		TEST(a_reader_that_leaves_ends_the_text_quietly),
	};

	/* Times are shown as people's clocks show them; the expected lines were written for UTC. */
	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
