/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who can change a file, and whose a process is: a file that a user can write is probed only in
 * that user's own processes.
 */
#ifndef MISPAIR_FILETRUST_H
#define MISPAIR_FILETRUST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* One state of one file. Has no padding: it may be hashed and compared as bytes. */
struct file_key {
	uint64_t dev, ino, size;
	uint64_t mtime_ns, ctime_ns; /* since 1970, modulo 2^64 */
};

enum file_writer {
	WRITER_ROOT,	/* nobody else */
	WRITER_USER,	/* one user, and root */
	WRITER_ANYBODY, /* or nobody knows who */
};

struct filetrust {
	struct file_key key;
	enum file_writer writer;
	uid_t uid; /* of WRITER_USER; 0 of WRITER_ROOT; (uid_t)-1 of WRITER_ANYBODY */
};

/*
 * Fills *OUT for the file behind FD, which is not read and not closed (O_PATH is not enough). 0,
 * -EINVAL for what is not a regular file, -errno of fstat() and fstatfs(); then *OUT is not to be
 * used.
 *
 * It is the state at this moment: who opened the file for writing before, or is given the right to
 * afterwards, is not seen. The latter changes the key.
 */
int filetrust_of(int fd, struct filetrust *out);

bool filetrust_same(const struct file_key *a, const struct file_key *b);

/*
 * Whether the real, effective, saved and file system's user of process PID, as we see them, are all
 * UID: 1 or 0; -ESRCH if there is no such process, or another -errno. Of the threads, the first one
 * counts: setuid() of a C library changes all of them.
 */
int filetrust_process_is(uint32_t pid, uid_t uid);

#endif
