// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mispair top: the live view of this host. Where there is no terminal for it, or it has no more
 * than a printer's skills, findings come as plain lines instead, as `mispair trace` has them.
 */
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "options.h"
#include "tui_term.h"

/* Characters have the width that this locale says; without UTF-8 there are none beyond ASCII. */
static bool utf8(void)
{
	return setlocale(LC_CTYPE, "") && !strcmp(nl_langinfo(CODESET), "UTF-8");
}

static enum show choose(const struct options *o)
{
	const char *term = getenv("TERM");

	if (o->batch)
		return SHOW_BATCH;
	/* `--json -` has standard output for itself. */
	if (o->json && !strcmp(o->json, "-"))
		return SHOW_LINES;
	if (tui_possible())
		return SHOW_VIEW;
	if (isatty(STDOUT_FILENO))
		fprintf(stderr,
			"mispair: this terminal (TERM=%s) cannot show the live view: findings come "
			"as lines\n",
			term && *term ? term : "not set");
	return SHOW_LINES;
}

void top_choose(struct options *o)
{
	o->show = choose(o);
	if (o->show != SHOW_LINES && !utf8())
		o->ascii = true;
}

int cmd_top(int argc, char **argv)
{
	struct options o;
	int e = options_parse(&o, FOR_TOP, argc, argv);

	if (e > 0) {
		puts("usage: mispair top [OPTION...]\n");
		options_help(stdout, FOR_TOP);
		return EXIT_NOTHING;
	}
	if (e)
		return EXIT_USAGE;
	if (o.count && !o.batch) {
		fprintf(stderr, "mispair: --count is for batch mode: add -b\n");
		return EXIT_USAGE;
	}
	top_choose(&o);
	return trace_host(&o);
}
