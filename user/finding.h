/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the correlator tells the sinks. Pure data: no libbpf, no stdio. A sink may be called
 * thousands of times a second and must not keep a pointer into a struct it was handed.
 *
 * Times are CLOCK_MONOTONIC nanoseconds; a sink turns them into wall time.
 * Strings come from the traced processes and are NOT escaped; sinks escape them.
 */
#ifndef MISPAIR_FINDING_H
#define MISPAIR_FINDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "../bpf/limit_table.h"

#include "coverage.h"

/* Severity grows with the number: `--fail-on` compares them. Order is part of the contract. */
enum verdict {
	VERDICT_NONE,
	VERDICT_CLOSED,	    /* good ending: the client closed an abandoned connection */
	VERDICT_DRAINED,    /* good ending: the old reply was read before reuse */
	VERDICT_UNOBSERVED, /* evidence was lost: no statement about this socket */
	VERDICT_ABANDONED,
	VERDICT_LEAKED,
	VERDICT_DIRTY,
	VERDICT_REUSED,
	VERDICT_MAX,
};

enum confidence { CONF_NONE, CONF_SUSPECT, CONF_LIKELY, CONF_CERTAIN, CONF_MAX };

enum reuse_kind { REUSE_NONE, REUSE_UNREAD, REUSE_OUTSTANDING, REUSE_RESIDUE, REUSE_MAX };

/* What ended the owner's wait (mispair.cancel.kind). */
enum cancel_kind {
	CANCEL_NONE,
	CANCEL_ASYNCIO, /* asyncio.cancel: Task.cancel, seen in the task or by the probe */
	CANCEL_ASYNCIO_DESTROYED, /* asyncio.destroyed: the task was destroyed while pending */
	CANCEL_ASYNCIO_FINISHED,  /* asyncio.finished: the task ended without its reply */
	CANCEL_ASYNCIO_GONE,	  /* asyncio.gone: the task was freed and its memory reused */
	CANCEL_RECV_TIMEOUT,	  /* recv.timeout: its blocking receive ended by SO_RCVTIMEO */
	CANCEL_SIGNAL,		  /* signal: a signal ended its wait, which was not retried */
	CANCEL_POLL_TIMEOUT,	  /* poll.timeout: its poll, select or epoll ended by its timeout */
	CANCEL_THREAD_EXIT,	  /* thread.exit: its thread ended while the reply was owed */
	CANCEL_PTHREAD,		  /* pthread.cancel: pthread_cancel() was called for the thread */
	CANCEL_RUBY,		  /* ruby.interrupt: Thread#raise, Timeout */
	CANCEL_JVM,	 /* jvm.interrupt: Thread.interrupt, of some thread of the process */
	CANCEL_TOKIO,	 /* tokio.abort: of some task of the process */
	CANCEL_GO,	 /* go.context: some context of the process was cancelled */
	CANCEL_GO_ENDED, /* go.ended: the goroutine ended without its reply */
	CANCEL_PROBE,	 /* probe: a call that --cancel-at or --cancel-usdt names */
	CANCEL_UNSEEN,	 /* unseen: owed at the next send, nothing seen that ended the wait */
	CANCEL_MAX,
};

/* How we know (mispair.cancel.evidence). */
enum cancel_evidence {
	EVIDENCE_NONE,
	EVIDENCE_MEMORY, /* memory: the task object was read at the next event on the socket */
	EVIDENCE_SOCKET, /* socket: how a receive on the connection itself ended */
	EVIDENCE_THREAD, /* thread: how a wait of the owner's thread ended, perhaps this one */
	EVIDENCE_PROBE,	 /* probe: Task.cancel itself was probed: exact time and caller */
	EVIDENCE_MAX,
};

enum transport { TRANSPORT_TCP, TRANSPORT_UNIX };

enum timeline_what {
	TL_REQUEST,	/* "request": bytes sent, by owner */
	TL_CANCEL,	/* "cancel": exact time, by = who called cancel if known */
	TL_CANCEL_SEEN, /* "cancel_seen": the wait had ended by now (memory evidence) */
	TL_REPLY,	/* "reply": bytes received while the owner waited */
	TL_RESIDUE,	/* "residue": bytes received with nobody waiting */
	TL_UNREAD,	/* "unread": this many bytes were found in the receive queue */
	TL_CLOSE,	/* "close" */
	TL_BEHIND,	/* "behind": a reply was taken and another, owed before, still lies there */
	TL_MAX,
};

#define TIMELINE_MAX 24
#define OWNER_TEXT   64
#define PEER_TEXT    112 /* a Unix path (108) or an IPv6 address */

struct timeline_entry {
	uint64_t at_ns; /* relative to the first entry */
	enum timeline_what what;
	uint64_t bytes;		/* 0 where it has no meaning */
	char owner[OWNER_TEXT]; /* who did it, "" if unknown */
	char by[OWNER_TEXT];	/* TL_CANCEL: the task or thread that called cancel */
};

struct finding {
	enum verdict verdict;
	enum confidence confidence; /* CONF_NONE for closed, drained, unobserved */
	enum reuse_kind reuse;	    /* VERDICT_REUSED only */
	uint64_t time_ns;	    /* monotonic time of the deciding event */

	uint32_t pid, tid;
	uint32_t proc_id;      /* which of the processes and programs that have had this pid (struct
				  proc) */
	char comm[16];	       /* kernel comm, NUL-terminated */
	char exe_name[64];     /* basename of the executable, "" if unknown */
	char container_id[72]; /* "" if not in a container */

	enum transport transport;
	char local_addr[PEER_TEXT]; /* "" for Unix */
	char peer_addr[PEER_TEXT]; /* IP address, or the Unix socket's path ("@name" if abstract) */
	uint16_t local_port, peer_port; /* 0 for Unix */
	const char *protocol;		/* network.protocol.name guessed from the port, or NULL */

	uint64_t cookie;
	uint64_t requests, replies, owed;
	uint64_t unread_bytes, residue_bytes;

	enum cancel_kind cancel;
	enum cancel_evidence evidence;
	uint64_t cancel_age_ns; /* from the cancellation to time_ns; 0 if has_cancel_age is false */
	bool has_cancel_age;
	bool swallowed;		     /* the cancelled owner itself sent again */
	char cancel_by[OWNER_TEXT];  /* who called Task.cancel, "" if unknown */
	char owner_prev[OWNER_TEXT]; /* "Task-7 0x7fe446ff3880" or "thread 4242" */
	char owner_next[OWNER_TEXT]; /* "" if nobody */
	char reason[96];	     /* one sentence for people: why this confidence */

	/*
	 * Of the same finding on this connection (tally.h): how many this event tells that none
	 * before it has, how many there were so far, and since when. 0, 0, 0 in the core.
	 */
	uint64_t count, total, first_ns;
	bool update; /* it was told whole before; no timeline */

	size_t n_timeline;
	struct timeline_entry timeline[TIMELINE_MAX];
};

/* Findings of one process and kind that were only counted, in a second of too many (tally.h). */
struct finding_sum {
	uint64_t time_ns, first_ns; /* of the last one and of the first one */
	enum verdict verdict;
	enum confidence confidence;
	enum reuse_kind reuse;
	enum cancel_kind cancel;
	uint32_t pid, proc_id, uid;
	char comm[16], exe_name[64], container_id[72]; /* as in struct finding */
	uint64_t count;				       /* findings */
	uint64_t connections; /* of them on a connection of which it was not told before */
};

/* What this host or this process's privilege takes from a run; words in degraded_names[]. */
enum degraded {
	DEGRADED_LOCKDOWN, /* lockdown: lockdown=integrity */
	DEGRADED_YAMA,	   /* yama: ptrace_scope 3, nobody's memory is read */
	DEGRADED_UPROBES,  /* uprobes: none can be attached */
	DEGRADED_UNIX,	   /* unix: Unix sockets are not followed */
	DEGRADED_RECEIVES, /* receives: those that end by a timeout or a signal are not seen */
	DEGRADED_MAX,	   /* at most 16: struct item_start */
};

/* Whose events were lost as LOSS_THROTTLED: its own, and of nobody else. */
struct throttled_report {
	uint64_t time_ns;
	uint32_t pid, proc_id, uid;
	char comm[16], exe_name[64], container_id[72]; /* as in struct finding */
	uint64_t count;				       /* since the last such word about it */
	uint64_t total;				       /* of all processes */
};

struct run_stats {
	uint64_t time_ns;
	uint64_t sockets_tracked, sockets_total, sockets_adopted;
	uint64_t requests, replies; /* over all tracked sockets, ended ones included */
	uint64_t cancellations;
	uint64_t findings[VERDICT_MAX][CONF_MAX];
	uint64_t lost[LOSS_MAX];
	uint64_t events;    /* records taken from the ring */
	uint64_t cpu_ns;    /* user and system time of this process */
	uint64_t rss_bytes; /* its memory, 0: unknown */
	struct coverage_counts coverage;
};

/* One tracked socket's ledger at its end, or at the end of the run (--ledgers). */
struct socket_report {
	uint64_t time_ns;
	uint32_t pid, proc_id;
	char comm[16];
	enum transport transport;
	char local_addr[PEER_TEXT], peer_addr[PEER_TEXT];
	uint16_t local_port, peer_port;
	uint64_t cookie, requests, replies, tx_bytes, rx_bytes;
	bool adopted, open; /* open: still open when reported */
	bool multiplexed;
	bool unobserved;
};

/* A hook or runtime as `start` and `probe` describe it. */
struct start_info {
	uint64_t time_ns;
	const char *version;
	char kernel[65];
	char host[65];		  /* "" if unknown */
	const char *tier;	  /* "tp_btf" */
	const char *const *hooks; /* NULL-terminated names of attached programs */
	const char *filters;	  /* as text, "" for none */
	const char *command;	  /* mispair run: the command line, else NULL */
	uint32_t degraded;	  /* a bit each of enum degraded */
	uint64_t wall_offset_ns;  /* wall time minus CLOCK_MONOTONIC on that host, modulo 2^64 */
	bool has_wall_offset;
};

/* A runtime that was found in a process. */
struct runtime_report {
	uint64_t time_ns;
	uint32_t pid, proc_id;
	char comm[16];
	char runtime[32];  /* "cpython" */
	char version[16];  /* "3.11" */
	char module[128];  /* file that holds asyncio */
	char evidence[48]; /* "memory", "memory+probe", "probe", "none" */
	char note[128];	   /* why not better, "" if all is well */
	uint64_t spare[8]; /* it lies in recordings: room for what comes */
};

#define STOP_GROUPS 32

struct stop_info {
	uint64_t time_ns;
	struct run_stats stats;
	const char *reason; /* "signal", "command exited", "count reached" */
	int command_status; /* mispair run: wait status, else -1 */
	/* Who was watched how, what hides most first (coverage_groups()). */
	const struct coverage_group *groups;
	size_t n_groups;
};

/* Names used in NDJSON, text and help; index by the enum. */
extern const char *const verdict_names[VERDICT_MAX];
extern const char *const confidence_names[CONF_MAX];
extern const char *const reuse_names[REUSE_MAX];
extern const char *const cancel_names[CANCEL_MAX];
extern const char *const evidence_names[EVIDENCE_MAX];
extern const char *const timeline_names[TL_MAX];
extern const char *const loss_names[LOSS_MAX];
extern const char *const degraded_names[DEGRADED_MAX];
/* What has happened; whom that hides, and how it lifts: "" where the loss is no limit's. */
extern const char *const loss_words[LOSS_MAX];
extern const char *const loss_hides[LOSS_MAX];
extern const char *const loss_lifts[LOSS_MAX];

struct view_source_row;

/* A sink: any function may be NULL. finish() releases everything, ctx included. */
struct sink {
	void *ctx;
	void (*start)(void *ctx, const struct start_info *info);
	void (*runtime)(void *ctx, const struct runtime_report *r);
	void (*coverage)(void *ctx, const struct coverage_report *r);
	/*
	 * A finding as it is told (tally.h): whole, or an update with a count; and those that were
	 * only counted. A sink that has a row for each connection takes each finding as it comes.
	 */
	void (*finding)(void *ctx, const struct finding *f);
	void (*finding_sum)(void *ctx, const struct finding_sum *s);
	void (*each_finding)(void *ctx, const struct finding *f);
	void (*socket)(void *ctx, const struct socket_report *s);
	void (*stats)(void *ctx, const struct run_stats *s);
	void (*lost)(void *ctx, uint64_t time_ns, enum loss cause, uint64_t count, uint64_t total);
	/* The same as lost(), with the process: those are not told by lost() again. */
	void (*throttled)(void *ctx, const struct throttled_report *r);
	void (*stop)(void *ctx, const struct stop_info *s);
	uint64_t (*failures)(void *ctx); /* lines that could not be written, so far */
	/*
	 * The refresh pass, for sinks that show connections: a round every refresh_ns() (view of
	 * the moment; NULL: the collector's own pace).
	 */
	void (*round_begin)(void *ctx, uint64_t time_ns);
	void (*row)(void *ctx, const struct view_source_row *row);
	void (*round_end)(void *ctx, const struct run_stats *s);
	/*
	 * Rows come in every pass, also between two rounds: of a live run those that moved, and
	 * which sockets are gone; a round that has others says so. A recording of an earlier
	 * version has all rows in each of its rounds.
	 */
	void (*row_gone)(void *ctx, uint64_t cookie);
	void (*rows_kept)(void *ctx);
	uint64_t (*refresh_ns)(void *ctx);
	/* A descriptor to watch, -1 for none; when it is readable, ready() is called. */
	int (*poll_fd)(void *ctx);
	void (*ready)(void *ctx);
	const char *(*done)(void *ctx); /* why the run is to end, NULL: go on */
	void (*finish)(void *ctx);
};

#endif
