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
#include "events.h"
#include "maps.h"

char LICENSE[] SEC("license") = "GPL";

#define MSG_PEEK     2
#define MSG_ERRQUEUE 0x2000

static __always_inline void event_head(struct ev_head *h, __u32 kind, __u32 size)
{
	__u64 id = bpf_get_current_pid_tgid();

	h->kind = kind;
	h->size = size;
	h->ts = bpf_ktime_get_ns();
	h->tgid = id >> 32;
	h->tid = (__u32)id;
	bpf_get_current_comm(h->comm, sizeof(h->comm));
}

static __always_inline int emit_head(__u32 kind)
{
	struct ev_head *h = bpf_ringbuf_reserve(&ring, sizeof(*h), 0);

	if (!h) {
		count_loss(KLOSS_RING_FULL);
		return -1;
	}
	event_head(h, kind, sizeof(*h));
	bpf_ringbuf_submit(h, BPF_RB_FORCE_WAKEUP);
	return 0;
}

#include "sock.h"
#include "owner.h"

/*
 * One scoped emit: reserve, fill, submit. L's owner is still the previous request's. A loss leaves
 * a gap on the ledger: from then on nothing is said about this socket but that.
 */
static __always_inline int emit_from(struct sock *sk, struct sock *named, struct ledger *l,
				     struct ledger_in *in, struct owner *who,
				     struct cancel_info *ci)
{
	struct ev_step *e = bpf_ringbuf_reserve(&ring, sizeof(*e), 0);

	if (!e) {
		count_loss(KLOSS_RING_FULL);
		l->flags |= LEDGER_GAP;
		return -1;
	}
	event_head(&e->head, EV_STEP, sizeof(*e));
	e->head.ts = in->now;
	e->cookie = bpf_get_socket_cookie(sk);
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
	sock_addr_of(sk, named, &e->addr);
	e->exiting = !!(bpf_get_current_task_btf()->flags & PF_EXITING);
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

/* ---- birth ---- */

static __always_inline int comm_wanted(struct task_struct *task)
{
	__u32 i, j;

	for (i = 0; i < FILTER_MAX; i++) {
		if (i >= filters.n_comms)
			break;
		for (j = 0; j < 16; j++) {
			char c = task->comm[j];

			if (c != filters.comms[i][j])
				break;
			if (!c)
				return 1;
		}
	}
	return 0;
}

static __always_inline int peer_wanted(struct sock *sk)
{
	__u32 i, family = sk->__sk_common.skc_family;

	for (i = 0; i < FILTER_MAX; i++) {
		const volatile __u32 *want = (const volatile __u32 *)filters.peers[i].addr;

		if (i >= filters.n_peers)
			break;
		if (filters.peers[i].family == AF_INET && family == AF_INET &&
		    want[0] == sk->__sk_common.skc_daddr)
			return 1;
		if (family == AF_INET6) {
			__u32 *have = sk->__sk_common.skc_v6_daddr.in6_u.u6_addr32;

			if (filters.peers[i].family == AF_INET6 && want[0] == have[0] &&
			    want[1] == have[1] && want[2] == have[2] && want[3] == have[3])
				return 1;
			/* An IPv4 peer of a dual-stack socket: ::ffff:a.b.c.d */
			if (filters.peers[i].family == AF_INET && !have[0] && !have[1] &&
			    have[2] == bpf_htonl(0xffff) && have[3] == want[0])
				return 1;
		}
	}
	return 0;
}

/* Filters are asked once, at a socket's birth. */
static __always_inline int wanted(struct sock *sk, struct task_struct *task)
{
	__u32 tgid = task->tgid, i;

	if (filters.follow && !bpf_map_lookup_elem(&tree, &tgid))
		return 0;
	if (filters.n_comms && !comm_wanted(task))
		return 0;
	if (filters.n_ports) {
		__u16 port = bpf_ntohs(sk->__sk_common.skc_dport), hit = 0;

		if (sk->__sk_common.skc_family == AF_UNIX)
			return 0;
		for (i = 0; i < FILTER_MAX; i++)
			if (i < filters.n_ports && filters.ports[i] == port)
				hit = 1;
		if (!hit)
			return 0;
	}
	if (filters.n_peers && !peer_wanted(sk))
		return 0;
	return 1;
}

/* The first client connection of a process: the collector looks into it once. */
static __always_inline void meet_process(__u32 tgid, struct task_struct *task)
{
	struct proc_rt fresh = {.state = RT_ASKED}, *rt;
	struct ev_head *h;

	rt = bpf_map_lookup_elem(&procs, &tgid);
	if (rt && !rt->inherited)
		return;
	if (rt)
		rt->inherited = 0;
	else if (bpf_map_update_elem(&procs, &tgid, &fresh, BPF_NOEXIST)) {
		count_loss(KLOSS_MAP_FULL);
		return;
	}
	h = bpf_ringbuf_reserve(&ring, sizeof(*h), 0);
	if (!h) {
		count_loss(KLOSS_RING_FULL);
		bpf_map_delete_elem(&procs, &tgid);
		return;
	}
	event_head(h, EV_PROCESS, sizeof(*h));
	if (task) {
		h->tgid = task->tgid;
		h->tid = task->pid;
	}
	bpf_ringbuf_submit(h, BPF_RB_FORCE_WAKEUP);
}

static __always_inline struct ledger *give_birth(struct sock *sk, __u32 flags)
{
	struct ledger *l = bpf_sk_storage_get(&ledgers, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);

	if (!l) {
		count_loss(KLOSS_LEDGER_ALLOC);
		return 0;
	}
	if (!l->birth_ns) {
		l->birth_ns = bpf_ktime_get_ns();
		l->flags = flags;
		count(CNT_SOCKETS, 1);
	}
	return l;
}

/*
 * A Unix stream socket has no connect hook. The client's end gets its ledger at its first send;
 * the rule that tells the ends apart costs an accepted socket a few loads a call.
 */
static __always_inline struct ledger *unix_birth(struct sock *sk, __u32 tgid)
{
	if (sk->sk_type != SOCK_STREAM || !unix_is_client(sk) ||
	    !wanted(sk, bpf_get_current_task_btf()))
		return 0;
	meet_process(tgid, 0);
	return give_birth(sk, LEDGER_UNIX);
}

/* ---- shared handlers, the same in every tier ---- */

/* Most sockets of a host, accepted ones among them, have no storage at all: one load tells. */
static __always_inline struct ledger *ledger_of(struct sock *sk)
{
	return sk->sk_bpf_storage ? bpf_sk_storage_get(&ledgers, sk, 0, 0) : 0;
}

/*
 * The time of a call on a TCP socket. TCP has looked at the clock itself: when it last sent or
 * received. After a send that left nothing behind, that was within this call.
 */
static __always_inline __u64 tcp_now(struct tcp_sock *tp)
{
	return tp->snd_nxt == tp->write_seq ? tp->tcp_clock_cache : bpf_ktime_get_ns();
}

static __always_inline void handle_send(struct sock *sk, int ret)
{
	struct ledger *l;
	struct ledger_in in = {};
	struct cancel_info *ci = 0;
	struct owner who = {};
	struct proc_rt *rt;
	__u64 id;
	__u32 tgid, what;

	if (ret <= 0)
		return;
	l = ledger_of(sk);
	if (!l && sk->__sk_common.skc_family != AF_UNIX)
		return;
	id = bpf_get_current_pid_tgid();
	tgid = id >> 32;
	if (!l) {
		l = unix_birth(sk, tgid);
		if (!l)
			return;
	}
	in.step = STEP_SEND;
	in.bytes = ret;
	if (l->flags & LEDGER_UNIX) {
		struct sock *peer = unix_peer(sk);

		in.now = bpf_ktime_get_ns();
		in.unread = unix_unread(sk, &in.unread_exact);
		/* Once the peer has read this request, what is queued may be the answer to it. */
		if (in.unread && (!peer || !peer->sk_receive_queue.qlen))
			in.unread_exact = 0;
	} else {
		struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);

		if (!tp)
			return;
		in.now = tcp_now(tp);
		if (tp->rcv_nxt == tp->copied_seq && l->plain_gen == rt_gen &&
		    ledger_plain(l, tgid, (__u32)id)) {
			ledger_plain_send(l, in.now, ret);
			return;
		}
		tcp_unread_before(sk, tp, ret, l->queued, &in);
	}
	if (l->plain_gen == rt_gen && l->owner.tgid == tgid) {
		rt = 0;
		who.tgid = tgid;
		who.tid = (__u32)id;
		who.kind = OWNER_THREAD;
	} else {
		rt = bpf_map_lookup_elem(&procs, &tgid);
		owner_now(&who, rt, tgid, (__u32)id);
		l->plain_gen = rt && rt->state == RT_NONE ? rt_gen : 0;
	}
	/* No task runs, but this thread's tasks own the connection: the loop flushes its buffer. */
	if (who.kind == OWNER_THREAD && l->owner.kind == OWNER_TASK && l->owner.tid == who.tid)
		who.kind = OWNER_NONE;
	if (ledger_owed(l)) {
		in.prior = wait_now(l, rt, tgid, &ci);
	} else if (rt && rt->probe_seq != l->probe_seq && l->replies) {
		ci = probed(&l->owner, l->reply_ns);
		if (ci && ci->waiter && ci->waiter == l->owner.waiter &&
		    ci->waiter_state == PYFUT_FINISHED)
			ledger_late_cancel(l, ci->ts);
		else
			ci = 0;
	}
	what = in.what = ledger_send(l, &in, &who);
	if (tellable(l, what, LE_REUSED | LE_REUSED_RESIDUE | LE_UNREAD | LE_SWALLOWED))
		emit_step(sk, l, &in, &who, ci);
	ledger_commit(l, &in, &who, what);
}

static __always_inline void handle_recv(struct sock *sk, int ret, int flags)
{
	struct cancel_info *ci = 0;
	struct ledger_in in = {};
	struct proc_rt *rt = 0;
	struct ledger *l;
	__u32 tgid, what;

	if (ret <= 0 || (flags & (MSG_PEEK | MSG_ERRQUEUE)))
		return;
	l = ledger_of(sk);
	if (!l)
		return;
	in.step = STEP_RECV;
	in.bytes = ret;
	if (l->flags & LEDGER_UNIX) {
		in.now = bpf_ktime_get_ns();
		in.unread = unix_unread(sk, &in.unread_exact);
	} else {
		struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);

		if (!tp)
			return;
		in.unread = tcp_unread(sk, tp);
		in.now = tcp_now(tp);
	}
	if (l->owner.kind == OWNER_TASK && (ledger_owed(l) || l->hot)) {
		tgid = bpf_get_current_pid_tgid() >> 32;
		rt = bpf_map_lookup_elem(&procs, &tgid);
		in.prior = wait_now(l, rt, tgid, &ci);
		in.probe_seq = rt ? rt->probe_seq : 0;
		if (rt && ledger_abandoned_by(l, in.prior)) {
			__u64 task, loop;
			__u8 verified;

			in.reader_running = running_task(rt, tgid, &task, &loop, &verified) == 1;
		}
	}
	if (in.prior == WAIT_PENDING && !ledger_self_read(l) && l->waits < SELF_READ_TRIES &&
	    waits_for_data(rt, l->owner.coro))
		l->flags |= LEDGER_SELF_READ;
	what = in.what = ledger_recv(l, &in);
	if (tellable(l, what, LE_RESIDUE | LE_DRAINED))
		emit_step(sk, l, &in, 0, ci);
}

/* NAMED: of a Unix socket, the end that still has the path. */
static __always_inline void handle_close(struct sock *sk, struct sock *named, struct ledger *l)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32, what;
	struct task_struct *cur = bpf_get_current_task_btf();
	struct cancel_info *ci = 0;
	struct ledger_in in = {};
	struct proc_rt *rt;

	in.step = STEP_CLOSE;
	in.now = bpf_ktime_get_ns();
	/* A reset arrives in somebody else's context, and an exiting process has no memory. */
	if (l->owner.tgid == tgid && !(cur->flags & PF_EXITING)) {
		rt = bpf_map_lookup_elem(&procs, &tgid);
		if (ledger_owed(l)) {
			in.prior = wait_now(l, rt, tgid, &ci);
		} else if (rt && rt->probe_seq && l->replies) {
			ci = probed(&l->owner, l->reply_ns);
			if (ci && ci->waiter && ci->waiter == l->owner.waiter &&
			    ci->waiter_state == PYFUT_FINISHED)
				ledger_late_cancel(l, ci->ts);
			else
				ci = 0;
		}
	}
	what = in.what = ledger_close(l, &in);
	if ((what & LE_CLOSED_OWED) || l->steps)
		emit_close(sk, named, l, &in, ci);
}

/* The socket ends: its counts join the totals, and are told where every ledger is wanted. */
static __always_inline void last_words(struct sock *sk, struct sock *named, struct ledger *l)
{
	struct ev_step *e;

	count(CNT_ENDED, 1);
	count(CNT_REQUESTS, l->requests);
	count(CNT_REPLIES, l->replies);
	if (!opt_ledgers)
		return;
	e = bpf_ringbuf_reserve(&ring, sizeof(*e), 0);
	if (!e) {
		count_loss(KLOSS_RING_FULL);
		return;
	}
	__builtin_memset(e, 0, sizeof(*e));
	event_head(&e->head, EV_LEDGER, sizeof(*e));
	e->cookie = bpf_get_socket_cookie(sk);
	e->l = *l;
	sock_addr_of(sk, named, &e->addr);
	bpf_ringbuf_submit(e, 0);
}

/* ---- tp_btf tier ---- */

SEC("?tp_btf/sock_send_length")
int BPF_PROG(tp_send, struct sock *sk, int ret, int flags)
{
	handle_send(sk, ret);
	return 0;
}

SEC("?tp_btf/sock_recv_length")
int BPF_PROG(tp_recv, struct sock *sk, int ret, int flags)
{
	/* A Unix client's peer reads the end of file: the client has closed. */
	if (ret == 0 && sk->__sk_common.skc_family == AF_UNIX) {
		struct sock *peer = unix_peer(sk);
		struct ledger *l = peer ? bpf_sk_storage_get(&ledgers, peer, 0, 0) : 0;

		if (l && !(l->flags & LEDGER_CLOSED)) {
			l->flags |= LEDGER_CLOSED;
			handle_close(peer, sk, l);
			last_words(peer, sk, l);
		}
		return 0;
	}
	handle_recv(sk, ret, flags);
	return 0;
}

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
		if (!wanted(sk, bpf_get_current_task_btf()))
			return 0;
		meet_process(tgid, 0);
		give_birth(sk, 0);
		return 0;
	}
	/* The client's close() or shutdown(SHUT_WR), or an abort; the peer's FIN is neither. */
	if (new != TCP_FIN_WAIT1 &&new != TCP_LAST_ACK &&new != TCP_CLOSE)
		return 0;
	l = bpf_sk_storage_get(&ledgers, sk, 0, 0);
	if (!l || (l->flags & LEDGER_CLOSED))
		return 0;
	l->flags |= LEDGER_CLOSED;
	handle_close(sk, 0, l);
	return 0;
}

SEC("tp_btf/tcp_destroy_sock")
int BPF_PROG(on_destroy, struct sock *sk)
{
	struct ledger *l = bpf_sk_storage_get(&ledgers, sk, 0, 0);

	if (l)
		last_words(sk, 0, l);
	return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	__u32 from = parent->tgid, to = child->tgid;
	struct proc_rt *rt;
	__u8 one = 1;

	if (from == to)
		return 0; /* a thread */
	if (filters.follow && bpf_map_lookup_elem(&tree, &from) &&
	    bpf_map_update_elem(&tree, &to, &one, BPF_ANY))
		count_loss(KLOSS_MAP_FULL);
	/* The child's memory is a copy, addresses included. A probe's budget is its own. */
	rt = bpf_map_lookup_elem(&procs, &from);
	if (!rt || rt->state == RT_ASKED)
		return 0;
	if (bpf_map_update_elem(&procs, &to, rt, BPF_ANY))
		count_loss(KLOSS_MAP_FULL);
	rt = bpf_map_lookup_elem(&procs, &to);
	if (rt)
		rt->inherited = 1;
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task)
{
	__u32 tgid = task->tgid;

	bpf_map_delete_elem(&procs, &tgid);
	__sync_fetch_and_add(&rt_gen, 1);
	if (filters.follow && bpf_map_lookup_elem(&tree, &tgid))
		emit_head(EV_EXEC);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task)
{
	__u32 tgid = task->tgid;

	/* signal->live has been lowered by now: 0 for the last thread of the group. */
	if (task->signal->live.counter)
		return 0;
	if (!bpf_map_delete_elem(&procs, &tgid))
		emit_head(EV_EXIT);
	bpf_map_delete_elem(&tree, &tgid);
	return 0;
}

/* ---- Task.cancel, where it is probed ---- */

/* Counts the call against the budget of a probe that is not meant to stay. */
static __always_inline struct proc_rt *probed_process(__u32 tgid)
{
	struct proc_rt *rt = bpf_map_lookup_elem(&procs, &tgid);

	if (rt && rt->probe_budget && __sync_fetch_and_sub(&rt->probe_budget, 1) == 1)
		emit_head(EV_BUDGET);
	return rt;
}

/* Notes that TASK's wait has ended, when, and by which task: the next event on its socket asks. */
static __always_inline void note_cancelled(struct proc_rt *rt, __u32 tgid, __u64 task,
					   struct pytask_look *k, struct cancel_info *ci)
{
	struct cancel_key key = {.task = task, .name = {k->name[0], k->name[1]}, .tgid = tgid};
	__u64 by = 0, loop = 0;
	__u8 verified = 0;

	count(CNT_CANCELS, 1);
	ci->ts = bpf_ktime_get_ns();
	ci->by_tid = (__u32)bpf_get_current_pid_tgid();
	if (rt->state == RT_PROBED) {
		__u32 tid = ci->by_tid;
		__u64 *stepping_task = bpf_map_lookup_elem(&stepping, &tid);

		ci->by_task = stepping_task ? *stepping_task : 0;
	} else if (running_task(rt, tgid, &by, &loop, &verified) == 1 && !look_at(rt, by, k)) {
		ci->by_task = by;
		ci->by_name[0] = k->name[0];
		ci->by_name[1] = k->name[1];
	}
	if (bpf_map_update_elem(&cancelled, &key, ci, BPF_ANY))
		count_loss(KLOSS_MAP_FULL);
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
		struct ended *e = ends_of(task, tgid);

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
	ci.self_read = waits_for_data(rt, k.tail.coro);
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
		struct loop_key key = {.loop = task, .tgid = tgid};
		struct ended *e = bpf_map_lookup_elem(&ended, &key), first = {.times = 1};

		if (e)
			__sync_fetch_and_add(&e->times, 1);
		else if (bpf_map_update_elem(&ended, &key, &first, BPF_ANY))
			count_loss(KLOSS_MAP_FULL);
		return 0;
	}
	if (!rt || rt->state != RT_READY ||
	    bpf_probe_read_user(&state, 4, (void *)(task + rt->layout.state)) ||
	    state != PYFUT_PENDING || look_at(rt, task, &k))
		return 0;
	ci.self_read = waits_for_data(rt, k.tail.coro);
	note_cancelled(rt, tgid, task, &k, &ci);
	return 0;
}

/* ---- every step of a task, where its layout is not known ---- */

static __always_inline int step_begins(__u64 task)
{
	__u64 id = bpf_get_current_pid_tgid();
	__u32 tgid = id >> 32, tid = (__u32)id;
	struct proc_rt *rt = bpf_map_lookup_elem(&procs, &tgid);

	if (!rt || rt->state != RT_PROBED || !task)
		return 0;
	if (bpf_map_update_elem(&stepping, &tid, &task, BPF_ANY))
		count_loss(KLOSS_MAP_FULL);
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

SEC("uretprobe")
int step_ends(struct pt_regs *ctx)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();

	bpf_map_delete_elem(&stepping, &tid);
	return 0;
}

/* ---- iterators ---- */

/* 0: note listening ports; 1: adopt. */
__u32 adopt_phase;

/* Sockets that are open before we start. */
SEC("iter/task_file")
int adopt(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct socket *socket;
	struct sock *sk;
	struct ledger *l;
	__u32 tgid;
	__u16 port;
	__u8 one = 1;

	if (!task || !file || task->pid != task->tgid)
		return 0;
	socket = bpf_sock_from_file(file);
	if (!socket)
		return 0;
	sk = socket->sk;
	if (!sk)
		return 0;
	tgid = task->tgid;
	port = sk->__sk_common.skc_num;
	if (!adopt_phase) {
		if (sk->sk_protocol == IPPROTO_TCP && sk->__sk_common.skc_state == TCP_LISTEN)
			bpf_map_update_elem(&listening, &port, &one, BPF_ANY);
		return 0;
	}
	if (sk->__sk_common.skc_state != TCP_ESTABLISHED || sk->sk_type != SOCK_STREAM)
		return 0;
	if (sk->__sk_common.skc_family == AF_UNIX) {
		if (!unix_is_client(sk))
			return 0;
	} else if (sk->sk_protocol != IPPROTO_TCP || bpf_map_lookup_elem(&listening, &port)) {
		return 0;
	}
	if (!wanted(sk, task))
		return 0;
	if (bpf_sk_storage_get(&ledgers, sk, 0, 0))
		return 0; /* another descriptor of the same socket */
	l = give_birth(sk, LEDGER_ADOPTED);
	if (!l)
		return 0;
	if (sk->__sk_common.skc_family == AF_UNIX)
		l->flags |= LEDGER_UNIX;
	count(CNT_ADOPTED, 1);
	meet_process(tgid, task);
	return 0;
}

/* All ledgers, for the refresh pass: a struct ledger_row each. */
SEC("iter/bpf_sk_storage_map")
int dump(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	struct ledger *l = ctx->value;
	struct sock *sk = ctx->sk;
	struct sock_addr addr = {};
	struct tcp_sock *tp;
	__u32 tail[2] = {};
	__u64 cookie;
	__u8 exact;

	if (!sk || !l)
		return 0;
	cookie = bpf_get_socket_cookie(sk);
	if (l->flags & LEDGER_UNIX) {
		tail[0] = unix_unread(sk, &exact);
	} else {
		tp = bpf_skc_to_tcp_sock(sk);
		if (tp)
			tail[0] = tcp_unread(sk, tp);
		tail[1] = sk->__sk_common.skc_state;
	}
	sock_addr_of(sk, 0, &addr);
	bpf_seq_write(seq, &cookie, sizeof(cookie));
	bpf_seq_write(seq, l, sizeof(*l));
	bpf_seq_write(seq, &addr, sizeof(addr));
	bpf_seq_write(seq, tail, sizeof(tail));
	return 0;
}
