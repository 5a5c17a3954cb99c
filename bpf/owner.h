/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who sends, and is the owner of a request still waiting: answered from the running process's own
 * memory, so that nothing has to be probed on the hot path. A page that is not resident cannot be
 * read from a hook; the answer is then "unknown", never "not cancelled".
 */
#ifndef MISPAIR_OWNER_H
#define MISPAIR_OWNER_H

#define PF_EXITING 0x4

/* Senders that are looked at as a whole before a process's layout is believed. */
#define VALIDATE_TASKS 16

#include "goroutine.h"

/* Words of a PyDictObject behind its object header (3.9 to 3.13), and of an entry of its keys. */
enum { DICT_USED = 0, DICT_KEYS = 2, DICT_WORDS = 3 };
enum { ENTRY_KEY = 1, ENTRY_VALUE = 2, ENTRY_WORDS = 3 };
#define ENTRY_SIZE (8 * ENTRY_WORDS)

/* USABLE_FRACTION(8): entries of the smallest dict, which is what current_tasks nearly always is.
 */
#define DICT_SMALL 5
/* Words of a PyDictKeysObject's header. */
#define KEYS_WORDS 5

/*
 * Does the process still say of V's loop what it said when V was made? In one buffer: on the way to
 * a send the stack is nearly used up.
 */
static __always_inline bool loop_stands(const struct loop_val *v)
{
	struct pylong n = {};
	__u64 self;

	if (bpf_probe_read_user(&n, 8, (void *)v->at))
		return false;
	self = n.size;
	if (!v->pylong)
		return self == v->thread_self;
	return !bpf_probe_read_user(&n, PYLONG_READ, (void *)(self + PYLONG_SIZE)) &&
	       pylong_address(&n) == v->thread_self;
}

/* What is known of a loop between the question and the answer: nothing. Not on the stack either. */
static const struct loop_val loop_asked;

/* Does LOOP run on the current thread? Asks the collector once about a loop that it does not know.
 */
static __noinline int loop_is_ours(__u64 loop, __u32 tgid, __u32 id)
{
	struct task_struct *task = this_task();
	struct loop_key key = {.loop = loop, .tgid = tgid, .id = id};
	struct loop_val *v = bpf_map_lookup_elem(&loops, &key);
	struct ev_loop *e;

	if (v && !v->thread_self)
		return -1;
	if (v && loop_stands(v))
		return is_pthread(v->thread_self, thread_self(task));
	if (v)
		bpf_map_delete_elem(&loops, &key);
	if (bpf_map_update_elem(&loops, &key, &loop_asked, BPF_NOEXIST)) {
		/* Unless somebody else has asked just now. */
		if (!bpf_map_lookup_elem(&loops, &key))
			count_loss(KLOSS_LOOPS_FULL);
		return -1;
	}
	e = ring_open() ? bpf_ringbuf_reserve(&ring, sizeof(*e), 0) : 0;
	if (!e) {
		count_loss(KLOSS_RING_FULL);
		bpf_map_delete_elem(&loops, &key);
		return -1;
	}
	event_head(&e->head, EV_LOOP, sizeof(*e));
	__builtin_memset(e->spare, 0, sizeof(e->spare));
	e->loop = loop;
	e->thread_self = thread_self(task);
	bpf_ringbuf_submit(e, BPF_RB_FORCE_WAKEUP);
	return -1;
}

/*
 * The task that runs on this thread: 1 and *TASK, *LOOP; 0: none runs; -1: cannot be told.
 * *VERIFIED: the loop is known to be this thread's.
 */
static __noinline int running_task(struct proc_rt *rt, __u32 tgid, __u64 *task, __u64 *loop,
				   __u8 *verified)
{
	struct task_struct *cur = this_task();
	struct signal_struct *signal = TASK_FIELD(cur, signal);
	int i, ours, single = TASK_FIELD(signal, nr_threads) == 1, strange = 0;
	__u64 entry, shift, w[KEYS_WORDS]; /* one buffer for all reads */
	__s64 n, used;

	if (!rt->dict) {
		if (bpf_probe_read_user(&rt->dict, 8, (void *)rt->dict_ptr) || !rt->dict)
			return rt->dict_ptr ? 0 : -1; /* before the module's init: no task yet */
	}
	if (bpf_probe_read_user(w, 8 * DICT_WORDS, (void *)(rt->dict + 16)))
		goto unreadable;
	used = (__s64)w[DICT_USED];
	if (!used)
		return 0;
	entry = w[DICT_KEYS];
	if (bpf_probe_read_user(w, sizeof(w), (void *)entry))
		goto unreadable;
	n = (__s64)(rt->layout.keys_nentries == 24 ? w[3] : w[4]);
	if (rt->layout.keys_log2)
		shift = 1ULL << ((w[1] >> 8) & 15);
	else
		shift = w[1]; /* dk_size below 128 has one byte an index */
	if (n <= 0 || n > 64 || used > n || shift > 128)
		return -1;
	entry += rt->layout.keys_header + shift + n * ENTRY_SIZE;
	/* From the last backwards: one loop is the rule, entries before it are deleted ones. */
	for (i = 0; i < DICT_SMALL; i++) {
		if (i >= n)
			break;
		entry -= ENTRY_SIZE;
		if (bpf_probe_read_user(w, ENTRY_SIZE, (void *)entry))
			goto unreadable;
		if (!w[ENTRY_KEY] || !w[ENTRY_VALUE])
			continue;
		ours = single ? 1 : loop_is_ours(w[ENTRY_KEY], tgid, rt->id);
		if (!ours) {
			strange++;
			continue;
		}
		if (ours < 0 && used != 1)
			return -1;
		*task = w[ENTRY_VALUE];
		*loop = w[ENTRY_KEY];
		*verified = ours == 1;
		return 1;
	}
	/* Every entry seen is another thread's: nothing of ours runs, unless one was out of sight.
	 */
	return strange == used ? 0 : -1;
unreadable:
	count_loss(KLOSS_TASK_UNREADABLE);
	return -1;
}

/* The tail of the task at ADDR and its name, which make out who it is. 0, or -1 and a loss. */
static __always_inline int read_who(struct proc_rt *rt, __u64 addr, struct pytask_look *k)
{
	if (!bpf_probe_read_user(&k->tail, sizeof(k->tail) - 4, (void *)(addr + rt->layout.task)) &&
	    !bpf_probe_read_user(k->name, 16, (void *)(k->tail.name + rt->layout.name_text)))
		return 0;
	count_loss(KLOSS_TASK_UNREADABLE);
	return -1;
}

/* A whole task as it was read, and, in the same place, what a look makes of it. */
union task_buffer {
	struct pytask_look look;
	__u64 raw[24];
};

/*
 * Reads the whole task at ADDR, in one go: a read of user memory costs some 30 ns, however short.
 * 0, or -1 and a counted loss.
 */
static __always_inline int look_here(struct proc_rt *rt, __u64 addr, union task_buffer *b)
{
	struct pytask_look *k = &b->look;
	__u64 exception;
	__u32 state;

	switch (rt->layout.size) {
	case 176: /* 3.11 */
		if (bpf_probe_read_user(b->raw, 176, (void *)addr))
			goto unreadable;
		state = (__u32)b->raw[88 / 8];
		exception = b->raw[48 / 8];
		__builtin_memcpy(&k->tail, &b->raw[128 / 8], 48);
		break;
	case 184: /* 3.9 */
		if (bpf_probe_read_user(b->raw, 184, (void *)addr))
			goto unreadable;
		state = (__u32)b->raw[80 / 8];
		exception = b->raw[48 / 8];
		__builtin_memcpy(&k->tail, &b->raw[144 / 8], 40);
		break;
	case 192: /* 3.10 */
		if (bpf_probe_read_user(b->raw, 192, (void *)addr))
			goto unreadable;
		state = (__u32)b->raw[88 / 8];
		exception = b->raw[48 / 8];
		__builtin_memcpy(&k->tail, &b->raw[152 / 8], 40);
		break;
	default:
		return -1;
	}
	k->state = state;
	k->exception = exception;
	k->name[0] = k->name[1] = 0;
	/* A dead task's name is gone, and what is no task any more has none; nobody asks then. */
	if (k->head.refcnt && k->tail.name && (!rt->task_type || k->head.type == rt->task_type) &&
	    bpf_probe_read_user(k->name, 16, (void *)(k->tail.name + rt->layout.name_text)))
		goto unreadable;
	k->waiter_state = PYFUT_PENDING;
	if (!rt->layout.has_cancels && k->tail.waiter)
		bpf_probe_read_user(&k->waiter_state, 4,
				    (void *)(k->tail.waiter + rt->layout.state));
	return 0;
unreadable:
	count_loss(KLOSS_TASK_UNREADABLE);
	return -1;
}

/* The same as a function: the stacks of a chain of calls add up to 512 bytes at most. */
static __noinline int look_at(struct proc_rt *rt, __u64 addr, struct pytask_look *k)
{
	union task_buffer b;

	if (look_here(rt, addr, &b))
		return -1;
	*k = b.look;
	return 0;
}

/* Deep enough for a client's layers between a task and its stream. */
#define AWAIT_DEPTH 20

/* Exchanges in which a connection may show how it is read. */
#define SELF_READ_TRIES 8

/*
 * Is the coroutine at CORO suspended inside asyncio's StreamReader._wait_for_data? Then its task
 * waits for bytes itself; with a reader task of its own, a client's callers wait for a future.
 * Follows the chain of awaits to its end: what a suspended frame awaits is on top of its stack.
 * The StreamReader, which is the frame's first local, or 0.
 */
static __noinline __u64 waits_for_data(struct proc_rt *rt, __u64 coro)
{
	static const char wanted_name[16] = "_wait_for_data";
	__u64 type = 0, t = 0, frame = 0, slot = 0, awaited = 0, code = 0, name[2] = {};
	__u32 n = 0, i;

	if (!rt->layout.frames || !coro || bpf_probe_read_user(&type, 8, (void *)(coro + 8)))
		return 0;
	for (i = 0; i < AWAIT_DEPTH; i++) {
		frame = coro + 80;
		if (rt->layout.frames != PYFRAMES_311 &&
		    (bpf_probe_read_user(&frame, 8, (void *)(coro + 16)) || !frame))
			return 0;
		if (rt->layout.frames == PYFRAMES_311) {
			if (bpf_probe_read_user(&n, 4, (void *)(frame + 64)))
				return 0;
			slot = frame + 72;
		} else if (rt->layout.frames == PYFRAMES_310) {
			if (bpf_probe_read_user(&n, 4, (void *)(frame + 80)) ||
			    bpf_probe_read_user(&slot, 8, (void *)(frame + 64)))
				return 0;
		} else {
			n = 0;
			if (bpf_probe_read_user(&slot, 8, (void *)(frame + 72)))
				return 0;
			slot -= 8;
		}
		if (rt->layout.frames != PYFRAMES_39) {
			if (!n || n > 4096)
				return 0;
			slot += (n - 1) * 8ULL;
		}
		if (bpf_probe_read_user(&awaited, 8, (void *)slot) || !awaited ||
		    bpf_probe_read_user(&t, 8, (void *)(awaited + 8)))
			return 0;
		if (t != type)
			break;
		coro = awaited;
	}
	if (bpf_probe_read_user(&code, 8, (void *)(frame + 32)) ||
	    bpf_probe_read_user(&code, 8, (void *)(code + rt->layout.code_name)) ||
	    bpf_probe_read_user(name, 15, (void *)(code + rt->layout.name_text)))
		return 0;
	if (name[0] != *(__u64 *)&wanted_name[0] || name[1] != *(__u64 *)&wanted_name[8])
		return 0;
	/* f_localsplus */
	frame += rt->layout.frames == PYFRAMES_311   ? 72
		 : rt->layout.frames == PYFRAMES_310 ? 352
						     : 360;
	if (bpf_probe_read_user(&awaited, 8, (void *)frame))
		return 0;
	return awaited;
}

/* Reads the first STREAM_WORDS attributes of the object at ADDR, a StreamReader's. 0, or -1. */
static __noinline int read_attributes(__u32 frames, __u64 addr, __u64 *v)
{
	__u64 values = 0, dict = 0;

	if (frames == PYFRAMES_311)
		bpf_probe_read_user(&values, 8, (void *)(addr + PYOBJ_VALUES_311));
	if (!values) {
		addr += frames == PYFRAMES_311 ? PYOBJ_DICT_311 : PYOBJ_DICT;
		if (bpf_probe_read_user(&dict, 8, (void *)addr) || !dict ||
		    bpf_probe_read_user(&values, 8, (void *)(dict + PYDICT_VALUES)) || !values)
			return -1;
	}
	return bpf_probe_read_user(v, 8 * STREAM_WORDS, (void *)values) ? -1 : 0;
}

/* The StreamReader for whose data CORO waits by WAITER; 0: none, 1: one whose insides look strange.
 */
static __noinline __u64 stream_of(struct proc_rt *rt, __u64 coro, __u64 waiter)
{
	__u64 v[STREAM_WORDS] = {}, stream = waits_for_data(rt, coro);

	if (!stream)
		return 0;
	return !read_attributes(rt->layout.frames, stream, v) && waiter &&
			       v[STREAM_WAITER] == waiter
		       ? stream
		       : 1;
}

/*
 * Is the waiter of the stream whose attributes are V a future that nothing has come of yet?
 * STATE_AT: where a future has its state. None is no future: its memory ends where a state would
 * be, or holds a pointer there.
 */
static __always_inline bool waiter_pending(const __u64 *v, __u32 state_at)
{
	__u64 of = 0;
	__u32 state = PYFUT_FINISHED;

	return !bpf_probe_read_user(&of, 8, (void *)(v[STREAM_WAITER] + PYFUT_LOOP)) &&
	       of == v[STREAM_LOOP] &&
	       !bpf_probe_read_user(&state, 4, (void *)(v[STREAM_WAITER] + state_at)) &&
	       state == PYFUT_PENDING;
}

/*
 * Does any task wait for data of STREAM now? A cancelled one that has not run since still shows, by
 * a future that is cancelled as well.
 */
static __noinline bool stream_awaited(struct proc_rt *rt, __u64 stream)
{
	__u64 v[STREAM_WORDS] = {};

	return stream > 1 && !read_attributes(rt->layout.frames, stream, v) &&
	       waiter_pending(v, rt->layout.state);
}

/* Bytes in STREAM's buffer, or -1: not known. */
static __noinline int stream_size(struct proc_rt *rt, __u64 stream)
{
	__u64 v[STREAM_WORDS] = {}, size = 0;

	if (stream <= 1 || read_attributes(rt->layout.frames, stream, v) ||
	    bpf_probe_read_user(&size, 8, (void *)(v[STREAM_BUFFER] + 16)) || size > (1 << 30))
		return -1;
	return (int)size;
}

/*
 * Believes a layout only when a live task looks like one: pending, on the loop that runs it, with
 * a name that is text, and flags that are flags.
 */
static __always_inline int looks_like_a_task(struct proc_rt *rt, struct pytask_look *k, __u64 loop)
{
	if (k->head.loop != loop || k->state != PYFUT_PENDING || !k->tail.coro || !k->tail.name)
		return 0;
	if (k->tail.must_cancel > 1 || k->tail.log_destroy > 1)
		return 0;
	/* The first byte of a str is printable text; a wrong offset yields a pointer or zeroes. */
	return (k->name[0] & 0xff) >= 0x20;
}

/* How often a task at this address has ended: where that is all we know, it is its name. */
static __always_inline struct ended *ends_of(__u64 task, __u32 tgid, __u32 id)
{
	struct loop_key key = {.loop = task, .tgid = tgid, .id = id};

	return bpf_map_lookup_elem(&ended, &key);
}

/* A request whose owner cannot be told yet: a loss only if its process has a runtime. */
static __noinline int is_late(__u32 tgid)
{
	struct proc *p = proc_of(tgid);

	if (p)
		__sync_fetch_and_add(&p->late, 1);
	return 0;
}

/*
 * RT_PROBED: who runs on this thread, as the probes on steps say. That is who ran last: where a
 * step ends nothing tells, so what the loop itself sends is taken for that task's.
 */
static __always_inline void owner_stepping(struct owner *o, struct proc_rt *rt)
{
	__u64 *task = bpf_map_lookup_elem(&stepping, &o->tid);
	struct ended *e;

	if (!rt->validated) { /* no step seen yet: the probes are on their way */
		is_late(o->tgid);
		return;
	}
	o->kind = task ? OWNER_TASK : OWNER_THREAD;
	if (!task)
		return;
	o->task = *task;
	o->verified = 1;
	e = ends_of(*task, o->tgid, rt->id);
	o->name[0] = e ? e->times : 0;
}

/* Fills O with the task at O->task, which runs on LOOP; O stays of unknown kind if it is none. */
static __noinline void owner_task(struct owner *o, struct proc_rt *rt, __u64 loop)
{
	union task_buffer b;
	struct pytask_look *k = &b.look;

	if (rt->validated < VALIDATE_TASKS) {
		if (look_here(rt, o->task, &b))
			return;
		if (!looks_like_a_task(rt, k, loop)) {
			count_loss(KLOSS_LAYOUT);
			__sync_fetch_and_add(&rt->mismatches, 1);
			if (*(volatile __u32 *)&rt->mismatches == 16 && !rt->validated)
				emit_head(EV_LAYOUT, rt->id);
			return;
		}
		__sync_fetch_and_add(&rt->validated, 1);
	} else if (read_who(rt, o->task, k)) {
		return;
	}
	o->kind = OWNER_TASK;
	o->coro = k->tail.coro;
	o->name_ptr = k->tail.name;
	o->name[0] = k->name[0];
	o->name[1] = k->name[1];
	o->cancels = k->tail.cancels;
}

/* The probed cancellation of owner O since SINCE, or NULL. */
static __always_inline struct cancel_info *probed(struct owner *o, __u64 since)
{
	struct cancel_key key = {
		.task = o->task,
		.name = {o->name[0], o->name[1]},
		.tgid = o->tgid,
		.id = o->id,
	};
	struct cancel_info *ci;

	if (o->kind != OWNER_TASK)
		return 0;
	ci = bpf_map_lookup_elem(&cancelled, &key);
	return ci && ci->ts >= since ? ci : 0;
}

/*
 * Is the owner of L's current request still waiting? Asked in the context of the same process
 * only. A pending owner's waiter is noted in L.
 */
static __noinline int wait_of(struct ledger *l, struct proc_rt *rt, __u32 tgid)
{
	union task_buffer b;
	__u8 status;

	if (rt->state == RT_PROBED) {
		struct ended *e = ends_of(l->owner.task, tgid, rt->id);

		return e && e->times != l->owner.name[0] ? WAIT_FINISHED : WAIT_PENDING;
	}
	if (rt->state != RT_READY || look_here(rt, l->owner.task, &b))
		return WAIT_UNKNOWN;
	status = pytask_judge(&l->owner, &b.look, rt->task_type, rt->layout.has_cancels);
	if (status == WAIT_PENDING)
		l->owner.waiter = b.look.tail.waiter;
	return status;
}

/* The same, and *CI: its probed cancellation, where there is one. */
static __always_inline __u8 wait_now(struct ledger *l, struct proc_rt *rt, __u32 tgid,
				     struct cancel_info **ci)
{
	__u8 status;

	if (l->owner.kind != OWNER_TASK || l->owner.tgid != tgid || !rt || l->owner.id != rt->id)
		return WAIT_UNKNOWN;
	status = wait_of(l, rt, tgid);
	if (rt->probe_seq) {
		*ci = probed(&l->owner, l->req_ns);
		if (*ci && (*ci)->destroyed)
			status = WAIT_DESTROYED;
		else if (*ci && (status == WAIT_PENDING || status == WAIT_UNKNOWN))
			status = WAIT_RISEN;
		else if (*ci)
			status = WAIT_CANCELLED;
	}
	return status;
}

#endif
