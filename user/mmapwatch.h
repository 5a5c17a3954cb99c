/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tells when a process and its descendants map an executable file: the moment a runtime is loaded,
 * well before its first connection. Used by `mispair run`, where a command lives so briefly that
 * its first connection would be too late to look. It is perf's sideband stream (PERF_RECORD_MMAP2),
 * so it needs neither a probe nor tracefs.
 */
#ifndef MISPAIR_MMAPWATCH_H
#define MISPAIR_MMAPWATCH_H

#include <stdint.h>

struct mmapwatch;

typedef void (*mmapwatch_fn)(void *ctx, uint32_t pid, const char *file);

/* Follows PID (which has not been exec'd yet) and all it forks. 0 or -errno. */
int mmapwatch_new(uint32_t pid, mmapwatch_fn fn, void *ctx, struct mmapwatch **out);
void mmapwatch_free(struct mmapwatch *w);

int mmapwatch_fds(const struct mmapwatch *w, const int **fds); /* how many; readable: drain */
void mmapwatch_drain(struct mmapwatch *w);

#endif
