/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How an asyncio Task looks in memory, and what a look at it says about its wait. Pure, shared by
 * the BPF programs (which read the running process) and the collector (which reads the memory of
 * processes whose connections lie idle).
 *
 * Source of the offsets: Modules/_asynciomodule.c of CPython 3.9, 3.10 and 3.11 (FutureObj_HEAD,
 * TaskObj), verified against live tasks before they are believed (see asyncio.c).
 */
#ifndef MISPAIR_PYTASK_H
#define MISPAIR_PYTASK_H

#include "ledger.h"

/* fut_state */
enum { PYFUT_PENDING = 0, PYFUT_CANCELLED = 1, PYFUT_FINISHED = 2 };

/* Where every future has its loop and its first callback. */
#define PYFUT_LOOP     16
#define PYFUT_CALLBACK 24

/* Offsets in bytes. `task` is where task_fut_waiter starts; the fields behind it are contiguous. */
struct task_layout {
	__u16 version; /* 0x030b is 3.11; 0: no layout */
	__u16 state;
	__u16 task;
	__u16 size;	    /* tp_basicsize: a type of another size is another layout */
	__u8 has_cancels;   /* task_num_cancels_requested exists (3.11 on) */
	__u8 keys_header;   /* sizeof(PyDictKeysObject) before dk_indices */
	__u8 keys_nentries; /* offset of dk_nentries */
	__u8 keys_log2;	    /* 1: log2 sizes at 8 and 9 (3.11 on); 0: dk_size at 8 */
	__u8 name_text;	    /* where the text of a compact ASCII str begins */
	__u8 frames;	    /* enum pyframes: how a coroutine's frame is found */
	__u8 code_name;	    /* offset of co_name in a code object */
	__u8 exception;	    /* offset of fut_exception: 0, or why a finished task ended (48) */
};

/* Where a suspended coroutine keeps what it awaits: the top of its frame's value stack. */
enum pyframes {
	PYFRAMES_NONE,
	PYFRAMES_39,  /* cr_frame; f_stacktop points behind the top */
	PYFRAMES_310, /* cr_frame; f_valuestack and f_stackdepth */
	PYFRAMES_311, /* the frame lies in the coroutine; stacktop counts */
};

/*
 * Where an instance has its attributes: in the values array of its dict (3.9, 3.10), or in an array
 * of its own as long as nobody asked for its dict (3.11).
 */
#define PYOBJ_VALUES_311 -32
#define PYOBJ_DICT_311	 -24
#define PYOBJ_DICT	 16
#define PYDICT_VALUES	 40

/*
 * Attributes of a StreamReader, by their order in its __init__, which is their order in the table
 * that the instances of a class share (3.9 to 3.11, Lib/asyncio/streams.py). Believed only where
 * `_waiter` is what a task inside _wait_for_data waits for.
 */
enum { STREAM_LOOP = 1, STREAM_BUFFER = 2, STREAM_WAITER = 4, STREAM_WORDS = 5 };

/* Words of uvloop's Loop object in which it may hold its uv_loop_t: 3 in uvloop 0.17. */
enum { UV_LOOP_FROM = 2, UV_LOOP_TO = 6 };

/* An int from its ob_size on (Include/longintrepr.h of 3.9 to 3.11). */
struct pylong {
	__s64 size;
	__u32 digits[3]; /* of 30 bits */
	__u32 pad;
};
#define PYLONG_SIZE 16 /* offset of ob_size */
#define PYLONG_READ 20 /* bytes; no byte behind a third digit */

/* The address that N is, which takes two or three digits; 0: it is none. */
LEDGER_INLINE __u64 pylong_address(const struct pylong *n)
{
	__u64 low = n->digits[0] | (__u64)n->digits[1] << 30;

	if (n->size == 3)
		return low | (__u64)n->digits[2] << 60;
	return n->size == 2 ? low : 0;
}

/* PyObject head and the loop, at 0 of every Task. */
struct pytask_head {
	__u64 refcnt;
	__u64 type;
	__u64 loop;
};

/* The tail of a Task, from task_fut_waiter on, in 3.9 to 3.12. */
struct pytask_tail {
	__u64 waiter;
	__u64 coro;
	__u64 name;
	__u64 context;
	__u32 must_cancel;
	__u32 log_destroy;
	__u32 cancels;
	__u32 pad;
};

struct pytask_look {
	struct pytask_head head;
	struct pytask_tail tail;
	__u32 state;
	__u32 waiter_state; /* fut_state of the awaited future; PYFUT_PENDING if not read */
	__u64 exception;    /* of a finished task */
	__u64 name[2];
};

/*
 * Has a count of cancellation requests, of which only the low half was kept, risen since? A task
 * whose count rose by 32,768 within one exchange would look untouched.
 */
LEDGER_INLINE int cancels_risen(__u32 now, __u16 then)
{
	return (__u16)(now - then) - 1U < 0x7fff;
}

/*
 * What LOOK, read now at the address of owner O, says about O's wait. TYPE is the address of
 * _asyncio's Task type, 0 if unknown. Freed memory keeps its state field until it is used again:
 * a freed task (no references) still tells how it ended.
 */
LEDGER_INLINE __u8 pytask_judge(const struct owner *o, const struct pytask_look *look, __u64 type,
				int has_cancels)
{
	if (type && look->head.type != type)
		return WAIT_GONE;
	if (look->head.refcnt == 0) {
		/* Its fields were cleared as it died, so only the state speaks. */
		if (look->state == PYFUT_CANCELLED)
			return WAIT_FREED_CANCELLED;
		return look->state == PYFUT_PENDING ? WAIT_DESTROYED : WAIT_FINISHED;
	}
	if (look->tail.name != o->name_ptr || look->name[0] != o->name[0] ||
	    look->name[1] != o->name[1])
		return WAIT_GONE;
	if (look->state == PYFUT_CANCELLED)
		return WAIT_CANCELLED;
	/* A cancelled task often turns its CancelledError into another end, a timeout's for one. */
	if (look->state == PYFUT_FINISHED && has_cancels &&
	    cancels_risen(look->tail.cancels, o->cancels))
		return WAIT_CANCELLED;
	if (look->state == PYFUT_FINISHED)
		return look->exception ? WAIT_FAILED : WAIT_FINISHED;
	if (look->state != PYFUT_PENDING)
		return WAIT_UNKNOWN;
	/* task_step clears the coroutine of a task that ends, never of one that waits. */
	if (look->tail.coro != o->coro)
		return WAIT_GONE;
	if (has_cancels)
		return cancels_risen(look->tail.cancels, o->cancels) ? WAIT_RISEN : WAIT_PENDING;
	/* Before 3.11 nothing counts: a request shows until the task has run once more. */
	if (look->tail.must_cancel || look->waiter_state == PYFUT_CANCELLED)
		return WAIT_RISEN;
	return WAIT_PENDING;
}

#endif
