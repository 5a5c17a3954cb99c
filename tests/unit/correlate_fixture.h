/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stories of connections for the correlator. Each step runs the real ledger, and the correlator is
 * told what the recorder would tell (bpf/mispair.bpf.c: handle_send, handle_recv, handle_close),
 * so a test says who sent, who was cancelled and what lay unread, and never what an event holds.
 */
#ifndef MISPAIR_TEST_CORRELATE_H
#define MISPAIR_TEST_CORRELATE_H

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "correlate.h"
#include "track.h"

#define MS    1000000ULL
#define SEC   (1000 * MS)
/* The documented defaults of struct correlate_opts. */
#define GRACE (100 * MS)
#define LEAK  (30 * SEC)
#define PID   4242
#define HOT   12 /* opt_hot */
#define START (1000 * SEC)

#define SAID_MAX 96

struct world {
	struct correlator *c;
	struct finding said[SAID_MAX];
	size_t n;
};

struct conn {
	struct world *w;
	uint64_t cookie;
	struct ledger l;
	struct sock_addr addr;
	bool self_read; /* its owners wait in StreamReader themselves */
	bool ring_full; /* the next steps that would be told are lost */
};

/* What else there is to a step; all may be left out. */
struct how {
	uint8_t prior; /* enum wait_status of the owner so far */
	uint32_t unread;
	bool inexact;	 /* some of `unread` may have come after the send */
	bool whole;	 /* what lies there first was not read in part */
	bool task_reads; /* a task runs while the bytes are read */
	bool taken;	 /* the sender took the abandoned reply before (uvloop) */
	bool last; /* a send after which the test says what comes; else something is read at once */
	bool exiting;
	bool elsewhere; /* in the context of another process */
	const struct cancel_info *cancel;
};

#define SEND(x, at, who, bytes, ...) story_send(x, at, who, bytes, (struct how){__VA_ARGS__})
#define RECV(x, at, bytes, ...)	     story_recv(x, at, bytes, (struct how){__VA_ARGS__})
#define CLOSE(x, at, ...)	     story_close(x, at, (struct how){__VA_ARGS__})

/* What every finding promises to a sink. */
static inline void check_promises(const struct finding *f)
{
	bool silent = f->verdict == VERDICT_CLOSED || f->verdict == VERDICT_DRAINED ||
		      f->verdict == VERDICT_UNOBSERVED;
	size_t i;

	assert_true(f->verdict > VERDICT_NONE && f->verdict < VERDICT_MAX);
	assert_int_equal(f->confidence == CONF_NONE, silent);
	assert_int_equal(f->reuse != REUSE_NONE, f->verdict == VERDICT_REUSED);
	assert_true(f->n_timeline <= TIMELINE_MAX);
	assert_true(!f->n_timeline || !f->timeline[0].at_ns);
	for (i = 1; i < f->n_timeline; i++)
		assert_true(f->timeline[i].at_ns >= f->timeline[i - 1].at_ns);
	assert_non_null(memchr(f->comm, 0, sizeof(f->comm)));
	assert_non_null(memchr(f->reason, 0, sizeof(f->reason)));
}

static inline void world_hears(void *ctx, struct finding *f)
{
	struct world *w = ctx;

	check_promises(f);
	assert_true(w->n < SAID_MAX);
	w->said[w->n++] = *f;
}

static inline int setup(void **state)
{
	struct correlate_opts o = {0};
	struct world *w = calloc(1, sizeof(*w));

	if (!w)
		return -1;
	w->c = correlator_new(&o, world_hears, w);
	*state = w;
	return w->c ? 0 : -1;
}

static inline int teardown(void **state)
{
	struct world *w = *state;

	correlator_free(w->c);
	free(w);
	return 0;
}

/* "Task-7", as it stands in memory. */
static inline struct owner task(unsigned int n)
{
	struct owner o = {.kind = OWNER_TASK,
			  .tgid = PID,
			  .tid = PID,
			  .verified = 1,
			  .task = 0x7fe000000000 + n * 0x100,
			  .coro = 0xc000 + n,
			  .name_ptr = 0xa000 + n};
	char name[17];

	snprintf(name, sizeof(name), "Task-%u", n);
	memcpy(o.name, name, strlen(name));
	return o;
}

static inline struct owner thread(uint32_t tid)
{
	return (struct owner){.kind = OWNER_THREAD, .tgid = PID, .tid = tid};
}

static inline struct cancel_info cancelled_by(uint64_t ts, unsigned int by)
{
	struct owner o = task(by);

	return (struct cancel_info){.ts = ts,
				    .by_task = o.task,
				    .by_tid = PID,
				    .by_name = {o.name[0], o.name[1]},
				    .waiter_state = 0xffff};
}

/* A young connection to 10.0.0.9:6379 whose owners read for themselves. */
static inline struct conn connection(struct world *w, uint64_t cookie)
{
	struct conn x = {.w = w,
			 .cookie = cookie,
			 .self_read = true,
			 .l = {.birth_ns = START - SEC},
			 .addr = {.family = AF_INET,
				  .local_port = 41464,
				  .peer_port = 6379,
				  .local = {10, 0, 0, 5},
				  .peer = {10, 0, 0, 9}}};

	return x;
}

static inline struct conn unix_connection(struct world *w, uint64_t cookie)
{
	static const char path[] = "/run/redis.sock";
	struct conn x = connection(w, cookie);

	x.addr = (struct sock_addr){.family = AF_UNIX, .unix_len = sizeof(path)};
	memcpy(x.addr.peer, path, sizeof(path));
	x.l.flags |= LEDGER_UNIX;
	return x;
}

/* emit_step() */
static inline void story_tell(struct conn *x, const struct ledger_in *in, const struct owner *who,
			      const struct how *h)
{
	struct ev_step e = {.head = {.kind = EV_STEP,
				     .size = sizeof(e),
				     .ts = in->now,
				     .tgid = PID,
				     .tid = PID,
				     .comm = "python3"},
			    .cookie = x->cookie,
			    .in = *in,
			    .addr = x->addr,
			    .exiting = h->exiting};

	if (x->ring_full) {
		x->l.flags |= LEDGER_GAP;
		return;
	}
	if (h->elsewhere) {
		e.head.tgid = e.head.tid = 1;
		strcpy(e.head.comm, "swapper/0");
	}
	x->l.steps++;
	e.l = x->l;
	if (who)
		e.who = *who;
	if (h->cancel)
		e.cancel = *h->cancel;
	correlate_step(x->w->c, &e);
}

static inline bool story_tellable(struct ledger *l, uint32_t what, uint32_t suspicious)
{
	if ((what & suspicious) && !ledger_multiplexed(l)) {
		l->hot = HOT;
		return true;
	}
	if (!l->hot)
		return false;
	l->hot--;
	return true;
}

static inline uint32_t story_send(struct conn *x, uint64_t at, struct owner who, uint32_t bytes,
				  struct how h)
{
	struct ledger_in in = {.now = at,
			       .bytes = bytes,
			       .unread = h.unread,
			       .unread_exact = !h.inexact,
			       .unread_part = !h.whole,
			       .reader_running = h.taken,
			       .step = STEP_SEND};
	struct ledger *l = &x->l;
	struct track *t;

	if (ledger_owed(l)) {
		if (l->owner.kind == OWNER_TASK || wait_in_vain(h.prior) || wait_perhaps(h.prior))
			in.prior = h.prior;
	} else if (h.cancel) {
		ledger_late_cancel(l, h.cancel->ts);
	}
	in.what = ledger_send(l, &in, &who);
	if (story_tellable(l, in.what,
			   LE_REUSED | LE_REUSED_RESIDUE | LE_UNREAD | LE_SWALLOWED | LE_OVERTAKEN |
				   LE_LAGGED))
		story_tell(x, &in, &who, &h);
	ledger_commit(l, &in, &who, in.what);
	t = h.last ? NULL : track_find(x->w->c, x->cookie);
	if (t)
		track_no_farewell(x->w->c, t);
	return in.what;
}

static inline uint32_t story_recv(struct conn *x, uint64_t at, uint32_t bytes, struct how h)
{
	struct ledger *l = &x->l;
	struct ledger_in in = {.now = at,
			       .bytes = bytes,
			       .unread = h.unread,
			       .unread_exact = 1,
			       .reader = l->owner.tid,
			       .step = STEP_RECV};

	if (l->owner.kind == OWNER_TASK && (ledger_owed(l) || l->hot)) {
		in.prior = h.prior;
		in.reader_running = ledger_abandoned_by(l, in.prior) && h.task_reads;
	}
	if (in.prior == WAIT_PENDING && x->self_read)
		l->flags |= LEDGER_SELF_READ;
	in.what = ledger_recv(l, &in);
	if (story_tellable(l, in.what, LE_RESIDUE | LE_DRAINED | LE_LAGGED))
		story_tell(x, &in, NULL, &h);
	return in.what;
}

static inline uint32_t story_close(struct conn *x, uint64_t at, struct how h)
{
	struct ledger_in in = {.now = at, .step = STEP_CLOSE, .unread = h.unread};

	x->l.flags |= LEDGER_CLOSED;
	if (!h.elsewhere && !h.exiting && ledger_owed(&x->l))
		in.prior = h.prior;
	in.what = ledger_close(&x->l, &in);
	if ((in.what & (LE_CLOSED_OWED | LE_LAGGED)) || x->l.steps)
		story_tell(x, &in, NULL, &h);
	return in.what;
}

/* One exchange whose owner waited, 1 ms long. */
static inline void exchange(struct conn *x, uint64_t at, unsigned int who)
{
	SEND(x, at, task(who), 22);
	RECV(x, at + MS, 9, .prior = WAIT_PENDING);
}

/* As many exchanges as make a connection exclusive; the last ended before START. */
static inline void settle(struct conn *x)
{
	unsigned int i;

	for (i = 0; i <= LEDGER_EXCLUSIVE_MIN; i++)
		exchange(x, START - SEC + i * 10 * MS, 100 + i);
}

/* An exclusive connection with a request of Task-7 at START, 22 bytes, for tests to abandon. */
static inline struct conn abandoned(struct world *w, uint64_t cookie)
{
	struct conn x = connection(w, cookie);

	settle(&x);
	SEND(&x, START, task(7), 22);
	return x;
}

/* The same where nobody was seen reading for himself. */
static inline struct conn abandoned_shared(struct world *w, uint64_t cookie)
{
	struct conn x = connection(w, cookie);

	x.self_read = false;
	settle(&x);
	SEND(&x, START, task(7), 22);
	return x;
}

/* Where the refresh pass looks at a connection: on_row() of the collector. */
static inline struct ledger_row row_of(const struct conn *x, uint32_t unread)
{
	return (struct ledger_row){.cookie = x->cookie,
				   .l = x->l,
				   .addr = x->addr,
				   .unread = unread,
				   .state = x->l.flags & LEDGER_UNIX ? 0 : 1};
}

static inline void seen(struct conn *x)
{
	struct ledger_row row = row_of(x, 0);

	correlate_seen(x->w->c, &row);
}

static inline void look(struct conn *x, uint64_t now, uint8_t status, uint32_t unread)
{
	struct ledger_row row = row_of(x, unread);

	correlate_seen(x->w->c, &row);
	correlate_idle(x->w->c, &row, status, "python3", now);
}

static inline void assert_said(const struct world *w, size_t i, enum verdict v, enum confidence c)
{
	if (i >= w->n)
		fail_msg("finding %zu was not said", i);
	assert_string_equal(verdict_names[w->said[i].verdict], verdict_names[v]);
	assert_string_equal(confidence_names[w->said[i].confidence], confidence_names[c]);
}

static inline void assert_only(const struct world *w, enum verdict v, enum confidence c)
{
	assert_said(w, 0, v, c);
	assert_int_equal(w->n, 1);
}

static inline void assert_entry(const struct finding *f, size_t i, uint64_t at,
				enum timeline_what what, uint64_t bytes, const char *owner)
{
	assert_true(i < f->n_timeline);
	assert_string_equal(timeline_names[f->timeline[i].what], timeline_names[what]);
	assert_int_equal(f->timeline[i].at_ns, at);
	assert_int_equal(f->timeline[i].bytes, bytes);
	assert_string_equal(f->timeline[i].owner, owner);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
