// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The keys come from the map, and the program looks at them, a batch a call. It says what it had
 * said of each socket before, so that the sums over all sockets are kept without a table of them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <bpf/bpf.h>

#include "walk.h"

/* A batch of keys ends with a bucket of the map, which is all read or not at all. */
#define KEYS_MAX 4096

struct walk {
	struct walk_opts o;
	__u64 *asked; /* PASS_BATCH of each */
	struct pass_row *rows;
	__u64 *keys; /* KEYS_MAX of each */
	struct indexed *values;
	struct walk_kept all; /* every socket that a pass has told, and that is not gone */
	__u64 *waiting;	      /* adoptable sockets: no more come after the start */
	size_t n_waiting;
	bool waiting_read;
};

static void *map(int fd, size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

void walk_free(struct walk *w)
{
	if (!w)
		return;
	if (w->asked)
		munmap(w->asked, PASS_BATCH * sizeof(*w->asked));
	if (w->rows)
		munmap(w->rows, PASS_BATCH * sizeof(*w->rows));
	free(w->keys);
	free(w->waiting);
	free(w->values);
	free(w);
}

int walk_new(const struct walk_opts *o, struct walk **out)
{
	struct walk *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->o = *o;
	w->asked = map(o->asked_fd, PASS_BATCH * sizeof(*w->asked));
	w->rows = map(o->rows_fd, PASS_BATCH * sizeof(*w->rows));
	w->keys = calloc(KEYS_MAX, sizeof(*w->keys));
	w->values = calloc(KEYS_MAX, sizeof(*w->values));
	if (!w->asked || !w->rows || !w->keys || !w->values) {
		walk_free(w);
		return -ENOMEM;
	}
	*out = w;
	return 0;
}

static void take_row(struct walk *w, const struct pass_row *r, const struct walk_told *told,
		     struct walk_kept *shown)
{
	const struct ledger *l = &r->row.l;

	/* Where it has ended, its last words have joined the totals; where there were none, what it
	 * did goes on to count here. */
	if (r->tells != PASS_VANISHED) {
		w->all.requests -= r->requests;
		w->all.replies -= r->replies;
	}
	if (r->tells == PASS_ROW || r->tells == PASS_LAST) {
		w->all.requests += l->requests;
		w->all.replies += l->replies;
	}
	if (r->tells == PASS_ROW) {
		told->row(told->ctx, &r->row);
		w->all.sockets += r->first;
		shown->sockets++;
		shown->requests += l->requests;
		shown->replies += l->replies;
		return;
	}
	w->all.sockets -= !r->first;
	told->gone(told->ctx, r->row.cookie);
}

/* Has the program look at N sockets. */
static int ask(struct walk *w, const __u64 *keys, size_t n, bool adoptables)
{
	DECLARE_LIBBPF_OPTS(bpf_test_run_opts, opts);

	memcpy(w->asked, keys, n * sizeof(*keys));
	*w->o.adoptables = adoptables;
	*w->o.asked_n = (__u32)n;
	*w->o.filled = 0;
	return bpf_prog_test_run_opts(w->o.pass_fd, &opts) ? -errno : 0;
}

static int look_at(struct walk *w, const __u64 *keys, size_t n, const struct walk_told *told,
		   struct walk_kept *shown)
{
	size_t i;
	int e;

	e = ask(w, keys, n, false);
	for (i = 0; i < *w->o.filled && i < PASS_BATCH && !e; i++)
		take_row(w, &w->rows[i], told, shown);
	return e;
}

/* ---- what waits for its first send ---- */

static int read_waiting(struct walk *w)
{
	__u64 key, *more;
	int e = bpf_map_get_next_key(w->o.adoptables_fd, NULL, &key);

	w->waiting_read = true;
	for (; !e; e = bpf_map_get_next_key(w->o.adoptables_fd, &key, &key)) {
		if (w->n_waiting % KEYS_MAX == 0) {
			more = realloc(w->waiting, (w->n_waiting + KEYS_MAX) * sizeof(*w->waiting));
			if (!more)
				return -ENOMEM;
			w->waiting = more;
		}
		w->waiting[w->n_waiting++] = key;
	}
	return 0;
}

static void forget_waiting(struct walk *w, uint64_t cookie, size_t from)
{
	size_t i;

	/* The answers are in the order of the keys, and few. */
	for (i = from; i < w->n_waiting; i++)
		if ((w->waiting[i] | OWN_COOKIE) == cookie)
			break;
	if (i < w->n_waiting)
		w->waiting[i] = w->waiting[--w->n_waiting];
}

static int tell_waiting(struct walk *w, const struct walk_told *told)
{
	size_t at, i, n;
	int e = w->waiting_read ? 0 : read_waiting(w);

	/* From the end: who leaves gives his place to one that has been asked about. */
	for (at = w->n_waiting; at && !e; at -= n) {
		n = at % PASS_BATCH ? at % PASS_BATCH : PASS_BATCH;
		e = ask(w, w->waiting + at - n, n, true);
		for (i = 0; i < *w->o.filled && i < PASS_BATCH && !e; i++) {
			const struct pass_row *r = &w->rows[i];

			if (r->tells == PASS_ROW) {
				told->waiting(told->ctx, &r->row);
				continue;
			}
			told->gone(told->ctx, r->row.cookie);
			forget_waiting(w, r->row.cookie, at - n);
		}
	}
	return e;
}

int walk_run(struct walk *w, const struct walk_told *told, struct walk_kept *kept)
{
	struct walk_kept shown = {0};
	__u64 next = 0;
	bool begun = false, over = false;
	int e = 0;

	kept->indexed = 0;
	++*w->o.number;
	*w->o.unmet = 0;
	while (!over && !e) {
		__u32 n = KEYS_MAX, at;

		e = bpf_map_lookup_batch(w->o.index_fd, begun ? &next : NULL, &next, w->keys,
					 w->values, &n, NULL);
		/* -ENOENT: that was the last of them. */
		over = e && errno == ENOENT;
		e = e && !over ? -errno : 0;
		begun = true;
		kept->indexed += n;
		for (at = 0; at < n && !e; at += PASS_BATCH)
			e = look_at(w, w->keys + at, n - at < PASS_BATCH ? n - at : PASS_BATCH,
				    told, &shown);
	}
	if (!e && (told->follow_waiting || !w->waiting_read))
		e = tell_waiting(w, told);
	kept->waiting = told->follow_waiting ? w->n_waiting : 0;
	kept->sockets = w->all.sockets - shown.sockets;
	kept->requests = w->all.requests - shown.requests;
	kept->replies = w->all.replies - shown.replies;
	if (kept->sockets >= *w->o.unmet)
		kept->sockets -= *w->o.unmet;
	return e;
}
