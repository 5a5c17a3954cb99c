// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pyfind reports a function for probing only where the file proves that one begins. The tables
 * themselves are tested in test_elfstart.c.
 */
#include "pyfind_fixture.h"

/* No function that could be probed, though the classes were found. */
static void expect_no_proof(const struct pyfind_result *res)
{
	assert_true(res->has_asyncio);
	assert_true(res->unproved);
	assert_int_equal(res->task_cancel_vaddr, 0);
	assert_int_equal(res->task_cancel_offset, 0);
	assert_int_equal(res->task_finalize_vaddr, 0);
	assert_int_equal(res->task_finalize_offset, 0);
	assert_int_equal(res->task_step_vaddr, 0);
	assert_int_equal(res->task_step_offset, 0);
	assert_int_equal(res->task_wakeup_vaddr, 0);
	assert_int_equal(res->task_wakeup_offset, 0);
}

static void make(struct elfbuild *eb)
{
	/* Not relocated: a pointer is what stands in its slot. */
	elfbuild__make(eb, &(struct elfbuild_opts){.stripped = true, .relocs = EB_IN_PLACE});
}

static void a_pointer_into_the_middle_of_a_function_is_refused(void **state)
{
	struct pyfind_result res;
	struct elfbuild eb;

	(void)state;
	make(&eb);
	eb_put64(&eb, EB_WAKEUP + 8, eb_vaddr(&eb, EB_CODE + EB_TASK_WAKEUP + 4));
	assert_int_equal(analyse(&eb, &res), 0);
	assert_true(res.unproved);
	expect_cancel(&eb, &res);
	expect_steps(&eb, &res, EB_TASK_STEP, 0);
	make(&eb);
	eb_put64(&eb, EB_TYPE + 392, eb_vaddr(&eb, EB_CODE + EB_FINALIZE + 4));
	assert_int_equal(analyse(&eb, &res), 0);
	assert_true(res.unproved);
	assert_int_equal(res.task_finalize_vaddr, 0);
	assert_int_equal(res.task_finalize_offset, 0);
	make(&eb);
	eb_put64(&eb, EB_TASK_TABLE + 32 + 8, eb_vaddr(&eb, EB_CODE + EB_TASK_CANCEL + 4));
	assert_int_equal(analyse(&eb, &res), 0);
	assert_true(res.unproved && res.has_asyncio);
	assert_int_equal(res.task_cancel_vaddr, 0);
	assert_int_equal(res.task_cancel_offset, 0);
	expect_steps(&eb, &res, EB_TASK_STEP, EB_TASK_WAKEUP);
}

static void a_pointer_at_code_that_no_function_has_is_refused(void **state)
{
	struct pyfind_result res;
	struct elfbuild eb;

	(void)state;
	make(&eb);
	eb_put64(&eb, EB_WAKEUP + 8, eb_vaddr(&eb, EB_CODE + 0x90));
	eb_put64(&eb, EB_STEP + 128, eb_vaddr(&eb, EB_CODE));
	assert_int_equal(analyse(&eb, &res), 0);
	assert_true(res.unproved);
	expect_steps(&eb, &res, 0, 0);
}

static void without_frames_only_what_has_a_symbol_is_proved(void **state)
{
	struct pyfind_result res;
	struct elfbuild eb;

	(void)state;
	elfbuild__make(&eb, &(struct elfbuild_opts){.frameless = true, .stripped = true});
	assert_int_equal(analyse(&eb, &res), 0);
	expect_no_proof(&res);
	elfbuild__make(&eb, &(struct elfbuild_opts){.frameless = true});
	assert_int_equal(analyse(&eb, &res), 0);
	assert_true(res.unproved);
	expect_cancel(&eb, &res);
	expect_steps(&eb, &res, 0, 0);
	assert_int_equal(res.task_finalize_offset, 0);
	elfbuild__make(&eb, &(struct elfbuild_opts){.frameless = true, .no_tables = true});
	assert_int_equal(analyse(&eb, &res), 0);
	assert_false(res.unproved);
	expect_cancel(&eb, &res);
}

static void only_a_defined_symbol_of_a_function_is_a_proof(void **state)
{
	static const struct {
		uint8_t type;
		uint16_t section;
		bool proof;
	} cases[] = {
		{STT_FUNC, 1, true},	      {STT_GNU_IFUNC, 1, true},
		{STT_NOTYPE, 1, false},	      {STT_FUNC, SHN_ABS, false},
		{STT_OBJECT, 1, false},	      {STT_FUNC, SHN_UNDEF, false},
		{STT_FUNC, SHN_XINDEX, true},
	};
	struct pyfind_result res;
	struct elfbuild eb;
	Elf64_Sym sym;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("    %u in %#x\n", cases[i].type, cases[i].section);
		elfbuild__make(&eb, &(struct elfbuild_opts){.frameless = true});
		memcpy(&sym, eb.bytes + EB_SYMTAB + 2 * sizeof(sym), sizeof(sym));
		sym.st_info = ELF64_ST_INFO(STB_LOCAL, cases[i].type);
		sym.st_shndx = cases[i].section;
		eb_put(&eb, EB_SYMTAB + 2 * sizeof(sym), &sym, sizeof(sym));
		assert_int_equal(analyse(&eb, &res), 0);
		assert_int_equal(res.task_cancel_offset,
				 cases[i].proof ? EB_CODE + EB_TASK_CANCEL : 0);
	}
}

static void a_symbol_in_the_middle_of_a_frame_is_no_proof(void **state)
{
	struct pyfind_result res;
	struct elfbuild eb;
	Elf64_Sym sym;

	(void)state;
	elfbuild__make(&eb, &(struct elfbuild_opts){.no_tables = true});
	memcpy(&sym, eb.bytes + EB_SYMTAB + 2 * sizeof(sym), sizeof(sym));
	sym.st_value += 4;
	eb_put(&eb, EB_SYMTAB + 2 * sizeof(sym), &sym, sizeof(sym));
	assert_int_equal(analyse(&eb, &res), 0);
	assert_true(res.unproved);
	assert_int_equal(res.task_cancel_offset, 0);
}

static void a_function_in_a_segment_that_is_not_executable_is_refused(void **state)
{
	struct pyfind_result res;
	struct elfbuild eb;

	(void)state;
	elfbuild__make(&eb, &(struct elfbuild_opts){.stripped = false});
	elfbuild__phdr(&eb, EB_PH_CODE)->p_flags = PF_R;
	assert_int_equal(analyse(&eb, &res), 0);
	expect_nothing(&res);
	expect_steps(&eb, &res, 0, 0);
	assert_int_equal(res.task_finalize_offset, 0);
}

static void what_lies_between_functions_is_not_where_one_begins(void **state)
{
	static const uint8_t zeroes[2], traps[1] = {0xcc}, one_zero[2] = {0, 0xc3};
	struct pyfind_result res;
	struct elfbuild eb;

	(void)state;
	make(&eb);
	eb_put(&eb, EB_CODE + EB_TASK_WAKEUP, zeroes, sizeof(zeroes));
	eb_put(&eb, EB_CODE + EB_TASK_STEP, traps, sizeof(traps));
	eb_put(&eb, EB_CODE + EB_TASK_CANCEL, one_zero, sizeof(one_zero));
	assert_int_equal(analyse(&eb, &res), 0);
	assert_true(res.unproved);
	expect_cancel(&eb, &res);
	expect_steps(&eb, &res, 0, 0);
}

static void a_table_outside_the_file_is_none(void **state)
{
	struct pyfind_result res;
	struct elfbuild eb;

	(void)state;
	make(&eb);
	elfbuild__phdr(&eb, EB_PH_FRAMES)->p_filesz = UINT64_MAX;
	assert_int_equal(analyse(&eb, &res), 0);
	expect_no_proof(&res);
	make(&eb);
	elfbuild__phdr(&eb, EB_PH_FRAMES)->p_vaddr = UINT64_MAX - 8;
	assert_int_equal(analyse(&eb, &res), 0);
	expect_no_proof(&res);
	make(&eb);
	for (uint64_t size = 0; size < EB_ENTRY(EB_FUNCTIONS) - EB_FRAME_HDR; size++) {
		elfbuild__phdr(&eb, EB_PH_FRAMES)->p_filesz = size;
		assert_int_equal(analyse(&eb, &res), 0);
		expect_no_proof(&res);
	}
}

static void frames_with_any_byte_changed_are_survived(void **state)
{
	static const uint8_t values[] = {0, 1, 4, 0x7f, 0x80, 0xff};
	struct pyfind_result res;
	struct elfbuild eb;
	uint8_t was;

	(void)state;
	make(&eb);
	for (size_t at = EB_FRAME_HDR; at < EB_FDE(EB_FUNCTIONS); at++) {
		was = eb.bytes[at];
		for (size_t v = 0; v < sizeof(values); v++) {
			eb.bytes[at] = values[v];
			assert_int_equal(analyse(&eb, &res), 0);
			/* Where it is reported, it is reported rightly. */
			if (res.task_cancel_offset)
				assert_int_equal(res.task_cancel_offset, EB_CODE + EB_TASK_CANCEL);
			else
				assert_true(res.unproved);
		}
		eb.bytes[at] = was;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pointer_into_the_middle_of_a_function_is_refused),
		cmocka_unit_test(a_pointer_at_code_that_no_function_has_is_refused),
		cmocka_unit_test(without_frames_only_what_has_a_symbol_is_proved),
		cmocka_unit_test(only_a_defined_symbol_of_a_function_is_a_proof),
		cmocka_unit_test(a_symbol_in_the_middle_of_a_frame_is_no_proof),
		cmocka_unit_test(a_function_in_a_segment_that_is_not_executable_is_refused),
		cmocka_unit_test(what_lies_between_functions_is_not_where_one_begins),
		cmocka_unit_test(a_table_outside_the_file_is_none),
		cmocka_unit_test(frames_with_any_byte_changed_are_survived),
	};

	return cmocka_run_group_tests_name("pyfind_starts", tests, NULL, NULL);
}
