// SPDX-License-Identifier: GPL-2.0-or-later
/* Asked twice: before anything is attached, and when it is known which hooks there are. */
#include <stdio.h>

#include "admit.h"

void admit_facts(struct host_facts *f, bool probes)
{
	struct host_finding found[HOST_FINDINGS_MAX];
	size_t n;

	hostfacts_read("", f);
	n = hostcheck(f, found);
	/* The trial is for who may load programs. */
	if (probes && !(n && found[0].level == HOST_REFUSED))
		f->uprobes = hostfacts_try_uprobe();
}

int admit(const struct host_facts *f, bool strict, bool complete, uint32_t *degraded)
{
	struct host_finding found[HOST_FINDINGS_MAX];
	size_t n = hostcheck(f, found);
	char text[2048];
	int status = 0;

	*degraded = hostcheck_degraded(found, n);
	if (hostcheck_text(found, n, HOST_REFUSED, text, sizeof(text), &status)) {
		fprintf(stderr, "mispair: %s\n", text);
		return status;
	}
	if (!(strict || complete) ||
	    !hostcheck_text(found, n, HOST_PARTIAL, text, sizeof(text), strict ? &status : NULL))
		return 0;
	fprintf(stderr,
		strict ? "mispair: --strict, and this works in part only: %s\n"
		       : "mispair: works in part: %s\n",
		text);
	return status;
}
