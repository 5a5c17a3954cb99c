/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pools: the connections of one process to one peer. Pure. */
#ifndef MISPAIR_POOLS_H
#define MISPAIR_POOLS_H

#include <stdbool.h>
#include <stdint.h>
#include "finding.h"
#include "../bpf/events.h"

struct pool;

/* A connection of process TGID to A's peer, which is L, is there. *POOLS begins as NULL. */
void pools_seen(struct pool **pools, uint32_t tgid, uint32_t id, const struct sock_addr *a,
		const struct ledger *l, uint64_t round);

/* When one of them was last used, as the current round has seen it; 0: none was seen. */
uint64_t pools_last(struct pool *pools, uint32_t tgid, uint32_t id, const struct sock_addr *a,
		    uint64_t round);

/*
 * F says that one of them, L, was closed after a cancellation. A copy is kept. Returns how many
 * were closed before it if that is to be told, as by pools_round(), and else 0.
 */
unsigned int pools_closed(struct pool **pools, uint32_t tgid, uint32_t id,
			  const struct sock_addr *a, const struct ledger *l,
			  const struct finding *f, uint64_t round);

/*
 * At the end of a round: pools whose connections were closed one after another like that, with no
 * new one since, while the others stay in use. FN is told the last finding, once until a new
 * connection is made. Pools of which nothing is to be remembered are dropped.
 */
void pools_round(struct pool **pools, uint64_t round, uint64_t now,
		 void (*fn)(void *ctx, const struct finding *f, unsigned int closed), void *ctx);

/* Is there one that has lost a connection and made no new one since? Then looks are worth more. */
bool pools_losing(const struct pool *pools);

void pools_clear(struct pool **pools);

#endif
