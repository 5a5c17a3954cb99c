/* SPDX-License-Identifier: GPL-2.0-or-later */
/* uvloop's loop in another process; what the recorder makes of it is in bpf/uvloop.h. */
#ifndef MISPAIR_PYUV_H
#define MISPAIR_PYUV_H

#include <stdint.h>

/*
 * The uv_loop_t of the loop that runs in PID; 0: none, or not uvloop's. FROM, SIZE: the
 * zero-initialised data of its _asyncio module, where CPython 3.7 to 3.11 remember the running loop
 * (`cached_running_holder`, Modules/_asynciomodule.c). Bounded; what is read is checked by the way
 * back from uv_loop_t to the loop, and may be wrong only in a process that wants it so.
 */
uint64_t pyuv_running(uint32_t pid, uint64_t from, uint64_t size);

#endif
