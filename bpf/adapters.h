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

/* A process that calls for the first time; not on the stack. */
static const struct caller no_calls;

/*
 * A call of ADAPTER's function: the id of its process, if that has client connections; else 0. Who
 * has none is not counted: it could have others' calls given up.
 */
static __noinline __u32 adapter_called(__u32 adapter, __u32 tgid)
{
	__u32 id = id_of(tgid);
	struct caller *c;
	__u64 *n;

	if (!id)
		return id;
	n = bpf_map_lookup_elem(&adapter_calls, &adapter);
	if (n)
		__sync_fetch_and_add(n, 1);
	c = bpf_map_lookup_elem(&callers, &tgid);
	if (!c) {
		bpf_map_update_elem(&callers, &tgid, &no_calls, BPF_NOEXIST);
		c = bpf_map_lookup_elem(&callers, &tgid);
		if (!c)
			return id;
	}
	if (c->id != id) {
		/* Another program, or another process. */
		__builtin_memset(c->calls, 0, sizeof(c->calls));
		c->id = id;
	}
	/* Behind a barrier, or the compiler takes the mask for needless. */
	asm volatile("%0 &= 7" : "+r"(adapter));
	__sync_fetch_and_add(&c->calls[adapter], 1);
	return id;
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

/* PROC: the id of the current process. */
static __noinline int note_wait(__u32 tid, __u32 adapter, __u32 proc)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct probed_wait w = {
		.ts = bpf_ktime_get_ns(),
		.by = (__u32)id,
		.tgid = id >> 32,
		.adapter = adapter,
		.id = proc,
	};

	count(CNT_CANCELS, 1);
	if (bpf_map_update_elem(&probed_waits, &tid, &w, BPF_ANY))
		count_loss(KLOSS_PROBED_WAITS_FULL);
	return 0;
}

/* Somebody ends the wait of the thread that VALUE says: its number, or its pthread_t. */
static __noinline int end_wait_of(__u64 value, __u32 adapter)
{
	__u32 nr = value < TID_END ? (__u32)value : 0, tid;
	__u32 id = adapter_called(adapter, bpf_get_current_pid_tgid() >> 32);

	if (!id)
		return 0;
	if (value >= TID_END)
		nr = number_of_pthread(value);
	tid = nr ? thread_called(nr) : 0;
	if (tid)
		note_wait(tid, adapter, id);
	return 0;
}

static __noinline int leave_hint(__u64 what, __u32 adapter)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct cancel_hint h = {
		.ts = bpf_ktime_get_ns(),
		.what = what,
		.by = (__u32)id,
		.adapter = adapter,
	};
	__u32 tgid = id >> 32;

	count(CNT_CANCELS, 1);
	if (bpf_map_update_elem(&hints, &tgid, &h, BPF_ANY))
		count_loss(KLOSS_HINTS_FULL);
	return 0;
}

static __noinline int hint(__u64 what, __u32 adapter)
{
	if (!adapter_called(adapter, bpf_get_current_pid_tgid() >> 32))
		return 0;
	return leave_hint(what, adapter);
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

/*
 * The JVM's thread is a Java object. Where HotSpot keeps what belongs to it, is in the uprobe's
 * cookie (user/jvm.c), 16 bits each: JavaThread's _osthread, OSThread's _pthread_id, JavaThread's
 * _threadObj, which leads back to the object. 0: it is not known.
 */
enum bpf_func_id___jvm {
	BPF_FUNC_get_attach_cookie___jvm = 174, /* 5.15 (7adfc6c9b315); as uprobes' cookies */
};

/*
 * Where an object keeps its JavaThread: a long, and the first field behind the object's head of 12
 * or 16 bytes, or of 8 (compact ones, JDK 24).
 */
#define JVM_EETOP	  16
#define JVM_EETOP_COMPACT 8

/* The 8 bytes at ADDR, 0 if they cannot be read. */
static __always_inline __u64 user_word(__u64 addr)
{
	__u64 v = 0;

	bpf_probe_read_user(&v, sizeof(v), (void *)addr);
	return v;
}

/*
 * Is STORED the object OOP? ZGC's pointers have colours: once four bits above the 42 to 44 of an
 * address, and of these some may differ; since generations some 13 to 16 bits below it.
 */
static __always_inline bool is_object(__u64 stored, __u64 oop)
{
	return !((stored ^ oop) << 22) || stored >> 13 == oop || stored >> 14 == oop ||
	       stored >> 15 == oop || stored >> 16 == oop;
}

/* The pthread_t of the Java thread OOP, whose JavaThread is at EETOP in it; 0: it is not there. */
static __noinline __u64 pthread_of_java(__u64 oop, __u64 cookie, __u32 eetop)
{
	__u64 thread = user_word(oop + eetop);
	__u64 handle = thread ? user_word(thread + (cookie >> 32 & 0xffff)) : 0;

	if (!handle || !is_object(user_word(handle), oop))
		return 0;
	thread = user_word(thread + (cookie & 0xffff));
	return thread ? user_word(thread + (cookie >> 16 & 0xffff)) : 0;
}

/* The number of the thread that HANDLE, a jthread, means; 0: it is not known. */
static __noinline __u32 number_of_java(__u64 handle, __u64 cookie)
{
	__u64 oop, thread;

	/* The lowest bits tell global references, which interrupt() does not pass. */
	if (!cookie || handle & 7)
		return 0;
	oop = user_word(handle);
	if (!oop)
		return 0;
	thread = pthread_of_java(oop, cookie, JVM_EETOP);
	if (!thread)
		thread = pthread_of_java(oop, cookie, JVM_EETOP_COMPACT);
	return thread ? number_of_pthread(thread) : 0;
}

/*
 * An interrupt may mean that a reply is not wanted any more, or be a wake-up, after which its
 * thread sends more and then takes all replies: it is no more than a handled signal, and the hint
 * names it. (So a process that lies about its threads' numbers gains no more than a timeout in
 * another's thread would tell.) A thread in a blocking read does not even wake, and one that
 * interrupts itself does not wait.
 */
SEC("uprobe")
int adapter_jvm(struct pt_regs *ctx)
{
	struct last_wait w = {.status = WAIT_POLL_INTERRUPTED};
	__u64 cookie = 0;
	__u32 nr, tid;

	w.tgid = bpf_get_current_pid_tgid() >> 32;
	w.id = adapter_called(ADAPTER_JVM, w.tgid);
	if (!w.id)
		return 0;
	if (bpf_core_enum_value_exists(enum bpf_func_id___jvm, BPF_FUNC_get_attach_cookie___jvm))
		cookie = bpf_get_attach_cookie(ctx);
	nr = number_of_java(PT_REGS_PARM2(ctx), cookie);
	if (nr && nr == own_number())
		return 0;
	tid = nr ? thread_called(nr) : 0;
	if (tid) {
		w.ts = bpf_ktime_get_ns();
		wait_ended(tid, &w);
	}
	return leave_hint(0, ADAPTER_JVM);
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
	struct proc_rt *rt = runtime_of(tgid);
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
	__u32 proc = adapter_called(ADAPTER_USER, id >> 32);

	return proc ? note_wait((__u32)id, ADAPTER_USER, proc) : 0;
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
