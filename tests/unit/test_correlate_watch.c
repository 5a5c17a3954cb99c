// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Requests that overtook an owed reply when their thread had stopped waiting, perhaps for it and
 * perhaps for something else: only replies that lie unread where the connection rests accuse.
 */
#include "correlate_fixture.h"

/* The refresh pass looks at a connection that rests. */
static void rest(struct conn *x, uint64_t now, uint32_t unread)
{
	struct ledger_row row = row_of(x, unread);

	correlate_seen(x->w->c, &row);
	correlate_rest(x->w->c, &row, now);
}

/* The lag is found by two looks, and nobody asks again until it is told. */
/* One more exchange that begins with what lies there, and leaves as much. */
static void behind(struct conn *x, uint64_t now, uint32_t unread)
{
	SEND(x, now, thread(7), 22, .unread = unread);
	RECV(x, now + MS, 9);
}

/* A lag that stays as long as nobody asks, and after the next exchange. */
static void rest_long(struct conn *x, uint64_t since, uint32_t unread)
{
	rest(x, since + 180 * MS, unread);
	rest(x, since + 280 * MS, unread);
	rest(x, since + 2280 * MS, unread);
	rest(x, since + 9280 * MS, unread);
	behind(x, since + 9300 * MS, unread);
	rest(x, since + 9500 * MS, unread);
	assert_int_equal(x->w->n, 0);
	rest(x, since + 9600 * MS, unread);
}

/* A request of thread 7 at START, and thread 8's 10 ms later: what lay unread then, and why. */
static struct conn overtaken(struct world *w, uint8_t why, uint32_t unread)
{
	static const struct cancel_info when = {.ts = START + 5 * MS};
	struct conn x = connection(w, 1);

	SEND(&x, START, thread(7), 22);
	SEND(&x, START + 10 * MS, thread(8), 22, .prior = why, .unread = unread, .cancel = &when);
	return x;
}

static void a_reply_that_rests_unread_after_another_was_taken_is_likely(void **state)
{
	struct world *w = *state;
	struct conn x = overtaken(w, WAIT_POLL_TIMED_OUT, 0);
	const struct finding *f = &w->said[0];

	RECV(&x, START + 20 * MS, 9);
	rest_long(&x, START + 20 * MS, 9);
	assert_only(w, VERDICT_REUSED, CONF_LIKELY);
	assert_int_equal(f->reuse, REUSE_OUTSTANDING);
	assert_string_equal(cancel_names[f->cancel], "poll.timeout");
	assert_string_equal(evidence_names[f->evidence], "thread");
	assert_string_equal(f->owner_prev, "thread 7");
	assert_string_equal(f->owner_next, "thread 8");
	assert_entry(f, 0, 0, TL_REQUEST, 22, "thread 7");
	assert_entry(f, 1, 5 * MS, TL_CANCEL, 0, "thread 7");
	assert_entry(f, 2, 10 * MS, TL_REQUEST, 22, "thread 8");
	rest(&x, START + 10 * SEC, 9);
	correlate_finish(w->c, START + 11 * SEC);
	assert_int_equal(w->n, 1);
}

/*
 * A relay whose request goes out in two parts, with a tick of its loop between them, and whose
 * client stops reading in the middle of the answer.
 */
static void who_waits_for_his_reader_is_not_accused(void **state)
{
	struct world *w = *state;
	struct conn x = overtaken(w, WAIT_LOOP_TIMED_OUT, 0);
	unsigned int i;

	RECV(&x, START + 20 * MS, LEDGER_PIPE - 8);
	RECV(&x, START + 21 * MS, 8);
	for (i = 2; i < 60; i++)
		rest(&x, START + i * 100 * MS, 9000);
	/* The rest is read with no send between; then the same again, and the client goes. */
	RECV(&x, START + 7 * SEC, 9000);
	SEND(&x, START + 7 * SEC + MS, thread(7), 22);
	RECV(&x, START + 7 * SEC + 2 * MS, LEDGER_PIPE);
	rest(&x, START + 8 * SEC, 9000);
	rest(&x, START + 9 * SEC, 9000);
	CLOSE(&x, START + 10 * SEC, .unread = 9000);
	correlate_finish(w->c, START + 11 * SEC);
	assert_int_equal(w->n, 0);
}

/* ... or who has it sent so slowly that little was read before: then much lies there. */
static void nor_is_one_that_reads_slowly(void **state)
{
	struct world *w = *state;
	struct conn x = overtaken(w, WAIT_POLL_TIMED_OUT, 0);

	RECV(&x, START + 20 * MS, 4096);
	rest(&x, START + 200 * MS, LEDGER_PIPE);
	rest(&x, START + 300 * MS, LEDGER_PIPE);
	RECV(&x, START + SEC, 4096);
	rest(&x, START + 2 * SEC, LEDGER_PIPE);
	CLOSE(&x, START + 3 * SEC, .unread = LEDGER_PIPE);
	assert_int_equal(w->n, 0);
}

/* ... or whose answers are small: he has read them before he asks again. */
static void nor_is_one_that_reads_late_and_asks_after_that(void **state)
{
	struct world *w = *state;
	struct conn x = overtaken(w, WAIT_POLL_TIMED_OUT, 0);
	uint64_t at;

	for (at = START; at < START + 5 * SEC; at += SEC) {
		RECV(&x, at + 20 * MS, 9);
		rest(&x, at + 200 * MS, 9);
		rest(&x, at + 300 * MS, 9);
		RECV(&x, at + 900 * MS, 9);
		SEND(&x, at + 901 * MS, thread(7), 22);
	}
	assert_int_equal(w->n, 0);
}

/* A server that answers out of order, to a client that knows replies by a number. */
static void who_takes_the_late_reply_with_the_next_one_is_not_accused(void **state)
{
	struct world *w = *state;
	struct conn x = overtaken(w, WAIT_POLL_TIMED_OUT, 0);

	RECV(&x, START + 20 * MS, 9);
	rest(&x, START + 200 * MS, 9);
	rest(&x, START + 300 * MS, 9);
	behind(&x, START + 400 * MS, 9);
	RECV(&x, START + 402 * MS, 9);
	rest(&x, START + 600 * MS, 0);
	rest(&x, START + 3 * SEC, 0);
	CLOSE(&x, START + 4 * SEC);
	correlate_finish(w->c, START + 5 * SEC);
	assert_int_equal(w->n, 0);
}

static void nor_when_another_one_comes_late(void **state)
{
	struct world *w = *state;
	struct conn x = overtaken(w, WAIT_POLL_TIMED_OUT, 0);

	RECV(&x, START + 20 * MS, 9);
	rest(&x, START + 200 * MS, 9);
	rest(&x, START + 300 * MS, 9);
	behind(&x, START + 400 * MS, 9);
	RECV(&x, START + 402 * MS, 9);
	/* The same again, at once: the rest between was too short for a look. */
	SEND(&x, START + 410 * MS, thread(7), 22);
	SEND(&x, START + 420 * MS, thread(7), 22, .prior = WAIT_POLL_TIMED_OUT);
	RECV(&x, START + 421 * MS, 9);
	rest(&x, START + 600 * MS, 9);
	rest(&x, START + 700 * MS, 9);
	behind(&x, START + 800 * MS, 9);
	RECV(&x, START + 802 * MS, 9);
	/* ... where nobody asks any more how a thread's wait ended. */
	SEND(&x, START + 810 * MS, thread(7), 22);
	SEND(&x, START + 820 * MS, thread(7), 22);
	RECV(&x, START + 821 * MS, 9);
	rest(&x, START + 1000 * MS, 9);
	rest(&x, START + 1100 * MS, 9);
	assert_int_equal(w->n, 0);
}

static void nor_when_two_come_late_one_at_a_time(void **state)
{
	struct world *w = *state;
	struct conn x = overtaken(w, WAIT_POLL_TIMED_OUT, 0);

	SEND(&x, START + 20 * MS, thread(7), 22, .prior = WAIT_POLL_TIMED_OUT);
	RECV(&x, START + 21 * MS, 9);
	rest(&x, START + 200 * MS, 9);
	rest(&x, START + 300 * MS, 9);
	behind(&x, START + 400 * MS, 9);
	RECV(&x, START + 402 * MS, 9);
	rest(&x, START + 600 * MS, 9);
	rest(&x, START + 700 * MS, 9);
	assert_int_equal(w->n, 0);
	/* A third is nobody's. */
	behind(&x, START + 800 * MS, 9);
	rest(&x, START + 1000 * MS, 9);
	rest(&x, START + 1100 * MS, 9);
	assert_only(w, VERDICT_REUSED, CONF_LIKELY);
}

static void nor_when_another_one_is_given_up_and_nobody_hears_of_it(void **state)
{
	struct world *w = *state;
	struct conn x = overtaken(w, WAIT_POLL_TIMED_OUT, 0);

	RECV(&x, START + 20 * MS, 9);
	rest(&x, START + 200 * MS, 9);
	rest(&x, START + 300 * MS, 9);
	behind(&x, START + 400 * MS, 9);
	RECV(&x, START + 402 * MS, 9);
	SEND(&x, START + 410 * MS, thread(7), 22);
	SEND(&x, START + 420 * MS, thread(7), 22);
	RECV(&x, START + 421 * MS, 9);
	rest(&x, START + 600 * MS, 9);
	rest(&x, START + 700 * MS, 9);
	assert_int_equal(w->n, 0);
}

static void nor_when_he_was_in_step_in_between(void **state)
{
	struct world *w = *state;
	struct conn x = overtaken(w, WAIT_POLL_TIMED_OUT, 0);

	RECV(&x, START + 20 * MS, 9);
	rest(&x, START + 200 * MS, 9);
	rest(&x, START + 300 * MS, 9);
	behind(&x, START + 400 * MS, 9);
	RECV(&x, START + 402 * MS, 9);
	rest(&x, START + 600 * MS, 0);
	behind(&x, START + 700 * MS, 0);
	/* A push. */
	rest(&x, START + 900 * MS, 9);
	rest(&x, START + 1000 * MS, 9);
	assert_int_equal(w->n, 0);
}

static void nor_when_one_of_two_lay_there_and_the_other_comes_late(void **state)
{
	struct world *w = *state;
	struct conn x = overtaken(w, WAIT_POLL_TIMED_OUT, 0);

	SEND(&x, START + 20 * MS, thread(7), 22, .prior = WAIT_POLL_TIMED_OUT, .unread = 9);
	RECV(&x, START + 21 * MS, 9);
	RECV(&x, START + 22 * MS, 9);
	rest(&x, START + 200 * MS, 9);
	rest(&x, START + 300 * MS, 9);
	assert_int_equal(w->n, 0);
}

static void nor_when_the_rest_of_a_reply_in_frames_comes_late(void **state)
{
	struct world *w = *state;
	struct conn x = overtaken(w, WAIT_POLL_TIMED_OUT, 9);

	RECV(&x, START + 20 * MS, 9);
	RECV(&x, START + 21 * MS, 9);
	rest(&x, START + 200 * MS, 0);
	rest(&x, START + 300 * MS, 9);
	rest(&x, START + 400 * MS, 9);
	assert_int_equal(w->n, 0);
}

static void who_is_behind_after_the_next_exchange_is_accused_at_once(void **state)
{
	struct world *w = *state;
	struct conn x = overtaken(w, WAIT_POLL_TIMED_OUT, 0);

	RECV(&x, START + 20 * MS, 9);
	rest(&x, START + 200 * MS, 9);
	rest(&x, START + 300 * MS, 9);
	behind(&x, START + 400 * MS, 9);
	rest(&x, START + 600 * MS, 9);
	assert_int_equal(w->n, 0);
	rest(&x, START + 700 * MS, 9);
	assert_only(w, VERDICT_REUSED, CONF_LIKELY);
}

static void a_lag_that_came_later_than_replies_do_has_to_stay(void **state)
{
	struct world *w = *state;
	struct conn x = overtaken(w, WAIT_POLL_TIMED_OUT, 0);
	unsigned int i;

	RECV(&x, START + 20 * MS, 9);
	rest(&x, START + 200 * MS, 0);
	for (i = 3; i < 100; i++) {
		assert_true(i > 24 || correlate_watching(w->c));
		rest(&x, START + i * 100 * MS, 9);
	}
	/* Only the next exchange can tell: it does not take ten looks a second to wait for it. */
	assert_false(correlate_watching(w->c));
	assert_int_equal(w->n, 0);
	behind(&x, START + 10 * SEC, 9);
	rest(&x, START + 11 * SEC, 9);
	assert_true(correlate_watching(w->c));
	rest(&x, START + 12 * SEC, 9);
	assert_only(w, VERDICT_REUSED, CONF_LIKELY);
}

static void a_lag_at_the_end_is_told_if_it_came_at_once(void **state)
{
	struct world *w = *state;
	struct conn at_once = overtaken(w, WAIT_POLL_TIMED_OUT, 0), late, unseen, open;

	RECV(&at_once, START + 20 * MS, 9);
	rest(&at_once, START + 200 * MS, 9);
	CLOSE(&at_once, START + 300 * MS, .unread = 9);
	assert_only(w, VERDICT_REUSED, CONF_LIKELY);

	late = overtaken(w, WAIT_POLL_TIMED_OUT, 0);
	RECV(&late, START + 20 * MS, 9);
	rest(&late, START + 200 * MS, 0);
	rest(&late, START + 300 * MS, 9);
	rest(&late, START + 400 * MS, 9);
	CLOSE(&late, START + 500 * MS, .unread = 9);
	assert_int_equal(w->n, 1);

	unseen = overtaken(w, WAIT_POLL_TIMED_OUT, 0);
	RECV(&unseen, START + 20 * MS, 9);
	CLOSE(&unseen, START + 90 * MS, .unread = 9);
	assert_int_equal(w->n, 2);

	open = overtaken(w, WAIT_POLL_TIMED_OUT, 0);
	RECV(&open, START + 20 * MS, 9);
	rest(&open, START + 200 * MS, 9);
	rest(&open, START + 300 * MS, 9);
	correlate_finish(w->c, START + 400 * MS);
	assert_int_equal(w->n, 3);
}

static void a_watch_that_the_recorder_gave_up_is_over(void **state)
{
	struct world *w = *state;
	struct conn x = overtaken(w, WAIT_POLL_TIMED_OUT, 0);
	unsigned int i;

	RECV(&x, START + 11 * MS, 9);
	RECV(&x, START + 12 * MS, 9);
	for (i = 2; i < 4 + LEDGER_WATCH; i++) {
		assert_true(correlate_watching(w->c));
		SEND(&x, START + i * 10 * MS, thread(7), 22);
		RECV(&x, START + i * 10 * MS + MS, 9);
	}
	assert_int_equal(x.l.watch, 0);
	rest(&x, START + 500 * MS, 0);
	assert_true(correlate_watching(w->c));
	rest(&x, START + 600 * MS, 0);
	assert_false(correlate_watching(w->c));
}

/* The pass finds the connection as it is, and what has happened on it is told after that. */
static void a_pass_may_be_ahead_of_what_is_told(void **state)
{
	static const struct cancel_info when = {.ts = START + 5 * MS, .by_tid = 1};
	struct world *w = *state;
	struct conn x = connection(w, 1), ahead;

	SEND(&x, START, thread(7), 22);
	SEND(&x, START + 10 * MS, thread(8), 22, .prior = WAIT_PROBED, .unread = 9,
	     .cancel = &when);
	/* By the pass the next two requests have gone out, and the recorder watches no more. */
	ahead = x;
	ahead.l.requests += 2;
	ahead.l.watch = 0;
	rest(&ahead, START + 11 * MS, 9);
	RECV(&x, START + 10 * MS + 1000, 9);
	rest(&ahead, START + 111 * MS, 9);
	assert_only(w, VERDICT_REUSED, CONF_LIKELY);
}

static void what_lay_unread_at_the_overtaking_request_is_told(void **state)
{
	struct world *w = *state;
	struct conn x = overtaken(w, WAIT_EXITED, 9);

	RECV(&x, START + 20 * MS, 9);
	rest(&x, START + 200 * MS, 11);
	rest(&x, START + 300 * MS, 11);
	assert_only(w, VERDICT_REUSED, CONF_LIKELY);
	assert_int_equal(w->said[0].reuse, REUSE_UNREAD);
	assert_string_equal(cancel_names[w->said[0].cancel], "thread.exit");
}

static void a_signal_is_named_with_its_sender(void **state)
{
	static const struct cancel_info alarm = {.ts = START + MS, .signal = 14, .by_tid = 99};
	struct world *w = *state;
	struct conn x = connection(w, 1);

	SEND(&x, START, thread(7), 22);
	SEND(&x, START + 10 * MS, thread(7), 22, .prior = WAIT_POLL_INTERRUPTED, .cancel = &alarm);
	RECV(&x, START + 20 * MS, 9);
	rest_long(&x, START + 20 * MS, 9);
	assert_only(w, VERDICT_REUSED, CONF_LIKELY);
	assert_string_equal(cancel_names[w->said[0].cancel], "signal");
	assert_non_null(strstr(w->said[0].cancel_by, "SIGALRM"));
	assert_non_null(strstr(w->said[0].cancel_by, "99"));
}

static void whoever_reads_both_replies_is_not_worth_a_word(void **state)
{
	struct world *w = *state;
	struct conn x = overtaken(w, WAIT_POLL_TIMED_OUT, 9);

	RECV(&x, START + 20 * MS, 9);
	RECV(&x, START + 25 * MS, 9);
	rest(&x, START + 200 * MS, 0);
	rest(&x, START + 300 * MS, 0);
	CLOSE(&x, START + SEC);
	correlate_finish(w->c, START + SEC);
	assert_int_equal(w->n, 0);
}

static void a_last_word_before_the_close_is_not_worth_one(void **state)
{
	struct world *w = *state;
	struct conn x = overtaken(w, WAIT_POLL_TIMED_OUT, 9);

	CLOSE(&x, START + 11 * MS, .unread = 9);
	correlate_finish(w->c, START + SEC);
	assert_int_equal(w->n, 0);
}

static void two_looks_have_to_find_the_same_rest(void **state)
{
	struct world *w = *state;
	struct conn x = overtaken(w, WAIT_POLL_TIMED_OUT, 0);

	RECV(&x, START + 20 * MS, 9);
	/* It was on its way to a reader who then took it. */
	rest(&x, START + 200 * MS, 9);
	RECV(&x, START + 201 * MS, 9);
	rest(&x, START + 400 * MS, 0);
	rest(&x, START + 500 * MS, 0);
	assert_int_equal(w->n, 0);
}

static void what_comes_later_than_a_reply_may_is_a_goodbye(void **state)
{
	struct world *w = *state;
	struct conn x = overtaken(w, WAIT_POLL_TIMED_OUT, 0);

	RECV(&x, START + 20 * MS, 9);
	RECV(&x, START + 21 * MS, 9);
	rest(&x, START + 200 * MS, 0);
	rest(&x, START + 20 * SEC, 8);
	rest(&x, START + 21 * SEC, 8);
	assert_int_equal(w->n, 0);
}

static void a_late_reply_to_a_slow_server_may_come_late(void **state)
{
	struct world *w = *state;
	struct conn x = connection(w, 1);

	SEND(&x, START, thread(7), 22);
	SEND(&x, START + 5 * SEC, thread(7), 22, .prior = WAIT_POLL_TIMED_OUT);
	RECV(&x, START + 6 * SEC, 9);
	rest(&x, START + 7 * SEC, 0);
	rest(&x, START + 12 * SEC, 9);
	rest(&x, START + 13 * SEC, 9);
	assert_int_equal(w->n, 0);
	/* Each of them does, and shows as late. */
	behind(&x, START + 14 * SEC, 9);
	rest(&x, START + 15 * SEC, 0);
	rest(&x, START + 19 * SEC, 9);
	rest(&x, START + 20 * SEC, 9);
	assert_only(w, VERDICT_REUSED, CONF_LIKELY);
}

static void a_client_that_leaves_bytes_unread_by_habit_is_not_accused(void **state)
{
	struct world *w = *state;
	struct conn x = connection(w, 1);
	unsigned int i;

	for (i = 0; i < 8; i++) {
		SEND(&x, START - SEC + i * 10 * MS, thread(7), 22, .unread = i ? 4 : 0);
		RECV(&x, START - SEC + i * 10 * MS + MS, 9, .unread = 4);
	}
	w->n = 0;
	SEND(&x, START, thread(7), 22, .unread = 4);
	SEND(&x, START + 10 * MS, thread(7), 22, .prior = WAIT_POLL_TIMED_OUT, .unread = 4);
	RECV(&x, START + 20 * MS, 9, .unread = 4);
	rest(&x, START + 200 * MS, 4);
	rest(&x, START + 300 * MS, 4);
	for (i = 0; i < w->n; i++)
		assert_int_equal(w->said[i].confidence, CONF_SUSPECT);
}

static void a_connection_that_is_pushed_to_is_not_asked(void **state)
{
	struct world *w = *state;
	struct conn x = connection(w, 1);
	unsigned int i;

	SEND(&x, START - SEC, thread(7), 22);
	for (i = 0; i < 1 + LEDGER_PUSHES_MAX; i++)
		RECV(&x, START - SEC + (1 + i) * 20 * MS, 9);
	assert_false(ledger_asks(&x.l));
	SEND(&x, START, thread(7), 22);
	assert_true(ledger_owed(&x.l));
	assert_false(ledger_asks(&x.l));
}

/* An event loop on one connection: a tick between any two requests, and no lag ever. */
static void who_shares_a_connection_between_ticks_is_asked_a_few_times_only(void **state)
{
	struct world *w = *state;
	struct conn x = connection(w, 1);
	unsigned int i, asked = 0;

	for (i = 0; i < 100; i++) {
		bool asks = ledger_owed(&x.l) && ledger_asks(&x.l);

		asked += asks;
		SEND(&x, START + i * 10 * MS, thread(7), 22,
		     .prior = asks ? WAIT_POLL_TIMED_OUT : WAIT_UNKNOWN);
		if (i % 20 == 19) {
			RECV(&x, START + i * 10 * MS + MS, 180);
			x.l.watch = 0; /* as after many requests in step */
		}
	}
	/* In all requests of three rounds, and in the first of the fourth. */
	assert_int_equal(asked, 19 * (LEDGER_PERHAPS_MAX - 1) + 1);
	correlate_finish(w->c, START + 10 * SEC);
	assert_int_equal(w->n, 0);
}

static void on_an_exclusive_connection_it_is_suspect_if_nothing_follows(void **state)
{
	struct world *w = *state;
	struct conn x = connection(w, 1);
	unsigned int i;

	for (i = 0; i <= LEDGER_EXCLUSIVE_MIN; i++) {
		SEND(&x, START - SEC + i * 10 * MS, thread(7), 22);
		RECV(&x, START - SEC + i * 10 * MS + MS, 9);
	}
	SEND(&x, START, thread(7), 22);
	SEND(&x, START + 10 * MS, thread(7), 22, .prior = WAIT_POLL_TIMED_OUT);
	correlate_tick(w->c, START + 10 * MS + 2 * GRACE);
	assert_only(w, VERDICT_REUSED, CONF_SUSPECT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_reply_that_rests_unread_after_another_was_taken_is_likely),
		TEST(who_waits_for_his_reader_is_not_accused),
		TEST(nor_is_one_that_reads_slowly),
		TEST(nor_is_one_that_reads_late_and_asks_after_that),
		TEST(who_takes_the_late_reply_with_the_next_one_is_not_accused),
		TEST(nor_when_another_one_comes_late),
		TEST(nor_when_two_come_late_one_at_a_time),
		TEST(nor_when_another_one_is_given_up_and_nobody_hears_of_it),
		TEST(nor_when_he_was_in_step_in_between),
		TEST(nor_when_one_of_two_lay_there_and_the_other_comes_late),
		TEST(nor_when_the_rest_of_a_reply_in_frames_comes_late),
		TEST(who_is_behind_after_the_next_exchange_is_accused_at_once),
		TEST(a_lag_that_came_later_than_replies_do_has_to_stay),
		TEST(a_lag_at_the_end_is_told_if_it_came_at_once),
		TEST(a_watch_that_the_recorder_gave_up_is_over),
		TEST(a_pass_may_be_ahead_of_what_is_told),
		TEST(what_lay_unread_at_the_overtaking_request_is_told),
		TEST(a_signal_is_named_with_its_sender),
		TEST(whoever_reads_both_replies_is_not_worth_a_word),
		TEST(a_last_word_before_the_close_is_not_worth_one),
		TEST(two_looks_have_to_find_the_same_rest),
		TEST(what_comes_later_than_a_reply_may_is_a_goodbye),
		TEST(a_late_reply_to_a_slow_server_may_come_late),
		TEST(a_client_that_leaves_bytes_unread_by_habit_is_not_accused),
		TEST(a_connection_that_is_pushed_to_is_not_asked),
		TEST(who_shares_a_connection_between_ticks_is_asked_a_few_times_only),
		TEST(on_an_exclusive_connection_it_is_suspect_if_nothing_follows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
