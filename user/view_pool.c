// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Pools: the connections of one process to one peer. A pool is an entry that its rows point to; it
 * goes with the last of them. Its sum has the shape of a row, so that one table of columns draws
 * and sorts both.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "view_int.h"

struct view_pool *view_pool_of(struct view *v, const struct view_row *row)
{
	struct view_pool_key key;
	struct view_pool *p;

	memset(&key, 0, sizeof(key));
	key.pid = row->pid;
	key.family = row->family;
	key.port = row->peer_port;
	memcpy(key.peer, row->peer, sizeof(key.peer));
	if (row->path)
		snprintf(key.path, sizeof(key.path), "%s", row->path);
	HASH_FIND(hh, v->pools, &key, sizeof(key), p);
	if (p)
		return p;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->key = key;
	p->id = ++v->pool_ids;
	HASH_ADD(hh, v->pools, key, sizeof(p->key), p);
	return p;
}

static void pool_free(struct view *v, struct view_pool *p)
{
	HASH_DEL(v->pools, p);
	free(p->sum.path);
	free(p);
}

void view_pool_leave(struct view *v, struct view_row *row)
{
	struct view_pool *p = row->pool;

	row->pool = NULL;
	if (p && !--p->members)
		pool_free(v, p);
}

void view_pools_free(struct view *v)
{
	struct view_pool *p, *tmp;

	HASH_ITER (hh, v->pools, p, tmp)
		pool_free(v, p);
}

static bool worse(const struct view_row *x, const struct view_row *y)
{
	if (view_alarm(x) != view_alarm(y))
		return view_alarm(x);
	if (x->verdict != y->verdict)
		return x->verdict > y->verdict;
	return x->confidence > y->confidence;
}

static void begin_sum(struct view_pool *p, const struct view_row *row)
{
	struct view_row *s = &p->sum;

	memset(s, 0, sizeof(*s));
	s->pool = p;
	s->pid = row->pid;
	s->name = row->name;
	s->family = row->family;
	s->peer_port = row->peer_port;
	memcpy(s->peer, row->peer, sizeof(s->peer));
	s->path = row->path ? strdup(row->path) : NULL;
	s->cookie = p->id;
	s->ended = true;
}

static void add(struct view_pool *p, const struct view_row *row)
{
	struct view_row *s = &p->sum;

	if (row->verdict == VERDICT_LEAKED)
		p->slots++;
	if (!row->ended)
		p->conns++;
	s->requests += row->requests;
	s->replies += row->replies;
	s->owed += row->owed;
	s->unread += row->unread;
	s->residue += row->residue;
	s->cancels += row->cancels;
	s->ended = s->ended && row->ended;
	if (row->last_ns > s->last_ns) {
		s->last_ns = row->last_ns;
		s->latency_ns = row->latency_ns;
	}
	if (worse(row, s)) {
		s->verdict = row->verdict;
		s->confidence = row->confidence;
		s->reuse = row->reuse;
	}
}

void view_pools_sum(struct view *v)
{
	struct view_pool *p, *tmp;
	size_t i;

	HASH_ITER (hh, v->pools, p, tmp) {
		free(p->sum.path);
		p->sum.path = NULL;
		p->sum.pool = NULL;
		p->conns = p->slots = 0;
	}
	for (i = 0; i < v->n_rows; i++) {
		struct view_row *row = v->rows[i];

		if (!row->passes)
			continue;
		if (!row->pool) {
			row->pool = view_pool_of(v, row);
			if (!row->pool)
				continue;
			row->pool->members++;
		}
		if (!row->pool->sum.pool)
			begin_sum(row->pool, row);
		add(row->pool, row);
	}
}
