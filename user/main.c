// SPDX-License-Identifier: GPL-2.0-or-later
/* Finds the command in one table and hands it its words; knows nothing else. */
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "options.h"
#include "version.h"

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} commands[] = {
	{"top", cmd_top, "the live view of this host's connections (-b: as plain text)"},
	{"run", cmd_run, "trace one command and its children, then sum up"},
	{"trace", cmd_trace, "findings on this host as they happen"},
	{"record", cmd_record, "the same as trace or run, and all that was seen into a file"},
	{"replay", cmd_replay, "a recording, as if it happened now; on any machine, without root"},
	{"probe", cmd_probe, "what this kernel and a process offer"},
	{"schema", cmd_schema, "the JSON Schema of the events"},
	{"limits", cmd_limits, "what can be full, what says so, whom it hides and how it lifts"},
	{NULL, NULL, NULL},
};

static void help(FILE *to)
{
	const struct command *c;

	fputs("mispair finds client connections that can hand somebody else's reply to the next "
	      "caller.\n\nusage: mispair COMMAND [OPTION...]\n\n",
	      to);
	for (c = commands; c->name; c++)
		fprintf(to, "  %-8s %s\n", c->name, c->help);
	fputs("\n`mispair COMMAND --help` tells more. Without a command: top, or trace "
	      "if\nstandard output is no terminal.\n"
	      "Exit status: 0 nothing found, 1 failure, 2 usage, 3 finding, 4 kernel lacks "
	      "something,\n5 no privilege, 6 evidence lost (--strict).\n",
	      to);
}

int main(int argc, char **argv)
{
	const struct command *c;

	if (argc < 2)
		return cmd_top(1, argv);
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		help(stdout);
		return EXIT_NOTHING;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "version")) {
		puts("mispair " MISPAIR_VERSION);
		return EXIT_NOTHING;
	}
	for (c = commands; c->name; c++)
		if (!strcmp(argv[1], c->name))
			return c->run(argc - 1, argv + 1);
	if (argv[1][0] == '-')
		return cmd_top(argc, argv);
	fprintf(stderr, "mispair: unknown command '%s' (mispair --help lists them)\n", argv[1]);
	return EXIT_USAGE;
}
