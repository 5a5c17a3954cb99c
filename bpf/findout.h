/* SPDX-License-Identifier: GPL-2.0 */
/*
 * At a send: who sends, and how did the wait of the owner before end? What the owner's memory, its
 * thread, its goroutine and the probes say, put together. Included by mispair.bpf.c.
 */
#ifndef MISPAIR_FINDOUT_H
#define MISPAIR_FINDOUT_H

/*
 * The reply was read, and then its owner was cancelled before it had run again: it still waited for
 * the future that the reply completed. Opens the abandonment; NULL: nothing of the kind was probed.
 */
static __always_inline struct cancel_info *late_cancel(struct ledger *l)
{
	struct cancel_info *ci = l->replies ? probed(&l->owner, l->reply_ns) : 0;

	if (!ci || !ci->waiter || ci->waiter != l->owner.waiter ||
	    ci->waiter_state != PYFUT_FINISHED)
		return 0;
	ledger_late_cancel(l, ci->ts);
	return ci;
}

/* A receive that failed with RET. Only one that could block says that somebody waited. */
static __always_inline void handle_failed_recv(struct sock *sk, int ret, int flags)
{
	struct ledger *l;
	__u8 status = WAIT_INTERRUPTED;

	if (ret == -EAGAIN && !(flags & MSG_DONTWAIT))
		status = WAIT_TIMED_OUT;
	else if (ret != -EINTR && (ret > -ERESTARTSYS || ret < -ERESTART_RESTARTBLOCK))
		return;
	l = ledger_of(false, sk);
	if (!l || (l->owner.kind != OWNER_THREAD && l->owner.kind != OWNER_UNKNOWN))
		return;
	note_change(sk, l);
	ledger_gave_up(l, status, bpf_ktime_get_ns());
}

/* How the wait of L's owner, a thread, ended: CI, and true if it did. */
static __always_inline bool gave_up(struct ledger *l, struct cancel_info *ci)
{
	struct handled_signal *s;

	if (!l->gave_up)
		return false;
	__builtin_memset(ci, 0, sizeof(*ci));
	ci->ts = l->gave_up_ns;
	if (l->gave_up != WAIT_INTERRUPTED)
		return true;
	s = bpf_map_lookup_elem(&signals, &l->owner.tid);
	if (s && s->id == l->owner.id && s->ts >= l->gave_up_ns) {
		ci->signal = s->signal;
		ci->by_tid = s->sender;
	}
	return true;
}

/*
 * A reply without an owner was read, and LEFT bytes (-1: not known) lie in the stream's buffer now.
 * None: somebody has taken it out, late. Some, after a task was seen to wait for them: it only
 * probed, as pools do with a timeout of zero.
 */
static __always_inline void look_again(struct ledger *l, int left)
{
	if (left == 0)
		l->abandoned = 0;
	if (left > 0 && l->doubt && !ledger_owed(l)) {
		l->abandoned = l->doubt;
		l->residue_bytes = left;
	}
	l->doubt = 0;
}

/*
 * Has a probe said that the wait of L's owner, a thread, was cancelled? Into CI, and 1. A Ruby
 * thread is interrupted for a signal's sake, too: that is no more than a signal.
 */
static __noinline int told(struct ledger *l, struct cancel_info *ci)
{
	__u32 tid = l->owner.tid;
	struct probed_wait *w = bpf_map_lookup_elem(&probed_waits, &tid);

	if (!w || w->tgid != l->owner.tgid || w->id != l->owner.id || w->ts <= l->last_tx_ns)
		return 0;
	__builtin_memset(ci, 0, sizeof(*ci));
	ci->ts = w->ts;
	ci->by_tid = w->by;
	ci->adapter = w->adapter;
	return 1;
}

/* A hint since SINCE, if there is one: into CI. */
static __noinline int hinted(__u32 tgid, __u64 since, struct cancel_info *ci)
{
	struct cancel_hint *h = bpf_map_lookup_elem(&hints, &tgid);

	if (!h || h->ts < since)
		return 0;
	__builtin_memset(ci, 0, sizeof(*ci));
	ci->ts = h->ts;
	ci->by_tid = h->by;
	ci->by_task = h->what;
	ci->adapter = h->adapter;
	return 1;
}

/* How the wait of T's owner, a thread, ended: enum wait_status, and T->why. */
static __always_inline __u8 thread_wait(struct tracked *t, __u32 tgid)
{
	struct ledger *l = &t->l;
	__u8 status = gave_up(l, &t->why) ? l->gave_up : waited(l, tgid, &t->why);

	if (told(l, &t->why)) {
		if (t->why.adapter != ADAPTER_RUBY)
			return WAIT_PROBED;
		return wait_in_vain(status) || !ledger_asks(l) ? status : WAIT_POLL_INTERRUPTED;
	}
	/* Whose wait it was is known, and what it was for perhaps by the hint. */
	if (wait_perhaps(status))
		hinted(l->owner.tgid, l->last_tx_ns, &t->why);
	return status;
}

/* What has become of L's owner, a goroutine, while another one of its process sends. */
static __noinline int goroutine_left(struct ledger *l, struct proc_rt *rt, struct cancel_info *why)
{
	int status = goroutine_wait(&l->owner, rt);

	hinted(l->owner.tgid, l->req_ns, why);
	return status;
}

/* L's request went out when its process had not been looked into yet, and there is no runtime. */
static __always_inline void owner_known_late(struct ledger *l, struct proc_rt *rt, __u32 tgid)
{
	if (l->owner.kind == OWNER_UNKNOWN && l->owner.tgid == tgid && rt &&
	    rt->id == l->owner.id && rt->state == RT_NONE)
		l->owner.kind = OWNER_THREAD;
}

/*
 * The owner before and who sends are not known yet: their process is only just looked into. If the
 * thread's wait for the reply has ended, that says the same whatever runs there, and it would be
 * gone when the answer comes. So they count as threads for this one step.
 */
static __always_inline bool threads_for_now(struct tracked *t, struct proc_rt *rt, __u32 tgid)
{
	return !rt && t->who.id && t->who.kind == OWNER_UNKNOWN &&
	       t->l.owner.kind == OWNER_UNKNOWN && t->l.owner.tgid == tgid &&
	       t->l.owner.id == t->who.id;
}

enum found {
	FOUND_FOR_NOW = 1, /* both owners count as threads for this step, and are not known after */
	FOUND_TAKEN = 2,   /* the abandoned reply was taken before this went out */
};

/*
 * The task that sends: 1 and O->task, which is of *LOOP; 0: none; -1: cannot be told.
 */
static __always_inline int task_now(struct owner *o, struct tracked *t, struct proc_rt *rt,
				    __u64 *loop)
{
	int r = running_task(rt, o->tgid, &o->task, loop, &o->verified);

	if (r || (!t->uv && !rt->uv))
		return r;
	o->task = uv_sender(rt, t, descriptor(this_task()), loop);
	o->verified = 1;
	return o->task != 0;
}

/* Fills O, which is zero, with who sends on T now. */
static __always_inline void owner_now(struct owner *o, struct tracked *t, struct proc_rt *rt,
				      __u32 tgid, __u32 tid)
{
	__u64 loop = 0;
	int r;

	o->tgid = tgid;
	o->tid = tid;
	o->kind = OWNER_UNKNOWN;
	o->id = rt ? rt->id : id_of(tgid);
	if (!o->id) {
		count_loss(KLOSS_LATE_ATTACH);
		return;
	}
	if (!rt || rt->state == RT_WAITING) {
		is_late(tgid);
		return;
	}
	if (rt->state == RT_NONE) {
		o->kind = OWNER_THREAD;
		return;
	}
	if (rt->state == RT_PROBED)
		owner_stepping(o, rt);
	if (rt->state == RT_GO)
		owner_goroutine(o, rt);
	if (rt->state != RT_READY)
		return;
	r = task_now(o, t, rt, &loop);
	if (r == 0)
		o->kind = OWNER_THREAD;
	else if (r > 0)
		owner_task(o, rt, loop);
}

static __always_inline void meet_sender(__u32 tgid)
{
	struct proc *p = proc_of(tgid);

	if (!p || !p->asked)
		meet_this_process(tgid);
}

/*
 * A live task, or goroutine, has looked as it should: what is said of its process has a ground now,
 * and the collector is told so. Without a call: the stack is nearly used up here.
 */
static __always_inline void tell_proof(struct proc_rt *rt)
{
	struct ev_head *h;

	if (rt->told || !rt->validated)
		return;
	h = ring_open() ? bpf_ringbuf_reserve(&ring, sizeof(*h), 0) : 0;
	if (!h) {
		count_loss(KLOSS_RING_FULL); /* the next send tries again */
		return;
	}
	rt->told = 1;
	event_head_of(h, EV_PROVED, sizeof(*h), rt->id);
	bpf_ringbuf_submit(h, BPF_RB_FORCE_WAKEUP);
}

/* Who sends: into T. A function, so that what follows is looked at once by a verifier. */
static __noinline int find_sender(struct tracked *t, struct proc_rt *rt, __u32 tgid, __u32 tid)
{
	struct owner *who = &t->who;
	struct ledger *l = &t->l;

	__builtin_memset(who, 0, sizeof(*who));
	owner_now(who, t, rt, tgid, tid);
	if (rt && rt->state != RT_PROBED)
		tell_proof(rt);
	/* No task runs, but this thread's tasks own the connection: the loop flushes its buffer. */
	if (who->kind == OWNER_THREAD && l->owner.kind == OWNER_TASK && l->owner.tid == tid)
		who->kind = OWNER_NONE;
	return 0;
}

/* Who sends, and is the owner before still waiting: into T, where it is forgotten how it came. */
static __noinline int find_out(struct tracked *t, __u32 tgid, __u32 tid)
{
	struct ledger *l = &t->l;
	struct cancel_info *ci = 0;
	struct proc_rt *rt;
	int left;

	t->why.ts = 0;
	t->prior = WAIT_UNKNOWN;
	t->found = 0;
	if (l->plain_gen == rt_gen && l->owner.tgid == tgid) {
		const struct owner thread = {
			.tgid = tgid, .tid = tid, .id = l->owner.id, .kind = OWNER_THREAD};

		rt = 0;
		t->who = thread;
	} else {
		rt = runtime_of(tgid);
		/*
		 * A process that sends on a connection that it did not make, after an exec or with
		 * another's descriptor, is met now.
		 */
		if (!rt)
			meet_sender(tgid);
		find_sender(t, rt, tgid, tid);
		l->plain_gen = rt && rt->state == RT_NONE ? rt_gen : 0;
	}
	/* Another process, or another program: what lies where in its memory is not known. */
	if (t->who.id != l->owner.id)
		l->stream = t->uv = 0;
	owner_known_late(l, rt, tgid);
	if (ledger_owed(l)) {
		t->prior = wait_now(l, rt, tgid, &ci);
		if (threads_for_now(t, rt, tgid)) {
			t->found = FOUND_FOR_NOW;
			t->who.kind = l->owner.kind = OWNER_THREAD;
		}
		if (t->prior == WAIT_UNKNOWN && t->who.kind == OWNER_THREAD)
			t->prior = thread_wait(t, tgid);
		if (t->found && !wait_in_vain(t->prior) && !wait_perhaps(t->prior)) {
			t->found = 0;
			t->who.kind = l->owner.kind = OWNER_UNKNOWN;
		}
		if (rt && t->who.kind == OWNER_GOROUTINE && l->owner.kind == OWNER_GOROUTINE &&
		    l->owner.id == rt->id && !owner_same(&l->owner, &t->who))
			t->prior = goroutine_left(l, rt, &t->why);
	} else if (rt && rt->probe_seq != l->probe_seq) {
		ci = late_cancel(l);
	}
	if (ci)
		t->why = *ci;
	if ((l->abandoned || l->doubt) && rt) {
		left = stream_size(rt, l->stream);
		if (l->abandoned && !left && (t->uv || rt->uv))
			t->found |= FOUND_TAKEN;
		else
			look_again(l, left);
	}
	return 0;
}

#endif
