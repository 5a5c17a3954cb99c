// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Three tables: findings by connection and kind, processes, users. A finding that was passed on
 * whole keeps a copy of itself, all but its timeline, for its updates. Order of use is the order in
 * the table: uthash keeps the one in which entries were added, and who is used is added anew.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "tally.h"

#define NS_PER_S 1000000000ULL
/* A process that says nothing for so long is forgotten, with what it has used up. */
#define QUIET_NS (60 * NS_PER_S)

struct bucket {
	uint64_t tokens; /* thousandths */
	uint64_t at;	 /* when they were counted */
};

struct kind {
	uint8_t verdict, confidence, reuse, cancel;
};

/* What was left over in a second, of one process and kind. */
struct sum {
	struct kind kind;
	struct finding_sum told;
	struct sum *next;
};

struct user {
	uint32_t uid;
	struct bucket buckets[TALLY_GRADES];
	UT_hash_handle hh;
};

struct process {
	struct process_key {
		uint32_t pid, id;
	} key;
	uint64_t last_ns;
	struct bucket buckets[TALLY_GRADES];
	struct sum *sums;
	UT_hash_handle hh;
};

/* All of a finding but what proves it. */
#define COPY offsetof(struct finding, n_timeline)

struct entry {
	struct entry_key {
		uint64_t cookie;
		struct process_key process;
		struct kind kind;
		uint32_t pad;
	} key;
	uint64_t total, told; /* so often; so many of them are in what was told */
	uint64_t first_ns, told_ns;
	struct finding *last; /* COPY bytes of it; NULL: it is counted in sums only */
	struct entry *next;   /* of the same connection */
	UT_hash_handle hh;
};

/* The entries of a connection. */
struct connection {
	uint64_t cookie;
	struct entry *entries;
	UT_hash_handle hh;
};

struct tally {
	struct tally_opts o;
	struct tally_told told;
	struct entry *entries;
	struct connection *connections;
	struct process *processes;
	struct user *users;
	uint64_t second_ns; /* when sums were last told */
};

/* ---- rates ---- */

static void fill(struct bucket *b, const struct tally_rate *r, uint64_t now)
{
	uint64_t whole = (uint64_t)r->burst * 1000, passed = now > b->at ? now - b->at : 0;
	uint64_t ms = passed / 1000000;

	if (!b->at) {
		b->tokens = whole;
		b->at = now ? now : 1;
		return;
	}
	if (!ms)
		return;
	b->at += ms * 1000000;
	if (ms > whole)
		ms = whole;
	b->tokens += ms * r->a_second;
	if (b->tokens > whole)
		b->tokens = whole;
}

/* Both have one more, or none of them gives any. */
static bool take(struct bucket *a, const struct tally_rate *ra, struct bucket *b,
		 const struct tally_rate *rb, uint64_t now)
{
	fill(a, ra, now);
	fill(b, rb, now);
	if (a->tokens < 1000 || b->tokens < 1000)
		return false;
	a->tokens -= 1000;
	b->tokens -= 1000;
	return true;
}

/* ---- what is told ---- */

static void tell(struct tally *t, const struct finding *f)
{
	if (t->told.finding)
		t->told.finding(t->told.ctx, f);
}

/* What came since the last word about E, which keeps a copy. */
static void update(struct tally *t, struct entry *e)
{
	struct finding f;

	if (!e->last || e->total == e->told)
		return;
	memcpy(&f, e->last, COPY);
	f.n_timeline = 0;
	f.count = e->total - e->told;
	f.total = e->total;
	f.first_ns = e->first_ns;
	f.update = true;
	e->told = e->total;
	e->told_ns = f.time_ns;
	tell(t, &f);
}

static void tell_sums(struct tally *t, struct process *p)
{
	struct sum *s;

	while ((s = p->sums)) {
		p->sums = s->next;
		if (t->told.sum)
			t->told.sum(t->told.ctx, &s->told);
		free(s);
	}
}

/* ---- tables ---- */

static void drop_process(struct tally *t, struct process *p)
{
	tell_sums(t, p);
	HASH_DEL(t->processes, p);
	free(p);
}

static struct process *process_of(struct tally *t, const struct finding *f)
{
	const struct process_key key = {.pid = f->pid, .id = f->proc_id};
	struct process *p;

	HASH_FIND(hh, t->processes, &key, sizeof(key), p);
	if (p) {
		HASH_DEL(t->processes, p);
	} else {
		if (HASH_COUNT(t->processes) >= t->o.max_processes)
			drop_process(t, t->processes);
		p = calloc(1, sizeof(*p));
		if (!p)
			return NULL;
		p->key = key;
	}
	HASH_ADD(hh, t->processes, key, sizeof(p->key), p);
	p->last_ns = f->time_ns;
	return p;
}

static struct user *user_of(struct tally *t, uint32_t uid)
{
	struct user *u;

	HASH_FIND(hh, t->users, &uid, sizeof(uid), u);
	if (u) {
		HASH_DEL(t->users, u);
	} else {
		if (HASH_COUNT(t->users) >= t->o.max_processes) {
			u = t->users;
			HASH_DEL(t->users, u);
			memset(u, 0, sizeof(*u));
		} else if (!(u = calloc(1, sizeof(*u)))) {
			return NULL;
		}
		u->uid = uid;
	}
	HASH_ADD(hh, t->users, uid, sizeof(u->uid), u);
	return u;
}

static struct connection *connection_of(struct tally *t, uint64_t cookie)
{
	struct connection *c;

	HASH_FIND(hh, t->connections, &cookie, sizeof(cookie), c);
	return c;
}

static void free_entry(struct tally *t, struct entry *e)
{
	HASH_DEL(t->entries, e);
	free(e->last);
	free(e);
}

/* It makes room for another one. */
static void drop_entry(struct tally *t, struct entry *e)
{
	struct connection *c = connection_of(t, e->key.cookie);
	struct entry **at;

	update(t, e);
	for (at = &c->entries; *at != e; at = &(*at)->next)
		;
	*at = e->next;
	if (!c->entries) {
		HASH_DEL(t->connections, c);
		free(c);
	}
	free_entry(t, e);
}

static struct entry *make_entry(struct tally *t, const struct entry_key *key, uint64_t now)
{
	struct connection *c;
	struct entry *e;

	if (HASH_COUNT(t->entries) >= t->o.max_connections)
		drop_entry(t, t->entries);
	e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	c = connection_of(t, key->cookie);
	if (!c) {
		c = calloc(1, sizeof(*c));
		if (!c) {
			free(e);
			return NULL;
		}
		c->cookie = key->cookie;
		HASH_ADD(hh, t->connections, cookie, sizeof(c->cookie), c);
	}
	e->key = *key;
	e->first_ns = now;
	e->next = c->entries;
	c->entries = e;
	HASH_ADD(hh, t->entries, key, sizeof(e->key), e);
	return e;
}

static struct entry *entry_of(struct tally *t, const struct entry_key *key, uint64_t now)
{
	struct entry *e;

	HASH_FIND(hh, t->entries, key, sizeof(*key), e);
	if (!e)
		return make_entry(t, key, now);
	HASH_DEL(t->entries, e);
	HASH_ADD(hh, t->entries, key, sizeof(e->key), e);
	return e;
}

/* ---- a finding ---- */

static struct kind kind_of(const struct finding *f)
{
	return (struct kind){.verdict = (uint8_t)f->verdict,
			     .confidence = (uint8_t)f->confidence,
			     .reuse = (uint8_t)f->reuse,
			     .cancel = (uint8_t)f->cancel};
}

/* May this one be passed on whole? Without memory to say no, it is. */
static bool granted(struct tally *t, const struct finding *f, struct process *p, uint32_t uid)
{
	struct user *u = user_of(t, uid);
	enum tally_grade g = f->confidence >= CONF_LIKELY    ? TALLY_ALARM
			     : f->confidence == CONF_SUSPECT ? TALLY_SUSPECT
							     : TALLY_ENDING;

	if (!p || !u)
		return true;
	return take(&p->buckets[g], &t->o.process[g], &u->buckets[g], &t->o.user[g], f->time_ns);
}

static bool add_to_sum(struct process *p, const struct finding *f, uint32_t uid, bool new_one)
{
	struct kind kind = kind_of(f);
	struct sum *s, **at = &p->sums;

	while (*at && memcmp(&(*at)->kind, &kind, sizeof(kind)))
		at = &(*at)->next;
	s = *at;
	if (!s) {
		s = *at = calloc(1, sizeof(*s));
		if (!s)
			return false;
		s->kind = kind;
		s->told = (struct finding_sum){.first_ns = f->time_ns,
					       .verdict = f->verdict,
					       .confidence = f->confidence,
					       .reuse = f->reuse,
					       .cancel = f->cancel,
					       .pid = f->pid,
					       .proc_id = f->proc_id,
					       .uid = uid};
		memcpy(s->told.comm, f->comm, sizeof(s->told.comm));
		memcpy(s->told.exe_name, f->exe_name, sizeof(s->told.exe_name));
		memcpy(s->told.container_id, f->container_id, sizeof(s->told.container_id));
	}
	s->told.count++;
	s->told.connections += new_one;
	s->told.time_ns = f->time_ns;
	return true;
}

/* The first of its kind on its connection. */
static void pass_on(struct tally *t, struct entry *e, const struct finding *from)
{
	struct finding f = *from;

	f.count = f.total = 1;
	f.first_ns = f.time_ns;
	f.update = false;
	if (e) {
		e->last = malloc(COPY);
		f.total = e->total;
		f.first_ns = e->first_ns;
		e->told = e->total;
		e->told_ns = f.time_ns;
		if (e->last)
			memcpy(e->last, from, COPY);
	}
	tell(t, &f);
}

void tally_finding(struct tally *t, const struct finding *f, uint32_t uid)
{
	struct entry_key key;
	struct process *p;
	struct entry *e;

	memset(&key, 0, sizeof(key));
	key.cookie = f->cookie;
	key.process = (struct process_key){.pid = f->pid, .id = f->proc_id};
	key.kind = kind_of(f);
	e = entry_of(t, &key, f->time_ns);
	if (e) {
		e->total++;
		if (e->last) {
			memcpy(e->last, f, COPY);
			if (f->time_ns >= e->told_ns + t->o.update_ns)
				update(t, e);
			return;
		}
	}
	p = process_of(t, f);
	if (granted(t, f, p, uid) || !add_to_sum(p, f, uid, !e || e->total == 1))
		pass_on(t, e, f);
	else if (e)
		e->told = e->total;
}

/* ---- time, and ends ---- */

void tally_tick(struct tally *t, uint64_t now)
{
	struct process *p, *next_p;
	struct entry *e;

	if (now < t->second_ns + NS_PER_S)
		return;
	t->second_ns = now;
	HASH_ITER (hh, t->processes, p, next_p) {
		tell_sums(t, p);
		if (p->last_ns + QUIET_NS <= now)
			drop_process(t, p);
	}
	for (e = t->entries; e; e = e->hh.next)
		if (now >= e->told_ns + t->o.update_ns)
			update(t, e);
}

void tally_closed(struct tally *t, uint64_t cookie)
{
	struct connection *c = connection_of(t, cookie);
	struct entry *e;

	if (!c)
		return;
	while ((e = c->entries)) {
		c->entries = e->next;
		update(t, e);
		free_entry(t, e);
	}
	HASH_DEL(t->connections, c);
	free(c);
}

void tally_finish(struct tally *t)
{
	struct process *p;
	struct entry *e;

	for (p = t->processes; p; p = p->hh.next)
		tell_sums(t, p);
	for (e = t->entries; e; e = e->hh.next)
		update(t, e);
}

/* ---- life ---- */

struct tally *tally_new(const struct tally_opts *o, const struct tally_told *told)
{
	/*
	 * A whole finding is 1 to 4 KB of JSON. A storm of wrong answers is what people look for,
	 * and a client that closes is right, and may be busy.
	 */
	static const struct tally_rate default_rates[TALLY_GRADES] = {[TALLY_ENDING] = {2000, 20},
								      [TALLY_SUSPECT] = {300, 10},
								      [TALLY_ALARM] = {4000, 100}};
	struct tally *t = calloc(1, sizeof(*t));
	int g;

	if (!t)
		return NULL;
	t->o = *o;
	t->told = *told;
	if (!t->o.update_ns)
		t->o.update_ns = 60 * NS_PER_S;
	if (!t->o.max_connections)
		t->o.max_connections = 16384;
	if (!t->o.max_processes)
		t->o.max_processes = 4096;
	for (g = 0; g < TALLY_GRADES; g++) {
		if (!t->o.process[g].burst)
			t->o.process[g] = default_rates[g];
		if (!t->o.user[g].burst)
			t->o.user[g] = (struct tally_rate){t->o.process[g].burst,
							   t->o.process[g].a_second * 3 / 2};
	}
	return t;
}

void tally_free(struct tally *t)
{
	struct connection *c, *next_c;
	struct process *p, *next_p;
	struct entry *e, *next_e;
	struct user *u, *next_u;
	struct sum *s;

	if (!t)
		return;
	HASH_ITER (hh, t->connections, c, next_c) {
		HASH_DEL(t->connections, c);
		free(c);
	}
	HASH_ITER (hh, t->entries, e, next_e) {
		free_entry(t, e);
	}
	HASH_ITER (hh, t->processes, p, next_p) {
		while ((s = p->sums)) {
			p->sums = s->next;
			free(s);
		}
		HASH_DEL(t->processes, p);
		free(p);
	}
	HASH_ITER (hh, t->users, u, next_u) {
		HASH_DEL(t->users, u);
		free(u);
	}
	free(t);
}
