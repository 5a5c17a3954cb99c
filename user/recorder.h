/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes the core's inputs to a file: all of them, or as a flight recorder only those around a
 * finding. It never stops the run: what cannot be written is counted, and said once.
 */
#ifndef MISPAIR_RECORDER_H
#define MISPAIR_RECORDER_H

#include "item.h"

struct recorder;
struct core;

struct recorder_opts {
	const char *path;
	/* Of the file, of the flight recorder's both files; at least RECORDER_SIZE_MIN. */
	uint64_t max_size;
	uint64_t keep_ns; /* 0: everything. Else the flight recorder, with so long a memory */
};

#define RECORDER_SIZE_MIN (512u << 10)

/* 0, or -errno with a sentence in ERR. The file is created 0600, never through a symbolic link. */
int recorder_new(const struct recorder_opts *o, struct recorder **out, char *err, size_t errlen);

/* All of these take NULL. */
void recorder_item(struct recorder *r, enum item_kind kind, uint64_t now, const void *body,
		   size_t len);
/* There is something to keep: the flight recorder writes what it remembers, a little later. */
void recorder_finding(struct recorder *r, uint64_t now);
/* Every tick: writes what has waited long enough. CORE knows what the processes are called. */
void recorder_tick(struct recorder *r, const struct core *core, uint64_t now);
/* max_size is near: end the run, and its end is in the recording too. */
bool recorder_full(const struct recorder *r);
uint64_t recorder_failures(const struct recorder *r); /* blocks that could not be written */
uint64_t recorder_missing(const struct recorder *r);  /* ... that did not fit into max_size */
/* Blocks that the flight recorder could not remember as long as it should. */
uint64_t recorder_short(const struct recorder *r);
/* Last words on stderr, if there is a CORE. */
void recorder_close(struct recorder *r, const struct core *core);

#endif
