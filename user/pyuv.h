/* SPDX-License-Identifier: GPL-2.0-or-later */
/* uvloop's loop in another process; what the recorder makes of it is in bpf/uvloop.h. */
#ifndef MISPAIR_PYUV_H
#define MISPAIR_PYUV_H

#include <stdint.h>

#include "../bpf/events.h"

/*
 * The uv_loop_t of the loop that runs in PID, and *LOOP, the Loop object; 0: none, or not uvloop's.
 * FROM, SIZE: the zero-initialised data of its _asyncio module, where CPython 3.7 to 3.11 remember
 * the running loop (`cached_running_holder`, Modules/_asynciomodule.c). Bounded; what is read is
 * checked by the way back from uv_loop_t to the loop, and may be wrong only in a process that wants
 * it so.
 */
uint64_t pyuv_running(uint32_t pid, uint64_t from, uint64_t size, uint64_t *loop);

/*
 * *VAL: the thread that runs LOOP, one of uvloop's, in PID. TP: a thread pointer that may be that
 * thread's, 0: none. 0; -ENOENT: not uvloop's, not running, or not found; other -errno: unreadable.
 *
 * uvloop keeps it behind the uv_loop_t, in a field of C that Python does not see (Loop._thread_id,
 * uvloop/loop.pxd; set while the loop runs). A pthread_t is made out by what it points to: on
 * x86-64, and with musl, that begins with its own address (tcbhead_t, struct pthread). With glibc
 * on arm64 only TP tells.
 */
int pyuv_thread(uint32_t pid, uint64_t loop, uint64_t tp, struct loop_val *val);

#endif
