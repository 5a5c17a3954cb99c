// SPDX-License-Identifier: GPL-2.0-or-later
/* mispair record: trace, or run where there is a command, with a file that replays it. */
#include <stdio.h>

#include "commands.h"
#include "options.h"

int cmd_record(int argc, char **argv)
{
	struct options o;
	int e = options_parse(&o, FOR_RECORD, argc, argv);

	if (e > 0) {
		puts("usage: mispair record -w FILE [OPTION...] [-- CMD [ARG...]]\n");
		options_help(stdout, FOR_RECORD);
		return EXIT_NOTHING;
	}
	if (e)
		return EXIT_USAGE;
	if (!o.record) {
		fprintf(stderr, "mispair: where to? try: mispair record -w FILE\n");
		return EXIT_USAGE;
	}
	return *o.command ? run_command(&o) : trace_host(&o);
}
