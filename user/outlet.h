/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where events go as lines. The NDJSON sink builds each line once and hands it to every outlet: a
 * file, a socket, the system's log, a collector on the network. An outlet never makes the caller
 * wait for anybody: what it cannot take at once, or keep in bounded memory, it drops and counts.
 */
#ifndef MISPAIR_OUTLET_H
#define MISPAIR_OUTLET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <json-c/json.h>

/* All of it lives until the call returns. */
struct event_line {
	const char *text; /* the line and its newline */
	size_t len;
	const char *name;     /* event.name */
	const char *severity; /* INFO, WARN, ERROR */
	uint64_t wall_ns;
	struct json_object *obj; /* the same as an object; not to be changed */
	bool finding;		 /* about one connection: abandoned, reused, closed... */
};

/* Any function but line and finish may be NULL. finish() releases everything, the struct too. */
struct outlet {
	void *ctx;
	void (*line)(void *ctx, const struct event_line *e);
	void (*tick)(void *ctx);	 /* every 50 ms */
	void (*reopen)(void *ctx);	 /* SIGHUP */
	bool (*closed)(void *ctx);	 /* its reader has gone: nothing will be written any more */
	uint64_t (*failures)(void *ctx); /* lines that were lost so far */
	void (*finish)(void *ctx);
};

/* A string of the event, NULL if it has none. */
const char *event_string(const struct event_line *e, const char *key);

#endif
