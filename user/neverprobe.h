/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Executables that are never probed: some compare their own code with a checksum of it and stop
 * where a byte differs, as it does where a uprobe is. ClickHouse does: it checks its integrity when
 * it starts ("Calculated checksum of the binary").
 */
#ifndef MISPAIR_NEVERPROBE_H
#define MISPAIR_NEVERPROBE_H

#include <stdbool.h>
#include <stdint.h>

#define NEVERPROBE_MAX 32

/* Names of executables, without their directories; patterns as fnmatch(3) has them. */
struct neverprobe {
	const char *names[NEVERPROBE_MAX]; /* what the user adds; borrowed */
	unsigned int n;
};

/* Is the executable of this NAME on the list? N may be NULL: the built-in names alone. */
bool neverprobe_name(const struct neverprobe *n, const char *name);
/* ... that of process PID? Also true where that cannot be read: it is gone. */
bool neverprobe_is(const struct neverprobe *n, uint32_t pid);
/*
 * Has the user added names? Then no file is probed for all who map it, since these may be among
 * them.
 */
bool neverprobe_asked(const struct neverprobe *n);

#endif
