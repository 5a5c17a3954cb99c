// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What only time tells, what evidence with a gap is worth, and records that no recorder would
 * write. Expected values: DESIGN, vocabulary and confidence.
 */
#include "correlate_fixture.h"

/* When the refresh pass looks. */
#define LOOK (START + 200 * MS)

/* ---- dirty and abandoned ---- */

static void residue_is_dirty_after_the_grace_period_and_not_before(void **state)
{
	struct world *w = *state;
	struct conn x = abandoned(w, 1);
	const struct finding *f = &w->said[0];

	RECV(&x, START + MS, 9, .prior = WAIT_CANCELLED);
	correlate_tick(w->c, START + MS + GRACE - 1);
	assert_int_equal(w->n, 0);
	correlate_tick(w->c, START + MS + GRACE);
	assert_only(w, VERDICT_DIRTY, CONF_CERTAIN);
	assert_int_equal(f->residue_bytes, 9);
	assert_int_equal(f->unread_bytes, 0);
	assert_string_equal(f->owner_prev, "Task-7 0x7fe000000700");
	assert_string_equal(f->owner_next, "");
	look(&x, START + SEC, WAIT_GONE, 0);
	correlate_tick(w->c, START + 2 * SEC);
	correlate_finish(w->c, START + 3 * SEC);
	assert_int_equal(w->n, 1);
}

static void a_dirty_connection_that_is_used_is_reused_too(void **state)
{
	struct world *w = *state;
	struct conn x = abandoned(w, 1);

	RECV(&x, START + MS, 9, .prior = WAIT_CANCELLED);
	correlate_tick(w->c, START + SEC);
	SEND(&x, START + 2 * SEC, task(8), 22);
	assert_said(w, 0, VERDICT_DIRTY, CONF_CERTAIN);
	assert_said(w, 1, VERDICT_REUSED, CONF_LIKELY);
	assert_int_equal(w->n, 2);
}

static void an_idle_connection_is_abandoned_and_then_dirty_once_each(void **state)
{
	struct world *w = *state;
	struct conn x = abandoned(w, 1);
	int i;

	look(&x, LOOK, WAIT_CANCELLED, 0);
	correlate_tick(w->c, LOOK + GRACE - 1);
	assert_int_equal(w->n, 0);
	correlate_tick(w->c, LOOK + GRACE);
	assert_only(w, VERDICT_ABANDONED, CONF_CERTAIN);
	assert_entry(&w->said[0], 0, 0, TL_REQUEST, 22, "Task-7 0x7fe000000700");
	assert_entry(&w->said[0], 1, 200 * MS, TL_CANCEL_SEEN, 0, "Task-7 0x7fe000000700");
	for (i = 1; i < 10; i++) {
		look(&x, LOOK + (uint64_t)i * SEC, WAIT_CANCELLED, 9);
		correlate_tick(w->c, LOOK + (uint64_t)i * SEC + GRACE);
	}
	assert_int_equal(w->n, 2);
	assert_said(w, 1, VERDICT_DIRTY, CONF_CERTAIN);
	assert_int_equal(w->said[1].unread_bytes, 9);
	assert_int_equal(w->said[1].n_timeline, 3);
	assert_entry(&w->said[1], 2, 200 * MS + SEC, TL_UNREAD, 9, "");
}

static void a_cancelled_owner_that_still_runs_is_waited_for(void **state)
{
	struct world *w = *state;
	struct conn x = abandoned(w, 1);

	look(&x, LOOK, WAIT_RISEN, 9);
	correlate_tick(w->c, LOOK + 10 * SEC);
	assert_int_equal(w->n, 0);
	look(&x, LOOK + 10 * SEC, WAIT_CANCELLED, 9);
	correlate_tick(w->c, LOOK + 20 * SEC);
	assert_only(w, VERDICT_DIRTY, CONF_CERTAIN);
}

static void unread_bytes_that_a_loop_has_read_since_are_residue_only(void **state)
{
	struct world *w = *state;
	struct conn x = abandoned(w, 1);

	look(&x, LOOK, WAIT_CANCELLED, 9);
	RECV(&x, LOOK + MS, 9, .prior = WAIT_CANCELLED);
	correlate_tick(w->c, LOOK + SEC);
	assert_only(w, VERDICT_DIRTY, CONF_CERTAIN);
	assert_int_equal(w->said[0].unread_bytes, 0);
	assert_int_equal(w->said[0].residue_bytes, 9);
}

static void owners_that_wait_or_cannot_be_read_are_left_alone(void **state)
{
	struct world *w = *state;
	struct conn x = abandoned(w, 1), y = connection(w, 2);

	look(&x, LOOK, WAIT_PENDING, 9);
	look(&x, LOOK, WAIT_UNKNOWN, 9);
	/* Its writer tasks always end at once. */
	SEND(&y, START - SEC, task(1), 22);
	RECV(&y, START - SEC + 1, 9, .prior = WAIT_FINISHED, .task_reads = true);
	SEND(&y, START, task(2), 22);
	w->n = 0;
	look(&y, LOOK, WAIT_FINISHED, 0);
	correlate_tick(w->c, LOOK + SEC);
	assert_int_equal(w->n, 0);
}

static void multiplexed_and_unknown_connections_are_never_reported_idle(void **state)
{
	struct world *w = *state;
	struct conn x = connection(w, 1), y = connection(w, 2);

	SEND(&x, START, task(1), 22);
	SEND(&x, START + 1, task(2), 22, .prior = WAIT_PENDING);
	look(&x, LOOK, WAIT_CANCELLED, 9);
	y.l.flags |= LEDGER_ADOPTED;
	SEND(&y, START, task(1), 22);
	look(&y, LOOK, WAIT_CANCELLED, 9);
	correlate_tick(w->c, LOOK + SEC);
	assert_int_equal(w->n, 0);
}

/* The client has closed; the kernel keeps the socket while it says goodbye to a silent peer. */
static void a_closed_socket_that_lingers_is_not_called_open(void **state)
{
	struct world *w = *state;
	struct conn x = abandoned(w, 1);

	CLOSE(&x, START + MS, .prior = WAIT_CANCELLED);
	assert_only(w, VERDICT_CLOSED, CONF_NONE);
	look(&x, LOOK, WAIT_CANCELLED, 0);
	correlate_tick(w->c, LOOK + SEC);
	look(&x, LOOK + 2 * SEC, WAIT_GONE, 9);
	correlate_tick(w->c, LOOK + 3 * SEC);
	assert_int_equal(w->n, 1);
}

static void an_idle_verdict_is_as_sure_as_its_evidence(void **state)
{
	static const struct {
		const char *what;
		bool settled, self_read, verified;
		uint8_t status;
		enum confidence expect;
	} cases[] = {
		{"cancelled by name", true, true, true, WAIT_CANCELLED, CONF_CERTAIN},
		{"freed, cancelled", true, true, true, WAIT_FREED_CANCELLED, CONF_CERTAIN},
		{"left", true, true, true, WAIT_GONE, CONF_LIKELY},
		{"young", false, true, true, WAIT_CANCELLED, CONF_LIKELY},
		{"a reader may sort", true, false, true, WAIT_CANCELLED, CONF_SUSPECT},
		{"perhaps another thread's loop", true, true, false, WAIT_CANCELLED, CONF_SUSPECT},
	};
	struct world *w = *state;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct conn x = connection(w, i + 1);
		struct owner who = task(7);

		x.self_read = cases[i].self_read;
		who.verified = cases[i].verified;
		if (cases[i].settled)
			settle(&x);
		else
			exchange(&x, START - SEC, 1);
		SEND(&x, START, who, 22);
		look(&x, LOOK, cases[i].status, 9);
		correlate_tick(w->c, LOOK + SEC);
		assert_int_equal(w->n, i + 1);
		if (w->said[i].confidence != cases[i].expect)
			fail_msg("%s: %s, expected %s", cases[i].what,
				 confidence_names[w->said[i].confidence],
				 confidence_names[cases[i].expect]);
	}
}

/* ---- leaked ---- */

static void an_abandoned_connection_is_leaked_while_its_siblings_are_used(void **state)
{
	struct world *w = *state;
	struct conn x = abandoned(w, 1), y = connection(w, 2);
	int i;

	look(&x, LOOK, WAIT_CANCELLED, 0);
	correlate_tick(w->c, LOOK + GRACE);
	assert_only(w, VERDICT_ABANDONED, CONF_CERTAIN);
	exchange(&y, LOOK + LEAK - 1, 50);
	look(&x, LOOK + LEAK + SEC, WAIT_CANCELLED, 0);
	seen(&y);
	correlate_round(w->c, LOOK + LEAK + SEC);
	assert_int_equal(w->n, 1);
	for (i = 0; i < 5; i++) {
		exchange(&y, LOOK + LEAK + (uint64_t)i * SEC, 51);
		look(&x, LOOK + LEAK + (uint64_t)i * SEC + 1, WAIT_CANCELLED, 0);
		seen(&y);
		correlate_round(w->c, LOOK + LEAK + (uint64_t)i * SEC + 2);
	}
	assert_int_equal(w->n, 2);
	assert_said(w, 1, VERDICT_LEAKED, CONF_CERTAIN);
	assert_int_equal(w->said[1].cookie, 1);
}

static void without_a_sibling_in_use_nothing_is_leaked(void **state)
{
	struct world *w = *state;
	struct conn x = abandoned(w, 1), other[3];
	struct owner stranger = task(60);
	size_t i;

	look(&x, LOOK, WAIT_CANCELLED, 0);
	correlate_tick(w->c, LOOK + GRACE);
	/* Another port, another address, another process. */
	for (i = 0; i < 3; i++)
		other[i] = connection(w, 2 + i);
	other[0].addr.peer_port = 6380;
	other[1].addr.peer[3] = 10;
	stranger.tgid = stranger.tid = PID + 1;
	SEND(&other[0], LOOK + LEAK + SEC, task(50), 22);
	SEND(&other[1], LOOK + LEAK + SEC, task(50), 22);
	SEND(&other[2], LOOK + LEAK + SEC, stranger, 22);
	look(&x, LOOK + LEAK + 2 * SEC, WAIT_CANCELLED, 0);
	for (i = 0; i < 3; i++)
		seen(&other[i]);
	correlate_round(w->c, LOOK + LEAK + 2 * SEC);
	assert_only(w, VERDICT_ABANDONED, CONF_CERTAIN);
}

/* A sender without a name took it over: who could say whose reply it got? */
static void a_connection_that_somebody_unknown_uses_again_is_not_called_dirty(void **state)
{
	struct world *w = *state;
	struct conn x = abandoned(w, 1);
	struct owner unknown = {.kind = OWNER_UNKNOWN, .tgid = PID, .tid = PID};

	RECV(&x, START + MS, 9, .prior = WAIT_CANCELLED);
	SEND(&x, START + 2 * MS, unknown, 22);
	correlate_tick(w->c, START + SEC);
	assert_int_equal(w->n, 0);
}

/* Its owner's memory could not be read when the reply came: nothing was told, and all is well. */
static void a_connection_that_is_in_use_again_is_neither_dirty_nor_leaked(void **state)
{
	struct world *w = *state;
	struct conn x = abandoned(w, 1), y = connection(w, 2);

	look(&x, LOOK, WAIT_FREED_CANCELLED, 0);
	RECV(&x, LOOK + MS, 9, .prior = WAIT_UNKNOWN);
	exchange(&x, LOOK + 10 * MS, 8);
	seen(&x);
	correlate_round(w->c, LOOK + 20 * MS);
	correlate_tick(w->c, LOOK + SEC);
	exchange(&x, LOOK + LEAK + SEC, 9);
	exchange(&y, LOOK + LEAK + SEC, 50);
	seen(&x);
	seen(&y);
	correlate_round(w->c, LOOK + LEAK + 2 * SEC);
	assert_int_equal(w->n, 0);
}

/* ---- ends ---- */

static void a_unix_socket_that_two_rounds_did_not_see_is_closed(void **state)
{
	struct world *w = *state;
	struct conn x = unix_connection(w, 1);

	settle(&x);
	SEND(&x, START, task(7), 22);
	look(&x, LOOK, WAIT_CANCELLED, 0);
	correlate_round(w->c, LOOK + 1);
	seen(&x);
	correlate_round(w->c, LOOK + 2);
	correlate_round(w->c, LOOK + 3);
	assert_int_equal(w->n, 0);
	correlate_round(w->c, LOOK + 4);
	assert_only(w, VERDICT_CLOSED, CONF_NONE);
	assert_int_equal(w->said[0].transport, TRANSPORT_UNIX);
	assert_string_equal(w->said[0].peer_addr, "/run/redis.sock");
	correlate_round(w->c, LOOK + 5);
	correlate_tick(w->c, LOOK + SEC);
	assert_int_equal(w->n, 1);
}

/* A reset arrives in somebody else's context: the recorder cannot ask, and tells nothing. */
static void a_tcp_socket_that_has_vanished_is_neither_open_nor_leaked(void **state)
{
	struct world *w = *state;
	struct conn x = abandoned(w, 1), y = connection(w, 2);
	size_t i;

	look(&x, LOOK, WAIT_CANCELLED, 0);
	CLOSE(&x, LOOK + MS, .elsewhere = true);
	for (i = 0; i < 3; i++)
		correlate_round(w->c, LOOK + (i + 2) * MS);
	exchange(&y, LOOK + LEAK + SEC, 50);
	seen(&y);
	correlate_round(w->c, LOOK + LEAK + SEC);
	correlate_tick(w->c, LOOK + LEAK + 2 * SEC);
	for (i = 0; i < w->n; i++)
		assert_said(w, i, VERDICT_CLOSED, CONF_NONE);
}

static void a_process_that_exits_takes_its_stories_with_it(void **state)
{
	struct world *w = *state;
	struct conn x = abandoned(w, 1), y = connection(w, 2);
	struct owner stranger = task(7);

	RECV(&x, START + MS, 9, .prior = WAIT_CANCELLED);
	stranger.tgid = stranger.tid = PID + 1;
	SEND(&y, START, stranger, 22);
	RECV(&y, START + MS, 9, .prior = WAIT_CANCELLED);
	correlate_exit(w->c, PID, 0, START + 2 * MS);
	correlate_tick(w->c, START + SEC);
	assert_int_equal(w->n, 1);
	assert_int_equal(w->said[0].verdict, VERDICT_DIRTY);
	assert_int_equal(w->said[0].pid, PID + 1);
}

static void what_waits_at_the_end_is_decided_only_when_its_time_has_come(void **state)
{
	struct world *w = *state;
	struct conn x = abandoned(w, 1), y = abandoned(w, 2), z = connection(w, 3);

	RECV(&x, START + MS, 9, .prior = WAIT_CANCELLED);
	z.self_read = false;
	settle(&z);
	SEND(&z, START + GRACE, task(7), 22);
	SEND(&z, START + GRACE, task(8), 22, .prior = WAIT_CANCELLED);
	RECV(&y, START + GRACE, 9, .prior = WAIT_CANCELLED);
	correlate_finish(w->c, START + GRACE + MS);
	assert_int_equal(w->n, 2);
	assert_said(w, 0, VERDICT_DIRTY, CONF_CERTAIN);
	assert_int_equal(w->said[0].cookie, 1);
	assert_said(w, 1, VERDICT_REUSED, CONF_SUSPECT);
}

static void connections_that_do_not_fit_are_counted_as_lost(void **state)
{
	struct correlate_opts o = {.max_tracks = 1};
	struct world *w = *state;
	struct conn x, y, z;

	correlator_free(w->c);
	w->c = correlator_new(&o, world_hears, w);
	assert_non_null(w->c);
	x = abandoned(w, 1);
	RECV(&x, START + MS, 9, .prior = WAIT_CANCELLED);
	assert_int_equal(correlate_lost(w->c), 0);
	y = abandoned(w, 2);
	RECV(&y, START + MS, 9, .prior = WAIT_CANCELLED);
	assert_int_equal(correlate_lost(w->c), 1);
	correlate_tick(w->c, START + SEC);
	assert_only(w, VERDICT_DIRTY, CONF_CERTAIN);
	assert_int_equal(w->said[0].cookie, 1);
	/* A close makes room. */
	CLOSE(&x, START + 2 * SEC);
	z = abandoned(w, 3);
	CLOSE(&z, START + 3 * SEC, .prior = WAIT_CANCELLED);
	assert_int_equal(correlate_lost(w->c), 1);
	assert_int_equal(w->n, 3);
}

static void totals_count_by_verdict_and_confidence(void **state)
{
	uint64_t sum = 0, totals[VERDICT_MAX][CONF_MAX];
	struct world *w = *state;
	struct conn x = abandoned(w, 1), y = abandoned(w, 2);
	size_t i, j;

	RECV(&x, START + MS, 9, .prior = WAIT_CANCELLED);
	RECV(&y, START + MS, 9, .prior = WAIT_CANCELLED);
	correlate_tick(w->c, START + SEC);
	CLOSE(&x, START + 2 * SEC);
	correlate_totals(w->c, totals);
	assert_int_equal(totals[VERDICT_DIRTY][CONF_CERTAIN], 2);
	assert_int_equal(totals[VERDICT_CLOSED][CONF_NONE], 1);
	for (i = 0; i < VERDICT_MAX; i++)
		for (j = 0; j < CONF_MAX; j++)
			sum += totals[i][j];
	assert_int_equal(sum, w->n);
}

/* ---- gaps ---- */

static void lost_evidence_is_unobserved_once_and_then_nothing(void **state)
{
	struct world *w = *state;
	struct conn x = abandoned(w, 1);
	int i;

	x.ring_full = true;
	SEND(&x, START + 1, task(8), 22, .prior = WAIT_CANCELLED);
	x.ring_full = false;
	for (i = 2; i < 6; i++)
		SEND(&x, START + (uint64_t)i, task(8 + (unsigned int)i), 22,
		     .prior = WAIT_CANCELLED, .unread = 9);
	assert_only(w, VERDICT_UNOBSERVED, CONF_NONE);
	RECV(&x, START + 10, 9, .prior = WAIT_CANCELLED);
	correlate_tick(w->c, START + SEC);
	look(&x, START + 2 * SEC, WAIT_CANCELLED, 9);
	correlate_tick(w->c, START + 3 * SEC);
	CLOSE(&x, START + 4 * SEC);
	assert_int_equal(w->n, 1);
}

static void with_a_gap_nothing_is_called_drained(void **state)
{
	struct world *w = *state;
	struct conn x = abandoned(w, 1);

	x.l.flags |= LEDGER_GAP;
	RECV(&x, START + 1, 9, .prior = WAIT_CANCELLED, .task_reads = true);
	assert_true(w->n <= 1);
	if (w->n)
		assert_said(w, 0, VERDICT_UNOBSERVED, CONF_NONE);
}

static void what_comes_after_a_gap_raises_nothing_that_was_held_before_it(void **state)
{
	struct world *w = *state;
	struct conn x = abandoned_shared(w, 1);
	size_t i;

	SEND(&x, START + 1, task(8), 22, .prior = WAIT_CANCELLED);
	x.l.flags |= LEDGER_GAP;
	SEND(&x, START + 2, task(9), 22, .prior = WAIT_FINISHED);
	correlate_tick(w->c, START + SEC);
	for (i = 0; i < w->n; i++)
		assert_true(w->said[i].confidence <= CONF_SUSPECT);
}

static void an_idle_connection_with_a_gap_is_unobserved(void **state)
{
	struct world *w = *state;
	struct conn x = abandoned(w, 1);

	x.l.flags |= LEDGER_GAP;
	look(&x, LOOK, WAIT_CANCELLED, 9);
	correlate_tick(w->c, LOOK + SEC);
	look(&x, LOOK + 2 * SEC, WAIT_CANCELLED, 9);
	correlate_tick(w->c, LOOK + 3 * SEC);
	assert_only(w, VERDICT_UNOBSERVED, CONF_NONE);
}

static void a_connection_older_than_the_trace_is_unobserved_until_it_was_at_rest(void **state)
{
	struct world *w = *state;
	struct conn x = connection(w, 1);
	int i;

	x.l.flags |= LEDGER_ADOPTED;
	SEND(&x, START, task(1), 22);
	for (i = 1; i < 5; i++)
		SEND(&x, START + (uint64_t)i, task(1 + (unsigned int)i), 22,
		     .prior = WAIT_CANCELLED);
	CLOSE(&x, START + 9, .prior = WAIT_CANCELLED);
	assert_only(w, VERDICT_UNOBSERVED, CONF_NONE);
}

/* ---- long stories and strange records ---- */

static void a_long_story_keeps_its_beginning_and_its_end_in_order(void **state)
{
	struct world *w = *state;
	struct conn x = abandoned(w, 1);
	const struct finding *f;
	unsigned int i;

	for (i = 1; i <= 60; i++) {
		struct cancel_info ci = cancelled_by(START + i * MS - 10, 1);

		SEND(&x, START + i * MS, task(200 + i), i, .prior = WAIT_RISEN, .cancel = &ci);
	}
	assert_int_equal(w->n, 60);
	f = &w->said[59];
	assert_int_equal(f->n_timeline, TIMELINE_MAX);
	assert_entry(f, 0, 0, TL_REQUEST, 22, "Task-7 0x7fe000000700");
	assert_entry(f, TIMELINE_MAX - 2, 60 * MS - 10, TL_CANCEL, 0, "Task-259 0x7fe000010300");
	assert_entry(f, TIMELINE_MAX - 1, 60 * MS, TL_REQUEST, 60, "Task-260 0x7fe000010400");
}

static void random_records_break_no_promise(void **state)
{
	struct world *w = *state;
	struct ledger_row row;
	struct ev_step e;
	int i;
	size_t j;

	srand(20230320);
	for (i = 0; i < 60000; i++) {
		for (j = 0; j < sizeof(e); j++)
			((uint8_t *)&e)[j] = (uint8_t)rand();
		for (j = 0; j < sizeof(row); j++)
			((uint8_t *)&row)[j] = (uint8_t)rand();
		e.in.step = i % 5 ? STEP_SEND + (uint8_t)i % 2 : (uint8_t)rand();
		e.cookie = row.cookie = (uint64_t)rand() % 8;
		row.l.overlaps = 0;
		correlate_step(w->c, &e);
		correlate_idle(w->c, &row, (uint8_t)rand(), "sixteen bytes and more", e.head.ts);
		correlate_seen(w->c, &row);
		if (i % 64 == 0)
			correlate_round(w->c, (uint64_t)rand());
		correlate_tick(w->c, e.in.now);
		w->n = 0; /* each was checked as it came */
	}
	correlate_finish(w->c, UINT64_MAX);
}

static void hostile_names_and_lengths_stay_in_their_fields(void **state)
{
	struct world *w = *state;
	struct ev_step e = {
		.head = {.ts = 5, .tgid = 1, .tid = 1},
		.cookie = 9,
		.in = {.step = STEP_SEND, .what = LE_REQUEST | LE_REUSED, .now = 5, .prior = 0xff},
		.addr = {.family = 0xffff, .unix_len = 0xffff}};
	const struct finding *f = &w->said[0];

	memset(e.head.comm, 'A', sizeof(e.head.comm));
	memset(e.addr.peer, 'P', sizeof(e.addr.peer));
	memset(e.who.name, 0xff, sizeof(e.who.name));
	e.who.kind = OWNER_TASK;
	e.who.task = UINT64_MAX;
	e.l.owner = e.who;
	e.l.flags = LEDGER_SELF_READ;
	e.cancel = (struct cancel_info){.ts = UINT64_MAX, .by_task = UINT64_MAX};
	memset(e.cancel.by_name, 'B', sizeof(e.cancel.by_name));
	correlate_step(w->c, &e);
	assert_int_equal(w->n, 0);
	e.in.step = STEP_RECV; /* it was no farewell */
	correlate_step(w->c, &e);
	assert_int_equal(w->n, 1);
	assert_string_equal(f->comm, "AAAAAAAAAAAAAAA");
	assert_int_equal(strlen(f->peer_addr), ADDR_LEN);
	assert_false(f->has_cancel_age); /* it lies in the future */
	assert_string_equal(f->cancel_by, "BBBBBBBBBBBBBBBB... 0xffffffffffffffff");
	assert_int_equal(f->cancel, CANCEL_UNSEEN);
	e.in.step = STEP_CANCEL;
	correlate_step(w->c, &e);
	e.in.step = 0;
	correlate_step(w->c, &e);
	assert_int_equal(w->n, 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(residue_is_dirty_after_the_grace_period_and_not_before),
		TEST(a_dirty_connection_that_is_used_is_reused_too),
		TEST(an_idle_connection_is_abandoned_and_then_dirty_once_each),
		TEST(a_cancelled_owner_that_still_runs_is_waited_for),
		TEST(unread_bytes_that_a_loop_has_read_since_are_residue_only),
		TEST(owners_that_wait_or_cannot_be_read_are_left_alone),
		TEST(multiplexed_and_unknown_connections_are_never_reported_idle),
		TEST(a_closed_socket_that_lingers_is_not_called_open),
		TEST(an_idle_verdict_is_as_sure_as_its_evidence),
		TEST(an_abandoned_connection_is_leaked_while_its_siblings_are_used),
		TEST(without_a_sibling_in_use_nothing_is_leaked),
		TEST(a_connection_that_somebody_unknown_uses_again_is_not_called_dirty),
		TEST(a_connection_that_is_in_use_again_is_neither_dirty_nor_leaked),
		TEST(a_unix_socket_that_two_rounds_did_not_see_is_closed),
		TEST(a_tcp_socket_that_has_vanished_is_neither_open_nor_leaked),
		TEST(a_process_that_exits_takes_its_stories_with_it),
		TEST(what_waits_at_the_end_is_decided_only_when_its_time_has_come),
		TEST(connections_that_do_not_fit_are_counted_as_lost),
		TEST(totals_count_by_verdict_and_confidence),
		TEST(lost_evidence_is_unobserved_once_and_then_nothing),
		TEST(with_a_gap_nothing_is_called_drained),
		TEST(what_comes_after_a_gap_raises_nothing_that_was_held_before_it),
		TEST(an_idle_connection_with_a_gap_is_unobserved),
		TEST(a_connection_older_than_the_trace_is_unobserved_until_it_was_at_rest),
		TEST(a_long_story_keeps_its_beginning_and_its_end_in_order),
		TEST(random_records_break_no_promise),
		TEST(hostile_names_and_lengths_stay_in_their_fields),
	};

	return cmocka_run_group_tests_name("correlate_idle", tests, NULL, NULL);
}
