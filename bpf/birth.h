/* SPDX-License-Identifier: GPL-2.0 */
/* Which sockets get a ledger, and when. Included by mispair.bpf.c. */
#ifndef MISPAIR_BIRTH_H
#define MISPAIR_BIRTH_H

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

#endif
