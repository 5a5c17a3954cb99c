/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads another process: its memory, its mappings, the files behind them. */
#ifndef MISPAIR_REMOTE_H
#define MISPAIR_REMOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Reads LEN bytes at ADDR of PID, all or nothing: 0 or -errno (-ESRCH: gone, -EFAULT). */
int remote_read(uint32_t pid, uint64_t addr, void *buf, size_t len);

/*
 * WORDS are N addresses, 0 for none: each becomes the 8 bytes there, 0 where nothing can be read.
 * -E2BIG where that happens more than FAULTS times; 0, or another -errno.
 */
int remote_read_words(uint32_t pid, uint64_t *words, size_t n, size_t faults);

/* A file-backed mapping. */
struct mapping {
	uint64_t start, end, offset;
	uint64_t inode;
	bool exec;	/* code may run there */
	char path[256]; /* as the process names it, cut; not escaped */
};

/*
 * Calls FN for each file-backed mapping of PID, in order of address, until it returns true.
 * 0, or -errno. At most 65536 mappings are read.
 */
int remote_mappings(uint32_t pid, bool (*fn)(void *ctx, const struct mapping *m), void *ctx);

/* Opens the very file that is mapped, whatever its name means here: a descriptor or -errno. */
int remote_open_mapping(uint32_t pid, const struct mapping *m);

#endif
