/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Gathers the numbers that the metrics show. A meter may be NULL: nobody asked for any. */
#ifndef MISPAIR_METER_H
#define MISPAIR_METER_H

#include <stdbool.h>
#include <stdint.h>
#include "core.h"
#include "options.h"
#include "session.h"

struct meter;

/* *OUT is NULL if the options want no metrics. 0, or -errno, which stderr has been told. */
int meter_open(const struct options *o, struct session *s, struct meter **out);
void meter_free(struct meter *m);

/* So many ENTRIES the table called NAME has now, for the next update. */
void meter_table(struct meter *m, const char *name, uint64_t entries);

/* A pass over the sockets that matter has taken so many nanoseconds. */
void meter_pass(struct meter *m, uint64_t ns);

/* Shows how things are at NOW; LAST: there is no later time. */
void meter_update(struct meter *m, const struct core *c, uint64_t now, bool last);

/* Times that the metrics could not be written. */
uint64_t meter_failures(const struct meter *m);

#endif
