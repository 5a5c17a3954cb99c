/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lines for readers on this host: a Unix stream socket, any number of readers up to a bound. A
 * reader gets the start line and then what happens from then on; one that reads too slowly misses
 * whole lines, and nobody waits for it.
 */
#ifndef MISPAIR_OUTLET_SOCKET_H
#define MISPAIR_OUTLET_SOCKET_H

#include "outlet.h"

/* 0, or -errno with a sentence in ERR. The socket is created 0600; a dead one is replaced. */
int outlet_socket_new(const char *path, struct outlet **out, char *err, size_t errlen);

#endif
