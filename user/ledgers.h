/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * --ledgers: every socket's counts, once. A socket tells its end by an event; one that is open when
 * the run ends is told from the last refresh; one that vanished without a word (its event was
 * lost, or a Unix socket whose peer never read the end of the file) is told from its last row, as
 * unobserved.
 */
#ifndef MISPAIR_LEDGERS_H
#define MISPAIR_LEDGERS_H

#include "finding.h"
#include "../bpf/events.h"

struct ledgers;

/* Fills in comm from r->pid and passes it on. */
typedef void (*ledgers_fn)(void *ctx, struct socket_report *r);

struct ledgers *ledgers_new(ledgers_fn fn, void *ctx); /* NULL when out of memory */
void ledgers_free(struct ledgers *l);

void ledgers_row(struct ledgers *l, const struct ledger_row *row); /* a refresh pass saw it */
void ledgers_round(struct ledgers *l, uint64_t now);		   /* the pass has ended */
/* The pass has left out what lies still; what is gone is told. */
void ledgers_kept(struct ledgers *l);
void ledgers_gone(struct ledgers *l, uint64_t cookie);
void ledgers_end(struct ledgers *l, const struct ev_step *e); /* EV_LEDGER */
void ledgers_finish(struct ledgers *l, uint64_t now);	      /* the run has ended */

#endif
