// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Order of rows, for as many of them as are seen: a screen shows fifty of a hundred thousand, and
 * to sort the others would be the most expensive thing that a refresh does.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "view_int.h"

/*
 * Worst first: what raises the alarm, and of that what is still open, since somebody may yet be
 * handed something by it; then the verdict, and how sure it is.
 */
static uint64_t severity(const struct view_row *row)
{
	return (uint64_t)view_alarm(row) << 17 | (uint64_t)!row->ended << 16 |
	       (uint64_t)row->verdict << 8 | (uint64_t)row->confidence;
}

static uint64_t number(const struct view *v, const struct view_row *row)
{
	switch (v->sort) {
	case COL_CONFIDENCE:
		return row->confidence;
	case COL_PID:
		return row->pid;
	case COL_CONNS:
		return row->pool ? row->pool->conns : 0;
	case COL_SLOTS:
		return row->pool ? row->pool->slots : 0;
	case COL_REQUESTS:
		return row->requests;
	case COL_REPLIES:
		return row->replies;
	case COL_OWED:
		return row->owed;
	case COL_UNREAD:
		return row->unread;
	case COL_RESIDUE:
		return row->residue;
	case COL_CANCELS:
		return row->cancels;
	case COL_AGE:
		return v->now > row->last_ns ? v->now - row->last_ns : 0;
	case COL_LATENCY:
		return row->latency_ns;
	default:
		return 0;
	}
}

static const char *text_of(const struct view *v, const struct view_row *row)
{
	switch (v->sort) {
	case COL_PROCESS:
		return row->name ? row->name->text : "";
	case COL_CONTAINER:
		return row->name ? row->name->container : "";
	case COL_KIND:
		return row->reuse && row->reuse < REUSE_MAX ? reuse_names[row->reuse] : "~";
	case COL_TRANSPORT:
		return row->family == AF_UNIX ? "unix" : row->family == AF_INET6 ? "tcp6" : "tcp";
	default:
		return "";
	}
}

/* The first bytes of a text, so that most comparisons need no look at the row. */
static uint64_t prefix(const char *s)
{
	uint64_t key = 0;
	int i;

	for (i = 0; i < 8; i++) {
		unsigned char c = (unsigned char)*s;

		key = key << 8 | (c >= 'A' && c <= 'Z' ? c + 32u : c);
		if (*s)
			s++;
	}
	return key;
}

static uint64_t address_key(const struct view_row *row, bool local)
{
	uint64_t key = 0;
	int i;

	if (row->family == AF_UNIX)
		return UINT64_MAX;
	if (row->family == AF_INET) {
		for (i = 0; i < 4; i++)
			key = key << 8 | (local ? row->local : row->peer)[i];
		return key << 16 | (local ? row->local_port : row->peer_port);
	}
	for (i = 0; i < 7; i++)
		key = key << 8 | (local ? row->local : row->peer)[i];
	return key | 1ULL << 63;
}

void view_order_key(const struct view *v, struct view_row *row, struct view_order *out)
{
	const struct view_column_def *d = &view_columns[v->sort];
	bool down = d->down != v->reverse;

	out->row = row;
	out->b = ~severity(row);
	if (v->frozen) {
		out->a = row->rank;
		out->b = 0;
		return;
	}
	switch (d->sort) {
	case SORT_SEVERITY:
		/* What moved last comes first among equals. */
		out->a = severity(row);
		out->b = ~row->last_ns;
		break;
	case SORT_NUMBER:
		out->a = number(v, row);
		break;
	case SORT_TEXT:
		out->a = prefix(text_of(v, row));
		break;
	case SORT_ADDRESS:
		out->a = address_key(row, v->sort == COL_LOCAL);
		break;
	}
	if (down)
		out->a = ~out->a;
}

static int rest_of_text(const struct view *v, const struct view_row *x, const struct view_row *y)
{
	const struct view_column_def *d = &view_columns[v->sort];
	bool local = v->sort == COL_LOCAL;
	int c = 0;

	if (v->frozen)
		return 0;
	if (d->sort == SORT_TEXT) {
		c = strcasecmp(text_of(v, x), text_of(v, y));
	} else if (d->sort == SORT_ADDRESS) {
		c = memcmp(local ? x->local : x->peer, local ? y->local : y->peer, 16);
		if (!c && !local)
			c = strcmp(x->path ? x->path : "", y->path ? y->path : "");
		if (!c)
			c = local ? x->local_port - y->local_port : x->peer_port - y->peer_port;
	}
	return d->down != v->reverse ? -c : c;
}

int view_order_cmp(const struct view *v, const struct view_order *x, const struct view_order *y)
{
	int c;

	if (x->a != y->a)
		return x->a < y->a ? -1 : 1;
	c = rest_of_text(v, x->row, y->row);
	if (c)
		return c;
	if (x->b != y->b)
		return x->b < y->b ? -1 : 1;
	/* The older socket first; nothing is ever equal, so rows do not dance. */
	return x->row->cookie < y->row->cookie ? -1 : x->row->cookie > y->row->cookie;
}

static void swap(struct view_order *a, size_t i, size_t j)
{
	struct view_order t = a[i];

	a[i] = a[j];
	a[j] = t;
}

/*
 * After this a[k] is where a sort would put it, with nothing greater before it. The pivot is the
 * median of three places that no order of the rows can have foreseen: the kernel's lists come in
 * runs, on which fixed places make this quadratic.
 */
static void select_kth(const struct view *v, struct view_order *a, size_t lo, size_t hi, size_t k)
{
	uint64_t seed = 0x9e3779b97f4a7c15ULL;

	while (hi - lo > 1) {
		size_t n = hi - lo, at[3], last = hi - 1, i, store = lo;

		for (i = 0; i < 3; i++) {
			seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
			at[i] = lo + (size_t)((seed >> 33) % n);
		}
		if (view_order_cmp(v, &a[at[1]], &a[at[0]]) < 0)
			swap(a, at[1], at[0]);
		if (view_order_cmp(v, &a[at[2]], &a[at[0]]) < 0)
			swap(a, at[2], at[0]);
		if (view_order_cmp(v, &a[at[2]], &a[at[1]]) < 0)
			swap(a, at[2], at[1]);
		swap(a, at[1], last);
		for (i = lo; i < last; i++)
			if (view_order_cmp(v, &a[i], &a[last]) < 0)
				swap(a, i, store++);
		swap(a, store, last);
		if (k == store)
			return;
		if (k < store)
			hi = store;
		else
			lo = store + 1;
	}
}

static int cmp_for_qsort(const void *x, const void *y, void *v)
{
	return view_order_cmp(v, x, y);
}

void view_order_part(const struct view *v, struct view_order *a, size_t n, size_t from, size_t to)
{
	if (to > n)
		to = n;
	if (from >= to)
		return;
	if (from)
		select_kth(v, a, 0, n, from);
	if (to < n)
		select_kth(v, a, from, n, to);
	qsort_r(a + from, to - from, sizeof(*a), cmp_for_qsort, (void *)(uintptr_t)v);
}
