/* SPDX-License-Identifier: GPL-2.0 */
/* Maps and tunables of the recorder. At each map: key, owner, who deletes, what a full one does. */
#ifndef MISPAIR_MAPS_H
#define MISPAIR_MAPS_H

/* Set by the collector between open and load. */
const volatile __u32 opt_ledgers;  /* 1: report every socket's ledger at its end */
const volatile __u32 opt_hot = 12; /* steps reported in full after a suspicion */
const volatile struct filters filters;
/* The collector's own process, which nobody asks about unless by name; 0: ask about all. */
const volatile __u32 opt_self;
/* 1: the kprobe tier. Ledgers lie in keyed_ledgers, and kernel memory is read by a helper. */
const volatile bool opt_kprobe;
/* Arguments of this kernel's tcp_recvmsg(): 6 in 5.10, 5 since 5.19, 4 in 6.18.44 and 7.x. */
const volatile __u32 opt_recv_args = 5;
/* 1: this kernel lets helpers have what was walked to, and not only what a hook was handed. */
const volatile bool opt_walked;
/* Ticks a second, 0: not known. */
const volatile __u32 opt_hz;

/*
 * Ledgers: one a client socket. The kernel frees an entry with its socket. A socket that gets
 * none (no memory) counts as KLOSS_LEDGER_ALLOC and is not spoken about.
 */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct tracked);
} ledgers SEC(".maps");

/*
 * The same in the kprobe tier, which may not use sk_storage; key: the socket's address. A TCP
 * socket's entry is made anew when it connects and deleted when it is destroyed, a Unix socket's
 * at its first send and its release, so that a recycled address inherits nothing. Full:
 * KLOSS_KEYED_LEDGERS_FULL. Made small by the collector in the other tiers.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, struct tracked);
} keyed_ledgers SEC(".maps");

/*
 * Kprobe tier: the socket of the call that a thread is in, from its entry to its return; key:
 * thread. An entry is kept when the call returns, so that the next costs a look-up only; the
 * collector deletes those of threads that are gone. Full: KLOSS_CALLS_FULL, and that thread's calls
 * go unseen.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536); /* as `waits` */
	__type(key, __u32);
	__type(value, __u64);
} calls SEC(".maps");

/*
 * The sockets that matter (index.h); key: the socket's cookie. Made when something happens on a
 * socket for the first time since a refresh pass began, deleted by the pass that finds it idle and
 * beyond doubt, or gone. Full: KLOSS_INDEX_FULL; such a socket is not looked at until its next
 * event, and what only time would tell of it is not told.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384); /* set anew before load */
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct indexed);
} socket_index SEC(".maps");

/* Rare events for the collector. Full: the event is lost and counted, its socket gets a gap. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20); /* set anew before load */
} ring SEC(".maps");

/*
 * Processes that we know; key: tgid. Made by the first client connection, by a fork of one of them
 * and, of followed ones, by exec, which makes any anew; deleted at exit, and where that was missed
 * by the collector, which looks for what has ended. Full: KLOSS_PROCS_FULL, owners of that process
 * are unknown. As large as the host may have processes, or as a part of its memory allows
 * (session.c).
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384); /* set anew before load */
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct proc);
} procs SEC(".maps");

/*
 * What the collector has answered about them; key: tgid. Written by the collector, and by fork;
 * deleted at exec and exit. It can come too late, and lie under the number of another process for
 * a moment: whose it is says the id in it. Full: KLOSS_RUNTIMES_FULL, whose update ever it was.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384); /* as `procs` */
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct proc_rt);
} runtimes SEC(".maps");

/*
 * Followed processes (mispair run, -p); key: tgid. Grown at fork, shrunk at exit and as `procs`.
 * Full: KLOSS_TREE_FULL.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536); /* as `procs` */
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, __u8);
} tree SEC(".maps");

/*
 * Probed cancellations; key: process and task. LRU: losing an old one costs "when and by whom",
 * the task's own memory still shows the cancellation. The next event on the task's socket, or the
 * next pass, asks. More than fit within two seconds: LOSS_CANCELLED_FULL, told by the collector.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct cancel_key);
	__type(value, struct cancel_info);
} cancelled SEC(".maps");

/*
 * The thread of an event loop; key: process and loop. Made with the question (EV_LOOP), written by
 * the collector; deleted when the process has ended. Full: KLOSS_LOOPS_FULL, the owner is unknown.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct loop_key);
	__type(value, struct loop_val);
} loops SEC(".maps");

/*
 * Where a Task's layout is not known, probes on every step tell who runs; key: thread, value: task.
 * Written at a step's start, deleted at exec and at the thread's end: nothing tells where a step
 * ends (a probe on a return is a system call of the probed process from Linux 6.11 on, which its
 * seccomp filter may not know). Full: KLOSS_STEPPING_FULL, the owner is unknown.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536); /* as `waits` */
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, __u64);
} stepping SEC(".maps");

/*
 * ... and ends of tasks tell one task from the next at the same address; key: process and task.
 * LRU: losing an old one can make two tasks look like one, which accuses nobody. More than fit
 * within two seconds: LOSS_ENDED_FULL, told by the collector.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 32768);
	__type(key, struct loop_key);
	__type(value, struct ended);
} ended SEC(".maps");

/*
 * The last signal that a thread of a known process handled; key: thread. Deleted with the thread or
 * its process, and by the collector, which looks for what has ended. Full: KLOSS_SIGNALS_FULL.
 * Neither this one nor the next three forget what is old to make room: who fills them would choose
 * what is forgotten, without a word.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536); /* as `waits` */
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct handled_signal);
} signals SEC(".maps");

/*
 * The last waits of a thread of a known process (waits.h); key: thread. That a thread has ended is
 * a word about its wait, so the entry outlives it: the collector deletes it when the process has
 * ended, or a while after the thread has. Full: KLOSS_WAITS_FULL. Allocated beforehand: what wakes
 * many threads at once asks for many entries in one interrupt.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536); /* made smaller before load, where no so many threads fit */
	__type(key, __u32);
	__type(value, struct last_wait);
} waits SEC(".maps");

/*
 * Probed cancellations of threads' waits; key: thread. Apart from `waits`, which a thread that goes
 * on, or ends, writes again; deleted like those. Full: KLOSS_PROBED_WAITS_FULL.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct probed_wait);
} probed_waits SEC(".maps");

/*
 * The last cancellation in a process of which it is not known whose wait it ends; key: tgid.
 * Deleted as `procs`. Full: KLOSS_HINTS_FULL.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384); /* as `procs` */
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct cancel_hint);
} hints SEC(".maps");

/*
 * How often known processes called adapters' functions; key: tgid. Deleted as `procs`. Full, with
 * as many entries as those: such a process is not found to call too often.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384); /* as `procs` */
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct caller);
} callers SEC(".maps");

/*
 * Calls of each adapter's functions by all known processes, per CPU: where they are few, the
 * collector need not look for one that calls too often.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, ADAPTER_MAX);
	__type(key, __u32);
	__type(value, __u64);
} adapter_calls SEC(".maps");

/*
 * Client sockets that were open before we started and have no ledger yet; key: the socket's
 * address. Made at the start, deleted when the socket gets its ledger. One that is closed before
 * stays; its address may be another socket's, which has other ports. Full: KLOSS_ADOPTABLES_FULL,
 * such a socket is not seen at all. Used only where a ledger cannot be made of a socket that is
 * walked to.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct adoptable);
} adoptables SEC(".maps");

/*
 * Where the ledger of a Unix client lies; key: the socket's address. Its close shows at the peer,
 * which can only read what it walks to. Made at the first send, deleted at the close. LRU, since
 * a close may show nowhere, and what is left then is never asked for again: losing one loses the
 * word about a close; the refresh pass finds that the socket is gone. More than fit within two
 * seconds: LOSS_UNIX_CLIENTS_FULL, told by the collector.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, struct unix_client);
} unix_clients SEC(".maps");

/* A copy of a ledger that is only read, while its close is told. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tracked);
} closing SEC(".maps");

/*
 * Ports that somebody listens on, only while sockets are adopted at the start. Full, which takes
 * more ports than there are: KLOSS_LISTENING_FULL.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u16);
	__type(value, __u8);
} listening SEC(".maps");

/* Losses by cause and totals, per CPU; read by the collector. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, KLOSS_MAX);
	__type(key, __u32);
	__type(value, __u64);
} losses SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, CNT_MAX);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

/* Entries that were added to LRU maps, per CPU; read by the collector. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, ADDED_MAX);
	__type(key, __u32);
	__type(value, __u64);
} added SEC(".maps");

/*
 * Generation of what is known about processes: raised by the collector whenever it learns, and at
 * the exec and the exit of a process that we know. While it stands still, a socket whose owner is a
 * thread need not ask about its process.
 */
__u32 rt_gen = 1;

/* The last id that was given to a process. */
__u32 proc_ids;

static __always_inline void count_loss(__u32 cause)
{
	__u64 *n = bpf_map_lookup_elem(&losses, &cause);

	if (n)
		__sync_fetch_and_add(n, 1);
}

static __always_inline void count_added(__u32 map)
{
	__u64 *n = bpf_map_lookup_elem(&added, &map);

	if (n)
		__sync_fetch_and_add(n, 1);
}

static __always_inline void count(__u32 what, __u64 by)
{
	__u64 *n = bpf_map_lookup_elem(&counters, &what);

	if (n)
		__sync_fetch_and_add(n, by);
}

#endif
