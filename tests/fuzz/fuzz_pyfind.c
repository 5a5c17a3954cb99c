// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libFuzzer target for pyfind: any bytes may be the file that a traced process has mapped.
 * Besides what the sanitizers see, a result must keep the promises that its users rely on: probes
 * are attached at these offsets.
 *
 * Good seeds: small real modules, with and without section headers.
 */
#include <stdint.h>
#include <stdlib.h>

#include "pyfind.h"

static void require(bool promise)
{
	if (!promise)
		abort();
}

static bool in_code(const struct pyfind_result *res, uint64_t vaddr, uint64_t offset)
{
	for (uint32_t i = 0; i < res->n_segments; i++) {
		const struct pyfind_segment *seg = &res->segments[i];

		if (seg->exec && vaddr >= seg->vaddr && vaddr - seg->vaddr < seg->filesz)
			return offset == vaddr - seg->vaddr + seg->offset;
	}
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pyfind_result res;
	char err[64];

	if (pyfind_analyse(data, size, &res, err, sizeof(err))) {
		require(err[0] && !res.has_asyncio && !res.n_segments);
		return 0;
	}
	require(res.n_segments <= PYFIND_MAX_SEGMENTS);
	require(res.build_id_len <= sizeof(res.build_id));
	for (uint32_t i = 0; i < res.n_segments; i++) {
		const struct pyfind_segment *seg = &res.segments[i];

		require(seg->filesz <= seg->memsz && seg->vaddr + seg->memsz >= seg->vaddr);
		require(seg->offset <= size && seg->filesz <= size - seg->offset);
	}
	require(res.task_cancel_vaddr || !res.task_cancel_offset);
	require(res.task_finalize_vaddr || !res.task_finalize_offset);
	require(res.task_step_vaddr || !res.task_step_offset);
	require(res.task_wakeup_vaddr || !res.task_wakeup_offset);
	if (res.task_cancel_vaddr) {
		require(res.has_asyncio && res.task_cancel_vaddr != res.future_cancel_vaddr);
		require(in_code(&res, res.task_cancel_vaddr, res.task_cancel_offset));
	}
	if (res.task_step_vaddr) {
		require(res.has_asyncio && res.task_step_vaddr != res.task_wakeup_vaddr);
		require(in_code(&res, res.task_step_vaddr, res.task_step_offset));
	}
	if (res.task_wakeup_vaddr)
		require(res.has_asyncio &&
			in_code(&res, res.task_wakeup_vaddr, res.task_wakeup_offset));
	if (res.task_finalize_vaddr)
		require(in_code(&res, res.task_finalize_vaddr, res.task_finalize_offset));
	return 0;
}
