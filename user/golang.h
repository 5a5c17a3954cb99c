/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Programs that Go has made, and where their goroutines' ids lie. */
#ifndef MISPAIR_GOLANG_H
#define MISPAIR_GOLANG_H

#include <stdbool.h>
#include <stdint.h>
#include "remote.h"

struct golang {
	char version[16]; /* "1.19.8" */
	uint32_t id;	  /* offset of a g's goid; 0: not known for this version */
};

/* Is the file of mapping M of PID, a program, one of Go's? */
bool golang_find(uint32_t pid, const struct mapping *m, struct golang *out);

/* Offset of goid in the g of this version; 0: before Go 1.17, or no version. */
uint32_t golang_id_offset(const char *version);

/* The other place where it may be: versions that are not released yet may differ. */
uint32_t golang_other_offset(uint32_t id);

#endif
