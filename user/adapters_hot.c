// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a process calls so often that a probe there would slow it down is given up in that process,
 * for a while, and is tried again. In other processes it is probed all the same: a file that was
 * probed for all who map it is probed in each of them from then on. Who has no connection is not
 * counted (bpf/adapters.h).
 */
#include <stdio.h>
#include <string.h>

#include "adapters_int.h"
#include "finding.h"
#include "session.h"
#include "verdict.h"

#define CALLS_MAX 2000 /* a second, by one process; a call costs about 1.5 us */
/* Who called more often is left alone for so long, twice as long each time, up to PAUSE_MAX. */
#define PAUSE_NS  30000000000ULL
#define PAUSE_MAX 600000000000ULL
#define SAY_NS	  60000000000ULL /* ... and that is said of each function, at most so often */

/* ---- on the worker's thread ---- */

static void detach_hot(void *arg, bool last)
{
	struct use *u = arg;

	if (!last)
		adapters_detach(u->links, __atomic_load_n(&u->hot, __ATOMIC_RELAXED));
	adapters_drop_use(u, last);
}

/* It is probed in each process by itself from now on. */
static void detach_code(void *arg, bool last)
{
	struct code *c = arg;

	if (!last)
		adapters_detach(c->links, UINT32_MAX);
	adapters_leave_code(c);
}

/* ---- on the loop's thread ---- */

/* Looks into T anew: those of its files that were probed, or given up, are to be probed. */
static void look_again(struct adapters *a, struct target *t, const struct code *only, uint64_t now)
{
	struct use **at = &t->uses, *u;

	while ((u = *at)) {
		if (u->named || (only && u->code != only)) {
			at = &u->next;
			continue;
		}
		*at = u->next;
		adapters_end_use(a, u);
	}
	adapters_look(a, t->pid, t->id, now);
}

/* A process calls C's functions too often: each process is probed there by itself from now on. */
static void part(struct adapters *a, struct code *c, uint64_t now)
{
	struct target *t, *tmp;

	__atomic_store_n(&c->by_file, false, __ATOMIC_RELAXED);
	__atomic_add_fetch(&c->refs, 1, __ATOMIC_RELAXED);
	if (session_later(a->s, detach_code, c))
		__atomic_sub_fetch(&c->refs, 1, __ATOMIC_RELAXED);
	HASH_ITER (hh, a->targets, t, tmp)
		if (adapters_is_used(t, c, NULL))
			look_again(a, t, c, now);
}

/* A file in T that is probed for all who map it, NULL: there is none. */
static struct code *shared_code(const struct target *t)
{
	const struct use *u;

	for (u = t->uses; u; u = u->next)
		if (!u->named && __atomic_load_n(&u->code->by_file, __ATOMIC_RELAXED))
			return u->code;
	return NULL;
}

/* Gives KIND up in T, for a while. */
static void give_up(struct adapters *a, struct target *t, size_t kind, uint64_t now)
{
	struct code *c;
	struct use *u;

	t->hot |= 1u << kind;
	t->pause_ns = t->pause_ns ? 2 * t->pause_ns : PAUSE_NS;
	if (t->pause_ns > PAUSE_MAX)
		t->pause_ns = PAUSE_MAX;
	t->until_ns = now + t->pause_ns;
	a->pausing = true;
	a->hot++;
	while ((c = shared_code(t)))
		part(a, c, now);
	for (u = t->uses; u; u = u->next) {
		if (u->named)
			continue;
		__atomic_fetch_or(&u->hot, 1u << kind, __ATOMIC_RELAXED);
		adapters_later(u, detach_hot);
	}
	if (a->o.silent || (a->said_ns[kind] && now - a->said_ns[kind] < SAY_NS))
		return;
	a->said_ns[kind] = now;
	fprintf(stderr,
		"mispair: process %u calls %s more than %d times a second: not probed there for "
		"%u s (--precise always goes on)\n",
		t->pid, cancel_names[verdict_adapter_kind(adapter_kinds[kind].id)], CALLS_MAX,
		(unsigned int)(t->pause_ns / 1000000000));
}

/* Has T called something too often since it was asked last? */
static void ask(struct adapters *a, struct target *t, uint64_t now)
{
	uint64_t ms = (now - t->counted_ns) / 1000000;
	uint32_t calls[ADAPTER_MAX];
	size_t k;

	if (!ms || session_calls_of(a->s, t->pid, t->id, calls))
		return;
	for (k = 0; k < N_KINDS; k++) {
		enum adapter id = adapter_kinds[k].id;

		if (!(t->hot & 1u << k) && (calls[id] - t->calls[id]) * 1000ULL / ms > CALLS_MAX)
			give_up(a, t, k, now);
	}
	memcpy(t->calls, calls, sizeof(calls));
	t->counted_ns = now;
}

/* Those that were left alone for long enough are tried again. */
static void lift(struct adapters *a, uint64_t now)
{
	struct target *t, *tmp;

	a->pausing = false;
	HASH_ITER (hh, a->targets, t, tmp) {
		if (!t->hot)
			continue;
		if (t->until_ns > now) {
			a->pausing = true;
			continue;
		}
		t->hot = 0;
		session_calls_of(a->s, t->pid, t->id, t->calls);
		t->counted_ns = now;
		look_again(a, t, NULL, now);
	}
}

void adapters_refresh(struct adapters *a, uint64_t now_ns)
{
	uint64_t calls[ADAPTER_MAX], ms = (now_ns - a->counted_ns) / 1000000;
	struct target *t, *tmp;
	bool many = false;
	size_t k;

	if (ms < 1000 || session_adapter_calls(a->s, calls))
		return;
	for (k = 0; k < N_KINDS; k++) {
		enum adapter id = adapter_kinds[k].id;

		many |= a->counted_ns && !a->o.always &&
			(calls[id] - a->calls[id]) * 1000 / ms > CALLS_MAX;
	}
	memcpy(a->calls, calls, sizeof(calls));
	a->counted_ns = now_ns;
	HASH_ITER (hh, a->targets, t, tmp)
		if (many)
			ask(a, t, now_ns);
	if (a->pausing)
		lift(a, now_ns);
}

uint64_t adapters_unopened(const struct adapters *a)
{
	return a->unopened;
}

uint64_t adapters_hot(const struct adapters *a)
{
	return a->hot;
}
