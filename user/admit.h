/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether a run begins on this host, said on standard error. */
#ifndef MISPAIR_ADMIT_H
#define MISPAIR_ADMIT_H

#include "hostcheck.h"

/* Reads the facts that can be had before hooks are opened. PROBES: uprobes are wanted. */
void admit_facts(struct host_facts *f, bool probes);

/*
 * 0, or the exit status of a run that is refused, after a message. STRICT: what works in part is
 * refused, too; else it is said, on one line, once it is all known (COMPLETE). DEGRADED: the words
 * of that, a bit each.
 */
int admit(const struct host_facts *f, bool strict, bool complete, uint32_t *degraded);

#endif
