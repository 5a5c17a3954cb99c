/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Wall time from monotonic time. Events carry CLOCK_MONOTONIC; a sink adds one offset that it
 * takes once, so that a clock that is set in between cannot change the order of its lines.
 */
#ifndef MISPAIR_WALLCLOCK_H
#define MISPAIR_WALLCLOCK_H

#include <stdint.h>
#include <time.h>

#define WALLCLOCK_NS_PER_SEC ((uint64_t)1000000000)

static inline uint64_t wallclock_read_ns(clockid_t clock)
{
	struct timespec ts = {0};

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * WALLCLOCK_NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

/*
 * CLOCK_REALTIME minus CLOCK_MONOTONIC, now, in nanoseconds, modulo 2^64: add it to a monotonic
 * time. The two clocks cannot be read at one instant; of a few tries the one with the least time
 * between its two monotonic reads is the best, and half of that time is its error.
 */
static inline uint64_t wallclock_offset_ns(void)
{
	uint64_t best = UINT64_MAX, offset = 0;
	int i;

	for (i = 0; i < 8; i++) {
		uint64_t before = wallclock_read_ns(CLOCK_MONOTONIC);
		uint64_t wall = wallclock_read_ns(CLOCK_REALTIME);
		uint64_t width = wallclock_read_ns(CLOCK_MONOTONIC) - before;

		if (width < best) {
			best = width;
			offset = wall - (before + width / 2);
		}
	}
	return offset;
}

#endif
