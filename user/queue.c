// SPDX-License-Identifier: GPL-2.0-or-later
/* A growing buffer of records, each at a multiple of 8 bytes. */
#include <stdlib.h>
#include <string.h>

#include "queue.h"

#define QUEUE_MAX (64u << 20)

void queue_push(struct queue *q, const struct ev_head *h)
{
	size_t need = (h->size + 7u) & ~7u, room = q->room ? q->room : 65536;
	char *data;

	while (room - q->used < need && room < QUEUE_MAX)
		room *= 2;
	if (room - q->used < need) {
		q->dropped++;
		return;
	}
	if (room != q->room) {
		data = realloc(q->data, room);
		if (!data) {
			q->dropped++;
			return;
		}
		q->data = data;
		q->room = room;
	}
	memcpy(q->data + q->used, h, h->size);
	q->used += need;
}

void queue_run(struct queue *q, void (*fn)(void *ctx, const struct ev_head *h), void *ctx)
{
	size_t at = 0;

	while (at < q->used) {
		const struct ev_head *h = (const void *)(q->data + at);

		at += (h->size + 7u) & ~7u;
		fn(ctx, h);
	}
	q->used = 0;
}

void queue_free(struct queue *q)
{
	free(q->data);
	memset(q, 0, sizeof(*q));
}
