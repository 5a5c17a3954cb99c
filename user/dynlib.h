/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Libraries that only one option needs are loaded when it is used: a host without them traces all
 * the same, and a start without it does not map thirty libraries. Their headers are needed to
 * build; types come from them.
 */
#ifndef MISPAIR_DYNLIB_H
#define MISPAIR_DYNLIB_H

#include <stddef.h>

struct dynlib_symbol {
	const char *name;
	void *to; /* address of a pointer to the function */
};

/*
 * Loads the first of NAMES (NULL-terminated) that is there and fills in the symbols. It stays
 * loaded. 0, or -ENOENT with a sentence in ERR that names PACKAGE.
 */
int dynlib_load(const char *const *names, const char *package, const struct dynlib_symbol *symbols,
		size_t n, char *err, size_t errlen);

#endif
