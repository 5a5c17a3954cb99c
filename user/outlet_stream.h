/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines to somebody who reads them from a pipe, a socket or a terminal, and may be slow. */
#ifndef MISPAIR_OUTLET_STREAM_H
#define MISPAIR_OUTLET_STREAM_H

#include "outlet.h"

#define OUTLET_STREAM_ROOM (4u << 20)

/*
 * Writes to FD, which stays the caller's and keeps its flags. What the reader has not taken waits
 * in ROOM bytes; a line that does not fit is lost whole and counted; that it is so is said once on
 * stderr, and again when it is over. finish() gives the reader a few seconds to take the rest. 0 or
 * -errno.
 */
int outlet_stream_new(int fd, size_t room, struct outlet **out);

/* Can writing to FD make the writer wait for a reader? */
bool outlet_stream_wanted(int fd);

#endif
