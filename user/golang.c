// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Source of the offsets: struct g in src/runtime/runtime2.go, the same on amd64 and arm64. Go 1.23
 * put syscallbp before it.
 */
#include <stdio.h>
#include <unistd.h>

#include "elfsyms.h"
#include "golang.h"

#define ID_SINCE_1_17 152
#define ID_SINCE_1_23 160

uint32_t golang_id_offset(const char *version)
{
	unsigned int major, minor;

	if (sscanf(version, "%u.%u", &major, &minor) != 2 || major != 1 || minor < 17)
		return 0;
	return minor < 23 ? ID_SINCE_1_17 : ID_SINCE_1_23;
}

uint32_t golang_other_offset(uint32_t id)
{
	return id == ID_SINCE_1_17 ? ID_SINCE_1_23 : ID_SINCE_1_17;
}

bool golang_find(uint32_t pid, const struct mapping *m, struct golang *out)
{
	struct elfsyms *elf;
	const char *why;
	bool go = false;
	int fd = remote_open_mapping(pid, m);

	if (fd < 0)
		return false;
	if (!elfsyms_open(fd, &elf, &why)) {
		go = elfsyms_go_version(elf, out->version, sizeof(out->version));
		elfsyms_close(elf);
	}
	close(fd);
	out->id = 0;
#if defined(__x86_64__)
	/* Elsewhere the running g is in a register of the user's, not behind the thread pointer. */
	if (go)
		out->id = golang_id_offset(out->version);
#endif
	return go;
}
