/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Probes without perf events: a link of BPF_TRACE_UPROBE_MULTI (6.6, 89ae89f53d20), which libbpf
 * knows from 1.3 on. A perf event that is bound to a process costs that process some hundred
 * instructions at each of its context switches (measured on 6.12: 800); this costs nothing but the
 * breakpoint itself, and one descriptor in place of two.
 */
#ifndef MISPAIR_UPROBEMULTI_H
#define MISPAIR_UPROBEMULTI_H

#include <stdbool.h>
#include <stdint.h>

/* What a program for such a link is to be loaded with (enum bpf_attach_type of newer headers). */
#define UPROBE_MULTI_ATTACH 48

/*
 * Does this kernel have it, and does its filter by process let through all threads of that process
 * and no other process? Proved on ourselves with a thread and a child; until 6.10 (46ba0e49b642)
 * only one thread was let through. Slow, a fraction of a second; asked once and remembered.
 */
bool uprobemulti_works(void);

/*
 * Attaches PROG at OFFSET of the file at PATH, in process PID, 0: in all that map it. A descriptor
 * of the link, which whoever closes it detaches; or -errno.
 */
int uprobemulti_attach(int prog, const char *path, uint64_t offset, uint64_t cookie, int pid);

#endif
