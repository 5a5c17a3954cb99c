/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which thread runs an asyncio event loop. */
#ifndef MISPAIR_PYLOOP_H
#define MISPAIR_PYLOOP_H

#include <stdint.h>

#include "../bpf/events.h"

/*
 * Reads the attribute `_thread_id` that asyncio's BaseEventLoop keeps while it runs: the
 * pthread_self() of its thread, and where the attribute stands: into *VAL. VERSION is 0x030b
 * for 3.11. 0; -ENOENT: no such attribute (another kind of loop) or the loop does not run;
 * -EOPNOTSUPP: unknown version; other -errno: unreadable.
 */
int pyloop_thread(uint32_t pid, uint64_t loop, uint32_t version, struct loop_val *val);

#endif
