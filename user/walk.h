/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The refresh pass over the sockets that matter (bpf/index.h): hands over the rows that it tells,
 * says which sockets are gone, and sums up what it leaves out. Knows maps and programs by their
 * descriptors only.
 */
#ifndef MISPAIR_WALK_H
#define MISPAIR_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "../bpf/events.h"

struct walk;

struct walk_opts {
	int index_fd, adoptables_fd, asked_fd, rows_fd, pass_fd; /* the caller's */
	/* Shared with the program. */
	__u32 *number, *adoptables, *asked_n, *filled, *unmet;
};

/* What a pass left out: sockets on which nothing has moved. */
struct walk_kept {
	uint64_t sockets, requests, replies;
	uint64_t waiting; /* adoptable ones that a pass has told */
	uint64_t indexed; /* sockets that the pass has looked at */
};

struct walk_told {
	void (*row)(void *ctx, const struct ledger_row *row);
	/*
	 * A socket that was open before the start and waits for its first send to be adopted: told
	 * once, in the first pass, with nothing in its ledger.
	 */
	void (*waiting)(void *ctx, const struct ledger_row *row);
	bool follow_waiting; /* later passes look at them again, and say which are gone */
	/* A socket is no more, whether a pass had told it or not. */
	void (*gone)(void *ctx, uint64_t cookie);
	void *ctx;
};

int walk_new(const struct walk_opts *o, struct walk **out); /* 0 or -errno */
void walk_free(struct walk *w);				    /* NULL is fine */

/* One pass. 0 or -errno. */
int walk_run(struct walk *w, const struct walk_told *told, struct walk_kept *kept);

#endif
