// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A cancelled owner that itself sends again: what its stream's buffer holds when all is over tells
 * a client that runs one reply behind from one that cleans up or says goodbye.
 */
#include "correlate_fixture.h"

#define REPLY 15

/* The refresh pass looks at a connection that rests, and into its buffer. */
static void rest(struct conn *x, uint64_t now, uint32_t buffered)
{
	struct ledger_row row = row_of(x, 0);

	correlate_seen(x->w->c, &row);
	correlate_buffered(x->w->c, &row, buffered, now);
	correlate_tick(x->w->c, now);
}

/*
 * Cancelled at START with its reply owed, it sends again 1 ms later and takes what comes first; its
 * own reply follows. Then it asks once more.
 */
static struct conn swallowed(struct world *w)
{
	struct conn x = abandoned(w, 1);

	SEND(&x, START + MS, task(7), 22, .prior = WAIT_RISEN);
	RECV(&x, START + 2 * MS, REPLY, .prior = WAIT_PENDING);
	RECV(&x, START + 3 * MS, REPLY);
	SEND(&x, START + 10 * MS, task(7), 22);
	RECV(&x, START + 11 * MS, REPLY, .prior = WAIT_PENDING);
	return x;
}

static void a_last_reply_that_nobody_takes_out_is_likely(void **state)
{
	struct world *w = *state;
	struct conn x = swallowed(w);
	const struct finding *f = &w->said[0];

	rest(&x, START + 120 * MS, REPLY);
	assert_int_equal(w->n, 0);
	rest(&x, START + 170 * MS, REPLY);
	assert_only(w, VERDICT_REUSED, CONF_LIKELY);
	assert_true(f->swallowed);
	assert_int_equal(f->residue_bytes, REPLY);
	assert_false(correlate_watching(w->c));
	rest(&x, START + 210 * MS, REPLY);
	CLOSE(&x, START + SEC);
	assert_int_equal(w->n, 1);
}

static void so_is_one_after_a_reply_that_was_read_with_nobody_waiting(void **state)
{
	struct world *w = *state;
	struct conn x = abandoned(w, 1);

	RECV(&x, START + MS, REPLY, .prior = WAIT_RISEN);
	SEND(&x, START + 2 * MS, task(7), 22);
	RECV(&x, START + 3 * MS, REPLY, .prior = WAIT_PENDING);
	rest(&x, START + 110 * MS, REPLY);
	rest(&x, START + 160 * MS, REPLY);
	assert_only(w, VERDICT_REUSED, CONF_LIKELY);
	assert_int_equal(w->said[0].reuse, REUSE_RESIDUE);
	assert_true(w->said[0].swallowed);
}

/* A loop that sends late: whoever asked next had taken the old reply, and waits for nothing. */
static struct conn taken(struct world *w, struct owner who)
{
	struct conn x = abandoned(w, 1);

	RECV(&x, START + MS, REPLY, .prior = WAIT_CANCELLED);
	SEND(&x, START + 2 * MS, who, 22, .taken = true);
	return x;
}

static void who_took_the_old_reply_and_leaves_his_own_is_likely(void **state)
{
	struct owner nobody = {.kind = OWNER_NONE, .tgid = PID, .tid = PID};
	struct world *w = *state;
	struct conn x = taken(w, nobody);

	RECV(&x, START + 3 * MS, REPLY);
	rest(&x, START + 110 * MS, REPLY);
	assert_int_equal(w->n, 0);
	rest(&x, START + 160 * MS, REPLY);
	assert_only(w, VERDICT_REUSED, CONF_LIKELY);
	assert_int_equal(w->said[0].reuse, REUSE_RESIDUE);
	assert_false(w->said[0].swallowed);
	assert_int_equal(w->said[0].residue_bytes, REPLY);
}

static void what_was_said_as_suspect_is_raised_later(void **state)
{
	struct world *w = *state;
	struct conn x = swallowed(w);

	correlate_tick(w->c, START + SEC);
	assert_only(w, VERDICT_REUSED, CONF_SUSPECT);
	SEND(&x, START + SEC, task(7), 22);
	RECV(&x, START + SEC + MS, REPLY, .prior = WAIT_PENDING);
	rest(&x, START + SEC + 110 * MS, REPLY);
	rest(&x, START + SEC + 160 * MS, REPLY);
	assert_said(w, 1, VERDICT_REUSED, CONF_LIKELY);
	assert_int_equal(w->n, 2);
}

/* Looks at X until long after any reply could have come. */
static void assert_stays_suspect(struct world *w, struct conn *x, uint32_t buffered)
{
	unsigned int i;

	for (i = 2; i < 40; i++)
		rest(x, START + i * 60 * MS, buffered);
	assert_only(w, VERDICT_REUSED, CONF_SUSPECT);
	assert_false(correlate_watching(w->c));
}

static void who_takes_all_out_stays_suspect(void **state)
{
	struct world *w = *state;
	struct conn x = swallowed(w);

	assert_stays_suspect(w, &x, 0);
}

static void who_took_the_old_reply_to_be_rid_of_it_stays_suspect(void **state)
{
	struct world *w = *state;
	struct conn x = taken(w, task(8));

	RECV(&x, START + 3 * MS, REPLY, .prior = WAIT_PENDING);
	assert_stays_suspect(w, &x, 0);
}

static void a_push_with_his_own_reply_stays_suspect(void **state)
{
	struct world *w = *state;
	struct conn x = taken(w, task(8));

	RECV(&x, START + 3 * MS, REPLY + 40, .prior = WAIT_PENDING);
	assert_stays_suspect(w, &x, 40);
}

static void a_farewell_that_reads_nothing_stays_suspect(void **state)
{
	struct world *w = *state;
	struct conn x = abandoned(w, 1);

	SEND(&x, START + MS, task(7), 6, .prior = WAIT_RISEN);
	RECV(&x, START + 2 * MS, REPLY);
	RECV(&x, START + 3 * MS, 5);
	assert_stays_suspect(w, &x, REPLY + 5);
}

static void a_farewell_answered_in_one_read_stays_suspect(void **state)
{
	struct world *w = *state;
	struct conn x = abandoned(w, 1);

	SEND(&x, START + MS, task(7), 6, .prior = WAIT_RISEN);
	RECV(&x, START + 2 * MS, REPLY + 5);
	assert_stays_suspect(w, &x, REPLY + 5);
}

static void a_push_after_all_replies_stays_suspect(void **state)
{
	struct world *w = *state;
	struct conn x = swallowed(w);

	RECV(&x, START + 12 * MS, 40);
	assert_stays_suspect(w, &x, 40);
}

static void a_push_after_replies_that_came_in_one_read_stays_suspect(void **state)
{
	struct world *w = *state;
	struct conn x = abandoned(w, 1);

	SEND(&x, START + MS, task(7), 22, .prior = WAIT_RISEN);
	RECV(&x, START + 2 * MS, 2 * REPLY, .prior = WAIT_PENDING);
	RECV(&x, START + 12 * MS, 40);
	assert_stays_suspect(w, &x, 40);
}

static void more_reads_than_requests_explain_stay_suspect(void **state)
{
	struct world *w = *state;
	struct conn x = abandoned(w, 1);

	SEND(&x, START + MS, task(7), 22, .prior = WAIT_RISEN);
	RECV(&x, START + 2 * MS, REPLY, .prior = WAIT_PENDING);
	RECV(&x, START + 3 * MS, REPLY);
	RECV(&x, START + 5 * MS, REPLY);
	SEND(&x, START + 10 * MS, task(7), 22);
	RECV(&x, START + 11 * MS, REPLY, .prior = WAIT_PENDING);
	assert_stays_suspect(w, &x, REPLY);
}

static void the_tail_of_a_reply_that_a_client_leaves_stays_suspect(void **state)
{
	struct world *w = *state;
	struct conn x = swallowed(w);

	assert_stays_suspect(w, &x, 2);
}

static void bytes_that_are_there_in_one_look_only_stay_suspect(void **state)
{
	struct world *w = *state;
	struct conn x = swallowed(w);

	rest(&x, START + 115 * MS, REPLY);
	assert_stays_suspect(w, &x, 0);
}

static void bytes_that_came_between_two_looks_wait_for_a_third(void **state)
{
	struct world *w = *state;
	struct conn x = swallowed(w);

	rest(&x, START + 115 * MS, REPLY);
	SEND(&x, START + 120 * MS, task(7), 22);
	RECV(&x, START + 130 * MS, REPLY, .prior = WAIT_PENDING);
	rest(&x, START + 190 * MS, REPLY);
	assert_int_equal(w->n, 0);
	rest(&x, START + 195 * MS, REPLY);
	assert_only(w, VERDICT_REUSED, CONF_LIKELY);
}

static void where_owners_do_not_read_for_themselves_it_stays_suspect(void **state)
{
	struct world *w = *state;
	struct conn x = abandoned_shared(w, 1);

	SEND(&x, START + MS, task(7), 22, .prior = WAIT_RISEN);
	RECV(&x, START + 2 * MS, REPLY, .prior = WAIT_PENDING);
	RECV(&x, START + 3 * MS, REPLY);
	SEND(&x, START + 4 * MS, task(7), 22);
	RECV(&x, START + 5 * MS, REPLY, .prior = WAIT_PENDING);
	rest(&x, START + 110 * MS, REPLY);
	rest(&x, START + 160 * MS, REPLY);
	assert_only(w, VERDICT_REUSED, CONF_SUSPECT);
}

static void a_farewell_before_the_close_is_only_closed(void **state)
{
	struct world *w = *state;
	struct conn x = abandoned(w, 1);

	SEND(&x, START + MS, task(7), 6, .prior = WAIT_RISEN);
	CLOSE(&x, START + 2 * MS);
	assert_only(w, VERDICT_CLOSED, CONF_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_last_reply_that_nobody_takes_out_is_likely),
		TEST(so_is_one_after_a_reply_that_was_read_with_nobody_waiting),
		TEST(who_took_the_old_reply_and_leaves_his_own_is_likely),
		TEST(what_was_said_as_suspect_is_raised_later),
		TEST(who_takes_all_out_stays_suspect),
		TEST(who_took_the_old_reply_to_be_rid_of_it_stays_suspect),
		TEST(a_push_with_his_own_reply_stays_suspect),
		TEST(a_farewell_that_reads_nothing_stays_suspect),
		TEST(a_farewell_answered_in_one_read_stays_suspect),
		TEST(a_push_after_all_replies_stays_suspect),
		TEST(a_push_after_replies_that_came_in_one_read_stays_suspect),
		TEST(more_reads_than_requests_explain_stay_suspect),
		TEST(the_tail_of_a_reply_that_a_client_leaves_stays_suspect),
		TEST(bytes_that_are_there_in_one_look_only_stay_suspect),
		TEST(bytes_that_came_between_two_looks_wait_for_a_third),
		TEST(where_owners_do_not_read_for_themselves_it_stays_suspect),
		TEST(a_farewell_before_the_close_is_only_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
