/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files that may hold CPython: each is analysed once, wherever and however often it is mapped. */
#ifndef MISPAIR_PYIMAGE_H
#define MISPAIR_PYIMAGE_H

#include <stdbool.h>
#include <uthash.h>
#include "filetrust.h"
#include "pyfind.h"
#include "remote.h"

struct session_probe;

/* What is in the file, and nothing that a process has said. */
struct pyimage {
	struct file_key key;
	enum file_writer writer;    /* who may write it, and so lie about it */
	uid_t uid;		    /* of WRITER_USER */
	struct pyfind_result found; /* all zero if error */
	int error;
	char why[96];
	struct session_probe *probe; /* the adapter's, where it probes by file */
	bool too_hot;		     /* it was probed, and cost too much */
	unsigned int users;	     /* pyimage_use() less pyimage_leave() */
	UT_hash_handle hh;
};

struct pyimages;

struct pyimages *pyimages_new(void);	/* NULL when out of memory */
void pyimages_free(struct pyimages *s); /* detaches probes; NULL is fine */

/*
 * The file behind mapping M of PID, analysed; owned by S. NULL: not to be opened, or no memory. It
 * is there until another is asked for, and while somebody uses it. Of those that nobody uses the
 * ones that were asked for last are kept.
 */
struct pyimage *pyimages_get(struct pyimages *s, uint32_t pid, const struct mapping *m);
void pyimage_use(struct pyimage *i);
void pyimage_leave(struct pyimage *i); /* NULL is fine */
size_t pyimages_count(const struct pyimages *s);

/*
 * Opens mapping M of PID once more: a descriptor, if it is of the very file that I was made of, and
 * not written since; else -ESTALE, or another -errno.
 */
int pyimage_open(const struct pyimage *i, uint32_t pid, const struct mapping *m);

/* The same for later, and not of a very large file, which takes longer than it saves. */
void pyimages_expect(struct pyimages *s, uint32_t pid, const struct mapping *m);

/* Where the file was loaded: start of mapping M minus the address its segment asks for. */
bool pyimage_bias(const struct pyimage *i, const struct mapping *m, uint64_t *bias);

/* What a process maps of CPython; start is 0 where there is none. */
struct pymappings {
	struct mapping module;	    /* _asyncio.*.so */
	struct mapping interpreter; /* libpython or python; the library wins */
	struct mapping first;	    /* the lowest one: the program, where that is static */
	const char *no_owners;	    /* coverage_runtime_of() the first for which it says any */
};

/* 0 or -errno. */
int pymappings_find(uint32_t pid, struct pymappings *out);

#endif
