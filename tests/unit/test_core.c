// SPDX-License-Identifier: GPL-2.0-or-later
/* The core's own work: names, counts, losses, gaps. What it is told, it tells the sinks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core.h"

#define PID    4242
#define ID     6
#define COOKIE 77

struct heard {
	int starts, findings, each, lost, stats, stops, covered;
	struct coverage_report cover;
	size_t groups;
	struct finding finding;
	struct run_stats last;
	char host[65], reason[64];
	uint64_t lost_count, lost_total;
	struct throttled_report throttled;
};

struct fixture {
	struct heard heard;
	struct sink sink;
	struct sinks sinks;
	struct core *core;
	int told;
};

static void on_start(void *ctx, const struct start_info *i)
{
	struct heard *h = ctx;

	h->starts++;
	strncpy(h->host, i->host, sizeof(h->host) - 1);
}

static void on_finding(void *ctx, const struct finding *f)
{
	struct heard *h = ctx;

	h->findings++;
	h->finding = *f;
}

static void on_each_finding(void *ctx, const struct finding *f)
{
	(void)f;
	((struct heard *)ctx)->each++;
}

static void on_throttled(void *ctx, const struct throttled_report *r)
{
	((struct heard *)ctx)->throttled = *r;
}

static void on_stats(void *ctx, const struct run_stats *s)
{
	struct heard *h = ctx;

	h->stats++;
	h->last = *s;
}

static void on_lost(void *ctx, uint64_t now, enum loss cause, uint64_t count, uint64_t total)
{
	struct heard *h = ctx;

	(void)now;
	(void)cause;
	h->lost++;
	h->lost_count = count;
	h->lost_total = total;
}

static void on_coverage(void *ctx, const struct coverage_report *r)
{
	struct heard *h = ctx;

	h->covered++;
	h->cover = *r;
}

static void on_stop(void *ctx, const struct stop_info *s)
{
	struct heard *h = ctx;

	h->groups = s->n_groups;
	h->stops++;
	h->last = s->stats;
	strncpy(h->reason, s->reason, sizeof(h->reason) - 1);
}

static void tell(void *ctx, const struct finding *f)
{
	(void)f;
	++*(int *)ctx;
}

static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));
	struct core_opts o = {.fail_on = VERDICT_REUSED, .finding = tell};

	if (!x)
		return -1;
	x->sink = (struct sink){.ctx = &x->heard,
				.start = on_start,
				.finding = on_finding,
				.coverage = on_coverage,
				.stats = on_stats,
				.lost = on_lost,
				.stop = on_stop};
	x->sinks.list[x->sinks.n++] = &x->sink;
	o.sinks = &x->sinks;
	o.ctx = &x->told;
	x->core = core_new(&o);
	*state = x;
	return x->core ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	core_free(x->core);
	free(x);
	return 0;
}

static void start(struct fixture *x, bool continued)
{
	struct item_start fixed = {.continued = continued};
	struct start_info info = {.version = "1", .host = "h1"};
	static char body[ITEM_BODY_MAX] __attribute__((aligned(8)));
	size_t len = item_start_write(body, sizeof(body), &fixed, &info);

	assert_true(len > 0);
	core_input(x->core, ITEM_START, 1, body, len);
}

/* A reuse that the ledger proves: cancelled by name, and nothing has come back. */
static void reuse_on(struct fixture *x, uint64_t cookie, uint32_t id, uint64_t now)
{
	struct ev_step e = {
		.head = {.kind = EV_STEP, .size = sizeof(e), .ts = now, .tgid = PID, .tid = PID},
		.cookie = cookie,
		.l = {.requests = 9,
		      .replies = 8,
		      .req_ns = now - 5,
		      .clean = 1000,
		      .waits = 1000,
		      .flags = LEDGER_SELF_READ},
		.in = {.now = now,
		       .step = STEP_SEND,
		       .prior = WAIT_CANCELLED,
		       .what = LE_REUSED | LE_REQUEST,
		       .bytes = 7},
		.addr = {.family = 2, .peer_port = 6379},
	};

	e.l.owner = (struct owner){.tgid = PID,
				   .id = id,
				   .tid = PID,
				   .kind = OWNER_TASK,
				   .verified = 1,
				   .task = 0x1000};
	e.who = e.l.owner;
	e.who.task = 0x2000;
	core_input(x->core, ITEM_EVENT, now, &e, sizeof(e));
	/* It was no farewell. */
	e.l.owner = e.who;
	e.in = (struct ledger_in){.now = now, .step = STEP_RECV, .what = LE_REPLY, .bytes = 5};
	core_input(x->core, ITEM_EVENT, now, &e, sizeof(e));
}

static void reuse_by(struct fixture *x, uint32_t id, uint64_t now)
{
	reuse_on(x, COOKIE, id, now);
}

static void reuse(struct fixture *x, uint64_t now)
{
	reuse_by(x, ID, now);
}

static void happens(struct fixture *x, enum event_kind kind, uint32_t id, uint64_t now)
{
	struct ev_head h = {.kind = kind, .size = sizeof(h), .ts = now, .tgid = PID, .id = id};

	core_input(x->core, ITEM_EVENT, now, &h, sizeof(h));
}

static void passes(struct fixture *x, uint64_t now)
{
	core_input(x->core, ITEM_ROUND, now, NULL, 0);
	core_input(x->core, ITEM_ROUND_END, now, NULL, 0);
}

static void process_with_id(struct fixture *x, uint32_t id, const char *exe)
{
	struct item_process p = {.pid = PID, .id = id};

	strncpy(p.info.exe_name, exe, sizeof(p.info.exe_name) - 1);
	core_input(x->core, ITEM_PROCESS, 2, &p, sizeof(p));
}

static void process(struct fixture *x, const char *exe)
{
	process_with_id(x, ID, exe);
}

static void a_finding_has_the_name_that_was_told_before(void **state)
{
	struct fixture *x = *state;

	start(x, false);
	assert_string_equal(x->heard.host, "h1");
	assert_false(core_knows(x->core, PID, ID));
	process(x, "python3.11");
	assert_true(core_knows(x->core, PID, ID));
	reuse(x, 1000);
	assert_int_equal(x->heard.findings, 1);
	assert_int_equal(x->told, 1);
	assert_string_equal(x->heard.finding.exe_name, "python3.11");
	assert_string_equal(x->heard.finding.protocol, "redis");
	assert_true(x->heard.finding.confidence >= CONF_LIKELY);
	assert_true(core_failed_on(x->core));
}

static void a_name_outlives_its_process_for_a_while(void **state)
{
	struct fixture *x = *state;

	start(x, false);
	process(x, "python3.11");
	happens(x, EV_EXIT, ID, 1000);
	assert_true(core_knows(x->core, PID, ID));
	reuse(x, 2000);
	assert_string_equal(x->heard.finding.exe_name, "python3.11");
	passes(x, 2500000000ULL);
	assert_true(core_knows(x->core, PID, ID));
	passes(x, 9000000000ULL);
	assert_false(core_knows(x->core, PID, ID));
	assert_int_equal(core_process_count(x->core), 0);
}

static void the_name_of_one_process_is_never_on_the_finding_of_another_with_its_pid(void **state)
{
	struct fixture *x = *state;

	start(x, false);
	process_with_id(x, 5, "bash");
	happens(x, EV_EXIT, 5, 1000);
	reuse_by(x, 6, 2000);
	assert_string_equal(x->heard.finding.exe_name, "");
	process_with_id(x, 6, "python3.11");
	reuse_on(x, COOKIE + 1, 6, 3000);
	assert_string_equal(x->heard.finding.exe_name, "python3.11");
}

/* To a sink that shows connections, to who is told after the sinks, and to totals, each counts. */
static void a_finding_that_is_repeated_is_told_once_and_counted(void **state)
{
	struct item_stop stop = {.command_status = -1, .reason = "end"};
	struct fixture *x = *state;
	uint64_t reused = 0;
	int i;

	start(x, false);
	x->sink.each_finding = on_each_finding;
	for (i = 0; i < 50; i++)
		reuse(x, 1000 + (uint64_t)i * 1000);
	assert_int_equal(x->heard.findings, 1);
	assert_int_equal(x->heard.each, 50);
	assert_int_equal(x->told, 50);
	core_input(x->core, ITEM_FINISH, 100000, NULL, 0);
	core_input(x->core, ITEM_STOP, 100000, &stop, sizeof(stop));
	assert_int_equal(x->heard.findings, 2);
	assert_true(x->heard.finding.update);
	assert_int_equal(x->heard.finding.count, 49);
	assert_int_equal(x->heard.finding.total, 50);
	for (i = 0; i < CONF_MAX; i++)
		reused += x->heard.last.findings[VERDICT_REUSED][i];
	assert_int_equal(reused, 50);
}

/* What is told with its process is not told again by the sum, which may be older. */
static void what_a_process_has_lost_is_told_with_it_and_once(void **state)
{
	struct item_throttled t = {
		.pid = PID, .id = ID, .uid = 65534, .count = 30, .comm = "flood"};
	struct item_sample s = {0};
	struct fixture *x = *state;

	start(x, false);
	x->sink.throttled = on_throttled;
	process(x, "flooder");
	core_input(x->core, ITEM_THROTTLED, 1000, &t, sizeof(t));
	assert_int_equal(x->heard.throttled.count, 30);
	assert_int_equal(x->heard.throttled.total, 30);
	assert_int_equal(x->heard.throttled.pid, PID);
	assert_int_equal(x->heard.throttled.uid, 65534);
	assert_string_equal(x->heard.throttled.exe_name, "flooder");
	s.lost[LOSS_THROTTLED] = 28;
	core_input(x->core, ITEM_SAMPLE, 1001, &s, sizeof(s));
	assert_int_equal(x->heard.lost, 0);
	assert_true(core_lost(x->core));
	/* Five that nobody could be named for. */
	s.lost[LOSS_THROTTLED] = 35;
	core_input(x->core, ITEM_SAMPLE, 2000, &s, sizeof(s));
	assert_int_equal(x->heard.lost, 1);
	assert_int_equal(x->heard.lost_count, 5);
	assert_int_equal(x->heard.lost_total, 35);
	/* A process of which nothing else is known has the name that the kernel told. */
	t.pid = PID + 1;
	t.count = 1;
	core_input(x->core, ITEM_THROTTLED, 3000, &t, sizeof(t));
	assert_string_equal(x->heard.throttled.comm, "flood");
	assert_string_equal(x->heard.throttled.exe_name, "");
	assert_int_equal(x->heard.throttled.total, 36);
}

static void after_an_exec_both_programs_keep_their_names(void **state)
{
	struct fixture *x = *state;

	start(x, false);
	process_with_id(x, 5, "bash");
	happens(x, EV_EXEC, 6, 1000);
	process_with_id(x, 6, "python3.11");
	/* What the first program left behind is told after the second has begun. */
	reuse_by(x, 5, 2000);
	assert_string_equal(x->heard.finding.exe_name, "bash");
	reuse_by(x, 6, 3000);
	assert_string_equal(x->heard.finding.exe_name, "python3.11");
	passes(x, 9000000000ULL);
	assert_false(core_knows(x->core, PID, 5));
	assert_true(core_knows(x->core, PID, 6));
}

static void an_answer_about_an_older_process_does_not_replace_the_one_that_lives(void **state)
{
	struct fixture *x = *state;

	start(x, false);
	process_with_id(x, 6, "python3.11");
	process_with_id(x, 5, "bash");
	happens(x, EV_EXIT, 5, 1000);
	passes(x, 9000000000ULL);
	assert_true(core_knows(x->core, PID, 6));
	assert_false(core_knows(x->core, PID, 5));
	reuse_by(x, 6, 9000001000ULL);
	assert_string_equal(x->heard.finding.exe_name, "python3.11");
}

static void an_exit_with_another_id_is_somebody_elses(void **state)
{
	struct fixture *x = *state;

	start(x, false);
	process_with_id(x, 6, "python3.11");
	happens(x, EV_EXIT, 4, 1000);
	passes(x, 9000000000ULL);
	assert_true(core_knows(x->core, PID, 6));
}

static void a_child_is_called_what_its_parent_is_until_it_execs(void **state)
{
	struct ev_fork f = {
		.head = {.kind = EV_FORK, .size = sizeof(f), .ts = 500, .tgid = PID + 1, .id = 5},
		.child = PID,
		.child_id = 7};
	struct item_process parent = {.pid = PID + 1, .id = 5, .info.exe_name = "gunicorn"};
	struct fixture *x = *state;

	start(x, false);
	core_input(x->core, ITEM_PROCESS, 2, &parent, sizeof(parent));
	core_input(x->core, ITEM_EVENT, 500, &f, sizeof(f));
	reuse_by(x, 7, 2000);
	assert_string_equal(x->heard.finding.exe_name, "gunicorn");
	happens(x, EV_EXEC, 8, 3000);
	reuse_by(x, 8, 4000);
	assert_string_equal(x->heard.finding.exe_name, "");
}

static void note_swept(void *ctx, uint32_t pid, uint32_t id)
{
	unsigned int *n = ctx;

	(void)pid;
	assert_int_equal(id, 6);
	++*n;
}

static void a_sweep_meets_each_process_whose_end_was_not_told(void **state)
{
	struct fixture *x = *state;
	unsigned int met = 0;
	int i;

	start(x, false);
	process_with_id(x, 5, "gone");
	happens(x, EV_EXIT, 5, 1000);
	process_with_id(x, 6, "lives");
	/* One at a time, and over the end: each second call meets the one that lives. */
	for (i = 0; i < 6; i++)
		core_sweep(x->core, 1, note_swept, &met);
	assert_in_range(met, 2, 3);
	core_sweep(x->core, 1, note_swept, &met);
	passes(x, 9000000000ULL);
	met = 0;
	for (i = 0; i < 4; i++)
		core_sweep(x->core, 1, note_swept, &met);
	assert_in_range(met, 2, 4);
}

static void sample(struct fixture *x, uint64_t sink_lost)
{
	struct item_sample s = {.cpu_ns = 55};

	s.counters[CNT_SOCKETS] = 3;
	s.counters[CNT_REQUESTS] = 100;
	s.lost[LOSS_SINK] = sink_lost;
	core_input(x->core, ITEM_SAMPLE, 3, &s, sizeof(s));
}

static void what_was_lost_more_is_told_once(void **state)
{
	struct fixture *x = *state;

	start(x, false);
	sample(x, 0);
	assert_int_equal(x->heard.lost, 0);
	sample(x, 5);
	sample(x, 5);
	assert_int_equal(x->heard.lost, 1);
	sample(x, 7);
	assert_int_equal(x->heard.lost, 2);
	assert_int_equal(x->heard.lost_count, 2);
	assert_int_equal(x->heard.lost_total, 7);
	assert_true(core_lost(x->core));
}

static void a_recording_that_begins_in_the_middle_lost_nothing_before(void **state)
{
	struct fixture *x = *state;

	start(x, true);
	sample(x, 5);
	assert_int_equal(x->heard.lost, 0);
	sample(x, 6);
	assert_int_equal(x->heard.lost_count, 1);
}

static void stats_add_open_connections_to_ended_ones(void **state)
{
	struct item_row row = {.row = {.cookie = 1, .l = {.requests = 20, .replies = 19}}};
	struct fixture *x = *state;
	int i;

	start(x, false);
	sample(x, 0);
	for (i = 0; i < 3; i++) {
		core_input(x->core, ITEM_ROUND, 4, NULL, 0);
		core_input(x->core, ITEM_ROW, 4, &row, sizeof(row));
		row.row.cookie = 2;
		core_input(x->core, ITEM_ROW, 4, &row, sizeof(row));
		core_input(x->core, ITEM_ROUND_END, 4, NULL, 0);
	}
	core_input(x->core, ITEM_STATS, 5, NULL, 0);
	assert_int_equal(x->heard.last.sockets_tracked, 2);
	assert_int_equal(x->heard.last.sockets_total, 3);
	assert_int_equal(x->heard.last.requests, 140);
	assert_int_equal(x->heard.last.replies, 38);
	assert_int_equal(x->heard.last.cpu_ns, 55);
}

/* ---- a sink that keeps rows ---- */

struct keeper {
	uint64_t every;
	int rows, kept, ends;
	uint64_t gone;
};

static void keeper_row(void *ctx, const struct view_source_row *row)
{
	(void)row;
	((struct keeper *)ctx)->rows++;
}

static void keeper_end(void *ctx, const struct run_stats *s)
{
	(void)s;
	((struct keeper *)ctx)->ends++;
}

static uint64_t keeper_every(void *ctx)
{
	return ((struct keeper *)ctx)->every;
}

static void keeper_gone(void *ctx, uint64_t cookie)
{
	((struct keeper *)ctx)->gone = cookie;
}

static void keeper_kept(void *ctx)
{
	((struct keeper *)ctx)->kept++;
}

static void one_pass(struct fixture *x, uint64_t now, uint64_t kept)
{
	struct item_row row = {.row = {.cookie = 1, .l = {.requests = 20, .replies = 19}}};
	struct item_kept k = {.sockets = kept, .requests = 10 * kept, .replies = 9 * kept};

	core_input(x->core, ITEM_ROUND, now, NULL, 0);
	core_input(x->core, ITEM_ROW, now, &row, sizeof(row));
	if (kept)
		core_input(x->core, ITEM_KEPT, now, &k, sizeof(k));
	core_input(x->core, ITEM_ROUND_END, now, NULL, 0);
	sample(x, 0);
}

static void what_moved_is_told_in_every_pass_and_a_round_in_its_turn(void **state)
{
	struct keeper keeper = {.every = 1000000000};
	struct sink sink = {.ctx = &keeper,
			    .row = keeper_row,
			    .round_end = keeper_end,
			    .refresh_ns = keeper_every,
			    .row_gone = keeper_gone,
			    .rows_kept = keeper_kept};
	const struct item_gone gone = {.cookie = 7};
	struct fixture *x = *state;
	uint64_t now = 5000000000;

	x->sinks.list[x->sinks.n++] = &sink;
	start(x, false);
	assert_true(core_rows_shown(x->core));
	one_pass(x, now, 0);
	assert_int_equal(keeper.rows, 1);
	/* Not its turn: the row is told, the round is not. */
	one_pass(x, now + 500000000, 3);
	assert_int_equal(keeper.rows, 2);
	assert_int_equal(keeper.ends, 1);
	assert_int_equal(keeper.kept, 1);
	one_pass(x, now + keeper.every, 3);
	assert_int_equal(keeper.ends, 2);
	assert_int_equal(keeper.kept, 2);
	core_input(x->core, ITEM_GONE, now, &gone, sizeof(gone));
	assert_int_equal(keeper.gone, 7);
}

static void what_a_pass_left_out_is_counted(void **state)
{
	struct fixture *x = *state;

	start(x, false);
	one_pass(x, 4, 5);
	one_pass(x, 5, 5);
	core_input(x->core, ITEM_STATS, 6, NULL, 0);
	assert_int_equal(x->heard.last.sockets_tracked, 6);
	assert_int_equal(x->heard.last.requests, 100 + 20 + 50);
	assert_int_equal(x->heard.last.replies, 19 + 45);
}

static void a_gap_forgets_suspects_and_keeps_the_counts(void **state)
{
	struct fixture *x = *state;
	struct item_stop stop = {.command_status = -1, .reason = "end"};
	uint64_t reused = 0;
	int k;

	start(x, false);
	reuse(x, 1000);
	core_input(x->core, ITEM_GAP, 2000, NULL, 0);
	reuse(x, 3000);
	core_input(x->core, ITEM_FINISH, 4000, NULL, 0);
	core_input(x->core, ITEM_STOP, 4000, &stop, sizeof(stop));
	assert_int_equal(x->heard.findings, 2);
	for (k = 0; k < CONF_MAX; k++)
		reused += x->heard.last.findings[VERDICT_REUSED][k];
	assert_int_equal(reused, 2);
	assert_string_equal(x->heard.reason, "end");
	assert_true(core_stopped(x->core));
	/* The story of the second begins after the gap. */
	assert_int_equal(x->heard.finding.timeline[0].at_ns, 0);
	assert_true(x->heard.finding.n_timeline <= 3);
}

/* ---- how far processes are watched ---- */

static void cover(struct fixture *x, uint32_t id, uint32_t state, uint32_t bits, uint64_t now)
{
	const struct item_coverage i = {
		.pid = PID, .id = id, .facts = {.state = state, .bits = bits}};

	core_input(x->core, ITEM_COVERAGE, now, &i, sizeof(i));
}

static void a_process_is_covered_as_its_facts_say_and_under_its_name(void **state)
{
	struct fixture *x = *state;
	struct item_stop stop = {.command_status = -1};

	start(x, false);
	process(x, "python3.11");
	cover(x, ID, RT_READY, FACT_PROVED, 10);
	core_input(x->core, ITEM_TICK, 2000000000ULL, NULL, 0);
	assert_int_equal(x->heard.covered, 1);
	assert_string_equal(x->heard.cover.name, "python3.11");
	assert_int_equal(x->heard.cover.now.reason, COVERED_TASKS);
	assert_false(core_blind(x->core));
	/* An end that came unseen is told by an exec of the same number. */
	happens(x, EV_EXEC, ID + 1, 3000000000ULL);
	cover(x, ID + 1, RT_NONE, FACT_UNREADABLE, 3000000001ULL);
	assert_true(core_blind(x->core));
	core_input(x->core, ITEM_FINISH, 3000000002ULL, NULL, 0);
	core_input(x->core, ITEM_STOP, 3000000002ULL, &stop, sizeof(stop));
	assert_int_equal(x->heard.covered, 2);
	assert_int_equal(x->heard.last.coverage.all[COVERAGE_FULL], 1);
	assert_int_equal(x->heard.last.coverage.now[COVERAGE_FULL], 0);
	assert_int_equal(x->heard.last.coverage.now[COVERAGE_BLIND], 1);
	assert_int_equal(x->heard.groups, 2);
}

static void a_process_is_blind_until_one_of_its_adopted_connections_is_at_rest(void **state)
{
	struct item_row r = {.row.l = {.flags = LEDGER_ADOPTED}};
	struct coverage_counts n;
	struct run_stats s;
	struct fixture *x = *state;

	start(x, false);
	process(x, "java");
	cover(x, ID, RT_NONE, 0, 10);
	r.row.l.owner.tgid = PID;
	r.row.l.owner.id = ID;
	core_input(x->core, ITEM_ROUND, 20, NULL, 0);
	core_input(x->core, ITEM_ROW, 20, &r, sizeof(r));
	core_input(x->core, ITEM_ROUND_END, 20, NULL, 0);
	assert_true(core_blind(x->core));
	r.row.l.flags |= LEDGER_SYNCED;
	core_input(x->core, ITEM_ROUND, 30, NULL, 0);
	core_input(x->core, ITEM_ROW, 30, &r, sizeof(r));
	core_input(x->core, ITEM_ROUND_END, 30, NULL, 0);
	assert_false(core_blind(x->core));
	core_stats(x->core, 40, &s);
	n = s.coverage;
	assert_int_equal(n.all[COVERAGE_FULL], 1);
}

static void count_facts(void *ctx, const struct item_coverage *i)
{
	assert_int_equal(i->pid, PID);
	assert_int_equal(i->facts.state, RT_READY);
	++*(int *)ctx;
}

static void facts_of_what_lives_are_there_for_a_recording_that_begins_late(void **state)
{
	struct fixture *x = *state;
	int n = 0;

	start(x, false);
	cover(x, ID, RT_READY, 0, 10);
	core_coverage(x->core, count_facts, &n);
	assert_int_equal(n, 1);
	/* One that has just ended may be what the recording is about. */
	happens(x, EV_EXIT, ID, 20);
	core_coverage(x->core, count_facts, &n);
	assert_int_equal(n, 2);
	core_input(x->core, ITEM_TICK, 3000000020ULL, NULL, 0);
	core_coverage(x->core, count_facts, &n);
	assert_int_equal(n, 2);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_finding_has_the_name_that_was_told_before),
		TEST(a_name_outlives_its_process_for_a_while),
		TEST(the_name_of_one_process_is_never_on_the_finding_of_another_with_its_pid),
		TEST(a_finding_that_is_repeated_is_told_once_and_counted),
		TEST(what_a_process_has_lost_is_told_with_it_and_once),
		TEST(after_an_exec_both_programs_keep_their_names),
		TEST(an_answer_about_an_older_process_does_not_replace_the_one_that_lives),
		TEST(an_exit_with_another_id_is_somebody_elses),
		TEST(a_child_is_called_what_its_parent_is_until_it_execs),
		TEST(a_sweep_meets_each_process_whose_end_was_not_told),
		TEST(what_was_lost_more_is_told_once),
		TEST(a_recording_that_begins_in_the_middle_lost_nothing_before),
		TEST(stats_add_open_connections_to_ended_ones),
		TEST(what_moved_is_told_in_every_pass_and_a_round_in_its_turn),
		TEST(what_a_pass_left_out_is_counted),
		TEST(a_gap_forgets_suspects_and_keeps_the_counts),
		TEST(a_process_is_covered_as_its_facts_say_and_under_its_name),
		TEST(a_process_is_blind_until_one_of_its_adopted_connections_is_at_rest),
		TEST(facts_of_what_lives_are_there_for_a_recording_that_begins_late),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
