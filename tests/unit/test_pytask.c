// SPDX-License-Identifier: GPL-2.0-or-later
/* What a look at a task's memory says about its wait (DESIGN, "Read memory"). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "pytask.h"

#define TYPE  0x955000ULL /* _asyncio's Task type */
#define OTHER 0x966000ULL

/* Of 3.11, and of 3.9 and 3.10, which count no cancellations. */
enum { V311 = 1, V310 = 0 };

/* What differs from the task as it was at its send: pending, alive, a cancellation counted. */
struct look_case {
	const char *name;
	int has_cancels;
	uint8_t expect;
	uint64_t known_type;
	struct pytask_look look;
};

#define HEAD(refs, t) .head = {.refcnt = (refs), .type = (t), .loop = 0x1}
#define ALIVE	      HEAD(3, TYPE)
#define TAIL(...)     .tail = {.waiter = 0xf0, .coro = 0xc0, .name = 0xa0, __VA_ARGS__}
#define NAME	      .name = {0x372d6b736154} /* "Task-7" */
#define CASE(n, v, e, ...)                                                                         \
	{                                                                                          \
		.name = (n), .has_cancels = (v), .expect = (e), .known_type = TYPE, .look = {      \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}

static const struct owner sender = {.kind = OWNER_TASK,
				    .tgid = 1,
				    .tid = 1,
				    .task = 0x1000,
				    .coro = 0xc0,
				    .name_ptr = 0xa0,
				    .name = {0x372d6b736154},
				    .cancels = 2};

/* clang-format off */
static const struct look_case cases[] = {
	CASE("an_untouched_task_still_waits", V311, WAIT_PENDING,
	     ALIVE, NAME, TAIL(.cancels = 2)),
	CASE("a_count_that_stands_above_zero_for_ever_is_no_cancellation", V311, WAIT_PENDING,
	     ALIVE, NAME, TAIL(.cancels = 2, .must_cancel = 1)),
	CASE("a_count_that_has_risen_is_one", V311, WAIT_RISEN,
	     ALIVE, NAME, TAIL(.cancels = 3)),
	CASE("a_count_taken_back_is_none", V311, WAIT_PENDING,
	     ALIVE, NAME, TAIL(.cancels = 1)),
	CASE("a_cancelled_task_is_cancelled", V311, WAIT_CANCELLED,
	     ALIVE, NAME, TAIL(.cancels = 3), .state = PYFUT_CANCELLED),
	CASE("a_cancelled_task_has_no_coroutine_and_is_cancelled", V311, WAIT_CANCELLED,
	     ALIVE, NAME, .tail = {.name = 0xa0, .cancels = 3}, .state = PYFUT_CANCELLED),
	CASE("a_finished_task_has_finished", V311, WAIT_FINISHED,
	     ALIVE, NAME, .tail = {.name = 0xa0, .cancels = 2}, .state = PYFUT_FINISHED),
	CASE("a_task_that_ended_with_an_exception_has_failed", V311, WAIT_FAILED,
	     ALIVE, NAME, .tail = {.name = 0xa0, .cancels = 2}, .state = PYFUT_FINISHED,
	     .exception = 0xe0),
	CASE("a_task_that_turned_its_cancellation_into_an_end_was_cancelled", V311,
	     WAIT_CANCELLED, ALIVE, NAME, .tail = {.name = 0xa0, .cancels = 3},
	     .state = PYFUT_FINISHED),
	CASE("a_task_that_turned_its_cancellation_into_a_timeout_was_cancelled", V311,
	     WAIT_CANCELLED, ALIVE, NAME, .tail = {.name = 0xa0, .cancels = 3},
	     .state = PYFUT_FINISHED, .exception = 0xe0),
	CASE("a_state_that_is_none_is_unknown", V311, WAIT_UNKNOWN,
	     ALIVE, NAME, TAIL(.cancels = 2), .state = 7),
	CASE("an_enormous_state_is_unknown", V310, WAIT_UNKNOWN,
	     ALIVE, NAME, TAIL(.must_cancel = 1), .state = UINT32_MAX),

	/* Another object at the same address. */
	CASE("another_type_is_another_object", V311, WAIT_GONE,
	     HEAD(3, OTHER), NAME, TAIL(.cancels = 2)),
	CASE("another_type_is_another_object_even_when_freed", V311, WAIT_GONE,
	     HEAD(0, OTHER), NAME, TAIL(.cancels = 2), .state = PYFUT_CANCELLED),
	CASE("a_task_with_another_name_object_is_another_task", V311, WAIT_GONE,
	     ALIVE, NAME, .tail = {.waiter = 0xf0, .coro = 0xc0, .name = 0xa8, .cancels = 2}),
	CASE("a_task_with_another_number_is_another_task", V311, WAIT_GONE,
	     ALIVE, .name = {0x382d6b736154}, TAIL(.cancels = 2)),
	CASE("a_task_whose_name_differs_behind_the_eighth_byte_is_another_task", V311, WAIT_GONE,
	     ALIVE, .name = {0x372d6b736154, 0x31}, TAIL(.cancels = 2)),
	CASE("a_waiting_task_with_another_coroutine_is_another_task", V311, WAIT_GONE,
	     ALIVE, NAME, .tail = {.waiter = 0xf0, .coro = 0xc8, .name = 0xa0, .cancels = 2}),
	CASE("another_task_that_was_cancelled_says_nothing_about_ours", V311, WAIT_GONE,
	     ALIVE, .name = {0x382d6b736154}, TAIL(.cancels = 9), .state = PYFUT_CANCELLED),

	/* Freed memory: its fields were cleared, the state speaks. */
	CASE("freed_memory_of_a_cancelled_task_says_so", V311, WAIT_FREED_CANCELLED,
	     HEAD(0, TYPE), .state = PYFUT_CANCELLED),
	CASE("freed_memory_of_a_pending_task_was_destroyed", V311, WAIT_DESTROYED,
	     HEAD(0, TYPE), .state = PYFUT_PENDING),
	CASE("freed_memory_of_a_finished_task_has_finished", V311, WAIT_FINISHED,
	     HEAD(0, TYPE), .state = PYFUT_FINISHED),
	CASE("freed_memory_of_an_old_version_speaks_too", V310, WAIT_FREED_CANCELLED,
	     HEAD(0, TYPE), .state = PYFUT_CANCELLED),

	/* 3.9 and 3.10. */
	CASE("an_untouched_old_task_still_waits", V310, WAIT_PENDING,
	     ALIVE, NAME, TAIL(.must_cancel = 0)),
	CASE("what_lies_where_a_count_would_be_is_not_a_count", V310, WAIT_PENDING,
	     ALIVE, NAME, TAIL(.cancels = 99)),
	CASE("a_request_that_waits_for_the_task_to_run_is_a_cancellation", V310, WAIT_RISEN,
	     ALIVE, NAME, TAIL(.must_cancel = 1)),
	CASE("a_cancelled_future_that_the_task_waits_for_is_a_cancellation", V310, WAIT_RISEN,
	     ALIVE, NAME, TAIL(.must_cancel = 0), .waiter_state = PYFUT_CANCELLED),
	CASE("a_future_that_has_its_result_is_none", V310, WAIT_PENDING,
	     ALIVE, NAME, TAIL(.must_cancel = 0), .waiter_state = PYFUT_FINISHED),
	CASE("an_old_task_that_finished_has_finished_whatever_the_count", V310, WAIT_FINISHED,
	     ALIVE, NAME, .tail = {.name = 0xa0, .cancels = 99}, .state = PYFUT_FINISHED),
	CASE("an_old_task_that_failed_has_failed", V310, WAIT_FAILED,
	     ALIVE, NAME, .tail = {.name = 0xa0}, .state = PYFUT_FINISHED, .exception = 0xe0),
	CASE("an_old_task_that_was_cancelled_is_cancelled", V310, WAIT_CANCELLED,
	     ALIVE, NAME, .tail = {.name = 0xa0}, .state = PYFUT_CANCELLED),
};
/* clang-format on */

#define N_CASES (sizeof(cases) / sizeof(cases[0]))

static void run_case(void **state)
{
	const struct look_case *k = *state;

	assert_int_equal(pytask_judge(&sender, &k->look, k->known_type, k->has_cancels), k->expect);
	/* Where the type is not known it cannot speak; the name still does. */
	if (k->look.head.type == TYPE)
		assert_int_equal(pytask_judge(&sender, &k->look, 0, k->has_cancels), k->expect);
}

static void without_a_known_type_the_name_still_tells_tasks_apart(void **state)
{
	struct pytask_look look = {HEAD(3, OTHER), NAME, TAIL(.cancels = 2)};

	(void)state;
	assert_int_equal(pytask_judge(&sender, &look, 0, V311), WAIT_PENDING);
	look.name[0]++;
	assert_int_equal(pytask_judge(&sender, &look, 0, V311), WAIT_GONE);
}

/* Whatever the memory holds: only a task of the same name can be waiting, or cancelled by name. */
static void no_other_object_ever_passes_for_the_owner(void **state)
{
	struct pytask_look look;
	uint32_t rnd = 1;
	int i;
	size_t j;

	(void)state;
	for (i = 0; i < 200000; i++) {
		uint8_t *p = (uint8_t *)&look, status;

		for (j = 0; j < sizeof(look); j++)
			p[j] = (uint8_t)((rnd = rnd * 1664525 + 1013904223) >> 24);
		look.state %= 4;
		look.head.refcnt %= 3;
		look.head.type = i % 2 ? TYPE : OTHER;
		status = pytask_judge(&sender, &look, i % 3 ? TYPE : 0, i % 5 != 0);
		assert_true(status < WAIT_MAX);
		assert_true(status != WAIT_PENDING && status != WAIT_RISEN &&
			    status != WAIT_CANCELLED);
	}
}

/* As Python makes one: base 2^30, the least digit first, no more digits than it takes. */
static void an_address_is_read_out_of_a_python_int(void **state)
{
	static const uint64_t addresses[] = {
		1ULL << 30, 0x7f1234567840, 0xffff9abcdef0, (1ULL << 60) - 1, 1ULL << 60, ~0ULL,
	};
	struct pylong n;
	uint64_t rest;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		memset(&n, 0xff, sizeof(n)); /* what lies behind the int */
		n.size = 0;
		for (rest = addresses[i]; rest; rest /= 1 << 30)
			n.digits[n.size++] = (uint32_t)(rest % (1 << 30));
		assert_int_equal(pylong_address(&n), addresses[i]);
		n.size = -n.size;
		assert_int_equal(pylong_address(&n), 0);
	}
}

static void what_is_no_int_of_that_size_is_no_address(void **state)
{
	static const int64_t sizes[] = {0, 1, 4, -1, INT64_MIN, INT64_MAX, 0x7f1234567840};
	struct pylong n = {.digits = {1, 2, 3}};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		n.size = sizes[i];
		assert_int_equal(pylong_address(&n), 0);
	}
}

/* Of a task's count only the low half is kept. */
static void a_count_of_cancellations_has_risen_also_where_its_low_half_begins_again(void **state)
{
	(void)state;
	assert_false(cancels_risen(7, 7));
	assert_true(cancels_risen(8, 7));
	assert_false(cancels_risen(6, 7));
	assert_true(cancels_risen(0x10000, 0xffff));
	assert_true(cancels_risen(0x1fffe + 3, 0xfffe));
	assert_false(cancels_risen(0x50000, 0));
	assert_false(cancels_risen(0, 1));
}

int main(void)
{
	struct CMUnitTest tests[N_CASES + 5];
	size_t i;

	memset(tests, 0, sizeof(tests));
	for (i = 0; i < N_CASES; i++) {
		tests[i].name = cases[i].name;
		tests[i].test_func = run_case;
		tests[i].initial_state = (void *)(uintptr_t)&cases[i];
	}
	tests[i++] = (struct CMUnitTest)cmocka_unit_test(
		without_a_known_type_the_name_still_tells_tasks_apart);
	tests[i++] = (struct CMUnitTest)cmocka_unit_test(no_other_object_ever_passes_for_the_owner);
	tests[i++] = (struct CMUnitTest)cmocka_unit_test(
		a_count_of_cancellations_has_risen_also_where_its_low_half_begins_again);
	tests[i++] = (struct CMUnitTest)cmocka_unit_test(an_address_is_read_out_of_a_python_int);
	tests[i++] = (struct CMUnitTest)cmocka_unit_test(what_is_no_int_of_that_size_is_no_address);
	return _cmocka_run_group_tests("pytask", tests, i, NULL, NULL);
}
