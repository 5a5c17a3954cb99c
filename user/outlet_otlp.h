/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Findings and losses as OpenTelemetry log records: OTLP/HTTP with JSON, by libcurl, in a thread of
 * its own. The caller puts a record into a queue of bounded size and returns; a collector that
 * hangs, fails or is gone costs memory up to that bound, then records, which are counted.
 */
#ifndef MISPAIR_OUTLET_OTLP_H
#define MISPAIR_OUTLET_OTLP_H

#include "outlet.h"

/* URL as it is posted to, such as http://127.0.0.1:4318/v1/logs. 0 or -errno, ERR a sentence. */
int outlet_otlp_new(const char *url, struct outlet **out, char *err, size_t errlen);

/* A log record as OTLP/JSON spells it, the caller frees it; NULL when out of memory. */
char *otlp_record(const struct event_line *e);
/* What stands before and after the records of a request. */
char *otlp_prefix(const char *host, const char *version);
#define OTLP_SUFFIX "]}]}]}"

#endif
