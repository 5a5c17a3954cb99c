/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel side as the rest of the program sees it. session*.c are the only files that know the
 * skeleton. All functions return 0 or a negative errno unless they say otherwise.
 */
#ifndef MISPAIR_SESSION_H
#define MISPAIR_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "hooks.h"
#include "walk.h"
#include "../bpf/events.h"

struct session;
struct session_probe;

struct session_opts {
	size_t ring_size;	/* bytes; rounded up to a power of two of pages */
	struct filters filters; /* copied */
	bool ledgers;		/* EV_LEDGER for every TCP socket at its end */
	bool verbose;		/* libbpf's own log at debug level */
	bool usdt;		/* session_attach_usdt() will be called */
	unsigned int args; /* bits: session_attach_cancel(ADAPTER_USER) with this ARG will be */
	const char *tier;  /* force a hook tier by its name, NULL: the best that attaches */
	enum walk_over walk;
	unsigned int without; /* enum spare_hook */
	bool note_sleeps;     /* from the start: session_note_sleeps() */
};

/* Called for each record; size has been checked against the kind. Must not block or print. */
typedef void (*session_event_fn)(void *ctx, const struct ev_head *h);

/*
 * Loads and attaches: of the tiers of tiers.h the first that works. On error *ERR holds a sentence:
 * what failed, why, what to do. -EPERM: no privilege; -EOPNOTSUPP: the kernel lacks something;
 * other codes: failure.
 */
int session_open(const struct session_opts *opts, session_event_fn fn, void *ctx,
		 struct session **out, char *err, size_t errlen);
/* Loads and attaches everything of one tier and undoes it; WHY: what does not work, "" if all does.
 */
int session_try(const char *tier, char *why, size_t len);
void session_close(struct session *s); /* NULL is fine; detaches everything */

int session_ring_fd(const struct session *s); /* for epoll; readable: call session_consume() */
int session_consume(struct session *s);
const char *session_tier(const struct session *s);
const char *const *session_hooks(const struct session *s); /* NULL-terminated, owned by s */

/* Gives ledgers to client sockets that are open already. */
int session_adopt(struct session *s);

/* The refresh pass (walk.h). Rows are in no order. */
int session_walk(struct session *s, bool all, const struct walk_told *told, struct walk_kept *kept);

/* What the recorder is told of process TGID. 0 or -errno, as with all below. */
int session_proc_get(struct session *s, uint32_t tgid, struct proc_rt *rt);
int session_proc_set(struct session *s, uint32_t tgid, const struct proc_rt *rt);
/* ... and of a loop in it. One that is forgotten is asked about when it is seen again. */
int session_loop_set(struct session *s, uint32_t tgid, uint64_t loop, const struct loop_val *val);
int session_loop_forget(struct session *s, uint32_t tgid, uint64_t loop);
/* Takes TGID into the tree that a filter follows. */
int session_follow(struct session *s, uint32_t tgid);

/*
 * Sleeps for a millisecond: was that timer told to our program? True too where this cannot be found
 * out.
 */
bool session_hears_timers(struct session *s);
/*
 * From now on, waits that may time out are noted as they begin, so that their ends are known
 * without their timers. A program on every timed sleep of a host is worth it only where timers are
 * not heard. Once, and not in a session that was opened with note_sleeps.
 */
int session_note_sleeps(struct session *s);

/* Sums over CPUs. */
int session_losses(struct session *s, uint64_t out[KLOSS_MAX]);
int session_counters(struct session *s, uint64_t out[CNT_MAX]);
/* Times that the kernel did not run one of our programs because it was running on that CPU. */
uint64_t session_skipped(const struct session *s);
/* Nanoseconds in each program that has run; none unless kernel.bpf_stats_enabled is set. */
void session_programs(const struct session *s,
		      void (*fn)(void *ctx, const char *name, uint64_t value), void *ctx);
/* Entries of each map that can be walked; it is walked for it, so not too often. */
void session_maps(const struct session *s, void (*fn)(void *ctx, const char *name, uint64_t value),
		  void *ctx);
/* Records of an unexpected size since the start. */
uint64_t session_bad_records(const struct session *s);

/* File offsets of functions to probe; 0: not that one. */
struct session_task_probes {
	uint64_t cancel, finalize;
	uint64_t step_call, step_wakeup; /* for a runtime whose layout is not known (RT_PROBED) */
};

/*
 * Probes functions of asyncio's Task in PATH: in process PID, or in all that map the file (-1). It
 * is attached a little later, by a thread of its own; where that fails, findings go without the
 * exact time and the caller. NULL when out of memory. session_unprobe() detaches and frees, a
 * little later too; NULL is fine.
 */
struct session_probe *session_probe_task(struct session *s, int pid, const char *path,
					 const struct session_task_probes *at);
void session_unprobe(struct session_probe *p);
/* It could not be attached: the process was gone by then, for one. */
bool session_probe_failed(const struct session_probe *p);

/*
 * A function or a USDT probe of a file, in every process that maps it, whose call says that a wait
 * is cancelled. Slow (see worker.h), and may be called on any thread. ARG: see probespec.h. COOKIE:
 * what the adapter's program has to know of this file, 0: nothing; kernels before 5.15 do not pass
 * it on. NULL and errno.
 */
struct session_link;
struct session_link *session_attach_cancel(struct session *s, const char *path, uint64_t offset,
					   enum adapter adapter, unsigned int arg, uint64_t cookie);
struct session_link *session_attach_usdt(struct session *s, const char *path, const char *provider,
					 const char *name, unsigned int arg);
void session_detach(struct session_link *l); /* NULL is fine */

/* Does FN(ARG) on the session's own thread, see worker.h. 0 or -ENOMEM. */
int session_later(struct session *s, void (*fn)(void *arg, bool last), void *arg);

/* Calls of each adapter's functions so far. */
int session_adapter_calls(struct session *s, uint64_t out[ADAPTER_MAX]);

/* What this kernel cannot give although a tier works, as a sentence; "" for nothing. */
const char *session_degraded(const struct session *s);

/* Why the refresh pass goes over all sockets in place of the ledgers themselves, "" if it does not.
 */
const char *session_by_sockets(const struct session *s);

#endif
