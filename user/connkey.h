/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A name for the connection that an event is about, the same at both of its ends: the two ends in
 * an order of their own. Addresses that mean something on one host only (loopback, Unix sockets)
 * have its name in front. An event about no connection is keyed by its host. Pure.
 */
#ifndef MISPAIR_CONNKEY_H
#define MISPAIR_CONNKEY_H

#include "outlet.h"

void connection_key(const struct event_line *e, char *dst, size_t len);

#endif
