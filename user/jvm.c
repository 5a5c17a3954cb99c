// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reads the table in which HotSpot tells debuggers where its fields are.
 *
 * The names in it could be read from the file. The offsets could not: they are 0 there, and code
 * fills them in when the library is loaded. So all of it is read from a process that runs.
 *
 * Nothing there is trusted: a bounded part is read, and what is wrong in it makes the kernel side
 * read elsewhere in that same process, where it then finds no thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "jvm.h"
#include "remote.h"

#define ENTRIES_MAX 4096 /* JDK 17 has 788 */
#define NAME_LEN    16	 /* "_pthread_id" is the longest that is wanted, with its end */

/* VMStructEntry, the same in all versions. */
struct entry {
	uint64_t type, field, kind;
	int32_t is_static, pad;
	uint64_t offset, address;
};

/* What is wanted; in the order of the cookie's words. */
enum { OSTHREAD, PTHREAD, OBJECT, WORDS };

static const struct wanted {
	const char *type, *field, *kind; /* KIND NULL: any */
	int word;
} wanted[] = {
	{"JavaThread", "_osthread", NULL, OSTHREAD},
	{"Thread", "_osthread", NULL, OSTHREAD}, /* of which JavaThread is one, later */
	{"OSThread", "_pthread_id", NULL, PTHREAD},
	{"JavaThread", "_threadObj", "OopHandle",
	 OBJECT}, /* since JDK 16; before it is no handle */
};

/* The beginning of the string at ADDR; "" if it cannot be read. */
static void name_at(uint32_t pid, uint64_t addr, char name[NAME_LEN])
{
	/* All or nothing, and a short name may be the last thing on a page. */
	size_t left = 4096 - addr % 4096, len = left < NAME_LEN ? left : NAME_LEN;

	memset(name, 0, NAME_LEN);
	if (!addr || remote_read(pid, addr, name, len) ||
	    (len < NAME_LEN && !memchr(name, 0, len) &&
	     remote_read(pid, addr + len, name + len, NAME_LEN - len)))
		name[0] = 0;
	name[NAME_LEN - 1] = 0;
}

/* Takes E's offset, if it is wanted; false: it is, and does not fit. */
static bool take(uint32_t pid, const struct entry *e, const char *type, uint64_t words[WORDS])
{
	char field[NAME_LEN] = "", kind[NAME_LEN] = "";
	size_t i;

	for (i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
		if (strcmp(type, wanted[i].type))
			continue;
		if (!field[0])
			name_at(pid, e->field, field);
		if (strcmp(field, wanted[i].field))
			continue;
		if (wanted[i].kind) {
			name_at(pid, e->kind, kind);
			if (strcmp(kind, wanted[i].kind))
				return false;
		}
		if (e->is_static || !e->offset || e->offset > UINT16_MAX)
			return false;
		words[wanted[i].word] = e->offset;
	}
	return true;
}

uint64_t jvm_cookie(uint32_t pid, uint64_t addr)
{
	uint64_t at, last = 0, words[WORDS] = {0};
	char type[NAME_LEN] = "";
	struct entry e;
	int i;

	if (remote_read(pid, addr, &at, sizeof(at)))
		return 0;
	for (i = 0; i < ENTRIES_MAX; i++, at += sizeof(e)) {
		if (remote_read(pid, at, &e, sizeof(e)))
			return 0;
		if (!e.type)
			break;
		/* A type's entries follow each other. */
		if (e.type != last)
			name_at(pid, e.type, type);
		last = e.type;
		if (!take(pid, &e, type, words))
			return 0;
	}
	if (i == ENTRIES_MAX || !words[OSTHREAD] || !words[PTHREAD] || !words[OBJECT])
		return 0;
	return words[OSTHREAD] | words[PTHREAD] << 16 | words[OBJECT] << 32;
}
