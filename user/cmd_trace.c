// SPDX-License-Identifier: GPL-2.0-or-later
/* mispair trace: the whole host, or what the filters leave of it, until a signal. */
#include <stdio.h>

#include "collector.h"
#include "commands.h"
#include "options.h"

int trace_host(const struct options *o)
{
	struct collector *c;
	int e = collector_open(o, NULL, &c);

	if (e)
		return e;
	collector_adopt(c);
	collector_start(c);
	e = collector_run(c, -1, 0);
	if (e)
		fprintf(stderr, "mispair: the event loop failed: %d\n", e);
	return collector_close(c, -1);
}

int cmd_trace(int argc, char **argv)
{
	struct options o;
	int e = options_parse(&o, FOR_TRACE, argc, argv);

	if (e > 0) {
		puts("usage: mispair trace [OPTION...]\n");
		options_help(stdout, FOR_TRACE);
		return EXIT_NOTHING;
	}
	return e ? EXIT_USAGE : trace_host(&o);
}
