// SPDX-License-Identifier: GPL-2.0-or-later
/* Goroutines as owners: who took whose place, who reads, and what they are called. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "describe.h"
#include "golang.h"
#include "verdict.h"

#define TGID 100

static uint64_t now;

static struct owner goroutine(uint64_t id, uint32_t tid)
{
	return (struct owner){.tgid = TGID,
			      .tid = tid,
			      .kind = OWNER_GOROUTINE,
			      .task = 0xc000000000 + id * 0x100,
			      .name = {id},
			      .verified = 1};
}

static uint32_t send(struct ledger *l, const struct owner *who, uint8_t prior, uint32_t unread)
{
	struct ledger_in in = {
		.now = ++now, .bytes = 10, .prior = prior, .unread = unread, .unread_exact = 1};
	uint32_t ev = ledger_send(l, &in, who);

	ledger_commit(l, &in, who, ev);
	return ev;
}

static uint32_t receive(struct ledger *l, bool by_owner, uint32_t left)
{
	struct ledger_in in = {.now = ++now, .bytes = 10, .unread = left};

	ledger_goroutine_reads(l, &in, by_owner);
	return ledger_recv(l, &in);
}

static void a_goroutine_is_known_by_its_id_on_every_thread(void **state)
{
	struct owner a = goroutine(18, 1), b = goroutine(18, 2), c = goroutine(19, 1);

	(void)state;
	c.task = a.task; /* its g was used again */
	assert_true(owner_same(&a, &b));
	assert_false(owner_same(&a, &c));
}

static void a_request_that_ended_with_its_goroutine_is_overtaken(void **state)
{
	struct owner a = goroutine(18, 1), b = goroutine(19, 1);
	struct ledger l = {0};

	(void)state;
	send(&l, &a, WAIT_UNKNOWN, 0);
	receive(&l, true, 0);
	send(&l, &a, WAIT_UNKNOWN, 0);
	assert_int_equal(send(&l, &b, WAIT_FINISHED, 0) & (LE_OVERTAKEN | LE_OVERLAP | LE_TAKEOVER),
			 LE_OVERTAKEN);
	/* The old reply is read, and the one that was asked for lies there. */
	receive(&l, true, 0);
	assert_true(send(&l, &b, WAIT_UNKNOWN, 10) & LE_LAGGED);
}

static void a_goroutine_that_lives_on_can_be_overtaken_too(void **state)
{
	struct owner a = goroutine(18, 1), b = goroutine(19, 1);
	struct ledger l = {0};

	(void)state;
	send(&l, &a, WAIT_UNKNOWN, 0);
	assert_true(send(&l, &b, WAIT_REPLACED, 0) & LE_OVERTAKEN);
	assert_int_equal(l.takeovers, 0);
}

static void where_another_goroutine_reads_nobody_is_overtaken(void **state)
{
	struct owner a = goroutine(18, 1), b = goroutine(19, 1);
	struct ledger l = {0};

	(void)state;
	send(&l, &a, WAIT_UNKNOWN, 0);
	receive(&l, false, 0);
	send(&l, &a, WAIT_UNKNOWN, 0);
	assert_false(send(&l, &b, WAIT_FINISHED, 0) & LE_OVERTAKEN);
	assert_false(ledger_exclusive(&l));
}

static void who_reads_for_the_one_who_overtook_clears_it(void **state)
{
	struct owner a = goroutine(18, 1), b = goroutine(19, 1);
	struct ledger l = {0};

	(void)state;
	send(&l, &a, WAIT_UNKNOWN, 0);
	assert_true(send(&l, &b, WAIT_REPLACED, 0) & LE_OVERTAKEN);
	/* A reads its own reply after B has asked: they take turns. */
	receive(&l, false, 10);
	assert_int_equal(l.watch, 0);
	assert_true(ledger_multiplexed(&l));
	receive(&l, true, 0);
	assert_false(send(&l, &b, WAIT_UNKNOWN, 10) & LE_LAGGED);
}

static void many_that_ask_before_a_reply_is_read_are_a_queue(void **state)
{
	struct ledger l = {0};
	struct owner who;
	uint64_t id;

	(void)state;
	for (id = 18; id <= 18 + LEDGER_QUEUE; id++) {
		who = goroutine(id, 1);
		send(&l, &who, id == 18 ? WAIT_UNKNOWN : WAIT_REPLACED, 0);
	}
	assert_true(ledger_multiplexed(&l));
}

static void the_same_goroutine_continues_its_request(void **state)
{
	struct owner a = goroutine(18, 1), elsewhere = goroutine(18, 2);
	struct ledger l = {0};

	(void)state;
	send(&l, &a, WAIT_UNKNOWN, 0);
	assert_true(send(&l, &elsewhere, WAIT_UNKNOWN, 0) & LE_CONTINUED);
}

static void goroutines_and_callers_have_names(void **state)
{
	struct cancel_info by_goroutine = {.ts = 1, .adapter = ADAPTER_GO, .by_task = 7},
			   by_thread = {.ts = 1, .adapter = ADAPTER_PTHREAD, .by_tid = 42};
	struct owner a = goroutine(18, 1);
	char text[OWNER_TEXT];

	(void)state;
	describe_owner(&a, text, sizeof(text));
	assert_string_equal(text, "goroutine 18");
	describe_caller(&by_goroutine, text, sizeof(text));
	assert_string_equal(text, "goroutine 7");
	describe_caller(&by_thread, text, sizeof(text));
	assert_string_equal(text, "thread 42");
}

static void each_adapter_has_its_own_kind(void **state)
{
	uint32_t a, b;

	(void)state;
	for (a = ADAPTER_NONE + 1; a < ADAPTER_MAX; a++) {
		assert_int_not_equal(verdict_adapter_kind(a), CANCEL_NONE);
		for (b = a + 1; b < ADAPTER_MAX; b++)
			assert_int_not_equal(verdict_adapter_kind(a), verdict_adapter_kind(b));
	}
	assert_int_equal(verdict_adapter_kind(ADAPTER_MAX), CANCEL_NONE);
	assert_int_equal(verdict_adapter_kind(UINT32_MAX), CANCEL_NONE);
}

static void the_id_lies_where_the_version_says(void **state)
{
	(void)state;
	assert_int_equal(golang_id_offset("1.16.9"), 0);
	assert_int_equal(golang_id_offset("1.17"), 152);
	assert_int_equal(golang_id_offset("1.19.8"), 152);
	assert_int_equal(golang_id_offset("1.22.12"), 152);
	assert_int_equal(golang_id_offset("1.23.0"), 160);
	assert_int_equal(golang_id_offset("1.24rc1"), 160);
	assert_int_equal(golang_id_offset("2.0"), 0);
	assert_int_equal(golang_id_offset(""), 0);
	assert_int_equal(golang_id_offset("devel"), 0);
	assert_int_equal(golang_other_offset(152), 160);
	assert_int_equal(golang_other_offset(160), 152);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_goroutine_is_known_by_its_id_on_every_thread),
		cmocka_unit_test(a_request_that_ended_with_its_goroutine_is_overtaken),
		cmocka_unit_test(a_goroutine_that_lives_on_can_be_overtaken_too),
		cmocka_unit_test(where_another_goroutine_reads_nobody_is_overtaken),
		cmocka_unit_test(who_reads_for_the_one_who_overtook_clears_it),
		cmocka_unit_test(many_that_ask_before_a_reply_is_read_are_a_queue),
		cmocka_unit_test(the_same_goroutine_continues_its_request),
		cmocka_unit_test(goroutines_and_callers_have_names),
		cmocka_unit_test(each_adapter_has_its_own_kind),
		cmocka_unit_test(the_id_lies_where_the_version_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
