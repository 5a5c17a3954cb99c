// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdbool.h>
#include <string.h>

#include "../bpf/pytask.h"
#include "pystream.h"
#include "remote.h"

#define PYSIZE_AT  16 /* ob_size of a bytearray */
/* StreamReader's limit is 64 KiB, twice of that stops reading; a client may ask for more. */
#define BUFFER_MAX (64u << 20)

static bool read_attributes(uint32_t pid, const struct task_layout *layout, uint64_t at,
			    uint64_t *v)
{
	bool bare = layout->frames == PYFRAMES_311;
	uint64_t values = 0, dict;

	if (bare && remote_read(pid, at + PYOBJ_VALUES_311, &values, 8))
		return false;
	if (!values && (remote_read(pid, at + (bare ? PYOBJ_DICT_311 : PYOBJ_DICT), &dict, 8) ||
			remote_read(pid, dict + PYDICT_VALUES, &values, 8)))
		return false;
	return values && !remote_read(pid, values, v, STREAM_WORDS * 8);
}

/* None is no future: what lies where a future has its loop is not this one. */
static bool is_awaited(uint32_t pid, const struct task_layout *layout, const uint64_t *v)
{
	uint64_t loop = 0;
	uint32_t state = PYFUT_FINISHED;

	return !remote_read(pid, v[STREAM_WAITER] + PYFUT_LOOP, &loop, 8) &&
	       loop == v[STREAM_LOOP] &&
	       !remote_read(pid, v[STREAM_WAITER] + layout->state, &state, 4) &&
	       state == PYFUT_PENDING;
}

uint32_t pystream_left(uint32_t pid, const struct task_layout *layout, uint64_t stream)
{
	uint64_t before[STREAM_WORDS], after[STREAM_WORDS], size;

	if (layout->frames == PYFRAMES_NONE || stream <= 1 ||
	    !read_attributes(pid, layout, stream, before) ||
	    remote_read(pid, before[STREAM_BUFFER] + PYSIZE_AT, &size, 8) ||
	    is_awaited(pid, layout, before) || !read_attributes(pid, layout, stream, after) ||
	    memcmp(before, after, sizeof(before)))
		return 0;
	return size <= BUFFER_MAX ? (uint32_t)size : 0;
}
