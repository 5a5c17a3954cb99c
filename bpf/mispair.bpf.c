// SPDX-License-Identifier: GPL-2.0
/*
 * The recorder. Programs are short shims that unpack a hook's arguments and call a shared handler,
 * so that every hook tier has the same body. A handler updates the socket's own ledger and returns;
 * only what is rare crosses the ring buffer.
 *
 * Only sockets that connected have a ledger. An accepted socket, and one that no filter wants, has
 * none, and that look-up is all it costs.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/usdt.bpf.h>
#include "events.h"
#include "maps.h"
#include "kread.h"

char LICENSE[] SEC("license") = "GPL";

#define MSG_PEEK     2
#define MSG_ERRQUEUE 0x2000

#include "budget.h"
#include "process.h"
#include "sock.h"
#include "threads.h"
#include "owner.h"

static __always_inline struct ledger *stored(struct tracked *t)
{
	return t ? &t->l : 0;
}

/* Most sockets of a host, accepted ones among them, have no storage at all: one load tells. */
static __always_inline struct ledger *ledger_of(bool kp, struct sock *sk)
{
	__u64 key = (__u64)sk;

	if (kp)
		return stored(bpf_map_lookup_elem(&keyed_ledgers, &key));
	return sk->sk_bpf_storage ? stored(bpf_sk_storage_get(&ledgers, sk, 0, 0)) : 0;
}

static __always_inline __u64 cookie_of(bool kp, struct sock *sk, struct ledger *l)
{
	return ((struct tracked *)l)->cookie;
}

static __always_inline bool exiting(void)
{
	struct task_struct *task = this_task();

	return TASK_FIELD(task, flags) & PF_EXITING;
}

/*
 * One scoped emit: reserve, fill, submit. L's owner is still the previous request's. A loss leaves
 * a gap on the ledger: from then on nothing is said about this socket but that.
 */
static __always_inline int emit_from(struct sock *sk, struct sock *named, struct ledger *l,
				     struct ledger_in *in, struct owner *who,
				     struct cancel_info *ci)
{
	struct ev_step *e;

	if (!within_share(l, sizeof(*e))) {
		l->flags |= LEDGER_GAP;
		return -1;
	}
	e = bpf_ringbuf_reserve(&ring, sizeof(*e), 0);
	if (!e) {
		count_loss(KLOSS_RING_FULL);
		l->flags |= LEDGER_GAP;
		return -1;
	}
	event_head(&e->head, EV_STEP, sizeof(*e));
	e->head.ts = in->now;
	e->cookie = cookie_of(opt_kprobe, sk, l);
	l->steps++;
	e->l = *l;
	e->in = *in;
	if (who)
		e->who = *who;
	else
		__builtin_memset(&e->who, 0, sizeof(e->who));
	if (ci)
		e->cancel = *ci;
	else
		__builtin_memset(&e->cancel, 0, sizeof(e->cancel));
	sock_addr_of(opt_kprobe, sk, named, &e->addr);
	e->exiting = exiting();
	bpf_ringbuf_submit(e, BPF_RB_FORCE_WAKEUP);
	return 0;
}

static __noinline int emit_step(struct sock *sk, struct ledger *l, struct ledger_in *in,
				struct owner *who, struct cancel_info *ci)
{
	return emit_from(sk, 0, l, in, who, ci);
}

static __noinline int emit_close(struct sock *sk, struct sock *named, struct ledger *l,
				 struct ledger_in *in, struct cancel_info *ci)
{
	return emit_from(sk, named, l, in, 0, ci);
}

/* Should this step be told? A suspicion makes the next steps tellable too. */
static __always_inline int tellable(struct ledger *l, __u32 what, __u32 suspicious)
{
	if ((what & suspicious) && !ledger_multiplexed(l)) {
		l->hot = opt_hot;
		return 1;
	}
	if (!l->hot)
		return 0;
	l->hot--;
	return 1;
}

#include "index.h"
#include "uvloop.h"
#include "birth.h"

/* Receives that fail with these were ended by a signal (include/linux/errno.h); see restart_block.
 */
#define EINTR		      4
#define EAGAIN		      11
#define ERESTARTSYS	      512
#define ERESTART_RESTARTBLOCK 516
#define MSG_DONTWAIT	      0x40

#include "waits.h"
#include "findout.h"
#include "missed.h"

/* ---- shared handlers, the same in every tier ---- */

/*
 * The time of a call on a TCP socket. TCP has looked at the clock itself: when it last sent or
 * received. After a send that left nothing behind, that was within this call.
 */
static __always_inline __u64 tcp_now(bool kp, struct sock *sk, struct tcp_sock *tp)
{
	if (kp)
		return bpf_ktime_get_ns();
	return tcp_all_sent(kp, sk) ? tp->tcp_clock_cache : bpf_ktime_get_ns();
}

/* Any send but the plainest, of RET bytes; TP is NULL for a Unix socket. */
static __noinline int full_send(struct sock *sk, struct ledger *l, struct tcp_sock *tp, int ret)
{
	struct ledger_in in = {.step = STEP_SEND, .bytes = ret};
	struct tracked *t = (struct tracked *)l;
	__u64 id = bpf_get_current_pid_tgid();
	__u32 found;
	__u32 what;
	__u8 exact;

	if (tp) {
		in.now = tcp_now(opt_kprobe, sk, tp);
		tcp_unread_before(sk, tp, l->queued, &in);
		if (ledger_owed(l))
			look_for_unseen(t, tp);
	} else {
		struct sock *peer = unix_peer(opt_kprobe, sk);

		in.now = bpf_ktime_get_ns();
		in.unread = unix_unread(opt_kprobe, sk, &exact);
		in.unread_exact = exact;
		in.unread_part = in.unread && unix_in_part(opt_kprobe, sk);
		/* Once the peer has read this request, what is queued may be the answer to it. */
		if (in.unread && (!peer || !FIELD(opt_kprobe, peer, sk_receive_queue.qlen)))
			in.unread_exact = 0;
		/* What the last receive left is there still, and is surely old. */
		if (!in.unread_exact && l->queued && l->queued <= in.unread) {
			in.unread = l->queued;
			in.unread_exact = 1;
		}
	}
	find_out(t, id >> 32, (__u32)id);
	found = *(volatile __u32 *)&t->found;
	in.reader_running = (found & FOUND_TAKEN) != 0;
	in.prior = *(volatile __u32 *)&t->prior;
	what = in.what = ledger_send(l, &in, &t->who);
	if (tellable(l, what,
		     LE_REUSED | LE_REUSED_RESIDUE | LE_UNREAD | LE_SWALLOWED | LE_OVERTAKEN |
			     LE_LAGGED))
		emit_step(sk, l, &in, &t->who, &t->why);
	ledger_commit(l, &in, &t->who, what);
	if (found & FOUND_FOR_NOW)
		l->owner.kind = OWNER_UNKNOWN;
	return 0;
}

static __always_inline void handle_send(bool kp, struct sock *sk, int ret)
{
	struct tcp_sock *tp = 0;
	struct ledger *l;
	__u64 id;

	if (ret <= 0)
		return;
	l = ledger_of(kp, sk);
	if (!l) {
		if (FIELD(kp, sk, __sk_common.skc_family) != AF_UNIX) {
			if (kp || !tcp_adoption(sk))
				return;
		} else if (!unix_birth(sk, bpf_get_current_pid_tgid() >> 32)) {
			return;
		}
		l = ledger_of(kp, sk);
		if (!l)
			return;
	}
	note_change(sk, l);
	id = bpf_get_current_pid_tgid();
	if (!(l->flags & LEDGER_UNIX)) {
		tp = tcp_cast(kp, sk);
		if (!tp)
			return;
		look_for_missed(kp, (struct tracked *)l, tp, ret, 0);
		if (tcp_all_read(kp, sk) && l->plain_gen == rt_gen &&
		    ledger_plain(l, id >> 32, (__u32)id)) {
			ledger_plain_send(l, tcp_now(kp, sk, tp), ret);
			return;
		}
	}
	full_send(sk, l, tp, ret);
}

/* A receive of IN that may concern a task's wait, or that is to be told. */
static __noinline int full_recv(struct sock *sk, struct ledger *l, struct ledger_in *in)
{
	struct cancel_info *ci = 0;
	struct proc_rt *rt = 0;
	__u32 tgid, what;

	if (l->owner.kind == OWNER_TASK && (ledger_owed(l) || l->hot)) {
		tgid = bpf_get_current_pid_tgid() >> 32;
		rt = runtime_of(tgid);
		in->prior = wait_now(l, rt, tgid, &ci);
		in->probe_seq = rt ? rt->probe_seq : 0;
		if (rt && ledger_abandoned_by(l, in->prior)) {
			__u64 task, loop;
			__u8 verified;

			in->reader_running = running_task(rt, tgid, &task, &loop, &verified) == 1;
			if (ci && ci->stream > 1) {
				l->stream = ci->stream;
				l->flags |= LEDGER_SELF_READ;
			}
			/* A task that drains the old reply waits for it. */
			l->doubt = 0;
			if (!in->reader_running && stream_awaited(rt, l->stream)) {
				in->reader_running = 1;
				l->doubt = in->prior;
			}
		}
	}
	if (rt && in->prior == WAIT_PENDING && !ledger_self_read(l) && l->waits < SELF_READ_TRIES) {
		l->stream = stream_of(rt, l->owner.coro, l->owner.waiter);
		if (l->stream)
			l->flags |= LEDGER_SELF_READ;
	}
	what = in->what = ledger_recv(l, in);
	if (tellable(l, what, LE_RESIDUE | LE_DRAINED | LE_LAGGED))
		emit_step(sk, l, in, 0, ci);
	return 0;
}

/* Receives of goroutines that are looked at until it is known who reads on this connection. */
#define GOROUTINE_READS 16

static __noinline int goroutine_reads(struct ledger *l, struct ledger_in *in)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct goroutine g = {};
	struct proc_rt *rt;

	if (!l->watch && l->waits + l->leaves >= GOROUTINE_READS)
		return 0;
	rt = runtime_of(tgid);
	if (rt && rt->state == RT_GO && !goroutine_now(rt, &g))
		ledger_goroutine_reads(l, in, g.id == l->owner.name[0]);
	return 0;
}

static __always_inline void handle_recv(bool kp, struct sock *sk, struct ledger *l, __u32 bytes)
{
	struct ledger_in in = {.step = STEP_RECV, .bytes = bytes};
	__u8 exact;

	note_change(sk, l);
	if (l->flags & LEDGER_UNIX) {
		in.now = bpf_ktime_get_ns();
		in.unread = unix_unread(kp, sk, &exact);
		in.unread_exact = exact;
	} else {
		struct tcp_sock *tp = tcp_cast(kp, sk);

		if (!tp)
			return;
		look_for_missed(kp, (struct tracked *)l, tp, 0, bytes);
		if (tcp_all_read(kp, sk) && ledger_plain_reply(l)) {
			ledger_plain_recv(l, tcp_now(kp, sk, tp), bytes);
			return;
		}
		in.unread = tcp_all_read(kp, sk) ? 0 : tcp_unread(kp, sk, tp);
		in.now = tcp_now(kp, sk, tp);
	}
	if (l->owner.kind == OWNER_GOROUTINE)
		goroutine_reads(l, &in);
	else if (l->watch)
		in.reader = (__u32)bpf_get_current_pid_tgid();
	if (l->owner.kind == OWNER_TASK || l->hot || l->abandoned || l->watch) {
		struct ledger_in full = in;

		full_recv(sk, l, &full);
	} else {
		ledger_recv(l, &in); /* nothing to ask, nothing to tell */
	}
}

/* What has lain in a queue for so long was not on its way to a reader. */
#define REST_MS 12
#define REST_NS (REST_MS * 1000000ULL)

/*
 * Do the bytes in this queue lie there for so long that they say something about a request that was
 * overtaken, with STATUS as its only sign? Counted in ticks, and a tick too many where in doubt.
 */
static __always_inline bool tcp_rested(bool kp, struct tcp_sock *tp, __u8 status)
{
	__u32 age = (__u32)bpf_jiffies64() - FIELD(kp, tp, inet_conn.icsk_ack.lrcvtime);

	return !wait_perhaps(status) || (opt_hz && age > 1 && (age - 1) * 1000 / opt_hz >= REST_MS);
}

/* NAMED: of a Unix socket, the end that still has the path. */
static __always_inline void handle_close(struct sock *sk, struct sock *named, struct ledger *l)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32, what;
	struct cancel_info *ci = 0, vain = {};
	struct ledger_in in = {};
	struct proc_rt *rt;
	__u8 exact;

	in.step = STEP_CLOSE;
	in.now = bpf_ktime_get_ns();
	if ((opt_skips || l->watch) && !(l->flags & LEDGER_UNIX)) {
		struct tcp_sock *tp = tcp_cast(opt_kprobe, sk);

		if (tp)
			look_for_missed(opt_kprobe, (struct tracked *)l, tp, 0, 0);
		if (tp && l->watch && tcp_rested(opt_kprobe, tp, l->watch))
			in.unread = tcp_unread(opt_kprobe, sk, tp);
	} else if (l->watch && (!wait_perhaps(l->watch) || in.now - l->last_rx_ns >= REST_NS)) {
		in.unread = unix_unread(opt_kprobe, sk, &exact);
	}
	if (l->owner.kind == OWNER_UNKNOWN && l->owner.tgid == tgid)
		owner_known_late(l, runtime_of(tgid), tgid);
	if (ledger_owed(l) && gave_up(l, &vain)) {
		in.prior = l->gave_up;
		ci = &vain;
	}
	if (ledger_owed(l) && l->owner.kind == OWNER_THREAD && told(l, &vain) &&
	    vain.adapter != ADAPTER_RUBY) {
		in.prior = WAIT_PROBED;
		ci = &vain;
	}
	/* A reset arrives in somebody else's context, and an exiting process has no memory. */
	if (l->owner.tgid == tgid && !exiting()) {
		rt = runtime_of(tgid);
		if (ledger_owed(l)) {
			if (l->owner.kind == OWNER_TASK)
				in.prior = wait_now(l, rt, tgid, &ci);
		} else if (rt && rt->probe_seq) {
			ci = late_cancel(l);
		}
	}
	what = in.what = ledger_close(l, &in);
	if ((what & (LE_CLOSED_OWED | LE_LAGGED)) || l->steps || (l->flags & LEDGER_GAP))
		emit_close(sk, named, l, &in, ci);
}

/* The socket ends: its counts join the totals, and are told where every ledger is wanted. */
static __always_inline void last_words(struct sock *sk, struct sock *named, struct ledger *l)
{
	struct ev_step *e;
	__u64 cookie;

	leave_index((struct tracked *)l);
	/* In this order: who finds it ended finds its exchanges, too. */
	count(CNT_REQUESTS, l->requests);
	count(CNT_REPLIES, l->replies);
	count(CNT_ENDED, 1);
	if (!opt_ledgers || !within_share(l, sizeof(*e)))
		return;
	e = bpf_ringbuf_reserve(&ring, sizeof(*e), 0);
	if (!e) {
		count_loss(KLOSS_RING_FULL);
		return;
	}
	__builtin_memset(e, 0, sizeof(*e));
	event_head(&e->head, EV_LEDGER, sizeof(*e));
	e->cookie = cookie_of(opt_kprobe, sk, l);
	e->l = *l;
	sock_addr_of(opt_kprobe, sk, named, &e->addr);
	cookie = e->cookie;
	kept_over(&e->addr, bpf_map_lookup_elem(&socket_index, &cookie));
	bpf_ringbuf_submit(e, 0);
}

/* A receive that returned RET. Neither a peek nor a message of the error queue is a read. */
static __always_inline void received(struct sock *sk, int ret, int flags)
{
	struct ledger *l;

	if (flags & (MSG_PEEK | MSG_ERRQUEUE))
		return;
	if (ret <= 0) {
		handle_failed_recv(sk, ret, flags);
		return;
	}
	l = ledger_of(false, sk);
	if (l)
		handle_recv(false, sk, l, ret);
}

/* A Unix client's peer reads the end of file: the client has closed. */
static __noinline int unix_eof(struct sock *sk)
{
	struct sock *peer = unix_peer(false, sk);
	struct unix_client *c;
	struct tracked *copy;
	__u64 key = 0; /* of both maps: a number of `closing` has half of its bytes */
	bool there;

	copy = bpf_map_lookup_elem(&closing, &key);
	key = (__u64)peer;
	c = peer ? bpf_map_lookup_elem(&unix_clients, &key) : 0;
	if (!c)
		return 0;
	/* The peer is there, as long as SK refers to it, and so is its ledger. */
	there = copy && c->cookie == (__u64)peer->__sk_common.skc_cookie.counter &&
		!bpf_probe_read_kernel(copy, sizeof(*copy), (void *)c->tracked);
	bpf_map_delete_elem(&unix_clients, &key);
	if (there) {
		copy->l.flags |= LEDGER_CLOSED;
		handle_close(peer, sk, &copy->l);
		last_words(peer, sk, &copy->l);
	}
	return 0;
}

#include "tiers.h"

/* ---- every tier ---- */

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_state, struct sock *sk, int old, int new)
{
	struct ledger *l;
	__u32 tgid;

	if (sk->sk_protocol != IPPROTO_TCP)
		return 0;
	if (new == TCP_SYN_SENT) {
		tgid = bpf_get_current_pid_tgid() >> 32;
		if (!wanted_here(sk, tgid))
			return 0;
		if (is_mptcp(sk))
			return mptcp_birth(sk, tgid);
		l = give_birth(opt_kprobe, sk, 0, meet_this_process(tgid));
		if (l)
			uv_learn((struct tracked *)l, tgid);
		return 0;
	}
	/* The client's close() or shutdown(SHUT_WR), or an abort; the peer's FIN is neither. */
	if (new != TCP_FIN_WAIT1 &&new != TCP_LAST_ACK &&new != TCP_CLOSE &&
	    !((opt_kprobe || opt_skips) && new == TCP_ESTABLISHED))
		return 0;
	l = ledger_of(opt_kprobe, sk);
	if (!l || (l->flags & LEDGER_CLOSED))
		return 0;
	if (new == TCP_ESTABLISHED) {
		struct tcp_sock *tp = tcp_of(opt_kprobe, sk);

		/* tcp_rcv_synsent_state_process() has just set where reading begins. */
		if (tp)
			mark_both(opt_kprobe, (struct tracked *)l, tp);
		return 0;
	}
	note_change(sk, l);
	keep_addr(sk, (struct tracked *)l);
	l->flags |= LEDGER_CLOSED;
	handle_close(sk, 0, l);
	return 0;
}

SEC("tp_btf/tcp_destroy_sock")
int BPF_PROG(on_destroy, struct sock *sk)
{
	struct ledger *l = ledger_of(opt_kprobe, sk);
	__u64 key = (__u64)sk;

	if (!l)
		return 0;
	last_words(sk, 0, l);
	if (opt_kprobe)
		bpf_map_delete_elem(&keyed_ledgers, &key);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task)
{
	__u32 tgid = task->tgid;

	/* signal->live has been lowered by now: 0 for the last thread of the group. */
	if (task->signal->live.counter)
		thread_ends(task);
	else
		process_ends(tgid, task->pid);
	return 0;
}

#include "probes.h"
#include "adapters.h"
#include "iterators.h"
