// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libFuzzer target for the correlator: a byte stream becomes calls in any order, with records that
 * no recorder would write. Besides what the sanitizers see, every finding must keep the promises
 * that the sinks rely on, and a connection must not be accused of what cannot be known about it.
 *
 * Cookies have fixed properties, so that a finding can be judged by its cookie alone.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "correlate.h"

enum { GAP_COOKIE, BLIND_COOKIE, SHARED_COOKIE, UNIX_COOKIE, PLAIN_COOKIE, COOKIES = 12 };

struct input {
	const uint8_t *at, *end;
};

struct judge {
	struct correlator *c;
	uint64_t findings;
};

static void require(bool promise)
{
	if (!promise)
		abort();
}

static uint8_t byte(struct input *in)
{
	return in->at < in->end ? *in->at++ : 0;
}

static void bytes(struct input *in, void *dst, size_t len)
{
	size_t have = (size_t)(in->end - in->at);

	memset(dst, 0, len);
	if (have > len)
		have = len;
	memcpy(dst, in->at, have);
	in->at += have;
}

static bool terminated(const char *s, size_t len)
{
	return memchr(s, 0, len) != NULL;
}

#define TERMINATED(field) terminated(field, sizeof(field))

static void check_timeline(const struct finding *f)
{
	size_t i;

	require(f->n_timeline <= TIMELINE_MAX);
	for (i = 0; i < f->n_timeline; i++) {
		const struct timeline_entry *e = &f->timeline[i];

		require(e->what < TL_MAX && TERMINATED(e->owner) && TERMINATED(e->by));
		require(i ? e->at_ns >= f->timeline[i - 1].at_ns : !e->at_ns);
	}
}

static void on_finding(void *ctx, struct finding *f)
{
	struct judge *j = ctx;
	bool silent = f->verdict == VERDICT_CLOSED || f->verdict == VERDICT_DRAINED ||
		      f->verdict == VERDICT_UNOBSERVED;

	j->findings++;
	require(f->verdict > VERDICT_NONE && f->verdict < VERDICT_MAX);
	require(f->confidence < CONF_MAX && (f->confidence == CONF_NONE) == silent);
	require(f->reuse < REUSE_MAX && (f->reuse != REUSE_NONE) == (f->verdict == VERDICT_REUSED));
	require(f->cancel < CANCEL_MAX && f->evidence < EVIDENCE_MAX);
	require(f->transport == TRANSPORT_TCP || f->transport == TRANSPORT_UNIX);
	require(f->has_cancel_age || !f->cancel_age_ns);
	require(TERMINATED(f->comm) && TERMINATED(f->local_addr) && TERMINATED(f->peer_addr) &&
		TERMINATED(f->owner_prev) && TERMINATED(f->owner_next) &&
		TERMINATED(f->cancel_by) && TERMINATED(f->reason));
	check_timeline(f);
	if (f->cookie == GAP_COOKIE || f->cookie == BLIND_COOKIE)
		require(f->verdict == VERDICT_UNOBSERVED);
	if (f->cookie == SHARED_COOKIE)
		require(silent);
}

/* What is known of a socket never becomes unknown, and the other way round. */
static void set_properties(struct ledger *l, uint64_t cookie)
{
	l->flags &= (uint8_t) ~(LEDGER_GAP | LEDGER_ADOPTED | LEDGER_SYNCED);
	l->overlaps = cookie == SHARED_COOKIE;
	if (cookie == GAP_COOKIE)
		l->flags |= LEDGER_GAP;
	if (cookie == BLIND_COOKIE)
		l->flags |= LEDGER_ADOPTED;
}

static void some_owner(struct input *in, struct owner *o)
{
	uint8_t b = byte(in);

	memset(o, 0, sizeof(*o));
	o->kind = b & 3;
	o->verified = b >> 2 & 1;
	o->tgid = 1 + (b >> 3 & 1);
	o->tid = o->tgid;
	o->task = o->name[0] = b >> 4;
}

/* Values that a recorder could have written: most stories are made of these. */
static void plausible_ledger(struct input *in, struct ledger *l, uint64_t now)
{
	uint8_t b = byte(in), c = byte(in);

	memset(l, 0, sizeof(*l));
	some_owner(in, &l->owner);
	l->requests = 1 + (b & 3);
	l->replies = b >> 2 & 1;
	l->req_ns = now - byte(in);
	l->reply_ns = now - byte(in);
	l->last_tx_ns = now - byte(in);
	l->residue_bytes = b >> 3 & 1;
	l->flags = b >> 4 & 1 ? LEDGER_SELF_READ : 0;
	l->flags |= b >> 5 & 1 ? LEDGER_CLOSED : 0;
	l->clean = b >> 6 & 1 ? LEDGER_EXCLUSIVE_MIN : 0;
	l->takeovers = b >> 7;
	l->abandoned = c % WAIT_MAX;
	l->tx_seq = c >> 4 & 1;
	l->lag = c >> 5 & 1;
	l->waits = c >> 6 & 1 ? 100 : 0;
	l->leaves = c >> 7;
}

static void plausible_addr(uint64_t cookie, struct sock_addr *a)
{
	memset(a, 0, sizeof(*a));
	a->family = cookie == UNIX_COOKIE ? 1 : 2;
	a->peer_port = 6379;
	a->unix_len = cookie == UNIX_COOKIE ? 3 : 0;
}

static void do_step(struct input *in, struct judge *j, bool raw, uint64_t cookie, uint64_t now)
{
	struct ev_step e;

	if (raw) {
		bytes(in, &e, sizeof(e));
	} else {
		memset(&e, 0, sizeof(e));
		plausible_ledger(in, &e.l, now);
		plausible_addr(cookie, &e.addr);
		some_owner(in, &e.who);
		e.head.ts = e.in.now = now;
		e.head.tgid = e.head.tid = 1;
		e.in.step = STEP_SEND + byte(in) % 4;
		e.in.prior = byte(in) % WAIT_MAX;
		e.in.what = byte(in);
		e.in.what |= (uint32_t)byte(in) << 8;
		e.in.unread = byte(in) & 63;
		e.in.unread_exact = !(e.in.unread & 1);
		e.in.unread_part = e.in.unread >> 1 & 1;
		if (byte(in) & 1)
			e.cancel = (struct cancel_info){.ts = now - byte(in), .by_task = byte(in)};
		e.exiting = byte(in) & 1;
	}
	e.cookie = cookie;
	set_properties(&e.l, cookie);
	correlate_step(j->c, &e);
}

static void do_row(struct input *in, struct judge *j, bool raw, uint64_t cookie, uint64_t now)
{
	struct ledger_row row;
	uint8_t status;

	if (raw) {
		bytes(in, &row, sizeof(row));
		status = byte(in);
	} else {
		memset(&row, 0, sizeof(row));
		plausible_ledger(in, &row.l, now);
		plausible_addr(cookie, &row.addr);
		row.unread = byte(in) & 15;
		status = byte(in) % WAIT_MAX;
	}
	row.cookie = cookie;
	set_properties(&row.l, cookie);
	correlate_seen(j->c, &row);
	correlate_rest(j->c, &row, now);
	correlate_buffered(j->c, &row, byte(in), now);
	correlate_watching(j->c);
	if (byte(in) & 1)
		correlate_idle(j->c, &row, status, status & 1 ? "a rather long name" : NULL, now);
}

static void check_totals(const struct judge *j)
{
	uint64_t totals[VERDICT_MAX][CONF_MAX], sum = 0;
	int v, k;

	correlate_totals(j->c, totals);
	for (v = 0; v < VERDICT_MAX; v++)
		for (k = 0; k < CONF_MAX; k++)
			sum += totals[v][k];
	require(sum == j->findings);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct correlate_opts o = {.grace_ns = 100, .leak_ns = 1000};
	struct input in = {data, data + size};
	struct judge j = {0};
	uint64_t now = 100000;

	o.max_tracks = 1 + byte(&in) % COOKIES;
	j.c = correlator_new(&o, on_finding, &j);
	require(j.c != NULL);
	while (in.at < in.end) {
		uint8_t op = byte(&in), b = byte(&in);
		uint64_t cookie = b % COOKIES;

		/* Times jump, mostly forward. */
		now += (op >> 4 & 7) * 40u;
		switch (op % 10) {
		case 0:
		case 1:
		case 2:
		case 3:
			do_step(&in, &j, op >> 7, cookie, now);
			break;
		case 4:
		case 5:
			do_row(&in, &j, op >> 7, cookie, now);
			break;
		case 6:
			correlate_round(j.c, now);
			break;
		case 7:
			correlate_tick(j.c, now);
			break;
		case 8:
			correlate_exit(j.c, 1 + (b & 1), 0, now);
			break;
		default:
			if (op >> 7)
				bytes(&in, &now, sizeof(now));
			else
				now += (uint64_t)b * 1000;
			break;
		}
	}
	correlate_finish(j.c, now);
	check_totals(&j);
	require(correlate_lost(j.c) <= size);
	correlator_free(j.c);
	return 0;
}
