/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Processes: a number and an id (struct proc). Included by mispair.bpf.c.
 *
 * Whatever is kept of a process under its number carries the id, too, and counts only while both
 * are the same. So an answer that comes too late, for a program before an exec or for a process
 * that has ended, and a number that is another's by now, do no harm.
 */
#ifndef MISPAIR_PROCESS_H
#define MISPAIR_PROCESS_H

/*
 * An id that this number has not had. Kernels before 5.12 have no atomic that also reads: two that
 * meet here may get the same, but never for one number. An exec has no other threads any more
 * (de_thread()), and a child has not run yet.
 */
static __always_inline __u32 next_id(void)
{
	__u32 id;

	__sync_fetch_and_add(&proc_ids, 1);
	id = *(volatile __u32 *)&proc_ids;
	return id ? id : 1;
}

/* The id of process TGID, 0: we do not know it. */
static __noinline __u32 id_of(__u32 tgid)
{
	struct proc *p = proc_of(tgid);

	return p ? p->id : 0;
}

/* What the collector has answered about P, whose number is TGID; NULL: nothing yet. */
static __always_inline struct proc_rt *answer_about(struct proc *p, __u32 tgid)
{
	struct proc_rt *rt = p ? bpf_map_lookup_elem(&runtimes, &tgid) : 0;

	return rt && rt->id == p->id ? rt : 0;
}

static __always_inline struct proc_rt *runtime_of(__u32 tgid)
{
	return answer_about(proc_of(tgid), tgid);
}

/* When the process of TASK began. */
static __always_inline __u64 start_of(struct task_struct *task)
{
	struct task_struct *leader = TASK_FIELD(task, group_leader);

	return TASK_FIELD(leader, start_boottime);
}

/* PROC_ID: of the current process. */
static __always_inline void event_head_of(struct ev_head *h, __u32 kind, __u32 size, __u32 proc_id)
{
	__u64 id = bpf_get_current_pid_tgid();

	h->kind = kind;
	h->size = size;
	h->ts = bpf_ktime_get_ns();
	h->tgid = id >> 32;
	h->tid = (__u32)id;
	h->id = proc_id;
	h->uid = (__u32)bpf_get_current_uid_gid();
	bpf_get_current_comm(h->comm, sizeof(h->comm));
}

static __always_inline void event_head(struct ev_head *h, __u32 kind, __u32 size)
{
	event_head_of(h, kind, size, id_of(bpf_get_current_pid_tgid() >> 32));
}

static __always_inline int emit_head(__u32 kind, __u32 id)
{
	struct ev_head *h = 0;

	if (kind == EV_EXEC || ring_open())
		h = bpf_ringbuf_reserve(&ring, sizeof(*h), 0);
	if (!h) {
		count_loss(KLOSS_RING_FULL);
		return -1;
	}
	event_head_of(h, kind, sizeof(*h), id);
	bpf_ringbuf_submit(h, BPF_RB_FORCE_WAKEUP);
	return 0;
}

/*
 * A process makes a client connection, or sends on one that it was given: the collector looks into
 * it once. TID: of its first thread where it is not the current one (adoption), else 0. START: as
 * start_of(). Its id, 0: there is no room.
 */
static __noinline __u32 meet_process(__u32 tgid, __u32 tid, __u64 start)
{
	struct proc fresh = {.start = start}, *p = proc_of(tgid);
	struct proc_rt *rt = 0;
	struct ev_head *h;

	/* Its exit was missed, and the number is another's. */
	if (p && p->start != start) {
		bpf_map_delete_elem(&runtimes, &tgid);
		bpf_map_delete_elem(&procs, &tgid);
		__sync_fetch_and_add(&rt_gen, 1);
		p = 0;
	}
	if (p) {
		rt = answer_about(p, tgid);
		if (p->asked && !p->inherited && !(rt && rt->again))
			return p->id;
	} else {
		fresh.id = next_id();
		if (!tid)
			fresh.uid = (__u32)bpf_get_current_uid_gid();
		if (bpf_map_update_elem(&procs, &tgid, &fresh, BPF_NOEXIST) &&
		    !bpf_map_lookup_elem(&procs, &tgid)) {
			count_loss(KLOSS_PROCS_FULL);
			return 0;
		}
		p = proc_of(tgid);
		if (!p)
			return 0;
		/* Another thread has met it just now. */
		if (p->asked)
			return p->id;
	}
	p->asked = 1;
	p->inherited = 0;
	if (rt)
		rt->again = 0;
	h = bpf_ringbuf_reserve(&ring, sizeof(*h), 0);
	if (!h) {
		count_loss(KLOSS_RING_FULL);
		p->asked = 0;
		return p->id;
	}
	/* No call: on the way to a send the stack is nearly used up. */
	event_head_of(h, EV_PROCESS, sizeof(*h), p->id);
	if (tid) {
		h->tgid = tgid;
		h->tid = tid;
		__builtin_memset(h->comm, 0, sizeof(h->comm));
	}
	bpf_ringbuf_submit(h, BPF_RB_FORCE_WAKEUP);
	return p->id;
}

/* ... the current one. */
static __always_inline __u32 meet_this_process(__u32 tgid)
{
	return meet_process(tgid, 0, start_of(this_task()));
}

/*
 * CHILD, whose number is TO, is born of P. Its memory is a copy, so what was answered about its
 * parent is true of it, until it makes a connection of its own and is looked into.
 */
static __always_inline void child_is_born(struct proc *p, __u32 from, struct task_struct *child,
					  __u32 to)
{
	struct proc fresh = {.start = child->start_boottime,
			     .id = next_id(),
			     .inherited = 1,
			     .uid = (__u32)bpf_get_current_uid_gid()};
	struct proc_rt *rt = answer_about(p, from), *copy;
	struct ev_fork *e;

	fresh.asked = rt != 0;
	if (bpf_map_update_elem(&procs, &to, &fresh, BPF_ANY)) {
		count_loss(KLOSS_PROCS_FULL);
		return;
	}
	/* Until its id stands there it is nobody's. */
	if (rt && bpf_map_update_elem(&runtimes, &to, rt, BPF_ANY)) {
		count_loss(KLOSS_RUNTIMES_FULL);
	} else if (rt) {
		copy = bpf_map_lookup_elem(&runtimes, &to);
		if (copy) {
			/* Its own tasks have to prove it. */
			copy->validated = copy->mismatches = copy->told = 0;
			copy->id = fresh.id;
		}
	}
	e = bpf_ringbuf_reserve(&ring, sizeof(*e), 0);
	if (!e) {
		count_loss(KLOSS_RING_FULL);
		return;
	}
	__builtin_memset(e, 0, sizeof(*e));
	event_head(&e->head, EV_FORK, sizeof(*e));
	e->child = to;
	e->child_id = fresh.id;
	/* What it says is wanted when something comes of the child, and that wakes. */
	bpf_ringbuf_submit(e, BPF_RB_NO_WAKEUP);
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	__u32 from = parent->tgid, to = child->tgid;
	struct proc *p;
	__u8 one = 1;

	if (from == to)
		return 0; /* a thread */
	if (filters.follow && bpf_map_lookup_elem(&tree, &from) &&
	    bpf_map_update_elem(&tree, &to, &one, BPF_ANY))
		count_loss(KLOSS_TREE_FULL);
	p = proc_of(from);
	if (p)
		child_is_born(p, from, child, to);
	return 0;
}

/* What is kept by the number of a thread whose process ends. */
static __always_inline void forget_thread(__u32 tid)
{
	bpf_map_delete_elem(&stepping, &tid);
	bpf_map_delete_elem(&waits, &tid);
	bpf_map_delete_elem(&signals, &tid);
	bpf_map_delete_elem(&probed_waits, &tid);
}

/* P, whose number is TGID and whose current thread is TID, is known no more. */
static __always_inline void forget_process(struct proc *p, __u32 tgid, __u32 tid)
{
	__u32 id = p->id;
	struct ev_head *h;

	bpf_map_delete_elem(&procs, &tgid);
	bpf_map_delete_elem(&runtimes, &tgid);
	bpf_map_delete_elem(&hints, &tgid);
	bpf_map_delete_elem(&callers, &tgid);
	forget_thread(tid);
	__sync_fetch_and_add(&rt_gen, 1);
	h = bpf_ringbuf_reserve(&ring, sizeof(*h), 0);
	if (!h) {
		count_loss(KLOSS_RING_FULL); /* the collector finds it by looking */
		return;
	}
	event_head_of(h, EV_EXIT, sizeof(*h), id);
	h->tgid = tgid;
	bpf_ringbuf_submit(h, BPF_RB_NO_WAKEUP);
}

static __always_inline void process_ends(__u32 tgid, __u32 tid)
{
	struct proc *p = proc_of(tgid);

	if (filters.follow)
		bpf_map_delete_elem(&tree, &tgid);
	if (p)
		forget_process(p, tgid, tid);
}

/*
 * A process that we know becomes another program: nothing that was learned of it is true any more.
 * Sockets may stay open, so it is asked about when it sends, too, and not only when it connects.
 *
 * A child that has done neither was known for its parent's sake only, and that is over: else all
 * that a known shell ever starts would be known.
 */
SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task)
{
	__u32 tgid = task->tgid, tid = task->pid;
	struct proc fresh = {}, *p = proc_of(tgid);
	bool followed = filters.follow && bpf_map_lookup_elem(&tree, &tgid);

	if (p && p->inherited && !followed) {
		forget_process(p, tgid, tid);
		return 0;
	}
	if (!p && !followed)
		return 0;
	fresh.id = next_id();
	fresh.start = start_of(task);
	fresh.uid = (__u32)bpf_get_current_uid_gid();
	if (bpf_map_update_elem(&procs, &tgid, &fresh, BPF_ANY))
		count_loss(KLOSS_PROCS_FULL);
	bpf_map_delete_elem(&runtimes, &tgid);
	bpf_map_delete_elem(&stepping, &tid);
	__sync_fetch_and_add(&rt_gen, 1);
	emit_head(EV_EXEC, fresh.id);
	return 0;
}

#endif
