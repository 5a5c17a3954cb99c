/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of adapters, and where in files and processes their functions are. */
#ifndef MISPAIR_ADAPTERS_FIND_H
#define MISPAIR_ADAPTERS_FIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "remote.h"
#include "../bpf/events.h"

#define FUNCTIONS_MAX 8 /* of one adapter in one file */

/* Where in a process an adapter's functions are. */
enum place { IN_LIBC, IN_LIBJVM, IN_PROGRAM, PLACES };

struct adapter_kind {
	enum adapter id;
	enum place place;
	bool (*is_it)(const char *name);
};

#define N_KINDS 5
extern const struct adapter_kind adapter_kinds[N_KINDS];

/* What one adapter has in one file. */
struct found {
	size_t n;
	uint64_t offsets[FUNCTIONS_MAX];
};

/* What a process has of executable mappings that matters; start is 0 where there is none. */
struct mapped {
	struct mapping at[PLACES];
	bool ruby;
	char exe[256];
};

/* Looks in the file behind FD, which may be anybody's, for adapters of WANTED: bits of the table.
 */
void adapters_search(int fd, uint32_t wanted, struct found found[N_KINDS]);
/* What adapter_jvm has to know of the libjvm behind FD, which PID has mapped as M says; or 0. */
uint64_t adapters_learn_jvm(int fd, uint32_t pid, const struct mapping *m);

/* What of process PID matters: 0 or -errno. */
int adapters_mapped(uint32_t pid, struct mapped *w);
/* Which adapters, as bits of the table, could be in what is mapped at PLACE. */
uint32_t adapters_kinds_at(const struct mapped *w, enum place place);

#endif
