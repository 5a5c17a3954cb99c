/* SPDX-License-Identifier: GPL-2.0 */
/* Which sockets get a ledger, and when. Included by mispair.bpf.c. */
#ifndef MISPAIR_BIRTH_H
#define MISPAIR_BIRTH_H

static __always_inline int comm_wanted(const char *comm)
{
	__u32 i, j;

	for (i = 0; i < FILTER_MAX; i++) {
		if (i >= filters.n_comms)
			break;
		for (j = 0; j < 16; j++) {
			char c = comm[j];

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
	__u32 i, family = FIELD(opt_kprobe, sk, __sk_common.skc_family), have[4] = {};

	if (family == AF_INET)
		have[0] = FIELD(opt_kprobe, sk, __sk_common.skc_daddr);
	if (family == AF_INET6) {
#pragma unroll
		for (i = 0; i < 4; i++)
			have[i] =
				FIELD(opt_kprobe, sk, __sk_common.skc_v6_daddr.in6_u.u6_addr32[i]);
	}

	for (i = 0; i < FILTER_MAX; i++) {
		const volatile __u32 *want = (const volatile __u32 *)filters.peers[i].addr;

		if (i >= filters.n_peers)
			break;
		if (filters.peers[i].family == AF_INET && family == AF_INET && want[0] == have[0])
			return 1;
		if (family == AF_INET6) {
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

/* Filters are asked once, at a socket's birth. COMM is the process's, of 16 bytes. */
static __always_inline int wanted(struct sock *sk, __u32 tgid, const char *comm)
{
	__u32 i;

	if (opt_self && tgid == opt_self)
		return 0;
	if (filters.follow && !bpf_map_lookup_elem(&tree, &tgid))
		return 0;
	if (filters.n_comms && !comm_wanted(comm))
		return 0;
	if (filters.n_ports) {
		__u16 port = bpf_ntohs(FIELD(opt_kprobe, sk, __sk_common.skc_dport)), hit = 0;

		if (FIELD(opt_kprobe, sk, __sk_common.skc_family) == AF_UNIX)
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

/* The same, of the current process. */
static __always_inline int wanted_here(struct sock *sk, __u32 tgid)
{
	char comm[16] = {};

	if (filters.n_comms)
		bpf_get_current_comm(comm, sizeof(comm));
	return wanted(sk, tgid, comm);
}

static const struct tracked empty_ledger;

/* A ledger in the hash of the kprobe tier: a recycled address never inherits one. */
static __always_inline struct ledger *keyed_birth(struct sock *sk)
{
	struct tracked *k;
	__u64 key = (__u64)sk;

	if (bpf_map_update_elem(&keyed_ledgers, &key, &empty_ledger, BPF_ANY))
		return 0;
	k = bpf_map_lookup_elem(&keyed_ledgers, &key);
	if (!k)
		return 0;
	k->cookie = FIELD(opt_kprobe, sk, __sk_common.skc_cookie.counter);
	if (!k->cookie) /* nobody has asked for one, and a kprobe cannot */
		k->cookie = OWN_COOKIE | bpf_ktime_get_ns();
	return &k->l;
}

/* ID: of the current process, if it connects. */
static __always_inline struct ledger *give_birth(bool kp, struct sock *sk, __u32 flags, __u32 id)
{
	struct ledger *l;

	if (kp)
		l = keyed_birth(sk);
	else
		l = stored(bpf_sk_storage_get(&ledgers, sk, 0, BPF_SK_STORAGE_GET_F_CREATE));
	if (!l) {
		count_loss(kp ? KLOSS_KEYED_LEDGERS_FULL : KLOSS_LEDGER_ALLOC);
		return 0;
	}
	if (!l->birth_ns) {
		l->birth_ns = bpf_ktime_get_ns();
		l->flags = flags;
		if (!kp)
			((struct tracked *)l)->cookie = bpf_get_socket_cookie(sk);
		/* Who connects; whose a request is is known when it is sent. */
		if (!(flags & LEDGER_ADOPTED)) {
			l->owner.tgid = bpf_get_current_pid_tgid() >> 32;
			l->owner.id = id;
		}
		count(CNT_SOCKETS, 1);
		note_change(sk, l);
	}
	return l;
}

/* A bit for each local port in `adoptables`: none of them is one that somebody listens on. */
__u64 adoptable_ports[65536 / 64];

/* Where its peer will look for the ledger of a Unix client. */
static __always_inline void note_client(struct sock *sk, struct ledger *l)
{
	struct unix_client c = {.tracked = (__u64)l, .cookie = ((struct tracked *)l)->cookie};
	__u64 key = (__u64)sk;

	count_added(ADDED_UNIX_CLIENTS);
	if (bpf_map_update_elem(&unix_clients, &key, &c, BPF_ANY))
		count_loss(KLOSS_UNIX_CLIENTS_FULL);
}

/*
 * Was SK, which has no ledger, open before we started, and a client's? Then it has one now. Not in
 * the kprobe tier.
 */
static __noinline int adoption(struct sock *sk)
{
	__u64 key = (__u64)sk;
	struct adoptable *a = bpf_map_lookup_elem(&adoptables, &key);
	__u16 family = sk->__sk_common.skc_family;
	__u32 tgid, id, flags = LEDGER_ADOPTED;
	struct ledger *l;

	if (!a)
		return 0;
	if (family == AF_UNIX)
		flags |= LEDGER_UNIX;
	if (a->family != family ||
	    (family != AF_UNIX && (a->local_port != sk->__sk_common.skc_num ||
				   a->peer_port != sk->__sk_common.skc_dport))) {
		bpf_map_delete_elem(&adoptables, &key);
		return 0; /* another one has its address */
	}
	tgid = a->tgid;
	id = a->id;
	bpf_map_delete_elem(&adoptables, &key);
	l = give_birth(false, sk, flags, 0);
	if (!l)
		return 0;
	/* Who owns a request is not known before it is sent. */
	l->owner.tgid = tgid;
	l->owner.id = id;
	if (family == AF_UNIX)
		note_client(sk, l);
	count(CNT_ADOPTED, 1);
	return 1;
}

/* The same, for a send by a TCP socket: most that have no ledger have accepted. */
static __always_inline bool tcp_adoption(struct sock *sk)
{
	__u16 port = sk->__sk_common.skc_num;

	return adoptable_ports[port / 64] >> port % 64 & 1 && adoption(sk);
}

/*
 * A Unix stream socket has no connect hook. The client's end gets its ledger at its first send;
 * the rule that tells the ends apart costs an accepted socket a few loads a call.
 */
#define PF_KTHREAD 0x00200000

/* Is SK one of TCP's sockets below an MPTCP socket? (5.6, f870fa0b5768) */
static __always_inline bool is_mptcp(struct sock *sk)
{
	struct tcp_sock *tp;

	if (!bpf_core_field_exists(struct tcp_sock, is_mptcp))
		return false;
	tp = tcp_of(opt_kprobe, sk);
	return tp && FIELD(opt_kprobe, tp, is_mptcp);
}

/*
 * What an application sends and receives on an MPTCP socket passes the hooks with that socket,
 * which has no ledger, and moves over one or more of TCP's, whose bytes are not the application's.
 * So the first of these, which connect() makes, stands for the connection, and all that is said of
 * it is that nothing is. Others are made by the kernel itself.
 */
static __noinline int mptcp_birth(struct sock *sk, __u32 tgid)
{
	struct task_struct *task = this_task();
	struct ledger *l;

	if (TASK_FIELD(task, flags) & PF_KTHREAD)
		return 0;
	l = give_birth(opt_kprobe, sk, LEDGER_GAP, meet_this_process(tgid));
	if (l)
		count_loss(KLOSS_MPTCP);
	return 0;
}

static __noinline int unix_birth(struct sock *sk, __u32 tgid)
{
	struct ledger *l;

	if (FIELD(opt_kprobe, sk, sk_type) != SOCK_STREAM || !unix_is_client(opt_kprobe, sk) ||
	    !wanted_here(sk, tgid))
		return 0;
	if (!opt_kprobe && adoption(sk))
		return 1;
	l = give_birth(opt_kprobe, sk, LEDGER_UNIX, meet_this_process(tgid));
	if (l && !opt_kprobe)
		note_client(sk, l);
	return l != 0;
}

#endif
