/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The collector: takes records from the recorder, feeds adapters, correlator and sinks. One epoll
 * loop, no threads, no signal handlers.
 */
#ifndef MISPAIR_COLLECTOR_H
#define MISPAIR_COLLECTOR_H

#include <stdint.h>
#include "options.h"

struct collector;

/*
 * Opens sinks and session. On failure prints why on stderr and returns an exit code (EXIT_*);
 * 0 otherwise. COMMAND is what `start` reports (NULL for trace).
 */
int collector_open(const struct options *o, const char *command, struct collector **out);

/* Follows a process that has not run its first instruction. 0 or -errno. */
int collector_follow(struct collector *c, uint32_t pid);

/* Adopts open sockets (trace). */
void collector_adopt(struct collector *c);

/* `start` goes out: call when everything is attached. */
void collector_start(struct collector *c);

/*
 * Runs until a signal, the duration's end, or PIDFD (-1: none) becomes readable. CHILD is the
 * process behind it, to which signals are passed on. Returns 0 or -errno.
 */
int collector_run(struct collector *c, int pidfd, uint32_t child);

/* Last words: drains, `stop`, frees. STATUS is the command's wait status or -1. An exit code. */
int collector_close(struct collector *c, int status);

#endif
