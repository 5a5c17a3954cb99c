// SPDX-License-Identifier: GPL-2.0-or-later
/* What the correlator makes of a connection's steps. Expected values: DESIGN, vocabulary and
 * confidence. */
#include "correlate_fixture.h"

/* ---- reuse while the reply is outstanding ---- */

static void a_reuse_after_a_probed_cancellation_is_certain_and_tells_its_story(void **state)
{
	struct world *w = *state;
	struct conn x = abandoned(w, 0x7f3a);
	struct cancel_info ci = cancelled_by(START + 30100, 1);
	const struct finding *f = &w->said[0];

	SEND(&x, START + 107300, task(8), 31, .prior = WAIT_RISEN, .cancel = &ci);
	assert_only(w, VERDICT_REUSED, CONF_CERTAIN);
	assert_int_equal(f->reuse, REUSE_OUTSTANDING);
	assert_int_equal(f->time_ns, START + 107300);
	assert_int_equal(f->pid, PID);
	assert_string_equal(f->comm, "python3");
	assert_int_equal(f->cookie, 0x7f3a);
	assert_int_equal(f->owed, 1);
	assert_int_equal(f->unread_bytes, 0);
	assert_int_equal(f->residue_bytes, 0);
	assert_false(f->swallowed);
	assert_int_equal(f->transport, TRANSPORT_TCP);
	assert_string_equal(f->local_addr, "10.0.0.5");
	assert_string_equal(f->peer_addr, "10.0.0.9");
	assert_int_equal(f->local_port, 41464);
	assert_int_equal(f->peer_port, 6379);
	assert_int_equal(f->cancel, CANCEL_ASYNCIO);
	assert_int_equal(f->evidence, EVIDENCE_PROBE);
	assert_true(f->has_cancel_age);
	assert_int_equal(f->cancel_age_ns, 107300 - 30100);
	assert_string_equal(f->cancel_by, "Task-1 0x7fe000000100");
	assert_string_equal(f->owner_prev, "Task-7 0x7fe000000700");
	assert_string_equal(f->owner_next, "Task-8 0x7fe000000800");
	assert_int_equal(f->n_timeline, 3);
	assert_entry(f, 0, 0, TL_REQUEST, 22, "Task-7 0x7fe000000700");
	assert_entry(f, 1, 30100, TL_CANCEL, 0, "Task-7 0x7fe000000700");
	assert_string_equal(f->timeline[1].by, "Task-1 0x7fe000000100");
	assert_entry(f, 2, 107300, TL_REQUEST, 31, "Task-8 0x7fe000000800");
}

static void a_cancellation_read_from_memory_is_certain_but_has_no_time_of_its_own(void **state)
{
	struct world *w = *state;
	struct conn x = abandoned(w, 1);
	const struct finding *f = &w->said[0];

	SEND(&x, START + 100, task(8), 22, .prior = WAIT_CANCELLED);
	assert_only(w, VERDICT_REUSED, CONF_CERTAIN);
	assert_int_equal(f->evidence, EVIDENCE_MEMORY);
	assert_int_equal(f->cancel, CANCEL_ASYNCIO);
	assert_false(f->has_cancel_age);
	assert_int_equal(f->cancel_age_ns, 0);
	assert_string_equal(f->cancel_by, "");
	assert_int_equal(f->n_timeline, 3);
	assert_entry(f, 1, 100, TL_CANCEL_SEEN, 0, "Task-7 0x7fe000000700");
}

static void a_cancellation_by_no_task_names_the_thread(void **state)
{
	struct world *w = *state;
	struct conn x = abandoned(w, 1);
	struct cancel_info ci = {.ts = START + 1, .by_tid = 77};

	SEND(&x, START + 2, task(8), 22, .prior = WAIT_RISEN, .cancel = &ci);
	assert_only(w, VERDICT_REUSED, CONF_CERTAIN);
	assert_string_equal(w->said[0].cancel_by, "");
	assert_string_equal(w->said[0].timeline[1].by, "thread 77, no task");
}

static void a_reuse_of_a_young_connection_is_likely(void **state)
{
	struct world *w = *state;
	struct conn x = connection(w, 1);

	exchange(&x, START - SEC, 1);
	SEND(&x, START, task(7), 22);
	SEND(&x, START + 100, task(8), 22, .prior = WAIT_RISEN);
	assert_only(w, VERDICT_REUSED, CONF_LIKELY);
	assert_int_equal(w->said[0].reuse, REUSE_OUTSTANDING);
}

static void an_owner_that_merely_left_makes_a_reuse_likely_not_certain(void **state)
{
	static const uint8_t left[] = {WAIT_FINISHED, WAIT_FAILED, WAIT_GONE};
	struct world *w = *state;
	size_t i;

	for (i = 0; i < sizeof(left); i++) {
		struct conn x = connection(w, i + 1);

		settle(&x);
		SEND(&x, START, task(7), 22);
		SEND(&x, START + 100, task(8), 22, .prior = left[i]);
		assert_said(w, i, VERDICT_REUSED, CONF_LIKELY);
		assert_int_equal(w->n, i + 1);
	}
}

static void an_owner_that_still_waits_or_cannot_be_read_is_never_reported(void **state)
{
	struct world *w = *state;
	struct conn x = abandoned(w, 1), y = connection(w, 2);

	SEND(&x, START + 100, task(8), 22, .prior = WAIT_PENDING);
	settle(&y);
	SEND(&y, START, task(7), 22);
	SEND(&y, START + 100, task(8), 22, .prior = WAIT_UNKNOWN);
	correlate_tick(w->c, START + SEC);
	assert_int_equal(w->n, 0);
}

static void one_connections_story_is_not_anothers(void **state)
{
	struct world *w = *state;
	struct conn x = connection(w, 1), y = connection(w, 2);

	settle(&x);
	settle(&y);
	SEND(&x, START, task(7), 22);
	SEND(&y, START + 10, task(9), 50);
	SEND(&y, START + 20, task(10), 50, .prior = WAIT_RISEN);
	SEND(&x, START + 30, task(8), 22, .prior = WAIT_RISEN);
	assert_int_equal(w->n, 2);
	assert_int_equal(w->said[0].cookie, 2);
	assert_int_equal(w->said[1].cookie, 1);
	assert_string_equal(w->said[1].owner_prev, "Task-7 0x7fe000000700");
	assert_int_equal(w->said[1].n_timeline, 3);
	assert_entry(&w->said[1], 0, 0, TL_REQUEST, 22, "Task-7 0x7fe000000700");
}

static void a_probed_cancellation_of_an_earlier_exchange_is_no_evidence(void **state)
{
	struct world *w = *state;
	struct conn x = connection(w, 1);
	struct cancel_info old = cancelled_by(START + 400 * MS, 1);

	settle(&x);
	/* The connection is watched: its steps are told for a while. */
	SEND(&x, START, task(7), 22);
	SEND(&x, START + MS, task(8), 22, .prior = WAIT_RISEN);
	RECV(&x, START + 2 * MS, 9, .prior = WAIT_PENDING);
	assert_int_equal(w->n, 1);
	/* Long after its reply Task-8 is cancelled: that abandons nothing. */
	SEND(&x, START + 500 * MS, task(9), 22, .cancel = &old);
	assert_int_equal(w->n, 1);
	SEND(&x, START + 501 * MS, task(10), 22, .prior = WAIT_CANCELLED);
	assert_int_equal(w->n, 2);
	assert_int_equal(w->said[1].evidence, EVIDENCE_MEMORY);
	assert_false(w->said[1].has_cancel_age);
	assert_string_equal(w->said[1].cancel_by, "");
}

/* ---- farewells ---- */

/* A connection of known habits whose last reply was read in part. */
static struct conn half_read(struct world *w, uint64_t cookie)
{
	struct conn x = connection(w, cookie);

	settle(&x);
	SEND(&x, START, task(7), 22);
	RECV(&x, START + MS, 9, .unread = 9, .prior = WAIT_PENDING);
	return x;
}

/* COM_QUIT, Terminate: nobody reads what comes, and the connection is closed. */
static void a_farewell_over_an_unread_reply_is_none(void **state)
{
	struct world *w = *state;
	struct conn x = half_read(w, 1), y = half_read(w, 2), z = half_read(w, 3);

	SEND(&x, START + 100 * MS, task(7), 5, .unread = 9, .last = true);
	correlate_tick(w->c, START + 99 * SEC);
	CLOSE(&x, START + 100 * SEC, .unread = 9);
	/* ... in two parts. */
	SEND(&y, START + 100 * MS, task(7), 5, .unread = 9, .last = true);
	SEND(&y, START + 101 * MS, task(7), 5, .unread = 9, .last = true);
	CLOSE(&y, START + 102 * MS, .unread = 9, .exiting = true);
	/* ... and the process ends. */
	SEND(&z, START + 100 * MS, task(7), 5, .unread = 9, .last = true);
	correlate_exit(w->c, PID, 0, START + SEC);
	correlate_finish(w->c, START + 200 * SEC);
	assert_int_equal(w->n, 0);
}

static void a_request_over_an_unread_reply_is_told_when_something_is_read(void **state)
{
	struct world *w = *state;
	struct conn x = half_read(w, 1);

	SEND(&x, START + 100 * MS, task(7), 22, .unread = 9, .last = true);
	assert_int_equal(w->n, 0);
	RECV(&x, START + 105 * MS, 9);
	assert_only(w, VERDICT_REUSED, CONF_LIKELY);
	assert_int_equal(w->said[0].time_ns, START + 100 * MS);
	assert_int_equal(w->said[0].unread_bytes, 9);
}

/* A cancelled task's connection is thrown away: with a word to the server, or without. */
static void a_farewell_after_a_cancellation_is_a_good_ending(void **state)
{
	struct world *w = *state;
	struct conn x = abandoned(w, 1), y = abandoned(w, 2);

	SEND(&x, START + 10 * MS, task(8), 5, .prior = WAIT_CANCELLED, .unread = 9, .last = true);
	CLOSE(&x, START + 11 * MS, .unread = 9);
	SEND(&y, START + 10 * MS, task(8), 5, .prior = WAIT_CANCELLED, .last = true);
	CLOSE(&y, START + 11 * MS);
	assert_said(w, 0, VERDICT_CLOSED, CONF_NONE);
	assert_said(w, 1, VERDICT_CLOSED, CONF_NONE);
	assert_int_equal(w->n, 2);
}

/* A server may be long in answering: whoever waits for it has not said farewell. */
static void who_does_not_close_has_not_said_farewell(void **state)
{
	struct world *w = *state;
	struct conn x = abandoned(w, 1);

	SEND(&x, START + 10 * MS, task(8), 5, .prior = WAIT_CANCELLED, .last = true);
	correlate_tick(w->c, START + 10 * MS + 2 * GRACE - 1);
	assert_int_equal(w->n, 0);
	correlate_tick(w->c, START + 10 * MS + 2 * GRACE);
	assert_only(w, VERDICT_REUSED, CONF_CERTAIN);
}

static void what_nobody_saw_the_end_of_is_suspect(void **state)
{
	struct world *w = *state;
	struct conn x = half_read(w, 1);

	SEND(&x, START + 100 * MS, task(7), 22, .unread = 9, .last = true);
	correlate_finish(w->c, START + 101 * MS);
	assert_only(w, VERDICT_REUSED, CONF_SUSPECT);
}

/* A relay, and a client that asks ahead while it does not read. */
static void what_a_stopped_reader_left_is_suspect(void **state)
{
	struct world *w = *state;
	struct conn x = half_read(w, 1);

	RECV(&x, START + 2 * MS, LEDGER_PIPE, .unread = 9);
	SEND(&x, START + 100 * MS, task(7), 22, .unread = 9);
	assert_only(w, VERDICT_REUSED, CONF_SUSPECT);
}

/* ---- held back ---- */

static void a_reuse_by_owners_not_seen_reading_is_held_for_two_grace_periods(void **state)
{
	struct world *w = *state;
	struct conn x = abandoned_shared(w, 1);

	SEND(&x, START + MS, task(8), 22, .prior = WAIT_RISEN);
	correlate_tick(w->c, START + MS + 2 * GRACE - 1);
	assert_int_equal(w->n, 0);
	correlate_tick(w->c, START + MS + 2 * GRACE);
	assert_only(w, VERDICT_REUSED, CONF_SUSPECT);
	assert_int_equal(w->said[0].time_ns, START + MS);
	correlate_tick(w->c, START + SEC);
	correlate_finish(w->c, START + 2 * SEC);
	assert_int_equal(w->n, 1);
}

static void a_held_reuse_is_said_as_suspect_at_the_close(void **state)
{
	struct world *w = *state;
	struct conn x = abandoned_shared(w, 1);

	SEND(&x, START + MS, task(8), 22, .prior = WAIT_RISEN);
	RECV(&x, START + 2 * MS, 9, .prior = WAIT_PENDING);
	CLOSE(&x, START + 3 * MS);
	assert_only(w, VERDICT_REUSED, CONF_SUSPECT);
	correlate_tick(w->c, START + SEC);
	assert_int_equal(w->n, 1);
}

static void a_held_reuse_is_likely_once_the_next_owner_ended_before_its_own_reply(void **state)
{
	struct world *w = *state;
	struct conn x = abandoned_shared(w, 1);

	RECV(&x, START + MS, 9, .prior = WAIT_CANCELLED);
	SEND(&x, START + 2 * MS, task(8), 22);
	assert_int_equal(w->n, 0);
	/* Task-8 got Task-7's reply out of the buffer, and has ended when its own one comes. */
	RECV(&x, START + 3 * MS, 9, .prior = WAIT_FINISHED);
	assert_only(w, VERDICT_REUSED, CONF_LIKELY);
	assert_int_equal(w->said[0].reuse, REUSE_RESIDUE);
	/* That reply now lies there in its turn. */
	correlate_tick(w->c, START + SEC);
	assert_said(w, 1, VERDICT_DIRTY, CONF_SUSPECT);
	assert_int_equal(w->n, 2);
}

static void a_held_reuse_is_likely_once_the_next_owner_ended_and_a_third_one_sends(void **state)
{
	struct world *w = *state;
	struct conn x = abandoned_shared(w, 1);

	SEND(&x, START + MS, task(8), 22, .prior = WAIT_CANCELLED);
	SEND(&x, START + 2 * MS, task(9), 22, .prior = WAIT_FINISHED);
	assert_only(w, VERDICT_REUSED, CONF_LIKELY);
	assert_int_equal(w->said[0].time_ns, START + MS);
	assert_string_equal(w->said[0].owner_next, "Task-8 0x7fe000000800");
}

/* Where it is not known whose thread a loop runs on, the task may be another thread's. */
static void owners_that_may_be_others_tasks_raise_nothing(void **state)
{
	struct world *w = *state;
	int i;

	for (i = 1; i < 4; i++) {
		struct conn x = connection(w, (uint64_t)i);
		struct owner first = task(7), next = task(8);
		uint64_t at = START + (uint64_t)i * SEC;

		first.verified = !(i & 1);
		next.verified = !(i & 2);
		x.self_read = false;
		settle(&x);
		SEND(&x, at, first, 22);
		RECV(&x, at + MS, 9, .prior = WAIT_CANCELLED);
		SEND(&x, at + 2 * MS, next, 22);
		RECV(&x, at + 3 * MS, 9, .prior = WAIT_FINISHED);
		assert_said(w, (size_t)i - 1, VERDICT_REUSED, CONF_SUSPECT);
		assert_int_equal(w->n, i);
	}
}

static void a_next_owner_that_waits_for_its_reply_raises_nothing(void **state)
{
	struct world *w = *state;
	struct conn x = abandoned_shared(w, 1);

	SEND(&x, START + MS, task(8), 22, .prior = WAIT_CANCELLED);
	RECV(&x, START + 2 * MS, 18, .prior = WAIT_PENDING);
	exchange(&x, START + 10 * MS, 9);
	correlate_tick(w->c, START + SEC);
	assert_only(w, VERDICT_REUSED, CONF_SUSPECT);
}

/* aiohttp: the sender is not the waiter (DESIGN, traps). */
static void writer_tasks_that_end_at_once_are_never_more_than_suspect(void **state)
{
	struct world *w = *state;
	struct conn x = connection(w, 1);
	unsigned int i;

	x.self_read = false;
	for (i = 0; i < 20; i++) {
		SEND(&x, START + i * 10 * MS, task(i), 22);
		RECV(&x, START + i * 10 * MS + 5 * MS, 9, .prior = WAIT_FINISHED);
		correlate_tick(w->c, START + i * 10 * MS + 6 * MS);
	}
	correlate_tick(w->c, START + 10 * SEC);
	CLOSE(&x, START + 11 * SEC);
	for (i = 0; i < w->n; i++)
		assert_true(w->said[i].confidence <= CONF_SUSPECT);
}

static void a_held_reuse_does_not_hide_the_next_abandonment(void **state)
{
	struct world *w = *state;
	struct conn x = abandoned_shared(w, 1);

	SEND(&x, START + MS, task(8), 22, .prior = WAIT_CANCELLED);
	RECV(&x, START + 2 * MS, 9, .prior = WAIT_PENDING);
	SEND(&x, START + 3 * MS, task(9), 22);
	RECV(&x, START + 4 * MS, 9, .prior = WAIT_CANCELLED);
	correlate_tick(w->c, START + SEC);
	correlate_tick(w->c, START + 2 * SEC);
	assert_int_equal(w->n, 2);
	assert_said(w, 0, VERDICT_REUSED, CONF_SUSPECT);
	assert_said(w, 1, VERDICT_DIRTY, CONF_SUSPECT);
}

/* ---- residue and unread bytes ---- */

static void a_reply_read_with_nobody_waiting_and_a_reuse_is_likely_residue(void **state)
{
	struct world *w = *state;
	struct conn x = abandoned(w, 1);
	const struct finding *f = &w->said[0];

	RECV(&x, START + MS, 9, .prior = WAIT_CANCELLED);
	RECV(&x, START + 2 * MS, 4, .prior = WAIT_CANCELLED);
	SEND(&x, START + 3 * MS, task(8), 22);
	assert_only(w, VERDICT_REUSED, CONF_LIKELY);
	assert_int_equal(f->reuse, REUSE_RESIDUE);
	assert_int_equal(f->residue_bytes, 13);
	assert_int_equal(f->unread_bytes, 0);
	assert_int_equal(f->cancel, CANCEL_ASYNCIO);
	assert_int_equal(f->n_timeline, 5);
	assert_entry(f, 0, 0, TL_REQUEST, 22, "Task-7 0x7fe000000700");
	assert_entry(f, 1, MS, TL_CANCEL_SEEN, 0, "Task-7 0x7fe000000700");
	assert_entry(f, 2, MS, TL_RESIDUE, 9, "");
	assert_entry(f, 3, 2 * MS, TL_RESIDUE, 4, "");
	assert_entry(f, 4, 3 * MS, TL_REQUEST, 22, "Task-8 0x7fe000000800");
	correlate_tick(w->c, START + SEC);
	assert_int_equal(w->n, 1);
}

static void a_cancellation_between_the_read_and_the_wake_up_is_residue(void **state)
{
	struct world *w = *state;
	struct conn x = abandoned(w, 1);
	struct cancel_info ci = cancelled_by(START + MS + 10, 1);

	RECV(&x, START + MS, 9, .prior = WAIT_PENDING);
	SEND(&x, START + 2 * MS, task(8), 22, .cancel = &ci);
	assert_only(w, VERDICT_REUSED, CONF_LIKELY);
	assert_int_equal(w->said[0].reuse, REUSE_RESIDUE);
	assert_int_equal(w->said[0].residue_bytes, 9);
	assert_int_equal(w->said[0].evidence, EVIDENCE_PROBE);
	assert_int_equal(w->said[0].cancel_age_ns, MS - 10);
}

static void an_abandoned_reply_that_lies_unread_at_the_next_send_is_certain(void **state)
{
	struct world *w = *state;
	struct conn x = abandoned(w, 1);
	const struct finding *f = &w->said[0];

	SEND(&x, START + 100, task(8), 22, .prior = WAIT_CANCELLED, .unread = 9);
	assert_only(w, VERDICT_REUSED, CONF_CERTAIN);
	assert_int_equal(f->reuse, REUSE_UNREAD);
	assert_int_equal(f->unread_bytes, 9);
	assert_int_equal(f->n_timeline, 4);
	assert_entry(f, 2, 100, TL_UNREAD, 9, "");
}

static void thirty_seven_unread_bytes_are_reported_as_thirty_seven(void **state)
{
	struct world *w = *state;
	struct conn x = connection(w, 1);
	const struct finding *f = &w->said[0];
	unsigned int i;

	for (i = 0; i <= LEDGER_EXCLUSIVE_MIN; i++) {
		SEND(&x, START - SEC + i * MS, thread(PID), 22);
		RECV(&x, START - SEC + i * MS + 1, 9);
	}
	SEND(&x, START, thread(PID), 22);
	RECV(&x, START + 10, 63, .unread = 37);
	SEND(&x, START + 20, thread(PID), 22, .unread = 37);
	assert_int_equal(w->n, 1);
	assert_int_equal(f->verdict, VERDICT_REUSED);
	assert_int_equal(f->reuse, REUSE_UNREAD);
	assert_true(f->confidence >= CONF_LIKELY);
	assert_int_equal(f->unread_bytes, 37);
	assert_int_equal(f->cancel, CANCEL_UNSEEN);
	assert_int_equal(f->evidence, EVIDENCE_NONE);
	assert_string_equal(f->owner_prev, "thread 4242");
	assert_entry(f, 1, 20, TL_UNREAD, 37, "");
}

static void unread_bytes_on_a_young_connection_are_suspect(void **state)
{
	struct world *w = *state;
	struct conn x = connection(w, 1);

	SEND(&x, START, thread(PID), 22);
	RECV(&x, START + 10, 63, .unread = 37);
	SEND(&x, START + 20, thread(PID), 22, .unread = 37);
	assert_only(w, VERDICT_REUSED, CONF_SUSPECT);
}

static void unread_bytes_that_a_pipeline_explains_say_nothing_about_a_cancellation(void **state)
{
	struct world *w = *state;
	struct conn x = abandoned(w, 1);

	SEND(&x, START + 10, task(7), 22, .prior = WAIT_PENDING, .unread = 9);
	assert_only(w, VERDICT_REUSED, CONF_SUSPECT);
	assert_int_equal(w->said[0].cancel, CANCEL_UNSEEN);
	assert_int_equal(w->said[0].evidence, EVIDENCE_NONE);
}

static void a_connection_that_runs_behind_is_one_fault_not_one_at_every_send(void **state)
{
	struct world *w = *state;
	struct conn x = abandoned(w, 1);
	unsigned int i;

	SEND(&x, START + MS, task(8), 22, .prior = WAIT_CANCELLED);
	/* From now on every owner reads the reply of the one before. */
	for (i = 0; i < 50; i++) {
		RECV(&x, START + (10 * i + 5) * MS, 9, .prior = WAIT_PENDING, .unread = 9);
		SEND(&x, START + (10 * i + 10) * MS, task(20 + i), 22, .unread = 9);
	}
	assert_only(w, VERDICT_REUSED, CONF_CERTAIN);
	/* Another cancellation is another fault. */
	SEND(&x, START + SEC, task(90), 22, .prior = WAIT_CANCELLED, .unread = 9);
	assert_int_equal(w->n, 2);
	assert_said(w, 1, VERDICT_REUSED, CONF_CERTAIN);
	assert_string_equal(w->said[1].owner_next, "Task-90 0x7fe000005a00");
}

static void a_residue_reuse_of_a_connection_that_runs_behind_is_called_residue(void **state)
{
	struct world *w = *state;
	struct conn x = abandoned(w, 1);
	const struct finding *f = &w->said[1];

	SEND(&x, START + MS, task(8), 22, .prior = WAIT_CANCELLED);
	RECV(&x, START + 2 * MS, 9, .prior = WAIT_CANCELLED, .unread = 9);
	SEND(&x, START + 3 * MS, task(9), 22, .unread = 9);
	assert_int_equal(w->n, 2);
	assert_int_equal(f->verdict, VERDICT_REUSED);
	/* Whatever it is called, the number must bear it out. */
	assert_int_equal(f->reuse == REUSE_UNREAD, f->unread_bytes != 0);
}

/* ---- the good endings, and what is not our business ---- */

static void an_old_reply_read_on_purpose_is_drained_and_nothing_else(void **state)
{
	struct world *w = *state;
	struct conn x = abandoned(w, 1);
	struct cancel_info ci = cancelled_by(START + 10, 1);
	const struct finding *f = &w->said[0];

	RECV(&x, START + MS, 9, .prior = WAIT_RISEN, .task_reads = true, .cancel = &ci);
	assert_only(w, VERDICT_DRAINED, CONF_NONE);
	assert_int_equal(f->cancel, CANCEL_ASYNCIO);
	assert_int_equal(f->n_timeline, 3);
	assert_entry(f, 1, 10, TL_CANCEL, 0, "Task-7 0x7fe000000700");
	assert_entry(f, 2, MS, TL_REPLY, 9, "");
	exchange(&x, START + 2 * MS, 8);
	correlate_tick(w->c, START + SEC);
	CLOSE(&x, START + 2 * SEC);
	assert_int_equal(w->n, 1);
}

static void a_cancelled_owner_that_sends_again_is_suspect_and_swallowed(void **state)
{
	struct world *w = *state;
	struct conn x = abandoned(w, 1);

	SEND(&x, START + MS, task(7), 15, .prior = WAIT_RISEN);
	correlate_tick(w->c, START + MS + 2 * GRACE);
	assert_only(w, VERDICT_REUSED, CONF_SUSPECT);
	assert_true(w->said[0].swallowed);
	assert_string_equal(w->said[0].owner_prev, w->said[0].owner_next);
}

static void closing_an_abandoned_connection_within_the_grace_period_is_only_closed(void **state)
{
	struct world *w = *state;
	struct conn x = abandoned(w, 1), y = connection(w, 2);
	const struct finding *f = &w->said[0];

	CLOSE(&x, START + MS, .prior = WAIT_RISEN);
	assert_only(w, VERDICT_CLOSED, CONF_NONE);
	assert_int_equal(f->n_timeline, 3);
	assert_entry(f, 0, 0, TL_REQUEST, 22, "Task-7 0x7fe000000700");
	assert_entry(f, 1, MS, TL_CANCEL_SEEN, 0, "Task-7 0x7fe000000700");
	assert_entry(f, 2, MS, TL_CLOSE, 0, "");

	settle(&y);
	SEND(&y, START, task(7), 22);
	RECV(&y, START + MS, 9, .prior = WAIT_CANCELLED);
	CLOSE(&y, START + MS + GRACE - 1);
	assert_said(w, 1, VERDICT_CLOSED, CONF_NONE);
	correlate_tick(w->c, START + SEC);
	correlate_finish(w->c, START + 2 * SEC);
	assert_int_equal(w->n, 2);
}

static void closing_a_connection_that_nobody_abandoned_is_not_worth_a_word(void **state)
{
	struct world *w = *state;
	struct conn x = abandoned(w, 1), y = connection(w, 2);

	CLOSE(&x, START + MS, .prior = WAIT_PENDING);
	/* Told, because the connection had a finding before. */
	settle(&y);
	SEND(&y, START, task(7), 22);
	SEND(&y, START + 1, task(8), 22, .prior = WAIT_RISEN);
	RECV(&y, START + MS, 9, .prior = WAIT_PENDING);
	exchange(&y, START + 2 * MS, 9);
	CLOSE(&y, START + 5 * MS);
	correlate_tick(w->c, START + SEC);
	assert_only(w, VERDICT_REUSED, CONF_CERTAIN);
}

static void sockets_that_an_exiting_process_leaves_behind_are_not_called_closed(void **state)
{
	struct world *w = *state;
	struct conn x = abandoned(w, 1);

	RECV(&x, START + MS, 9, .prior = WAIT_CANCELLED);
	CLOSE(&x, START + 2 * MS, .exiting = true);
	correlate_tick(w->c, START + SEC);
	assert_int_equal(w->n, 0);
}

static void a_reset_told_from_another_process_is_its_owners(void **state)
{
	struct world *w = *state;
	struct conn x = abandoned(w, 1);

	RECV(&x, START + MS, 9, .prior = WAIT_CANCELLED);
	CLOSE(&x, START + 2 * MS, .elsewhere = true);
	assert_only(w, VERDICT_CLOSED, CONF_NONE);
	assert_int_equal(w->said[0].pid, PID);
	assert_int_equal(w->said[0].tid, PID);
	assert_string_equal(w->said[0].comm, "python3");
}

/* Two owners who both wait: whatever comes after, a reader may sort the replies. */
static void a_connection_that_proves_multiplexed_is_reported_no_more(void **state)
{
	struct world *w = *state;
	struct conn x = connection(w, 1);
	size_t i;

	x.self_read = false;
	SEND(&x, START, task(1), 22);
	SEND(&x, START + 1, task(2), 22, .prior = WAIT_RISEN); /* held; steps are told now */
	SEND(&x, START + 2, task(3), 22, .prior = WAIT_PENDING);
	SEND(&x, START + 3, task(4), 22, .prior = WAIT_FINISHED);
	SEND(&x, START + 4, task(5), 22, .prior = WAIT_CANCELLED, .unread = 9);
	RECV(&x, START + 5, 27, .prior = WAIT_FINISHED);
	correlate_tick(w->c, START + SEC);
	CLOSE(&x, START + 2 * SEC);
	/* What was held before the proof came may be said, but not as more than a suspicion. */
	for (i = 0; i < w->n; i++)
		if (w->said[i].verdict != VERDICT_CLOSED) {
			assert_int_equal(i, 0);
			assert_said(w, i, VERDICT_REUSED, CONF_SUSPECT);
		}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_reuse_after_a_probed_cancellation_is_certain_and_tells_its_story),
		TEST(a_cancellation_read_from_memory_is_certain_but_has_no_time_of_its_own),
		TEST(a_cancellation_by_no_task_names_the_thread),
		TEST(a_reuse_of_a_young_connection_is_likely),
		TEST(an_owner_that_merely_left_makes_a_reuse_likely_not_certain),
		TEST(an_owner_that_still_waits_or_cannot_be_read_is_never_reported),
		TEST(one_connections_story_is_not_anothers),
		TEST(a_probed_cancellation_of_an_earlier_exchange_is_no_evidence),
		TEST(a_farewell_over_an_unread_reply_is_none),
		TEST(a_request_over_an_unread_reply_is_told_when_something_is_read),
		TEST(a_farewell_after_a_cancellation_is_a_good_ending),
		TEST(who_does_not_close_has_not_said_farewell),
		TEST(what_nobody_saw_the_end_of_is_suspect),
		TEST(what_a_stopped_reader_left_is_suspect),
		TEST(a_reuse_by_owners_not_seen_reading_is_held_for_two_grace_periods),
		TEST(a_held_reuse_is_said_as_suspect_at_the_close),
		TEST(a_held_reuse_is_likely_once_the_next_owner_ended_before_its_own_reply),
		TEST(a_held_reuse_is_likely_once_the_next_owner_ended_and_a_third_one_sends),
		TEST(owners_that_may_be_others_tasks_raise_nothing),
		TEST(a_next_owner_that_waits_for_its_reply_raises_nothing),
		TEST(writer_tasks_that_end_at_once_are_never_more_than_suspect),
		TEST(a_held_reuse_does_not_hide_the_next_abandonment),
		TEST(a_reply_read_with_nobody_waiting_and_a_reuse_is_likely_residue),
		TEST(a_cancellation_between_the_read_and_the_wake_up_is_residue),
		TEST(an_abandoned_reply_that_lies_unread_at_the_next_send_is_certain),
		TEST(thirty_seven_unread_bytes_are_reported_as_thirty_seven),
		TEST(unread_bytes_on_a_young_connection_are_suspect),
		TEST(unread_bytes_that_a_pipeline_explains_say_nothing_about_a_cancellation),
		TEST(a_connection_that_runs_behind_is_one_fault_not_one_at_every_send),
		TEST(a_residue_reuse_of_a_connection_that_runs_behind_is_called_residue),
		TEST(an_old_reply_read_on_purpose_is_drained_and_nothing_else),
		TEST(a_cancelled_owner_that_sends_again_is_suspect_and_swallowed),
		TEST(closing_an_abandoned_connection_within_the_grace_period_is_only_closed),
		TEST(closing_a_connection_that_nobody_abandoned_is_not_worth_a_word),
		TEST(sockets_that_an_exiting_process_leaves_behind_are_not_called_closed),
		TEST(a_reset_told_from_another_process_is_its_owners),
		TEST(a_connection_that_proves_multiplexed_is_reported_no_more),
	};

	return cmocka_run_group_tests_name("correlate", tests, NULL, NULL);
}
