// SPDX-License-Identifier: GPL-2.0-or-later
/* Attaches the programs that do nothing, says so by a line, and ends with its stdin. */
#include <stdio.h>
#include <unistd.h>

#include "floor.skel.h"

int main(void)
{
	struct floor_bpf *floor = floor_bpf__open_and_load();
	char byte;
	int e = !floor || floor_bpf__attach(floor);

	if (e)
		fprintf(stderr, "floor: this kernel does not take programs on its tracepoints\n");
	else if (puts("attached") < 0 || fflush(stdout))
		e = 1;
	while (!e && read(STDIN_FILENO, &byte, 1) > 0)
		;
	floor_bpf__destroy(floor);
	return e;
}
