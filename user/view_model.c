// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The rows: one a connection, updated in place once a refresh, joined with what was said about it.
 *
 * Invariants: a row is found by its socket cookie; a row about which something bad was said stays
 * for a while as `ended`. While paused nothing here moves: rows and findings wait.
 *
 * A live run tells all rows once and then those that moved, and says which are gone. A recording
 * has all of them in each round; there a pass may miss a socket once (the kernel walks a list that
 * changes), so a row leaves after two. Rows that only a finding made leave like that everywhere.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "view_int.h"
#include "view_source.h"

#define SECOND 1000000000ULL

struct view *view_new(const struct view_opts *o)
{
	struct view *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->o = *o;
	v->refresh_ns = o->refresh_ns ? o->refresh_ns : SECOND;
	v->sort = o->sort;
	v->reverse = o->reverse;
	if (o->filters)
		snprintf(v->filters, sizeof(v->filters), "%s", o->filters);
	v->cols = 80;
	v->height = 24;
	return v;
}

uint64_t view_refresh_ns(const struct view *v)
{
	return v->refresh_ns;
}

void view_start(struct view *v, const struct start_info *info)
{
	v->start = *info;
	snprintf(v->version, sizeof(v->version), "%s", info->version ? info->version : "");
	snprintf(v->tier, sizeof(v->tier), "%s", info->tier ? info->tier : "");
	v->start.version = v->version;
	v->start.tier = v->tier;
	v->start.hooks = NULL;
	v->start.filters = v->start.command = NULL;
	v->now = info->time_ns;
	v->started = true;
}

struct view_row *view_find(const struct view *v, uint64_t cookie)
{
	struct view_row *row;

	HASH_FIND(hh, v->by_cookie, &cookie, sizeof(cookie), row);
	return row;
}

/* ---- names ---- */

static struct view_name *name_get(struct view *v, const char *exe, const char *comm,
				  const char *container)
{
	char key[sizeof(v->names->key)] = "";
	struct view_name *n;

	snprintf(key, sizeof(key), "%.63s\n%.71s", exe[0] ? exe : comm, container);
	HASH_FIND_STR(v->names, key, n);
	if (n)
		return n;
	n = calloc(1, sizeof(*n));
	if (!n)
		return NULL;
	memcpy(n->key, key, sizeof(key));
	snprintf(n->text, sizeof(n->text), "%s", exe[0] ? exe : comm);
	snprintf(n->container, sizeof(n->container), "%s", container);
	HASH_ADD_STR(v->names, key, n);
	return n;
}

static void name_drop(struct view *v, struct view_name *n)
{
	if (!n || --n->users)
		return;
	HASH_DEL(v->names, n);
	free(n);
}

static void name_set(struct view *v, struct view_row *row, const char *exe, const char *comm,
		     const char *container)
{
	struct view_name *n = row->name;

	/* Nearly always it is what it was. */
	if (n && !strncmp(n->text, exe[0] ? exe : comm, sizeof(n->text) - 1) &&
	    !strncmp(n->container, container, sizeof(n->container) - 1))
		return;
	n = name_get(v, exe, comm, container);
	if (!n)
		return;
	n->users++;
	name_drop(v, row->name);
	row->name = n;
	row->seen = 0; /* the filter asks again */
}

/* ---- rows ---- */

static struct view_row *row_new(struct view *v, uint64_t cookie)
{
	struct view_row *row;

	if (v->n_rows == v->cap_rows) {
		size_t cap = v->cap_rows ? 2 * v->cap_rows : 256;
		struct view_row **more = realloc(v->rows, cap * sizeof(*more));

		if (!more)
			return NULL;
		v->rows = more;
		v->cap_rows = cap;
	}
	row = calloc(1, sizeof(*row));
	if (!row)
		return NULL;
	row->cookie = cookie;
	row->rank = UINT64_MAX; /* a frozen order has it last */
	v->n_unlooked++;
	row->index = v->n_rows;
	v->rows[v->n_rows++] = row;
	HASH_ADD(hh, v->by_cookie, cookie, sizeof(row->cookie), row);
	return row;
}

static void row_free(struct view *v, struct view_row *row)
{
	struct view_row *last = v->rows[v->n_rows - 1];

	last->index = row->index;
	v->rows[row->index] = last;
	v->n_rows--;
	HASH_DEL(v->by_cookie, row);
	view_pool_leave(v, row);
	name_drop(v, row->name);
	if (row->ended)
		v->n_ended--;
	if (!row->looked)
		v->n_unlooked--;
	if (row->story)
		v->n_stories--;
	free(row->story);
	free(row->trail);
	free(row->path);
	free(row);
}

void view_free(struct view *v)
{
	if (!v)
		return;
	while (v->n_rows)
		row_free(v, v->rows[v->n_rows - 1]);
	view_pools_free(v);
	free(v->rows);
	free(v->order);
	free(v->items);
	free(v->lines);
	view_late_rows(v, false);
	view_late_rows(v, false);
	free(v->pending);
	free(v);
}

/* ---- findings ---- */

/* What the row says about it, and how long the word holds. */
static void row_judge(struct view_row *row, const struct finding *f)
{
	/* A reuse is for life: from then on the connection may run behind. */
	if (row->verdict == VERDICT_REUSED &&
	    (f->verdict < VERDICT_REUSED || f->confidence < row->confidence))
		return;
	row->verdict = (uint8_t)f->verdict;
	row->confidence = (uint8_t)f->confidence;
	row->reuse = (uint8_t)f->reuse;
	row->over = 0;
	row->story->f = *f;
}

static void copy_path(struct view_row *row, const char *path)
{
	free(row->path);
	row->path = path[0] ? strndup(path, PEER_TEXT) : NULL;
}

static void row_address(struct view_row *row, const struct finding *f)
{
	row->local_port = f->local_port;
	row->peer_port = f->peer_port;
	if (f->transport == TRANSPORT_UNIX) {
		row->family = AF_UNIX;
		copy_path(row, f->peer_addr);
		return;
	}
	row->family = AF_INET;
	if (inet_pton(AF_INET, f->peer_addr, row->peer) == 1) {
		inet_pton(AF_INET, f->local_addr, row->local);
		return;
	}
	row->family = AF_INET6;
	inet_pton(AF_INET6, f->peer_addr, row->peer);
	inet_pton(AF_INET6, f->local_addr, row->local);
}

static void finding_apply(struct view *v, const struct finding *f)
{
	struct view_row *row = view_find(v, f->cookie);

	/* It was born and gone between two looks: a row of its own if it was bad. */
	if (!row) {
		if (f->verdict < VERDICT_ABANDONED)
			return;
		row = row_new(v, f->cookie);
		if (!row) {
			v->unshown++;
			return;
		}
		row->pid = f->pid;
		row_address(row, f);
		row->last_ns = f->time_ns;
		row->requests = f->requests;
		row->replies = f->replies;
		row->owed = (uint32_t)f->owed;
		row->unread = (uint32_t)f->unread_bytes;
		row->residue = (uint32_t)f->residue_bytes;
		name_set(v, row, f->exe_name, f->comm, f->container_id);
		row->seen = v->round;
		v->n_seen++;
		view_filter_row(v, row);
	}
	if (f->cancel != CANCEL_NONE && f->cancel != CANCEL_UNSEEN && row->counted != f->requests) {
		row->counted = f->requests;
		row->cancels++;
	}
	if (!row->story) {
		if (v->n_stories >= STORIES_MAX || !(row->story = calloc(1, sizeof(*row->story)))) {
			v->stories_dropped++;
			row->verdict = (uint8_t)f->verdict;
			row->confidence = (uint8_t)f->confidence;
			row->reuse = (uint8_t)f->reuse;
			return;
		}
		v->n_stories++;
	}
	row->story->findings++;
	row_judge(row, f);
	if (!row->trail)
		row->trail = calloc(1, sizeof(*row->trail));
	row->calm = false;
	view_filter_row(v, row);
}

/* While paused a finding waits; past the limit the oldest gives way, and the header has its count.
 */
static void finding_keep(struct view *v, const struct finding *f)
{
	v->pending_findings++;
	if (v->n_pending == v->cap_pending && v->cap_pending < STORIES_MAX) {
		size_t cap = v->cap_pending ? 2 * v->cap_pending : 64;
		struct finding *more = realloc(v->pending, cap * sizeof(*more));

		if (!more)
			return;
		v->pending = more;
		v->cap_pending = cap;
	}
	if (v->n_pending == v->cap_pending) {
		memmove(v->pending, v->pending + 1, (v->n_pending - 1) * sizeof(*v->pending));
		v->n_pending--;
	}
	v->pending[v->n_pending++] = *f;
}

void view_finding(struct view *v, const struct finding *f)
{
	if (v->paused)
		finding_keep(v, f);
	else
		finding_apply(v, f);
}

/* Its socket is no more; what was bad stays to be read. */
static void row_end(struct view *v, struct view_row *row)
{
	row->gone = false;
	if (row->verdict < VERDICT_ABANDONED || !row->story) {
		row_free(v, row);
		return;
	}
	row->ended = true;
	row->ended_ns = v->now;
	v->n_ended++;
}

void view_resume(struct view *v)
{
	size_t i;

	v->paused = false;
	view_late_rows(v, true);
	for (i = v->n_rows; i-- > 0;)
		if (v->rows[i]->gone)
			row_end(v, v->rows[i]);
	for (i = 0; i < v->n_pending; i++)
		finding_apply(v, &v->pending[i]);
	free(v->pending);
	v->pending = NULL;
	v->n_pending = v->cap_pending = 0;
	v->pending_findings = 0;
	v->stats = v->live_stats;
}

/* ---- the refresh pass ---- */

void view_round_begin(struct view *v, uint64_t time_ns)
{
	if (v->paused)
		return;
	v->round++;
	v->now = time_ns;
	v->next = v->n_seen = 0;
}

void view_rows_kept(struct view *v)
{
	v->told_gone = true;
}

void view_row_gone(struct view *v, uint64_t cookie)
{
	struct view_row *row = view_find(v, cookie);

	v->told_gone = true;
	view_late_drop(v, cookie);
	if (!row || row->ended)
		return;
	if (v->paused)
		row->gone = true;
	else
		row_end(v, row);
}

static void row_address_raw(struct view_row *row, const struct sock_addr *a)
{
	struct described_addr d;

	row->family = a->family;
	row->local_port = a->local_port;
	row->peer_port = a->peer_port;
	if (a->family == AF_UNIX) {
		describe_addr(a, &d);
		copy_path(row, d.peer);
		return;
	}
	memcpy(row->local, a->local, sizeof(row->local));
	memcpy(row->peer, a->peer, sizeof(row->peer));
}

static void take_sample(struct view *v, struct view_row *row, const struct ledger *l)
{
	struct view_trail *t = row->trail;
	struct view_sample *s = t->n ? &t->samples[t->n - 1] : NULL;
	bool answered = !ledger_owed(l);

	/* The reply of the exchange that the last look saw outstanding. */
	if (s && s->requests == l->requests && s->answered == answered)
		return;
	if (!s || s->requests != l->requests) {
		uint64_t more = s ? l->requests - s->requests - 1 : 0;

		if (t->n == TRAIL) {
			memmove(t->samples, t->samples + 1, (TRAIL - 1) * sizeof(*s));
			t->n--;
		}
		s = &t->samples[t->n++];
		memset(s, 0, sizeof(*s));
		s->more = more;
		s->requests = l->requests;
		describe_owner(&l->owner, s->owner, sizeof(s->owner));
	}
	s->time_ns = l->req_ns ? l->req_ns : v->now;
	s->req_bytes = l->req_bytes;
	s->answered = answered;
	s->reply_bytes = answered ? l->reply_bytes : 0;
	s->latency_ns = answered && l->reply_ns > l->req_ns ? l->reply_ns - l->req_ns : 0;
}

/* A word about an exchange that is over is taken back; a reuse stays. */
static void row_review(struct view_row *row, const struct ledger *l, uint64_t now)
{
	bool blind = (l->flags & LEDGER_GAP) || ledger_blind(l);

	row->unobserved = blind;
	row->shared = ledger_multiplexed(l);
	if (row->verdict == VERDICT_NONE || row->verdict == VERDICT_UNOBSERVED) {
		row->verdict = blind ? VERDICT_UNOBSERVED : VERDICT_NONE;
		row->confidence = CONF_NONE;
		return;
	}
	if (row->verdict == VERDICT_REUSED || !row->story)
		return;
	/* A good ending is told for a while; nothing can come of it. */
	if (row->verdict < VERDICT_UNOBSERVED && now < row->story->f.time_ns + KEEP_GOOD_NS)
		return;
	if (l->requests == row->story->f.requests && (ledger_owed(l) || l->abandoned)) {
		row->over = 0;
		return;
	}
	/* Twice: a step that the ring still holds may be about to say what came of it. */
	if (++row->over < 2)
		return;
	row->verdict = VERDICT_NONE;
	row->confidence = CONF_NONE;
}

static void row_update(struct view *v, struct view_row *row, const struct view_source_row *src)
{
	const struct ledger_row *from = src->ledger;
	const struct ledger *l = &from->l;
	uint32_t pid = l->owner.tgid;

	v->n_seen += row->seen != v->round;
	row->seen = v->round;
	row->unread = from->unread;
	row->owed = ledger_owed(l)
			    ? (l->requests > l->replies ? (uint32_t)(l->requests - l->replies) : 1)
			    : 0;
	row->requests = l->requests;
	row->replies = l->replies;
	row->residue = l->abandoned ? l->residue_bytes : 0;
	row->tx_ns = l->last_tx_ns;
	row->rx_ns = l->last_rx_ns;
	row->last_ns = l->last_tx_ns > l->last_rx_ns ? l->last_tx_ns : l->last_rx_ns;
	if (!row->last_ns)
		row->last_ns = l->birth_ns;
	row->latency_ns = !ledger_owed(l) && l->reply_ns > l->req_ns ? l->reply_ns - l->req_ns : 0;
	row->tx_bytes = l->tx_bytes;
	row->rx_bytes = l->rx_bytes;
	row->lag = l->lag;
	row->adopted = l->flags & LEDGER_ADOPTED;
	row->birth_ns = l->birth_ns;
	if (pid && pid != row->pid) {
		view_pool_leave(v, row);
		row->pid = pid;
	}
	if (row->ended) {
		row->ended = false;
		v->n_ended--;
	}
	row->coverage = (uint8_t)src->coverage.level;
	row->covered_by = (uint8_t)src->coverage.reason;
	row_review(row, l, v->now);
	if (row->trail)
		take_sample(v, row, l);
	row->calm = !row->story && !row->trail && !l->abandoned && pid;
}

/* Most connections of a host that has very many lie still; nothing but their age has changed. */
static bool unchanged(const struct view_row *row, const struct view_source_row *src)
{
	const struct ledger_row *from = src->ledger;

	return row->tx_ns == from->l.last_tx_ns && row->rx_ns == from->l.last_rx_ns &&
	       row->requests == from->l.requests && row->replies == from->l.replies &&
	       row->unread == from->unread && row->pid == from->l.owner.tgid && row->calm &&
	       row->coverage == (uint8_t)src->coverage.level &&
	       row->covered_by == (uint8_t)src->coverage.reason;
}

void view_row(struct view *v, const struct view_source_row *src)
{
	const struct ledger_row *from = src->ledger;
	uint8_t verdict, coverage;
	struct view_row *row;

	if (v->paused) {
		view_late_keep(v, src);
		return;
	}
	if (from->l.flags & LEDGER_CLOSED)
		return;
	/* The kernel walks in the same order each time: guess before looking it up. */
	if (v->next < v->n_rows && v->rows[v->next]->cookie == from->cookie)
		row = v->rows[v->next];
	else
		row = view_find(v, from->cookie);
	if (!row) {
		row = row_new(v, from->cookie);
		if (!row) {
			v->unshown++;
			return;
		}
		row_address_raw(row, &from->addr);
		row->verdict = VERDICT_MAX; /* no word yet: the filter is asked below */
	}
	v->next = row->index + 1;
	v->n_unlooked -= !row->looked;
	row->looked = true;
	if (unchanged(row, src)) {
		v->n_seen += row->seen != v->round;
		row->seen = v->round;
		return;
	}
	verdict = row->verdict;
	coverage = row->coverage;
	if (verdict == VERDICT_MAX)
		row->verdict = VERDICT_NONE;
	row_update(v, row, src);
	name_set(v, row, src->exe_name, src->comm, src->container_id);
	if (!row->seen || verdict != row->verdict || coverage != row->coverage) {
		row->seen = v->round;
		view_filter_row(v, row);
	}
}

static struct view_row *oldest_ended(const struct view *v)
{
	struct view_row *oldest = NULL;
	size_t i;

	for (i = 0; i < v->n_rows; i++)
		if (v->rows[i]->ended && (!oldest || v->rows[i]->ended_ns < oldest->ended_ns))
			oldest = v->rows[i];
	return oldest;
}

/* Rows whose sockets are gone. */
static void sweep(struct view *v)
{
	bool expire = v->n_ended && v->round % EXPIRE_ROUNDS == 0;
	size_t i;

	/* Nearly always all of them are there. */
	if (v->told_gone ? !v->n_unlooked && !expire : v->n_seen == v->n_rows)
		return;
	for (i = v->n_rows; i-- > 0;) {
		struct view_row *row = v->rows[i];

		if (row->ended) {
			if (row->ended_ns + KEEP_ENDED_NS <= v->now && row->seen + 1 < v->round)
				row_free(v, row);
		} else if (row->seen + 1 < v->round && !(v->told_gone && row->looked)) {
			row_end(v, row);
		}
	}
}

/* ---- the header's numbers ---- */

static double per_second(uint64_t now, uint64_t before, uint64_t ns)
{
	return now > before && ns ? (double)(now - before) * 1e9 / (double)ns : 0;
}

static void remember(double *history, size_t n, double value)
{
	if (n == HISTORY)
		memmove(history, history + 1, (HISTORY - 1) * sizeof(*history));
	history[n < HISTORY ? n : HISTORY - 1] = value;
}

static void count_rates(struct view *v, const struct run_stats *s)
{
	uint64_t ns = s->time_ns - v->before.time_ns;

	if (v->have_stats && s->time_ns > v->before.time_ns) {
		v->exchange_rate = per_second(s->replies, v->before.replies, ns);
		v->cancel_rate = per_second(s->cancellations, v->before.cancellations, ns);
		v->cpu_share = per_second(s->cpu_ns, v->before.cpu_ns, ns) / 1e9;
		v->have_rates = true;
		remember(v->exchange_history, v->n_history, v->exchange_rate);
		remember(v->cancel_history, v->n_history, v->cancel_rate);
		if (v->n_history < HISTORY)
			v->n_history++;
	}
	v->before = *s;
	v->have_stats = true;
}

void view_round_end(struct view *v, const struct run_stats *s)
{
	v->live_stats = *s;
	if (v->paused)
		return;
	count_rates(v, s);
	v->stats = *s;
	sweep(v);
	while (v->n_ended > ENDED_MAX)
		row_free(v, oldest_ended(v));
	view_arrange(v);
}

/* Looks at a connection are remembered from now on. */
void view_watch(struct view *v, uint64_t cookie)
{
	struct view_row *row = view_find(v, cookie);

	if (row && !row->trail)
		row->trail = calloc(1, sizeof(*row->trail));
	if (row)
		row->calm = false;
}
