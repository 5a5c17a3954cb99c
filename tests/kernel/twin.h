/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the host and the kernel's twin of the ledger hand each other. */
#ifndef MISPAIR_TWIN_H
#define MISPAIR_TWIN_H

#include "../unit/ledger_vectors.h"

struct twin_io {
	struct ledger l;
	struct vec_step step;
	struct owner who;
	struct vec_final final;
	__u32 ev;
	__u32 pad;
};

#endif
