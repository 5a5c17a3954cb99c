/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether this host lets mispair do its work, and this process its part: asked before anything is
 * attached, so that "nothing found" never means "could not look". The decision is pure.
 */
#ifndef MISPAIR_HOSTCHECK_H
#define MISPAIR_HOSTCHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "finding.h"

enum lockdown { LOCKDOWN_UNKNOWN, LOCKDOWN_NONE, LOCKDOWN_INTEGRITY, LOCKDOWN_CONFIDENTIALITY };

/* What is not known is taken to be well: a trial will tell. */
enum fact { FACT_UNKNOWN, FACT_NO, FACT_YES };

struct host_facts {
	enum lockdown lockdown;
	enum fact first_pid_space;  /* are our numbers of processes the kernel's? */
	enum fact first_user_space; /* are our capabilities those that the kernel asks for? */
	int yama;		    /* kernel.yama.ptrace_scope, -1: there is none */
	uint64_t caps;		    /* effective, a bit each (CAP_...) */
	bool memory_charged;	    /* BPF maps count for RLIMIT_MEMLOCK, which is small */
	enum fact uprobes;	    /* can one be attached? */
	/* Found when the hooks are opened, and known by then only. */
	bool no_unix;	      /* Unix sockets are not followed */
	bool receives_unseen; /* receives that end by a timeout or a signal */
};

enum host_level {
	HOST_PARTIAL, /* works in part; --strict refuses it */
	HOST_REFUSED,
};

struct host_finding {
	enum host_level level;
	int status;		/* the exit status, if it is refused */
	enum degraded degraded; /* HOST_PARTIAL: its word */
	const char *text;	/* what is so, what is lost by it, what to do; a constant */
};

#define HOST_FINDINGS_MAX 16

/* What F says against it, refusals first: how many, at most HOST_FINDINGS_MAX, in OUT. Pure. */
size_t hostcheck(const struct host_facts *f, struct host_finding *out);

/*
 * Writes the findings of LEVEL to TEXT as one line, "; " between two. STATUS (may be NULL) is set
 * to the exit status of the first one and left alone if there is none. How many there are.
 */
size_t hostcheck_text(const struct host_finding *list, size_t n, enum host_level level, char *text,
		      size_t len, int *status);

/* The words of what works in part, a bit each (enum degraded). */
uint32_t hostcheck_degraded(const struct host_finding *list, size_t n);

/*
 * Reads what can be read without BPF, below ROOT ("" but for tests). The uprobes stay FACT_UNKNOWN,
 * and so does what is found when the hooks are opened.
 */
void hostfacts_read(const char *root, struct host_facts *f);

/* May this process attach a uprobe? Tried on itself; wants a host that was not refused. */
enum fact hostfacts_try_uprobe(void);

#endif
