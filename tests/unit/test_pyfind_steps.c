// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pyfind on what calls a task's steps: TaskStepMethWrapper by its static type or its spec, and
 * task_wakeup by its method definition. What is not certain must be 0.
 */
#include "pyfind_fixture.h"

/* Slots of the image, as elfbuild.h lays them out. */
#define TYPE_NAME     (EB_STEP + 24)
#define TYPE_SIZE     (EB_STEP + 32)
#define TYPE_ITEMSIZE (EB_STEP + 40)
#define TYPE_DEALLOC  (EB_STEP + 48)
#define TYPE_CALL     (EB_STEP + 128)
#define TYPE_END      (TYPE_CALL + 8)
#define SPEC_NAME     EB_STEP
#define SPEC_SIZE     (EB_STEP + 8)
#define SPEC_SLOTS    (EB_STEP + 24)
#define SLOT(n)	      (EB_STEP + 32 + (n)*16)
#define SLOT_FUNC(n)  (SLOT(n) + 8)
#define SPEC_END      SLOT(4)
#define WAKEUP_FUNC   (EB_WAKEUP + 8)
#define WAKEUP_FLAGS  (EB_WAKEUP + 16)
#define WAKEUP_DOC    (EB_WAKEUP + 24)

/* An image that can be changed in place: nothing is relocated over what a test writes. */
static void make(struct elfbuild *eb, bool spec)
{
	elfbuild__make(eb, &(struct elfbuild_opts){.stripped = true,
						   .unnamed = true,
						   .relocs = EB_IN_PLACE,
						   .spec = spec});
}

/* Analyses EB and expects these functions, and that nothing else was hurt. */
static void expect(const struct elfbuild *eb, size_t step, size_t wakeup)
{
	struct pyfind_result res;

	assert_int_equal(analyse(eb, &res), 0);
	expect_cancel(eb, &res);
	expect_steps(eb, &res, step, wakeup);
}

static void either_name_is_known_in_either_form(void **state)
{
	static const char *const names[] = {"TaskStepMethWrapper", "_asyncio.TaskStepMethWrapper"};
	struct elfbuild eb;

	(void)state;
	for (int spec = 0; spec < 2; spec++) {
		for (int name = 0; name < 2; name++) {
			make(&eb, spec);
			eb_point(&eb, spec ? SPEC_NAME : TYPE_NAME, eb_string(&eb, names[name]));
			expect(&eb, EB_TASK_STEP, EB_TASK_WAKEUP);
		}
		make(&eb, spec);
		eb_point(&eb, spec ? SPEC_NAME : TYPE_NAME, eb_string(&eb, "TaskStepMethWrappe"));
		expect(&eb, 0, EB_TASK_WAKEUP);
	}
}

static void a_module_without_them_has_none(void **state)
{
	struct pyfind_result res;
	struct elfbuild eb;

	(void)state;
	for (int spec = 0; spec < 2; spec++)
		find_in(&(struct elfbuild_opts){.spec = spec, .stepless = true}, &eb, &res);
}

static void without_a_task_they_are_not_reported(void **state)
{
	struct pyfind_result res;
	struct elfbuild eb;

	(void)state;
	make(&eb, false);
	memset(eb.bytes + EB_TASK_TABLE, 0, EB_FUTURE_TABLE - EB_TASK_TABLE);
	assert_int_equal(analyse(&eb, &res), 0);
	expect_nothing(&res);
	expect_steps(&eb, &res, 0, 0);
}

static void each_is_found_without_the_other(void **state)
{
	struct elfbuild eb;

	(void)state;
	for (int spec = 0; spec < 2; spec++) {
		/* As in 3.9: it has no task_wakeup. */
		make(&eb, spec);
		memset(eb.bytes + EB_WAKEUP, 0, 32);
		expect(&eb, EB_TASK_STEP, 0);

		make(&eb, spec);
		memset(eb.bytes + EB_STEP, 0, EB_WAKEUP - EB_STEP);
		expect(&eb, 0, EB_TASK_WAKEUP);
	}
}

static void two_different_ones_are_none(void **state)
{
	struct elfbuild eb;

	(void)state;
	make(&eb, false);
	eb_put(&eb, EB_TYPE, eb.bytes + EB_STEP, TYPE_END - EB_STEP);
	expect(&eb, EB_TASK_STEP, EB_TASK_WAKEUP);
	eb_point(&eb, EB_TYPE + (TYPE_CALL - EB_STEP), EB_CODE + EB_OTHER);
	expect(&eb, 0, EB_TASK_WAKEUP);

	make(&eb, true);
	eb_put(&eb, EB_TYPE, eb.bytes + EB_STEP, SPEC_END - EB_STEP);
	/* Both have the same slots. */
	expect(&eb, EB_TASK_STEP, EB_TASK_WAKEUP);
	eb_point(&eb, EB_TYPE + (SPEC_SLOTS - EB_STEP), EB_TYPE + (SLOT(0) - EB_STEP));
	expect(&eb, EB_TASK_STEP, EB_TASK_WAKEUP);
	eb_point(&eb, EB_TYPE + (SLOT_FUNC(1) - EB_STEP), EB_CODE + EB_OTHER);
	expect(&eb, 0, EB_TASK_WAKEUP);

	make(&eb, false);
	eb_put(&eb, EB_TYPE, eb.bytes + EB_WAKEUP, 32);
	expect(&eb, EB_TASK_STEP, EB_TASK_WAKEUP);
	eb_point(&eb, EB_TYPE + (WAKEUP_FUNC - EB_WAKEUP), EB_CODE + EB_OTHER);
	expect(&eb, EB_TASK_STEP, 0);
}

static void a_type_and_a_spec_that_disagree_are_none(void **state)
{
	struct elfbuild eb;
	size_t other;

	(void)state;
	make(&eb, true);
	eb_point(&eb, EB_TYPE + (TYPE_NAME - EB_STEP), eb_string(&eb, "TaskStepMethWrapper"));
	eb_put64(&eb, EB_TYPE + (TYPE_SIZE - EB_STEP), EB_STEP_BASICSIZE);
	eb_point(&eb, EB_TYPE + (TYPE_DEALLOC - EB_STEP), EB_CODE + EB_OTHER);
	other = EB_TYPE + (TYPE_CALL - EB_STEP);
	eb_point(&eb, other, EB_CODE + EB_TASK_STEP);
	expect(&eb, EB_TASK_STEP, EB_TASK_WAKEUP);
	eb_point(&eb, other, EB_CODE + EB_OTHER);
	expect(&eb, 0, EB_TASK_WAKEUP);
}

static void a_function_outside_the_code_is_refused(void **state)
{
	/* Nothing, the headers, names, data, zero-initialised data, behind it all, elsewhere. */
	static const uint64_t targets[] = {
		0,
		8,
		EB_STRINGS,
		EB_DATA + EB_DATA_SHIFT,
		EB_SYMTAB + EB_DATA_SHIFT,
		EB_SYMTAB + EB_DATA_SHIFT + EB_BSS_SIZE,
		EB_CODE + EB_CODE_SHIFT - 1,
		EB_DATA + EB_CODE_SHIFT,
		UINT64_MAX - 7,
		UINT64_MAX,
	};
	struct elfbuild eb;

	(void)state;
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		for (int spec = 0; spec < 2; spec++) {
			make(&eb, spec);
			eb_put64(&eb, spec ? SLOT_FUNC(1) : TYPE_CALL, targets[i]);
			expect(&eb, 0, EB_TASK_WAKEUP);
		}
		make(&eb, false);
		eb_put64(&eb, WAKEUP_FUNC, targets[i]);
		expect(&eb, EB_TASK_STEP, 0);
	}
}

static void a_function_of_another_file_is_refused(void **state)
{
	struct pyfind_result res;
	struct elfbuild eb;

	(void)state;
	for (int spec = 0; spec < 2; spec++) {
		elfbuild__make(&eb, &(struct elfbuild_opts){.stripped = true, .spec = spec});
		eb_rela(&eb, eb_vaddr(&eb, spec ? SLOT_FUNC(1) : TYPE_CALL), 1, 0);
		eb_rela(&eb, eb_vaddr(&eb, WAKEUP_FUNC), 1, 0);
		elfbuild__dyn(&eb, EB_DYN_RELASZ)->d_un.d_val = eb.n_relocs * sizeof(Elf64_Rela);
		assert_int_equal(analyse(&eb, &res), 0);
		expect_cancel(&eb, &res);
		expect_steps(&eb, &res, 0, 0);
	}
}

static void one_function_for_both_is_none(void **state)
{
	struct elfbuild eb;

	(void)state;
	make(&eb, false);
	eb_point(&eb, WAKEUP_FUNC, EB_CODE + EB_TASK_STEP);
	expect(&eb, 0, 0);
}

/* One 4- or 8-byte value that makes a good image a bad one. */
struct poke {
	const char *name;
	size_t offset, width;
	uint64_t value;
};

static void expect_poked(const struct poke *poke, bool spec, size_t step, size_t wakeup)
{
	struct elfbuild eb;

	print_message("    %s\n", poke->name);
	make(&eb, spec);
	eb_put(&eb, poke->offset, &poke->value, poke->width);
	expect(&eb, step, wakeup);
}

static void what_is_no_type_is_refused(void **state)
{
	static const struct poke pokes[] = {
		{"smaller than an object", TYPE_SIZE, 8, 15},
		{"larger than ours could be", TYPE_SIZE, 8, 4097},
		{"a size that is negative", TYPE_SIZE, 8, UINT64_MAX},
		{"items of variable number", TYPE_ITEMSIZE, 8, 1},
		{"no deallocator", TYPE_DEALLOC, 8, 0},
		{"a deallocator outside the code", TYPE_DEALLOC, 8, EB_DATA + EB_DATA_SHIFT},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pokes) / sizeof(pokes[0]); i++)
		expect_poked(&pokes[i], false, 0, EB_TASK_WAKEUP);
}

static void what_is_no_spec_is_refused(void **state)
{
	static const struct poke pokes[] = {
		{"smaller than an object", SPEC_SIZE, 4, 15},
		{"larger than ours could be", SPEC_SIZE, 4, 4097},
		{"no slots", SPEC_SLOTS, 8, 0},
		{"slots outside the file", SPEC_SLOTS, 8, EB_SYMTAB + EB_DATA_SHIFT},
		{"slots whose address wraps around", SPEC_SLOTS, 8, UINT64_MAX - 3},
		{"slots cut by the end of the data", SPEC_SLOTS, 8, EB_SYMTAB + EB_DATA_SHIFT - 4},
		{"ends before tp_call", SLOT(1), 4, 0},
		{"two of tp_call", SLOT(2), 4, 50},
		{"a slot that no version has", SLOT(2), 4, 0x100},
		{"a slot of a negative number", SLOT(0), 4, UINT32_MAX},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pokes) / sizeof(pokes[0]); i++)
		expect_poked(&pokes[i], true, 0, EB_TASK_WAKEUP);
}

static void a_spec_that_does_not_end_is_refused(void **state)
{
	struct elfbuild eb;

	(void)state;
	make(&eb, true);
	/* To the end of the data, over task_wakeup. */
	for (size_t slot = SLOT(3); slot + 16 <= EB_SYMTAB; slot += 16)
		eb_put32(&eb, slot, 52);
	expect(&eb, 0, 0);
}

static void what_is_not_the_definition_of_task_wakeup_is_refused(void **state)
{
	static const struct poke pokes[] = {
		{"no flags", WAKEUP_FLAGS, 4, 0},
		{"METH_NOARGS", WAKEUP_FLAGS, 4, 4},
		{"METH_O of a class", WAKEUP_FLAGS, 4, 0x18},
		{"a doc string", WAKEUP_DOC, 8, EB_STRINGS},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pokes) / sizeof(pokes[0]); i++)
		expect_poked(&pokes[i], false, EB_TASK_STEP, 0);
}

static void a_type_cut_by_the_end_of_its_segment_is_refused(void **state)
{
	struct pyfind_result res;
	struct elfbuild eb;

	(void)state;
	for (unsigned int cut = 0; cut <= TYPE_END - EB_STEP; cut++) {
		make(&eb, false);
		elfbuild__phdr(&eb, EB_PH_DATA)->p_filesz = EB_STEP - EB_DATA + cut;
		assert_int_equal(analyse(&eb, &res), 0);
		expect_cancel(&eb, &res);
		expect_steps(&eb, &res, cut == TYPE_END - EB_STEP ? EB_TASK_STEP : 0, 0);
	}
}

static void more_names_than_we_note_are_none(void **state)
{
	struct elfbuild eb;
	size_t name, slot;

	(void)state;
	/* One that is good, and so many pointers that are just that; 64 are noted. */
	for (unsigned int n = 62; n <= 65; n++) {
		make(&eb, false);
		name = eb_string(&eb, "TaskStepMethWrapper");
		eb_put(&eb, EB_TYPE, eb.bytes + EB_STEP, TYPE_END - EB_STEP);
		memset(eb.bytes + EB_STEP, 0, EB_SYMTAB - EB_STEP);
		slot = EB_TYPE + (TYPE_END - EB_STEP);
		for (unsigned int i = 0; i < n; i++, slot += 8) {
			if (slot == EB_VERSION)
				slot = EB_STEP;
			assert_true(slot < EB_SYMTAB);
			eb_point(&eb, slot, name);
		}
		expect(&eb, n == 62 ? EB_TASK_STEP : 0, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(either_name_is_known_in_either_form),
		cmocka_unit_test(a_module_without_them_has_none),
		cmocka_unit_test(without_a_task_they_are_not_reported),
		cmocka_unit_test(each_is_found_without_the_other),
		cmocka_unit_test(two_different_ones_are_none),
		cmocka_unit_test(a_type_and_a_spec_that_disagree_are_none),
		cmocka_unit_test(a_function_outside_the_code_is_refused),
		cmocka_unit_test(a_function_of_another_file_is_refused),
		cmocka_unit_test(one_function_for_both_is_none),
		cmocka_unit_test(what_is_no_type_is_refused),
		cmocka_unit_test(what_is_no_spec_is_refused),
		cmocka_unit_test(a_spec_that_does_not_end_is_refused),
		cmocka_unit_test(what_is_not_the_definition_of_task_wakeup_is_refused),
		cmocka_unit_test(a_type_cut_by_the_end_of_its_segment_is_refused),
		cmocka_unit_test(more_names_than_we_note_are_none),
	};

	return cmocka_run_group_tests_name("pyfind_steps", tests, NULL, NULL);
}
