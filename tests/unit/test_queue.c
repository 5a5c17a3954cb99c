// SPDX-License-Identifier: GPL-2.0-or-later
/* Records between the ring and the work on them: all come out, whole, in order, or are counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "queue.h"

/* Every record holds its number; its length is a function of it. */
static uint32_t size_of(uint64_t n)
{
	return (uint32_t)(sizeof(struct ev_head) + n * 13 % 700);
}

static void push(struct queue *q, uint64_t n)
{
	struct ev_head *h = malloc(size_of(n));

	assert_non_null(h);
	memset(h, (int)(n & 0xff), size_of(n));
	h->kind = EV_STEP;
	h->size = size_of(n);
	h->ts = n;
	queue_push(q, h);
	free(h);
}

struct reader {
	uint64_t next, seen;
};

static void expect_next(void *ctx, const struct ev_head *h)
{
	struct reader *r = ctx;
	const uint8_t *bytes = (const uint8_t *)(h + 1);
	uint32_t i;

	assert_int_equal((uintptr_t)h % 8, 0);
	assert_int_equal(h->ts, r->next);
	assert_int_equal(h->size, size_of(r->next));
	for (i = 0; i < h->size - sizeof(*h); i++)
		assert_int_equal(bytes[i], r->next & 0xff);
	r->next++;
	r->seen++;
}

static void an_empty_queue_runs_nothing(void **state)
{
	struct queue q = {0};
	struct reader r = {0};

	(void)state;
	queue_run(&q, expect_next, &r);
	assert_int_equal(r.seen, 0);
	queue_free(&q);
	queue_free(&q);
}

static void records_of_any_length_come_out_whole_aligned_and_in_order(void **state)
{
	struct queue q = {0};
	struct reader r = {0};
	uint64_t i;

	(void)state;
	for (i = 0; i < 5000; i++)
		push(&q, i);
	queue_run(&q, expect_next, &r);
	assert_int_equal(r.seen, 5000);
	assert_int_equal(q.dropped, 0);
	queue_free(&q);
}

static void a_queue_that_was_run_is_empty_and_can_be_filled_again(void **state)
{
	struct queue q = {0};
	struct reader r = {0};
	uint64_t i, n = 0;
	int round;

	(void)state;
	for (round = 0; round < 20; round++) {
		for (i = 0; i < 300; i++)
			push(&q, n++);
		queue_run(&q, expect_next, &r);
		assert_int_equal(r.seen, n);
		queue_run(&q, expect_next, &r);
		assert_int_equal(r.seen, n);
	}
	queue_free(&q);
}

static void a_record_larger_than_the_first_room_fits(void **state)
{
	size_t size = 1u << 20;
	struct ev_head *h = calloc(1, size);
	struct queue q = {0};

	(void)state;
	assert_non_null(h);
	h->size = (uint32_t)size;
	queue_push(&q, h);
	assert_int_equal(q.dropped, 0);
	assert_int_equal(q.used, size);
	assert_memory_equal(q.data, h, size);
	free(h);
	queue_free(&q);
}

static void count_only(void *ctx, const struct ev_head *h)
{
	(void)h;
	++*(uint64_t *)ctx;
}

/* A flood is bounded: what does not fit is counted, and what was there stays. */
static void what_does_not_fit_is_dropped_and_counted(void **state)
{
	size_t size = 1u << 20;
	struct ev_head *h = calloc(1, size);
	uint64_t i, seen = 0, pushed = 100;
	struct queue q = {0};

	(void)state;
	assert_non_null(h);
	h->size = (uint32_t)size;
	for (i = 0; i < pushed; i++)
		queue_push(&q, h);
	assert_true(q.dropped > 0);
	assert_true(q.used <= 64u << 20);
	queue_run(&q, count_only, &seen);
	assert_int_equal(seen + q.dropped, pushed);
	/* There is room again. */
	i = q.dropped;
	seen = 0;
	queue_push(&q, h);
	queue_run(&q, count_only, &seen);
	assert_int_equal(seen, 1);
	assert_int_equal(q.dropped, i);
	free(h);
	queue_free(&q);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_queue_runs_nothing),
		cmocka_unit_test(records_of_any_length_come_out_whole_aligned_and_in_order),
		cmocka_unit_test(a_queue_that_was_run_is_empty_and_can_be_filled_again),
		cmocka_unit_test(a_record_larger_than_the_first_room_fits),
		cmocka_unit_test(what_does_not_fit_is_dropped_and_counted),
	};

	return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
