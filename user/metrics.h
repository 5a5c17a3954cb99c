/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Prometheus: an endpoint, a file for node_exporter's textfile collector, or both. The collector
 * leaves a copy of its numbers here a few times a second; whoever scrapes reads that copy, in a
 * thread of libmicrohttpd, and never makes the collector wait.
 */
#ifndef MISPAIR_METRICS_H
#define MISPAIR_METRICS_H

#include <netinet/in.h>
#include <stdio.h>
#include "finding.h"

#define METRICS_NAMES_MAX 64
#define METRICS_PASSES	  2

struct metrics_value {
	char name[32];
	uint64_t value;
};

/* All numbers of one moment. */
struct metrics_numbers {
	struct run_stats stats;
	char version[32], kernel[72], tier[16];
	/* The kernel's time in each BPF program; none unless kernel.bpf_stats_enabled is set. */
	struct metrics_value programs[METRICS_NAMES_MAX]; /* nanoseconds */
	size_t n_programs;
	struct metrics_value maps[METRICS_NAMES_MAX]; /* entries */
	size_t n_maps;
	struct metrics_value tables[METRICS_NAMES_MAX]; /* entries, in user space */
	size_t n_tables;
	struct metrics_value passes[METRICS_PASSES]; /* nanoseconds */
	size_t n_passes;
};

/* The exposition format. Counters never fall: CLAMP is what was told last, and is brought up. */
struct metrics_clamp {
	uint64_t requests, replies;
};
void metrics_write(FILE *out, const struct metrics_numbers *n);
void metrics_clamp(struct metrics_clamp *c, struct metrics_numbers *n);

union metrics_address {
	struct sockaddr any;
	struct sockaddr_in four;
	struct sockaddr_in6 six;
};

/* "PORT", "ADDR:PORT" or "[ADDR]:PORT"; OUT may be NULL. 0 or -EINVAL. */
int metrics_parse_address(const char *s, union metrics_address *out);

struct metrics;

/* Either may be NULL. 0, or -errno with a sentence in ERR. */
int metrics_new(const char *address, const char *file, struct metrics **out, char *err,
		size_t errlen);
/* Takes a copy; writes the file when it is old enough, or NOW_OR_NEVER. NULL is fine. */
void metrics_update(struct metrics *m, const struct metrics_numbers *n, bool now_or_never);
uint64_t metrics_failures(const struct metrics *m);
void metrics_free(struct metrics *m);

#endif
