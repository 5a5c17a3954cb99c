/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between the core and the sinks: findings are counted, not repeated. Pure: time comes with the
 * findings and with tally_tick().
 *
 * What is the same finding: one connection, process, verdict, confidence, kind of reuse and kind of
 * cancellation. Its first one is passed on whole and at once. Of those that follow, what came since
 * is told by an update, at most one a minute, and by a last one at the end. A finding that is worse
 * or surer is another one, and passed on at once.
 *
 * A process, and a user, may have so many whole findings at once and so many a second, of each
 * grade: good endings, `suspect`, `likely` and more. Where that is used up, what is left over is
 * told by one sum a second for each process and kind of finding. A connection that was only counted
 * is told in full by its next finding, as soon as there is room. Every finding is in exactly one of
 * these, so the counts add up.
 *
 * Both tables are bounded. The entry that was used least recently makes room: what it has counted
 * is told first. Nothing is lost by that; the next finding of that connection is passed on whole.
 */
#ifndef MISPAIR_TALLY_H
#define MISPAIR_TALLY_H

#include <stdbool.h>
#include <stdint.h>
#include "finding.h"

struct tally;

/* By the confidence: none, suspect, and likely or certain. */
enum tally_grade { TALLY_ENDING, TALLY_SUSPECT, TALLY_ALARM, TALLY_GRADES };

/*
 * Whole findings: so many at once, then so many a second. 0, 0: the default; all processes of a
 * user have as many at once as one, and half as many again a second.
 */
struct tally_rate {
	uint32_t burst, a_second;
};

struct tally_opts {
	uint64_t update_ns;	  /* between two updates; 0: a minute */
	uint32_t max_connections; /* 0: 16384 (1 KB each) */
	uint32_t max_processes;	  /* 0: 4096; so many users, too */
	struct tally_rate process[TALLY_GRADES], user[TALLY_GRADES];
};

/* What is told; it lives until the call returns. NULL members are not called. */
struct tally_told {
	void (*finding)(void *ctx, const struct finding *f);
	void (*sum)(void *ctx, const struct finding_sum *s);
	void *ctx;
};

/* NULL when out of memory. */
struct tally *tally_new(const struct tally_opts *o, const struct tally_told *told);
void tally_free(struct tally *t); /* NULL is fine; tells nothing */

/* UID: of the finding's process, as far as that is known. */
void tally_finding(struct tally *t, const struct finding *f, uint32_t uid);

/* Call at least once a second: sums and updates that are due. */
void tally_tick(struct tally *t, uint64_t now);

/* A connection has ended: its last updates. */
void tally_closed(struct tally *t, uint64_t cookie);

/* Nothing more will come: all that was counted and not told. */
void tally_finish(struct tally *t);

#endif
