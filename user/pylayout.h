/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Layouts of asyncio's Task by CPython version. */
#ifndef MISPAIR_PYLAYOUT_H
#define MISPAIR_PYLAYOUT_H

#include <stdint.h>
#include "../bpf/pytask.h"

/* NULL where the version has no entry. VERSION is 0x030b for 3.11. */
const struct task_layout *pylayout_find(uint32_t version);

#endif
