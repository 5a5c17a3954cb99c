// SPDX-License-Identifier: GPL-2.0
/*
 * What any tracer costs that hangs on the two tracepoints of each message: programs that do
 * nothing, and programs that do the least that counts by socket: find the client's count, and add
 * one.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

struct counts {
	__u64 sends;
	__u64 receives;
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct counts);
} counted SEC(".maps");

SEC("?tp_btf/sock_send_length")
int nothing_send(void *ctx)
{
	return 0;
}

SEC("?tp_btf/sock_recv_length")
int nothing_recv(void *ctx)
{
	return 0;
}

/* As mispair does: what connects is a client, and only clients are counted. */
SEC("?tp_btf/inet_sock_set_state")
int BPF_PROG(count_state, struct sock *sk, int old, int new)
{
	if (new == 2 /* TCP_SYN_SENT */)
		bpf_sk_storage_get(&counted, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	return 0;
}

static __always_inline struct counts *counts_of(struct sock *sk)
{
	return sk->sk_bpf_storage ? bpf_sk_storage_get(&counted, sk, 0, 0) : 0;
}

SEC("?tp_btf/sock_send_length")
int BPF_PROG(count_send, struct sock *sk, int ret, int flags)
{
	struct counts *c = counts_of(sk);

	if (c)
		c->sends++;
	return 0;
}

SEC("?tp_btf/sock_recv_length")
int BPF_PROG(count_recv, struct sock *sk, int ret, int flags)
{
	struct counts *c = counts_of(sk);

	if (c)
		c->receives++;
	return 0;
}
