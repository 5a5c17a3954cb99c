/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The refresh pass over all ledgers (bpf/iterators.h): runs the iterator, hands over the rows that
 * it tells, and finds out which sockets are gone. Knows maps by their descriptors only.
 */
#ifndef MISPAIR_WALK_H
#define MISPAIR_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "../bpf/events.h"

/* What a pass goes over; WALK_ANY: the ledgers, or all sockets where a host refuses that. */
enum walk_over { WALK_ANY, WALK_LEDGERS, WALK_SOCKETS };

#define WALK_LINKS 2

struct walk;

struct walk_opts {
	int link_fds[WALK_LINKS]; /* of the attached iterators, the caller's; -1: no more */
	bool every_space;	  /* they see one network namespace: go through all of them */
	int rows_fd, marks_fd, free_fd;
	size_t rows_max, slots_max; /* elements of those maps */
	/* Shared with the programs. */
	__u32 *filled, *pass, *all, *slots_used, *free_n;
	__u64 *kept_sockets, *kept_requests, *kept_replies;
};

/* What a pass left out: sockets on which nothing has moved. */
struct walk_kept {
	uint64_t sockets, requests, replies;
};

struct walk_told {
	void (*row)(void *ctx, const struct ledger_row *row);
	/* A socket of an earlier pass is no more; may be NULL. */
	void (*gone)(void *ctx, uint64_t cookie);
	/* The kernel is walking: return when FD is readable; NULL: waits itself. */
	void (*wait)(void *ctx, int fd);
	void *ctx;
};

int walk_new(const struct walk_opts *o, struct walk **out); /* 0 or -errno */
void walk_free(struct walk *w);				    /* NULL is fine */

/* One pass. ALL: every socket is told, not only those that moved. 0 or -errno. */
int walk_run(struct walk *w, bool all, const struct walk_told *told, struct walk_kept *kept);

#endif
