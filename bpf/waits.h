/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How the waits of threads end, without a program on every system call: one that may time out
 * starts a timer as it goes to sleep, and is woken by it, a signal is delivered, a thread exits.
 * Included by mispair.bpf.c.
 */
#ifndef MISPAIR_WAITS_H
#define MISPAIR_WAITS_H

/* The function that wakes who sleeps until a time (kernel/time/hrtimer.c). */
extern const void hrtimer_wakeup __ksym __weak;

enum waiting_call { CALL_OTHER, CALL_POLL, CALL_EPOLL };

/* Of mispair's own sleeps, how many ended by a timer that was heard. */
__u32 own_timers;

/* Numbers of the calls that wait for descriptors (asm/unistd.h). */
static __always_inline enum waiting_call call_numbered(__u64 nr)
{
	switch (nr) {
#if defined(__TARGET_ARCH_arm64)
	case 72: /* pselect6 */
	case 73: /* ppoll */
		return CALL_POLL;
	case 22: /* epoll_pwait */
#else
	case 7:	  /* poll */
	case 23:  /* select */
	case 270: /* pselect6 */
	case 271: /* ppoll */
		return CALL_POLL;
	case 232: /* epoll_wait */
	case 281: /* epoll_pwait */
#endif
	case 441: /* epoll_pwait2 */
		return CALL_EPOLL;
	}
	return CALL_OTHER;
}

/* Where a task's registers begin, from the base of its kernel stack; 0: not known yet. */
__u32 regs_at;

/* Are these the registers of a user's 64-bit system call? */
static __always_inline bool from_user(const void *regs)
{
#if defined(__TARGET_ARCH_arm64)
	return !(kread(regs + bpf_core_field_offset(struct pt_regs, pstate), 8) & 0xf);
#else
	/* cs lies behind orig_ax and ip, as the processor pushes them. */
	return kread(regs + bpf_core_field_offset(struct pt_regs, orig_ax) + 16, 2) == 0x33 &&
	       kread(regs + bpf_core_field_offset(struct pt_regs, ss), 2) == 0x2b;
#endif
}

/*
 * The registers of TASK, which is in a system call: at the top of its kernel stack
 * (task_pt_regs()). How large that is, and how much is left free above, is a matter of the
 * kernel's configuration, so it is found out, once.
 */
static __noinline __u64 regs_of(struct task_struct *task)
{
	static const __u32 sizes[] = {16384, 32768, 65536};
	__u64 base = (__u64)FIELD(true, task, stack);
	__u32 i, at = regs_at;

	if (!base)
		return 0;
	if (at)
		return from_user((void *)(base + at)) ? base + at : 0;
#pragma unroll
	for (i = 0; i < 6; i++) {
		at = sizes[i / 2] - bpf_core_type_size(struct pt_regs) - 16 * (i % 2);
		if (from_user((void *)(base + at))) {
			regs_at = at;
			return base + at;
		}
	}
	return 0;
}

/* The system call that TASK is in. */
static __noinline int call_of(struct task_struct *task)
{
	__u64 regs = regs_of(task), nr;

	if (!regs)
		return CALL_OTHER;
#if defined(__TARGET_ARCH_arm64)
	nr = kread((void *)regs + bpf_core_field_offset(struct pt_regs, syscallno), 4);
#else
	nr = kread((void *)regs + bpf_core_field_offset(struct pt_regs, orig_ax), 8);
#endif
	return call_numbered(nr);
}

/* The descriptor that the system call TASK is in was given first. */
static __noinline __u32 descriptor(struct task_struct *task)
{
	__u64 regs = regs_of(task);

	if (!regs)
		return (__u32)-1;
#if defined(__TARGET_ARCH_arm64)
	return kread((void *)regs + bpf_core_field_offset(struct pt_regs, orig_x0), 4);
#else
	return kread((void *)regs + bpf_core_field_offset(struct pt_regs, di), 4);
#endif
}

static __always_inline void wait_ended(__u32 tid, const struct last_wait *w)
{
	struct last_wait *kept = bpf_map_lookup_elem(&waits, &tid);

	if (kept)
		*kept = *w;
	else if (bpf_map_update_elem(&waits, &tid, w, BPF_ANY))
		count_loss(KLOSS_WAITS_FULL);
}

/*
 * Event loops ask for whole milliseconds, and for more rather than less. One that is woken by
 * something else in the last of them finds that a time of its own has come, before the sleep was
 * due.
 */
#define LOOP_ROUNDS_NS 1000000ULL

/*
 * Has a sleep that BEGAN after SINCE and was DUE to end by now ended without a word? Its timer was
 * not heard: on_timer() runs where the timer fires, over whoever has that CPU, and there are hosts
 * that run no program over some of their own tasks. Or it was woken before, and its thread has been
 * busy since.
 */
static __always_inline bool unheard(__u64 began, __u64 due, __u64 since)
{
	return began > since && due <= bpf_ktime_get_ns() + LOOP_ROUNDS_NS;
}

/*
 * How the wait of L's owner, a thread, may have ended: enum wait_status, and since when in WHY. A
 * runtime that moves its tasks between threads has one of them wait for all.
 */
static __always_inline __u8 waited(struct ledger *l, __u32 tgid, struct cancel_info *why)
{
	struct handled_signal *s;
	struct last_wait *w;
	struct proc *p;

	if (l->owner.kind != OWNER_THREAD || !ledger_asks(l))
		return WAIT_UNKNOWN;
	__builtin_memset(why, 0, sizeof(*why));
	w = bpf_map_lookup_elem(&waits, &l->owner.tid);
	if (w && w->id != l->owner.id)
		w = 0;
	if (w && w->ts > l->last_tx_ns && w->status < WAIT_MAX) {
		why->ts = w->ts;
		return w->status;
	}
	/* Also one that came while it did something else: a handler may not return there. */
	s = bpf_map_lookup_elem(&signals, &l->owner.tid);
	if (s && s->id == l->owner.id && s->ts > l->last_tx_ns) {
		why->ts = s->ts;
		why->signal = s->signal;
		why->by_tid = s->sender;
		return WAIT_POLL_INTERRUPTED;
	}
	if (w && unheard(w->began, w->due, l->last_tx_ns)) {
		why->ts = w->due;
		return WAIT_POLL_TIMED_OUT;
	}
	p = proc_of(tgid);
	if (!p || l->owner.tgid != tgid || l->owner.id != p->id)
		return WAIT_UNKNOWN;
	if (p->loop_ns > l->last_tx_ns)
		why->ts = p->loop_ns;
	else if (unheard(p->loop_began, p->loop_due, l->last_tx_ns))
		why->ts = p->loop_due;
	else
		return WAIT_UNKNOWN;
	return WAIT_LOOP_TIMED_OUT;
}

/*
 * A timer starts. One that is to wake the current thread from its wait for descriptors is noted,
 * with the time that it is set to. This runs in the thread's own context, so it is always heard,
 * and whose timer it is needs no kernel symbol; one that an interrupt starts meanwhile wakes
 * somebody else. Timers that are woken before their time are many: attached where one command or
 * process is followed, and where the host does not let on_timer() hear all (session_timers.c).
 */
SEC("tp_btf/hrtimer_start")
int BPF_PROG(on_sleep, struct hrtimer *timer)
{
	__u64 id = bpf_get_current_pid_tgid();
	__u32 tgid = id >> 32, tid = (__u32)id;
	struct last_wait first = {}, *w;
	struct proc *p = proc_of(tgid);
	enum waiting_call call;

	if (!p)
		return 0;
	if ((__u64)FIELD(true, (struct hrtimer_sleeper *)timer, task) != bpf_get_current_task())
		return 0;
	call = call_of(this_task());
	if (call == CALL_OTHER)
		return 0;
	w = bpf_map_lookup_elem(&waits, &tid);
	if (!w)
		w = &first;
	if (w->id != p->id)
		w->ts = 0; /* of another thread, which had this number */
	w->id = p->id;
	w->tgid = tgid;
	w->due = FIELD(true, timer, _softexpires);
	w->began = bpf_ktime_get_ns();
	if (call == CALL_EPOLL) {
		/* The one before was due meanwhile, and was not heard either. */
		if (p->loop_due > p->loop_ns && p->loop_due <= w->began + LOOP_ROUNDS_NS)
			p->loop_ns = p->loop_due;
		p->loop_due = w->due;
		p->loop_began = w->began;
	}
	if (w == &first && bpf_map_update_elem(&waits, &tid, &first, BPF_ANY))
		count_loss(KLOSS_WAITS_FULL);
	return 0;
}

/*
 * Somebody's time is up. Runs in whatever context the timer fires in: current is anybody. What is
 * no sleeper's timer, on a host that hides hrtimer_wakeup(), has no task of a known process.
 */
SEC("tp_btf/hrtimer_expire_entry")
int BPF_PROG(on_timer, struct hrtimer *timer)
{
	struct last_wait w = {.status = WAIT_POLL_TIMED_OUT};
	struct task_struct *task;
	enum waiting_call call;
	struct proc *p;
	__u32 tgid;

	if (&hrtimer_wakeup && timer->function != (void *)&hrtimer_wakeup)
		return 0;
	task = FIELD(true, (struct hrtimer_sleeper *)timer, task);
	if (!task)
		return 0;
	tgid = FIELD(true, task, tgid);
	p = proc_of(tgid);
	if (!p) {
		if (tgid == opt_self)
			own_timers++;
		return 0;
	}
	call = call_of(task);
	if (call == CALL_OTHER)
		return 0;
	w.ts = bpf_ktime_get_ns();
	w.id = p->id;
	w.tgid = tgid;
	if (call == CALL_EPOLL)
		p->loop_ns = w.ts;
	wait_ended(FIELD(true, task, pid), &w);
	return 0;
}

/* Signals are rare beside messages, and most go to processes that have no client connection. */
SEC("tp_btf/signal_deliver")
int BPF_PROG(on_signal, int sig, struct kernel_siginfo *info, void *action)
{
	__u64 id = bpf_get_current_pid_tgid();
	__u32 tgid = id >> 32, tid = (__u32)id;
	struct handled_signal s = {.signal = sig}, *kept;
	int code;

	s.tgid = tgid;
	s.id = id_of(tgid);
	if (!s.id)
		return 0;
	s.ts = bpf_ktime_get_ns();
	/* SI_USER, SI_QUEUE, SI_TKILL: a process sent it. To verifiers of 6.12 INFO is a number,
	 * since signal_generate's can be one. */
	code = FIELD(true, info, si_code);
	if (code == 0 || code == -1 || code == -6)
		s.sender = FIELD(true, info, _sifields._kill._pid);
	kept = bpf_map_lookup_elem(&signals, &tid);
	if (kept)
		*kept = s;
	else if (bpf_map_update_elem(&signals, &tid, &s, BPF_ANY))
		count_loss(KLOSS_SIGNALS_FULL);
	return 0;
}

#define SIGNAL_GROUP_EXIT 0x4 /* include/linux/sched/signal.h */

/* A thread ends. If its process goes on, that ends its wait. */
static __always_inline void thread_ends(struct task_struct *task)
{
	struct last_wait w = {.status = WAIT_EXITED};
	__u32 tid = task->pid;

	w.id = id_of(task->tgid);
	if (!w.id)
		return;
	if (task->signal->flags & SIGNAL_GROUP_EXIT) {
		forget_thread(tid);
		return;
	}
	bpf_map_delete_elem(&stepping, &tid);
	bpf_map_delete_elem(&signals, &tid); /* its end says more */
	w.ts = bpf_ktime_get_ns();
	w.tgid = task->tgid;
	wait_ended(task->pid, &w);
}

#endif
