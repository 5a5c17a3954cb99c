/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ledger's vectors: stories of one socket, with what each step means and what the ledger says
 * at the end, written from the definitions in the design and not from output. The same vectors run
 * on the host and, through a SEC("syscall") twin, in the kernel.
 */
#ifndef MISPAIR_LEDGER_VECTORS_H
#define MISPAIR_LEDGER_VECTORS_H

#include "../../bpf/ledger.h"

enum vec_op { VEC_END, VEC_SEND, VEC_RECV, VEC_CLOSE, VEC_LATE };

/* Who sends: index into owners below. */
enum vec_who { NOBODY, A, B, A2, THREAD1, THREAD2, UNKNOWN, WHO_MAX };

static const struct owner vec_owners[WHO_MAX] = {
	[NOBODY] = {.kind = OWNER_NONE, .tgid = 7, .tid = 7},
	[A] = {.kind = OWNER_TASK,
	       .tgid = 7,
	       .tid = 7,
	       .task = 0x1000,
	       .coro = 0xc0,
	       .name_ptr = 0xa0,
	       .name = {0x31},
	       .cancels = 0,
	       .verified = 1},
	[B] = {.kind = OWNER_TASK,
	       .tgid = 7,
	       .tid = 7,
	       .task = 0x2000,
	       .coro = 0xc1,
	       .name_ptr = 0xa1,
	       .name = {0x32},
	       .verified = 1},
	/* A's memory, used again by another task: same address, coroutine and name pointer. */
	[A2] = {.kind = OWNER_TASK,
		.tgid = 7,
		.tid = 7,
		.task = 0x1000,
		.coro = 0xc0,
		.name_ptr = 0xa0,
		.name = {0x33},
		.verified = 1},
	[THREAD1] = {.kind = OWNER_THREAD, .tgid = 7, .tid = 8},
	[THREAD2] = {.kind = OWNER_THREAD, .tgid = 7, .tid = 9},
	[UNKNOWN] = {.kind = OWNER_UNKNOWN, .tgid = 7, .tid = 7},
};

struct vec_step {
	__u32 op;
	__u32 who;
	__u64 now;
	__u32 bytes;
	__u32 unread;
	__u32 prior;
	__u32 reader_running;
	__u32 expect; /* enum ledger_event bits */
	__u32 reader;
};

#define VEC_STEPS 40

struct vec_final {
	__u64 requests, replies, tx_bytes, rx_bytes;
	__u32 owed, clean, overlaps, takeovers, continued, waits, leaves, lag, residue, abandoned;
	__u32 flags, pad;
};

struct vector {
	const char *name;
	__u32 start_flags;
	struct vec_step steps[VEC_STEPS];
	struct vec_final final;
};

#define SND(w, t, n, ...)                                                                          \
	{                                                                                          \
		.op = VEC_SEND, .who = (w), .now = (t), .bytes = (n), __VA_ARGS__                  \
	}
#define RCV(t, n, ...)                                                                             \
	{                                                                                          \
		.op = VEC_RECV, .now = (t), .bytes = (n), __VA_ARGS__                              \
	}
#define CLS(t, ...)                                                                                \
	{                                                                                          \
		.op = VEC_CLOSE, .now = (t), __VA_ARGS__                                           \
	}
#define LATE(t, ...)                                                                               \
	{                                                                                          \
		.op = VEC_LATE, .now = (t), __VA_ARGS__                                            \
	}
#define IS(...) .expect = (__VA_ARGS__)

static const struct vector vectors[] = {
	{.name = "one_exchange_is_one_request_and_one_reply",
	 .steps = {SND(A, 10, 22, IS(LE_REQUEST)), RCV(20, 9, .prior = WAIT_PENDING, IS(LE_REPLY))},
	 .final = {.requests = 1, .replies = 1, .tx_bytes = 22, .rx_bytes = 9, .waits = 1}},

	{.name = "a_request_in_parts_and_a_reply_in_parts_are_one_exchange",
	 .steps = {SND(A, 10, 100, IS(LE_REQUEST)),
		   SND(A, 11, 50, .prior = WAIT_PENDING, IS(LE_CONTINUED)),
		   RCV(20, 9, .prior = WAIT_PENDING, IS(LE_REPLY)), RCV(21, 9, IS(0)),
		   SND(A, 30, 1, IS(LE_REQUEST)), RCV(40, 1, .prior = WAIT_PENDING, IS(LE_REPLY))},
	 .final = {.requests = 2,
		   .replies = 2,
		   .tx_bytes = 151,
		   .rx_bytes = 19,
		   .waits = 2,
		   .clean = 1,
		   .continued = 1}},

	{.name = "bytes_flushed_outside_any_task_continue_the_request",
	 .steps = {SND(A, 10, 100, IS(LE_REQUEST)), SND(NOBODY, 11, 50, IS(LE_CONTINUED)),
		   RCV(20, 9, .prior = WAIT_PENDING, IS(LE_REPLY))},
	 .final = {.requests = 1,
		   .replies = 1,
		   .tx_bytes = 150,
		   .rx_bytes = 9,
		   .waits = 1,
		   .continued = 1}},

	{.name = "the_next_owner_sending_after_a_cancellation_reuses_the_connection",
	 .steps = {SND(A, 10, 22, IS(LE_REQUEST)),
		   SND(B, 30, 22, .prior = WAIT_CANCELLED, IS(LE_REQUEST | LE_REUSED))},
	 .final = {.requests = 2, .tx_bytes = 44, .owed = 1, .lag = 1}},

	{.name = "a_risen_count_is_a_cancellation_too",
	 .steps = {SND(A, 10, 22, IS(LE_REQUEST)),
		   SND(B, 30, 22, .prior = WAIT_RISEN, IS(LE_REQUEST | LE_REUSED))},
	 .final = {.requests = 2, .tx_bytes = 44, .owed = 1, .lag = 1}},

	{.name = "another_task_at_the_same_address_is_another_owner",
	 .steps = {SND(A, 10, 22, IS(LE_REQUEST)),
		   SND(A2, 30, 22, .prior = WAIT_GONE, IS(LE_REQUEST | LE_REUSED))},
	 .final = {.requests = 2, .tx_bytes = 44, .owed = 1, .lag = 1}},

	{.name = "two_owners_who_both_wait_make_a_connection_multiplexed",
	 .steps = {SND(A, 10, 22, IS(LE_REQUEST)),
		   SND(B, 30, 22, .prior = WAIT_PENDING, IS(LE_REQUEST | LE_OVERLAP)),
		   RCV(40, 18, .prior = WAIT_PENDING, IS(LE_REPLY))},
	 .final = {.requests = 2,
		   .replies = 1,
		   .tx_bytes = 44,
		   .rx_bytes = 18,
		   .overlaps = 1,
		   .waits = 1}},

	{.name = "an_owner_that_cannot_be_read_is_never_called_cancelled",
	 .steps = {SND(A, 10, 22, IS(LE_REQUEST)),
		   SND(B, 30, 22, .prior = WAIT_UNKNOWN, IS(LE_REQUEST | LE_TAKEOVER))},
	 .final = {.requests = 2, .tx_bytes = 44, .owed = 1, .takeovers = 1}},

	{.name = "an_unknown_sender_is_never_called_the_next_owner",
	 .steps = {SND(A, 10, 22, IS(LE_REQUEST)),
		   SND(UNKNOWN, 30, 22, .prior = WAIT_CANCELLED, IS(LE_CONTINUED))},
	 .final = {.requests = 1, .tx_bytes = 44, .owed = 1, .continued = 1}},

	{.name = "another_thread_taking_over_is_not_an_accusation",
	 .steps = {SND(THREAD1, 10, 22, IS(LE_REQUEST)),
		   SND(THREAD2, 30, 22, IS(LE_REQUEST | LE_TAKEOVER))},
	 .final = {.requests = 2, .tx_bytes = 44, .owed = 1, .takeovers = 1}},

	{.name = "who_asks_again_after_a_signal_takes_the_reply_that_comes_next",
	 .steps = {SND(THREAD1, 10, 22, IS(LE_REQUEST)),
		   SND(THREAD1, 30, 22, .prior = WAIT_INTERRUPTED, IS(LE_REQUEST | LE_OVERTAKEN)),
		   RCV(40, 9, .reader = 8, IS(LE_REPLY | LE_LAGGED))},
	 .final = {.requests = 2, .replies = 1, .tx_bytes = 44, .rx_bytes = 9}},

	{.name = "both_replies_read_after_a_timeout_are_no_lag",
	 .steps = {SND(THREAD1, 10, 22, IS(LE_REQUEST)),
		   SND(THREAD1, 30, 22, .prior = WAIT_TIMED_OUT, .unread = 9,
		       IS(LE_REQUEST | LE_OVERTAKEN | LE_UNREAD)),
		   RCV(40, 9, .reader = 8, IS(LE_REPLY)), RCV(50, 9, .reader = 8, IS(0)),
		   SND(THREAD1, 60, 22, IS(LE_REQUEST))},
	 .final = {.requests = 3,
		   .replies = 1,
		   .tx_bytes = 66,
		   .rx_bytes = 18,
		   .owed = 1,
		   .flags = LEDGER_TAKEN}},

	/* "100 Continue" is read late, and the body goes on. */
	{.name = "no_more_read_than_lay_there_before_the_question_is_no_lag",
	 .steps = {SND(THREAD1, 10, 22, IS(LE_REQUEST)),
		   SND(THREAD1, 30, 22, .prior = WAIT_TIMED_OUT, .unread = 9,
		       IS(LE_REQUEST | LE_OVERTAKEN | LE_UNREAD)),
		   RCV(40, 9, .reader = 8, IS(LE_REPLY)), SND(THREAD1, 60, 22, IS(LE_REQUEST))},
	 .final = {.requests = 3,
		   .replies = 1,
		   .tx_bytes = 66,
		   .rx_bytes = 9,
		   .owed = 1,
		   .flags = LEDGER_TAKEN}},

	{.name = "a_reply_that_lies_there_at_the_next_request_is_a_lag",
	 .steps = {SND(THREAD1, 10, 22, IS(LE_REQUEST)),
		   SND(THREAD1, 30, 22, .prior = WAIT_TIMED_OUT, IS(LE_REQUEST | LE_OVERTAKEN)),
		   RCV(40, 9, .reader = 8, IS(LE_REPLY)),
		   SND(THREAD1, 60, 22, .unread = 9, IS(LE_REQUEST | LE_LAGGED))},
	 .final = {.requests = 3, .replies = 1, .tx_bytes = 66, .rx_bytes = 9, .owed = 1}},

	/* An event loop that ticks may be busy when the reply comes. */
	{.name = "after_a_wait_that_may_have_been_for_something_else_it_is_none",
	 .steps = {SND(THREAD1, 10, 22, IS(LE_REQUEST)),
		   SND(THREAD1, 30, 22, .prior = WAIT_POLL_TIMED_OUT,
		       IS(LE_REQUEST | LE_OVERTAKEN)),
		   RCV(40, 9, .reader = 8, IS(LE_REPLY)),
		   SND(THREAD1, 60, 22, .unread = 9, IS(LE_REQUEST))},
	 .final = {.requests = 3, .replies = 1, .tx_bytes = 66, .rx_bytes = 9, .owed = 1}},

	{.name = "but_what_lies_there_at_the_close_is_one",
	 .steps = {SND(THREAD1, 10, 22, IS(LE_REQUEST)),
		   SND(THREAD2, 30, 22, .prior = WAIT_EXITED, IS(LE_REQUEST | LE_OVERTAKEN)),
		   RCV(40, 9, .reader = 8, IS(LE_REPLY)),
		   CLS(60, .unread = 9, IS(LE_CLOSED | LE_LAGGED))},
	 .final = {.requests = 2, .replies = 1, .tx_bytes = 44, .rx_bytes = 9}},

	{.name = "who_asks_again_after_its_wait_was_cancelled_takes_the_reply_that_comes_next",
	 .steps = {SND(THREAD1, 10, 22, IS(LE_REQUEST)),
		   SND(THREAD2, 30, 22, .prior = WAIT_PROBED, IS(LE_REQUEST | LE_OVERTAKEN)),
		   RCV(40, 9, .reader = 9, IS(LE_REPLY | LE_LAGGED))},
	 .final = {.requests = 2, .replies = 1, .tx_bytes = 44, .rx_bytes = 9}},

	{.name = "a_reply_that_lies_there_after_another_was_taken_is_a_lag",
	 .steps = {SND(THREAD1, 10, 22, IS(LE_REQUEST)),
		   SND(THREAD1, 30, 22, .prior = WAIT_TIMED_OUT, IS(LE_REQUEST | LE_OVERTAKEN)),
		   RCV(40, 9, .reader = 8, IS(LE_REPLY)),
		   CLS(50, .unread = 9, IS(LE_CLOSED | LE_LAGGED))},
	 .final = {.requests = 2, .replies = 1, .tx_bytes = 44, .rx_bytes = 9}},

	{.name = "a_last_word_before_the_close_is_no_lag",
	 .steps = {SND(THREAD1, 10, 22, IS(LE_REQUEST)),
		   SND(THREAD1, 30, 5, .prior = WAIT_TIMED_OUT, .unread = 9,
		       IS(LE_REQUEST | LE_OVERTAKEN | LE_UNREAD)),
		   CLS(31, .unread = 9, IS(LE_CLOSED))},
	 .final = {.requests = 2, .tx_bytes = 27, .owed = 1}},

	{.name = "what_another_thread_reads_says_nothing_about_a_lag",
	 .steps = {SND(THREAD1, 10, 22, IS(LE_REQUEST)),
		   SND(THREAD1, 30, 22, .prior = WAIT_TIMED_OUT, .unread = 9,
		       IS(LE_REQUEST | LE_OVERTAKEN | LE_UNREAD)),
		   RCV(40, 9, .reader = 9, IS(LE_REPLY)),
		   SND(THREAD1, 60, 22, .unread = 9, IS(LE_REQUEST))},
	 .final = {.requests = 3,
		   .replies = 1,
		   .tx_bytes = 66,
		   .rx_bytes = 9,
		   .owed = 1,
		   .clean = 1}},

	{.name = "a_reply_read_with_nobody_waiting_is_residue_and_its_reuse_is_found",
	 .steps = {SND(A, 10, 22, IS(LE_REQUEST)),
		   RCV(20, 9, .prior = WAIT_CANCELLED, IS(LE_REPLY | LE_RESIDUE)),
		   RCV(21, 4, .prior = WAIT_CANCELLED, IS(LE_RESIDUE)),
		   SND(B, 30, 22, IS(LE_REQUEST | LE_REUSED_RESIDUE))},
	 .final = {.requests = 2,
		   .replies = 1,
		   .tx_bytes = 44,
		   .rx_bytes = 13,
		   .owed = 1,
		   .lag = 1,
		   .residue = 13}},

	{.name = "a_task_that_reads_an_abandoned_reply_has_drained_it",
	 .steps = {SND(A, 10, 22, IS(LE_REQUEST)),
		   RCV(20, 9, .prior = WAIT_CANCELLED, .reader_running = 1,
		       IS(LE_REPLY | LE_DRAINED)),
		   SND(B, 30, 22, IS(LE_REQUEST))},
	 .final = {.requests = 2,
		   .replies = 1,
		   .tx_bytes = 44,
		   .rx_bytes = 9,
		   .owed = 1,
		   .clean = 1}},

	{.name = "a_cancelled_owner_that_sends_again_after_its_reply_came_is_swallowed_too",
	 .steps = {SND(A, 10, 22, IS(LE_REQUEST)),
		   RCV(20, 9, .prior = WAIT_RISEN, IS(LE_REPLY | LE_RESIDUE)),
		   SND(A, 30, 22, IS(LE_REQUEST | LE_REUSED_RESIDUE | LE_SWALLOWED))},
	 .final = {.requests = 2,
		   .replies = 1,
		   .tx_bytes = 44,
		   .rx_bytes = 9,
		   .owed = 1,
		   .lag = 1,
		   .residue = 9}},

	{.name = "residue_that_was_taken_before_the_send_tells_later_why",
	 .steps = {SND(A, 10, 22, IS(LE_REQUEST)),
		   RCV(20, 9, .prior = WAIT_CANCELLED, IS(LE_REPLY | LE_RESIDUE)),
		   SND(NOBODY, 30, 22, .reader_running = 1,
		       IS(LE_REQUEST | LE_REUSED_RESIDUE | LE_SWALLOWED)),
		   RCV(40, 9, IS(LE_REPLY))},
	 .final = {.requests = 2, .replies = 2, .tx_bytes = 44, .rx_bytes = 18, .lag = 1}},

	{.name = "a_task_that_took_the_residue_and_waits_may_have_drained_it",
	 .steps = {SND(A, 10, 22, IS(LE_REQUEST)),
		   RCV(20, 9, .prior = WAIT_CANCELLED, IS(LE_REPLY | LE_RESIDUE)),
		   SND(B, 30, 22, .reader_running = 1,
		       IS(LE_REQUEST | LE_REUSED_RESIDUE | LE_SWALLOWED)),
		   RCV(40, 9, .prior = WAIT_PENDING, IS(LE_REPLY))},
	 .final = {.requests = 2,
		   .replies = 2,
		   .tx_bytes = 44,
		   .rx_bytes = 18,
		   .waits = 1,
		   .lag = 1}},

	{.name = "residue_is_not_laid_at_the_door_of_a_sender_without_a_name",
	 .steps = {SND(A, 10, 22, IS(LE_REQUEST)),
		   RCV(20, 9, .prior = WAIT_CANCELLED, IS(LE_REPLY | LE_RESIDUE)),
		   SND(NOBODY, 30, 22, IS(LE_REQUEST | LE_TAKEOVER))},
	 .final = {.requests = 2,
		   .replies = 1,
		   .tx_bytes = 44,
		   .rx_bytes = 9,
		   .owed = 1,
		   .takeovers = 1,
		   .residue = 9}},

	{.name = "a_cancelled_owner_that_sends_again_is_swallowed_not_reused",
	 .steps = {SND(A, 10, 22, IS(LE_REQUEST)),
		   SND(A, 30, 22, .prior = WAIT_RISEN, IS(LE_REQUEST | LE_SWALLOWED))},
	 .final = {.requests = 2, .tx_bytes = 44, .owed = 1, .lag = 1}},

	{.name = "exactly_37_unread_bytes_at_the_send_are_seen",
	 .steps = {SND(THREAD1, 10, 22, IS(LE_REQUEST)), RCV(20, 63, .unread = 37, IS(LE_REPLY)),
		   SND(THREAD1, 30, 22, .unread = 37, IS(LE_REQUEST | LE_UNREAD))},
	 .final = {.requests = 2,
		   .replies = 1,
		   .tx_bytes = 44,
		   .rx_bytes = 63,
		   .owed = 1,
		   .clean = 1}},

	{.name = "a_push_on_an_idle_connection_is_not_owed",
	 .steps = {SND(THREAD1, 10, 22, IS(LE_REQUEST)), RCV(20, 63, IS(LE_REPLY)),
		   SND(THREAD1, 30, 22, .unread = 12, IS(LE_REQUEST))},
	 .final = {.requests = 2,
		   .replies = 1,
		   .tx_bytes = 44,
		   .rx_bytes = 63,
		   .owed = 1,
		   .clean = 1}},

	{.name = "a_pipeline_whose_first_reply_is_there_early_continues",
	 .steps = {SND(THREAD1, 10, 22, IS(LE_REQUEST)),
		   SND(THREAD1, 30, 22, .unread = 9, IS(LE_CONTINUED | LE_UNREAD)),
		   RCV(40, 18, IS(LE_REPLY))},
	 .final = {.requests = 1, .replies = 1, .tx_bytes = 44, .rx_bytes = 18, .continued = 1}},

	{.name = "a_writer_task_that_always_ends_at_once_is_a_habit_not_a_cancellation",
	 .steps = {SND(A, 10, 22, IS(LE_REQUEST)),
		   /* The first time it could be an abandonment. */
		   RCV(20, 9, .prior = WAIT_FINISHED, IS(LE_REPLY | LE_RESIDUE)),
		   SND(B, 30, 22, IS(LE_REQUEST | LE_REUSED_RESIDUE)),
		   /* From then on the owners of this connection are known not to wait. */
		   RCV(40, 9, .prior = WAIT_FINISHED, IS(LE_REPLY)), SND(A, 50, 22, IS(LE_REQUEST)),
		   SND(B, 60, 22, .prior = WAIT_FINISHED, IS(LE_REQUEST | LE_TAKEOVER))},
	 .final = {.requests = 4,
		   .replies = 2,
		   .tx_bytes = 88,
		   .rx_bytes = 18,
		   .owed = 1,
		   .leaves = 2,
		   .clean = 1,
		   .lag = 1,
		   .residue = 0}},

	{.name = "closing_with_an_abandoned_exchange_is_the_good_ending",
	 .steps = {SND(A, 10, 22, IS(LE_REQUEST)),
		   CLS(30, .prior = WAIT_RISEN, IS(LE_CLOSED | LE_CLOSED_OWED))},
	 .final = {.requests = 1, .tx_bytes = 22, .owed = 1}},

	{.name = "closing_while_the_owner_still_waits_is_no_abandonment",
	 .steps = {SND(A, 10, 22, IS(LE_REQUEST)), CLS(30, .prior = WAIT_PENDING, IS(LE_CLOSED))},
	 .final = {.requests = 1, .tx_bytes = 22, .owed = 1}},

	{.name = "closing_after_residue_is_the_good_ending",
	 .steps = {SND(A, 10, 22, IS(LE_REQUEST)),
		   RCV(20, 9, .prior = WAIT_CANCELLED, IS(LE_REPLY | LE_RESIDUE)),
		   CLS(30, IS(LE_CLOSED | LE_CLOSED_OWED))},
	 .final = {.requests = 1,
		   .replies = 1,
		   .tx_bytes = 22,
		   .rx_bytes = 9,
		   .residue = 9,
		   .abandoned = WAIT_CANCELLED}},

	{.name = "a_cancellation_between_the_read_and_the_wake_up_leaves_residue",
	 .steps = {SND(A, 10, 22, IS(LE_REQUEST)), RCV(20, 9, .prior = WAIT_PENDING, IS(LE_REPLY)),
		   LATE(25, IS(1)), SND(B, 30, 22, IS(LE_REQUEST | LE_REUSED_RESIDUE))},
	 .final = {.requests = 2,
		   .replies = 1,
		   .tx_bytes = 44,
		   .rx_bytes = 9,
		   .owed = 1,
		   .waits = 1,
		   .lag = 1,
		   .residue = 9}},

	{.name = "a_cancellation_long_after_the_reply_leaves_nothing",
	 .steps = {SND(A, 10, 22, IS(LE_REQUEST)), RCV(20, 9, .prior = WAIT_PENDING, IS(LE_REPLY)),
		   LATE(21 + LEDGER_LATE_CANCEL_NS, IS(0)),
		   SND(B, 40 + LEDGER_LATE_CANCEL_NS, 22, IS(LE_REQUEST))},
	 .final = {.requests = 2,
		   .replies = 1,
		   .tx_bytes = 44,
		   .rx_bytes = 9,
		   .owed = 1,
		   .waits = 1,
		   .clean = 1}},

	{.name = "an_adopted_connection_is_known_after_a_second_of_rest",
	 .start_flags = LEDGER_ADOPTED,
	 .steps = {SND(THREAD1, 10, 22, IS(LE_REQUEST)), RCV(20, 9, IS(LE_REPLY)),
		   SND(THREAD1, 21 + LEDGER_SYNC_IDLE_NS, 22, IS(LE_REQUEST))},
	 .final = {.requests = 2,
		   .replies = 1,
		   .tx_bytes = 44,
		   .rx_bytes = 9,
		   .owed = 1,
		   .clean = 1,
		   .flags = LEDGER_ADOPTED | LEDGER_SYNCED}},

	{.name = "an_adopted_connection_that_was_never_at_rest_stays_unknown",
	 .start_flags = LEDGER_ADOPTED,
	 .steps = {SND(THREAD1, 10, 22, IS(LE_REQUEST)), RCV(20, 9, IS(LE_REPLY)),
		   SND(THREAD1, 30, 22, IS(LE_REQUEST)),
		   RCV(20 + LEDGER_SYNC_IDLE_NS, 9, IS(LE_REPLY)),
		   SND(THREAD1, 30 + LEDGER_SYNC_IDLE_NS, 22, IS(LE_REQUEST))},
	 .final = {.requests = 3,
		   .replies = 2,
		   .tx_bytes = 66,
		   .rx_bytes = 18,
		   .owed = 1,
		   .clean = 2,
		   .flags = LEDGER_ADOPTED}},
};

#define N_VECTORS (sizeof(vectors) / sizeof(vectors[0]))

/* Runs one step; what it means. Compiled on both sides. */
LEDGER_INLINE __u32 vec_step(struct ledger *l, const struct vec_step *s, const struct owner *who)
{
	struct ledger_in in = {
		.now = s->now,
		.bytes = s->bytes,
		.unread = s->unread,
		.unread_exact = 1,
		.prior = s->prior,
		.reader_running = s->reader_running,
		.reader = s->reader,
	};
	__u32 ev;

	switch (s->op) {
	case VEC_SEND:
		ev = ledger_send(l, &in, who);
		ledger_commit(l, &in, who, ev);
		return ev;
	case VEC_RECV:
		return ledger_recv(l, &in);
	case VEC_CLOSE:
		return ledger_close(l, &in);
	default:
		return ledger_late_cancel(l, s->now);
	}
}

LEDGER_INLINE void vec_finish(const struct ledger *l, struct vec_final *f)
{
	f->requests = l->requests;
	f->replies = l->replies;
	f->tx_bytes = l->tx_bytes;
	f->rx_bytes = l->rx_bytes;
	f->owed = ledger_owed(l);
	f->clean = l->clean;
	f->overlaps = l->overlaps;
	f->takeovers = l->takeovers;
	f->continued = l->continued;
	f->waits = l->waits;
	f->leaves = l->leaves;
	f->lag = l->lag;
	f->residue = l->residue_bytes;
	f->abandoned = l->abandoned;
	f->flags = l->flags;
	f->pad = 0;
}

#endif
