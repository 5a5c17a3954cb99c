/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The asyncio adapter: looks into processes, tells the recorder how to find the running task, and
 * probes Task.cancel where that is worth it.
 */
#ifndef MISPAIR_ASYNCIO_H
#define MISPAIR_ASYNCIO_H

#include <stdbool.h>
#include <stdint.h>
#include "finding.h"
#include "session.h"

struct runtimes;

/* What was made of a process's facts when they were told last. */
struct coverage_told {
	uint32_t state, bits;
	uint32_t looks;
	bool told;
};

enum precise { PRECISE_AUTO, PRECISE_ALWAYS, PRECISE_NEVER };

struct runtimes_opts {
	/* AUTO: probed while a process is young, and again after its first finding. */
	enum precise precise;
	/* As if no layout were known: probe every step, read no task. */
	bool no_memory;
	/*
	 * Probe a module once for all processes that map it, if only root can write it: for
	 * processes that live briefly.
	 */
	bool by_file;
	const struct neverprobe *never; /* processes that are not probed; NULL: none */
	/*
	 * Told what is found out about each process that runtimes_cover() names: then, once a
	 * refresh, and before it is forgotten. TOLD is the receiver's, zero at first. May be
	 * NULL.
	 */
	void (*cover)(void *ctx, uint32_t tgid, uint32_t id, const struct coverage_facts *f,
		      struct coverage_told *told);
};

typedef void (*runtime_fn)(void *ctx, const struct runtime_report *r);

/*
 * NULL when out of memory. FN is told of each runtime that is found, once a process, and a second
 * time where what memory says was proved a second or more after it was found.
 */
struct runtimes *runtimes_new(struct session *s, const struct runtimes_opts *o, runtime_fn fn,
			      void *ctx);
void runtimes_free(struct runtimes *r);

/*
 * ID everywhere below: the process's, as the recorder gave it (struct proc). What is told of
 * another one is not about the process that is known, and ignored.
 *
 * A process made its first client connection, or loaded something that may be a runtime.
 */
void runtimes_look(struct runtimes *r, uint32_t tgid, uint32_t id);
/*
 * It has client connections, so it is told how far it is watched. THERE: it was a moment ago; else
 * that is told of one that was looked into before, and of another one false is returned.
 */
bool runtimes_cover(struct runtimes *r, uint32_t tgid, uint32_t id, bool there);
/* It has loaded something that a runtime may follow. */
void runtimes_expect(struct runtimes *r, uint32_t tgid);
/*
 * It became another program. EARLY: that is looked into before it runs; true if it is one of Go's,
 * which is then known as above.
 */
bool runtimes_exec(struct runtimes *r, uint32_t tgid, uint32_t id, bool early);
void runtimes_exit(struct runtimes *r, uint32_t tgid, uint32_t id);
/* Forgets those that are gone and of which nobody has told. */
void runtimes_sweep(struct runtimes *r);
/* The run ends: what was found and could not be proved is told as it is. */
void runtimes_finish(struct runtimes *r);
/* Processes, and files that have been analysed, of which something is kept. */
size_t runtimes_count(const struct runtimes *r);
size_t runtimes_images(const struct runtimes *r);

/* Tries again where a module was mapped but not initialised. True: call again in 1 ms. */
bool runtimes_retry(struct runtimes *r);

void runtimes_loop(struct runtimes *r, const struct ev_loop *e);
/* EV_BUDGET: the probe costs too much. EV_LAYOUT: memory is not readable. EV_PROVED: it is. */
void runtimes_budget(struct runtimes *r, uint32_t tgid, uint32_t id);
void runtimes_layout(struct runtimes *r, uint32_t tgid, uint32_t id);
void runtimes_proved(struct runtimes *r, uint32_t tgid, uint32_t id);
/* The process has a finding. */
void runtimes_finding(struct runtimes *r, uint32_t tgid, uint32_t id);

/* Once a refresh: are the loops still on the threads that they were found on? */
void runtimes_refresh(struct runtimes *r);

/* Requests that were sent before the runtime of their process was known (a loss). */
uint64_t runtimes_late(const struct runtimes *r);
/* Answers for which the recorder had no room. */
uint64_t runtimes_full(const struct runtimes *r);

/* What the memory of the owner of ROW's request says now: enum wait_status. */
uint8_t runtimes_judge(struct runtimes *r, const struct ledger_row *row);

/* Bytes in the buffer of the StreamReader that its owners read from, for which no task waits; 0 if
 * that is not known. */
uint32_t runtimes_buffered(struct runtimes *r, const struct ledger_row *row);

/* Looks into PID without a session, for `mispair probe PID`. 0 or -errno. */
int runtimes_inspect(uint32_t pid, struct runtime_report *out);

#endif
