/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The hook tiers: programs that unpack what a hook hands them and call the shared handlers. One
 * tier is loaded; user/tiers.c has the table that says which program belongs to which. Included by
 * mispair.bpf.c.
 */
#ifndef MISPAIR_TIERS_H
#define MISPAIR_TIERS_H

#define ECONNRESET 104

/*
 * Did a Unix socket's receive that returned RET find its peer closed? unix_release_sock() makes it
 * a reset where the peer left bytes unread.
 */
static __always_inline bool peer_has_closed(int ret)
{
	return ret == 0 || ret == -ECONNRESET;
}

/*
 * ---- tp_btf: sock_send_length and sock_recv_length (6.3, 6e6eda44b939): after the call, with its
 * result, for TCP and Unix alike ----
 */

SEC("?tp_btf/sock_send_length")
int BPF_PROG(tp_send, struct sock *sk, int ret, int flags)
{
	handle_send(false, sk, ret);
	return 0;
}

SEC("?tp_btf/sock_recv_length")
int BPF_PROG(tp_recv, struct sock *sk, int ret, int flags)
{
	if (peer_has_closed(ret) && sk->__sk_common.skc_family == AF_UNIX)
		unix_eof(sk);
	else
		received(sk, ret, flags);
	return 0;
}

/*
 * ---- fexit. The arguments come first, the result behind them ----
 */

/*
 * Word N of the context. In assembly: of loads in C whose offset differs clang makes one load at a
 * variable offset, which no verifier before 7.2 accepts.
 */
#define CONTEXT_WORD(ctx, n)                                                                       \
	({                                                                                         \
		__u64 w_;                                                                          \
		asm volatile("%0 = *(u64 *)(%1 + %2)" : "=r"(w_) : "r"(ctx), "i"((n)*8));          \
		w_;                                                                                \
	})

SEC("?fexit/tcp_sendmsg")
int BPF_PROG(fexit_tcp_send, struct sock *sk, void *msg, __u64 size, int ret)
{
	handle_send(false, sk, ret);
	return 0;
}

/* (sk, msg, len, [nonblock until 5.18,] flags[, addr_len until 6.18]); see opt_recv_args. */
SEC("?fexit/tcp_recvmsg")
int fexit_tcp_recv(__u64 *ctx)
{
	struct sock *sk = (struct sock *)ctx[0];
	int ret = 0, flags = 0;

	if (opt_recv_args == 4) {
		flags = CONTEXT_WORD(ctx, 3);
		ret = CONTEXT_WORD(ctx, 4);
	}
	if (opt_recv_args == 5) {
		flags = CONTEXT_WORD(ctx, 3);
		ret = CONTEXT_WORD(ctx, 5);
	}
	if (opt_recv_args == 6) {
		flags = CONTEXT_WORD(ctx, 4);
		ret = CONTEXT_WORD(ctx, 6);
	}
	received(sk, ret, flags);
	return 0;
}

SEC("?fexit/unix_stream_sendmsg")
int BPF_PROG(fexit_unix_send, struct socket *socket, void *msg, __u64 size, int ret)
{
	struct sock *sk = socket->sk;

	if (sk)
		handle_send(false, sk, ret);
	return 0;
}

SEC("?fexit/unix_stream_recvmsg")
int BPF_PROG(fexit_unix_recv, struct socket *socket, void *msg, __u64 size, int flags, int ret)
{
	struct sock *sk = socket->sk;

	if (!sk)
		return 0;
	if (peer_has_closed(ret))
		unix_eof(sk);
	else
		received(sk, ret, flags);
	return 0;
}

/*
 * ---- kprobe: the socket is known at the entry, the result at the return. What TCP receives is
 * told by a tracepoint instead (below): a return probe has a limited number of instances, and
 * every thread that is blocked in a receive would hold one ----
 */

/* A call begins that may concern SK's ledger. */
static __always_inline void call_begins(struct sock *sk)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	__u64 *call = bpf_map_lookup_elem(&calls, &tid), key = (__u64)sk;

	if (!call) {
		if (bpf_map_update_elem(&calls, &tid, &key, BPF_ANY))
			count_loss(KLOSS_CALLS_FULL);
		return;
	}
	/* This thread's call before had no return: the kernel had no instance left for it. */
	if (*call) {
		struct tracked *k = bpf_map_lookup_elem(&keyed_ledgers, call);

		count_loss(KLOSS_RETURN);
		if (k)
			k->l.flags |= LEDGER_GAP;
	}
	*call = key;
}

/* ... and ends. NULL: it did not concern us. */
static __always_inline struct sock *call_ends(void)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	__u64 *call = bpf_map_lookup_elem(&calls, &tid), key;

	if (!call)
		return 0;
	key = *call;
	*call = 0;
	return (struct sock *)key;
}

SEC("?kprobe/tcp_sendmsg")
int BPF_KPROBE(kprobe_tcp_send, struct sock *sk)
{
	if (ledger_of(true, sk))
		call_begins(sk);
	return 0;
}

SEC("?kretprobe/tcp_sendmsg")
int BPF_KRETPROBE(kretprobe_tcp_send, int ret)
{
	struct sock *sk = call_ends();

	if (sk)
		handle_send(true, sk, ret);
	return 0;
}

/*
 * tcp_recvmsg_locked() calls tcp_rcv_space_adjust() after each piece that it copied, and moves
 * copied_seq before that unless it peeks. The tracepoint is there since 4.16 (6163849d289b).
 */
SEC("?tp_btf/tcp_rcv_space_adjust")
int BPF_PROG(adjust_tcp_recv, struct sock *sk)
{
	struct tracked *k = (struct tracked *)ledger_of(true, sk);
	__u32 bytes;

	if (!k)
		return 0;
	bytes = FIELD(true, (struct tcp_sock *)sk, copied_seq) - k->copied;
	k->copied += bytes;
	if (bytes)
		handle_recv(true, sk, &k->l, bytes);
	return 0;
}

SEC("?kprobe/unix_stream_sendmsg")
int BPF_KPROBE(kprobe_unix_send, struct socket *socket)
{
	struct sock *sk = FIELD(true, socket, sk);

	if (ledger_of(true, sk) || unix_is_client(true, sk))
		call_begins(sk);
	return 0;
}

SEC("?kretprobe/unix_stream_sendmsg")
int BPF_KRETPROBE(kretprobe_unix_send, int ret)
{
	struct sock *sk = call_ends();

	if (sk)
		handle_send(true, sk, ret);
	return 0;
}

SEC("?kprobe/unix_stream_recvmsg")
int BPF_KPROBE(kprobe_unix_recv, struct socket *socket, void *msg, __u64 size, int flags)
{
	struct sock *sk = FIELD(true, socket, sk);

	if (!(flags & (MSG_PEEK | MSG_ERRQUEUE)) && ledger_of(true, sk))
		call_begins(sk);
	return 0;
}

SEC("?kretprobe/unix_stream_recvmsg")
int BPF_KRETPROBE(kretprobe_unix_recv, int ret)
{
	struct sock *sk = call_ends();
	struct ledger *l = sk && ret > 0 ? ledger_of(true, sk) : 0;

	if (l)
		handle_recv(true, sk, l, ret);
	return 0;
}

/* A Unix socket's last close. */
SEC("?kprobe/unix_release")
int BPF_KPROBE(kprobe_unix_close, struct socket *socket)
{
	struct sock *sk = FIELD(true, socket, sk);
	struct ledger *l = sk ? ledger_of(true, sk) : 0;
	__u64 key = (__u64)sk;

	if (!l)
		return 0;
	l->flags |= LEDGER_CLOSED;
	handle_close(sk, 0, l);
	last_words(sk, 0, l);
	bpf_map_delete_elem(&keyed_ledgers, &key);
	return 0;
}

#endif
