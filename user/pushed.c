// SPDX-License-Identifier: GPL-2.0-or-later
/* Samples of a counter, at most 16 a second, from which the last two seconds are told. Pure. */
#include "pushed.h"

#define EVERY_NS (PUSHED_NS / (PUSHED_SAMPLES - 1))

/* What had been added two seconds before NOW, or just before that. */
static uint64_t before(const struct pushed *p, uint64_t now)
{
	size_t i, first = p->n > PUSHED_SAMPLES ? p->n - PUSHED_SAMPLES : 0;
	uint64_t added = first ? p->added[first % PUSHED_SAMPLES] : 0;

	for (i = first; i < p->n && p->at_ns[i % PUSHED_SAMPLES] + PUSHED_NS <= now; i++)
		added = p->added[i % PUSHED_SAMPLES];
	return added;
}

void pushed_take(struct pushed *p, uint64_t now_ns, uint64_t added, uint64_t room)
{
	uint64_t more = added - p->last, recent = added - before(p, now_ns);
	uint64_t over = recent > room ? recent - room : 0;

	p->out += over < more ? over : more;
	p->last = added;
	if (p->n && now_ns < p->at_ns[(p->n - 1) % PUSHED_SAMPLES] + EVERY_NS)
		return;
	p->at_ns[p->n % PUSHED_SAMPLES] = now_ns;
	p->added[p->n % PUSHED_SAMPLES] = added;
	p->n++;
}
