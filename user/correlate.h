/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Joins what the recorder saw on one connection and says what it means. Pure: no libbpf, no
 * stdio, no clock of its own; time comes with the events, or with correlate_tick().
 *
 * A connection is known by its socket cookie, never by a descriptor. It enters the table with its
 * first suspicious step and leaves it when it is closed, vanishes, or its process exits.
 */
#ifndef MISPAIR_CORRELATE_H
#define MISPAIR_CORRELATE_H

#include <stdbool.h>
#include <stdint.h>
#include "finding.h"
#include "../bpf/events.h"

struct correlator;

struct correlate_opts {
	/*
	 * How long a connection may lie open with an abandoned exchange before it is called
	 * abandoned or dirty: a correct client closes within a turn of its loop. 0: 100 ms.
	 */
	uint64_t grace_ns;
	/* Abandoned for so long while its siblings are in use: leaked. 0: 30 s. */
	uint64_t leak_ns;
	/* 0: 8192 (9 KB each); a process has half of what others leave, and what is beyond that
	 * is counted as lost. */
	size_t max_tracks;
};

/* The finding lives until the call returns; exe_name, container_id and protocol are not filled. */
typedef void (*correlate_fn)(void *ctx, struct finding *f);

/* NULL when out of memory. */
struct correlator *correlator_new(const struct correlate_opts *o, correlate_fn fn, void *ctx);
void correlator_free(struct correlator *c);

/* A step from the ring (EV_STEP). */
void correlate_step(struct correlator *c, const struct ev_step *e);

/*
 * What the refresh pass found on a socket that lies idle: its ledger, the unread bytes, and STATUS
 * (enum wait_status), what its owner's memory says now. COMM is the owner's process.
 */
void correlate_idle(struct correlator *c, const struct ledger_row *row, uint8_t status,
		    const char *comm, uint64_t now);

/* What it found on a socket that lies idle with unread bytes, and on which a request was overtaken.
 */
void correlate_rest(struct correlator *c, const struct ledger_row *row, uint64_t now);

/* Does a cancelled owner's second request wait for correlate_buffered()? */
bool correlate_wants_buffer(const struct correlator *c, uint64_t cookie);

/*
 * What it found on a socket that lies idle after a cancelled owner had sent again: BYTES in the
 * buffer of its StreamReader, for which nobody waits.
 */
void correlate_buffered(struct correlator *c, const struct ledger_row *row, uint32_t bytes,
			uint64_t now);

/* Is there a connection on which a request was overtaken? Then looks are worth more. */
bool correlate_watching(const struct correlator *c);

/*
 * A round of the refresh pass ended at NOW: every open socket has been seen by correlate_seen(). A
 * tracked socket that was not is closed. After correlate_kept() a round leaves out what lies still,
 * and one is closed that correlate_gone() has named.
 */
void correlate_seen(struct correlator *c, const struct ledger_row *row);
void correlate_kept(struct correlator *c);
void correlate_gone(struct correlator *c, uint64_t cookie);
void correlate_round(struct correlator *c, uint64_t now);

/* Decides what only waited for time to pass. Call at least every grace period. */
void correlate_tick(struct correlator *c, uint64_t now);

/* The process has gone: its tracks end, with no more than what was held back. */
void correlate_exit(struct correlator *c, uint32_t tgid, uint32_t id, uint64_t now);

/* Nothing more will come: decides what can be decided. */
void correlate_finish(struct correlator *c, uint64_t now);

uint64_t correlate_lost(const struct correlator *c); /* steps of connections that did not fit */
/* Findings so far, by verdict and confidence. */
void correlate_totals(const struct correlator *c, uint64_t out[VERDICT_MAX][CONF_MAX]);

#endif
