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
#define TCP_CLOSE	7
#define TCP_CLOSE_WAIT	8
#define TCP_LAST_ACK	9
#define TCP_LISTEN	10
#define RCV_SHUTDOWN	1
#define SEND_SHUTDOWN	2

/* skbs of a receive queue that are looked at; a longer queue is an inexact answer. */
#define QUEUE_WALK 16

/*
 * Bytes in a TCP receive queue. A FIN takes a sequence number and is not a byte (tcp_fin() moves
 * rcv_nxt over it, tcp_recvmsg() moves copied_seq over it when it returns 0).
 */
static __always_inline __u32 tcp_unread(struct sock *sk, struct tcp_sock *tp)
{
	__u32 unread = tp->rcv_nxt - tp->copied_seq;

	if (unread && (sk->sk_shutdown & RCV_SHUTDOWN))
		unread--;
	return unread;
}

/*
 * Bytes that were in the queue before this send of BYTES began. The hook runs after the call, and
 * a fast peer may have answered by then; what it sent in answer acknowledges part of this send, so
 * it can be told apart: by snd_una as a whole, or segment by segment (tcp_skb_cb.ack_seq is what
 * the segment acknowledged). Where old and new bytes were merged into one skb (tcp_try_coalesce()
 * keeps the newest ack_seq), rcv_wup tells: it was rcv_nxt when this request was transmitted
 * (tcp_select_window()), unless the answer has been acknowledged since. QUEUED: what the last
 * receive left behind is there still.
 */
static __always_inline void tcp_unread_before(struct sock *sk, struct tcp_sock *tp, __u32 bytes,
					      __u32 queued, struct ledger_in *in)
{
	__u32 start = tp->write_seq - bytes, copied = tp->copied_seq, old = 0, acked;
	struct sk_buff *head = (struct sk_buff *)&sk->sk_receive_queue, *skb;
	int i;

	in->unread = tcp_unread(sk, tp);
	in->unread_exact = 1;
	if (!in->unread || (__s32)(tp->snd_una - start) <= 0)
		return;
	skb = sk->sk_receive_queue.next;
	for (i = 0; i < QUEUE_WALK; i++) {
		__u32 seq, end, ack;
		__u32 *cb;

		if (!skb || skb == head)
			goto done;
		cb = (__u32 *)&skb->cb;
		seq = cb[bpf_core_field_offset(struct tcp_skb_cb, seq) / 4];
		end = cb[bpf_core_field_offset(struct tcp_skb_cb, end_seq) / 4];
		ack = cb[bpf_core_field_offset(struct tcp_skb_cb, ack_seq) / 4];
		if ((__s32)(ack - start) > 0) {
			/* It answers the new request; did it swallow older bytes? */
			acked = tp->rcv_wup - copied;
			if (tp->rcv_wup != tp->rcv_nxt && acked > old && (__s32)acked > 0 &&
			    (__s32)(tp->rcv_wup - seq) > 0) {
				old = acked;
				in->unread_exact = 0;
			}
			goto done;
		}
		if ((__s32)(seq - copied) < 0)
			seq = copied;
		if ((__s32)(end - seq) > 0)
			old += end - seq;
		skb = skb->next;
	}
	in->unread_exact = 0;
	return;
done:
	if (old < queued)
		old = queued;
	if (old > in->unread)
		old = in->unread;
	in->unread = old;
}

/* Bytes in a Unix stream socket's receive queue, up to QUEUE_WALK skbs; *EXACT: all were seen. */
static __always_inline __u32 unix_unread(struct sock *sk, __u8 *exact)
{
	struct sk_buff *head = (struct sk_buff *)&sk->sk_receive_queue, *skb;
	__u32 bytes = 0;
	int i;

	*exact = 1;
	if (!sk->sk_receive_queue.qlen)
		return 0;
	skb = sk->sk_receive_queue.next;
	for (i = 0; i < QUEUE_WALK; i++) {
		if (!skb || skb == head)
			return bytes;
		bytes += skb->len -
			 ((__u32 *)&skb
				  ->cb)[bpf_core_field_offset(struct unix_skb_parms, consumed) / 4];
		skb = skb->next;
	}
	*exact = 0;
	return bytes;
}

/* The peer, as long as it has not gone: unix_stream_connect() ties both ends together. */
static __always_inline struct sock *unix_peer(struct sock *sk)
{
	struct unix_sock *u = bpf_skc_to_unix_sock(sk);

	return u ? u->peer : 0;
}

/*
 * Did this Unix stream socket connect? An accepted socket shares its listener's address
 * (unix_stream_connect() copies the pointer and takes a reference), so it has a name, and its
 * peer, the client, usually none. Of a socketpair neither has one. Where both are named, the name
 * that is shared (more than one reference) is the accepted side's.
 */
static __always_inline int unix_is_client(struct sock *sk)
{
	struct unix_sock *u = bpf_skc_to_unix_sock(sk), *pu;
	struct unix_address *mine, *theirs;
	struct sock *peer;

	if (!u)
		return 0;
	peer = u->peer;
	if (!peer)
		return 0;
	pu = bpf_skc_to_unix_sock(peer);
	if (!pu)
		return 0;
	mine = u->addr;
	theirs = pu->addr;
	if (!theirs)
		return 0;
	return !mine || mine->refcnt.refs.counter == 1;
}

/* NAMED: the Unix socket that has the path; NULL: the peer, as long as SK has one. */
static __always_inline void sock_addr_of(struct sock *sk, struct sock *named, struct sock_addr *a)
{
	__u16 family = sk->__sk_common.skc_family;

	a->family = family;
	a->local_port = sk->__sk_common.skc_num;
	a->peer_port = bpf_ntohs(sk->__sk_common.skc_dport);
	a->unix_len = 0;
	__builtin_memset(a->local, 0, sizeof(a->local));
	__builtin_memset(a->peer, 0, sizeof(a->peer));
	/* A closed socket has given its port back (inet_put_port()); inet_sport remembers it. */
	if (!a->local_port && family != AF_UNIX) {
		struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);

		if (tp)
			a->local_port = bpf_ntohs(tp->inet_conn.icsk_inet.inet_sport);
	}
	if (family == AF_INET) {
		*(__u32 *)a->local = sk->__sk_common.skc_rcv_saddr;
		*(__u32 *)a->peer = sk->__sk_common.skc_daddr;
	} else if (family == AF_INET6) {
		__u32 *from = sk->__sk_common.skc_v6_rcv_saddr.in6_u.u6_addr32;
		__u32 *to = sk->__sk_common.skc_v6_daddr.in6_u.u6_addr32;

#pragma unroll
		for (int i = 0; i < 4; i++) {
			((__u32 *)a->local)[i] = from[i];
			((__u32 *)a->peer)[i] = to[i];
		}
	} else if (family == AF_UNIX) {
		struct sock *peer = named ? named : unix_peer(sk);
		struct unix_sock *pu = peer ? bpf_skc_to_unix_sock(peer) : 0;
		struct unix_address *ua = pu ? pu->addr : 0;

		a->local_port = a->peer_port = 0;
		if (ua) {
			/* name[] starts with the family, two bytes before the path. */
			__u32 off = bpf_core_field_offset(struct unix_address, name) + 2;
			int len = ua->len - 2, i;

			if (len > 0 && len <= ADDR_LEN) {
				a->unix_len = len;
				for (i = 0; i < ADDR_LEN; i++) {
					if (i >= len)
						break;
					a->peer[i] = *((__u8 *)ua + off + i);
				}
			}
		}
	}
}

#endif
