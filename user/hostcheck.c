// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The decision, as one table: which facts refuse mispair, which ones take a part of what it sees,
 * and the sentence for each. Pure.
 *
 * Which capabilities are needed was found by leaving one out at a time: without any of those that
 * refuse, a tracer loads nothing, or runs and finds nothing.
 */
#include <stdio.h>
#include <string.h>
#include <linux/capability.h>

#include "hostcheck.h"
#include "options.h"

/* linux/capability.h of older distributions. */
#ifndef CAP_PERFMON
#define CAP_PERFMON 38
#endif
#ifndef CAP_BPF
#define CAP_BPF 39
#endif
#ifndef CAP_CHECKPOINT_RESTORE
#define CAP_CHECKPOINT_RESTORE 40
#endif

#define BIT(cap) (1ULL << (cap))

static bool has_any(const struct host_facts *f, uint64_t caps)
{
	return f->caps & caps;
}

static bool locked_hard(const struct host_facts *f)
{
	return f->lockdown == LOCKDOWN_CONFIDENTIALITY;
}

static bool locked_softly(const struct host_facts *f)
{
	return f->lockdown == LOCKDOWN_INTEGRITY;
}

static bool foreign_pids(const struct host_facts *f)
{
	return f->first_pid_space == FACT_NO;
}

static bool foreign_user(const struct host_facts *f)
{
	return f->first_user_space == FACT_NO;
}

/* In a user namespace no capability counts: that one sentence is enough. */
static bool lacks(const struct host_facts *f, uint64_t any_of)
{
	return !foreign_user(f) && !has_any(f, any_of);
}

/* CAP_SYS_ADMIN stands for both of them, as it did before 5.8. */
static bool no_bpf(const struct host_facts *f)
{
	return lacks(f, BIT(CAP_BPF) | BIT(CAP_SYS_ADMIN));
}

static bool no_perfmon(const struct host_facts *f)
{
	return lacks(f, BIT(CAP_PERFMON) | BIT(CAP_SYS_ADMIN));
}

static bool no_ptrace(const struct host_facts *f)
{
	return lacks(f, BIT(CAP_SYS_PTRACE));
}

/* CAP_DAC_OVERRIDE lets a process read, too. */
static bool no_files(const struct host_facts *f)
{
	return lacks(f, BIT(CAP_DAC_READ_SEARCH) | BIT(CAP_DAC_OVERRIDE));
}

/* proc_map_files_get_link() */
static bool no_mappings(const struct host_facts *f)
{
	return lacks(f, BIT(CAP_CHECKPOINT_RESTORE) | BIT(CAP_SYS_ADMIN));
}

static bool no_memory(const struct host_facts *f)
{
	return f->memory_charged && lacks(f, BIT(CAP_SYS_RESOURCE));
}

static bool yama_forbids(const struct host_facts *f)
{
	return f->yama >= 3;
}

static bool no_uprobes(const struct host_facts *f)
{
	return f->uprobes == FACT_NO;
}

/* Since CVE-2025-38466 a perf event's uprobe wants it. */
static bool uprobes_want_admin(const struct host_facts *f)
{
	return no_uprobes(f) && lacks(f, BIT(CAP_SYS_ADMIN));
}

static bool uprobes_refused(const struct host_facts *f)
{
	return no_uprobes(f) && !uprobes_want_admin(f);
}

static bool no_unix(const struct host_facts *f)
{
	return f->no_unix;
}

static bool receives_unseen(const struct host_facts *f)
{
	return f->receives_unseen;
}

#define KERNEL	  HOST_REFUSED, EXIT_KERNEL, DEGRADED_MAX
#define PRIVILEGE HOST_REFUSED, EXIT_PRIVILEGE, DEGRADED_MAX
#define PART	  HOST_PARTIAL, EXIT_KERNEL
#define PART_PRIV HOST_PARTIAL, EXIT_PRIVILEGE

/* In the order in which they are said. */
static const struct rule {
	bool (*is)(const struct host_facts *f);
	struct host_finding finding;
} rules[] = {
	{locked_hard,
	 {KERNEL, "this kernel is locked down (lockdown=confidentiality): nothing may read its "
		  "memory; boot it with lockdown=integrity or without"}},
	{foreign_pids,
	 {KERNEL, "this pid namespace is not the host's: processes have other numbers here than in "
		  "the kernel, and none could be looked into; run mispair in the host's (docker "
		  "--pid=host, hostPID: true)"}},
	{foreign_user,
	 {PRIVILEGE, "no privilege to trace: this user namespace is not the host's, and its "
		     "capabilities do not count for tracing; run mispair in the host's"}},
	{no_bpf, {PRIVILEGE, "CAP_BPF (loads the programs)"}},
	{no_perfmon, {PRIVILEGE, "CAP_PERFMON (lets them read the kernel's memory)"}},
	{no_ptrace, {PRIVILEGE, "CAP_SYS_PTRACE (looks into processes for who asks)"}},
	{no_files, {PRIVILEGE, "CAP_DAC_READ_SEARCH (reads other users' programs and libraries)"}},
	{no_mappings,
	 {PRIVILEGE, "CAP_CHECKPOINT_RESTORE (opens the very files that a process has mapped)"}},
	{no_memory,
	 {PRIVILEGE,
	  "CAP_SYS_RESOURCE (raises RLIMIT_MEMLOCK, for which this kernel counts maps)"}},
	{locked_softly,
	 {PART, DEGRADED_LOCKDOWN,
	  "this kernel is locked down (lockdown=integrity) and may refuse kprobes, fexit and "
	  "iterators over maps: mispair probe says which"}},
	{yama_forbids,
	 {PART, DEGRADED_YAMA,
	  "kernel.yama.ptrace_scope is 3, so the memory of processes cannot be read: asyncio's "
	  "tasks are not found there, and threads own their requests; it can be lowered by a boot "
	  "only"}},
	{uprobes_want_admin,
	 {PART_PRIV, DEGRADED_UPROBES,
	  "CAP_SYS_ADMIN is missing, which this kernel wants for uprobes: cancellations have no "
	  "exact time, and pthread_cancel and its like are not seen"}},
	{uprobes_refused,
	 {PART, DEGRADED_UPROBES,
	  "this kernel lets no uprobe be attached: cancellations have no exact time, and "
	  "pthread_cancel and its like are not seen"}},
	{no_unix,
	 {PART, DEGRADED_UNIX,
	  "Unix sockets are not followed: this kernel lets nothing be hooked "
	  "there in this tier"}},
	{receives_unseen,
	 {PART, DEGRADED_RECEIVES,
	  "in this tier receives that end by a timeout or a signal are not seen"}},
};

#define N_RULES (sizeof(rules) / sizeof(*rules))

_Static_assert(N_RULES <= HOST_FINDINGS_MAX + 1, "uprobes are refused in one of two ways");

size_t hostcheck(const struct host_facts *f, struct host_finding *out)
{
	size_t i, n = 0;

	for (i = 0; i < N_RULES && n < HOST_FINDINGS_MAX; i++)
		if (rules[i].is(f))
			out[n++] = rules[i].finding;
	return n;
}

/* Those that are missing are one sentence together. */
static bool names_capability(const struct host_finding *f)
{
	return f->level == HOST_REFUSED && !strncmp(f->text, "CAP_", 4);
}

size_t hostcheck_text(const struct host_finding *list, size_t n, enum host_level level, char *text,
		      size_t len, int *status)
{
	const char *before, *between = "";
	size_t i, used = 0, said = 0;
	bool caps = false;

	if (len)
		text[0] = '\0';
	for (i = 0; i < n; i++) {
		if (list[i].level != level)
			continue;
		if (!said++ && status)
			*status = list[i].status;
		before = "";
		if (names_capability(&list[i])) {
			before = caps ? ", " : "no privilege to trace: missing ";
			between = caps ? "" : between;
			caps = true;
		}
		if (used < len)
			used += (size_t)snprintf(text + used, len - used, "%s%s%s", between, before,
						 list[i].text);
		between = "; ";
	}
	if (caps && used < len)
		snprintf(text + used, len - used, ": run as root, or give what is missing");
	return said;
}

uint32_t hostcheck_degraded(const struct host_finding *list, size_t n)
{
	uint32_t bits = 0;
	size_t i;

	for (i = 0; i < n; i++)
		if (list[i].level == HOST_PARTIAL)
			bits |= 1u << list[i].degraded;
	return bits;
}
