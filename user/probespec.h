/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What --cancel-at and --cancel-usdt name: a place in a file, and whose wait ends there. */
#ifndef MISPAIR_PROBESPEC_H
#define MISPAIR_PROBESPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "filetrust.h"

#define PROBESPEC_MAX	    16 /* of a command line */
/* Functions of one name: a static one may be compiled into several places. */
#define PROBESPEC_FUNCTIONS 8

struct probespec {
	bool usdt;
	char file[256];
	struct filetrust trust; /* of the file that was looked into */
	char provider[64];	/* USDT only */
	char name[256];		/* of the function or the probe, as in the file */
	unsigned int arg;	/* whose wait: 1 to 6, 0: the current thread's */
	size_t n;
	uint64_t offsets[PROBESPEC_FUNCTIONS]; /* functions only */
};

/*
 * Takes BINARY:SYMBOL[:ARG], or with USDT BINARY:PROVIDER:NAME[:ARG], apart, and looks it up in the
 * file. 0, or -EINVAL and *WHY, LEN bytes, says why not.
 */
int probespec_parse(const char *text, bool usdt, struct probespec *out, char *why, size_t len);

#endif
