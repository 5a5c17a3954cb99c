// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What is known of a process's runtime, joined with what the other parts have seen of it, becomes
 * an item whenever it changes: a replay then says of it what the run did.
 */
#include <stdio.h>
#include <string.h>

#include "collector_int.h"

/* Refresh passes in which a process is asked whether it waits in epoll: some ten seconds. */
#define EPOLL_LOOKS 20

/* Of a process in which no runtime was found: what else says that its threads work for many. */
static void add_signs(struct collector *c, uint32_t pid, uint32_t id, struct coverage_facts *f,
		      struct coverage_told *told)
{
	struct proc p;

	if (adapters_has(c->adapters, pid, id, ADAPTER_TOKIO)) {
		f->bits |= FACT_NO_OWNERS;
		snprintf(f->runtime, sizeof(f->runtime), "tokio");
		return;
	}
	f->bits |= told->bits & FACT_EVENT_LOOP;
	if (told->bits & FACT_EVENT_LOOP || told->looks >= EPOLL_LOOKS)
		return;
	told->looks++;
	if (!session_proc_get(c->session, pid, &p) && p.id == id && (p.loop_ns || p.loop_began))
		f->bits |= FACT_EVENT_LOOP;
}

void collector_cover(void *ctx, uint32_t pid, uint32_t id, const struct coverage_facts *f,
		     struct coverage_told *told)
{
	struct item_coverage i = {.pid = pid, .id = id, .facts = *f};
	struct collector *c = ctx;

	if (f->state == RT_NONE && !(f->bits & (FACT_GO | FACT_NO_OWNERS)))
		add_signs(c, pid, id, &i.facts, told);
	if (told->told && told->state == i.facts.state && told->bits == i.facts.bits)
		return;
	told->told = true;
	told->state = i.facts.state;
	told->bits = i.facts.bits;
	collector_feed(c, ITEM_COVERAGE, collector_now(), &i, sizeof(i));
}

void collector_cover_gone(struct collector *c, uint32_t pid, uint32_t id)
{
	struct item_coverage i = {.pid = pid, .id = id, .facts = {.bits = FACT_GONE}};

	if (id)
		collector_feed(c, ITEM_COVERAGE, collector_now(), &i, sizeof(i));
}
