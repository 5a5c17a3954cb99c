// SPDX-License-Identifier: GPL-2.0-or-later
/* How many sockets the last pass of a run has to wait for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "collector_int.h"

static uint64_t due(uint64_t sockets, uint64_t before, uint64_t ended, uint64_t met)
{
	uint64_t then[CNT_MAX] = {[CNT_SOCKETS] = sockets, [CNT_ENDED] = before};
	uint64_t now[CNT_MAX] = {[CNT_SOCKETS] = sockets, [CNT_ENDED] = ended};

	return collector_ends_due(then, now, met);
}

static void what_was_met_or_has_ended_is_not_waited_for(void **state)
{
	(void)state;
	assert_int_equal(due(0, 0, 0, 0), 0);
	assert_int_equal(due(50, 0, 0, 50), 0);
	assert_int_equal(due(50, 50, 50, 0), 0);
	assert_int_equal(due(50, 20, 20, 30), 0);
}

static void what_was_not_met_is_waited_for(void **state)
{
	(void)state;
	assert_int_equal(due(50, 0, 0, 35), 15);
	assert_int_equal(due(50, 20, 20, 15), 15);
}

/* 35 TCP sockets end while a pass meets them, the Unix sockets beside them a little later. */
static void what_was_met_and_has_ended_since_counts_once(void **state)
{
	(void)state;
	assert_int_equal(due(50, 0, 35, 35), 15);
	assert_int_equal(due(50, 0, 49, 35), 1);
	assert_int_equal(due(50, 0, 50, 35), 0);
}

static void a_pass_may_meet_what_is_counted_later(void **state)
{
	(void)state;
	assert_int_equal(due(50, 0, 0, 51), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_met_or_has_ended_is_not_waited_for),
		cmocka_unit_test(what_was_not_met_is_waited_for),
		cmocka_unit_test(what_was_met_and_has_ended_since_counts_once),
		cmocka_unit_test(a_pass_may_meet_what_is_counted_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
