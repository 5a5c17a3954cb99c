/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside the adapter: asyncio.c has the processes and answers the recorder, asyncio_look.c finds
 * out what one process runs.
 */
#ifndef MISPAIR_ASYNCIO_INT_H
#define MISPAIR_ASYNCIO_INT_H

#include <uthash.h>

#include "asyncio.h"
#include "golang.h"
#include "pyimage.h"

#define BUDGET_YOUNG   2048   /* calls of Task.cancel while a process is young */
#define BUDGET_FOUND   262144 /* ... after a finding */
#define UNANSWERED_MAX 64

struct runtime {
	uint32_t tgid, id; /* what is known under another id is not about this one */
	enum rt_state state;
	int retries, looks;
	uint32_t version;
	struct golang go;	/* version "": not of Go */
	struct pyimage *module; /* used, as pyimage_use() says; NULL: none */
	struct mapping at;	/* a mapping of the module */
	uint64_t bias;
	uint64_t dict_type; /* address of PyDict_Type, 0 if unknown */
	struct proc_rt rt;
	struct session_probe *probe;
	bool to_report, reported, told_unproved;
	uint64_t found_ns; /* when there was something to tell */
	char comm[16];	   /* of the process then: it may be gone when it is told */
	bool proved;	   /* a live task, or goroutine, of this process looked as it should */
	uint32_t late;	   /* of its requests that were late, those that r->late has */
	bool generous;	   /* its budget is that of a process with a finding */
	bool go_tried;	   /* the second layout of Go, too */
	int n_unanswered;
	uint64_t unanswered[UNANSWERED_MAX]; /* loops that the recorder asked about in vain */
	char note[128];
	bool covered, unreadable, gone, no_room;
	const char *no_owners; /* a runtime that it maps and whose tasks nobody reads, or NULL */
	struct coverage_told told;
	UT_hash_handle hh;
};

struct runtimes {
	struct session *s;
	struct runtimes_opts o;
	runtime_fn fn;
	void *ctx;
	struct runtime *procs;
	struct pyimages *images;
	int waiting;
	uint64_t late, full;
};

/* Tells the recorder what is known of P. 0 or -errno. */
int runtime_publish(struct runtimes *r, struct runtime *p);
void runtime_set_state(struct runtimes *r, struct runtime *p, enum rt_state state);
bool runtime_is_probed(const struct runtime *p);
void runtime_describe(const struct runtime *p, struct runtime_report *out);
/* Tells what is found out about P, where that is wanted. */
void runtime_cover(struct runtimes *r, struct runtime *p);
/* There is something to tell of P; it is told, once, as soon as runtime_try_report() finds it so.
 */
void runtime_report_once(struct runtimes *r, struct runtime *p);
/* What is claimed has to have been proved by then, and a probe to be there; LAST: tells it as it
 * is.
 */
void runtime_try_report(struct runtimes *r, struct runtime *p, bool last);

/* Tells the recorder on which thread of P LOOP runs; TP as in pyuv_thread(). 0 or -errno. */
int runtime_tell_loop(struct runtimes *r, struct runtime *p, uint64_t loop, uint64_t tp);

/* What has P mapped, and what is that? Ends in a state; RT_WAITING: not initialised yet. */
void runtime_look(struct runtimes *r, struct runtime *p);
/* A program of Go, whose FIRST mapping this is: true, and its goroutines own requests. */
bool runtime_look_at_go(struct runtimes *r, struct runtime *p, const struct mapping *first);
/* The running goroutine does not look like one there: tries where other versions have its id. */
void runtime_go_layout(struct runtimes *r, struct runtime *p);
/* Finds current_tasks; RT_READY, RT_WAITING (not initialised yet) or RT_BLIND. */
void runtime_find_tasks(struct runtimes *r, struct runtime *p);

/* Probes cancellations for BUDGET calls, 0: for ever, unless they are or must not be. */
void runtime_probe(struct runtimes *r, struct runtime *p, uint32_t budget);
/*
 * The layout is not known, or not believed, and WHY: probes on cancellations, on every step and on
 * ends of tasks tell what memory does not. It costs the process more, and is worth it only here.
 */
void runtime_probe_steps(struct runtimes *r, struct runtime *p, const char *why);

#endif
