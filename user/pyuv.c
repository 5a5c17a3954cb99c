// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "remote.h"
#include "pyuv.h"
#include "../bpf/pthreads.h"

#define DATA_MAX  (1u << 20)
#define HOLDER_TO 16 /* rl_loop, in a PyRunningLoopHolder */
/* Words of a Loop object up to which its thread may stand: 8 in uvloop 0.17. */
#define THREAD_TO 24

static bool maps_uvloop(void *ctx, const struct mapping *m)
{
	bool *found = ctx;

	*found = strstr(m->path, "/uvloop/loop.") != NULL;
	return *found;
}

static bool read_word(uint32_t pid, uint64_t addr, uint64_t *word)
{
	return addr && addr % 8 == 0 && !remote_read(pid, addr, word, sizeof(*word));
}

/* The uv_loop_t of the Loop object at ADDR; it begins with a pointer back. */
static uint64_t loop_at(uint32_t pid, uint64_t addr)
{
	uint64_t uv, back;
	int i;

	for (i = UV_LOOP_FROM; i < UV_LOOP_TO; i++)
		if (read_word(pid, addr + 8ULL * (unsigned int)i, &uv) &&
		    read_word(pid, uv, &back) && back == addr)
			return uv;
	return 0;
}

uint64_t pyuv_running(uint32_t pid, uint64_t from, uint64_t size, uint64_t *loop)
{
	uint64_t *data, uv = 0;
	bool mapped = false;
	size_t i, n;

	if (remote_mappings(pid, maps_uvloop, &mapped) || !mapped)
		return 0;
	if (size > DATA_MAX)
		size = DATA_MAX;
	from = (from + 7) & ~7ULL;
	n = size / 8;
	data = n ? malloc(n * 8) : NULL;
	if (!data)
		return 0;
	if (remote_read(pid, from, data, n * 8))
		n = 0;
	for (i = 0; i < n && !uv; i++)
		if (data[i] && read_word(pid, data[i] + HOLDER_TO, loop) && *loop)
			uv = loop_at(pid, *loop);
	free(data);
	return uv;
}

static bool is_thread(uint32_t pid, uint64_t word, uint64_t tp)
{
	uint64_t first;

	return (tp && is_pthread(word, tp)) || (read_word(pid, word, &first) && first == word);
}

int pyuv_thread(uint32_t pid, uint64_t loop, uint64_t tp, struct loop_val *val)
{
	uint64_t words[THREAD_TO];
	int i, e;

	if (!loop_at(pid, loop))
		return -ENOENT;
	e = remote_read(pid, loop, words, sizeof(words));
	if (e)
		return e;
	for (i = UV_LOOP_FROM; i < THREAD_TO; i++)
		if (words[i] && is_thread(pid, words[i], tp)) {
			val->thread_self = words[i];
			val->at = loop + 8ULL * (unsigned int)i;
			val->pylong = 0;
			return 0;
		}
	return -ENOENT;
}
