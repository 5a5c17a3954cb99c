// SPDX-License-Identifier: GPL-2.0-or-later
/* A list of names: what is built in, and what a user adds. */
#include <fnmatch.h>
#include <stddef.h>

#include "neverprobe.h"
#include "procinfo.h"

/* clickhouse-server, -client, -local, -keeper are links to one executable, or copies of it. */
static const char *const built_in[] = {"clickhouse*"};

bool neverprobe_name(const struct neverprobe *n, const char *name)
{
	unsigned int i;

	for (i = 0; i < sizeof(built_in) / sizeof(*built_in); i++)
		if (!fnmatch(built_in[i], name, 0))
			return true;
	for (i = 0; n && i < n->n; i++)
		if (!fnmatch(n->names[i], name, 0))
			return true;
	return false;
}

bool neverprobe_is(const struct neverprobe *n, uint32_t pid)
{
	struct procinfo info;

	return procinfo_read(pid, &info) || neverprobe_name(n, info.exe_name);
}

bool neverprobe_asked(const struct neverprobe *n)
{
	return n && n->n;
}
