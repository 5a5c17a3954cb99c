// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Source of the layout: src/runtime/symtab.go (pcHeader, functab, _func) of Go 1.18 to 1.24.
 *
 * Invariants: every offset is checked against the table before it is used; a name is used only if
 * it ends within NAME_MAX_LEN bytes, so that work is linear in the number of functions.
 */
#include <string.h>

#include "gopcln.h"

#define MAGIC_1_18   0xfffffff0u
#define MAGIC_1_20   0xfffffff1u
#define NAME_MAX_LEN 512

struct header {
	uint32_t magic;
	uint8_t pad[2];
	uint8_t quantum, pointer;
	uint64_t functions, files, text, names, units, file_table, pc_table, function_table;
};

/* Offsets: of the code from `text`, and of the function's description from the table of them. */
struct entry {
	uint32_t code, description;
};

/* How a description begins. */
struct description {
	uint32_t code, name;
};

static const char *name_at(const uint8_t *table, size_t size, uint64_t names, uint32_t name)
{
	size_t left;

	if (names >= size || name >= size - names)
		return NULL;
	left = size - names - name;
	if (left > NAME_MAX_LEN)
		left = NAME_MAX_LEN;
	table += names + name;
	return memchr(table, 0, left) ? (const char *)table : NULL;
}

void gopcln_functions(const void *bytes, size_t size, gopcln_fn fn, void *ctx)
{
	const uint8_t *table = bytes;
	struct description d;
	struct header h;
	struct entry e;
	const char *name;
	uint64_t i, at;

	if (size < sizeof(h))
		return;
	memcpy(&h, table, sizeof(h));
	if ((h.magic != MAGIC_1_18 && h.magic != MAGIC_1_20) || h.pointer != 8 || !h.text ||
	    h.function_table >= size)
		return;
	for (i = 0; i < h.functions; i++) {
		at = h.function_table + i * sizeof(e);
		if (at > size - sizeof(e))
			return;
		memcpy(&e, table + at, sizeof(e));
		at = h.function_table + e.description;
		if (at > size - sizeof(d))
			continue;
		memcpy(&d, table + at, sizeof(d));
		/* The two say the same, or one of them is not what we take it for. */
		name = d.code == e.code ? name_at(table, size, h.names, d.name) : NULL;
		if (name && *name && fn(ctx, name, h.text + e.code))
			return;
	}
}
