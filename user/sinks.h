/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sinks that the options ask for, opened and closed together. */
#ifndef MISPAIR_SINKS_H
#define MISPAIR_SINKS_H

#include "finding.h"
#include "options.h"

#define SINKS_MAX 4

struct sinks {
	struct sink *list[SINKS_MAX];
	int n;
	struct sink *json, *text; /* in the list too; NULL if not asked for */
};

#define SINKS(s, call, ...)                                                                        \
	do {                                                                                       \
		for (int sink_ = 0; sink_ < (s)->n; sink_++)                                       \
			if ((s)->list[sink_]->call)                                                \
				(s)->list[sink_]->call((s)->list[sink_]->ctx, __VA_ARGS__);        \
	} while (0)

/* 0, or -errno after a message on stderr; what was opened is closed by sinks_finish() even then. */
int sinks_open(struct sinks *s, const struct options *o);
void sinks_finish(struct sinks *s);

void sinks_tick(struct sinks *s);		/* every 50 ms */
void sinks_reopen(struct sinks *s);		/* SIGHUP */
uint64_t sinks_failures(const struct sinks *s); /* lines that could not be written */
bool sinks_closed(const struct sinks *s);	/* nobody reads what we say any more */

#endif
