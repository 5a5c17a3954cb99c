/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Findings as lines and small charts for people. */
#ifndef MISPAIR_SINK_TEXT_H
#define MISPAIR_SINK_TEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "finding.h"

struct sink_text_opts {
	bool color; /* 16-colour escapes; the caller has looked at the terminal and NO_COLOR */
	bool ascii; /* nothing outside ASCII, not even in other people's names */
	bool quiet; /* findings and losses only: no start, no good endings, no summary */
	bool show_timeline; /* under each finding, what happened on the connection */
};

/*
 * Makes a sink that writes to out, which stays the caller's and must outlive the sink. o is copied.
 * Returns NULL (errno ENOMEM) without memory. The sink lives until its finish(), which frees it.
 *
 * Each event is flushed as it comes. One that cannot be written counts as one failure, but not
 * when the reader has gone (EPIPE): then the sink falls silent. The caller has SIGPIPE ignored.
 */
struct sink *sink_text_new(FILE *out, const struct sink_text_opts *o);

/* For a replay; as sink_ndjson_set_wall_offset(). */
void sink_text_set_wall_offset(struct sink *sink, uint64_t offset_ns);

/* True once the reader of our pipe has gone. */
bool sink_text_closed(const struct sink *sink);

#endif
