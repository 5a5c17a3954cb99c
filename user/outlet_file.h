/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines into a file or to standard output. */
#ifndef MISPAIR_OUTLET_FILE_H
#define MISPAIR_OUTLET_FILE_H

#include "outlet.h"

struct outlet_file_opts {
	const char *path;	   /* created 0600 or truncated; "-": standard output */
	uint64_t rotate_size;	   /* a new file before it would be larger than this; 0: never */
	unsigned int rotate_count; /* PATH.1 (the youngest) to PATH.N are kept */
};

/*
 * 0, or -errno with a sentence in ERR; a symbolic link is refused (-ELOOP). Each line is one
 * write(2). A line that cannot be written is counted; that it is so is said once on stderr, and
 * again when it is over. reopen() opens the path anew and appends.
 */
int outlet_file_new(const struct outlet_file_opts *o, struct outlet **out, char *err,
		    size_t errlen);

#endif
