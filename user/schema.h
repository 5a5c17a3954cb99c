/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The JSON Schema of every event, user/schema/mispair.event.schema.json as it was built. */
#ifndef MISPAIR_SCHEMA_H
#define MISPAIR_SCHEMA_H

#include <stddef.h>

/* Not NUL-terminated. */
extern const char schema_text[];
size_t schema_len(void);

#endif
