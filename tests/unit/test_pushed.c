// SPDX-License-Identifier: GPL-2.0-or-later
/* What a map that pushes out what is old has pushed out too early. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "pushed.h"

#define MS   1000000ULL
#define ROOM 1000

/* ADDED more each pass, every EVERY_MS, over FOR_MS. */
static uint64_t run(struct pushed *p, uint64_t *now, uint64_t *added, uint64_t each,
		    uint64_t every_ms, uint64_t for_ms)
{
	uint64_t before = p->out, end = *now + for_ms * MS;

	for (; *now < end; *now += every_ms * MS) {
		*added += each;
		pushed_take(p, *now, *added, ROOM);
	}
	return p->out - before;
}

static void as_many_as_fit_in_two_seconds_push_nothing_out(void **state)
{
	struct pushed p = {0};
	uint64_t now = 5000 * MS, added = 0;

	(void)state;
	/* 500 ms: four passes or five lie in any two seconds. */
	assert_int_equal(run(&p, &now, &added, ROOM / 5, 500, 60000), 0);
	assert_int_equal(added, 24000);
}

static void what_is_added_beyond_that_has_pushed_out_as_many(void **state)
{
	struct pushed p = {0};
	uint64_t now = 5000 * MS, added = 0;

	(void)state;
	assert_int_equal(run(&p, &now, &added, ROOM + 7, 500, 500), 7);
	/* All that are added before the two seconds are over push out one each. */
	assert_int_equal(run(&p, &now, &added, 3, 500, 1500), 9);
}

static void it_is_over_when_the_two_seconds_are(void **state)
{
	struct pushed p = {0};
	uint64_t now = 5000 * MS, added = 0;

	(void)state;
	assert_int_equal(run(&p, &now, &added, 3 * ROOM, 500, 500), 2 * ROOM);
	now += 2000 * MS;
	assert_int_equal(run(&p, &now, &added, ROOM / 5, 500, 10000), 0);
}

/* Passes come every 50 ms while something is watched: more than there is room to remember. */
static void passes_that_come_often_are_no_way_around_it(void **state)
{
	struct pushed p = {0};
	uint64_t now = 5000 * MS, added = 0, out;

	(void)state;
	assert_int_equal(run(&p, &now, &added, 20, 50, 20000), 0);
	out = run(&p, &now, &added, 100, 50, 20000);
	assert_true(out > 50 * 400 && out <= 100 * 400);
}

static void what_was_there_at_first_is_asked_for_as_well(void **state)
{
	struct pushed p = {0};

	(void)state;
	pushed_take(&p, 7000 * MS, ROOM + 1, ROOM);
	assert_int_equal(p.out, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_many_as_fit_in_two_seconds_push_nothing_out),
		cmocka_unit_test(what_is_added_beyond_that_has_pushed_out_as_many),
		cmocka_unit_test(it_is_over_when_the_two_seconds_are),
		cmocka_unit_test(passes_that_come_often_are_no_way_around_it),
		cmocka_unit_test(what_was_there_at_first_is_asked_for_as_well),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
