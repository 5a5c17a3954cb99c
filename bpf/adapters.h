/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Programs on functions that end somebody's wait: one a runtime, and those that a user names.
 * Included by mispair.bpf.c.
 *
 * Where the function says which thread, that thread's wait is noted in `probed_waits`, and its next
 * event on a socket with a reply owed to it asks. Where it says only that something of the process
 * is cancelled, a hint is left: it may name a cancellation that shows otherwise, and is none
 * itself.
 */
#ifndef MISPAIR_ADAPTERS_H
#define MISPAIR_ADAPTERS_H

/* Ruby's own: it wakes a thread that is in a system call. */
#define SIGVTALRM 26

/* Greater than any thread's number (PID_MAX_LIMIT), smaller than any user address. */
#define TID_END (1ULL << 22)

/*
 * Where glibc and musl keep a thread's number behind its pthread_t, on x86-64. There the thread
 * pointer is pthread_self(), so the running thread shows whether it is so in this very process.
 */
#define GLIBC_TID 0x2d0
#define MUSL_TID  0x30

/* A call of ADAPTER's function, of a process that has client connections; else false. */
static __always_inline bool adapter_called(__u32 adapter, __u32 tgid)
{
	__u64 *n = bpf_map_lookup_elem(&adapter_calls, &adapter);

	if (n)
		__sync_fetch_and_add(n, 1);
	return bpf_map_lookup_elem(&procs, &tgid) != 0;
}

/* What the thread behind pthread_t THREAD is called in its process, 0: it is none that we know. */
static __noinline __u32 number_of_pthread(__u64 thread)
{
#if defined(__TARGET_ARCH_x86)
	struct task_struct *task = this_task();
	__u32 own = own_number(), nr = 0, off = GLIBC_TID;
	__u64 self = thread_self(task), head = 0;

	if (bpf_probe_read_user(&nr, 4, (void *)(self + off)) || nr != own) {
		off = MUSL_TID;
		if (bpf_probe_read_user(&nr, 4, (void *)(self + off)) || nr != own)
			return 0;
	}
	/* Both begin a thread's block with its own address. */
	if (bpf_probe_read_user(&head, 8, (void *)thread) || head != thread ||
	    bpf_probe_read_user(&nr, 4, (void *)(thread + off)) || nr >= TID_END)
		return 0;
	return nr;
#else
	return 0;
#endif
}

static __noinline int note_wait(__u32 tid, __u32 adapter)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct probed_wait w = {
		.ts = bpf_ktime_get_ns(),
		.by = (__u32)id,
		.tgid = id >> 32,
		.adapter = adapter,
	};

	count(CNT_CANCELS, 1);
	if (bpf_map_update_elem(&probed_waits, &tid, &w, BPF_ANY))
		count_loss(KLOSS_MAP_FULL);
	return 0;
}

/* Somebody ends the wait of the thread that VALUE says: its number, or its pthread_t. */
static __noinline int end_wait_of(__u64 value, __u32 adapter)
{
	__u32 nr = value < TID_END ? (__u32)value : 0, tid;

	if (!adapter_called(adapter, bpf_get_current_pid_tgid() >> 32))
		return 0;
	if (value >= TID_END)
		nr = number_of_pthread(value);
	tid = nr ? thread_called(nr) : 0;
	if (tid)
		note_wait(tid, adapter);
	return 0;
}

static __noinline int hint(__u64 what, __u32 adapter)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct cancel_hint h = {
		.ts = bpf_ktime_get_ns(),
		.what = what,
		.by = (__u32)id,
		.adapter = adapter,
	};
	__u32 tgid = id >> 32;

	if (!adapter_called(adapter, tgid))
		return 0;
	count(CNT_CANCELS, 1);
	bpf_map_update_elem(&hints, &tgid, &h, BPF_ANY);
	return 0;
}

/* ---- one a runtime ---- */

SEC("uprobe")
int adapter_pthread(struct pt_regs *ctx)
{
	return end_wait_of(PT_REGS_PARM1(ctx), ADAPTER_PTHREAD);
}

/* Thread#raise, Thread#kill and what Timeout does: in 2.x to 3.x all end in this pthread_kill(). */
SEC("uprobe")
int adapter_ruby(struct pt_regs *ctx)
{
	if ((__u32)PT_REGS_PARM2(ctx) != SIGVTALRM)
		return 0;
	return end_wait_of(PT_REGS_PARM1(ctx), ADAPTER_RUBY);
}

/* Its thread is a Java object, and a thread in a blocking read does not even wake. */
SEC("uprobe")
int adapter_jvm(struct pt_regs *ctx)
{
	return hint(0, ADAPTER_JVM);
}

/* Which connection the task had is known to nobody. */
SEC("uprobe")
int adapter_tokio(struct pt_regs *ctx)
{
	return hint(0, ADAPTER_TOKIO);
}

/* Which goroutines listen to a context is in none of its fields. */
SEC("uprobe")
int adapter_go(struct pt_regs *ctx)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct proc_rt *rt = bpf_map_lookup_elem(&procs, &tgid);
	struct goroutine g = {};

	if (rt && rt->state == RT_GO)
		goroutine_now(rt, &g);
	return hint(g.id, ADAPTER_GO);
}

/* ---- what a user names: --cancel-at; each is loaded only when it is asked for ---- */

#define CANCEL_AT(n, value)                                                                        \
	SEC("?uprobe")                                                                             \
	int cancel_at_##n(struct pt_regs *ctx)                                                     \
	{                                                                                          \
		return end_wait_of(value, ADAPTER_USER);                                           \
	}

/* Without an argument the caller's own wait is meant. */
static __always_inline int end_own_wait(void)
{
	__u64 id = bpf_get_current_pid_tgid();

	return adapter_called(ADAPTER_USER, id >> 32) ? note_wait((__u32)id, ADAPTER_USER) : 0;
}

SEC("?uprobe")
int cancel_at_0(struct pt_regs *ctx)
{
	return end_own_wait();
}

CANCEL_AT(1, PT_REGS_PARM1(ctx))
CANCEL_AT(2, PT_REGS_PARM2(ctx))
CANCEL_AT(3, PT_REGS_PARM3(ctx))
CANCEL_AT(4, PT_REGS_PARM4(ctx))
CANCEL_AT(5, PT_REGS_PARM5(ctx))
#if defined(__TARGET_ARCH_arm64)
CANCEL_AT(6, ((struct user_pt_regs *)ctx)->regs[5])
#else
CANCEL_AT(6, ctx->r9)
#endif

/* ---- and --cancel-usdt, the same ---- */

/* The cookie is the number of the argument that says whose wait, 0: the current thread's. */
SEC("?usdt")
int cancel_usdt(struct pt_regs *ctx)
{
	long number = bpf_usdt_cookie(ctx), value = 0;

	if (!number)
		return end_own_wait();
	if (number < 0 || bpf_usdt_arg(ctx, (__u64)number - 1, &value))
		return 0;
	return end_wait_of((__u64)value, ADAPTER_USER);
}

#endif
