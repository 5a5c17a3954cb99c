// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the recorder keeps of processes: to read it, to answer it, and to find what has ended.
 *
 * An answer is written under the number of its process and carries the id. The recorder changes or
 * takes away the id before it deletes answers; we look at the id after we have written. So none
 * stays that is about another process.
 */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "session_int.h"

bool session_in_first_pid_namespace(void)
{
	const ino_t first = 0xeffffffc; /* PROC_PID_INIT_INO */
	struct stat st;

	return !stat("/proc/self/ns/pid", &st) && st.st_ino == first;
}

int session_proc_get(struct session *s, uint32_t tgid, struct proc *p)
{
	return bpf_map_lookup_elem(bpf_map__fd(s->skel->maps.procs), &tgid, p) ? -errno : 0;
}

bool session_proc_is(struct session *s, uint32_t tgid, uint32_t id)
{
	struct proc p;

	return id && !session_proc_get(s, tgid, &p) && p.id == id;
}

int session_runtime_get(struct session *s, uint32_t tgid, uint32_t id, struct proc_rt *rt)
{
	if (bpf_map_lookup_elem(bpf_map__fd(s->skel->maps.runtimes), &tgid, rt))
		return -errno;
	return rt->id == id ? 0 : -ESRCH;
}

int session_runtime_set(struct session *s, uint32_t tgid, const struct proc_rt *rt)
{
	int e = 0, fd = bpf_map__fd(s->skel->maps.runtimes);

	if (bpf_map_update_elem(fd, &tgid, rt, BPF_ANY))
		e = -errno;
	/*
	 * The recorder gives a number its new id, or takes it away, before it deletes what was
	 * answered. So either it deletes this, or we see here that it has to go.
	 */
	if (!session_proc_is(s, tgid, rt->id)) {
		bpf_map_delete_elem(fd, &tgid);
		e = -ESRCH;
	}
	__atomic_fetch_add(&s->skel->data->rt_gen, 1, __ATOMIC_SEQ_CST);
	return e;
}

int session_loop_set(struct session *s, uint32_t tgid, uint32_t id, uint64_t loop,
		     const struct loop_val *val)
{
	struct loop_key key = {.loop = loop, .tgid = tgid, .id = id};

	return bpf_map_update_elem(bpf_map__fd(s->skel->maps.loops), &key, val, BPF_ANY) ? -errno
											 : 0;
}

int session_loop_forget(struct session *s, uint32_t tgid, uint32_t id, uint64_t loop)
{
	struct loop_key key = {.loop = loop, .tgid = tgid, .id = id};

	return bpf_map_delete_elem(bpf_map__fd(s->skel->maps.loops), &key) ? -errno : 0;
}

void session_throttled(struct session *s,
		       void (*fn)(void *ctx, const struct throttled_key *of,
				  const struct throttled *what),
		       void *ctx)
{
	int n, fd = bpf_map__fd(s->skel->maps.throttles);
	int max = (int)bpf_map__max_entries(s->skel->maps.throttles);
	struct throttled_key key, next;
	struct throttled what;

	if (bpf_map_get_next_key(fd, NULL, &next))
		return;
	for (n = 0; n < max; n++) {
		bool more;

		key = next;
		more = !bpf_map_get_next_key(fd, &key, &next);
		if (!bpf_map_lookup_elem(fd, &key, &what)) {
			bpf_map_delete_elem(fd, &key);
			fn(ctx, &key, &what);
		}
		if (!more)
			break;
	}
}

/* Entries of a map that one sweep looks at: a whole round takes a few seconds at the most. */
#define SWEEP_ENTRIES 4096

/* Is there a thread, or a process that has not been waited for, of this number? */
static bool is_gone(uint32_t pid)
{
	return kill((pid_t)pid, 0) && errno == ESRCH;
}

/* How a map says whose an entry is. */
enum whose { KEY_IS_PID, KEY_HAS_PROCESS, VALUE_HAS_PROCESS };

struct swept_map {
	const struct bpf_map *map;
	enum whose whose;
	size_t tgid, id; /* where that stands */
};

static bool entry_is_dead(struct session *s, const struct swept_map *m, int fd, const char *key)
{
	char value[128];
	const char *at = key;
	uint32_t tgid, id;

	memcpy(&tgid, key, sizeof(tgid));
	if (m->whose == KEY_IS_PID)
		return is_gone(tgid);
	if (m->whose == VALUE_HAS_PROCESS) {
		if (bpf_map__value_size(m->map) > sizeof(value) ||
		    bpf_map_lookup_elem(fd, key, value))
			return false;
		at = value;
	}
	memcpy(&tgid, at + m->tgid, sizeof(tgid));
	memcpy(&id, at + m->id, sizeof(id));
	return !session_proc_is(s, tgid, id);
}

/* The next part of a map. */
static void sweep_map(struct session *s, const struct swept_map *m, struct sweep *at)
{
	int fd = bpf_map__fd(m->map), n;
	char next[SWEPT_KEY];
	bool more;

	if (fd < 0 || (!at->going && bpf_map_get_next_key(fd, NULL, at->next)))
		return; /* it is empty */
	for (n = 0; n < SWEEP_ENTRIES; n++) {
		/* From a key that has been deleted, the walk would begin again. */
		more = !bpf_map_get_next_key(fd, at->next, next);
		if (entry_is_dead(s, m, fd, at->next))
			bpf_map_delete_elem(fd, at->next);
		if (!more)
			break;
		memcpy(at->next, next, sizeof(next));
	}
	at->going = n == SWEEP_ENTRIES;
}

/* TYPE has the number and the id of a process. */
#define PROCESS_IN(type) offsetof(type, tgid), offsetof(type, id)

void session_sweep(struct session *s)
{
	const struct swept_map maps[SWEPT_MAPS] = {
		{s->skel->maps.procs, KEY_IS_PID, 0, 0},
		{s->skel->maps.runtimes, KEY_IS_PID, 0, 0},
		{s->skel->maps.tree, KEY_IS_PID, 0, 0},
		{s->skel->maps.hints, KEY_IS_PID, 0, 0},
		{s->skel->maps.stepping, KEY_IS_PID, 0, 0},
		{s->skel->maps.calls, KEY_IS_PID, 0, 0},
		/* What a thread has left counts as long as its process lives. */
		{s->skel->maps.waits, VALUE_HAS_PROCESS, PROCESS_IN(struct last_wait)},
		{s->skel->maps.signals, VALUE_HAS_PROCESS, PROCESS_IN(struct handled_signal)},
		{s->skel->maps.probed_waits, VALUE_HAS_PROCESS, PROCESS_IN(struct probed_wait)},
		{s->skel->maps.cancelled, KEY_HAS_PROCESS, PROCESS_IN(struct cancel_key)},
		{s->skel->maps.loops, KEY_HAS_PROCESS, PROCESS_IN(struct loop_key)},
		{s->skel->maps.ended, KEY_HAS_PROCESS, PROCESS_IN(struct loop_key)},
	};
	int i;

	/* In a namespace of our own every number of the host's would look gone. */
	for (i = 0; i < SWEPT_MAPS && session_in_first_pid_namespace(); i++)
		sweep_map(s, &maps[i], &s->swept[i]);
}

int session_follow(struct session *s, uint32_t tgid)
{
	__u8 one = 1;

	return bpf_map_update_elem(bpf_map__fd(s->skel->maps.tree), &tgid, &one, BPF_ANY) ? -errno
											  : 0;
}
