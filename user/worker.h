/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Does slow system calls away from the loop, in order. Attaching a uprobe takes 10 ms and closing
 * one waits for a grace period of the kernel, 80 ms, under a lock that attaching wants as well
 * (measured on 6.18); meanwhile the collector would neither empty the ring nor look into a new
 * process before its first request.
 */
#ifndef MISPAIR_WORKER_H
#define MISPAIR_WORKER_H

#include <stdbool.h>

struct worker;

/* LAST: the worker is being freed; a job may then skip what will be undone at once. */
typedef void (*worker_fn)(void *arg, bool last);

struct worker *worker_new(void); /* NULL: no memory, or no thread */
/* Calls FN(ARG) on the worker's thread, after all that was given before. 0 or -ENOMEM. */
int worker_give(struct worker *w, worker_fn fn, void *arg);
/* Finishes all jobs, several at a time, then frees. NULL is fine. */
void worker_free(struct worker *w);

#endif
