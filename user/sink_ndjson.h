/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events as NDJSON, schema "mispair.event/1": one flat object a line. */
#ifndef MISPAIR_SINK_NDJSON_H
#define MISPAIR_SINK_NDJSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "finding.h"
#include "outlet.h"

/*
 * Makes a sink that writes to a file, created 0600 or truncated, or to stdout if path is "-" (the
 * caller keeps everything else off stdout). Returns 0 or -errno with a sentence in err; a symbolic
 * link is refused (-ELOOP). The sink lives until its finish(), which frees it and its outlets.
 *
 * Each event is built once. What cannot be built for lack of memory, or an outlet loses, is counted
 * by failures() and the sink goes on. The caller has SIGPIPE ignored.
 */
int sink_ndjson_new(const char *path, struct sink **out, char *err, size_t errlen);

/* The same without an outlet, NULL when out of memory; and one more outlet, which becomes its own:
 * 0 or -ENOSPC. */
struct sink *sink_ndjson_new_empty(void);
int sink_ndjson_add(struct sink *sink, struct outlet *outlet);

void sink_ndjson_tick(struct sink *sink);   /* every 50 ms */
void sink_ndjson_reopen(struct sink *sink); /* SIGHUP */

/* True once the reader of our pipe has gone: nothing will be written any more. Not a failure. */
bool sink_ndjson_closed(const struct sink *sink);

/*
 * For a replay: wall time minus CLOCK_MONOTONIC, in nanoseconds modulo 2^64, as it was where and
 * when the events were recorded. Without this call it is the offset at sink_ndjson_new().
 */
void sink_ndjson_set_wall_offset(struct sink *sink, uint64_t offset_ns);

#endif
