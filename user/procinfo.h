/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What /proc says about a process, for labels. */
#ifndef MISPAIR_PROCINFO_H
#define MISPAIR_PROCINFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Sizes match struct finding. Every string is NUL-terminated and NOT escaped. */
struct procinfo {
	char comm[16];
	/* Its basename, or the link by which a program of the system was started; "" if it has
	 * none (kernel thread) or we may not look. */
	char exe_name[64];
	char container_id[72]; /* 64 hex digits, "" if not in a container that we know */
};

/*
 * Fills *out for a pid as our own /proc numbers it. Returns 0, or -errno with *out zeroed: -ESRCH
 * if there is no such process or it went away while we read. What merely cannot be read is left
 * empty. Takes no lock that a stuck process can hold, reads a bounded amount, allocates nothing.
 */
int procinfo_read(uint32_t pid, struct procinfo *out);

/*
 * Did process PID begin START_NS after boot, as the kernel counts (start_boottime)? /proc/PID/stat
 * has it in ticks. True too where that cannot be compared: in a time namespace of our own. False if
 * there is no such process.
 */
bool procinfo_began_at(uint32_t pid, uint64_t start_ns);

/*
 * Finds the container id in the text of a /proc/PID/cgroup file: the first path with 64 hex digits
 * in one of the forms that docker, containerd, cri-o and podman use. Returns 0, -ENOENT if there
 * is none, -ENOSPC if it does not fit. On an error out is "" (if outlen is not 0).
 */
int procinfo_container_from_cgroup(const char *text, char *out, size_t outlen);

/*
 * Reads at most LEN - 1 bytes of the file NAME below DIRFD and terminates them: their number, or
 * -errno. For files of /proc, of which no read waits for the process.
 */
ssize_t procinfo_read_text(int dirfd, const char *name, char *buf, size_t len);

/* Bytes of memory that this process itself holds, 0 if that cannot be read. */
uint64_t procinfo_own_memory(void);

#endif
