// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "pools.h"

struct pool_key {
	uint32_t tgid;
	uint16_t family, port;
	uint8_t peer[ADDR_LEN];
};

struct pool {
	struct pool_key key;
	uint64_t last_ns;
	UT_hash_handle hh;
};

static struct pool *find(struct pool *pools, uint32_t tgid, const struct sock_addr *a,
			 struct pool_key *k)
{
	struct pool *p;

	memset(k, 0, sizeof(*k));
	k->tgid = tgid;
	k->family = a->family;
	k->port = a->peer_port;
	memcpy(k->peer, a->peer, sizeof(k->peer));
	HASH_FIND(hh, pools, k, sizeof(*k), p);
	return p;
}

void pools_used(struct pool **pools, uint32_t tgid, const struct sock_addr *a, uint64_t last_ns)
{
	struct pool_key key;
	struct pool *p = find(*pools, tgid, a, &key);

	if (!p) {
		p = calloc(1, sizeof(*p));
		if (!p)
			return;
		p->key = key;
		HASH_ADD(hh, *pools, key, sizeof(p->key), p);
	}
	if (last_ns > p->last_ns)
		p->last_ns = last_ns;
}

uint64_t pools_last(struct pool *pools, uint32_t tgid, const struct sock_addr *a)
{
	struct pool_key key;
	struct pool *p = find(pools, tgid, a, &key);

	return p ? p->last_ns : 0;
}

void pools_clear(struct pool **pools)
{
	struct pool *p, *tmp;

	HASH_ITER (hh, *pools, p, tmp) {
		HASH_DEL(*pools, p);
		free(p);
	}
}
