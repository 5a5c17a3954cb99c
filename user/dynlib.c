// SPDX-License-Identifier: GPL-2.0-or-later
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "dynlib.h"

int dynlib_load(const char *const *names, const char *package, const struct dynlib_symbol *symbols,
		size_t n, char *err, size_t errlen)
{
	const char *const *name;
	void *lib = NULL, *at;
	size_t i;

	for (name = names; *name && !lib; name++)
		lib = dlopen(*name, RTLD_NOW | RTLD_LOCAL);
	if (!lib) {
		snprintf(err, errlen, "it needs %s, which is not installed (package %s)", names[0],
			 package);
		return -ENOENT;
	}
	for (i = 0; i < n; i++) {
		at = dlsym(lib, symbols[i].name);
		if (!at) {
			snprintf(err, errlen, "%s has no %s", names[0], symbols[i].name);
			dlclose(lib);
			return -ENOENT;
		}
		memcpy(symbols[i].to, &at, sizeof(at));
	}
	return 0;
}
