// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "pools.h"

/* One connection fewer may be a pool that shrinks. */
#define CLOSED_MIN  2
/* Who needs another connection makes one within this time, and a look has seen it. */
#define REPLACE_NS  75000000ULL
/* Rounds after which what was closed is forgotten. */
#define KEEP_ROUNDS 240

struct pool_key {
	uint32_t tgid, id; /* whose it is */
	uint16_t family, port;
	uint8_t peer[ADDR_LEN];
};

struct pool {
	struct pool_key key;
	uint64_t round;	   /* when it was last seen */
	uint64_t used_ns;  /* the newest request that this round has seen */
	uint64_t since_ns; /* the first of its connections that was lost */
	unsigned int lost; /* closed after a cancellation, and no new connection since the first */
	bool told;
	uint64_t closed_round;
	struct finding *last; /* of these, the last; NULL: none */
	UT_hash_handle hh;
};

static struct pool *find(struct pool *pools, uint32_t tgid, uint32_t id, const struct sock_addr *a,
			 struct pool_key *k)
{
	struct pool *p = NULL;

	memset(k, 0, sizeof(*k));
	k->tgid = tgid;
	k->id = id;
	k->family = a->family;
	k->port = a->peer_port;
	memcpy(k->peer, a->peer, sizeof(k->peer));
	HASH_FIND(hh, pools, k, sizeof(*k), p);
	return p;
}

static struct pool *get(struct pool **pools, uint32_t tgid, uint32_t id, const struct sock_addr *a)
{
	struct pool_key key;
	struct pool *p = find(*pools, tgid, id, a, &key);

	if (!p && (p = calloc(1, sizeof(*p)))) {
		p->key = key;
		HASH_ADD(hh, *pools, key, sizeof(p->key), p);
	}
	return p;
}

/* L is a connection of P. */
static void told_of(struct pool *p, const struct ledger *l)
{
	if (l->last_tx_ns > p->used_ns)
		p->used_ns = l->last_tx_ns;
	if (p->lost && l->birth_ns > p->since_ns) {
		p->lost = 0;
		p->told = false;
	}
}

void pools_seen(struct pool **pools, uint32_t tgid, uint32_t id, const struct sock_addr *a,
		const struct ledger *l, uint64_t round)
{
	struct pool *p = get(pools, tgid, id, a);

	if (!p)
		return;
	if (p->round != round)
		p->used_ns = 0;
	p->round = round;
	told_of(p, l);
}

uint64_t pools_last(struct pool *pools, uint32_t tgid, uint32_t id, const struct sock_addr *a,
		    uint64_t round)
{
	struct pool_key key;
	struct pool *p = find(pools, tgid, id, a, &key);

	return p && p->round == round ? p->used_ns : 0;
}

/* Has it lost connections, and gone on with those that it has? True once. */
static bool leaks(struct pool *p, uint64_t now)
{
	if (p->told || p->lost < CLOSED_MIN || p->used_ns <= p->last->time_ns ||
	    now < p->since_ns + REPLACE_NS)
		return false;
	p->told = true;
	return true;
}

unsigned int pools_closed(struct pool **pools, uint32_t tgid, uint32_t id,
			  const struct sock_addr *a, const struct ledger *l,
			  const struct finding *f, uint64_t round)
{
	struct pool *p = get(pools, tgid, id, a);
	unsigned int before = 0;

	if (!p)
		return 0;
	told_of(p, l);
	if (leaks(p, f->time_ns))
		before = p->lost;
	if (!p->last)
		p->last = malloc(sizeof(*p->last));
	if (!p->last)
		return 0;
	*p->last = *f;
	p->closed_round = round;
	if (!p->lost++)
		p->since_ns = f->time_ns;
	return before;
}

static void drop(struct pool **pools, struct pool *p)
{
	HASH_DEL(*pools, p);
	free(p->last);
	free(p);
}

void pools_round(struct pool **pools, uint64_t round, uint64_t now,
		 void (*fn)(void *ctx, const struct finding *f, unsigned int closed), void *ctx)
{
	struct pool *p, *tmp;

	HASH_ITER (hh, *pools, p, tmp) {
		if (!p->last || p->closed_round + KEEP_ROUNDS < round) {
			drop(pools, p);
			continue;
		}
		if (leaks(p, now))
			fn(ctx, p->last, p->lost);
	}
}

bool pools_losing(const struct pool *pools)
{
	for (; pools; pools = pools->hh.next)
		if (pools->lost && !pools->told)
			return true;
	return false;
}

void pools_clear(struct pool **pools)
{
	struct pool *p, *tmp;

	HASH_ITER (hh, *pools, p, tmp) {
		drop(pools, p);
	}
}
