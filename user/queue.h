/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Records between the ring's callback, which must not block, and the work on them. */
#ifndef MISPAIR_QUEUE_H
#define MISPAIR_QUEUE_H

#include <stddef.h>
#include <stdint.h>
#include "../bpf/events.h"

struct queue {
	char *data;
	size_t used, room;
	uint64_t dropped;
};

/* Copies a record; what does not fit into QUEUE_MAX bytes is dropped and counted. */
void queue_push(struct queue *q, const struct ev_head *h);
/* Calls FN for each record in order, then empties the queue. */
void queue_run(struct queue *q, void (*fn)(void *ctx, const struct ev_head *h), void *ctx);
void queue_free(struct queue *q);

#endif
