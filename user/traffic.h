/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one table of what traffic is seen. `mispair probe` prints it, the manual has it, and a test
 * tries each row, so that none of them can say what is not so.
 */
#ifndef MISPAIR_TRAFFIC_H
#define MISPAIR_TRAFFIC_H

#include <stddef.h>

enum traffic_state {
	TRAFFIC_SEEN,	    /* requests and replies are counted */
	TRAFFIC_UNOBSERVED, /* the connection is known and counted as lost; nothing is guessed */
	TRAFFIC_UNSEEN,	    /* nothing is known of it */
	TRAFFIC_MAX,
};

struct traffic {
	const char *name; /* a word, of tests/system/traffic.c too */
	enum traffic_state state;
	const char *lost; /* TRAFFIC_UNOBSERVED: the loss that counts it, else NULL */
	const char *what; /* for people */
	const char *note; /* what else to know, "" for nothing */
};

extern const struct traffic traffic[];
extern const size_t traffic_rows;
extern const char *const traffic_names[TRAFFIC_MAX];

#endif
