// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pyfind on images that are broken on purpose: what would mislead it, what contradicts itself, what
 * libelf would stumble over, and every truncation and changed byte of a good one.
 */
#include "pyfind_fixture.h"

#include <dlfcn.h>
#include <gelf.h>

/* So many calls of libelf that may allocate work before one has no memory. Negative: all do. */
static int libelf_calls_left = -1;

static bool libelf_fails(void)
{
	return libelf_calls_left >= 0 && libelf_calls_left-- == 0;
}

Elf *elf_memory(char *image, size_t size)
{
	Elf *(*real)(char *, size_t) = dlsym(RTLD_NEXT, "elf_memory");

	return libelf_fails() ? NULL : real(image, size);
}

GElf_Phdr *gelf_getphdr(Elf *elf, int index, GElf_Phdr *to)
{
	GElf_Phdr *(*real)(Elf *, int, GElf_Phdr *) = dlsym(RTLD_NEXT, "gelf_getphdr");

	return libelf_fails() ? NULL : real(elf, index, to);
}

GElf_Shdr *gelf_getshdr(Elf_Scn *scn, GElf_Shdr *to)
{
	GElf_Shdr *(*real)(Elf_Scn *, GElf_Shdr *) = dlsym(RTLD_NEXT, "gelf_getshdr");

	return libelf_fails() ? NULL : real(scn, to);
}

Elf_Data *elf_getdata_rawchunk(Elf *elf, int64_t offset, size_t size, Elf_Type type)
{
	Elf_Data *(*real)(Elf *, int64_t, size_t, Elf_Type) =
		dlsym(RTLD_NEXT, "elf_getdata_rawchunk");

	return libelf_fails() ? NULL : real(elf, offset, size, type);
}

static void a_table_that_does_not_end_is_refused(void **state)
{
	struct pyfind_result res;
	struct elfbuild eb;

	(void)state;
	elfbuild__make(&eb, &(struct elfbuild_opts){.stripped = true, .endless = true});
	assert_int_equal(analyse(&eb, &res), 0);
	expect_nothing(&res);
}

static void a_table_cut_by_the_end_of_its_segment_is_refused(void **state)
{
	struct pyfind_result res;
	struct elfbuild eb;

	(void)state;
	for (unsigned int cut = 0; cut < 5 * 32; cut++) {
		elfbuild__make(&eb, &(struct elfbuild_opts){.stripped = true});
		elfbuild__phdr(&eb, EB_PH_DATA)->p_filesz = EB_TASK_TABLE - EB_DATA + cut;
		assert_int_equal(analyse(&eb, &res), 0);
		expect_nothing(&res);
	}
}

static void a_name_cut_by_the_end_of_the_file_does_not_match(void **state)
{
	struct elfbuild_opts opts = {.headless = true, .tail = EB_TAIL_WITHOUT_NUL};
	struct pyfind_result res;
	struct elfbuild eb;

	(void)state;
	elfbuild__make(&eb, &opts);
	assert_int_equal(analyse(&eb, &res), 0);
	expect_nothing(&res);
}

static void two_candidates_without_a_name_are_none(void **state)
{
	struct elfbuild_opts opts = {.stripped = true, .unnamed = true, .relocs = EB_IN_PLACE};
	struct pyfind_result res;
	struct elfbuild eb;

	(void)state;
	elfbuild__make(&eb, &opts);
	eb_put(&eb, EB_TYPE, eb.bytes + EB_TASK_TABLE, 6 * 32);
	assert_int_equal(analyse(&eb, &res), 0);
	expect_nothing(&res);
}

static void one_function_for_both_cancels_is_reported_as_none(void **state)
{
	struct elfbuild_opts opts = {.stripped = true, .relocs = EB_IN_PLACE};
	struct pyfind_result res;
	struct elfbuild eb;

	(void)state;
	elfbuild__make(&eb, &opts);
	/* cancel is the third method of Future. */
	eb_put64(&eb, EB_FUTURE_TABLE + 2 * 32 + 8, eb_vaddr(&eb, EB_CODE + EB_TASK_CANCEL));
	assert_int_equal(analyse(&eb, &res), 0);
	assert_true(res.has_asyncio);
	assert_int_equal(res.task_cancel_vaddr, 0);
	assert_int_equal(res.task_cancel_offset, 0);
	assert_int_equal(res.future_cancel_vaddr, 0);
}

static void a_cancel_outside_the_code_is_refused(void **state)
{
	struct elfbuild_opts opts = {.stripped = true, .relocs = EB_IN_PLACE};
	struct pyfind_result res;
	struct elfbuild eb;

	(void)state;
	elfbuild__make(&eb, &opts);
	eb_put64(&eb, EB_TASK_TABLE + 32 + 8, eb_vaddr(&eb, EB_TYPE));
	assert_int_equal(analyse(&eb, &res), 0);
	expect_nothing(&res);
}

static void a_cancel_in_another_file_is_refused(void **state)
{
	struct pyfind_result res;
	struct elfbuild eb;

	(void)state;
	elfbuild__make(&eb, &(struct elfbuild_opts){.stripped = true});
	eb_rela(&eb, eb_vaddr(&eb, EB_TASK_TABLE + 32 + 8), 1, 0);
	elfbuild__dyn(&eb, EB_DYN_RELASZ)->d_un.d_val = eb.n_relocs * sizeof(Elf64_Rela);
	assert_int_equal(analyse(&eb, &res), 0);
	expect_nothing(&res);
}

static void a_table_with_get_stack_is_not_futures(void **state)
{
	struct elfbuild_opts opts = {.stripped = true, .relocs = EB_IN_PLACE};
	struct pyfind_result res;
	struct elfbuild eb;

	(void)state;
	elfbuild__make(&eb, &opts);
	/* Task's third method becomes Future's fifth. */
	eb_put(&eb, EB_FUTURE_TABLE + 4 * 32, eb.bytes + EB_TASK_TABLE + 2 * 32, 32);
	assert_int_equal(analyse(&eb, &res), 0);
	assert_int_equal(res.task_cancel_offset, EB_CODE + EB_TASK_CANCEL);
	assert_int_equal(res.future_cancel_vaddr, 0);
}

static void other_files_are_refused(void **state)
{
	static const struct {
		const char *name;
		unsigned int offset;
		uint8_t value;
	} cases[] = {
		{"no magic", EI_MAG0, 'M'},
		{"32-bit", EI_CLASS, ELFCLASS32},
		{"big-endian", EI_DATA, ELFDATA2MSB},
		{"relocatable", 16, ET_REL},
		{"core", 16, ET_CORE},
		{"i386", 18, EM_386},
	};
	struct pyfind_result res;
	struct elfbuild eb;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("    %s\n", cases[i].name);
		elfbuild__make(&eb, &(struct elfbuild_opts){.stripped = true});
		eb.bytes[cases[i].offset] = cases[i].value;
		assert_int_equal(analyse(&eb, &res), -ENOEXEC);
	}
	assert_int_equal(analyse_bytes("", 0, &res), -ENOEXEC);
	assert_int_equal(pyfind_analyse(NULL, 0, &res, NULL, 0), -ENOEXEC);
}

/* One header field of the image and what to write into it. */
struct poke {
	const char *name;
	size_t offset, width;
	uint64_t value;
};

#define EHDR(field, val)                                                                           \
	offsetof(Elf64_Ehdr, field), sizeof(((Elf64_Ehdr *)NULL)->field), (uint64_t)(val)
#define PHDR(index, field, val)                                                                    \
	EB_PHDRS + (index) * sizeof(Elf64_Phdr) + offsetof(Elf64_Phdr, field),                     \
		sizeof(((Elf64_Phdr *)NULL)->field), (uint64_t)(val)
#define SHDR(index, field, val)                                                                    \
	EB_SHDRS + (index) * sizeof(Elf64_Shdr) + offsetof(Elf64_Shdr, field),                     \
		sizeof(((Elf64_Shdr *)NULL)->field), (uint64_t)(val)
#define DYN(index, val) EB_DYNAMIC + (index) * sizeof(Elf64_Dyn) + 8, 8, (uint64_t)(val)

static int analyse_poked(const struct poke *poke, struct pyfind_result *res)
{
	struct elfbuild eb;

	print_message("    %s\n", poke->name);
	elfbuild__make(&eb, &(struct elfbuild_opts){.stripped = false});
	eb_put(&eb, poke->offset, &poke->value, poke->width);
	return analyse(&eb, res);
}

static void a_file_that_contradicts_itself_is_refused(void **state)
{
	static const struct poke pokes[] = {
		{"program headers beyond the file", EHDR(e_phoff, EB_MAX)},
		{"program headers at the end of the number range", EHDR(e_phoff, -8)},
		{"more program headers than bytes", EHDR(e_phnum, PN_XNUM)},
		{"program headers of another size", EHDR(e_phentsize, 32)},
		{"no program headers", EHDR(e_phnum, 0)},
		{"nothing to load", EHDR(e_phoff, EB_TYPE)},
		{"a segment beyond the file", PHDR(EB_PH_DATA, p_offset, EB_SHDRS)},
		{"a segment whose end wraps around", PHDR(EB_PH_DATA, p_offset, -16)},
		{"a segment smaller in memory than in the file", PHDR(EB_PH_DATA, p_memsz, 16)},
		{"a segment whose address wraps around", PHDR(EB_PH_DATA, p_vaddr, -16)},
		{"overlapping segments", PHDR(EB_PH_DATA, p_vaddr, EB_CODE + EB_CODE_SHIFT)},
		{"the same by one byte", PHDR(EB_PH_DATA, p_vaddr, EB_DATA + EB_CODE_SHIFT - 1)},
		{"dynamic section outside", PHDR(EB_PH_DYNAMIC, p_vaddr, -8)},
		{"relocation table outside", DYN(EB_DYN_RELA, -8)},
		{"relocation table too long", DYN(EB_DYN_RELASZ, -2)},
	};
	struct pyfind_result res;

	(void)state;
	for (size_t i = 0; i < sizeof(pokes) / sizeof(pokes[0]); i++)
		assert_int_equal(analyse_poked(&pokes[i], &res), -EINVAL);
}

static void more_segments_than_we_keep_are_refused(void **state)
{
	struct elfbuild eb;
	struct pyfind_result res;
	uint8_t bytes[EB_MAX + 20 * sizeof(Elf64_Phdr)] = {0};
	Elf64_Phdr ph = {.p_type = PT_LOAD, .p_memsz = 16};

	(void)state;
	elfbuild__make(&eb, &(struct elfbuild_opts){.headless = true});
	elfbuild__ehdr(&eb)->e_phoff = EB_MAX;
	for (unsigned int n = PYFIND_MAX_SEGMENTS; n <= PYFIND_MAX_SEGMENTS + 1; n++) {
		elfbuild__ehdr(&eb)->e_phnum = n;
		memcpy(bytes, eb.bytes, sizeof(eb.bytes));
		for (unsigned int i = 0; i < n; i++) {
			ph.p_vaddr = i * 16;
			memcpy(bytes + EB_MAX + i * sizeof(ph), &ph, sizeof(ph));
		}
		assert_int_equal(analyse_bytes(bytes, sizeof(bytes), &res),
				 n > PYFIND_MAX_SEGMENTS ? -EINVAL : 0);
	}
}

static void bad_section_headers_do_not_hide_the_tables(void **state)
{
	static const struct poke pokes[] = {
		{"more sections than bytes", EHDR(e_shnum, UINT16_MAX)},
		{"section headers beyond the file", EHDR(e_shoff, EB_MAX)},
		{"section headers at the end of the number range", EHDR(e_shoff, -2)},
		{"section headers of another size", EHDR(e_shentsize, 1)},
		{"symbols without strings", SHDR(1, sh_link, -1)},
		{"symbols beyond the file", SHDR(1, sh_size, -1)},
		{"strings beyond the file", SHDR(2, sh_offset, EB_MAX)},
		{"strings that are something else", SHDR(2, sh_type, SHT_PROGBITS)},
	};
	struct pyfind_result res;

	(void)state;
	for (size_t i = 0; i < sizeof(pokes) / sizeof(pokes[0]); i++) {
		assert_int_equal(analyse_poked(&pokes[i], &res), 0);
		assert_int_equal(res.task_cancel_offset, EB_CODE + EB_TASK_CANCEL);
		assert_true(res.stripped);
		assert_int_equal(res.current_tasks_vaddr, 0);
	}
}

static void relocations_that_point_outside_are_ignored(void **state)
{
	/* The header, a name, code, across the end of the data, a symbol right behind it. */
	static const uint64_t targets[] = {
		0, EB_STRINGS + 4, EB_CODE, EB_SYMTAB - 7, EB_SYMTAB + sizeof(Elf64_Sym) + 8,
	};
	struct pyfind_result res;
	struct elfbuild eb;

	(void)state;
	elfbuild__make(&eb, &(struct elfbuild_opts){.stripped = false});
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
		eb_rela(&eb, eb_vaddr(&eb, EB_DATA) + targets[i] - EB_DATA, 0, -1);
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
		eb_rela(&eb, eb_vaddr(&eb, targets[i]), 0, -1);
	eb_rela(&eb, UINT64_MAX - 3, 0, 0);
	eb_rela(&eb, eb_vaddr(&eb, EB_DICT_TYPE), UINT32_MAX, 0);
	elfbuild__dyn(&eb, EB_DYN_RELASZ)->d_un.d_val = eb.n_relocs * sizeof(Elf64_Rela);
	assert_int_equal(analyse(&eb, &res), 0);
	expect_cancel(&eb, &res);
	assert_int_equal(res.task_type_vaddr, eb_vaddr(&eb, EB_TYPE));
	assert_int_equal(res.current_tasks_vaddr, res.bss_vaddr + 0x20);
}

static void relocations_that_rewrite_each_other_are_survived(void **state)
{
	struct pyfind_result res;
	struct elfbuild eb;

	(void)state;
	elfbuild__make(&eb, &(struct elfbuild_opts){.stripped = true});
	/* Text and data in one writable segment: the table can now relocate itself. */
	elfbuild__phdr(&eb, EB_PH_TEXT)->p_flags |= PF_W;
	for (size_t i = 0; i < eb.n_relocs; i++)
		elfbuild__rela(&eb, i)->r_offset = EB_RELOCS + (i + 1) * sizeof(Elf64_Rela) + 4;
	assert_int_equal(analyse(&eb, &res), 0);
	expect_nothing(&res);
}

static void every_truncation_of_a_good_image_is_survived(void **state)
{
	struct elfbuild_opts opts = {.tail = EB_TAIL_WITH_NUL};
	struct pyfind_result res;
	struct elfbuild eb;

	(void)state;
	elfbuild__make(&eb, &opts);
	for (size_t len = 0; len < eb.size; len++)
		assert_true(analyse_bytes(eb.bytes, len, &res) < 0);
	assert_int_equal(analyse(&eb, &res), 0);
}

static void every_changed_header_byte_is_survived(void **state)
{
	struct pyfind_result res;
	struct elfbuild eb;

	(void)state;
	elfbuild__make(&eb, &(struct elfbuild_opts){.gnu_hash = true});
	for (size_t i = 0; i < EB_PHDRS + EB_PH_MAX * sizeof(Elf64_Phdr); i++) {
		uint8_t was = eb.bytes[i];

		for (unsigned int value = 0; value <= UINT8_MAX; value++) {
			eb.bytes[i] = value;
			analyse(&eb, &res);
		}
		eb.bytes[i] = was;
	}
}

static void every_changed_byte_of_the_image_is_survived(void **state)
{
	static const uint8_t flips[] = {0x01, 0x80, 0x7f, 0xff};
	struct pyfind_result res;
	struct elfbuild eb;

	(void)state;
	for (int relocs = EB_RELA; relocs <= EB_RELR; relocs++) {
		elfbuild__make(&eb, &(struct elfbuild_opts){.relocs = relocs, .spec = relocs});
		for (size_t i = 0; i < eb.size; i++) {
			for (size_t f = 0; f < sizeof(flips); f++) {
				eb.bytes[i] ^= flips[f];
				analyse(&eb, &res);
				eb.bytes[i] ^= flips[f];
			}
		}
	}
}

static void a_version_of_no_format_does_not_hide_the_tables(void **state)
{
	static const struct poke pokes[] = {
		{"e_ident", EI_VERSION, 1, EV_NONE},
		{"e_ident, too high", EI_VERSION, 1, UINT8_MAX},
		{"e_version", EHDR(e_version, EV_NONE)},
	};
	struct pyfind_result res;

	(void)state;
	for (size_t i = 0; i < sizeof(pokes) / sizeof(pokes[0]); i++) {
		assert_int_equal(analyse_poked(&pokes[i], &res), 0);
		assert_int_equal(res.task_cancel_offset, EB_CODE + EB_TASK_CANCEL);
		assert_int_not_equal(res.current_tasks_vaddr, 0);
	}
}

static void a_section_count_in_the_first_section_is_not_believed(void **state)
{
	/* More than libelf takes, so many that it would allocate gigabytes, as many as there are.
	 */
	static const uint64_t counts[] = {UINT64_MAX, UINT32_MAX, 3};
	struct pyfind_result res;
	struct elfbuild eb;

	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		elfbuild__make(&eb, &(struct elfbuild_opts){.stripped = false});
		elfbuild__ehdr(&eb)->e_shnum = 0;
		elfbuild__shdr(&eb, 0)->sh_size = counts[i];
		assert_int_equal(analyse(&eb, &res), 0);
		expect_cancel(&eb, &res);
		assert_true(res.stripped);
	}
}

static void a_segment_count_in_the_first_section_is_not_believed(void **state)
{
	struct pyfind_result res;
	struct elfbuild eb;

	(void)state;
	elfbuild__make(&eb, &(struct elfbuild_opts){.stripped = false});
	elfbuild__ehdr(&eb)->e_phnum = PN_XNUM;
	elfbuild__shdr(&eb, 0)->sh_info = EB_PH_MAX;
	assert_int_equal(analyse(&eb, &res), -EINVAL);
}

static void more_notes_than_we_read_are_survived(void **state)
{
	static uint8_t bytes[EB_MAX + PN_XNUM * sizeof(Elf64_Phdr)];
	struct pyfind_result res;
	struct elfbuild eb;
	Elf64_Phdr ph;

	(void)state;
	elfbuild__make(&eb, &(struct elfbuild_opts){.stripped = true});
	elfbuild__ehdr(&eb)->e_phoff = EB_MAX;
	elfbuild__ehdr(&eb)->e_phnum = PN_XNUM - 1;
	memcpy(bytes, eb.bytes, sizeof(eb.bytes));
	for (size_t i = 0; i < PN_XNUM - 1; i++) {
		memcpy(&ph, elfbuild__phdr(&eb, i < EB_PH_NOTE ? i : EB_PH_NOTE), sizeof(ph));
		/* Each a range of its own, almost the whole file, not aligned: a copy each. */
		if (ph.p_type == PT_NOTE) {
			ph.p_offset = 1 + 4 * i;
			ph.p_filesz = sizeof(bytes) - ph.p_offset;
		}
		memcpy(bytes + EB_MAX + i * sizeof(ph), &ph, sizeof(ph));
	}
	assert_int_equal(analyse_bytes(bytes, sizeof(bytes), &res), 0);
	expect_cancel(&eb, &res);
}

static void relocations_over_the_headers_change_nothing(void **state)
{
	struct pyfind_result res;
	struct elfbuild eb;
	size_t slot;

	(void)state;
	for (int value = -1; value <= 0; value++) {
		elfbuild__make(&eb, &(struct elfbuild_opts){.by_symbol = true});
		elfbuild__phdr(&eb, EB_PH_TEXT)->p_flags |= PF_W;
		for (slot = 0; slot < EB_NOTE && EB_RELOCS + (eb.n_relocs + 1) * 24 <= EB_FRAME_HDR;
		     slot += 8)
			eb_rela(&eb, slot, 0, value);
		assert_true(slot > EB_PHDRS + sizeof(Elf64_Phdr));
		elfbuild__dyn(&eb, EB_DYN_RELASZ)->d_un.d_val = eb.n_relocs * sizeof(Elf64_Rela);
		/* In reverse: the headers are overwritten before anything else is relocated. */
		for (size_t i = 0; i < eb.n_relocs / 2; i++) {
			Elf64_Rela was = *elfbuild__rela(&eb, i);

			*elfbuild__rela(&eb, i) = *elfbuild__rela(&eb, eb.n_relocs - 1 - i);
			*elfbuild__rela(&eb, eb.n_relocs - 1 - i) = was;
		}
		assert_int_equal(analyse(&eb, &res), 0);
		expect_cancel(&eb, &res);
		assert_int_equal(res.dict_type_vaddr, eb_vaddr(&eb, EB_DICT_TYPE));
		assert_int_equal(res.current_tasks_vaddr, res.bss_vaddr + 0x20);
	}
}

static void every_lack_of_memory_in_libelf_is_reported(void **state)
{
	struct pyfind_result res;
	struct elfbuild eb;
	char err[128];
	int ret, n = 0;

	(void)state;
	elfbuild__make(&eb, &(struct elfbuild_opts){.by_symbol = true});
	do {
		libelf_calls_left = n;
		ret = pyfind_analyse(eb.bytes, eb.size, &res, err, sizeof(err));
		if (libelf_calls_left >= 0)
			break;
		assert_int_equal(ret, -ENOMEM);
		assert_non_null(strstr(err, "memory"));
		expect_nothing(&res);
		assert_int_equal(res.n_segments, 0);
	} while (++n < 100);
	libelf_calls_left = -1;
	assert_int_equal(ret, 0);
	expect_cancel(&eb, &res);
	/* Three times the file, seven program headers, two sections, five tables. */
	assert_int_equal(n, 17);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_table_that_does_not_end_is_refused),
		cmocka_unit_test(a_table_cut_by_the_end_of_its_segment_is_refused),
		cmocka_unit_test(a_name_cut_by_the_end_of_the_file_does_not_match),
		cmocka_unit_test(two_candidates_without_a_name_are_none),
		cmocka_unit_test(one_function_for_both_cancels_is_reported_as_none),
		cmocka_unit_test(a_cancel_outside_the_code_is_refused),
		cmocka_unit_test(a_cancel_in_another_file_is_refused),
		cmocka_unit_test(a_table_with_get_stack_is_not_futures),
		cmocka_unit_test(other_files_are_refused),
		cmocka_unit_test(a_file_that_contradicts_itself_is_refused),
		cmocka_unit_test(more_segments_than_we_keep_are_refused),
		cmocka_unit_test(bad_section_headers_do_not_hide_the_tables),
		cmocka_unit_test(relocations_that_point_outside_are_ignored),
		cmocka_unit_test(relocations_that_rewrite_each_other_are_survived),
		cmocka_unit_test(every_truncation_of_a_good_image_is_survived),
		cmocka_unit_test(every_changed_header_byte_is_survived),
		cmocka_unit_test(every_changed_byte_of_the_image_is_survived),
		cmocka_unit_test(a_version_of_no_format_does_not_hide_the_tables),
		cmocka_unit_test(a_section_count_in_the_first_section_is_not_believed),
		cmocka_unit_test(a_segment_count_in_the_first_section_is_not_believed),
		cmocka_unit_test(more_notes_than_we_read_are_survived),
		cmocka_unit_test(relocations_over_the_headers_change_nothing),
		cmocka_unit_test(every_lack_of_memory_in_libelf_is_reported),
	};

	return cmocka_run_group_tests_name("pyfind_hostile", tests, NULL, NULL);
}
