/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside the collector: collector.c is what happens, collector_refresh.c what is looked for. */
#ifndef MISPAIR_COLLECTOR_INT_H
#define MISPAIR_COLLECTOR_INT_H

#include <signal.h>
#include <time.h>

#include "adapters.h"
#include "asyncio.h"
#include "collector.h"
#include "core.h"
#include "meter.h"
#include "mmapwatch.h"
#include "queue.h"
#include "recorder.h"
#include "session.h"
#include "sinks.h"
#include "wallclock.h"

struct collector {
	const struct options *o;
	const char *command;
	struct session *session;
	struct runtimes *runtimes;
	struct adapters *adapters;
	struct core *core;
	struct recorder *recorder; /* NULL unless asked for */
	struct meter *meter;	   /* the same */
	struct mmapwatch *mmaps;
	struct queue queue;
	struct sinks sinks;
	int epoll, signals, tick, retry, view; /* view: -1 if no sink has a terminal */
	sigset_t mask;
	uint64_t met; /* sockets that the last pass has met */
	/* The kernel's counters just before it, so that no socket is in them and met as well. */
	uint64_t before_pass[CNT_MAX];
	bool stopping, listened;
	uint32_t degraded; /* a bit each of enum degraded */
	unsigned int ticks;
	uint64_t throttled_ns; /* when it was last told who has lost events */
	uint64_t throttled;    /* ... and how many had been lost by then */
	uint64_t unopened;     /* processes that were not looked into, for want of descriptors */
	uint64_t swept_ns;     /* when what is gone was last looked for */
	bool pass_failed;      /* the last one broke off, which was said */
	uint64_t started_ns, next_stats_ns;
	const char *reason;
};

static inline uint64_t collector_now(void)
{
	return wallclock_read_ns(CLOCK_MONOTONIC);
}

/* What was seen at NOW, to the recorder, if there is one, and to the core. */
void collector_feed(struct collector *c, enum item_kind kind, uint64_t now, const void *body,
		    size_t len);
/* Is process PID still the one, and the program, with this ID, as the recorder and /proc say? */
bool collector_is_there(struct collector *c, uint32_t pid, uint32_t id);
/*
 * What the core is to know of process PID, ID before something is said of it; nothing if it knows.
 * COMM: the name of its thread, for where it is gone by now; NULL: not known.
 */
void collector_tell_process(struct collector *c, uint32_t pid, uint32_t id, const char *comm);
/* Takes what lies in the ring, and works on it. */
void collector_pump(struct collector *c);

/* What was found out about a process, from runtimes_opts.cover. */
void collector_cover(void *ctx, uint32_t pid, uint32_t id, const struct coverage_facts *f,
		     struct coverage_told *told);
/* ... about one that was gone before anything could be. */
void collector_cover_gone(struct collector *c, uint32_t pid, uint32_t id);

/* The kernel's counters, the losses by cause, and what we use ourselves. */
void collector_sample(struct collector *c, uint64_t now);
/*
 * One pass over the ledgers. Where everything is to be found again (a recording, --ledgers) it
 * tells each of them, else what has moved since the last pass.
 */
void collector_refresh(struct collector *c);
/* Those at the end of a run: sockets that are about to end are waited for, and all adds up. */
void collector_last_refresh(struct collector *c);
/* Sinks that have a terminal: it may have keys. */
void collector_tell_ready(struct collector *c);

/*
 * Sockets that a pass has not met and that may still have to end, by the counters of just BEFORE it
 * and of NOW. Any of the MET that it has met may be among those that have ended since.
 */
static inline uint64_t collector_ends_due(const uint64_t *before, const uint64_t *now, uint64_t met)
{
	uint64_t ended = now[CNT_ENDED] - before[CNT_ENDED];
	uint64_t there = met > ended ? met - ended : 0;
	uint64_t gone = now[CNT_ENDED] + there;

	return now[CNT_SOCKETS] > gone ? now[CNT_SOCKETS] - gone : 0;
}

#endif
