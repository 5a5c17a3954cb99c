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

int session_calls_of(struct session *s, uint32_t tgid, uint32_t id, uint32_t out[ADAPTER_MAX])
{
	struct caller c = {0};
	int e = bpf_map_lookup_elem(bpf_map__fd(s->skel->maps.callers), &tgid, &c) ? -errno : 0;

	/* It has called nothing yet. */
	if (e || c.id != id)
		memset(c.calls, 0, sizeof(c.calls));
	memcpy(out, c.calls, ADAPTER_MAX * sizeof(*out));
	return e == -ENOENT ? 0 : e;
}

/*
 * Entries of a map that one sweep looks at: a whole round takes a few seconds at the most. Of one
 * that has been full, or is nearly so, it looks at all.
 */
#define SWEEP_ENTRIES	   4096
/* That a thread has ended is a word about its wait: for so long, and while there is no room. */
#define LAST_WORD_NS	   60000000000ULL
#define LAST_WORD_LEAST_NS 2000000000ULL

/* Is there a thread, or a process that has not been waited for, of this number? */
static bool is_gone(uint32_t pid)
{
	return kill((pid_t)pid, 0) && errno == ESRCH;
}

/* How a map says whose an entry is. */
enum whose { KEY_IS_PID, KEY_HAS_PROCESS, VALUE_HAS_PROCESS };

struct swept_map {
	const struct bpf_map *map;
	enum loss full; /* what counts that it was */
	enum whose whose;
	size_t tgid, id; /* where that stands */
	bool last_words; /* its key is a thread, whose entry outlives it; `ts` is first */
	/* Of this sweep. */
	uint64_t now_ns;
	bool tight;
	uint32_t alive_tgid, alive_id; /* the process that was looked for last */
};

static bool process_is(struct session *s, struct swept_map *m, uint32_t tgid, uint32_t id)
{
	if (tgid == m->alive_tgid && id == m->alive_id)
		return true;
	if (!session_proc_is(s, tgid, id))
		return false;
	m->alive_tgid = tgid;
	m->alive_id = id;
	return true;
}

/* Thread TID, of a process that is there, has left VALUE: is that to be forgotten? */
static bool is_stale(struct session *s, const struct swept_map *m, uint32_t tid, const char *value)
{
	uint64_t ts, age;

	if (!is_gone(tid))
		return false;
	memcpy(&ts, value, sizeof(ts));
	age = m->now_ns > ts ? m->now_ns - ts : 0;
	if (age <= LAST_WORD_NS && m->tight && age > LAST_WORD_LEAST_NS) {
		s->forgotten[m->full]++;
		return true;
	}
	return age > LAST_WORD_NS;
}

static bool entry_is_dead(struct session *s, struct swept_map *m, int fd, const char *key)
{
	char value[128];
	const char *at = key;
	uint32_t tgid, id, tid;

	memcpy(&tgid, key, sizeof(tgid));
	if (m->whose == KEY_IS_PID)
		return is_gone(tgid);
	if (m->whose == VALUE_HAS_PROCESS) {
		if (bpf_map__value_size(m->map) > sizeof(value) ||
		    bpf_map_lookup_elem(fd, key, value))
			return false;
		at = value;
	}
	tid = tgid;
	memcpy(&tgid, at + m->tgid, sizeof(tgid));
	memcpy(&id, at + m->id, sizeof(id));
	return !process_is(s, m, tgid, id) || (m->last_words && is_stale(s, m, tid, value));
}

/* The next part of a map. LOST: how often it has been full so far. */
static void sweep_map(struct session *s, struct swept_map *m, struct sweep *at, uint64_t lost)
{
	uint32_t max = bpf_map__max_entries(m->map), n, part = SWEEP_ENTRIES;
	int fd = bpf_map__fd(m->map);
	char next[SWEPT_KEY];
	bool more;

	m->tight = lost != at->full || at->held > max / 4 * 3;
	at->full = lost;
	if (m->tight)
		part = max;
	if (fd < 0 || (!at->going && bpf_map_get_next_key(fd, NULL, at->next))) {
		at->held = at->seen = 0;
		return; /* it is empty */
	}
	for (n = 0; n < part; n++) {
		/* From a key that has been deleted, the walk would begin again. */
		more = !bpf_map_get_next_key(fd, at->next, next);
		if (entry_is_dead(s, m, fd, at->next))
			bpf_map_delete_elem(fd, at->next);
		else
			at->seen++;
		if (!more)
			break;
		memcpy(at->next, next, sizeof(next));
	}
	at->going = n == part;
	if (!at->going) {
		at->held = at->seen;
		at->seen = 0;
	}
}

#define BY_NUMBER(name, loss)                                                                      \
	{                                                                                          \
		.map = s->skel->maps.name, .full = (loss), .whose = KEY_IS_PID                     \
	}
/* TYPE, of its key or value, has the number and the id of a process. */
#define BY_PROCESS(name, loss, where, type)                                                        \
	{                                                                                          \
		.map = s->skel->maps.name, .full = (loss), .whose = where,                         \
		.tgid = offsetof(type, tgid), .id = offsetof(type, id),                            \
		.last_words = where == VALUE_HAS_PROCESS                                           \
	}

void session_sweep(struct session *s, uint64_t now_ns)
{
	struct swept_map maps[SWEPT_MAPS] = {
		BY_NUMBER(procs, LOSS_PROCS_FULL),
		BY_NUMBER(runtimes, LOSS_RUNTIMES_FULL),
		BY_NUMBER(tree, LOSS_TREE_FULL),
		BY_NUMBER(hints, LOSS_HINTS_FULL),
		BY_NUMBER(callers, LOSS_MAX),
		BY_NUMBER(stepping, LOSS_STEPPING_FULL),
		BY_NUMBER(calls, LOSS_CALLS_FULL),
		/* What a thread has left counts as long as its process lives, or a while. */
		BY_PROCESS(waits, LOSS_WAITS_FULL, VALUE_HAS_PROCESS, struct last_wait),
		BY_PROCESS(signals, LOSS_SIGNALS_FULL, VALUE_HAS_PROCESS, struct handled_signal),
		BY_PROCESS(probed_waits, LOSS_PROBED_WAITS_FULL, VALUE_HAS_PROCESS,
			   struct probed_wait),
		BY_PROCESS(cancelled, LOSS_MAX, KEY_HAS_PROCESS, struct cancel_key),
		BY_PROCESS(loops, LOSS_LOOPS_FULL, KEY_HAS_PROCESS, struct loop_key),
		BY_PROCESS(ended, LOSS_MAX, KEY_HAS_PROCESS, struct loop_key),
	};
	uint64_t lost[LOSS_MAX + 1] = {0};
	int i;

	/* In a namespace of our own every number of the host's would look gone. */
	if (!session_in_first_pid_namespace() || session_losses(s, lost))
		return;
	for (i = 0; i < SWEPT_MAPS; i++) {
		maps[i].now_ns = now_ns;
		sweep_map(s, &maps[i], &s->swept[i], lost[maps[i].full]);
	}
}

int session_follow(struct session *s, uint32_t tgid)
{
	__u8 one = 1;

	return bpf_map_update_elem(bpf_map__fd(s->skel->maps.tree), &tgid, &one, BPF_ANY) ? -errno
											  : 0;
}
