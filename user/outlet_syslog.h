/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Findings, losses, start and stop for the system's log, as RFC 3164 messages whose text is "@cee:
 * " and the event, which rsyslog and journald keep as it is. Periodic stats and ledgers stay out.
 *
 * Not syslog(3): it waits while the log's socket is full, and tracing must not wait for a log. Not
 * libsystemd: /dev/log is journald's where there is one, and some other daemon's elsewhere.
 */
#ifndef MISPAIR_OUTLET_SYSLOG_H
#define MISPAIR_OUTLET_SYSLOG_H

#include "outlet.h"

/* PATH: the log's datagram socket, NULL for /dev/log. 0 or -errno with a sentence in ERR. */
int outlet_syslog_new(const char *path, struct outlet **out, char *err, size_t errlen);

#endif
