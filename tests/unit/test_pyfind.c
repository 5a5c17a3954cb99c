// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pyfind on images that are built here (elfbuild.h), good and broken, and on the distribution's own
 * _asyncio where there is one.
 *
 * Each image is analysed from a buffer of exactly its size on the heap, so that a sanitizer sees
 * a read beyond its end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "elfbuild.h"
#include "pyfind.h"

/* Set: read calls end here, as if the file had shrunk after fstat(). */
static off_t pread_limit = -1;
/* So many read calls are interrupted before one works. */
static int pread_interrupts;

ssize_t pread(int fd, void *buf, size_t len, off_t offset)
{
	if (pread_interrupts > 0) {
		pread_interrupts--;
		errno = EINTR;
		return -1;
	}
	if (pread_limit >= 0 && offset >= pread_limit)
		return 0;
	if (pread_limit >= 0 && offset + (off_t)len > pread_limit)
		len = pread_limit - offset;
	return syscall(SYS_pread64, fd, buf, len, offset);
}

static bool in_code(const struct pyfind_result *res, uint64_t vaddr)
{
	for (uint32_t i = 0; i < res->n_segments; i++) {
		const struct pyfind_segment *seg = &res->segments[i];

		if (seg->exec && vaddr >= seg->vaddr && vaddr - seg->vaddr < seg->filesz)
			return true;
	}
	return false;
}

/* What must hold for every input, good or hostile. */
static void check_promises(int ret, const struct pyfind_result *res, const char *err, size_t size)
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
	for (uint32_t i = 0; i < res->n_segments; i++)
		assert_true(res->segments[i].offset + res->segments[i].filesz <= size);
}

static int analyse_bytes(const void *bytes, size_t size, struct pyfind_result *res)
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

static int analyse(const struct elfbuild *eb, struct pyfind_result *res)
{
	return analyse_bytes(eb->bytes, eb->size, res);
}

static void expect_cancel(const struct elfbuild *eb, const struct pyfind_result *res)
{
	assert_true(res->has_asyncio);
	assert_int_equal(res->task_cancel_vaddr, eb_vaddr(eb, EB_CODE + EB_TASK_CANCEL));
	assert_int_equal(res->task_cancel_offset, EB_CODE + EB_TASK_CANCEL);
	assert_int_equal(res->future_cancel_vaddr, eb_vaddr(eb, EB_CODE + EB_FUTURE_CANCEL));
}

static void expect_nothing(const struct pyfind_result *res)
{
	assert_false(res->has_asyncio);
	assert_int_equal(res->task_cancel_vaddr, 0);
	assert_int_equal(res->task_type_vaddr, 0);
}

/* Builds an image by OPTS, analyses it and expects both cancel functions. */
static void find_in(const struct elfbuild_opts *opts, struct elfbuild *eb,
		    struct pyfind_result *res)
{
	elfbuild__make(eb, opts);
	assert_int_equal(analyse(eb, res), 0);
	expect_cancel(eb, res);
}

static void task_cancel_is_found_in_a_stripped_module(void **state)
{
	struct pyfind_result res;
	struct elfbuild eb;

	(void)state;
	find_in(&(struct elfbuild_opts){.stripped = true}, &eb, &res);
	assert_true(res.stripped);
	assert_int_equal(res.current_tasks_vaddr, 0);
}

static void the_form_of_the_file_does_not_matter(void **state)
{
	static const struct {
		const char *name;
		struct elfbuild_opts opts;
	} cases[] = {
		{"RELA", {.relocs = EB_RELA}},
		{"RELA, no section headers", {.relocs = EB_RELA, .headless = true}},
		{"RELA, against a symbol", {.relocs = EB_RELA, .by_symbol = true}},
		{"RELA, aarch64", {.relocs = EB_RELA, .machine = EM_AARCH64, .by_symbol = true}},
		{"RELR", {.relocs = EB_RELR}},
		{"RELR, no section headers", {.relocs = EB_RELR, .headless = true}},
		{"RELR, aarch64", {.relocs = EB_RELR, .machine = EM_AARCH64}},
		{"not relocated", {.relocs = EB_IN_PLACE, .base = 0x400000}},
		{"RELA, DT_GNU_HASH", {.relocs = EB_RELA, .gnu_hash = true}},
		{"spec", {.spec = true}},
		{"spec, RELR", {.spec = true, .relocs = EB_RELR, .headless = true}},
		{"no type", {.unnamed = true}},
		{"a name at the end of the file", {.tail = EB_TAIL_WITH_NUL}},
	};
	struct pyfind_result res;
	struct elfbuild eb;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("    %s\n", cases[i].name);
		find_in(&cases[i].opts, &eb, &res);
	}
}

static void a_static_type_gives_address_size_and_finalizer(void **state)
{
	struct pyfind_result res;
	struct elfbuild eb;

	(void)state;
	find_in(&(struct elfbuild_opts){.stripped = true}, &eb, &res);
	assert_int_equal(res.task_type_vaddr, eb_vaddr(&eb, EB_TYPE));
	assert_int_equal(res.task_basicsize, EB_BASICSIZE);
	assert_int_equal(res.task_finalize_vaddr, eb_vaddr(&eb, EB_CODE + EB_FINALIZE));
	assert_int_equal(res.task_finalize_offset, EB_CODE + EB_FINALIZE);
}

static void a_module_without_asyncio_has_none(void **state)
{
	struct pyfind_result res;
	struct elfbuild eb;

	(void)state;
	elfbuild__make(&eb, &(struct elfbuild_opts){.stripped = true, .no_tables = true});
	/* As older linkers do it: address 0 is executable. It must not pass for a function. */
	elfbuild__phdr(&eb, EB_PH_TEXT)->p_flags |= PF_X;
	assert_int_equal(analyse(&eb, &res), 0);
	expect_nothing(&res);
	assert_int_equal(res.dict_type_vaddr, eb_vaddr(&eb, EB_DICT_TYPE));
}

static void a_spec_gives_size_and_finalizer_but_no_type(void **state)
{
	struct pyfind_result res;
	struct elfbuild eb;

	(void)state;
	find_in(&(struct elfbuild_opts){.stripped = true, .spec = true}, &eb, &res);
	assert_int_equal(res.task_type_vaddr, 0);
	assert_int_equal(res.task_basicsize, EB_BASICSIZE);
	assert_int_equal(res.task_finalize_vaddr, eb_vaddr(&eb, EB_CODE + EB_FINALIZE));
}

static void current_tasks_comes_from_the_symbols(void **state)
{
	struct pyfind_result res;
	struct elfbuild eb;

	(void)state;
	find_in(&(struct elfbuild_opts){.stripped = false}, &eb, &res);
	assert_false(res.stripped);
	assert_int_equal(res.current_tasks_vaddr, res.bss_vaddr + 0x20);
}

static void symbols_alone_are_enough(void **state)
{
	struct pyfind_result res;
	struct elfbuild eb;

	(void)state;
	find_in(&(struct elfbuild_opts){.no_tables = true}, &eb, &res);
	assert_int_equal(res.task_type_vaddr, 0);
}

static void two_symbols_of_one_name_are_none(void **state)
{
	struct pyfind_result res;
	struct elfbuild eb;
	Elf64_Sym sym;

	(void)state;
	elfbuild__make(&eb, &(struct elfbuild_opts){.stripped = false});
	memcpy(&sym, eb.bytes + EB_SYMTAB + sizeof(sym), sizeof(sym));
	sym.st_value += 8;
	eb_put(&eb, EB_SYMTAB + 4 * sizeof(sym), &sym, sizeof(sym));
	assert_int_equal(analyse(&eb, &res), 0);
	expect_cancel(&eb, &res);
	assert_int_equal(res.current_tasks_vaddr, 0);
}

static void the_tables_win_over_the_symbols(void **state)
{
	struct pyfind_result res;
	struct elfbuild eb;
	Elf64_Sym sym;

	(void)state;
	elfbuild__make(&eb, &(struct elfbuild_opts){.stripped = false});
	memcpy(&sym, eb.bytes + EB_SYMTAB + 2 * sizeof(sym), sizeof(sym));
	sym.st_value = eb_vaddr(&eb, EB_CODE + EB_OTHER);
	eb_put(&eb, EB_SYMTAB + 2 * sizeof(sym), &sym, sizeof(sym));
	assert_int_equal(analyse(&eb, &res), 0);
	expect_cancel(&eb, &res);
}

static void dynamic_symbols_are_found_by_either_hash_table(void **state)
{
	struct pyfind_result res;
	struct elfbuild eb;

	(void)state;
	for (int gnu = 0; gnu < 2; gnu++) {
		find_in(&(struct elfbuild_opts){.headless = true, .gnu_hash = gnu}, &eb, &res);
		assert_int_equal(res.dict_type_vaddr, eb_vaddr(&eb, EB_DICT_TYPE));
		assert_int_equal(res.py_version, 0x030b);
	}
}

static void segments_bss_and_build_id_are_reported(void **state)
{
	static const uint8_t id[20] = {1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5};
	struct pyfind_result res;
	struct elfbuild eb;

	(void)state;
	find_in(&(struct elfbuild_opts){.headless = true}, &eb, &res);
	assert_int_equal(res.n_segments, 3);
	assert_true(res.segments[1].exec && !res.segments[1].write);
	assert_true(res.segments[2].write && !res.segments[2].exec);
	assert_int_equal(res.segments[2].offset, EB_DATA);
	assert_int_equal(res.segments[2].vaddr, eb_vaddr(&eb, EB_DATA));
	assert_int_equal(res.bss_vaddr, eb_vaddr(&eb, EB_SYMTAB));
	assert_int_equal(res.bss_size, EB_BSS_SIZE);
	assert_int_equal(res.build_id_len, sizeof(id));
	assert_memory_equal(res.build_id, id, sizeof(id));
}

static void padding_of_relro_is_not_bss(void **state)
{
	struct pyfind_result res;
	struct elfbuild eb;
	Elf64_Phdr *relro;

	(void)state;
	elfbuild__make(&eb, &(struct elfbuild_opts){.stripped = true});
	relro = elfbuild__phdr(&eb, EB_PH_NOTE);
	*relro = *elfbuild__phdr(&eb, EB_PH_DATA);
	relro->p_type = PT_GNU_RELRO;
	assert_int_equal(analyse(&eb, &res), 0);
	assert_int_equal(res.bss_size, 0);
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

static void an_open_file_is_read_and_stays_open(void **state)
{
	FILE *file = tmpfile();
	struct pyfind_result res;
	struct elfbuild eb;
	char err[64];
	int fd;

	(void)state;
	assert_non_null(file);
	fd = fileno(file);
	elfbuild__make(&eb, &(struct elfbuild_opts){.stripped = true});
	assert_int_equal(write(fd, eb.bytes, eb.size), eb.size);
	pread_interrupts = 3;
	assert_int_equal(pyfind_analyse_fd(fd, &res, err, sizeof(err)), 0);
	expect_cancel(&eb, &res);
	assert_int_equal(pread_interrupts, 0);

	pread_limit = eb.size - 1;
	assert_int_equal(pyfind_analyse_fd(fd, &res, err, sizeof(err)), -EINVAL);
	assert_non_null(strstr(err, "shrank"));
	pread_limit = 10;
	assert_int_equal(pyfind_analyse_fd(fd, &res, err, sizeof(err)), -EINVAL);
	pread_limit = -1;
	assert_int_equal(ftruncate(fd, PYFIND_MAX_FILE + 1L), 0);
	assert_int_equal(pyfind_analyse_fd(fd, &res, err, sizeof(err)), -EFBIG);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(pyfind_analyse_fd(fd, &res, err, sizeof(err)), -ENOEXEC);
	fclose(file);
	assert_int_equal(pyfind_analyse_fd(-1, &res, NULL, 0), -EBADF);
}

static void what_is_not_a_regular_file_is_refused_without_reading(void **state)
{
	struct pyfind_result res;
	int fds[2], dir;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(pyfind_analyse_fd(fds[0], &res, NULL, 0), -ENOEXEC);
	close(fds[0]);
	close(fds[1]);
	dir = open("/", O_RDONLY);
	assert_true(dir >= 0);
	assert_int_equal(pyfind_analyse_fd(dir, &res, NULL, 0), -ENOEXEC);
	close(dir);
}

static void a_path_tells_its_version(void **state)
{
	static const struct {
		const char *path;
		uint32_t version;
	} cases[] = {
		{"/usr/lib/python3.9/lib-dynload/_asyncio.cpython-39-x86_64-linux-gnu.so", 0x0309},
		{"/usr/lib/python3.11/_asyncio.cpython-311-x86_64-linux-gnu.so", 0x030b},
		{"/a/_asyncio.cpython-313t-aarch64-linux-gnu.so (deleted)", 0x030d},
		{"/usr/lib/python3.11/lib-dynload/_asyncio.cpython-310-x86_64.so", 0x030a},
		{"/usr/lib/python3.12/lib-dynload/_asyncio.so", 0x030c},
		{"/opt/cpython-3.12.4-linux-x86_64-gnu/bin/python", 0x030c},
		{"/usr/bin/python3.11", 0x030b},
		{"python3.11", 0x030b},
		{"/usr/lib/libpython3.11.so.1.0", 0x030b},
		{"/usr/lib/libpython3.8d.so.1.0", 0x0308},
		{"/usr/lib/libpython3.so", 0},
		{"/usr/bin/python3", 0},
		{"/usr/bin/python", 0},
		{"/usr/bin/python2.7", 0},
		{"/usr/bin/python3.1234", 0},
		{"/usr/bin/python3.", 0},
		{"/usr/bin/redis-server", 0},
		{"/pythonpython3.10", 0x030a},
		{"/", 0},
		{"", 0},
		{"///", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("    %s\n", cases[i].path);
		assert_int_equal(pyfind_version_from_path(cases[i].path), cases[i].version);
	}
}

static void check_module(const char *path)
{
	uint32_t version = pyfind_version_from_path(path);
	struct pyfind_result res;
	char err[128];
	int fd, ret;

	print_message("    %s\n", path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	ret = pyfind_analyse_fd(fd, &res, err, sizeof(err));
	check_promises(ret, &res, err, lseek(fd, 0, SEEK_END));
	close(fd);
	assert_int_equal(ret, 0);
	assert_true(res.has_asyncio);
	assert_true(in_code(&res, res.task_cancel_vaddr));
	assert_true(in_code(&res, res.future_cancel_vaddr));
	assert_true(in_code(&res, res.task_finalize_vaddr));
	assert_int_not_equal(res.task_basicsize, 0);
	assert_int_equal(res.task_type_vaddr != 0, version < 0x030c);
	assert_true(res.bss_size >= 8);
	/* From the struct in CPython's sources; not a number that a wrong reading would give. */
	if (version == 0x030b)
		assert_int_equal(res.task_basicsize, 176);
}

static void the_modules_of_the_distribution_are_understood(void **state)
{
	glob_t found;

	(void)state;
	if (glob("/usr/lib/python3*/lib-dynload/_asyncio*.so", 0, NULL, &found)) {
		print_message("    skipped: no /usr/lib/python3*/lib-dynload/_asyncio*.so here\n");
		skip();
	}
	for (size_t i = 0; i < found.gl_pathc; i++)
		check_module(found.gl_pathv[i]);
	globfree(&found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(task_cancel_is_found_in_a_stripped_module),
		cmocka_unit_test(the_form_of_the_file_does_not_matter),
		cmocka_unit_test(a_static_type_gives_address_size_and_finalizer),
		cmocka_unit_test(a_module_without_asyncio_has_none),
		cmocka_unit_test(a_spec_gives_size_and_finalizer_but_no_type),
		cmocka_unit_test(current_tasks_comes_from_the_symbols),
		cmocka_unit_test(symbols_alone_are_enough),
		cmocka_unit_test(two_symbols_of_one_name_are_none),
		cmocka_unit_test(the_tables_win_over_the_symbols),
		cmocka_unit_test(dynamic_symbols_are_found_by_either_hash_table),
		cmocka_unit_test(segments_bss_and_build_id_are_reported),
		cmocka_unit_test(padding_of_relro_is_not_bss),
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
		cmocka_unit_test(an_open_file_is_read_and_stays_open),
		cmocka_unit_test(what_is_not_a_regular_file_is_refused_without_reading),
		cmocka_unit_test(a_path_tells_its_version),
		cmocka_unit_test(the_modules_of_the_distribution_are_understood),
	};

	return cmocka_run_group_tests_name("pyfind", tests, NULL, NULL);
}
