// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The layout table. An entry is believed only for a Task type of exactly its size, and then only
 * after a live task has looked like one (bpf/owner.h).
 *
 * From Modules/_asynciomodule.c: FutureObj_HEAD got the cancel message in 3.9 and fut_exception_tb
 * in 3.10; 3.11 replaced the exception state (four pointers) by one pointer and added
 * task_num_cancels_requested. From Include/internal/pycore_dict.h: PyDictKeysObject holds log2
 * sizes from 3.11 on, dk_size and a look-up function before. From frameobject.h, pycore_frame.h and
 * cpython/code.h: the frames of suspended coroutines.
 */
#include <stddef.h>

#include "pylayout.h"

static const struct task_layout layouts[] = {
	{.version = 0x0309,
	 .state = 80,
	 .task = 144,
	 .size = 184,
	 .keys_header = 40,
	 .keys_nentries = 32,
	 .name_text = 48,
	 .frames = PYFRAMES_39,
	 .code_name = 112,
	 .exception = 48},
	{.version = 0x030a,
	 .state = 88,
	 .task = 152,
	 .size = 192,
	 .keys_header = 40,
	 .keys_nentries = 32,
	 .name_text = 48,
	 .frames = PYFRAMES_310,
	 .code_name = 112,
	 .exception = 48},
	{.version = 0x030b,
	 .state = 88,
	 .task = 128,
	 .size = 176,
	 .has_cancels = 1,
	 .keys_header = 32,
	 .keys_nentries = 24,
	 .keys_log2 = 1,
	 .name_text = 48,
	 .frames = PYFRAMES_311,
	 .code_name = 120,
	 .exception = 48},
};

const struct task_layout *pylayout_find(uint32_t version)
{
	size_t i;

	for (i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++)
		if (layouts[i].version == version)
			return &layouts[i];
	return NULL;
}
