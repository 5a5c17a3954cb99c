// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * All processes that have client connections: one entry a number while it lives, then only its
 * place in the counts. Everything here is bounded: entries, groups of names, and what is told.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#include "coverage.h"

#define SETTLE_NS   1000000000ULL
#define ENTRIES_MAX 65536 /* alive at a time; of more only the counts are right */
/* Facts of those that have ended, for a recording that begins now and has their last items. */
#define ENDED_NS    3000000000ULL
#define ENDED_MAX   1024
/* Reports that a stream gets at once, and how long one more takes. */
#define BURST	    256
#define REFILL_NS   1000000000ULL

struct entry {
	uint32_t pid, id;
	struct coverage_facts facts;
	char name[64];
	bool connections, judged, adopted;
	struct coverage_verdict counted; /* in the counts and in `group` */
	struct coverage_verdict told;
	uint64_t due_ns; /* when it is settled, or, of one that has ended, forgotten */
	bool waits;	 /* in the list of those that are not */
	struct group *group;
	struct entry *prev, *next;
	UT_hash_handle hh;
};

struct group {
	struct group_key {
		uint32_t level, reason;
		char name[64], runtime[32];
	} key;
	uint64_t processes;
	UT_hash_handle hh;
};

struct coverage {
	coverage_fn fn;
	void *ctx;
	struct entry *entries, *unsettled, *ended; /* lists: in order of time */
	size_t n_ended;
	struct group *groups;
	struct coverage_counts counts;
	uint64_t tokens, refilled_ns;
};

/* ---- counts ---- */

static struct group *group_of(struct coverage *c, const struct entry *e)
{
	struct group_key key;
	struct group *g;

	memset(&key, 0, sizeof(key));
	key.level = e->counted.level;
	key.reason = e->counted.reason;
	/* Where there are many names, those that are new have none; one group a reason is left. */
	if (HASH_COUNT(c->groups) < COVERAGE_GROUPS - COVERED_REASONS) {
		memcpy(key.name, e->name, sizeof(key.name));
		memcpy(key.runtime, e->facts.runtime, sizeof(key.runtime));
	}
	HASH_FIND(hh, c->groups, &key, sizeof(key), g);
	if (g)
		return g;
	g = calloc(1, sizeof(*g));
	if (!g)
		return NULL;
	g->key = key;
	HASH_ADD(hh, c->groups, key, sizeof(g->key), g);
	return g;
}

static void leave_group(struct coverage *c, struct entry *e)
{
	struct group *g = e->group;

	e->group = NULL;
	if (!g || --g->processes)
		return;
	HASH_DEL(c->groups, g);
	free(g);
}

/* Counts E at V in place of where it was. */
static void count_at(struct coverage *c, struct entry *e, struct coverage_verdict v)
{
	if (e->counted.level == v.level && e->counted.reason == v.reason)
		return;
	if (e->counted.level) {
		c->counts.all[e->counted.level]--;
		c->counts.now[e->counted.level]--;
	}
	leave_group(c, e);
	e->counted = v;
	c->counts.all[v.level]++;
	c->counts.now[v.level]++;
	e->group = group_of(c, e);
	if (e->group)
		e->group->processes++;
}

/* ---- what is told ---- */

static bool may_tell(struct coverage *c, uint64_t now)
{
	uint64_t more = now > c->refilled_ns ? (now - c->refilled_ns) / REFILL_NS : 0;

	if (!c->refilled_ns || c->tokens + more >= BURST) {
		c->tokens = BURST;
		c->refilled_ns = now;
	} else {
		c->tokens += more;
		c->refilled_ns += more * REFILL_NS;
	}
	if (c->tokens) {
		c->tokens--;
		return true;
	}
	c->counts.untold++;
	return false;
}

static void tell(struct coverage *c, struct entry *e, uint64_t now)
{
	struct coverage_report r;

	if (e->told.level == e->counted.level && e->told.reason == e->counted.reason)
		return;
	if (!may_tell(c, now)) {
		e->told = e->counted;
		return;
	}
	memset(&r, 0, sizeof(r));
	r.time_ns = now;
	r.pid = e->pid;
	r.proc_id = e->id;
	memcpy(r.name, e->name, sizeof(r.name));
	r.now = e->counted;
	r.before = e->told;
	memcpy(r.runtime, e->facts.runtime, sizeof(r.runtime));
	memcpy(r.version, e->facts.version, sizeof(r.version));
	r.probed = e->facts.bits & FACT_PROBED;
	coverage_sentence(e->counted, &e->facts, r.text, sizeof(r.text));
	e->told = e->counted;
	c->fn(c->ctx, &r);
}

static void settle(struct coverage *c, struct entry *e, uint64_t now)
{
	if (e->waits)
		DL_DELETE(c->unsettled, e);
	e->waits = false;
	tell(c, e, now);
}

static void judge(struct coverage *c, struct entry *e, uint64_t now)
{
	count_at(c, e, coverage_judge(&e->facts, e->connections, e->judged, e->adopted));
	if (!e->waits)
		tell(c, e, now);
}

/* ---- processes ---- */

static struct entry *numbered(const struct coverage *c, uint32_t pid)
{
	struct entry *e;

	HASH_FIND(hh, c->entries, &pid, sizeof(pid), e);
	return e;
}

static void forget_first(struct coverage *c)
{
	struct entry *e = c->ended;

	DL_DELETE(c->ended, e);
	c->n_ended--;
	free(e);
}

static void end(struct coverage *c, struct entry *e, uint64_t now)
{
	settle(c, e, now);
	c->counts.now[e->counted.level]--;
	HASH_DEL(c->entries, e);
	e->due_ns = now + ENDED_NS;
	DL_APPEND(c->ended, e);
	if (++c->n_ended > ENDED_MAX)
		forget_first(c);
}

static struct entry *make(struct coverage *c, uint64_t now, uint32_t pid, uint32_t id)
{
	struct entry *e = numbered(c, pid);

	if (e && e->id == id)
		return e;
	/* Ids are given in turn: what comes late of one that has ended is no news. */
	if (e && (int32_t)(id - e->id) < 0)
		return NULL;
	if (e)
		end(c, e, now);
	e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	e->pid = pid;
	e->id = id;
	e->due_ns = now + SETTLE_NS;
	e->waits = true;
	HASH_ADD(hh, c->entries, pid, sizeof(e->pid), e);
	DL_APPEND(c->unsettled, e);
	return e;
}

/* Strings of a recording may have no end. */
static void copy_facts(struct coverage_facts *to, const struct coverage_facts *from)
{
	memset(to, 0, sizeof(*to));
	to->state = from->state;
	to->bits = from->bits;
	memcpy(to->runtime, from->runtime, strnlen(from->runtime, sizeof(to->runtime) - 1));
	memcpy(to->version, from->version, strnlen(from->version, sizeof(to->version) - 1));
	memcpy(to->note, from->note, strnlen(from->note, sizeof(to->note) - 1));
}

void coverage_take(struct coverage *c, uint64_t now, uint32_t pid, uint32_t id, const char *name,
		   const struct coverage_facts *f)
{
	struct entry *e = make(c, now, pid, id);

	if (!e)
		return;
	copy_facts(&e->facts, f);
	if (!e->name[0] && name)
		memcpy(e->name, name, strnlen(name, sizeof(e->name) - 1));
	judge(c, e, now);
	if (HASH_COUNT(c->entries) > ENTRIES_MAX)
		end(c, e, now);
}

void coverage_connection(struct coverage *c, uint64_t now, uint32_t pid, uint32_t id, bool judged,
			 bool adopted)
{
	struct entry *e = numbered(c, pid);

	/* One that could be judged is enough, for ever. */
	if (!e || e->id != id || e->judged)
		return;
	if (e->connections && e->adopted == adopted && !judged)
		return;
	e->connections = true;
	e->judged = judged;
	e->adopted = adopted;
	judge(c, e, now);
}

void coverage_end(struct coverage *c, uint64_t now, uint32_t pid, uint32_t id)
{
	struct entry *e = numbered(c, pid);

	if (e && e->id == id)
		end(c, e, now);
}

void coverage_tick(struct coverage *c, uint64_t now)
{
	while (c->unsettled && c->unsettled->due_ns <= now)
		settle(c, c->unsettled, now);
	while (c->ended && c->ended->due_ns <= now)
		forget_first(c);
}

void coverage_finish(struct coverage *c, uint64_t now)
{
	while (c->unsettled)
		settle(c, c->unsettled, now);
}

/* ---- all in all ---- */

struct coverage_verdict coverage_of(const struct coverage *c, uint32_t pid, uint32_t id)
{
	const struct entry *e = numbered(c, pid);

	return e && e->id == id ? e->counted : (struct coverage_verdict){0};
}

void coverage_count(const struct coverage *c, struct coverage_counts *out)
{
	*out = c->counts;
}

static int worse_first(const void *a, const void *b)
{
	const struct coverage_group *x = a, *y = b;

	if (x->v.level != y->v.level)
		return x->v.level > y->v.level ? -1 : 1;
	if (x->processes != y->processes)
		return x->processes > y->processes ? -1 : 1;
	if (x->v.reason != y->v.reason)
		return x->v.reason < y->v.reason ? -1 : 1;
	return strcmp(x->name, y->name);
}

size_t coverage_groups(const struct coverage *c, struct coverage_group *out, size_t max)
{
	size_t n = HASH_COUNT(c->groups), i = 0;
	struct coverage_group *all = calloc(n ? n : 1, sizeof(*all));
	struct group *g, *tmp;

	if (!all)
		return 0;
	HASH_ITER (hh, c->groups, g, tmp) {
		all[i].v.level = (enum coverage_level)g->key.level;
		all[i].v.reason = (enum coverage_reason)g->key.reason;
		memcpy(all[i].name, g->key.name, sizeof(all[i].name));
		memcpy(all[i].runtime, g->key.runtime, sizeof(all[i].runtime));
		all[i++].processes = g->processes;
	}
	qsort(all, n, sizeof(*all), worse_first);
	if (n > max)
		n = max;
	memcpy(out, all, n * sizeof(*all));
	free(all);
	return n;
}

void coverage_each(const struct coverage *c,
		   void (*fn)(void *ctx, uint32_t pid, uint32_t id, const struct coverage_facts *f),
		   void *ctx)
{
	struct entry *e, *tmp;

	DL_FOREACH(c->ended, e)
	fn(ctx, e->pid, e->id, &e->facts);
	HASH_ITER (hh, c->entries, e, tmp)
		fn(ctx, e->pid, e->id, &e->facts);
}

struct coverage *coverage_new(coverage_fn fn, void *ctx)
{
	struct coverage *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->fn = fn;
	c->ctx = ctx;
	return c;
}

void coverage_free(struct coverage *c)
{
	struct entry *e, *tmp;
	struct group *g, *gtmp;

	if (!c)
		return;
	HASH_ITER (hh, c->entries, e, tmp) {
		HASH_DEL(c->entries, e);
		free(e);
	}
	while (c->ended)
		forget_first(c);
	HASH_ITER (hh, c->groups, g, gtmp) {
		HASH_DEL(c->groups, g);
		free(g);
	}
	free(c);
}
