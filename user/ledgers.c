// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One entry a socket that a refresh pass has seen, or that has been told and may yet be seen: what
 * still holds a closed socket (a Unix peer that has not closed, a timer) keeps its row. A pass that
 * leaves out what lies still says which sockets are gone; old recordings have all of them in each
 * pass, and there one is gone that is missed. Pure.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "describe.h"
#include "ledgers.h"

/* Rounds in which the last words of a socket that was missed are not taken for another's. */
#define KEPT_ROUNDS 60

struct seen {
	uint64_t cookie;
	struct ledger_row row;
	uint64_t round; /* the last that has seen it; of one that is gone, that said so */
	bool told, gone;
	UT_hash_handle hh;
};

struct ledgers {
	ledgers_fn fn;
	void *ctx;
	struct seen *seen;
	uint64_t round;
	bool kept; /* passes leave out what lies still */
};

struct ledgers *ledgers_new(ledgers_fn fn, void *ctx)
{
	struct ledgers *l = calloc(1, sizeof(*l));

	if (l) {
		l->fn = fn;
		l->ctx = ctx;
	}
	return l;
}

static void drop(struct ledgers *l, struct seen *s)
{
	HASH_DEL(l->seen, s);
	free(s);
}

void ledgers_free(struct ledgers *l)
{
	struct seen *s, *tmp;

	if (!l)
		return;
	HASH_ITER (hh, l->seen, s, tmp) {
		drop(l, s);
	}
	free(l);
}

static void tell(struct ledgers *l, uint64_t now, uint64_t cookie, const struct ledger *from,
		 const struct sock_addr *addr, bool open, bool lost)
{
	struct socket_report r = {.time_ns = now,
				  .pid = from->owner.tgid,
				  .proc_id = from->owner.id,
				  .cookie = cookie};
	struct described_addr a;

	describe_addr(addr, &a);
	r.transport = a.transport;
	memcpy(r.local_addr, a.local, sizeof(r.local_addr));
	memcpy(r.peer_addr, a.peer, sizeof(r.peer_addr));
	r.local_port = a.local_port;
	r.peer_port = a.peer_port;
	r.requests = from->requests;
	r.replies = from->replies;
	r.tx_bytes = from->tx_bytes;
	r.rx_bytes = from->rx_bytes;
	r.adopted = from->flags & LEDGER_ADOPTED;
	r.unobserved = lost || (from->flags & LEDGER_GAP) || ledger_blind(from);
	r.multiplexed = ledger_multiplexed(from);
	r.open = open;
	l->fn(l->ctx, &r);
}

static struct seen *find(struct ledgers *l, uint64_t cookie)
{
	struct seen *s;

	HASH_FIND(hh, l->seen, &cookie, sizeof(cookie), s);
	return s;
}

/* COOKIE's entry, made where there is none, as this round's; NULL when out of memory. */
static struct seen *enter(struct ledgers *l, uint64_t cookie)
{
	struct seen *s = find(l, cookie);

	if (!s) {
		s = calloc(1, sizeof(*s));
		if (!s)
			return NULL;
		s->cookie = cookie;
		HASH_ADD(hh, l->seen, cookie, sizeof(s->cookie), s);
	}
	s->round = l->round + 1;
	return s;
}

void ledgers_row(struct ledgers *l, const struct ledger_row *row)
{
	struct seen *s = enter(l, row->cookie);

	if (s)
		s->row = *row;
}

void ledgers_kept(struct ledgers *l)
{
	l->kept = true;
}

void ledgers_gone(struct ledgers *l, uint64_t cookie)
{
	struct seen *s = find(l, cookie);

	if (!s)
		return;
	s->gone = true;
	s->round = l->round + 1;
}

void ledgers_round(struct ledgers *l, uint64_t now)
{
	struct seen *s, *tmp;

	l->round++;
	HASH_ITER (hh, l->seen, s, tmp) {
		if (l->kept && !s->gone && !s->told)
			continue;
		/* Missed twice: an event that was on its way in the first round has come by now. */
		if (s->round + 1 >= l->round)
			continue;
		if (!s->told)
			tell(l, now, s->cookie, &s->row.l, &s->row.addr, false, true);
		s->told = true;
		if (s->gone || s->round + KEPT_ROUNDS < l->round)
			drop(l, s);
	}
}

void ledgers_end(struct ledgers *l, const struct ev_step *e)
{
	struct seen *s = enter(l, e->cookie);

	if (s && s->told)
		return;
	if (s)
		s->told = true;
	/* One that was disconnected before it ended has no addresses any more. */
	tell(l, e->head.ts, e->cookie, &e->l,
	     s && s->row.cookie && !e->addr.peer_port && !e->addr.unix_len ? &s->row.addr
									   : &e->addr,
	     false, false);
}

void ledgers_finish(struct ledgers *l, uint64_t now)
{
	struct seen *s, *tmp;

	HASH_ITER (hh, l->seen, s, tmp) {
		bool open = l->kept ? !s->gone : s->round == l->round;

		if (!s->told)
			tell(l, now, s->cookie, &s->row.l, &s->row.addr, open, !open);
		drop(l, s);
	}
}
