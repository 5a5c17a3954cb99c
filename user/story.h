/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What happened on one connection, in order of time: the timeline that proves a finding. Pure. */
#ifndef MISPAIR_STORY_H
#define MISPAIR_STORY_H

#include <stdbool.h>
#include "finding.h"
#include "../bpf/events.h"

struct story_entry {
	uint64_t ts;
	enum timeline_what what;
	uint64_t bytes;
	char owner[OWNER_TEXT], by[OWNER_TEXT];
};

struct story {
	size_t n;
	struct story_entry entries[TIMELINE_MAX];
};

/*
 * Inserts by time. Where there is no room the oldest gives way, but never the very first, the
 * request that it is all about. O (may be NULL) becomes the entry's owner. The entry may be
 * completed before the next call.
 */
struct story_entry *story_add(struct story *s, uint64_t ts, enum timeline_what what, uint64_t bytes,
			      const struct owner *o);

bool story_has(const struct story *s, uint64_t ts, enum timeline_what what);
bool story_has_since(const struct story *s, enum timeline_what what, uint64_t since);

/* Copies the story into F, times relative to its beginning. */
void story_to_timeline(const struct story *s, struct finding *f);

/*
 * Which of the first N entries of F's timeline is the request that reused the connection: the first
 * one after the last wait that ended, or where no cancellation was seen the last request, if there
 * is one before it. N: none.
 */
size_t story_reuse_at(const struct finding *f, size_t n);

#endif
