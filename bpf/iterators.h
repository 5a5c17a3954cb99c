/* SPDX-License-Identifier: GPL-2.0 */
/* Programs that walk over sockets: adoption, and the refresh pass. Included by mispair.bpf.c. */
#ifndef MISPAIR_ITERATORS_H
#define MISPAIR_ITERATORS_H

/* bpf_sock_from_file() came with 5.11 (4f19cab76136); before, a file's operations tell. */
#define NO_SOCK_FROM_FILE (!HAVE_HELPER(sock_from_file))
extern const void socket_file_ops __ksym __weak;

static __always_inline struct socket *socket_of(struct file *file)
{
	if (!NO_SOCK_FROM_FILE)
		return bpf_sock_from_file(file);
	if (file->f_op != (const struct file_operations *)&socket_file_ops)
		return 0;
	return file->private_data;
}

/* Rows that one read of `dump` tells at most; set before load. */
const volatile __u32 rows_max = 4096;

#define BPF_F_MMAPABLE (1U << 10)

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
	char comm[16];
	__u32 tgid, i;
	__u16 port, family, protocol;
	__u8 one = 1, state;

	if (!task || !file || task->pid != task->tgid)
		return 0;
	socket = socket_of(file);
	if (!socket)
		return 0;
	sk = FIELD(NO_SOCK_FROM_FILE, socket, sk);
	if (!sk)
		return 0;
	tgid = task->tgid;
	port = FIELD(opt_kprobe, sk, __sk_common.skc_num);
	state = FIELD(opt_kprobe, sk, __sk_common.skc_state);
	family = FIELD(opt_kprobe, sk, __sk_common.skc_family);
	protocol = FIELD(opt_kprobe, sk, sk_protocol);
	if (!adopt_phase) {
		if (protocol == IPPROTO_TCP && state == TCP_LISTEN)
			bpf_map_update_elem(&listening, &port, &one, BPF_ANY);
		return 0;
	}
	if (state != TCP_ESTABLISHED || FIELD(opt_kprobe, sk, sk_type) != SOCK_STREAM)
		return 0;
	if (family == AF_UNIX) {
		if (!unix_is_client(opt_kprobe, sk))
			return 0;
	} else if (protocol != IPPROTO_TCP || bpf_map_lookup_elem(&listening, &port)) {
		return 0;
	}
	for (i = 0; i < sizeof(comm); i++)
		comm[i] = task->comm[i];
	if (!wanted(sk, tgid, comm))
		return 0;
	if (ledger_of(opt_kprobe, sk))
		return 0; /* another descriptor of the same socket */
	l = give_birth(opt_kprobe, sk, LEDGER_ADOPTED);
	if (!l)
		return 0;
	if (family == AF_UNIX)
		l->flags |= LEDGER_UNIX;
	else if (opt_kprobe)
		((struct tracked *)l)->copied =
			FIELD(opt_kprobe, (struct tcp_sock *)sk, copied_seq);
	/* Whose it is; who owns a request is not known before it sends one. */
	l->owner.tgid = tgid;
	count(CNT_ADOPTED, 1);
	meet_process(tgid, task->pid);
	return 0;
}

/*
 * Rows of the refresh pass, shared with the collector; key: position. Filled by `dump`, which ends
 * a read of its iterator when it is full; the collector takes the rows and reads on. Not written
 * through the iterator's own buffer: that holds some ninety rows, and each read after the first
 * walks over all that were told before (bpf_sk_storage_map_seq_find_next() counts from the start
 * of a bucket, and there are as few buckets as CPUs).
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 4096); /* set anew before load */
	__type(key, __u32);
	__type(value, struct ledger_row);
} rows SEC(".maps");

/* Rows that `rows` holds; set to 0 by the collector before each read. */
__u32 rows_filled;

static __always_inline void write_row(bool kp, struct seq_file *seq, struct sock *sk,
				      struct ledger *l)
{
	__u32 at = rows_filled;
	struct ledger_row *row = bpf_map_lookup_elem(&rows, &at);
	__u8 byte = 0;

	if (!row)
		return;
	row->cookie = cookie_of(kp, sk, l);
	__builtin_memcpy(&row->l, l, sizeof(*l));
	row->unread = 0;
	row->state = 0;
	if (l->flags & LEDGER_UNIX) {
		row->unread = unix_unread(kp, sk, &byte);
	} else {
		struct tcp_sock *tp = tcp_of(kp, sk);

		if (tp)
			row->unread = tcp_unread(kp, sk, tp);
		row->state = FIELD(kp, sk, __sk_common.skc_state);
	}
	sock_addr_of(kp, sk, 0, &row->addr);
	rows_filled = at + 1;
	/* The read was for one byte: it ends here. */
	if (at + 1 >= rows_max)
		bpf_seq_write(seq, &byte, 1);
}

/* All ledgers, for the refresh pass. */
SEC("iter/bpf_sk_storage_map")
int dump(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct sock *sk = ctx->sk;
	struct ledger *l = ctx->value;

	if (sk && l)
		write_row(false, ctx->meta->seq, sk, l);
	return 0;
}

/* ... in the kprobe tier. */
SEC("?iter/bpf_map_elem")
int dump_keyed(struct bpf_iter__bpf_map_elem *ctx)
{
	__u64 *key = ctx->key;
	struct tracked *k = ctx->value;

	if (key && k)
		write_row(true, ctx->meta->seq, (struct sock *)*key, &k->l);
	return 0;
}

#endif
