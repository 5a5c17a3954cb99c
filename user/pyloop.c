// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Looks up one attribute of a Python object in another process. The object may change while it is
 * read: every count is bounded, and the answer is only ever compared with a thread's pointer.
 *
 * Layouts: Include/internal/pycore_dict.h and Include/cpython/object.h of CPython 3.9 to 3.11.
 * In 3.11 an instance has either a dict (at -24) or bare values (at -32) whose keys its type holds.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "../bpf/pytask.h"
#include "pyloop.h"
#include "remote.h"

#define TYPE_FLAGS	   168
#define TYPE_DICTOFFSET	   288
#define MANAGED_DICT	   (1u << 4) /* Py_TPFLAGS_MANAGED_DICT, 3.11 */
#define HT_CACHED_KEYS_311 872
#define ENTRIES_MAX	   256
#define STR_TEXT	   48 /* text of a compact ASCII str, to 3.11 */

static const char attribute[] = "_thread_id";

struct keys {
	uint64_t entries;
	uint64_t n;
	size_t entry_size, key_at, value_at;
};

static int read_keys(uint32_t pid, uint64_t addr, uint32_t version, struct keys *k)
{
	uint64_t head[5];
	unsigned int log2_bytes;
	int e = remote_read(pid, addr, head, sizeof(head));

	if (e)
		return e;
	if (version >= 0x030b) {
		log2_bytes = (head[1] >> 8) & 0xff;
		k->n = head[3];
		k->entries = addr + 32 + (1ULL << (log2_bytes & 15));
		/* dk_kind 0 is general; the others hold str keys and store no hash. */
		k->entry_size = ((head[1] >> 16) & 0xff) ? 16 : 24;
	} else {
		k->n = head[4];
		k->entries = addr + 40 + (head[1] <= 0xff ? head[1] : 2 * head[1]);
		k->entry_size = 24;
	}
	k->key_at = k->entry_size - 16;
	k->value_at = k->entry_size - 8;
	return k->n > ENTRIES_MAX ? -ENOENT : 0;
}

/* Where `attribute` has its value; VALUES is the array of a split table, or 0. */
static int find_value(uint32_t pid, const struct keys *k, uint64_t values, uint64_t *at)
{
	char entry[24], text[sizeof(attribute)];
	uint64_t i, key;
	int e;

	for (i = 0; i < k->n; i++) {
		e = remote_read(pid, k->entries + i * k->entry_size, entry, k->entry_size);
		if (e)
			return e;
		memcpy(&key, entry + k->key_at, 8);
		if (!key || remote_read(pid, key + STR_TEXT, text, sizeof(text)) ||
		    memcmp(text, attribute, sizeof(text)))
			continue;
		*at = values ? values + i * 8 : k->entries + i * k->entry_size + k->value_at;
		return 0;
	}
	return -ENOENT;
}

static int read_dict(uint32_t pid, uint64_t dict, uint32_t version, uint64_t *at)
{
	uint64_t body[2]; /* ma_keys, ma_values */
	struct keys k;
	int e = remote_read(pid, dict + 32, body, sizeof(body));

	if (!e)
		e = read_keys(pid, body[0], version, &k);
	return e ? e : find_value(pid, &k, body[1], at);
}

static int attribute_of(uint32_t pid, uint64_t object, uint32_t version, uint64_t *at)
{
	uint64_t type, flags, pair[2], keys_at;
	int64_t dictoffset;
	struct keys k;
	int e;

	e = remote_read(pid, object + 8, &type, 8);
	if (!e)
		e = remote_read(pid, type + TYPE_FLAGS, &flags, 8);
	if (!e)
		e = remote_read(pid, type + TYPE_DICTOFFSET, &dictoffset, 8);
	if (e)
		return e;
	if (version < 0x030b || !(flags & MANAGED_DICT)) {
		if (dictoffset <= 0 || dictoffset > 4096)
			return -ENOENT;
		e = remote_read(pid, object + (uint64_t)dictoffset, &pair[0], 8);
		return e ? e : read_dict(pid, pair[0], version, at);
	}
	e = remote_read(pid, object - 32, pair, sizeof(pair));
	if (e)
		return e;
	if (pair[1])
		return read_dict(pid, pair[1], version, at);
	e = remote_read(pid, type + HT_CACHED_KEYS_311, &keys_at, 8);
	if (!e)
		e = read_keys(pid, keys_at, version, &k);
	return e ? e : find_value(pid, &k, pair[0], at);
}

int pyloop_thread(uint32_t pid, uint64_t loop, uint32_t version, struct loop_val *val)
{
	uint64_t at, value;
	struct pylong n;
	int e;

	if (version < 0x0309 || version > 0x030b)
		return -EOPNOTSUPP;
	e = attribute_of(pid, loop, version, &at);
	if (!e)
		e = remote_read(pid, at, &value, 8);
	if (e)
		return e;
	if (!value)
		return -ENOENT;
	/* Not necessarily an int: it is None as long as the loop does not run. */
	e = remote_read(pid, value + PYLONG_SIZE, &n, PYLONG_READ);
	if (e)
		return e;
	val->thread_self = pylong_address(&n);
	val->at = at;
	val->pylong = 1;
	return val->thread_self ? 0 : -ENOENT;
}
