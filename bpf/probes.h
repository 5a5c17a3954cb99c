/* SPDX-License-Identifier: GPL-2.0 */
/* Programs on functions of asyncio's Task. Included by mispair.bpf.c. */
#ifndef MISPAIR_PROBES_H
#define MISPAIR_PROBES_H

/* ---- Task.cancel, where it is probed ---- */

/* Counts the call against the budget of a probe that is not meant to stay. */
static __always_inline struct proc_rt *probed_process(__u32 tgid)
{
	struct proc_rt *rt = runtime_of(tgid);
	__u32 left;

	if (!rt || !rt->probe_budget)
		return rt;
	/* Kernels before 5.12 have no atomic that also reads. Two that meet here may tell it twice,
	 * or leave the budget below zero. */
	__sync_fetch_and_sub(&rt->probe_budget, 1);
	left = *(volatile __u32 *)&rt->probe_budget;
	if (!left || left > PROBE_BUDGET_MAX)
		emit_head(EV_BUDGET, rt->id);
	return rt;
}

static __noinline int keep_cancelled(__u64 task, __u64 *name, __u32 tgid, __u32 id,
				     struct cancel_info *ci)
{
	struct cancel_key key = {.task = task, .name = {name[0], name[1]}, .tgid = tgid, .id = id};

	if (!bpf_map_lookup_elem(&cancelled, &key))
		count_added(ADDED_CANCELLED);
	if (bpf_map_update_elem(&cancelled, &key, ci, BPF_ANY))
		count_loss(KLOSS_CANCELLED_FULL);
	return 0;
}

/*
 * Notes that the wait of TASK, which is K, has ended, when, and by which task: the next event on
 * its socket asks. Uses K for its own look.
 */
static __always_inline void note_cancelled(struct proc_rt *rt, __u32 tgid, __u64 task,
					   struct pytask_look *k, struct cancel_info *ci)
{
	__u64 name[2] = {k->name[0], k->name[1]};

	count(CNT_CANCELS, 1);
	ci->ts = bpf_ktime_get_ns();
	ci->by_tid = (__u32)bpf_get_current_pid_tgid();
	if (rt->state == RT_PROBED) {
		__u32 tid = ci->by_tid;
		__u64 *stepping_task = bpf_map_lookup_elem(&stepping, &tid);

		ci->by_task = stepping_task ? *stepping_task : 0;
	} else if (running_task(rt, tgid, &ci->by_task, &k->head.loop, (__u8 *)&k->waiter_state) !=
			   1 ||
		   look_at(rt, ci->by_task, k)) {
		ci->by_task = 0;
	} else {
		ci->by_name[0] = k->name[0];
		ci->by_name[1] = k->name[1];
	}
	keep_cancelled(task, name, tgid, rt->id, ci);
	__sync_fetch_and_add(&rt->probe_seq, 1);
}

SEC("uprobe")
int task_cancel(struct pt_regs *ctx)
{
	__u64 task = PT_REGS_PARM1((struct pt_regs *)ctx);
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct proc_rt *rt = probed_process(tgid);
	struct cancel_info ci = {.waiter_state = 0xffff};
	struct pytask_look k;

	if (rt && rt->state == RT_PROBED) {
		struct ended *e = ends_of(task, tgid, rt->id);

		k.name[0] = e ? e->times : 0;
		k.name[1] = 0;
		note_cancelled(rt, tgid, task, &k, &ci);
		return 0;
	}
	/* Cancelling what has ended does nothing. */
	if (!rt || rt->state != RT_READY || look_at(rt, task, &k) || k.state != PYFUT_PENDING)
		return 0;
	ci.waiter = k.tail.waiter;
	if (k.tail.waiter)
		bpf_probe_read_user(&ci.waiter_state, 2,
				    (void *)(k.tail.waiter + rt->layout.state));
	ci.stream = stream_of(rt, k.tail.coro, k.tail.waiter);
	ci.self_read = ci.stream != 0;
	note_cancelled(rt, tgid, task, &k, &ci);
	return 0;
}

/* "Task was destroyed but it is pending": the finaliser of every task runs, few are pending. */
SEC("uprobe")
int task_finalize(struct pt_regs *ctx)
{
	__u64 task = PT_REGS_PARM1((struct pt_regs *)ctx);
	__u32 tgid = bpf_get_current_pid_tgid() >> 32, state = PYFUT_FINISHED;
	struct proc_rt *rt = probed_process(tgid);
	struct cancel_info ci = {.waiter_state = 0xffff, .destroyed = 1};
	struct pytask_look k;

	if (rt && rt->state == RT_PROBED) {
		struct loop_key key = {.loop = task, .tgid = tgid, .id = rt->id};
		struct ended *e = bpf_map_lookup_elem(&ended, &key), first = {.times = 1};

		if (e) {
			__sync_fetch_and_add(&e->times, 1);
			return 0;
		}
		count_added(ADDED_ENDED);
		if (bpf_map_update_elem(&ended, &key, &first, BPF_ANY))
			count_loss(KLOSS_ENDED_FULL);
		return 0;
	}
	if (!rt || rt->state != RT_READY ||
	    bpf_probe_read_user(&state, 4, (void *)(task + rt->layout.state)) ||
	    state != PYFUT_PENDING || look_at(rt, task, &k))
		return 0;
	ci.stream = stream_of(rt, k.tail.coro, k.tail.waiter);
	ci.self_read = ci.stream != 0;
	note_cancelled(rt, tgid, task, &k, &ci);
	return 0;
}

/* ---- every step of a task, where its layout is not known ---- */

static __always_inline int step_begins(__u64 task)
{
	__u64 id = bpf_get_current_pid_tgid();
	__u32 tgid = id >> 32, tid = (__u32)id;
	struct proc_rt *rt = runtime_of(tgid);

	if (!rt || rt->state != RT_PROBED || !task)
		return 0;
	if (bpf_map_update_elem(&stepping, &tid, &task, BPF_ANY))
		count_loss(KLOSS_STEPPING_FULL);
	if (!rt->validated)
		rt->validated = 1;
	return 0;
}

/* A TaskStepMethWrapper is called: its task lies behind its object header, in 3.9 to 3.13. */
SEC("uprobe")
int step_call(struct pt_regs *ctx)
{
	__u64 wrapper = PT_REGS_PARM1((struct pt_regs *)ctx), task = 0;

	bpf_probe_read_user(&task, 8, (void *)(wrapper + 16));
	return step_begins(task);
}

SEC("uprobe")
int step_wakeup(struct pt_regs *ctx)
{
	return step_begins(PT_REGS_PARM1((struct pt_regs *)ctx));
}

#endif
