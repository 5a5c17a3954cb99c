/* SPDX-License-Identifier: GPL-2.0 */
/* Programs that walk over sockets: adoption, and the refresh pass. Included by mispair.bpf.c. */
#ifndef MISPAIR_ITERATORS_H
#define MISPAIR_ITERATORS_H

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

#endif
