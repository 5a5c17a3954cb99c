/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pools: the connections of one process to one peer, and when one of them was last used. Pure. */
#ifndef MISPAIR_POOLS_H
#define MISPAIR_POOLS_H

#include <stdint.h>
#include "../bpf/events.h"

struct pool;

/* A connection of process TGID to A's peer was used at LAST_NS. *POOLS begins as NULL. */
void pools_used(struct pool **pools, uint32_t tgid, const struct sock_addr *a, uint64_t last_ns);

/* When one of them was last used, 0: none was told of. */
uint64_t pools_last(struct pool *pools, uint32_t tgid, const struct sock_addr *a);

void pools_clear(struct pool **pools);

#endif
