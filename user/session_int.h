/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside the session: session*.c are the only files that see the skeleton. */
#ifndef MISPAIR_SESSION_INT_H
#define MISPAIR_SESSION_INT_H

/* The skeleton names types that events.h defines. */
#include "pushed.h"
#include "session.h"
#include "tiers.h"
#include "worker.h"
#include "mispair.skel.h"

#define HOOKS_MAX 24

/* Where the next look for what is gone begins in a map. */
#define SWEPT_MAPS 13
#define SWEPT_KEY  32 /* no key is longer */

struct sweep {
	char next[SWEPT_KEY];
	bool going;
	uint64_t full;	     /* times that it was full, as of the sweep before */
	uint32_t seen, held; /* entries met in this round, and in the whole one before */
};

_Static_assert(sizeof(struct cancel_key) <= SWEPT_KEY && sizeof(struct loop_key) <= SWEPT_KEY,
	       "keys of maps that are swept");

struct session {
	struct mispair_bpf *skel;
	struct ring_buffer *ring;
	struct walk *walk;
	uint32_t processes_max;
	struct sweep swept[SWEPT_MAPS];
	struct pushed pushed[ADDED_MAX];
	uint64_t forgotten[LOSS_MAX]; /* by the sweep, to make room */
	struct worker *worker;
	session_event_fn fn;
	void *ctx;
	const struct tier *tier;
	char degraded[192];
	bool no_unix; /* Unix sockets are not followed */
	const char *hooks[HOOKS_MAX + 1];
	uint64_t bad_records;
	int n_cpus;
	bool usdt;
	unsigned int args;	     /* bits: of programs cancel_at_N */
	bool multi;		     /* probes are links of uprobe_multi */
	uint32_t probes, probes_max; /* the first: atomic */
	uint64_t unprobed;	     /* atomic */
};

/* Entries that were added to LRU maps so far. 0 or -errno. */
int session_added(struct session *s, uint64_t out[ADDED_MAX]);
/* Sizes of maps, none larger than MOST unless that is 0; before load. */
void session_size_maps(struct session *s, uint32_t most);

/* A probe that is attached. */
struct session_link {
	struct session *s;
	struct bpf_link *link; /* NULL: without libbpf */
	int fd;		       /* -1: with it */
};

/* Are numbers of processes the same to us as to the kernel's own code? */
bool session_in_first_pid_namespace(void);

#define CANCEL_PROGRAMS 7 /* an argument each, and one without */

/* The program for an ADAPTER; of ADAPTER_USER the one for argument ARG. NULL: there is none. */
struct bpf_program *session_cancel_program(struct session *s, enum adapter adapter,
					   unsigned int arg);

#endif
