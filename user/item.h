/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The inputs of the core. Everything that the core cannot compute itself comes to it as one of
 * these, in one order: what the kernel recorded, what /proc and other processes' memory said,
 * what time it was. The live collector makes them, a recording keeps them, a replay repeats them.
 *
 * Kinds are append-only. Bodies are structs as they lie in memory: a recording says which layout
 * it was written with (recfile.h).
 */
#ifndef MISPAIR_ITEM_H
#define MISPAIR_ITEM_H

#include "finding.h"
#include "procinfo.h"
#include "../bpf/events.h"

enum item_kind {
	ITEM_START = 1,	    /* struct item_start and its strings */
	ITEM_EVENT = 2,	    /* a record of the ring, struct ev_head first */
	ITEM_PROCESS = 3,   /* struct item_process: what a process is called */
	ITEM_RUNTIME = 4,   /* struct runtime_report */
	ITEM_SAMPLE = 5,    /* struct item_sample: counters and losses as they are now */
	ITEM_TICK = 6,	    /* nothing: time has passed */
	ITEM_ROUND = 7,	    /* nothing: a refresh pass begins */
	ITEM_ROW = 8,	    /* struct item_row: one ledger in that pass */
	ITEM_ROUND_END = 9, /* nothing */
	ITEM_STATS = 10,    /* nothing: the periodic stats are due */
	ITEM_STOP = 11,	    /* struct item_stop */
	ITEM_GAP = 12,	    /* nothing: what came before was not recorded */
	ITEM_FINISH = 13,   /* nothing: no more records will come; then a sample, then the stop */
	/* In a pass that tells only what moved; a recording has all rows, and neither of these. */
	ITEM_GONE = 14,	     /* struct item_gone: a socket of an earlier pass is no more */
	ITEM_KEPT = 15,	     /* struct item_kept: what was left out */
	ITEM_THROTTLED = 16, /* struct item_throttled; a sample comes next */
	ITEM_COVERAGE = 17,  /* struct item_coverage: what was found out about a process */
	ITEM_MAX,
};

/* Longer bodies are not made, and refused in a recording. */
#define ITEM_BODY_MAX (64u << 10)

/*
 * Followed by strings, each with its NUL: version, kernel, tier, host, filters, the command line
 * (empty if there is none), then the hooks.
 */
struct item_start {
	uint64_t wall_offset_ns; /* wall time minus CLOCK_MONOTONIC, modulo 2^64 */
	uint32_t ledgers;	 /* --ledgers */
	uint16_t has_command;
	uint16_t degraded; /* a bit each of enum degraded */
	uint32_t n_hooks;
	/* A flight recording begins in the middle: what was lost before is not lost now. */
	uint32_t continued;
};

#define START_STRINGS 6
#define START_HOOKS   32

struct item_process {
	uint32_t pid, id; /* id as in struct proc */
	struct procinfo info;
	uint64_t spare[EVENT_SPARE];
};

/* Causes that the core does not count itself; LOSS_TRACK_FULL lacks the correlator's own. */
struct item_sample {
	uint64_t counters[CNT_MAX];
	uint64_t lost[LOSS_MAX];
	uint64_t cpu_ns, rss_bytes;
	uint64_t spare[4 * EVENT_SPARE];
};

/* What the owner's memory said (enum wait_status), where that was looked at. */
struct item_row {
	struct ledger_row row;
	uint32_t looked, status;
	uint32_t rested;   /* nothing has moved on it for a while */
	uint32_t buffered; /* bytes in the stream's buffer that nobody waits for, 0: not known */
	uint64_t spare[EVENT_SPARE];
};

struct item_coverage {
	uint32_t pid, id; /* id as in struct proc */
	struct coverage_facts facts;
	uint64_t spare[EVENT_SPARE];
};

struct item_gone {
	uint64_t cookie;
};

struct item_kept {
	uint64_t sockets, requests, replies;
};

/* Events that a process has lost since the last such item about it (LOSS_THROTTLED). */
struct item_throttled {
	uint32_t pid, id, uid, pad;
	uint64_t count;
	char comm[16];
	uint64_t spare[EVENT_SPARE];
};

struct item_stop {
	int32_t command_status;
	char reason[60];
};

/* 0, or -EBADMSG if a body of this kind cannot be LEN bytes like these. */
int item_check(uint32_t kind, const void *body, size_t len);

/*
 * Writes a start's body to DST, at most ITEM_BODY_MAX bytes of it; a command line that is too long
 * is cut. Returns the length, 0 if it does not fit.
 */
size_t item_start_write(void *dst, size_t room, const struct item_start *fixed,
			const struct start_info *info);

/* The other way; INFO points into BODY and HOOKS, which it fills. BODY has been checked. */
void item_start_read(const void *body, struct start_info *info, const char *hooks[START_HOOKS + 1]);

#endif
