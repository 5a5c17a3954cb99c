// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The list that the table shows: which rows, in which order, where the cursor is.
 *
 * Flat, only the part that is on the screen is in order (view_order.c); grouped, pools are few and
 * in order as a whole, and so are the rows of those that are open. The cursor keeps its place on
 * the screen while rows move under it, as people know it from htop; while following, or with the
 * order frozen, it keeps its row.
 */
#include <stdlib.h>
#include <string.h>

#include "view_int.h"

/* Rows that are fetched ahead of their use. */
#define AHEAD 8

int view_table_height(const struct view *v)
{
	/* Titles above, the line of keys below. */
	int n = v->height - view_header_height(v) - 2;

	return n > 0 ? n : 0;
}

static bool room_for(void **array, size_t *cap, size_t want, size_t size)
{
	void *more;

	if (want <= *cap)
		return true;
	want += want / 2 + 64;
	more = realloc(*array, want * size);
	if (!more)
		return false;
	*array = more;
	*cap = want;
	return true;
}

static size_t collect_rows(struct view *v)
{
	size_t i, n = 0;

	if (!room_for((void **)&v->order, &v->cap_order, v->n_rows, sizeof(*v->order)))
		return 0;
	for (i = 0; i < v->n_rows; i++) {
		/* With very many rows, to wait for memory is most of the work. */
		if (i + AHEAD < v->n_rows)
			__builtin_prefetch(v->rows[i + AHEAD]);
		if (v->rows[i]->passes)
			view_order_key(v, v->rows[i], &v->order[n++]);
	}
	return n;
}

/* How many rows come before the one that has this cookie; n if it is not among them. */
static size_t rank_of(const struct view *v, uint64_t cookie, size_t n)
{
	struct view_row *row = view_find(v, cookie);
	struct view_order self;
	size_t i, before = 0;

	if (!row || !row->passes)
		return n;
	view_order_key(v, row, &self);
	for (i = 0; i < n; i++)
		before += view_order_cmp(v, &v->order[i], &self) < 0;
	return before;
}

static void clamp(struct view *v)
{
	size_t page = (size_t)view_table_height(v);

	if (v->sel >= v->n_items)
		v->sel = v->n_items ? v->n_items - 1 : 0;
	if (v->top + page > v->n_items)
		v->top = v->n_items > page ? v->n_items - page : 0;
	if (v->sel < v->top)
		v->top = v->sel;
	if (page && v->sel >= v->top + page)
		v->top = v->sel - page + 1;
}

static void arrange_flat(struct view *v)
{
	size_t n = collect_rows(v), at = n;

	v->n_order = v->n_items = n;
	if ((v->follow || v->frozen) && v->sel_cookie)
		at = rank_of(v, v->sel_cookie, n);
	if (at < n)
		v->sel = at;
	clamp(v);
	view_order_part(v, v->order, n, v->top, v->top + (size_t)view_table_height(v));
	/* The cursor's row may be looked at without being on the screen (0 lines high). */
	if (n && (v->sel < v->top || v->sel >= v->top + (size_t)view_table_height(v)))
		view_order_part(v, v->order, n, v->sel, v->sel + 1);
}

struct ranked {
	size_t rank;
	struct view_order order;
};

static int cmp_ranked(const void *x, const void *y, void *v)
{
	const struct ranked *a = x, *b = y;

	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	return view_order_cmp(v, &a->order, &b->order);
}

static size_t order_pools(struct view *v)
{
	struct view_pool *p, *tmp;
	size_t n = 0, i;

	view_pools_sum(v);
	if (!room_for((void **)&v->order, &v->cap_order, HASH_COUNT(v->pools), sizeof(*v->order)))
		return 0;
	HASH_ITER (hh, v->pools, p, tmp) {
		if (!p->sum.pool) /* nothing of it passes the filter */
			continue;
		p->sum.rank = p->id;
		view_order_key(v, &p->sum, &v->order[n++]);
	}
	view_order_part(v, v->order, n, 0, n);
	for (i = 0; i < n; i++)
		v->order[i].row->pool->rank = i;
	return n;
}

/* Rows of the pools that are open, in the order of their pools. The caller frees it. */
static struct ranked *open_rows(struct view *v, size_t *n)
{
	struct ranked *a = malloc((v->n_rows + 1) * sizeof(*a));
	size_t i;

	*n = 0;
	for (i = 0; a && i < v->n_rows; i++) {
		struct view_row *row = v->rows[i];

		if (!row->passes || !row->pool || !row->pool->open)
			continue;
		a[*n].rank = row->pool->rank;
		view_order_key(v, row, &a[(*n)++].order);
	}
	if (a)
		qsort_r(a, *n, sizeof(*a), cmp_ranked, v);
	return a;
}

static void arrange_grouped(struct view *v)
{
	size_t n_pools = order_pools(v), n_rows, i, j = 0, n = 0;
	struct ranked *rows = open_rows(v, &n_rows);

	if (!room_for((void **)&v->items, &v->cap_items, n_pools + n_rows, sizeof(*v->items)))
		n_pools = n_rows = 0;
	for (i = 0; i < n_pools; i++) {
		struct view_pool *p = v->order[i].row->pool;

		v->items[n++] = (struct view_item){NULL, p};
		if (p->id == v->sel_pool && !v->sel_cookie)
			v->sel = n - 1;
		for (; j < n_rows && rows[j].rank == i; j++) {
			v->items[n++] = (struct view_item){rows[j].order.row, p};
			if (v->sel_cookie && rows[j].order.row->cookie == v->sel_cookie)
				v->sel = n - 1;
		}
	}
	free(rows);
	v->n_items = n;
	clamp(v);
}

struct view_item view_item_at(const struct view *v, size_t i)
{
	if (i >= v->n_items)
		return (struct view_item){NULL, NULL};
	if (v->grouped)
		return v->items[i];
	return (struct view_item){v->order[i].row, NULL};
}

static void note_selected(struct view *v)
{
	struct view_item item = view_item_at(v, v->sel);

	v->sel_cookie = item.row ? item.row->cookie : 0;
	v->sel_pool = item.pool ? item.pool->id : 0;
}

void view_arrange(struct view *v)
{
	if (v->grouped)
		arrange_grouped(v);
	else
		arrange_flat(v);
	if (!v->follow || !v->sel_cookie || !view_find(v, v->sel_cookie))
		note_selected(v);
}

void view_select(struct view *v, size_t i)
{
	v->sel = i;
	clamp(v);
	/* What comes onto the screen has to be put in order first; the cursor stays where it is. */
	if (!v->grouped) {
		v->sel_cookie = 0;
		arrange_flat(v);
	}
	note_selected(v);
}

void view_freeze(struct view *v, bool on)
{
	size_t i, n;

	v->frozen = false;
	if (on) {
		for (i = 0; i < v->n_rows; i++)
			v->rows[i]->rank = UINT64_MAX; /* what comes later comes last */
		n = collect_rows(v);
		view_order_part(v, v->order, n, 0, n);
		for (i = 0; i < n; i++)
			v->order[i].row->rank = i;
	}
	v->frozen = on;
	view_arrange(v);
}
