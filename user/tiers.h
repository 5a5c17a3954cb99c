/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hook tiers, best first, and which of them this kernel can do. A tier is chosen by loading *and
 * attaching*, never by version: fentry on arm64 6.1 loads and then fails to attach; on a
 * locked-down host fentry fails to load while tp_btf, the same program type, works.
 */
#ifndef MISPAIR_TIERS_H
#define MISPAIR_TIERS_H

#include <stdbool.h>
#include <stddef.h>

#define TIER_COUNT    3
#define TIER_PROGRAMS 10

struct tier {
	const char *name;
	/* Names of the BPF programs that only this tier loads. */
	const char *programs[TIER_PROGRAMS];
	/* Of these, the ones for Unix sockets, which a kernel may not offer. */
	const char *unix_programs[TIER_PROGRAMS];
	bool keyed; /* ledgers are kept by the socket's address, and kernel memory read by a helper
		     */
};

extern const struct tier tiers[TIER_COUNT];

struct tier_report {
	bool works;
	bool unix_works; /* false: TCP only */
	char why[160];	 /* what does not work and why, "" if all does */
};

/* Tries TIER with programs that do nothing, which are detached again before it returns. */
void tier_try(const struct tier *tier, struct tier_report *out);

/*
 * May a program hand on to a helper what it has walked to, such as a Unix socket's peer? Kernels
 * before 7.0 allowed it for old programs' sake, some 6.18 do not any more.
 */
bool tiers_hand_on(void);

/* The tier of that name, or NULL. */
const struct tier *tier_named(const char *name);

/* The kernel's ticks a second (CONFIG_HZ), 0: not known. */
unsigned int tiers_ticks(void);

/*
 * Does the running kernel skip programs of TIER while another task is in the same one? fexit's may
 * be preempted where the kernel may, which Debian's are from 6.13 on (PREEMPT_LAZY); those of
 * tracepoints, from 7.0 on, where tracepoints no longer disable preemption (measured on 7.3).
 */
bool tiers_skip(const struct tier *tier);

/* Arguments of the running kernel's FUNCTION(), from its BTF; -1: it has none of that name. */
int tier_args_of(const char *function);

#endif
