// SPDX-License-Identifier: GPL-2.0-or-later
/* A short array that is kept sorted: entries come nearly in order. */
#include <string.h>

#include "describe.h"
#include "story.h"

struct story_entry *story_add(struct story *s, uint64_t ts, enum timeline_what what, uint64_t bytes,
			      const struct owner *o)
{
	struct story_entry *e;
	size_t i;

	if (s->n == TIMELINE_MAX) {
		memmove(&s->entries[1], &s->entries[2], (TIMELINE_MAX - 2) * sizeof(*e));
		s->n--;
	}
	for (i = s->n; i > 0 && s->entries[i - 1].ts > ts; i--)
		s->entries[i] = s->entries[i - 1];
	s->n++;
	e = &s->entries[i];
	memset(e, 0, sizeof(*e));
	e->ts = ts;
	e->what = what;
	e->bytes = bytes;
	if (o)
		describe_owner(o, e->owner, sizeof(e->owner));
	return e;
}

bool story_has(const struct story *s, uint64_t ts, enum timeline_what what)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (s->entries[i].ts == ts && s->entries[i].what == what)
			return true;
	return false;
}

bool story_has_since(const struct story *s, enum timeline_what what, uint64_t since)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (s->entries[i].what == what && s->entries[i].ts >= since)
			return true;
	return false;
}

void story_to_timeline(const struct story *s, struct finding *f)
{
	size_t i;

	f->n_timeline = s->n;
	for (i = 0; i < s->n; i++) {
		struct timeline_entry *to = &f->timeline[i];

		to->at_ns = s->entries[i].ts - s->entries[0].ts;
		to->what = s->entries[i].what;
		to->bytes = s->entries[i].bytes;
		memcpy(to->owner, s->entries[i].owner, sizeof(to->owner));
		memcpy(to->by, s->entries[i].by, sizeof(to->by));
	}
}

size_t story_reuse_at(const struct finding *f, size_t n)
{
	size_t i, request = n;

	if (f->verdict != VERDICT_REUSED)
		return n;
	for (i = n; i-- > 0;) {
		enum timeline_what what = f->timeline[i].what;

		if (what == TL_REQUEST)
			request = i;
		else if ((what == TL_CANCEL || what == TL_CANCEL_SEEN) && request < n)
			return request;
	}
	for (i = n; i-- > 1;)
		if (f->timeline[i].what == TL_REQUEST)
			return i;
	return n;
}
