/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The collector's deterministic half: takes items, feeds the correlator, tells the sinks. The same
 * items in the same order give the same calls of the sinks, whoever made them. Pure: no libbpf, no
 * clock, no look at the host.
 */
#ifndef MISPAIR_CORE_H
#define MISPAIR_CORE_H

#include <stdbool.h>
#include "item.h"
#include "sinks.h"

struct core;

struct core_opts {
	enum verdict fail_on; /* VERDICT_NONE: never */
	struct sinks *sinks;  /* the caller's; outlives the core */
	/* After the sinks were told of a finding; may be NULL. It must not call core_input(). */
	void (*finding)(void *ctx, const struct finding *f);
	void *ctx;
};

struct core *core_new(const struct core_opts *o); /* NULL when out of memory */
void core_free(struct core *c);			  /* NULL is fine; the sinks stay */

/* BODY is aligned for any struct, and has passed item_check() or was made by this program. */
void core_input(struct core *c, enum item_kind kind, uint64_t now, const void *body, size_t len);

/* Whether it is known what this process is called; else an ITEM_PROCESS is wanted before what is
 * said of it. ID as in struct proc. */
bool core_knows(const struct core *c, uint32_t pid, uint32_t id);
/* Of the next N processes that are known, tells those whose end was not told. FN must not call
 * core_input(). */
void core_sweep(struct core *c, size_t n, void (*fn)(void *ctx, uint32_t pid, uint32_t id),
		void *ctx);
size_t core_process_count(const struct core *c);
/* All processes that are known, for a recording that begins now. */
void core_processes(const struct core *c, void (*fn)(void *ctx, const struct item_process *p),
		    void *ctx);

/* ... and what was found out about how each can be watched. */
void core_coverage(const struct core *c, void (*fn)(void *ctx, const struct item_coverage *i),
		   void *ctx);

/* Is it time for a sink that shows connections? At its own pace, which may not be the collector's.
 */
bool core_rows_due(const struct core *c, uint64_t now);
/* Does any sink show connections? */
bool core_rows_shown(const struct core *c);

/* Is a connection under watch, and a refresh pass cheap? Then one soon finds what rests on it. */
bool core_wants_look(const struct core *c);

/* Is it worth to look into the buffer that this socket's owners read from? */
bool core_wants_buffer(const struct core *c, uint64_t cookie);

bool core_failed_on(const struct core *c); /* a finding at or above fail_on, likely or more */
bool core_lost(const struct core *c);	   /* any evidence or output */
bool core_blind(const struct core *c);	   /* a process with connections was not watched */
bool core_stopped(const struct core *c);   /* ITEM_STOP has come */
void core_stats(const struct core *c, uint64_t now, struct run_stats *s);

#endif
