/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside the adapters: adapters.c probes, adapters_hot.c gives up what is called too often. */
#ifndef MISPAIR_ADAPTERS_INT_H
#define MISPAIR_ADAPTERS_INT_H

#include <uthash.h>

#include "adapters.h"
#include "adapters_find.h"
#include "filetrust.h"
#include "remote.h"

struct code_key {
	struct file_key file;
	uint64_t kinds; /* bits of `kinds`: Ruby's comes later to a libc that is known */
};

/* A file. */
struct code {
	struct code_key key;
	enum file_writer writer;
	uid_t uid;
	/* Atomic. Probed for all who map it, until one of them calls too often. */
	bool by_file;
	/* The worker's from here on, but for the references. */
	bool read;
	uint32_t has; /* atomic: bits of `kinds` of which there are functions */
	struct found found[N_KINDS];
	struct session_link *links[N_KINDS][FUNCTIONS_MAX]; /* by_file */
	uint32_t refs;					    /* atomic: one is the table's */
	UT_hash_handle hh;
};

/* A file in a process. */
struct use {
	struct use *next; /* of the same process */
	struct session *s;
	struct code *code; /* NULL: what a user named */
	const struct probespec *named;
	uint32_t pid;
	int fd;		   /* of the file; the worker's, -1: done */
	struct mapping at; /* where its code runs */
	uint64_t due_ns;   /* when it is to be probed, 0: it was */
	unsigned int tries;
	/* The worker's from here on. */
	struct session_link *links[N_KINDS][FUNCTIONS_MAX];
	uint32_t hot;	/* atomic: bits of `kinds` that are given up for now */
	uint32_t learn; /* atomic: the JVM is to be asked again */
	uint32_t refs;	/* atomic */
};

struct target {
	uint32_t pid, id;
	struct use *uses;
	uint32_t hot;		     /* bits of `kinds`, as in its uses */
	uint64_t until_ns, pause_ns; /* when all of it is tried again; how long that was or is */
	uint32_t calls[ADAPTER_MAX]; /* as of counted_ns */
	uint64_t counted_ns;
	UT_hash_handle hh;
};

struct adapters {
	struct session *s;
	struct adapters_opts o;
	struct code *files;
	struct target *targets;
	const struct probespec *specs; /* borrowed */
	size_t n_specs;
	bool spec_done[PROBESPEC_MAX]; /* attached for all who map it */
	size_t pending;		       /* uses with a time */
	uint64_t ticked_ns;
	struct session_link *named[PROBESPEC_MAX * PROBESPEC_FUNCTIONS];
	size_t n_named;
	uint64_t calls[ADAPTER_MAX], counted_ns;
	uint64_t said_ns[N_KINDS]; /* that one is called too often */
	uint64_t hot;		   /* times that one was given up in a process */
	bool pausing;		   /* some target is hot */
	uint64_t unopened;	   /* files that were not looked into, for want of descriptors */
};

/* On the worker's thread: detaches WHICH, bits of `kinds`. */
void adapters_detach(struct session_link *links[N_KINDS][FUNCTIONS_MAX], uint32_t which);
/* Gives a reference back; ARG is a use, and LAST as a job of the session's worker has it. */
void adapters_leave_code(struct code *c);
void adapters_drop_use(void *arg, bool last);

/* FN is to work on U, which it gives back with adapters_drop_use(). False: never. */
bool adapters_later(struct use *u, void (*fn)(void *arg, bool last));
/* The loop has no more to do with U. */
void adapters_end_use(struct adapters *a, struct use *u);
/* Has T the file C, or what the user NAMED, among those that are probed? */
bool adapters_is_used(const struct target *t, const struct code *c, const struct probespec *named);

#endif
