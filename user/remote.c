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

#define WORDS_AT_ONCE 512 /* of IOV_MAX, which is 1024 */

/* The next words of which there is an address, from *AT on: how many, and where they are. */
static size_t gather(const uint64_t *words, size_t n, size_t *at, size_t where[WORDS_AT_ONCE])
{
	size_t m = 0;

	for (; *at < n && m < WORDS_AT_ONCE; ++*at)
		if (words[*at])
			where[m++] = *at;
	return m;
}

int remote_read_words(uint32_t pid, uint64_t *words, size_t n, size_t faults)
{
	size_t where[WORDS_AT_ONCE], m, i, done, at = 0, bad = 0;
	struct iovec there[WORDS_AT_ONCE], local;
	uint64_t got[WORDS_AT_ONCE];
	ssize_t r;

	while ((m = gather(words, n, &at, where))) {
		for (i = 0; i < m; i++)
			there[i] = (struct iovec){(void *)(uintptr_t)words[where[i]], 8};
		for (done = 0; done < m;) {
			local = (struct iovec){got + done, (m - done) * 8};
			r = process_vm_readv((pid_t)pid, &local, 1, there + done, m - done, 0);
			if (r < 0 && errno != EFAULT)
				return -errno;
			/* It ends at the first that cannot be read. */
			i = r > 0 ? (size_t)r / 8 : 0;
			done += i;
			if (done == m)
				break;
			if (++bad > faults)
				return -E2BIG;
			got[done++] = 0;
		}
		for (i = 0; i < m; i++)
			words[where[i]] = got[i];
	}
	return 0;
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
	m->exec = perms[2] == 'x';
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
