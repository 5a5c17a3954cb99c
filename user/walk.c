// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A pass runs on a thread of its own, so that whoever has a terminal can answer keys while the
 * kernel walks: that takes as long as there are sockets. The thread only sits in read(2); rows are
 * handed over by the caller's thread, between two reads.
 *
 * A slot belongs to one socket until two passes in turn have missed it: one may miss it because the
 * list changed under a read that was continued.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>
#include <bpf/bpf.h>

#include "netns.h"
#include "thread.h"
#include "walk.h"

struct walk {
	struct walk_opts o;
	struct walk_row *rows;
	struct walk_mark *marks;
	__u32 *free_slots;
	uint64_t *cookies;    /* by slot; 0: nobody's */
	size_t n_slots;	      /* cookies that are not 0 */
	struct netns *spaces; /* NULL: the iterators see all there is */
};

static void *map(int fd, size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void unmap(void *p, size_t bytes)
{
	if (p)
		munmap(p, bytes);
}

void walk_free(struct walk *w)
{
	if (!w)
		return;
	unmap(w->rows, w->o.rows_max * sizeof(*w->rows));
	unmap(w->marks, w->o.slots_max * sizeof(*w->marks));
	unmap(w->free_slots, w->o.slots_max * sizeof(*w->free_slots));
	free(w->cookies);
	netns_free(w->spaces);
	free(w);
}

int walk_new(const struct walk_opts *o, struct walk **out)
{
	struct walk *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->o = *o;
	w->rows = map(o->rows_fd, o->rows_max * sizeof(*w->rows));
	w->marks = map(o->marks_fd, o->slots_max * sizeof(*w->marks));
	w->free_slots = map(o->free_fd, o->slots_max * sizeof(*w->free_slots));
	w->cookies = calloc(o->slots_max, sizeof(*w->cookies));
	if (o->every_space)
		w->spaces = netns_new();
	if (!w->rows || !w->marks || !w->free_slots || !w->cookies ||
	    (o->every_space && !w->spaces)) {
		walk_free(w);
		return -ENOMEM;
	}
	*out = w;
	return 0;
}

static void take_rows(struct walk *w, const struct walk_told *told)
{
	size_t i, n = *w->o.filled < w->o.rows_max ? *w->o.filled : w->o.rows_max;

	for (i = 0; i < n; i++) {
		const struct walk_row *r = &w->rows[i];

		if (r->slot && r->slot < w->o.slots_max && w->cookies[r->slot] != r->row.cookie) {
			w->n_slots += !w->cookies[r->slot];
			w->cookies[r->slot] = r->row.cookie;
		}
		told->row(told->ctx, &r->row);
	}
}

/* Slots whose sockets were missed twice. */
static void take_back(struct walk *w, const struct walk_told *told)
{
	size_t slot, used = *w->o.slots_used;

	for (slot = 1; slot <= used && slot < w->o.slots_max; slot++) {
		uint64_t cookie = w->cookies[slot];

		if (!cookie || w->marks[slot].pass + 1 >= *w->o.pass)
			continue;
		w->cookies[slot] = 0;
		w->marks[slot].owner = 0;
		w->free_slots[(*w->o.free_n)++] = (__u32)slot;
		w->n_slots--;
		if (told->gone)
			told->gone(told->ctx, cookie);
	}
}

/* ---- a read, elsewhere ---- */

struct reading {
	int fd, over;
	ssize_t n; /* what read(2) said, or -errno */
};

static void *read_once(void *arg)
{
	struct reading *r = arg;
	uint64_t one = 1;
	char full;

	r->n = read(r->fd, &full, 1);
	if (r->n < 0)
		r->n = -errno;
	if (write(r->over, &one, sizeof(one)) != sizeof(one))
		abort(); /* an eventfd has room for it */
	return NULL;
}

/* 1: the rows are full and there may be more. 0: that was all. -errno. */
static ssize_t read_some(struct reading *r, const struct walk_told *told)
{
	pthread_t thread;
	uint64_t n;
	int e;

	if (!told->wait) {
		char full;

		r->n = read(r->fd, &full, 1);
		return r->n < 0 ? -errno : r->n;
	}
	e = thread_start(&thread, read_once, r);
	if (e)
		return -e;
	told->wait(told->ctx, r->over);
	pthread_join(thread, NULL);
	if (read(r->over, &n, sizeof(n)) != sizeof(n))
		return -errno;
	return r->n;
}

static int create(void *link)
{
	int fd = bpf_iter_create(*(int *)link);

	return fd < 0 ? -errno : fd;
}

/* What one iterator tells, in namespace number SPACE. */
static ssize_t run_one(struct walk *w, size_t space, int *link, int over,
		       const struct walk_told *told)
{
	struct reading r = {.over = over};
	ssize_t n;

	r.fd = netns_in(w->spaces, space, create, link);
	if (r.fd < 0) /* one that has gone with its last process */
		return space ? 0 : r.fd;
	do {
		*w->o.filled = 0;
		n = read_some(&r, told);
		take_rows(w, told);
	} while (n > 0 || n == -EINTR || n == -EAGAIN);
	close(r.fd);
	return n;
}

int walk_run(struct walk *w, bool all, const struct walk_told *told, struct walk_kept *kept)
{
	size_t space, spaces = w->o.every_space ? netns_count(w->spaces) : 1;
	int i, over = eventfd(0, EFD_CLOEXEC);
	ssize_t n = over < 0 ? -errno : 0;

	++*w->o.pass;
	*w->o.all = all;
	*w->o.kept_sockets = *w->o.kept_requests = *w->o.kept_replies = 0;
	for (space = 0; space < spaces && n >= 0; space++)
		for (i = 0; i < WALK_LINKS && w->o.link_fds[i] >= 0 && n >= 0; i++)
			n = run_one(w, space, &w->o.link_fds[i], over, told);
	if (over >= 0)
		close(over);
	kept->sockets = *w->o.kept_sockets;
	kept->requests = *w->o.kept_requests;
	kept->replies = *w->o.kept_replies;
	/* A pass that broke off has seen nothing of the rest. */
	if (n < 0)
		--*w->o.pass;
	else
		take_back(w, told);
	return (int)n;
}
