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

/*
 * SK is only walked to, and this kernel does not let it be given a ledger here: it gets one when it
 * sends, or when a pass over all sockets meets it.
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
		count_loss(KLOSS_MAP_FULL);
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

/*
 * The refresh pass. Most connections of a host lie still most of the time, so a pass tells only
 * those on which something moved since the one before, and those that the collector looks at each
 * time; of the others it counts what the totals need. The collector reads everything between two
 * passes and the programs only run while it waits in read(2): nothing here needs a lock.
 */

/*
 * Rows of a pass, shared with the collector; key: position. Filled by `dump`, which ends a read of
 * its iterator when it is full; the collector takes the rows and reads on. Not written through the
 * iterator's own buffer: that holds some ninety rows, and each read after the first walks over all
 * that were told before (bpf_sk_storage_map_seq_find_next() counts from the start of a bucket, and
 * there are as few buckets as CPUs).
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 4096); /* set anew before load */
	__type(key, __u32);
	__type(value, struct walk_row);
} rows SEC(".maps");

/*
 * Marks of sockets, shared with the collector; key: slot, 0 is nobody's. Given out here, taken back
 * by the collector when passes have missed the socket. Full: a socket without a mark is told in
 * each pass.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 4096); /* set anew before load */
	__type(key, __u32);
	__type(value, struct walk_mark);
} marks SEC(".maps");

/* Slots that the collector has taken back: a stack of free_slots_n of them. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 4096); /* set anew before load */
	__type(key, __u32);
	__type(value, __u32);
} free_slots SEC(".maps");

__u32 free_slots_n;
__u32 slots_used;  /* slots that were ever given out */
__u32 rows_filled; /* set to 0 by the collector before each read */
__u32 walk_pass;   /* number of this pass, from 1 */
__u32 walk_slot;   /* of the socket before */
__u32 walk_all;	   /* 1: tell every socket */
/* Sockets that this pass did not tell, and their counts; set to 0 by the collector. */
__u64 kept_sockets, kept_requests, kept_replies;

/* Passes that go on telling a socket after the last that had to: what was said of it is reviewed.
 */
#define WALK_HOLD 6

/* Where there are very many sockets, the queue of one that is owed nothing is looked at in one pass
 * of so many: to look at the socket costs more than all else that is done about it. */
#define WALK_MANY   10000
#define WALK_QUEUES 32

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
static __always_inline bool looked_at(const struct ledger *l)
{
	return l->abandoned || l->gave_up || l->watch || l->hot || l->steps ||
	       (l->flags & LEDGER_GAP) || (ledger_owed(l) && l->owner.kind == OWNER_TASK);
}

/* The mark of T, a new one if it has none; NULL: there is none left. */
static __always_inline struct walk_mark *mark_of(struct tracked *t, __u32 *slot)
{
	struct walk_mark *m;
	__u32 at, *from;

	/* Sockets are met in the order of the pass before, in which they got their slots. */
	*slot = walk_slot + 1;
	m = bpf_map_lookup_elem(&marks, slot);
	if (m && m->owner == (__u64)t)
		goto found;
	*slot = t->slot;
	m = *slot ? bpf_map_lookup_elem(&marks, slot) : 0;
	if (m && m->owner == (__u64)t)
		goto found;
	at = free_slots_n - 1;
	from = free_slots_n ? bpf_map_lookup_elem(&free_slots, &at) : 0;
	*slot = from ? *from : slots_used + 1;
	m = bpf_map_lookup_elem(&marks, slot);
	if (!m) {
		*slot = t->slot = 0;
		return 0;
	}
	if (from)
		free_slots_n = at;
	else
		slots_used++;
	t->slot = *slot;
	m->owner = (__u64)t;
	m->stamp = 0; /* what a socket that did nothing has as well: told by `hold` */
	m->hold = 1;
found:
	walk_slot = *slot;
	return m;
}

/* Bytes in SK's queue. */
static __always_inline __u32 unread_of(bool kp, struct sock *sk, struct ledger *l)
{
	struct tcp_sock *tp;
	__u8 exact;

	if (l->flags & LEDGER_UNIX)
		return unix_unread(kp, sk, &exact);
	tp = tcp_of(kp, sk);
	return tp ? tcp_unread(kp, sk, tp) : 0;
}

static __always_inline void write_row(bool kp, struct seq_file *seq, struct sock *sk,
				      struct ledger *l, __u32 slot, __u32 unread)
{
	__u32 at = rows_filled;
	struct walk_row *w = bpf_map_lookup_elem(&rows, &at);
	__u8 byte = 0;

	if (!w)
		return;
	w->slot = slot;
	w->row.cookie = cookie_of(kp, sk, l);
	__builtin_memcpy(&w->row.l, l, sizeof(*l));
	w->row.unread = unread;
	w->row.state = l->flags & LEDGER_UNIX ? 0 : FIELD(kp, sk, __sk_common.skc_state);
	sock_addr_of(kp, sk, 0, &w->row.addr);
	rows_filled = at + 1;
	/* The read was for one byte: it ends here. */
	if (at + 1 >= rows_max)
		bpf_seq_write(seq, &byte, 1);
}

/* Was SK told before, and has nothing happened on it since? */
static __always_inline bool lies_still(bool kp, struct sock *sk, struct ledger *l,
				       const struct walk_mark *m, __u32 slot, __u64 stamp)
{
	if (walk_all || m->hold || m->stamp != stamp)
		return false;
	/* Bytes in a queue that is owed none change nothing but a number in the view. */
	if (!ledger_owed(l) && slots_used > WALK_MANY && (slot + walk_pass) % WALK_QUEUES)
		return true;
	return unread_of(kp, sk, l) == m->unread;
}

static __always_inline void look(bool kp, struct seq_file *seq, struct sock *sk, struct tracked *t)
{
	struct ledger *l = &t->l;
	__u64 stamp = stamp_of(l);
	struct walk_mark *m = 0;
	__u32 slot = 0, unread;

	/* Its last words have been told, by who could only read its ledger. */
	if (!kp && (l->flags & LEDGER_UNIX) && sk->__sk_common.skc_state == TCP_CLOSE)
		return;
	/* A closed one lingers in the kernel; without its mark it counts as gone. */
	if (!(l->flags & LEDGER_CLOSED))
		m = mark_of(t, &slot);
	if (m) {
		m->pass = walk_pass;
		if (lies_still(kp, sk, l, m, slot, stamp)) {
			kept_sockets++;
			kept_requests += l->requests;
			kept_replies += l->replies;
			return;
		}
	}
	unread = unread_of(kp, sk, l);
	if (m) {
		m->stamp = stamp;
		m->unread = unread;
		if (looked_at(l))
			m->hold = WALK_HOLD;
		else if (m->hold)
			m->hold--;
	}
	write_row(kp, seq, sk, l, slot, unread);
}

/* Ledgers that are fetched ahead, in one go. */
#define FETCH	    8
#define FETCH_BYTES 128

/*
 * Fetches what the kernel and the pass will read of the next sockets into the cache. Most of a pass
 * over very many is spent waiting for memory, three times a socket, each time for an address that
 * the wait before has brought; asked for together they wait together. What is read is thrown away:
 * a mark that is out of date costs time only. Unrolled: 6.1 refuses the loop that clang makes of it
 * ("back-edge").
 */
static __always_inline void fetch_ahead(void)
{
	const __u32 to_data = bpf_core_field_offset(struct bpf_local_storage_elem, sdata) +
			      bpf_core_field_offset(struct bpf_local_storage_data, data);
	const __u32 to_storage =
		bpf_core_field_offset(struct bpf_local_storage_elem, local_storage);
	const __u32 to_owner = bpf_core_field_offset(struct bpf_local_storage, owner);
	__u64 storage[FETCH] = {}, elem[FETCH_BYTES / 8];
	__u32 i, slot;

	if (walk_slot % FETCH || slots_used <= WALK_MANY || to_data + 8 > FETCH_BYTES ||
	    to_storage + 8 > FETCH_BYTES)
		return;
#pragma unroll
	for (i = 0; i < FETCH; i++) {
		struct walk_mark *m;

		slot = walk_slot + 1 + i;
		m = bpf_map_lookup_elem(&marks, &slot);
		if (m && m->owner &&
		    !bpf_probe_read_kernel(elem, to_data + 8, (void *)(m->owner - to_data)))
			storage[i] = elem[to_storage / 8];
	}
#pragma unroll
	for (i = 0; i < FETCH; i++)
		if (storage[i])
			bpf_probe_read_kernel(&elem[0], 8, (void *)(storage[i] + to_owner));
}

SEC("?iter/bpf_sk_storage_map")
int dump(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct sock *sk = ctx->sk;
	struct tracked *t = ctx->value;

	if (sk && t) {
		fetch_ahead();
		look(false, ctx->meta->seq, sk, t);
	}
	return 0;
}

/* ... in the kprobe tier. */
SEC("?iter/bpf_map_elem")
int dump_keyed(struct bpf_iter__bpf_map_elem *ctx)
{
	__u64 *key = ctx->key;
	struct tracked *t = ctx->value;

	if (key && t)
		look(true, ctx->meta->seq, (struct sock *)*key, t);
	return 0;
}

/*
 * The same where a host's policy refuses iterators over the contents of maps, which hand a program
 * something to write to (seen on a 6.18 that is locked down to integrity): over the sockets of a
 * network namespace, one after the other. Not over what processes have open: such an iterator holds
 * each file for a moment, and a file that its process closes just then is closed by us.
 */
static __always_inline void look_once(struct seq_file *seq, struct sock *sk)
{
	struct tracked *t;

	if (!sk)
		return;
	t = (struct tracked *)ledger_of(opt_kprobe, sk);
	if (!t && !opt_kprobe && adoption(sk))
		t = (struct tracked *)ledger_of(false, sk);
	/* A read that goes on may meet a socket twice. */
	if (!t || t->walked == walk_pass)
		return;
	t->walked = walk_pass;
	look(opt_kprobe, seq, sk, t);
}

SEC("?iter/tcp")
int dump_tcp(struct bpf_iter__tcp *ctx)
{
	struct sock_common *skc = ctx->sk_common;

	/* NULL for one that is being made, or has no more than its time to wait. */
	if (skc)
		look_once(ctx->meta->seq, (struct sock *)bpf_skc_to_tcp_sock(skc));
	return 0;
}

SEC("?iter/unix")
int dump_unix(struct bpf_iter__unix *ctx)
{
	look_once(ctx->meta->seq, (struct sock *)ctx->unix_sk);
	return 0;
}

#endif
