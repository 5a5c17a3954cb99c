// SPDX-License-Identifier: GPL-2.0-or-later
/* Attaches the programs that do "nothing", or "count", says so by a line, and ends with its stdin.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "floor.skel.h"

/* Loads and attaches the programs whose names begin with WHAT. 0, or negative errno. */
static int attach(struct floor_bpf *floor, const char *what)
{
	struct bpf_program *prog;
	int e;

	bpf_object__for_each_program(prog, floor->obj) bpf_program__set_autoload(
		prog, !strncmp(bpf_program__name(prog), what, strlen(what)));
	e = floor_bpf__load(floor);
	return e ? e : floor_bpf__attach(floor);
}

int main(int argc, char **argv)
{
	const char *what = argc == 2 ? argv[1] : "";
	struct floor_bpf *floor;
	char byte;
	int e;

	if (strcmp(what, "nothing") && strcmp(what, "count")) {
		fprintf(stderr, "usage: floor nothing|count\n");
		return 2;
	}
	floor = floor_bpf__open();
	e = !floor || attach(floor, what);
	if (e)
		fprintf(stderr, "floor: this kernel does not take programs on its tracepoints\n");
	else if (puts("attached") < 0 || fflush(stdout))
		e = 1;
	while (!e && read(STDIN_FILENO, &byte, 1) > 0)
		;
	floor_bpf__destroy(floor);
	return e;
}
