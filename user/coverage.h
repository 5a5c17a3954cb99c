/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How far each process with client connections is watched, and why not farther: so that "nothing
 * was found" is another answer than "could not look". Pure: facts in, levels and counts out.
 *
 * A level is about owners: whether it is known who has sent a request, and whether that one still
 * waits. What single connections hide (adopted, with a gap) counts where all of a process do.
 */
#ifndef MISPAIR_COVERAGE_H
#define MISPAIR_COVERAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Grows with what may be missed. */
enum coverage_level {
	COVERAGE_NONE,
	COVERAGE_FULL,	 /* full: owners are known */
	COVERAGE_THREAD, /* thread: owners are threads, or told by probes alone; it may have others
			  */
	COVERAGE_BLIND,	 /* blind: nothing that needs an owner can be found */
	COVERAGE_MAX,
};

/* Append-only; words in coverage_reason_names[]. */
enum coverage_reason {
	COVERED_NOT_KNOWN,
	COVERED_TASKS,	    /* tasks: a live one was seen as an owner */
	COVERED_GOROUTINES, /* goroutines: the same */
	COVERED_THREADS,    /* threads: no runtime with tasks was found */
	COVERED_UNPROVED,   /* unproved: a runtime was found, and no live task of it yet */
	COVERED_LAYOUT,	    /* layout: this version's tasks are not known */
	COVERED_PROBED,	    /* probed: probes tell who runs, and memory tells nothing */
	COVERED_NO_OWNERS,  /* no_owners: its tasks are not known as owners */
	COVERED_LOOP,	    /* event_loop: one thread may work for many */
	COVERED_RUNTIME,    /* runtime: found, neither readable nor probed */
	COVERED_STARTING,   /* starting: a runtime was mapped, and had not begun */
	COVERED_UNREADABLE, /* unreadable: what it has mapped could not be read */
	COVERED_GONE,	    /* gone: it had ended before it could be looked into */
	COVERED_NO_ROOM,    /* no_room: what is known of it did not fit a map */
	COVERED_ADOPTED,    /* adopted: its connections are older than the run, none was at rest */
	COVERED_GAP,	    /* gap: of each of its connections evidence was lost */
	COVERED_REASONS,
};

extern const char *const coverage_names[COVERAGE_MAX];
extern const char *const coverage_reason_names[COVERED_REASONS];

/* Bits of what was found out about a process. */
enum coverage_fact {
	FACT_PROVED = 1,      /* a live task, or goroutine, has looked as it should */
	FACT_PROBED = 2,      /* probes are attached */
	FACT_GO = 4,	      /* it is a program of Go's */
	FACT_UNREADABLE = 8,  /* its mappings could not be read, or there were none */
	FACT_GONE = 16,	      /* it was gone before */
	FACT_NO_ROOM = 32,    /* the recorder could not be told */
	FACT_NO_OWNERS = 64,  /* RUNTIME has tasks of its own, which nobody reads */
	FACT_EVENT_LOOP = 128 /* a thread of it waits in epoll */
};

/* It lies in recordings. */
struct coverage_facts {
	uint32_t state; /* enum rt_state: what the recorder was told */
	uint32_t bits;
	char runtime[32]; /* "cpython", "node", "" if none was found */
	char version[16];
	char note[128]; /* why not better, "" if there is nothing more to say */
};

struct coverage_verdict {
	enum coverage_level level;
	enum coverage_reason reason;
};

/*
 * What follows from F. CONNECTIONS: whether any connection of it was looked at, of which one at
 * least could be JUDGED; where none could, ADOPTED says that they were open before the run.
 */
struct coverage_verdict coverage_judge(const struct coverage_facts *f, bool connections,
				       bool judged, bool adopted);

/* One sentence for people, of V and F, into DST; no full stop. */
#define COVERAGE_TEXT 320
void coverage_sentence(struct coverage_verdict v, const struct coverage_facts *f, char *dst,
		       size_t len);

/*
 * The runtime whose own tasks nobody reads, by the name of a file that a process runs code of
 * ("/usr/bin/node" is "node"); NULL: none that is known. Owners there are threads.
 */
const char *coverage_runtime_of(const char *path);

/* ---- all processes ---- */

/* What is said of one process: when it is settled, and each time that it changes. */
struct coverage_report {
	uint64_t time_ns;
	uint32_t pid, proc_id;
	char name[64]; /* of its executable or its thread, "" if unknown */
	struct coverage_verdict now,
		before; /* before.level COVERAGE_NONE: said for the first time */
	char runtime[32], version[16];
	bool probed;
	char text[COVERAGE_TEXT];
};

/* Processes of one name that are watched alike. */
struct coverage_group {
	struct coverage_verdict v;
	char name[64];
	char runtime[32];
	uint64_t processes;
};

/* Those of more names are counted together, with an empty name. */
#define COVERAGE_GROUPS 256

struct coverage_counts {
	uint64_t all[COVERAGE_MAX]; /* processes so far, each at its last level */
	uint64_t now[COVERAGE_MAX]; /* of these, those that have not ended */
	uint64_t untold;	    /* reports that were too many, and were not made */
};

struct coverage;

typedef void (*coverage_fn)(void *ctx, const struct coverage_report *r);

/*
 * FN is told of each process once that it is settled: a second after the first facts, or at its
 * end; then of each change. More than 256 at a time, and than one a second for ever, are `untold`.
 * NULL when out of memory.
 */
struct coverage *coverage_new(coverage_fn fn, void *ctx);
void coverage_free(struct coverage *c); /* NULL is fine; tells nothing */

/* What was found out about process PID, ID (struct proc), which is called NAME. F is copied. */
void coverage_take(struct coverage *c, uint64_t now, uint32_t pid, uint32_t id, const char *name,
		   const struct coverage_facts *f);
/* A pass has met a connection of it. */
void coverage_connection(struct coverage *c, uint64_t now, uint32_t pid, uint32_t id, bool judged,
			 bool adopted);
/* It has ended, or whoever has its number now has another ID. */
void coverage_end(struct coverage *c, uint64_t now, uint32_t pid, uint32_t id);
void coverage_tick(struct coverage *c, uint64_t now);
/* No more will come: what is not settled yet is told as it is. */
void coverage_finish(struct coverage *c, uint64_t now);

/* Of a process that has not ended; level COVERAGE_NONE: nothing is known. */
struct coverage_verdict coverage_of(const struct coverage *c, uint32_t pid, uint32_t id);
void coverage_count(const struct coverage *c, struct coverage_counts *out);
/*
 * The groups, those of which more may be missed first, then those of more processes, at most MAX of
 * them into OUT. Returns how many.
 */
size_t coverage_groups(const struct coverage *c, struct coverage_group *out, size_t max);
/*
 * The facts of all processes that have not ended, and first those of the last that have, in the
 * last seconds: for a recording that begins now.
 */
void coverage_each(const struct coverage *c,
		   void (*fn)(void *ctx, uint32_t pid, uint32_t id, const struct coverage_facts *f),
		   void *ctx);

#endif
