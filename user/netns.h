/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The network namespaces of this host's processes. An iterator over sockets sees the namespace of
 * the thread that creates it (bpf_iter_init_seq_net()).
 */
#ifndef MISPAIR_NETNS_H
#define MISPAIR_NETNS_H

#include <stddef.h>

struct netns;

struct netns *netns_new(void);	  /* NULL when out of memory */
void netns_free(struct netns *n); /* NULL is fine */

/*
 * How many there are, at least 1: our own is number 0. Looks at all processes, which takes some
 * microseconds each, so no more often than every few seconds.
 */
size_t netns_count(struct netns *n);

/*
 * Does FN(ARG) with this thread in namespace NUMBER, and comes back; what FN returns, or -errno if
 * it could not be entered. A thread that FN starts stays there.
 */
int netns_in(const struct netns *n, size_t number, int (*fn)(void *arg), void *arg);

#endif
