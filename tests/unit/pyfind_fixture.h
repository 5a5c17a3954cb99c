/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the tests of pyfind share: images of elfbuild.h are analysed, and what must hold for every
 * input is checked.
 *
 * Each image is analysed from a buffer of exactly its size on the heap, so that a sanitizer sees
 * a read beyond its end.
 */
#ifndef MISPAIR_TESTS_PYFIND_FIXTURE_H
#define MISPAIR_TESTS_PYFIND_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>

#include "elfbuild.h"
#include "pyfind.h"

static inline bool in_code(const struct pyfind_result *res, uint64_t vaddr)
{
	for (uint32_t i = 0; i < res->n_segments; i++) {
		const struct pyfind_segment *seg = &res->segments[i];

		if (seg->exec && vaddr >= seg->vaddr && vaddr - seg->vaddr < seg->filesz)
			return true;
	}
	return false;
}

/* What must hold for every input, good or hostile. */
static inline void check_promises(int ret, const struct pyfind_result *res, const char *err,
				  size_t size)
{
	assert_true(ret == 0 || ret == -ENOEXEC || ret == -EINVAL);
	assert_int_equal(ret != 0, err[0] != '\0');
	assert_true(res->n_segments <= PYFIND_MAX_SEGMENTS);
	assert_true(res->build_id_len <= sizeof(res->build_id));
	if (ret || !res->has_asyncio)
		assert_int_equal(res->task_cancel_vaddr, 0);
	if (res->task_cancel_vaddr) {
		assert_true(in_code(res, res->task_cancel_vaddr));
		assert_true(res->task_cancel_offset < size);
		assert_int_not_equal(res->task_cancel_vaddr, res->future_cancel_vaddr);
	}
	if (res->task_finalize_vaddr) {
		assert_true(in_code(res, res->task_finalize_vaddr));
		assert_true(res->task_finalize_offset < size);
	}
	if (res->task_step_vaddr) {
		assert_true(res->has_asyncio && in_code(res, res->task_step_vaddr));
		assert_true(res->task_step_offset < size);
		assert_int_not_equal(res->task_step_vaddr, res->task_wakeup_vaddr);
	}
	if (res->task_wakeup_vaddr) {
		assert_true(res->has_asyncio && in_code(res, res->task_wakeup_vaddr));
		assert_true(res->task_wakeup_offset < size);
	}
	for (uint32_t i = 0; i < res->n_segments; i++)
		assert_true(res->segments[i].offset + res->segments[i].filesz <= size);
}

static inline int analyse_bytes(const void *bytes, size_t size, struct pyfind_result *res)
{
	void *exact = malloc(size);
	char err[128] = "";
	int ret;

	assert_true(exact || !size);
	if (size)
		memcpy(exact, bytes, size);
	ret = pyfind_analyse(exact, size, res, err, sizeof(err));
	free(exact);
	check_promises(ret, res, err, size);
	return ret;
}

static inline int analyse(const struct elfbuild *eb, struct pyfind_result *res)
{
	return analyse_bytes(eb->bytes, eb->size, res);
}

static inline void expect_cancel(const struct elfbuild *eb, const struct pyfind_result *res)
{
	assert_true(res->has_asyncio);
	assert_int_equal(res->task_cancel_vaddr, eb_vaddr(eb, EB_CODE + EB_TASK_CANCEL));
	assert_int_equal(res->task_cancel_offset, EB_CODE + EB_TASK_CANCEL);
	assert_int_equal(res->future_cancel_vaddr, eb_vaddr(eb, EB_CODE + EB_FUTURE_CANCEL));
}

/* Functions by their distance from EB_CODE; 0 is none. */
static inline void expect_steps(const struct elfbuild *eb, const struct pyfind_result *res,
				size_t step, size_t wakeup)
{
	assert_int_equal(res->task_step_vaddr, step ? eb_vaddr(eb, EB_CODE + step) : 0);
	assert_int_equal(res->task_step_offset, step ? EB_CODE + step : 0);
	assert_int_equal(res->task_wakeup_vaddr, wakeup ? eb_vaddr(eb, EB_CODE + wakeup) : 0);
	assert_int_equal(res->task_wakeup_offset, wakeup ? EB_CODE + wakeup : 0);
}

static inline void expect_nothing(const struct pyfind_result *res)
{
	assert_false(res->has_asyncio);
	assert_int_equal(res->task_cancel_vaddr, 0);
	assert_int_equal(res->task_type_vaddr, 0);
}

/* Builds an image by OPTS, analyses it and expects every function that it has. */
static inline void find_in(const struct elfbuild_opts *opts, struct elfbuild *eb,
			   struct pyfind_result *res)
{
	elfbuild__make(eb, opts);
	assert_int_equal(analyse(eb, res), 0);
	assert_false(res->unproved);
	expect_cancel(eb, res);
	if (opts->no_tables || opts->stepless)
		expect_steps(eb, res, 0, 0);
	else
		expect_steps(eb, res, EB_TASK_STEP, EB_TASK_WAKEUP);
}

#endif
