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
#include "hostcheck.h"
#include "walk.h"
#include "../bpf/events.h"

struct session;
struct session_probe;

struct session_opts {
	size_t ring_size;	/* bytes; rounded up to a power of two of pages */
	uint32_t room;		/* entries that a map holds at most, 0: as many as it should */
	struct filters filters; /* copied */
	bool ledgers;		/* EV_LEDGER for every TCP socket at its end */
	bool verbose;		/* libbpf's own log at debug level */
	bool usdt;		/* session_attach_usdt() will be called */
	unsigned int args;    /* bits: session_attach_cancel(ADAPTER_USER) with this ARG will be */
	const char *tier;     /* force a hook tier by its name, NULL: the best that attaches */
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
int session_walk(struct session *s, const struct walk_told *told, struct walk_kept *kept);

/* What the recorder knows of process TGID now. 0 or -errno, as with all below. */
int session_proc_get(struct session *s, uint32_t tgid, struct proc *p);
/* Is process TGID still the one, and the program, that has this ID? */
bool session_proc_is(struct session *s, uint32_t tgid, uint32_t id);
/*
 * What the recorder was told of process TGID with this ID, and to tell it; RT->id says of whom.
 * -ESRCH: the process is gone, or another program by now. Then nothing of it stays.
 */
int session_runtime_get(struct session *s, uint32_t tgid, uint32_t id, struct proc_rt *rt);
int session_runtime_set(struct session *s, uint32_t tgid, const struct proc_rt *rt);
/* ... and of a loop in it. One that is forgotten is asked about when it is seen again. */
int session_loop_set(struct session *s, uint32_t tgid, uint32_t id, uint64_t loop,
		     const struct loop_val *val);
int session_loop_forget(struct session *s, uint32_t tgid, uint32_t id, uint64_t loop);
/*
 * Looks for entries of processes and threads that are gone, and deletes them: of each map a few
 * thousand, from where the call before has ended. The recorder deletes them itself at their end; a
 * program that the kernel did not run, because another ran on that CPU, leaves some.
 */
void session_sweep(struct session *s, uint64_t now_ns);
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

/*
 * Who has lost steps since the last call, with how many. What is lost while this looks is told by
 * the next call, or in the sum of losses only.
 */
void session_throttled(struct session *s,
		       void (*fn)(void *ctx, const struct throttled_key *of,
				  const struct throttled *what),
		       void *ctx);
/* Calls of adapters' functions by process TGID, if it has this ID; else none. 0 or -errno. */
int session_calls_of(struct session *s, uint32_t tgid, uint32_t id, uint32_t out[ADAPTER_MAX]);

/* Sums over CPUs. */
int session_losses(struct session *s, uint64_t out[KLOSS_MAX]);
/*
 * Adds to LOST what was pushed out of maps, or forgotten to make room in them, so far. Every pass.
 * 0 or -errno.
 */
int session_pushed_out(struct session *s, uint64_t now_ns, uint64_t lost[LOSS_MAX]);
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
 * Probes functions of asyncio's Task in the file behind FD, which is taken over: in process PID, or
 * in all that map the file (-1). It is attached a little later, by a thread of its own; where that
 * fails, findings go without the exact time and the caller. NULL when out of memory.
 * session_unprobe() detaches and frees, a little later too; NULL is fine.
 *
 * All probes are entries of functions. A probe on a return is a system call of the probed process
 * on x86-64 from Linux 6.11 on (ff474a78cef5, uretprobe), which a seccomp filter that does not know
 * it answers by killing the process.
 */
struct session_probe *session_probe_task(struct session *s, int pid, int fd,
					 const struct session_task_probes *at);
void session_unprobe(struct session_probe *p);

/* FAILED: it could not be attached, since the process was gone by then, for one. */
enum probe_state { PROBE_COMING, PROBE_THERE, PROBE_FAILED };
enum probe_state session_probe_state(const struct session_probe *p);

/*
 * A function or a USDT probe of the file behind FD, in process PID or in every one that maps it
 * (-1), whose call says that a wait is cancelled. Slow (see worker.h), and may be called on any
 * thread. FD is not needed any more when it returns. ARG: see probespec.h. COOKIE: what the
 * adapter's program has to know, 0: nothing; kernels before 5.15 do not pass it on. NULL and errno.
 */
struct session_link;
struct session_link *session_attach_cancel(struct session *s, int pid, int fd, uint64_t offset,
					   enum adapter adapter, unsigned int arg, uint64_t cookie);
struct session_link *session_attach_usdt(struct session *s, int pid, int fd, const char *provider,
					 const char *name, unsigned int arg);
void session_detach(struct session_link *l); /* NULL is fine */

/*
 * Each probe takes descriptors, of which this process may have so many; session_open() asks for as
 * many as it can get. Those that were not attached for want of them are counted.
 */
void session_probes_limit(struct session *s, uint64_t descriptors);
uint64_t session_unprobed(const struct session *s);

/* Does FN(ARG) on the session's own thread, see worker.h. 0 or -ENOMEM. */
int session_later(struct session *s, void (*fn)(void *arg, bool last), void *arg);

/* Calls of each adapter's functions so far. */
int session_adapter_calls(struct session *s, uint64_t out[ADAPTER_MAX]);

/* What this kernel cannot give although a tier works: what hostcheck() asks of opened hooks. */
void session_facts(const struct session *s, struct host_facts *f);

#endif
