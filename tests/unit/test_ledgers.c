// SPDX-License-Identifier: GPL-2.0-or-later
/* --ledgers: each socket is told once, whatever the order of its end and the refresh passes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "ledgers.h"

#define COOKIE 77

struct heard {
	struct ledgers *ledgers;
	struct socket_report last;
	int told;
};

static void on_socket(void *ctx, struct socket_report *r)
{
	struct heard *h = ctx;

	h->told++;
	h->last = *r;
}

static int begin(void **state)
{
	static struct heard heard;

	memset(&heard, 0, sizeof(heard));
	heard.ledgers = ledgers_new(on_socket, &heard);
	*state = &heard;
	return heard.ledgers ? 0 : -1;
}

static int end(void **state)
{
	ledgers_free(((struct heard *)*state)->ledgers);
	return 0;
}

/* A refresh pass that saw the socket with so many requests, or not at all. */
static void pass(struct heard *h, int seen, uint64_t requests)
{
	struct ledger_row row = {.cookie = COOKIE, .l = {.requests = requests}};

	if (seen)
		ledgers_row(h->ledgers, &row);
	ledgers_round(h->ledgers, 1);
}

static void last_words(struct heard *h, uint64_t requests)
{
	struct ev_step e = {.cookie = COOKIE, .l = {.requests = requests}};

	ledgers_end(h->ledgers, &e);
}

static void a_socket_that_ends_is_told_by_its_last_words(void **state)
{
	struct heard *h = *state;

	pass(h, 1, 3);
	last_words(h, 5);
	assert_int_equal(h->told, 1);
	assert_int_equal(h->last.requests, 5);
	assert_false(h->last.open || h->last.unobserved);
	ledgers_finish(h->ledgers, 2);
	assert_int_equal(h->told, 1);
}

/* What still holds it keeps its row for a while. */
static void a_socket_that_is_seen_after_its_last_words_is_told_once(void **state)
{
	struct heard *h = *state;
	int passes;

	last_words(h, 5);
	for (passes = 0; passes < 6; passes++) {
		pass(h, passes % 3 != 2, 5); /* a walk over a map that changes may miss it */
		assert_int_equal(h->told, 1);
	}
	ledgers_finish(h->ledgers, 2);
	assert_int_equal(h->told, 1);
}

static void a_socket_that_is_seen_in_the_last_pass_after_its_last_words_is_told_once(void **state)
{
	struct heard *h = *state;

	pass(h, 1, 5);
	last_words(h, 5);
	pass(h, 1, 5);
	ledgers_finish(h->ledgers, 2);
	assert_int_equal(h->told, 1);
	assert_false(h->last.open);
}

static void a_socket_that_is_open_at_the_end_is_told_as_open(void **state)
{
	struct heard *h = *state;

	pass(h, 1, 3);
	ledgers_finish(h->ledgers, 2);
	assert_int_equal(h->told, 1);
	assert_true(h->last.open);
	assert_false(h->last.unobserved);
}

static void a_socket_that_vanished_without_a_word_is_told_as_unobserved(void **state)
{
	struct heard *h = *state;

	pass(h, 1, 3);
	pass(h, 0, 0);
	assert_int_equal(h->told, 0);
	pass(h, 0, 0);
	pass(h, 0, 0);
	assert_int_equal(h->told, 1);
	assert_true(h->last.unobserved);
	assert_false(h->last.open);
	ledgers_finish(h->ledgers, 2);
	assert_int_equal(h->told, 1);
}

static void late_last_words_do_not_tell_a_socket_twice(void **state)
{
	struct heard *h = *state;

	pass(h, 1, 3);
	pass(h, 0, 0);
	pass(h, 0, 0);
	pass(h, 0, 0);
	last_words(h, 5);
	ledgers_finish(h->ledgers, 2);
	assert_int_equal(h->told, 1);
	assert_true(h->last.unobserved);
}

static void what_is_gone_for_long_is_forgotten(void **state)
{
	struct heard *h = *state;
	int i;

	pass(h, 1, 3);
	for (i = 0; i < 100; i++)
		pass(h, 0, 0);
	last_words(h, 1);
	assert_int_equal(h->told, 2);
	assert_int_equal(h->last.requests, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_socket_that_ends_is_told_by_its_last_words, begin,
						end),
		cmocka_unit_test_setup_teardown(
			a_socket_that_is_seen_after_its_last_words_is_told_once, begin, end),
		cmocka_unit_test_setup_teardown(
			a_socket_that_is_seen_in_the_last_pass_after_its_last_words_is_told_once,
			begin, end),
		cmocka_unit_test_setup_teardown(a_socket_that_is_open_at_the_end_is_told_as_open,
						begin, end),
		cmocka_unit_test_setup_teardown(
			a_socket_that_vanished_without_a_word_is_told_as_unobserved, begin, end),
		cmocka_unit_test_setup_teardown(late_last_words_do_not_tell_a_socket_twice, begin,
						end),
		cmocka_unit_test_setup_teardown(what_is_gone_for_long_is_forgotten, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
