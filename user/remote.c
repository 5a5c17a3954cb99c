// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Other people's processes: they may exit at any moment, and every byte is theirs to choose.
 * Nothing here stops them, waits for them or writes to them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "remote.h"

#define MAPPINGS_MAX 65536

int remote_read(uint32_t pid, uint64_t addr, void *buf, size_t len)
{
	struct iovec local = {.iov_base = buf, .iov_len = len};
	struct iovec there = {.iov_base = (void *)(uintptr_t)addr, .iov_len = len};
	ssize_t n = process_vm_readv((pid_t)pid, &local, 1, &there, 1, 0);

	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EFAULT;
}

static bool parse_mapping(const char *line, struct mapping *m)
{
	unsigned long long start, end, offset, inode;
	unsigned int major, minor;
	char perms[8];
	int at = 0;

	if (sscanf(line, "%llx-%llx %7s %llx %x:%x %llu %n", &start, &end, perms, &offset, &major,
		   &minor, &inode, &at) < 7 ||
	    !inode || line[at] != '/')
		return false;
	m->start = start;
	m->end = end;
	m->offset = offset;
	m->inode = inode;
	snprintf(m->path, sizeof(m->path), "%.*s", (int)strcspn(line + at, "\n"), line + at);
	return true;
}

int remote_mappings(uint32_t pid, bool (*fn)(void *ctx, const struct mapping *m), void *ctx)
{
	char path[64], *line = NULL;
	struct mapping m;
	size_t room = 0;
	FILE *f;
	int n = 0;

	snprintf(path, sizeof(path), "/proc/%u/maps", pid);
	f = fopen(path, "re");
	if (!f)
		return errno == ENOENT ? -ESRCH : -errno;
	while (n++ < MAPPINGS_MAX && getline(&line, &room, f) > 0)
		if (parse_mapping(line, &m) && fn(ctx, &m))
			break;
	free(line);
	fclose(f);
	return 0;
}

int remote_open_mapping(uint32_t pid, const struct mapping *m)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "/proc/%u/map_files/%llx-%llx", pid,
		 (unsigned long long)m->start, (unsigned long long)m->end);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	return fd < 0 ? -errno : fd;
}
