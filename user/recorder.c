// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Items gather in a buffer; a full or an old buffer becomes a block; a block goes to the file, or
 * into the flight recorder's ring of packed blocks, from which the oldest fall out.
 *
 * When the flight recorder writes, it puts in front of its ring what a replay could not know: the
 * start, the names of the processes, the runtimes. What is between two such writes is one gap,
 * and none where nothing fell out in between. Its file takes half of max_size: when that is full it
 * becomes FILE.1, in place of the one before, and a new one is begun. So the newest findings stay,
 * and whole ones, however many come.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core.h"
#include "recfile.h"
#include "recorder.h"

#define FLUSH_NS     1000000000ULL /* what a crash may cost */
#define AFTER_NS     2000000000ULL /* of what comes after a finding is kept too */
#define RUNTIMES_MAX 256	   /* the newest */
#define RING_BYTES   (256u << 20)

struct packed {
	struct packed *next;
	uint64_t last_ns;
	size_t len;
	char bytes[]; /* a struct rec_block; its seq is given when it is written */
};

struct recorder {
	struct recorder_opts o;
	char *path;
	int fd;
	uint64_t written, seq, failures;
	uint64_t limit;	  /* of the file */
	uint64_t missing; /* blocks that did not fit into it */
	uint64_t shorter; /* blocks that fell out of the ring before their time */
	uint64_t turned;  /* files that became FILE.1 */
	bool full;	  /* the next blocks are the last that fit */
	bool closed;	  /* max_size is reached */
	bool broken;	  /* the disk would not have it */
	bool direct;	  /* pack to the file, not to the ring */

	char *buf, *out; /* items; room to pack them */
	size_t used;
	uint64_t first_ns, last_ns;

	/* the flight recorder */
	struct packed *oldest, *newest;
	size_t ring_bytes;
	bool dropped; /* since the last write */
	bool begun;   /* the start is in the file */
	uint64_t due_ns;
	char *start; /* ITEM_START as it was */
	size_t start_len;
	uint64_t start_ns;
	struct runtime_report *runtimes;
	uint64_t *runtime_ns;
	int n_runtimes;
};

/* ---- blocks to the file ---- */

static void give_up(struct recorder *r, int e)
{
	fprintf(stderr, "mispair: cannot write the recording %s: %s; it ends here\n", r->path,
		strerror(e));
	r->broken = true;
	r->failures++;
}

/* A block goes out whole or not at all: what went out of a torn one is cut off again. */
static void write_block(struct recorder *r, const char *bytes, size_t len)
{
	size_t done = 0;
	ssize_t n;

	if (r->broken) {
		r->failures++;
		return;
	}
	if (r->closed || r->written + len > r->limit) {
		/* The flight recorder may find room for another one. */
		r->closed = !r->o.keep_ns;
		r->missing++;
		return;
	}
	while (done < len) {
		n = write(r->fd, bytes + done, len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			int e = n ? errno : EIO;

			if (ftruncate(r->fd, (off_t)r->written))
				e = errno;
			give_up(r, e);
			return;
		}
		done += (size_t)n;
	}
	r->written += len;
	r->seq++;
	/* The end of the run shall find its room. */
	r->full = r->written + 2 * rec_stored_max(REC_BLOCK_MAX) > r->limit;
}

/* A new file at PATH, with its header. The descriptor, or -errno. */
static int begin_file(const char *path, int flags)
{
	int e, fd = open(path, O_CREAT | O_WRONLY | O_NOFOLLOW | O_CLOEXEC | flags, 0600);
	struct rec_header h;
	ssize_t n;

	if (fd < 0)
		return -errno;
	rec_header_fill(&h);
	n = write(fd, &h, sizeof(h));
	if (n == sizeof(h))
		return fd;
	e = n < 0 ? -errno : -EIO;
	close(fd);
	return e;
}

/* The file becomes FILE.1, and another one is begun. It is made first: if that fails, all stays. */
static bool turn_over(struct recorder *r)
{
	char old[PATH_MAX], fresh[PATH_MAX];
	int fd;

	if (snprintf(old, sizeof(old), "%s.1", r->path) >= (int)sizeof(old) ||
	    snprintf(fresh, sizeof(fresh), "%s.new", r->path) >= (int)sizeof(fresh))
		return false;
	fd = begin_file(fresh, O_EXCL);
	if (fd < 0)
		return false;
	if (rename(r->path, old) || rename(fresh, r->path)) {
		unlink(fresh);
		close(fd);
		return false;
	}
	close(r->fd);
	r->fd = fd;
	r->written = sizeof(struct rec_header);
	r->seq = 0;
	r->begun = false;
	r->turned++;
	return true;
}

static void ring_drop_oldest(struct recorder *r)
{
	struct packed *p = r->oldest;

	r->oldest = p->next;
	if (!r->oldest)
		r->newest = NULL;
	r->ring_bytes -= p->len;
	r->dropped = true;
	free(p);
}

static void ring_add(struct recorder *r, const char *bytes, size_t len)
{
	struct packed *p = malloc(sizeof(*p) + len);
	/* The memory reaches back from a finding that waits to be written, else from now. */
	uint64_t from = r->due_ns ? r->due_ns - AFTER_NS : r->last_ns;

	if (!p) {
		r->failures++;
		r->dropped = true;
		return;
	}
	p->next = NULL;
	p->last_ns = r->last_ns;
	p->len = len;
	memcpy(p->bytes, bytes, len);
	if (r->newest)
		r->newest->next = p;
	else
		r->oldest = p;
	r->newest = p;
	r->ring_bytes += len;
	while (r->oldest != p &&
	       (r->oldest->last_ns + r->o.keep_ns < from || r->ring_bytes > RING_BYTES)) {
		r->shorter += r->oldest->last_ns + r->o.keep_ns >= from;
		ring_drop_oldest(r);
	}
}

static void pack(struct recorder *r)
{
	size_t len;

	if (!r->used)
		return;
	len = rec_block_write(r->out, r->buf, r->used, r->first_ns, r->seq);
	if (!len)
		r->failures++;
	else if (r->o.keep_ns && !r->direct)
		ring_add(r, r->out, len);
	else
		write_block(r, r->out, len);
	r->used = 0;
}

static void add(struct recorder *r, enum item_kind kind, uint64_t now, const void *body, size_t len)
{
	struct rec_item head = {.kind = kind, .len = (uint32_t)len, .time_ns = now};
	size_t padded = (len + 7) & ~(size_t)7;

	if (r->used + sizeof(head) + padded > REC_BLOCK_CUT)
		pack(r);
	if (!r->used)
		r->first_ns = now;
	r->last_ns = now;
	memcpy(r->buf + r->used, &head, sizeof(head));
	r->used += sizeof(head);
	if (len)
		memcpy(r->buf + r->used, body, len);
	memset(r->buf + r->used + len, 0, padded - len);
	r->used += padded;
}

/* ---- the flight recorder ---- */

static void remember(struct recorder *r, enum item_kind kind, uint64_t now, const void *body,
		     size_t len)
{
	if (kind == ITEM_START && !r->start) {
		r->start = malloc(len);
		if (!r->start)
			return;
		memcpy(r->start, body, len);
		((struct item_start *)(void *)r->start)->continued = 1;
		r->start_len = len;
		r->start_ns = now;
	} else if (kind == ITEM_RUNTIME) {
		if (r->n_runtimes == RUNTIMES_MAX) {
			r->n_runtimes--;
			memmove(r->runtimes, r->runtimes + 1,
				(size_t)r->n_runtimes * sizeof(*r->runtimes));
			memmove(r->runtime_ns, r->runtime_ns + 1,
				(size_t)r->n_runtimes * sizeof(*r->runtime_ns));
		}
		memcpy(&r->runtimes[r->n_runtimes], body, sizeof(*r->runtimes));
		r->runtime_ns[r->n_runtimes++] = now;
	}
}

static void tell_process(void *ctx, const struct item_process *p)
{
	struct recorder *r = ctx;

	add(r, ITEM_PROCESS, r->start_ns, p, sizeof(*p));
}

static void tell_coverage(void *ctx, const struct item_coverage *i)
{
	struct recorder *r = ctx;

	add(r, ITEM_COVERAGE, r->start_ns, i, sizeof(*i));
}

/* What a replay of the ring alone could not know, as a block of its own before it. */
static void write_preface(struct recorder *r, const struct core *core)
{
	int i;

	r->direct = true;
	if (!r->begun && r->start) {
		add(r, ITEM_START, r->start_ns, r->start, r->start_len);
		for (i = 0; i < r->n_runtimes; i++)
			add(r, ITEM_RUNTIME, r->runtime_ns[i], &r->runtimes[i],
			    sizeof(*r->runtimes));
	} else {
		add(r, ITEM_GAP, r->start_ns, NULL, 0);
	}
	core_processes(core, tell_process, r);
	core_coverage(core, tell_coverage, r);
	pack(r);
	r->direct = false;
}

static void write_ring(struct recorder *r, const struct core *core)
{
	const size_t preface = rec_stored_max(REC_BLOCK_CUT); /* as a rule */
	struct packed *p;

	pack(r);
	/* More than a whole file takes: what is newest stays. */
	while (r->oldest && r->oldest->next && r->ring_bytes + preface > r->limit) {
		r->missing++;
		ring_drop_oldest(r);
	}
	if (r->begun && r->written + r->ring_bytes + (r->dropped ? preface : 0) > r->limit &&
	    turn_over(r))
		r->dropped = true;
	/* Nothing has fallen out and the file has the rest: the ring continues it. */
	if (r->dropped)
		write_preface(r, core);
	r->begun = true;
	for (p = r->oldest; p; p = r->oldest) {
		rec_block_renumber(p->bytes, r->seq);
		write_block(r, p->bytes, p->len);
		ring_drop_oldest(r);
	}
	r->dropped = false;
	r->due_ns = 0;
}

/* ---- what the collector calls ---- */

void recorder_item(struct recorder *r, enum item_kind kind, uint64_t now, const void *body,
		   size_t len)
{
	if (!r)
		return;
	if (r->o.keep_ns)
		remember(r, kind, now, body, len);
	add(r, kind, now, body, len);
}

void recorder_finding(struct recorder *r, uint64_t now)
{
	if (r && r->o.keep_ns && !r->due_ns)
		r->due_ns = now + AFTER_NS;
}

void recorder_tick(struct recorder *r, const struct core *core, uint64_t now)
{
	if (!r)
		return;
	if (r->used && now - r->first_ns >= FLUSH_NS)
		pack(r);
	if (r->due_ns && now >= r->due_ns)
		write_ring(r, core);
}

bool recorder_full(const struct recorder *r)
{
	return r && r->full && !r->o.keep_ns;
}

uint64_t recorder_missing(const struct recorder *r)
{
	return r ? r->missing : 0;
}

uint64_t recorder_short(const struct recorder *r)
{
	return r ? r->shorter : 0;
}

uint64_t recorder_failures(const struct recorder *r)
{
	return r ? r->failures : 0;
}

static void report_end(const struct recorder *r)
{
	if (r->broken)
		return;
	if (r->o.keep_ns && !r->begun)
		fprintf(stderr, "mispair: no finding, so nothing was kept in %s\n", r->path);
	else if (r->turned)
		fprintf(stderr,
			"mispair: recorded %llu bytes in %s, and what came before in %s.1\n",
			(unsigned long long)r->written, r->path, r->path);
	else
		fprintf(stderr, "mispair: recorded %llu bytes in %s%s\n",
			(unsigned long long)r->written, r->path,
			r->closed || (r->full && !r->o.keep_ns) ? "; --max-size was reached" : "");
}

void recorder_close(struct recorder *r, const struct core *core)
{
	if (!r)
		return;
	if (r->buf && !r->o.keep_ns)
		pack(r);
	else if (r->buf && core && r->due_ns)
		write_ring(r, core);
	if (r->fd >= 0 && core)
		report_end(r);
	if (r->fd >= 0)
		close(r->fd);
	while (r->oldest)
		ring_drop_oldest(r);
	free(r->start);
	free(r->runtimes);
	free(r->runtime_ns);
	free(r->buf);
	free(r->out);
	free(r->path);
	free(r);
}

int recorder_new(const struct recorder_opts *o, struct recorder **out, char *err, size_t errlen)
{
	struct recorder *r = calloc(1, sizeof(*r));
	int e;

	if (!r)
		goto no_memory;
	r->fd = -1;
	r->o = *o;
	r->path = strdup(o->path);
	r->buf = malloc(REC_BLOCK_MAX);
	r->out = malloc(rec_stored_max(REC_BLOCK_MAX));
	r->runtimes = calloc(RUNTIMES_MAX, sizeof(*r->runtimes));
	r->runtime_ns = calloc(RUNTIMES_MAX, sizeof(*r->runtime_ns));
	if (!r->path || !r->buf || !r->out || !r->runtimes || !r->runtime_ns)
		goto no_memory;
	r->limit = o->keep_ns ? o->max_size / 2 : o->max_size;
	r->fd = begin_file(o->path, O_TRUNC);
	if (r->fd < 0) {
		e = r->fd;
		snprintf(err, errlen, "cannot write the recording %s: %s", o->path, strerror(-e));
		recorder_close(r, NULL);
		return e;
	}
	r->written = sizeof(struct rec_header);
	*out = r;
	return 0;
no_memory:
	recorder_close(r, NULL);
	snprintf(err, errlen, "out of memory");
	return -ENOMEM;
}
