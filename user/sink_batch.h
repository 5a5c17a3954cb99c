/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The live view as plain text, one screen after the other: for pipes and cron. */
#ifndef MISPAIR_SINK_BATCH_H
#define MISPAIR_SINK_BATCH_H

#include <stdio.h>

#include "finding.h"
#include "options.h"

/*
 * Writes to OUT, which stays the caller's: header and all connections every o->delay_ns, worst
 * first or as o->sort says. The first of them comes after one delay, so that its rates are of that
 * time. After o->count of them done() says so. NULL without memory.
 */
struct sink *sink_batch_new(FILE *out, const struct options *o);

#endif
