/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A connection as one refresh pass saw it, joined with the names of its process. */
#ifndef MISPAIR_VIEW_SOURCE_H
#define MISPAIR_VIEW_SOURCE_H

#include "coverage.h"
#include "../bpf/events.h"

/* Lives until the call returns. Strings are NUL-terminated, "" if unknown, and not escaped. */
struct view_source_row {
	const struct ledger_row *ledger;
	const char *comm, *exe_name, *container_id;
	struct coverage_verdict coverage; /* of its process */
};

#endif
