// SPDX-License-Identifier: GPL-2.0
/* Which of untold.c's threads were woken by a timer, as far as a program hears of it. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>
#include "kread.h"
#include "untold.h"

char LICENSE[] SEC("license") = "GPL";

extern const void hrtimer_wakeup __ksym __weak;

struct told_thread threads[UNTOLD_THREADS];

SEC("tp_btf/hrtimer_expire_entry")
int BPF_PROG(hears, struct hrtimer *timer)
{
	struct task_struct *task;
	__u32 tid, i;

	if (timer->function != (void *)&hrtimer_wakeup)
		return 0;
	task = FIELD(true, (struct hrtimer_sleeper *)timer, task);
	if (!task)
		return 0;
	tid = FIELD(true, task, pid);
	for (i = 0; i < UNTOLD_THREADS; i++)
		if (threads[i].tid == tid)
			threads[i].told++;
	return 0;
}
