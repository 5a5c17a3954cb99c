/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an LRU map has pushed out too early. It does not say; but of entries that are asked for
 * within two seconds none was pushed out, as long as no more were added in that time than fit.
 */
#ifndef MISPAIR_PUSHED_H
#define MISPAIR_PUSHED_H

#include <stddef.h>
#include <stdint.h>

#define PUSHED_NS      2000000000ULL
#define PUSHED_SAMPLES 33 /* of a 16th of a second, and one that is older */

/* Zero at first. */
struct pushed {
	uint64_t at_ns[PUSHED_SAMPLES], added[PUSHED_SAMPLES];
	size_t n;      /* samples taken so far: the last ones are kept, in turn */
	uint64_t last; /* ADDED of the call before */
	uint64_t out;  /* the result: entries that were pushed out early, so far */
};

/* At NOW_NS, which never goes back, ADDED entries were added so far, and ROOM of them fit. */
void pushed_take(struct pushed *p, uint64_t now_ns, uint64_t added, uint64_t room);

#endif
