/* SPDX-License-Identifier: GPL-2.0 */
/* What a socket tells: its role, its addresses, and the bytes that nobody has read yet. */
#ifndef MISPAIR_SOCK_H
#define MISPAIR_SOCK_H

#define AF_UNIX		1
#define AF_INET		2
#define AF_INET6	10
#define SOCK_STREAM	1
#define IPPROTO_TCP	6
#define TCP_ESTABLISHED 1
#define TCP_SYN_SENT	2
#define TCP_FIN_WAIT1	4
#define TCP_FIN_WAIT2	5
#define TCP_CLOSE	7
#define TCP_CLOSE_WAIT	8
#define TCP_LAST_ACK	9
#define TCP_LISTEN	10
#define RCV_SHUTDOWN	1
#define SEND_SHUTDOWN	2

/* skbs of a receive queue that are looked at; a longer queue is an inexact answer. */
#define QUEUE_WALK 16

/* A 32-bit field of the control block of SKB, which is a TYPE. */
#define CB_FIELD(kp, skb, type, f)                                                                 \
	((kp) ? (__u32)kread((__u8 *)__builtin_preserve_access_index(&(skb)->cb) +                 \
				     bpf_core_field_offset(type, f),                               \
			     4)                                                                    \
	      : ((__u32 *)&(skb)->cb)[bpf_core_field_offset(type, f) / 4])

/* A kprobe's number is not asked for its type: its function has only TCP sockets. */
static __always_inline struct tcp_sock *tcp_of(bool kp, struct sock *sk)
{
	return kp ? (struct tcp_sock *)sk : bpf_skc_to_tcp_sock(sk);
}

/* A cast that is no call: only its type is the verifier's business (6.2, a35b9af4ec2c). */
extern void *bpf_rdonly_cast(const void *obj, __u32 btf_id) __ksym __weak;

/* The same for a socket that is known to be TCP's, with KP a constant: a ledger has its family. */
static __always_inline struct tcp_sock *tcp_cast(bool kp, struct sock *sk)
{
	if (!kp && bpf_rdonly_cast)
		return bpf_rdonly_cast(sk, bpf_core_type_id_kernel(struct tcp_sock));
	return tcp_of(kp, sk);
}

/*
 * ... and for one that is known to be a Unix socket. What is walked to, as a peer is, can only be
 * read: some 6.18 kernels do not let it be handed to a helper (seen on 6.18.44: "R1
 * type=untrusted_ptr_"), which others still allow.
 */
static __always_inline struct unix_sock *unix_of(bool kp, struct sock *sk)
{
	if (kp)
		return (struct unix_sock *)sk;
	if (bpf_rdonly_cast)
		return bpf_rdonly_cast(sk, bpf_core_type_id_kernel(struct unix_sock));
	return bpf_skc_to_unix_sock(sk);
}

/*
 * Has the application read all that came? tcp_recvmsg() takes an skb out of the queue as it copies
 * its last byte, so the queue's length says the same as rcv_nxt and copied_seq, for less: fields of
 * a sock that a hook has handed over are plain loads, those of a tcp_sock that a helper has found
 * in it are checked first (BPF_PROBE_MEM, ten instructions each on x86-64).
 */
static __always_inline bool tcp_all_read(bool kp, struct sock *sk)
{
	return !FIELD(kp, sk, sk_receive_queue.qlen);
}

/*
 * Has TCP sent all that it was given? What waits for its acknowledgement is no longer in this queue
 * (since 4.15, 75c119afe14f): the same as snd_nxt and write_seq.
 */
static __always_inline bool tcp_all_sent(bool kp, struct sock *sk)
{
	return !FIELD(kp, sk, sk_write_queue.qlen);
}

/*
 * Bytes in a TCP receive queue. A FIN takes a sequence number and is not a byte (tcp_fin() moves
 * rcv_nxt over it, tcp_recvmsg() moves copied_seq over it when it returns 0).
 */
static __always_inline __u32 tcp_unread(bool kp, struct sock *sk, struct tcp_sock *tp)
{
	__u32 unread = FIELD(kp, tp, rcv_nxt) - FIELD(kp, tp, copied_seq);

	if (unread && (FIELD(kp, sk, sk_shutdown) & RCV_SHUTDOWN))
		unread--;
	return unread;
}

/*
 * Bytes that were in the queue before this send of in->bytes began. The hook runs after the call,
 * and a fast peer may have answered by then; what it sent in answer acknowledges part of this send,
 * so it can be told apart: by snd_una as a whole, or segment by segment (tcp_skb_cb.ack_seq is what
 * the segment acknowledged). Where old and new bytes were merged into one skb (tcp_try_coalesce()
 * keeps the newest ack_seq), rcv_wup tells: it was rcv_nxt when this request was transmitted
 * (tcp_select_window()), unless the answer has been acknowledged since. QUEUED: what the last
 * receive left behind is there still.
 *
 * A receive copies until its buffer is full or the queue is empty. So an skb of which a part was
 * read lay there before it ended; one of which nothing was read may have come since.
 */
static __noinline int tcp_unread_before(struct sock *sk, struct tcp_sock *tp, __u32 queued,
					struct ledger_in *in)
{
	const bool kp = opt_kprobe;
	__u32 start = FIELD(kp, tp, write_seq) - in->bytes, copied = FIELD(kp, tp, copied_seq);
	__u32 old = 0, acked, wup;
	struct sk_buff *head = (struct sk_buff *)&sk->sk_receive_queue, *skb;
	int i;

	in->unread = tcp_unread(kp, sk, tp);
	in->unread_exact = 1;
	if (!in->unread)
		return 0;
	skb = FIELD(kp, sk, sk_receive_queue.next);
	if (skb && skb != head)
		in->unread_part = (__s32)(CB_FIELD(kp, skb, struct tcp_skb_cb, seq) - copied) < 0;
	if ((__s32)(FIELD(kp, tp, snd_una) - start) <= 0)
		return 0;
	wup = FIELD(kp, tp, rcv_wup);
	for (i = 0; i < QUEUE_WALK; i++) {
		__u32 seq, end, ack;

		if (!skb || skb == head)
			goto done;
		seq = CB_FIELD(kp, skb, struct tcp_skb_cb, seq);
		end = CB_FIELD(kp, skb, struct tcp_skb_cb, end_seq);
		ack = CB_FIELD(kp, skb, struct tcp_skb_cb, ack_seq);
		if ((__s32)(ack - start) > 0) {
			/* It answers the new request; did it swallow older bytes? */
			acked = wup - copied;
			if (wup != FIELD(kp, tp, rcv_nxt) && acked > old && (__s32)acked > 0 &&
			    (__s32)(wup - seq) > 0) {
				old = acked;
				in->unread_exact = 0;
			}
			goto done;
		}
		if ((__s32)(seq - copied) < 0)
			seq = copied;
		if ((__s32)(end - seq) > 0)
			old += end - seq;
		skb = FIELD(kp, skb, next);
	}
	in->unread_exact = 0;
	return 0;
done:
	if (queued && old <= queued) {
		old = queued;
		in->unread_exact = 1;
	}
	if (old > in->unread)
		old = in->unread;
	in->unread = old;
	return 0;
}

/* Bytes in a Unix stream socket's receive queue, up to QUEUE_WALK skbs; *EXACT: all were seen. */
static __always_inline __u32 unix_unread(bool kp, struct sock *sk, __u8 *exact)
{
	struct sk_buff *head = (struct sk_buff *)&sk->sk_receive_queue, *skb;
	__u32 bytes = 0;
	int i;

	*exact = 1;
	if (!FIELD(kp, sk, sk_receive_queue.qlen))
		return 0;
	skb = FIELD(kp, sk, sk_receive_queue.next);
	for (i = 0; i < QUEUE_WALK; i++) {
		if (!skb || skb == head)
			return bytes;
		bytes += FIELD(kp, skb, len) - CB_FIELD(kp, skb, struct unix_skb_parms, consumed);
		skb = FIELD(kp, skb, next);
	}
	*exact = 0;
	return bytes;
}

/* Was the first skb of a Unix stream socket's queue read in part? */
static __always_inline bool unix_in_part(bool kp, struct sock *sk)
{
	struct sk_buff *skb = FIELD(kp, sk, sk_receive_queue.next);

	return skb && skb != (struct sk_buff *)&sk->sk_receive_queue &&
	       CB_FIELD(kp, skb, struct unix_skb_parms, consumed);
}

/* The peer, as long as it has not gone: unix_stream_connect() ties both ends together. */
static __always_inline struct sock *unix_peer(bool kp, struct sock *sk)
{
	struct unix_sock *u = unix_of(kp, sk);

	return u ? FIELD(kp, u, peer) : 0;
}

/*
 * Did this Unix stream socket connect? An accepted socket shares its listener's address
 * (unix_stream_connect() copies the pointer and takes a reference), so it has a name, and its
 * peer, the client, usually none. Of a socketpair neither has one. Where both are named, the name
 * that is shared (more than one reference) is the accepted side's.
 */
static __always_inline int unix_is_client(bool kp, struct sock *sk)
{
	struct unix_sock *u = unix_of(kp, sk), *pu;
	struct unix_address *mine, *theirs;
	struct sock *peer;

	if (!u)
		return 0;
	peer = FIELD(kp, u, peer);
	if (!peer)
		return 0;
	pu = unix_of(kp, peer);
	if (!pu)
		return 0;
	mine = FIELD(kp, u, addr);
	theirs = FIELD(kp, pu, addr);
	if (!theirs)
		return 0;
	return !mine || FIELD(kp, mine, refcnt.refs.counter) == 1;
}

/* The path of the Unix socket SK, which may be NULL. */
static __always_inline void unix_path_of(bool kp, struct sock *sk, struct sock_addr *a)
{
	struct unix_sock *u = sk ? unix_of(kp, sk) : 0;
	struct unix_address *ua = u ? FIELD(kp, u, addr) : 0;
	/* name[] starts with the family, two bytes before the path. */
	__u32 off = bpf_core_field_offset(struct unix_address, name) + 2;
	int len, i;

	if (!ua)
		return;
	len = FIELD(kp, ua, len) - 2;
	if (len <= 0 || len > ADDR_LEN)
		return;
	a->unix_len = len;
	if (kp) {
		bpf_probe_read_kernel(a->peer, len, (__u8 *)ua + off);
		return;
	}
	for (i = 0; i < ADDR_LEN; i++) {
		if (i >= len)
			break;
		a->peer[i] = *((__u8 *)ua + off + i);
	}
}

/* NAMED: the Unix socket that has the path; NULL: the peer, as long as SK has one. */
static __always_inline void sock_addr_of(bool kp, struct sock *sk, struct sock *named,
					 struct sock_addr *a)
{
	__u16 family = FIELD(kp, sk, __sk_common.skc_family);
	int i;

	a->family = family;
	a->local_port = a->peer_port = a->unix_len = 0;
	__builtin_memset(a->local, 0, sizeof(a->local));
	__builtin_memset(a->peer, 0, sizeof(a->peer));
	if (family == AF_UNIX) {
		unix_path_of(kp, named ? named : unix_peer(kp, sk), a);
		return;
	}
	a->local_port = FIELD(kp, sk, __sk_common.skc_num);
	a->peer_port = bpf_ntohs(FIELD(kp, sk, __sk_common.skc_dport));
	/* A closed socket has given its port back (inet_put_port()); inet_sport remembers it. */
	if (!a->local_port) {
		struct tcp_sock *tp = tcp_cast(kp, sk);

		if (tp)
			a->local_port = bpf_ntohs(FIELD(kp, tp, inet_conn.icsk_inet.inet_sport));
	}
	if (family == AF_INET) {
		*(__u32 *)a->local = FIELD(kp, sk, __sk_common.skc_rcv_saddr);
		*(__u32 *)a->peer = FIELD(kp, sk, __sk_common.skc_daddr);
		return;
	}
#pragma unroll
	for (i = 0; i < 4; i++) {
		((__u32 *)a->local)[i] =
			FIELD(kp, sk, __sk_common.skc_v6_rcv_saddr.in6_u.u6_addr32[i]);
		((__u32 *)a->peer)[i] = FIELD(kp, sk, __sk_common.skc_v6_daddr.in6_u.u6_addr32[i]);
	}
}

#endif
