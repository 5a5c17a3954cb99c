// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pyfind on images that are built here (elfbuild.h), on files and paths, and on the distribution's
 * own _asyncio where there is one. Broken images are in test_pyfind_hostile.c, what calls a task's
 * steps is in test_pyfind_steps.c.
 */
#include "pyfind_fixture.h"

#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

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

/* Moves the SIZE bytes at OFFSET a little up. */
static void shift(struct elfbuild *eb, size_t offset, size_t size, size_t by)
{
	assert_true(offset + size + by <= sizeof(eb->bytes));
	memmove(eb->bytes + offset + by, eb->bytes + offset, size);
}

static void tables_need_not_be_aligned(void **state)
{
	struct pyfind_result res;
	struct elfbuild eb;

	(void)state;
	elfbuild__make(&eb, &(struct elfbuild_opts){.by_symbol = true});
	/* What points at a table is changed before that is itself moved. */
	elfbuild__dyn(&eb, EB_DYN_SYMTAB)->d_un.d_ptr += 4;
	elfbuild__dyn(&eb, EB_DYN_RELA)->d_un.d_ptr += 4;
	elfbuild__phdr(&eb, EB_PH_DYNAMIC)->p_vaddr += 4;
	elfbuild__phdr(&eb, EB_PH_NOTE)->p_offset += 2;
	elfbuild__shdr(&eb, 1)->sh_offset += 4;
	elfbuild__ehdr(&eb)->e_shoff += 4;
	elfbuild__ehdr(&eb)->e_phoff += 4;
	shift(&eb, EB_DYNSYM, EB_DYNSTR - EB_DYNSYM - 4, 4);
	shift(&eb, EB_RELOCS, eb.n_relocs * sizeof(Elf64_Rela), 4);
	shift(&eb, EB_DYNAMIC, EB_DYN_MAX * sizeof(Elf64_Dyn), 4);
	shift(&eb, EB_NOTE, EB_STRINGS - EB_NOTE - 2, 2);
	shift(&eb, EB_SYMTAB, 5 * sizeof(Elf64_Sym), 4);
	shift(&eb, EB_SHDRS, 3 * sizeof(Elf64_Shdr), 4);
	shift(&eb, EB_PHDRS, EB_PH_MAX * sizeof(Elf64_Phdr), 4);
	eb.size += 4;

	assert_int_equal(analyse(&eb, &res), 0);
	expect_cancel(&eb, &res);
	assert_int_equal(res.dict_type_vaddr, eb_vaddr(&eb, EB_DICT_TYPE));
	assert_int_equal(res.current_tasks_vaddr, res.bss_vaddr + 0x20);
	assert_int_equal(res.build_id_len, 20);
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
	assert_true(in_code(&res, res.task_step_vaddr));
	assert_int_equal(in_code(&res, res.task_wakeup_vaddr), version >= 0x030a);
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
		cmocka_unit_test(tables_need_not_be_aligned),
		cmocka_unit_test(an_open_file_is_read_and_stays_open),
		cmocka_unit_test(what_is_not_a_regular_file_is_refused_without_reading),
		cmocka_unit_test(a_path_tells_its_version),
		cmocka_unit_test(the_modules_of_the_distribution_are_understood),
	};

	return cmocka_run_group_tests_name("pyfind", tests, NULL, NULL);
}
