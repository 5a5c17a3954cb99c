/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Adapters of runtimes beside asyncio: a table of functions that end somebody's wait, and the
 * probes that users name. A process is looked into when it makes its first client connection.
 */
#ifndef MISPAIR_ADAPTERS_H
#define MISPAIR_ADAPTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "probespec.h"
#include "../bpf/events.h"

struct adapters;
struct session;

struct adapters_opts {
	bool never_runtimes; /* attach none but what a user named */
	/* A file that only root can write is probed once, for all processes that map it. */
	bool by_file;
	const struct neverprobe *never; /* processes that are not probed; NULL: none */
	bool always;			/* however often it is called */
	bool silent;			/* standard error is a screen */
};

struct adapters *adapters_new(struct session *s, const struct adapters_opts *o);
void adapters_free(struct adapters *a); /* before the session; NULL is fine */

/* Attaches what a user named; SPECS are kept. 0, or -errno and a sentence in ERR. */
int adapters_attach(struct adapters *a, const struct probespec *specs, size_t n, char *err,
		    size_t errlen);

/*
 * Process PID, which has this ID (struct proc), made its first client connection, or another one
 * since more may be seen. It has become another program, or has ended.
 */
void adapters_look(struct adapters *a, uint32_t pid, uint32_t id, uint64_t now_ns);
void adapters_exec(struct adapters *a, uint32_t pid, uint32_t id);
void adapters_exit(struct adapters *a, uint32_t pid, uint32_t id);
/* Forgets processes that are gone and of which nobody has told. */
void adapters_sweep(struct adapters *a);
/* Time has passed: a process that was young is old enough to be probed. */
void adapters_tick(struct adapters *a, uint64_t now_ns);
/* Has a file of process PID, ID functions of adapter WHICH? False too where it was not read yet. */
bool adapters_has(const struct adapters *a, uint32_t pid, uint32_t id, enum adapter which);
/* Processes, and files, of which something is kept. */
size_t adapters_count(const struct adapters *a);
size_t adapters_files(const struct adapters *a);

/* Once a refresh: detaches what a process calls too often to be watched, for a while. */
void adapters_refresh(struct adapters *a, uint64_t now_ns);
/* How often that was done (a loss). */
uint64_t adapters_hot(const struct adapters *a);
/* Files that were not looked into, for want of descriptors (a loss). */
uint64_t adapters_unopened(const struct adapters *a);

/*
 * Calls FN for each adapter that would be attached in PID, without a session: its name
 * ("pthread.cancel"), the file, how many functions it has there. 0 or -errno.
 */
typedef void (*adapter_fn)(void *ctx, const char *name, const char *file, size_t functions);
int adapters_inspect(uint32_t pid, adapter_fn fn, void *ctx);

#endif
