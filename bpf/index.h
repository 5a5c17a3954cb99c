/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The index of the sockets that matter, and the refresh pass over it. Included by mispair.bpf.c.
 *
 * A socket enters the index when something happens on it for the first time since a pass began, and
 * stays as long as there is a doubt about it; idle sockets are in none and cost nothing. Nothing
 * here walks over the sockets of the host: an iterator over TCP sockets takes references on request
 * sockets whose count is still 0 (seen on 6.18: "refcount_t: addition on 0; use-after-free" in
 * bpf_iter_tcp_established_batch(), then an underflow in accept()).
 *
 * The collector reads the keys from the map and has `pass` look at them, a batch a call. `pass` is
 * run by BPF_PROG_TEST_RUN (raw tracepoints: 5.10, 1b4d60ec162f) and attached to nothing. It has no
 * typed pointers, so it reads the kernel's memory with a helper, and what it reads may be gone by
 * then: whose it is says the cookie in it.
 */
#ifndef MISPAIR_INDEX_H
#define MISPAIR_INDEX_H

#define BPF_F_MMAPABLE (1U << 10)

/* A batch: keys that the collector asks about, and the rows that answer. Shared by mmap(). */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, PASS_BATCH);
	__type(key, __u32);
	__type(value, __u64);
} asked SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, PASS_BATCH);
	__type(key, __u32);
	__type(value, struct pass_row);
} rows SEC(".maps");

/* The ledger that `pass` looks at. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tracked);
} looked SEC(".maps");

/* Number of the pass, from 1. Raised by the collector before it reads the keys. */
__u32 pass_number = 1;
__u32 pass_asked;      /* keys in `asked` */
__u32 pass_adoptables; /* 1: they are keys of `adoptables` */
__u32 pass_filled;     /* rows in `rows`; set to 0 by the collector */
__u32 pass_unmet;      /* Unix sockets that are closed, and whose close was not told; likewise */

/* Passes that go on telling a socket after the last that had to: what was said of it is reviewed.
 */
#define PASS_HOLD 6

/* ---- entering ---- */

/*
 * T's socket enters, if it has not since the pass began. Before its ledger changes: where it had no
 * entry any more, it is as the last pass told it.
 */
static __noinline int enter_index(struct sock *sk, struct tracked *t)
{
	struct indexed e = {.tracked = (__u64)t, .sk = (__u64)sk, .hold = 1};
	__u64 key = t->cookie;
	struct indexed *have;

	e.first = !t->listed;
	t->listed = *(volatile __u32 *)&pass_number;
	have = bpf_map_lookup_elem(&socket_index, &key);
	if (have) {
		have->hold += !have->hold;
		return 0;
	}
	if (!e.first) {
		e.requests = t->l.requests;
		e.replies = t->l.replies;
	}
	if (bpf_map_update_elem(&socket_index, &key, &e, BPF_ANY)) {
		count_loss(KLOSS_INDEX_FULL);
		t->listed = e.first ? 0 : t->listed - 1; /* the next event tries again */
	}
	return 0;
}

/* Something happens on a socket. */
static __always_inline void note_change(struct sock *sk, struct ledger *l)
{
	struct tracked *t = (struct tracked *)l;

	if (t->listed != pass_number)
		enter_index(sk, t);
}

/*
 * SK is about to be closed: its addresses are kept, for tcp_disconnect() takes them away. That is
 * how a close with SO_LINGER 0 and a connect() to AF_UNSPEC end a connection.
 */
static __always_inline void keep_addr(struct sock *sk, struct tracked *t)
{
	__u64 key = t->cookie;
	struct indexed *e = bpf_map_lookup_elem(&socket_index, &key);
	struct tcp_sock *tp = tcp_cast(opt_kprobe, sk);
	int i;

	if (!e || e->addr.family || !tp)
		return;
	/* Its port may have been given back already. */
	e->addr.local_port = bpf_ntohs(FIELD(opt_kprobe, tp, inet_conn.icsk_inet.inet_sport));
	e->addr.peer_port = bpf_ntohs(FIELD(opt_kprobe, sk, __sk_common.skc_dport));
	e->addr.family = FIELD(opt_kprobe, sk, __sk_common.skc_family);
	if (e->addr.family == AF_INET) {
		*(__u32 *)e->addr.local = FIELD(opt_kprobe, sk, __sk_common.skc_rcv_saddr);
		*(__u32 *)e->addr.peer = FIELD(opt_kprobe, sk, __sk_common.skc_daddr);
		return;
	}
#pragma unroll
	for (i = 0; i < 4; i++) {
		((__u32 *)e->addr.local)[i] =
			FIELD(opt_kprobe, sk, __sk_common.skc_v6_rcv_saddr.in6_u.u6_addr32[i]);
		((__u32 *)e->addr.peer)[i] =
			FIELD(opt_kprobe, sk, __sk_common.skc_v6_daddr.in6_u.u6_addr32[i]);
	}
}

/* A, which has been read from a socket, as it was before that was closed. */
static __always_inline void kept_over(struct sock_addr *a, const struct indexed *e)
{
	if (!e || !e->addr.family || a->peer_port)
		return;
	a->local_port = e->addr.local_port;
	a->peer_port = e->addr.peer_port;
	__builtin_memcpy(a->local, e->addr.local, sizeof(a->local));
	__builtin_memcpy(a->peer, e->addr.peer, 16);
}

/* The socket of T has ended. T may be a copy. */
static __noinline int leave_index(struct tracked *t)
{
	struct indexed e = {.gone = 1}, *have;
	__u64 key = t->cookie;

	if (!t->listed)
		return 0; /* no pass has told it, and none will */
	have = bpf_map_lookup_elem(&socket_index, &key);
	if (have) {
		have->gone = 1;
		return 0;
	}
	e.requests = t->l.requests;
	e.replies = t->l.replies;
	if (bpf_map_update_elem(&socket_index, &key, &e, BPF_ANY))
		count_loss(KLOSS_INDEX_FULL);
	return 0;
}

/* ---- the pass ---- */

/* Differs if anything has happened on the socket. Sends and receives move its times. */
static __always_inline __u64 stamp_of(const struct ledger *l)
{
	__u64 s = l->last_tx_ns;

	s = s * 31 + l->last_rx_ns;
	s = s * 31 + l->requests;
	s = s * 31 + l->replies;
	s = s * 31 + ((__u64)l->tx_seq << 32 | l->rx_seen);
	s = s * 31 + ((__u64)l->abandoned << 24 | l->flags << 16 | l->gave_up << 8 | l->watch);
	return s;
}

/* The collector asks about it each time, or something was said of it. */
static __always_inline bool in_doubt(const struct ledger *l)
{
	return l->abandoned || l->gave_up || l->watch || l->hot || l->steps ||
	       (l->flags & LEDGER_GAP) || (ledger_owed(l) && l->owner.kind == OWNER_TASK);
}

/* Is SK still the socket with this cookie? */
static __always_inline bool still_there(struct sock *sk, __u64 cookie)
{
	if (!FIELD(true, sk, __sk_common.skc_refcnt.refs.counter))
		return false;
	return (cookie & OWN_COOKIE) ||
	       (__u64)FIELD(true, sk, __sk_common.skc_cookie.counter) == cookie;
}

/* Bytes in SK's queue. */
static __always_inline __u32 unread_of(struct sock *sk, const struct ledger *l)
{
	__u8 exact;

	if (l->flags & LEDGER_UNIX)
		return unix_unread(true, sk, &exact);
	return tcp_unread(true, sk, (struct tcp_sock *)sk);
}

/* A row about COOKIE; NULL: the batch is full, which the collector sees to that it never is. */
static __always_inline struct pass_row *new_row(__u64 cookie, const struct indexed *e)
{
	__u32 at = pass_filled;
	struct pass_row *r = bpf_map_lookup_elem(&rows, &at);

	if (!r)
		return 0;
	pass_filled = at + 1;
	r->row.cookie = cookie;
	r->first = e->first;
	r->tells = PASS_ROW;
	r->requests = e->requests;
	r->replies = e->replies;
	return r;
}

/* COOKIE's socket has ended; REQUESTS and REPLIES: what its ledger said last. */
static __always_inline void tell_gone(__u64 cookie, const struct indexed *e, __u32 tells,
				      __u64 requests, __u64 replies)
{
	struct pass_row *r = new_row(cookie, e);

	if (!r)
		return;
	r->tells = tells;
	r->row.l.requests = requests;
	r->row.l.replies = replies;
	bpf_map_delete_elem(&socket_index, &cookie);
}

/* Leaves the index, unless something has happened on it since the pass began. */
static __always_inline void drop_entry(__u64 cookie, const struct indexed *e)
{
	struct indexed again = *e;
	struct tracked *t = (struct tracked *)e->tracked;
	__u32 listed = (__u32)kread(&t->listed, sizeof(t->listed));

	if (listed == pass_number)
		return;
	bpf_map_delete_elem(&socket_index, &cookie);
	/* It may have entered between the two: then its entry was taken away just now. */
	listed = (__u32)kread(&t->listed, sizeof(t->listed));
	if (listed == pass_number)
		bpf_map_update_elem(&socket_index, &cookie, &again, BPF_NOEXIST);
}

/*
 * Looks at the N-th socket of the batch. Global: a verifier looks at it once, and not for each
 * round of the loop that calls it.
 */
__noinline int pass_one(__u32 n)
{
	__u32 zero = 0, at = n, unread;
	__u64 *key = bpf_map_lookup_elem(&asked, &at), cookie, stamp;
	struct tracked *t = bpf_map_lookup_elem(&looked, &zero);
	struct pass_row *r;
	struct indexed *e;
	struct sock *sk;

	if (!key || !t)
		return 0;
	cookie = *key;
	e = bpf_map_lookup_elem(&socket_index, &cookie);
	if (!e)
		return 0;
	sk = (struct sock *)e->sk;
	if (e->gone) {
		tell_gone(cookie, e, PASS_ENDED, 0, 0);
		return 0;
	}
	if (bpf_probe_read_kernel(t, sizeof(*t), (void *)e->tracked) || t->cookie != cookie ||
	    t->l.requests < e->requests) {
		tell_gone(cookie, e, PASS_VANISHED, 0, 0);
		return 0;
	}
	if (!still_there(sk, cookie)) {
		/* Nobody has taken its memory yet. */
		tell_gone(cookie, e, PASS_LAST, t->l.requests, t->l.replies);
		return 0;
	}
	/* Its last words are told when its peer reads the end, by who can only read its ledger. */
	if (!opt_kprobe && (t->l.flags & LEDGER_UNIX) &&
	    FIELD(true, sk, __sk_common.skc_state) == TCP_CLOSE) {
		pass_unmet++;
		return 0;
	}
	stamp = stamp_of(&t->l);
	unread = unread_of(sk, &t->l);
	if (!e->hold && e->stamp == stamp && e->unread == unread) {
		/* A Unix socket's end shows here only. */
		if (!in_doubt(&t->l) && !(t->l.flags & LEDGER_UNIX))
			drop_entry(cookie, e);
		return 0;
	}
	r = new_row(cookie, e);
	if (!r)
		return 0;
	__builtin_memcpy(&r->row.l, &t->l, sizeof(t->l));
	r->row.unread = unread;
	r->row.state = t->l.flags & LEDGER_UNIX ? 0 : FIELD(true, sk, __sk_common.skc_state);
	sock_addr_of(true, sk, 0, &r->row.addr);
	kept_over(&r->row.addr, e);
	e->stamp = stamp;
	e->unread = unread;
	e->requests = t->l.requests;
	e->replies = t->l.replies;
	e->first = 0;
	if (in_doubt(&t->l))
		e->hold = PASS_HOLD;
	else if (e->hold)
		e->hold--;
	return 0;
}

/* Is SK still the one that A is about? */
static __always_inline bool is_adoptable(struct sock *sk, const struct adoptable *a)
{
	__u8 state = FIELD(true, sk, __sk_common.skc_state);

	return FIELD(true, sk, __sk_common.skc_refcnt.refs.counter) && state != TCP_CLOSE &&
	       FIELD(true, sk, __sk_common.skc_family) == a->family &&
	       (a->family == AF_UNIX || (FIELD(true, sk, __sk_common.skc_num) == a->local_port &&
					 FIELD(true, sk, __sk_common.skc_dport) == a->peer_port));
}

/*
 * The same for a socket that was open before we started and has sent nothing since: it has no
 * ledger yet, and so no entry. The key is its address.
 */
__noinline int pass_adoptable(__u32 n)
{
	struct indexed e = {.first = 1};
	__u32 at = n;
	__u64 *key = bpf_map_lookup_elem(&asked, &at);
	struct adoptable *a = key ? bpf_map_lookup_elem(&adoptables, key) : 0;
	struct pass_row *r;
	struct sock *sk;

	if (!key)
		return 0;
	sk = (struct sock *)*key;
	if (a && !is_adoptable(sk, a)) {
		bpf_map_delete_elem(&adoptables, key);
		a = 0;
	}
	if (a && a->told)
		return 0;
	r = new_row(OWN_COOKIE | *key, &e);
	if (!r)
		return 0;
	if (!a) {
		r->tells = PASS_ENDED;
		return 0;
	}
	a->told = 1;
	__builtin_memset(&r->row.l, 0, sizeof(r->row.l));
	r->row.l.flags = LEDGER_ADOPTED | (a->family == AF_UNIX ? LEDGER_UNIX : 0);
	r->row.l.birth_ns = bpf_ktime_get_ns();
	r->row.l.owner.tgid = a->tgid;
	r->row.l.owner.id = a->id;
	r->row.unread = unread_of(sk, &r->row.l);
	r->row.state = a->family == AF_UNIX ? 0 : FIELD(true, sk, __sk_common.skc_state);
	sock_addr_of(true, sk, 0, &r->row.addr);
	return 0;
}

SEC("raw_tp")
int pass(void *ctx)
{
	__u32 i;

	for (i = 0; i < PASS_BATCH; i++) {
		if (i >= pass_asked)
			break;
		if (pass_adoptables)
			pass_adoptable(i);
		else
			pass_one(i);
	}
	return 0;
}

#endif
