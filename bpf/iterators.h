/* SPDX-License-Identifier: GPL-2.0 */
/* The program that walks over open files: adoption at the start. Included by mispair.bpf.c. */
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

/* 0: note listening ports; 1: adopt. */
__u32 adopt_phase;

/*
 * SK is only walked to, and this kernel does not let it be given a ledger here: it gets one when it
 * sends.
 */
static __always_inline void adopt_later(struct sock *sk, __u16 family, __u32 tgid, __u32 id)
{
	struct adoptable a = {.family = family, .tgid = tgid, .id = id};
	__u64 key = (__u64)sk;

	if (family != AF_UNIX) {
		a.local_port = FIELD(opt_kprobe, sk, __sk_common.skc_num);
		a.peer_port = FIELD(opt_kprobe, sk, __sk_common.skc_dport);
	}
	if (bpf_map_update_elem(&adoptables, &key, &a, BPF_ANY)) {
		count_loss(KLOSS_ADOPTABLES_FULL);
		return;
	}
	adoptable_ports[a.local_port / 64] |= 1ULL << a.local_port % 64;
}

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
			if (bpf_map_update_elem(&listening, &port, &one, BPF_ANY))
				count_loss(KLOSS_LISTENING_FULL);
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
	if (!opt_kprobe && !opt_walked) {
		adopt_later(sk, family, tgid, meet_process(tgid, task->pid, task->start_boottime));
		return 0;
	}
	if (ledger_of(opt_kprobe, sk))
		return 0; /* another descriptor of the same socket */
	l = give_birth(opt_kprobe, sk, LEDGER_ADOPTED, 0);
	if (!l)
		return 0;
	if (family == AF_UNIX)
		l->flags |= LEDGER_UNIX;
	else if (opt_kprobe)
		((struct tracked *)l)->copied = FIELD(true, (struct tcp_sock *)sk, copied_seq);
	if (family == AF_UNIX && !opt_kprobe)
		note_client(sk, l);
	/* Whose it is; who owns a request is not known before it sends one. */
	l->owner.tgid = tgid;
	count(CNT_ADOPTED, 1);
	l->owner.id = meet_process(tgid, task->pid, task->start_boottime);
	return 0;
}

#endif
