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
	bool stopping, listened;
	unsigned int ticks;
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
/* What the core is to know of process PID before something is said of it; nothing if it knows. */
void collector_tell_process(struct collector *c, uint32_t pid);
/* Takes what lies in the ring, and works on it. */
void collector_pump(struct collector *c);

/* The kernel's counters, the losses by cause, and what we use ourselves. */
void collector_sample(struct collector *c, uint64_t now);
/*
 * One pass over the ledgers. Where everything is to be found again (a recording, --ledgers) it
 * tells each of them, else what has moved since the last pass.
 */
void collector_refresh(struct collector *c);
/* Sinks that have a terminal: it may have keys. */
void collector_tell_ready(struct collector *c);
/*
 * Over all sockets a pass does not meet a Unix socket that was closed, which ends when the kernel
 * has done with it: as a rule when its peer has read the end of the file. Waits for those that the
 * last pass did not meet, 300 ms at most, so that a command's connections have their last words;
 * true if there were any.
 */
bool collector_await_ends(struct collector *c);

#endif
