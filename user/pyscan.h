/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Finds asyncio's Task and Future, and what calls a Task's steps, in the data of an ELF image: by
 * the names in its method tables, types and specs. Needs no symbols. See pyscan.c for what confirms
 * a find. Addresses are as in the file; 0 is unknown; functions lie in executable segments.
 */
#ifndef MISPAIR_PYSCAN_H
#define MISPAIR_PYSCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "elfview.h"

struct pyscan_class {
	bool found; /* or all else is meaningless */
	uint64_t cancel;
	uint64_t type; /* the static PyTypeObject */
	uint64_t finalize;
	uint32_t basicsize; /* 0: unknown */
};

struct pyscan {
	struct pyscan_class task, future;
	uint64_t task_step;   /* behind calling a TaskStepMethWrapper */
	uint64_t task_wakeup; /* of TaskWakeupDef */
};

/* VIEW must have been relocated. */
void pyscan__find(const struct elfview *view, struct pyscan *out);

#endif
