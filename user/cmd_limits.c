// SPDX-License-Identifier: GPL-2.0-or-later
/* mispair limits: the table of what can be full (bpf/limit_table.h), for people and for tests. */
#include <stdio.h>
#include <string.h>
#include <json-c/json.h>

#include "commands.h"
#include "finding.h"
#include "options.h"

#define LOSS_NONE LOSS_MAX

static const struct limit {
	const char *kind, *object, *filled_by, *holds;
	enum loss loss;
} limits[] = {
#define LIMIT_ROW(kind, object, loss, filled_by, holds)                                            \
	{#kind, #object, #filled_by, holds, LOSS_##loss},
	LIMITS(LIMIT_ROW)};

#define N_ROWS (sizeof(limits) / sizeof(limits[0]))

/* What a loss tells, and which limits it is of. */
static void print_loss(enum loss loss)
{
	size_t i;

	printf("%s: %s\n", loss_names[loss], loss_words[loss]);
	for (i = 0; i < N_ROWS; i++)
		if (limits[i].loss == loss)
			printf("  holds  %s\n", limits[i].holds);
	printf("  hides  %s\n  lifts  %s\n", loss_hides[loss], loss_lifts[loss]);
}

/* Each row as an object, on a line. 0 or -1: no memory. */
static int print_json(void)
{
	const struct limit *l;

	for (l = limits; l < limits + N_ROWS; l++) {
		struct json_object *o = json_object_new_object();
		const char *text;

		json_object_object_add(o, "kind", json_object_new_string(l->kind));
		json_object_object_add(o, "object", json_object_new_string(l->object));
		json_object_object_add(o, "filled_by", json_object_new_string(l->filled_by));
		json_object_object_add(o, "holds", json_object_new_string(l->holds));
		if (l->loss != LOSS_NONE) {
			json_object_object_add(o, "loss",
					       json_object_new_string(loss_names[l->loss]));
			json_object_object_add(o, "hides",
					       json_object_new_string(loss_hides[l->loss]));
			json_object_object_add(o, "lifts",
					       json_object_new_string(loss_lifts[l->loss]));
		}
		text = o ? json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN) : NULL;
		if (text)
			puts(text);
		json_object_put(o);
		if (!text)
			return -1;
	}
	return 0;
}

int cmd_limits(int argc, char **argv)
{
	int i;

	if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		puts("usage: mispair limits [--json]\n\nWhat can be full, by the name of the loss "
		     "that says so: how much it holds, whom it hides\nand how it lifts. --json: "
		     "every map and cap of the source, one object a line.");
		return EXIT_NOTHING;
	}
	if (argc > 2 || (argc == 2 && strcmp(argv[1], "--json") != 0)) {
		fprintf(stderr, "mispair: unexpected word '%s'\n", argv[argc - 1]);
		return EXIT_USAGE;
	}
	if (argc == 2 && print_json()) {
		fputs("mispair: out of memory\n", stderr);
		return EXIT_FAILED;
	}
	for (i = 0; argc == 1 && i < LOSS_MAX; i++)
		if (*loss_hides[i])
			print_loss((enum loss)i);
	if (fflush(stdout)) {
		perror("mispair: cannot write");
		return EXIT_FAILED;
	}
	return EXIT_NOTHING;
}
