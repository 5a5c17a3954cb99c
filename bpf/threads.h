/* SPDX-License-Identifier: GPL-2.0 */
/* The threads of the running process: their numbers here and in a pid namespace of its own. */
#ifndef MISPAIR_THREADS_H
#define MISPAIR_THREADS_H

#include "pthreads.h"

/* Threads that are looked through in a process that has a pid namespace of its own. */
#define THREADS_MAX 256

/* The thread pointer. */
static __always_inline __u64 thread_self(struct task_struct *task)
{
#if defined(__TARGET_ARCH_arm64)
	return TASK_FIELD(task, thread.uw.tp_value);
#else
	return TASK_FIELD(task, thread.fsbase);
#endif
}

/* The number of the thread behind PID as its own namespace counts, LEVEL deep. */
static __always_inline __u32 number_at(struct pid *pid, __u32 level)
{
	__u64 at = (__u64)pid + bpf_core_field_offset(struct pid, numbers) +
		   (__u64)level * bpf_core_type_size(struct upid) +
		   bpf_core_field_offset(struct upid, nr);

	return (__u32)kread((void *)at, sizeof(__u32));
}

/* What the running thread is called in its process. */
static __noinline __u32 own_number(void)
{
	struct task_struct *task = this_task();
	struct pid *pid = FIELD(true, task, thread_pid);

	return number_at(pid, FIELD(true, pid, level));
}

/*
 * The thread of this process that it calls NR itself, as the rest of the host counts; 0: none. In
 * the first namespace that is the same, and whose it is is asked when it matters.
 */
static __noinline __u32 thread_called(__u32 nr)
{
	struct task_struct *task = this_task(), *other;
	struct pid *pid = FIELD(true, task, thread_pid);
	struct signal_struct *signal = FIELD(true, task, signal);
	__u64 head = (__u64)signal + bpf_core_field_offset(struct signal_struct, thread_head);
	__u64 at = head;
	__u32 level = FIELD(true, pid, level);
	int i;

	if (!level)
		return nr;
	for (i = 0; i < THREADS_MAX; i++) {
		at = kread((void *)at, 8);
		if (!at || at == head)
			break;
		other = (struct task_struct *)(at - bpf_core_field_offset(struct task_struct,
									  thread_node));
		pid = FIELD(true, other, thread_pid);
		if (pid && number_at(pid, level) == nr)
			return FIELD(true, other, pid);
	}
	if (i == THREADS_MAX)
		count_loss(KLOSS_THREADS_FULL);
	return 0;
}

#endif
