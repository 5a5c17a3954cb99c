// SPDX-License-Identifier: GPL-2.0-or-later
/* The ledger's vectors on the host, and its invariants over random stories. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ledger_vectors.h"

static void run_vector(void **state)
{
	const struct vector *v = *state;
	struct ledger l = {.flags = (__u8)v->start_flags};
	struct vec_final f;
	int i;

	for (i = 0; i < VEC_STEPS && v->steps[i].op; i++) {
		const struct vec_step *s = &v->steps[i];
		__u32 ev = vec_step(&l, s, &vec_owners[s->who]);

		if (ev != s->expect)
			fail_msg("step %d means 0x%x, expected 0x%x", i, ev, s->expect);
	}
	vec_finish(&l, &f);
	assert_int_equal(f.requests, v->final.requests);
	assert_int_equal(f.replies, v->final.replies);
	assert_int_equal(f.tx_bytes, v->final.tx_bytes);
	assert_int_equal(f.rx_bytes, v->final.rx_bytes);
	assert_int_equal(f.owed, v->final.owed);
	assert_int_equal(f.clean, v->final.clean);
	assert_int_equal(f.overlaps, v->final.overlaps);
	assert_int_equal(f.takeovers, v->final.takeovers);
	assert_int_equal(f.continued, v->final.continued);
	assert_int_equal(f.waits, v->final.waits);
	assert_int_equal(f.leaves, v->final.leaves);
	assert_int_equal(f.lag, v->final.lag);
	assert_int_equal(f.residue, v->final.residue);
	assert_int_equal(f.abandoned, v->final.abandoned);
	assert_int_equal(f.flags, v->final.flags);
}

static void eight_clean_exchanges_make_a_connection_exclusive(void **state)
{
	struct ledger l = {0};
	struct vec_step send = SND(A, 0, 5), reply = RCV(0, 5, .prior = WAIT_PENDING);
	int i;

	(void)state;
	for (i = 0; i <= LEDGER_EXCLUSIVE_MIN; i++) {
		assert_int_equal(ledger_exclusive(&l), 0);
		send.now = (__u64)i * 10 + 1;
		reply.now = send.now + 5;
		vec_step(&l, &send, &vec_owners[A]);
		vec_step(&l, &reply, NULL);
	}
	assert_int_equal(ledger_exclusive(&l), 1);
	/* One overlap is enough to lose that for ever. */
	vec_step(&l, &send, &vec_owners[A]);
	send.prior = WAIT_PENDING;
	vec_step(&l, &send, &vec_owners[B]);
	assert_int_equal(ledger_exclusive(&l), 0);
}

static void no_random_story_breaks_the_books(void **state)
{
	struct ledger l;
	int story, i;

	(void)state;
	srand(20230320);
	for (story = 0; story < 20000; story++) {
		__u64 now = 1, tx = 0, rx = 0;

		memset(&l, 0, sizeof(l));
		for (i = 0; i < 60; i++) {
			struct vec_step s = {.op = VEC_SEND + (__u32)rand() % 4,
					     .who = (__u32)rand() % WHO_MAX,
					     .bytes = 1 + (__u32)rand() % 100,
					     .unread = rand() % 3 ? 0 : (__u32)rand() % 50,
					     .prior = (__u32)rand() % WAIT_MAX,
					     .reader_running = (__u32)rand() % 2};
			__u32 ev;

			s.now = now += (__u64)rand() % 1000;
			ev = vec_step(&l, &s, &vec_owners[s.who]);
			tx += s.op == VEC_SEND ? s.bytes : 0;
			rx += s.op == VEC_RECV ? s.bytes : 0;
			assert_true(l.replies <= l.requests);
			assert_true(l.requests - l.replies <= l.requests);
			assert_int_equal(l.tx_bytes, tx);
			assert_int_equal(l.rx_bytes, rx);
			assert_true(!(ev & LE_REUSED) || s.op == VEC_SEND);
			/* An unknown owner is never accused and never accuses. */
			if (s.op == VEC_SEND && s.who == UNKNOWN)
				assert_int_equal(ev & (LE_REUSED | LE_SWALLOWED), 0);
			/* Nothing is reused that nobody abandoned. */
			if (s.op == VEC_SEND &&
			    (s.prior == WAIT_PENDING || s.prior == WAIT_UNKNOWN))
				assert_int_equal(ev & LE_REUSED, 0);
		}
	}
}

static void a_plain_send_is_what_the_long_way_makes_of_it(void **state)
{
	int i, plain = 0;

	(void)state;
	srand(858);
	for (i = 0; i < 600000; i++) {
		struct ledger_in in = {
			.now = (__u64)rand(), .bytes = 1 + (__u32)rand() % 1000, .unread_exact = 1};
		const struct owner *who = &vec_owners[rand() % WHO_MAX];
		struct ledger a = {0}, b;
		__u32 ev;

		a.owner = vec_owners[rand() % WHO_MAX];
		a.requests = (__u64)rand() % 3;
		a.tx_seq = (__u32)rand() % 3;
		a.rx_seen = (__u32)rand() % 3;
		a.emptied_at = (__u32)rand() % 3;
		a.abandoned = rand() % 4 ? 0 : WAIT_CANCELLED;
		a.flags = rand() % 4 ? 0 : LEDGER_ADOPTED;
		a.hot = (__u32)rand() % 2;
		b = a;
		if (!ledger_plain(&a, who->tgid, who->tid) || who->kind != OWNER_THREAD)
			continue;
		plain++;
		ledger_plain_send(&a, in.now, in.bytes);
		ev = ledger_send(&b, &in, who);
		assert_int_equal(ev, LE_REQUEST);
		ledger_commit(&b, &in, who, ev);
		assert_memory_equal(&a, &b, sizeof(a));
	}
	assert_true(plain > 1000);
}

static void a_plain_reply_is_what_the_long_way_makes_of_it(void **state)
{
	int i, plain = 0;

	(void)state;
	srand(859);
	for (i = 0; i < 600000; i++) {
		struct ledger_in in = {.now = (__u64)rand(), .bytes = 1 + (__u32)rand() % 1000};
		struct ledger a = {0}, b;
		size_t n;

		/* Whatever the other fields hold. */
		for (n = 0; n < sizeof(a); n++)
			((__u8 *)&a)[n] = (__u8)rand();
		a.owner = vec_owners[rand() % WHO_MAX];
		a.tx_seq = (__u32)rand() % 3;
		a.rx_seen = (__u32)rand() % 3;
		a.abandoned = rand() % 4 ? 0 : WAIT_CANCELLED;
		a.watch = rand() % 4 ? 0 : WAIT_INTERRUPTED;
		a.hot = (__u32)rand() % 2;
		b = a;
		if (!ledger_plain_reply(&a))
			continue;
		plain++;
		ledger_plain_recv(&a, in.now, in.bytes);
		assert_int_equal(ledger_recv(&b, &in), LE_REPLY);
		assert_memory_equal(&a, &b, sizeof(a));
	}
	assert_true(plain > 1000);
}

static void owners_of_two_processes_with_one_number_are_two(void **state)
{
	struct owner a = {.tgid = 7, .id = 1, .tid = 7, .kind = OWNER_THREAD}, b = a;

	(void)state;
	assert_true(owner_same(&a, &b));
	b.id = 2;
	assert_false(owner_same(&a, &b));
}

int main(void)
{
	struct CMUnitTest tests[N_VECTORS + 5];
	size_t i;

	memset(tests, 0, sizeof(tests));
	for (i = 0; i < N_VECTORS; i++) {
		tests[i].name = vectors[i].name;
		tests[i].test_func = run_vector;
		tests[i].initial_state = (void *)(uintptr_t)&vectors[i];
	}
	tests[i++] = (struct CMUnitTest)cmocka_unit_test(
		eight_clean_exchanges_make_a_connection_exclusive);
	tests[i++] = (struct CMUnitTest)cmocka_unit_test(
		owners_of_two_processes_with_one_number_are_two);
	tests[i++] = (struct CMUnitTest)cmocka_unit_test(no_random_story_breaks_the_books);
	tests[i++] =
		(struct CMUnitTest)cmocka_unit_test(a_plain_send_is_what_the_long_way_makes_of_it);
	tests[i++] =
		(struct CMUnitTest)cmocka_unit_test(a_plain_reply_is_what_the_long_way_makes_of_it);
	return _cmocka_run_group_tests("ledger", tests, i, NULL, NULL);
}
