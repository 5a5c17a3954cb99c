// SPDX-License-Identifier: GPL-2.0-or-later
/* The table of confidence (DESIGN, section 4), branch by branch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "verdict.h"

enum habit {
	SELF = 1 << 0,	     /* owners were seen reading for themselves */
	EXCL = 1 << 1,	     /* enough exchanges in strict alternation */
	OVER = 1 << 2,	     /* two owners were waiting at once */
	TAKE = 1 << 3,	     /* somebody took over, and nobody can say from whom */
	PIPE = 1 << 4,	     /* requests in several sends */
	WAITS = 1 << 5,	     /* an owner was seen waiting for its reply */
	STRANGE1 = 1 << 6,   /* the owner's loop may be another thread's */
	STRANGE2 = 1 << 7,   /* ... the sender's */
	PROBED = 1 << 8,     /* Task.cancel itself was seen */
	PROBE_SELF = 1 << 9, /* ... inside StreamReader's wait */
	INEXACT = 1 << 10,   /* some of the unread bytes may be younger than the send */
	WHOLE = 1 << 11,     /* of the unread bytes none was read in part */
	PARTS = 1 << 12,     /* every reply by two receives */
};

/* A connection with which nothing is wrong. */
#define GOOD (SELF | EXCL | WAITS)

struct reuse_case {
	const char *name;
	uint32_t what;
	uint8_t status;
	unsigned int habits;
	enum reuse_kind kind;
	enum confidence confidence;
	bool hold;
};

static void set_up(const struct reuse_case *k, struct ledger *l, struct ledger_in *in,
		   struct owner *who, struct cancel_info *ci)
{
	unsigned int h = k->habits;

	*l = (struct ledger){.requests = 20, .replies = 19};
	l->owner.kind = OWNER_TASK;
	l->owner.verified = !(h & STRANGE1);
	l->flags = h & SELF ? LEDGER_SELF_READ : 0;
	l->clean = h & EXCL ? LEDGER_EXCLUSIVE_MIN : LEDGER_EXCLUSIVE_MIN - 1;
	l->overlaps = h & OVER ? 1 : 0;
	l->takeovers = h & TAKE ? 1 : 0;
	l->continued = h & PIPE ? 1 : 0;
	l->waits = h & WAITS ? 1 : 0;
	l->reads = h & PARTS ? 2 * l->replies : l->replies;
	*who = (struct owner){.kind = OWNER_TASK, .verified = !(h & STRANGE2)};
	*in = (struct ledger_in){.what = k->what,
				 .prior = k->status,
				 .unread = k->what & LE_UNREAD ? 9 : 0,
				 .unread_exact = !(h & INEXACT),
				 .unread_part = !(h & WHOLE)};
	*ci = (struct cancel_info){.ts = h & PROBED ? 1 : 0, .self_read = !!(h & PROBE_SELF)};
}

static void run_case(void **state)
{
	const struct reuse_case *k = *state;
	struct cancel_info ci;
	struct verdict_view v;
	struct ledger_in in;
	struct owner who;
	struct ledger l;

	set_up(k, &l, &in, &who, &ci);
	verdict_reuse(&l, &in, &who, k->status, &ci, &v);
	assert_int_equal(v.kind, k->kind);
	assert_int_equal(v.confidence, k->confidence);
	assert_int_equal(v.hold, k->hold);
	assert_non_null(v.reason);
	/* A finding has room for the reason. */
	assert_in_range(strlen(v.reason), 1, sizeof(((struct finding *)0)->reason) - 1);
}

/* clang-format off */
static const struct reuse_case cases[] = {
	/* Outstanding. */
	{ "cancelled_by_name_on_an_exclusive_connection_is_certain",
	  LE_REUSED, WAIT_CANCELLED, GOOD, REUSE_OUTSTANDING, CONF_CERTAIN, false },
	{ "a_risen_count_is_a_cancellation_by_name",
	  LE_REUSED, WAIT_RISEN, GOOD, REUSE_OUTSTANDING, CONF_CERTAIN, false },
	{ "a_probed_cancellation_is_one_whatever_became_of_the_task",
	  LE_REUSED, WAIT_GONE, GOOD | PROBED, REUSE_OUTSTANDING, CONF_CERTAIN, false },
	{ "freed_memory_that_says_cancelled_is_believed_where_owners_wait",
	  LE_REUSED, WAIT_FREED_CANCELLED, GOOD, REUSE_OUTSTANDING, CONF_CERTAIN, false },
	{ "freed_memory_that_says_cancelled_is_not_a_name_where_none_was_seen_waiting",
	  LE_REUSED, WAIT_FREED_CANCELLED, SELF | EXCL, REUSE_OUTSTANDING, CONF_LIKELY, false },
	{ "destroyed_while_pending_is_believed_where_owners_wait",
	  LE_REUSED, WAIT_DESTROYED, GOOD, REUSE_OUTSTANDING, CONF_CERTAIN, false },
	{ "destroyed_while_pending_is_not_a_name_where_none_was_seen_waiting",
	  LE_REUSED, WAIT_DESTROYED, SELF | EXCL, REUSE_OUTSTANDING, CONF_LIKELY, false },
	{ "an_owner_that_finished_is_likely",
	  LE_REUSED, WAIT_FINISHED, GOOD, REUSE_OUTSTANDING, CONF_LIKELY, false },
	{ "an_owner_that_failed_is_likely",
	  LE_REUSED, WAIT_FAILED, GOOD, REUSE_OUTSTANDING, CONF_LIKELY, false },
	{ "an_owner_that_is_gone_is_likely",
	  LE_REUSED, WAIT_GONE, GOOD, REUSE_OUTSTANDING, CONF_LIKELY, false },
	{ "a_young_connection_is_likely",
	  LE_REUSED, WAIT_CANCELLED, SELF | WAITS, REUSE_OUTSTANDING, CONF_LIKELY, false },
	{ "a_connection_that_was_ever_shared_is_never_certain",
	  LE_REUSED, WAIT_CANCELLED, GOOD | OVER, REUSE_OUTSTANDING, CONF_LIKELY, false },
	{ "a_connection_that_was_taken_over_is_suspect",
	  LE_REUSED, WAIT_CANCELLED, GOOD | TAKE, REUSE_OUTSTANDING, CONF_SUSPECT, false },
	{ "an_owner_on_a_loop_of_unknown_thread_is_suspect",
	  LE_REUSED, WAIT_CANCELLED, GOOD | STRANGE1, REUSE_OUTSTANDING, CONF_SUSPECT, false },
	{ "a_sender_on_a_loop_of_unknown_thread_is_suspect",
	  LE_REUSED, WAIT_CANCELLED, GOOD | STRANGE2, REUSE_OUTSTANDING, CONF_SUSPECT, false },
	/* Where a reader may sort the replies. */
	{ "where_a_reader_may_sort_it_is_suspect_and_held",
	  LE_REUSED, WAIT_CANCELLED, EXCL | WAITS, REUSE_OUTSTANDING, CONF_SUSPECT, true },
	{ "where_a_reader_may_sort_residue_is_held_too",
	  LE_REUSED_RESIDUE, WAIT_CANCELLED, EXCL | WAITS, REUSE_RESIDUE, CONF_SUSPECT, true },
	{ "a_probe_that_saw_the_owner_reading_settles_it",
	  LE_REUSED, WAIT_CANCELLED, EXCL | WAITS | PROBED | PROBE_SELF, REUSE_OUTSTANDING,
	  CONF_CERTAIN, false },
	{ "a_probe_that_did_not_see_it_reading_settles_nothing",
	  LE_REUSED, WAIT_CANCELLED, EXCL | WAITS | PROBED, REUSE_OUTSTANDING, CONF_SUSPECT,
	  true },
	{ "what_a_probe_would_have_seen_counts_only_with_a_probe",
	  LE_REUSED, WAIT_CANCELLED, EXCL | WAITS | PROBE_SELF, REUSE_OUTSTANDING, CONF_SUSPECT,
	  true },
	/* Unread, with a cancellation. */
	{ "unread_bytes_of_a_cancelled_owner_are_certain",
	  LE_REUSED | LE_UNREAD, WAIT_CANCELLED, GOOD, REUSE_UNREAD, CONF_CERTAIN, false },
	{ "unread_bytes_prove_that_no_reader_sorts",
	  LE_REUSED | LE_UNREAD, WAIT_CANCELLED, EXCL | WAITS, REUSE_UNREAD, CONF_CERTAIN, false },
	{ "unread_bytes_of_an_owner_that_left_are_likely",
	  LE_REUSED | LE_UNREAD, WAIT_GONE, GOOD, REUSE_UNREAD, CONF_LIKELY, false },
	{ "unread_bytes_behind_residue_are_unread",
	  LE_REUSED_RESIDUE | LE_UNREAD, WAIT_CANCELLED, GOOD, REUSE_UNREAD, CONF_CERTAIN, false },
	{ "bytes_that_may_be_younger_than_the_send_are_not_unread",
	  LE_REUSED | LE_UNREAD, WAIT_CANCELLED, GOOD | INEXACT, REUSE_OUTSTANDING, CONF_CERTAIN,
	  false },
	{ "unread_bytes_on_a_connection_that_was_taken_over_are_suspect",
	  LE_REUSED | LE_UNREAD, WAIT_CANCELLED, GOOD | TAKE, REUSE_UNREAD, CONF_SUSPECT, false },
	{ "unread_bytes_of_a_strangers_task_are_suspect",
	  LE_REUSED | LE_UNREAD, WAIT_CANCELLED, GOOD | STRANGE1, REUSE_UNREAD, CONF_SUSPECT,
	  false },
	/* Residue: the old reply had arrived, it could have been drained. */
	{ "residue_is_likely_however_sure_the_cancellation",
	  LE_REUSED_RESIDUE, WAIT_CANCELLED, GOOD | PROBED, REUSE_RESIDUE, CONF_LIKELY, false },
	{ "residue_on_a_connection_that_was_taken_over_is_suspect",
	  LE_REUSED_RESIDUE, WAIT_CANCELLED, GOOD | TAKE, REUSE_RESIDUE, CONF_SUSPECT, false },
	/* The owner itself. */
	{ "a_cancelled_owner_that_sends_again_is_suspect",
	  LE_SWALLOWED, WAIT_RISEN, GOOD | PROBED, REUSE_OUTSTANDING, CONF_SUSPECT, true },
	{ "a_cancelled_owner_that_sends_over_unread_bytes_is_suspect",
	  LE_SWALLOWED | LE_UNREAD, WAIT_RISEN, GOOD, REUSE_UNREAD, CONF_SUSPECT, true },
	/* Unread, and nothing ended a wait. */
	{ "a_rest_left_unread_on_an_exclusive_connection_is_likely",
	  LE_UNREAD, WAIT_UNKNOWN, GOOD, REUSE_UNREAD, CONF_LIKELY, false },
	{ "a_rest_left_unread_needs_no_self_reader",
	  LE_UNREAD, WAIT_UNKNOWN, EXCL, REUSE_UNREAD, CONF_LIKELY, false },
	{ "a_rest_left_unread_on_a_young_connection_is_suspect",
	  LE_UNREAD, WAIT_UNKNOWN, SELF | WAITS, REUSE_UNREAD, CONF_SUSPECT, false },
	{ "a_rest_left_unread_on_a_pipelined_connection_is_suspect",
	  LE_UNREAD, WAIT_UNKNOWN, GOOD | PIPE, REUSE_UNREAD, CONF_SUSPECT, false },
	{ "a_rest_left_unread_on_a_shared_connection_is_suspect",
	  LE_UNREAD, WAIT_UNKNOWN, GOOD | OVER, REUSE_UNREAD, CONF_SUSPECT, false },
	{ "a_rest_left_unread_on_a_connection_that_was_taken_over_is_suspect",
	  LE_UNREAD, WAIT_UNKNOWN, GOOD | TAKE, REUSE_UNREAD, CONF_SUSPECT, false },
	{ "a_rest_that_may_be_younger_than_the_send_is_suspect",
	  LE_UNREAD, WAIT_UNKNOWN, GOOD | INEXACT, REUSE_UNREAD, CONF_SUSPECT, false },
	{ "unread_bytes_that_may_be_younger_than_the_receive_are_suspect",
	  LE_UNREAD, WAIT_UNKNOWN, GOOD | WHOLE, REUSE_UNREAD, CONF_SUSPECT, false },
	{ "a_rest_left_unread_by_who_reads_in_parts_is_suspect",
	  LE_UNREAD, WAIT_UNKNOWN, GOOD | PARTS, REUSE_UNREAD, CONF_SUSPECT, false },
	{ "of_a_cancelled_owner_they_need_not_be_in_part",
	  LE_REUSED | LE_UNREAD, WAIT_CANCELLED, GOOD | WHOLE, REUSE_UNREAD, CONF_CERTAIN, false },
	{ "unread_bytes_while_a_request_continues_may_be_a_pipeline",
	  LE_UNREAD | LE_CONTINUED, WAIT_PENDING, GOOD, REUSE_UNREAD, CONF_SUSPECT, false },
};
/* clang-format on */

#define N_CASES (sizeof(cases) / sizeof(cases[0]))

static void every_status_is_a_kind_of_cancellation(void **state)
{
	static const enum cancel_kind expect[WAIT_MAX] = {
		[WAIT_UNKNOWN] = CANCEL_UNSEEN,
		[WAIT_PENDING] = CANCEL_UNSEEN,
		[WAIT_RISEN] = CANCEL_ASYNCIO,
		[WAIT_CANCELLED] = CANCEL_ASYNCIO,
		[WAIT_DESTROYED] = CANCEL_ASYNCIO_DESTROYED,
		[WAIT_FINISHED] = CANCEL_ASYNCIO_FINISHED,
		[WAIT_GONE] = CANCEL_ASYNCIO_GONE,
		[WAIT_FREED_CANCELLED] = CANCEL_ASYNCIO,
		[WAIT_FAILED] = CANCEL_ASYNCIO_FINISHED,
		[WAIT_TIMED_OUT] = CANCEL_RECV_TIMEOUT,
		[WAIT_INTERRUPTED] = CANCEL_SIGNAL,
		[WAIT_PROBED] = CANCEL_UNSEEN,
		[WAIT_POLL_TIMED_OUT] = CANCEL_POLL_TIMEOUT,
		[WAIT_POLL_INTERRUPTED] = CANCEL_SIGNAL,
		[WAIT_EXITED] = CANCEL_THREAD_EXIT,
		[WAIT_LOOP_TIMED_OUT] = CANCEL_POLL_TIMEOUT,
		[WAIT_REPLACED] = CANCEL_UNSEEN,
	};
	int i;

	(void)state;
	for (i = 0; i < WAIT_MAX; i++)
		assert_int_equal(verdict_cancel_kind((uint8_t)i), expect[i]);
	for (; i < 256; i++)
		assert_int_equal(verdict_cancel_kind((uint8_t)i), CANCEL_UNSEEN);
}

static void only_what_was_seen_is_named(void **state)
{
	struct ledger l = {0};
	int i;

	(void)state;
	for (i = 0; i < 256; i++) {
		bool by_name = i == WAIT_RISEN || i == WAIT_CANCELLED;
		bool freed = i == WAIT_FREED_CANCELLED || i == WAIT_DESTROYED;

		l.waits = 0;
		assert_true(verdict_named((uint8_t)i, true, &l));
		assert_int_equal(verdict_named((uint8_t)i, false, &l), by_name);
		l.waits = 1;
		assert_int_equal(verdict_named((uint8_t)i, false, &l), by_name || freed);
	}
}

static void an_idle_connection_is_certain_only_if_named_exclusive_and_self_read(void **state)
{
	struct owner sure = {.kind = OWNER_TASK, .verified = 1};
	struct ledger good = {
		.flags = LEDGER_SELF_READ, .clean = LEDGER_EXCLUSIVE_MIN, .owner = sure};
	struct ledger l;

	(void)state;
	assert_int_equal(verdict_idle(&good, true), CONF_CERTAIN);
	assert_int_equal(verdict_idle(&good, false), CONF_LIKELY);
	l = good;
	l.clean--;
	assert_int_equal(verdict_idle(&l, true), CONF_LIKELY);
	l = good;
	l.overlaps = 1;
	assert_int_equal(verdict_idle(&l, true), CONF_LIKELY);
	l = good;
	l.takeovers = 1;
	assert_int_equal(verdict_idle(&l, true), CONF_SUSPECT);
	l = good;
	l.flags = 0;
	assert_int_equal(verdict_idle(&l, true), CONF_SUSPECT);
	l = good;
	l.owner.verified = 0;
	assert_int_equal(verdict_idle(&l, true), CONF_SUSPECT);
}

static void what_raises_a_suspicion_needs_owners_that_are_known(void **state)
{
	struct owner sure = {.kind = OWNER_TASK, .verified = 1}, perhaps = {.kind = OWNER_TASK};
	struct owner thread = {.kind = OWNER_THREAD};
	struct ledger l = {.flags = LEDGER_SELF_READ, .owner = sure};

	(void)state;
	assert_int_equal(verdict_answered(&l, &sure), CONF_LIKELY);
	assert_int_equal(verdict_answered(&l, &thread), CONF_LIKELY);
	assert_int_equal(verdict_answered(&l, &perhaps), CONF_SUSPECT);
	assert_int_equal(verdict_buffered(&l, &sure), CONF_LIKELY);
	assert_int_equal(verdict_buffered(&l, &perhaps), CONF_SUSPECT);
	l.owner = perhaps;
	assert_int_equal(verdict_answered(&l, &sure), CONF_SUSPECT);
	assert_int_equal(verdict_buffered(&l, &sure), CONF_SUSPECT);
	l.owner = sure;
	l.takeovers = 1;
	assert_int_equal(verdict_answered(&l, &sure), CONF_SUSPECT);
	assert_int_equal(verdict_buffered(&l, &sure), CONF_SUSPECT);
}

int main(void)
{
	struct CMUnitTest tests[N_CASES + 4];
	size_t i;

	memset(tests, 0, sizeof(tests));
	for (i = 0; i < N_CASES; i++) {
		tests[i].name = cases[i].name;
		tests[i].test_func = run_case;
		tests[i].initial_state = (void *)(uintptr_t)&cases[i];
	}
	tests[i++] = (struct CMUnitTest)cmocka_unit_test(every_status_is_a_kind_of_cancellation);
	tests[i++] = (struct CMUnitTest)cmocka_unit_test(only_what_was_seen_is_named);
	tests[i++] = (struct CMUnitTest)cmocka_unit_test(
		an_idle_connection_is_certain_only_if_named_exclusive_and_self_read);
	tests[i++] = (struct CMUnitTest)cmocka_unit_test(
		what_raises_a_suspicion_needs_owners_that_are_known);
	return _cmocka_run_group_tests("verdict", tests, i, NULL, NULL);
}
