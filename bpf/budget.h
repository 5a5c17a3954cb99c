/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Whose the ring is. A process's steps may take as much room as is free beside them, and all of one
 * user's twice as much, until the collector has emptied the ring: so one process gets half of it,
 * one user two thirds, and whoever comes next finds room. What does not fit its share is lost to
 * who sent it and to nobody else: its socket has a gap, and the collector is told how much of whom.
 *
 * A step counts for the process that owns the exchange, in whose context it need not happen.
 *
 * Records about a process itself (its first connection, fork, exec, exit) have no share: one is a
 * hundred bytes and costs who causes it a system call that takes far longer than to read it. Other
 * small ones (a loop that is asked about, a layout that does not fit) can be caused by a send, and
 * leave the last eighth of the ring alone. Included by mispair.bpf.c.
 */
#ifndef MISPAIR_BUDGET_H
#define MISPAIR_BUDGET_H

/*
 * What has been taken since the ring was empty; key: a process, or a user. LRU: losing one gives a
 * process a new share; the user's is used by each of its steps, and stays.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct share_key);
	__type(value, struct share);
} shares SEC(".maps");

/*
 * Who has lost steps; key: a process. Made here, deleted by the collector when it has told it.
 * Full: it is told how many were lost, but not whose.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct throttled_key);
	__type(value, struct throttled);
} throttles SEC(".maps");

/* Raised by the collector each time that it has emptied the ring. */
__u32 ring_epoch;

static __always_inline struct proc *proc_of(__u32 tgid)
{
	return bpf_map_lookup_elem(&procs, &tgid);
}

static __always_inline __u64 ring_free(void)
{
	__u64 size = bpf_ringbuf_query(&ring, BPF_RB_RING_SIZE);
	__u64 used = bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA);

	return used < size ? size - used : 0;
}

/* Has the ring room for a small record that is not about a process itself? */
static __always_inline bool ring_open(void)
{
	return 8 * ring_free() >= bpf_ringbuf_query(&ring, BPF_RB_RING_SIZE);
}

/* Takes SIZE of a share that may be ROOM large; false if it does not fit. */
static __always_inline bool take_share(struct share_key *key, __u32 size, __u64 room)
{
	__u32 epoch = *(volatile __u32 *)&ring_epoch;
	struct share *s = bpf_map_lookup_elem(&shares, key);

	if (!s) {
		struct share fresh = {.epoch = epoch};

		bpf_map_update_elem(&shares, key, &fresh, BPF_NOEXIST);
		s = bpf_map_lookup_elem(&shares, key);
		if (!s)
			return true;
	}
	/* Two that meet here may each begin anew: a few records more. */
	if (s->epoch != epoch) {
		s->epoch = epoch;
		s->used = 0;
	}
	if (s->used + size > room)
		return false;
	__sync_fetch_and_add(&s->used, size);
	return true;
}

static __always_inline void count_throttled(struct share_key *of, __u32 uid)
{
	struct throttled_key key = {.tgid = of->number, .id = of->id};
	struct throttled *t = bpf_map_lookup_elem(&throttles, &key), fresh = {.uid = uid};

	count_loss(KLOSS_THROTTLED);
	if (t) {
		__sync_fetch_and_add(&t->count, 1);
		return;
	}
	fresh.count = 1;
	if (bpf_get_current_pid_tgid() >> 32 == key.tgid)
		bpf_get_current_comm(fresh.comm, sizeof(fresh.comm));
	bpf_map_update_elem(&throttles, &key, &fresh, BPF_NOEXIST);
}

/* May a step of SIZE bytes about L be told? One that may not is counted. */
static __noinline int within_share(struct ledger *l, __u32 size)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	__u32 uid = (__u32)bpf_get_current_uid_gid();
	struct share_key key = {.number = l->owner.tgid ? l->owner.tgid : tgid};
	__u64 room = ring_free();
	struct proc *p = proc_of(key.number);
	bool ok;

	if (p)
		key.id = p->id;
	if (p && key.number == tgid)
		p->uid = uid;
	else if (p)
		uid = p->uid;
	ok = take_share(&key, size, room);
	if (ok) {
		struct share_key user = {.number = uid, .user = 1};

		ok = take_share(&user, size, 2 * room);
	}
	if (!ok)
		count_throttled(&key, uid);
	return ok;
}

#endif
