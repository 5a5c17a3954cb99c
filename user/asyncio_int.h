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
	uint32_t tgid;
	enum rt_state state;
	int retries, looks;
	uint32_t version;
	struct golang go; /* version "": not of Go */
	struct pyimage *module;
	struct mapping at; /* a mapping of the module */
	uint64_t bias;
	uint64_t dict_type; /* address of PyDict_Type, 0 if unknown */
	struct proc_rt rt;
	struct session_probe *probe;
	bool reported;
	bool generous; /* its budget is that of a process with a finding */
	bool go_tried; /* the second layout of Go, too */
	int n_unanswered;
	uint64_t unanswered[UNANSWERED_MAX]; /* loops that the recorder asked about in vain */
	char note[128];
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
	uint64_t late;
};

/* Tells the recorder what is known of P. 0 or -errno. */
int runtime_publish(struct runtimes *r, struct runtime *p);
void runtime_set_state(struct runtimes *r, struct runtime *p, enum rt_state state);
bool runtime_is_probed(const struct runtime *p);
void runtime_describe(const struct runtime *p, struct runtime_report *out);
/* Tells the collector what P runs, once. */
void runtime_report_once(struct runtimes *r, struct runtime *p);

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
