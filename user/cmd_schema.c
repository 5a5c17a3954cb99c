// SPDX-License-Identifier: GPL-2.0-or-later
/* mispair schema: what the events look like, for whoever reads them. */
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "options.h"
#include "schema.h"

int cmd_schema(int argc, char **argv)
{
	if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		puts("usage: mispair schema\n\nThe JSON Schema (2020-12) of one line of --json.");
		return EXIT_NOTHING;
	}
	if (argc > 1) {
		fprintf(stderr, "mispair: unexpected word '%s'\n", argv[1]);
		return EXIT_USAGE;
	}
	if (fwrite(schema_text, 1, schema_len(), stdout) != schema_len() || fflush(stdout)) {
		perror("mispair: cannot write");
		return EXIT_FAILED;
	}
	return EXIT_NOTHING;
}
