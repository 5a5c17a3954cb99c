/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which goroutine runs on this thread, and what has become of another: read from Go's own structs.
 * A `g` is never freed; when its goroutine ends it may become another one's, which has another id.
 *
 * Source of the offsets: src/runtime/runtime2.go of Go 1.17 to 1.24. Where the id lies is told by
 * the collector, from the version that the file names, and believed after the running goroutine has
 * looked like one that runs, on this thread.
 */
#ifndef MISPAIR_GOROUTINE_H
#define MISPAIR_GOROUTINE_H

/* Where the thread pointer's block has the running g, on x86-64. */
#define GO_TLS_G (-8)
#define G_M	 48
/* m.procid, a thread's number; a word less where gobuf has one less. */
#define M_PROCID 72

/* g.atomicstatus, two words before the id's end. A garbage collector's look adds a bit. */
enum { G_RUNNING = 2, G_SYSCALL = 3, G_DEAD = 6, G_SCAN = 0x1000 };

struct goroutine {
	__u64 g;
	__u64 id; /* 0: none runs, as on a thread of C or the scheduler's own stack */
};

struct g_words {
	__u32 status;
	__u32 lock;
	__u64 id;
};

/* Does M say that it is this thread? */
static __always_inline int runs_here(__u64 g)
{
	__u64 m = 0, procid[2] = {};
	__u32 own = own_number();

	return !bpf_probe_read_user(&m, 8, (void *)(g + G_M)) &&
	       !bpf_probe_read_user(procid, 16, (void *)(m + M_PROCID - 8)) &&
	       (procid[0] == own || procid[1] == own);
}

/* 0, or -1: it cannot be told. */
static __noinline int goroutine_now(struct proc_rt *rt, struct goroutine *out)
{
	struct g_words w = {};
	__u64 g = 0;

	if (bpf_probe_read_user(&g, 8, (void *)(thread_self(this_task()) + GO_TLS_G)))
		return -1;
	if (!g)
		return 0;
	if (bpf_probe_read_user(&w, sizeof(w), (void *)(g + rt->go_id - 8)))
		return -1;
	w.status &= ~G_SCAN;
	if (!w.id)
		return 0;
	if (w.status != G_RUNNING && w.status != G_SYSCALL)
		return -1;
	if (rt->validated < VALIDATE_TASKS) {
		if (!runs_here(g))
			return -1;
		__sync_fetch_and_add(&rt->validated, 1);
	}
	out->g = g;
	out->id = w.id;
	return 0;
}

/* Fills O, whose kind is unknown so far. */
static __always_inline int owner_goroutine(struct owner *o, struct proc_rt *rt)
{
	struct goroutine g = {};

	if (goroutine_now(rt, &g)) {
		count_loss(KLOSS_LAYOUT);
		__sync_fetch_and_add(&rt->mismatches, 1);
		if (*(volatile __u32 *)&rt->mismatches == 16 && !rt->validated)
			emit_head(EV_LAYOUT, rt->id);
		return 0;
	}
	o->kind = g.id ? OWNER_GOROUTINE : OWNER_THREAD;
	o->task = g.g;
	o->name[0] = g.id;
	o->verified = 1;
	return 0;
}

/* Has goroutine O of this process ended? enum wait_status: GONE, FINISHED, or REPLACED. */
static __noinline int goroutine_wait(struct owner *o, struct proc_rt *rt)
{
	struct g_words w = {};

	if (bpf_probe_read_user(&w, sizeof(w), (void *)(o->task + rt->go_id - 8)))
		return WAIT_REPLACED;
	if (w.id != o->name[0])
		return WAIT_GONE;
	return (w.status & ~G_SCAN) == G_DEAD ? WAIT_FINISHED : WAIT_REPLACED;
}

#endif
