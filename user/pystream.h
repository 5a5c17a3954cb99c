/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What lies in the buffer of an asyncio StreamReader of another process. */
#ifndef MISPAIR_PYSTREAM_H
#define MISPAIR_PYSTREAM_H

#include <stdint.h>
#include "../bpf/events.h"

/*
 * Bytes in the buffer of the StreamReader at STREAM of PID that no task waits for. 0 if there are
 * none, if a task waits (it has seen them and wants more), or if that cannot be read: STREAM was
 * believed by the recorder, but it may have been freed since.
 */
uint32_t pystream_left(uint32_t pid, const struct task_layout *layout, uint64_t stream);

#endif
