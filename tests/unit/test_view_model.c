// SPDX-License-Identifier: GPL-2.0-or-later
/* Rows: how they come, what is said about them, how they go. */
#include "view_fixture.h"

static const struct conn A = {.cookie = 1, .requests = 10, .replies = 10, .last_ns = START};
static const struct conn B = {.cookie = 2, .requests = 5, .replies = 4, .last_ns = START};

static void a_socket_that_one_pass_missed_keeps_its_row(void **state)
{
	struct view *v = *state;
	const struct conn both[] = {A, B};

	round_of(v, both, 2, 1);
	round_of(v, both, 1, 2);
	assert_int_equal(v->n_rows, 2);
	round_of(v, both, 1, 3);
	assert_int_equal(v->n_rows, 1);
	assert_non_null(view_find(v, 1));
}

static void a_row_shows_what_its_ledger_says(void **state)
{
	struct view *v = *state;
	struct conn c = B;
	struct view_row *row;

	c.unread = 9;
	round_of(v, &c, 1, 1);
	row = view_find(v, 2);
	assert_int_equal(row->requests, 5);
	assert_int_equal(row->owed, 1);
	assert_int_equal(row->unread, 9);
	assert_int_equal(row->latency_ns, 0); /* it is still owed */
	assert_string_equal(row->name->text, "python3.11");
	c.replies = 5;
	round_of(v, &c, 1, 2);
	assert_ptr_equal(view_find(v, 2), row);
	assert_int_equal(row->owed, 0);
	assert_int_equal(row->latency_ns, 400000);
}

static void a_bad_connection_stays_as_gone_after_its_end(void **state)
{
	struct view *v = *state;
	const struct conn both[] = {A, B};

	round_of(v, both, 2, 1);
	find_on(v, &B, VERDICT_REUSED, CONF_CERTAIN);
	round_of(v, both, 1, 2);
	round_of(v, both, 1, 3);
	assert_int_equal(v->n_rows, 2);
	assert_true(view_find(v, 2)->ended);
	assert_true(on_screen(v, "gone"));
	/* Ten minutes later it is forgotten. */
	round_of(v, both, 1, 604);
	assert_int_equal(v->n_rows, 1);
}

static void a_finding_on_an_unknown_connection_makes_a_row_if_it_is_bad(void **state)
{
	struct view *v = *state;
	struct view_row *row;

	find_on(v, &A, VERDICT_CLOSED, CONF_NONE);
	assert_int_equal(v->n_rows, 0);
	find_on(v, &A, VERDICT_DIRTY, CONF_LIKELY);
	row = view_find(v, 1);
	assert_non_null(row);
	assert_int_equal(row->peer_port, 6379);
	assert_int_equal(row->peer[3], 9);
	assert_string_equal(row->name->text, "python3.11");
}

static void a_reuse_is_for_life_and_only_grows_surer(void **state)
{
	struct view *v = *state;

	round_of(v, &A, 1, 1);
	find_on(v, &A, VERDICT_REUSED, CONF_SUSPECT);
	find_on(v, &A, VERDICT_REUSED, CONF_CERTAIN);
	find_on(v, &A, VERDICT_REUSED, CONF_LIKELY);
	find_on(v, &A, VERDICT_DIRTY, CONF_CERTAIN);
	assert_int_equal(view_find(v, 1)->verdict, VERDICT_REUSED);
	assert_int_equal(view_find(v, 1)->confidence, CONF_CERTAIN);
	assert_int_equal(view_find(v, 1)->story->findings, 4);
}

static void a_word_about_an_exchange_that_is_over_is_taken_back_after_two_looks(void **state)
{
	struct view *v = *state;
	struct conn c = B;

	round_of(v, &c, 1, 1);
	find_on(v, &c, VERDICT_ABANDONED, CONF_LIKELY);
	round_of(v, &c, 1, 2);
	assert_int_equal(view_find(v, 2)->verdict, VERDICT_ABANDONED);
	c.requests = c.replies = 6;
	round_of(v, &c, 1, 3);
	assert_int_equal(view_find(v, 2)->verdict, VERDICT_ABANDONED);
	round_of(v, &c, 1, 4);
	assert_int_equal(view_find(v, 2)->verdict, VERDICT_NONE);
	assert_non_null(view_find(v, 2)->story);
}

static void cancellations_of_one_exchange_count_once(void **state)
{
	struct view *v = *state;
	struct conn c = B;

	round_of(v, &c, 1, 1);
	find_on(v, &c, VERDICT_ABANDONED, CONF_LIKELY);
	find_on(v, &c, VERDICT_DIRTY, CONF_LIKELY);
	assert_int_equal(view_find(v, 2)->cancels, 1);
	c.requests = 7;
	find_on(v, &c, VERDICT_ABANDONED, CONF_LIKELY);
	assert_int_equal(view_find(v, 2)->cancels, 2);
}

static void while_paused_nothing_moves_and_nothing_is_lost(void **state)
{
	struct view *v = *state;
	const struct conn both[] = {A, B};
	struct run_stats s = {.time_ns = START + 5 * S, .replies = 1234};

	round_of(v, both, 1, 1);
	view_key(v, ' ');
	round_of(v, both, 2, 2);
	find_on(v, &A, VERDICT_REUSED, CONF_CERTAIN);
	find_on(v, &B, VERDICT_DIRTY, CONF_CERTAIN);
	view_round_begin(v, s.time_ns);
	view_round_end(v, &s);
	assert_int_equal(v->n_rows, 1);
	assert_int_equal(view_find(v, 1)->verdict, VERDICT_NONE);
	assert_true(on_screen(v, "PAUSED: 1234 exchanges, 2 findings since"));
	view_key(v, ' ');
	assert_int_equal(view_find(v, 1)->verdict, VERDICT_REUSED);
	assert_int_equal(view_find(v, 2)->verdict, VERDICT_DIRTY);
	assert_false(on_screen(v, "PAUSED"));
}

static void a_flood_of_findings_while_paused_is_bounded(void **state)
{
	struct view *v = *state;
	struct conn c = A;
	int i;

	round_of(v, &A, 1, 1);
	view_key(v, 'p');
	for (i = 0; i < 3 * STORIES_MAX; i++) {
		c.cookie = 1000 + (uint64_t)i;
		find_on(v, &c, VERDICT_REUSED, CONF_CERTAIN);
	}
	assert_true(v->n_pending <= STORIES_MAX);
	assert_int_equal(v->pending_findings, 3 * STORIES_MAX);
	view_key(v, 'p');
	assert_int_equal(v->n_rows, STORIES_MAX + 1);
}

static void rows_of_ended_connections_are_bounded(void **state)
{
	struct view *v = *state;
	struct conn c = A;
	int i;

	round_of(v, &A, 1, 1);
	for (i = 0; i < ENDED_MAX + 100; i++) {
		c.cookie = 1000 + (uint64_t)i;
		find_on(v, &c, VERDICT_REUSED, CONF_CERTAIN);
	}
	round_of(v, &A, 1, 2);
	round_of(v, &A, 1, 3);
	round_of(v, &A, 1, 4);
	assert_int_equal(v->n_rows, ENDED_MAX + 1);
	assert_int_equal(v->n_ended, ENDED_MAX);
}

static void stories_are_bounded_and_the_word_stays(void **state)
{
	struct view *v = *state;
	struct conn c = A;
	int i;

	for (i = 0; i < STORIES_MAX + 5; i++) {
		c.cookie = 1000 + (uint64_t)i;
		find_on(v, &c, VERDICT_DIRTY, CONF_LIKELY);
	}
	assert_int_equal(v->n_stories, STORIES_MAX);
	assert_int_equal(view_find(v, 1000 + STORIES_MAX)->verdict, VERDICT_DIRTY);
	assert_null(view_find(v, 1000 + STORIES_MAX)->story);
}

static void a_ledger_with_a_gap_is_unobserved(void **state)
{
	struct view *v = *state;
	struct ledger_row row;
	struct view_source_row src = {&row, "c", "", "", {0}};
	struct run_stats s = {.time_ns = START + S};

	ledger_of(&A, &row);
	row.l.flags = LEDGER_GAP;
	view_round_begin(v, START + S);
	view_row(v, &src);
	view_round_end(v, &s);
	assert_int_equal(view_find(v, 1)->verdict, VERDICT_UNOBSERVED);
	/* No executable: the thread's name is shown. */
	assert_string_equal(view_find(v, 1)->name->text, "c");
}

static void a_closed_socket_that_lingers_is_no_row(void **state)
{
	struct view *v = *state;
	struct ledger_row row;
	struct view_source_row src = {&row, "c", "", "", {0}};

	ledger_of(&A, &row);
	row.l.flags = LEDGER_CLOSED;
	view_round_begin(v, START + S);
	view_row(v, &src);
	assert_int_equal(v->n_rows, 0);
}

static void rates_are_per_second_between_rounds(void **state)
{
	struct view *v = *state;
	struct run_stats s = {.time_ns = START};

	view_round_begin(v, START);
	view_round_end(v, &s);
	s = (struct run_stats){
		.time_ns = START + 2 * S, .replies = 500, .cancellations = 3, .cpu_ns = S / 50};
	view_round_begin(v, s.time_ns);
	view_round_end(v, &s);
	assert_float_equal(v->exchange_rate, 250, 0.001);
	assert_float_equal(v->cancel_rate, 1.5, 0.001);
	assert_float_equal(v->cpu_share, 0.01, 0.0001);
	/* A total that falls (a socket ended in the middle of a pass) is no rate. */
	s.time_ns += S;
	s.replies = 400;
	view_round_begin(v, s.time_ns);
	view_round_end(v, &s);
	assert_float_equal(v->exchange_rate, 0, 0.001);
}

static void recent_exchanges_are_remembered_where_somebody_looks(void **state)
{
	struct view *v = *state;
	struct conn c = A;
	int i;

	round_of(v, &c, 1, 1);
	assert_null(view_find(v, 1)->trail);
	view_key(v, KEY_VIEW_ENTER);
	for (i = 2; i < 40; i++) {
		c.requests += 3;
		c.replies += 3;
		c.last_ns = START + (uint64_t)i * S;
		round_of(v, &c, 1, (uint64_t)i);
	}
	assert_int_equal(view_find(v, 1)->trail->n, TRAIL);
	assert_int_equal(view_find(v, 1)->trail->samples[TRAIL - 1].more, 2);
	assert_int_equal(view_find(v, 1)->trail->samples[TRAIL - 1].requests, c.requests);
}

static void names_are_shared_and_freed(void **state)
{
	struct view *v = *state;
	struct conn both[] = {A, B};

	round_of(v, both, 2, 1);
	assert_int_equal(HASH_COUNT(v->names), 1);
	both[1].exe = "ruby"; /* exec; it is noticed with the next traffic */
	both[1].last_ns++;
	round_of(v, both, 2, 2);
	assert_int_equal(HASH_COUNT(v->names), 2);
	round_of(v, both, 1, 3);
	round_of(v, both, 1, 4);
	assert_int_equal(HASH_COUNT(v->names), 1);
}

/* A round of a live run: of N connections only C moved. */
static void kept_round(struct view *v, const struct conn *c, size_t n, uint64_t at)
{
	struct run_stats s = {.time_ns = START + at * S, .sockets_tracked = n};

	view_round_begin(v, START + at * S);
	if (c)
		feed(v, c);
	view_rows_kept(v);
	view_round_end(v, &s);
}

static void rows_that_no_round_tells_stay_where_the_gone_are_told(void **state)
{
	struct view *v = *state;
	struct conn both[] = {A, B};
	uint64_t at;

	round_of(v, both, 2, 1);
	both[0].requests += 5;
	both[0].last_ns += S;
	for (at = 2; at < 8; at++)
		kept_round(v, &both[0], 2, at);
	assert_int_equal(v->n_rows, 2);
	assert_int_equal(view_find(v, A.cookie)->requests, both[0].requests);
	view_row_gone(v, B.cookie);
	assert_int_equal(v->n_rows, 1);
	assert_null(view_find(v, B.cookie));
}

static void what_moved_between_two_rounds_is_in_the_next(void **state)
{
	struct view *v = *state;
	struct conn c = A;

	round_of(v, &c, 1, 1);
	c.unread = 9;
	feed(v, &c);
	kept_round(v, NULL, 1, 2);
	assert_int_equal(view_find(v, A.cookie)->unread, 9);
}

static void a_bad_connection_that_is_gone_stays_to_be_read(void **state)
{
	struct view *v = *state;
	struct conn c = A;
	uint64_t at;

	round_of(v, &c, 1, 1);
	find_on(v, &c, VERDICT_REUSED, CONF_LIKELY);
	kept_round(v, NULL, 1, 2);
	view_row_gone(v, A.cookie);
	view_row_gone(v, A.cookie);
	assert_true(view_find(v, A.cookie)->ended);
	assert_int_equal(v->n_ended, 1);
	for (at = 3; at < 3 + 2 * EXPIRE_ROUNDS; at++)
		kept_round(v, NULL, 0, at + KEEP_ENDED_NS / S);
	assert_int_equal(v->n_rows, 0);
}

/* The socket opened, went wrong and closed between two looks: nobody will say that it is gone. */
static void a_row_that_only_a_finding_made_leaves_by_itself(void **state)
{
	struct view *v = *state;
	struct conn c = A, other = B;
	uint64_t at;

	round_of(v, &other, 1, 1);
	kept_round(v, NULL, 1, 2);
	find_on(v, &c, VERDICT_REUSED, CONF_LIKELY);
	for (at = 3; at < 6; at++)
		kept_round(v, NULL, 1, at);
	assert_true(view_find(v, A.cookie)->ended);
	assert_false(view_find(v, B.cookie)->ended);
}

static void what_moved_and_what_came_while_it_was_paused_is_there_after_it(void **state)
{
	struct view *v = *state;
	struct conn both[] = {A, B}, new = B, brief = B;

	new.cookie++;
	brief.cookie += 2;
	round_of(v, both, 2, 1);
	kept_round(v, NULL, 2, 2);
	view_key(v, ' ');
	both[0].requests += 5;
	both[0].last_ns++;
	feed(v, &both[0]);
	feed(v, &new);
	feed(v, &brief);
	view_row_gone(v, brief.cookie);
	view_row_gone(v, B.cookie);
	assert_int_equal(v->n_rows, 2); /* the picture stands still */
	assert_int_not_equal(view_find(v, A.cookie)->requests, both[0].requests);
	view_key(v, ' ');
	assert_int_equal(v->n_rows, 2);
	assert_int_equal(view_find(v, A.cookie)->requests, both[0].requests);
	assert_non_null(view_find(v, new.cookie));
	assert_null(view_find(v, B.cookie));
	assert_null(view_find(v, brief.cookie));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_socket_that_one_pass_missed_keeps_its_row),
		TEST(a_row_shows_what_its_ledger_says),
		TEST(a_bad_connection_stays_as_gone_after_its_end),
		TEST(a_finding_on_an_unknown_connection_makes_a_row_if_it_is_bad),
		TEST(a_reuse_is_for_life_and_only_grows_surer),
		TEST(a_word_about_an_exchange_that_is_over_is_taken_back_after_two_looks),
		TEST(cancellations_of_one_exchange_count_once),
		TEST(while_paused_nothing_moves_and_nothing_is_lost),
		TEST(a_flood_of_findings_while_paused_is_bounded),
		TEST(rows_of_ended_connections_are_bounded),
		TEST(stories_are_bounded_and_the_word_stays),
		TEST(a_ledger_with_a_gap_is_unobserved),
		TEST(a_closed_socket_that_lingers_is_no_row),
		TEST(rates_are_per_second_between_rounds),
		TEST(recent_exchanges_are_remembered_where_somebody_looks),
		TEST(names_are_shared_and_freed),
		TEST(rows_that_no_round_tells_stay_where_the_gone_are_told),
		TEST(what_moved_between_two_rounds_is_in_the_next),
		TEST(a_bad_connection_that_is_gone_stays_to_be_read),
		TEST(a_row_that_only_a_finding_made_leaves_by_itself),
		TEST(what_moved_and_what_came_while_it_was_paused_is_there_after_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
