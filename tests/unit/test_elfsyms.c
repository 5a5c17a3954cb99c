// SPDX-License-Identifier: GPL-2.0-or-later
/* Functions, USDT probes and Go's version of an ELF file, and files that lie about themselves. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "elfsyms.h"
#include "elfsyms_fixture.h"

static struct elfsyms *opened(const struct image *im, int *fd)
{
	struct elfsyms *e = NULL;
	const char *why = NULL;

	*fd = image_file(im->bytes, sizeof(im->bytes));
	assert_true(*fd >= 0);
	assert_int_equal(elfsyms_open(*fd, &e, &why), 0);
	return e;
}

struct seen {
	const char *name;
	uint64_t offsets[8];
	size_t n, all;
};

static bool note(void *ctx, const char *name, uint64_t offset)
{
	struct seen *s = ctx;

	s->all++;
	if (!strcmp(name, s->name) && s->n < 8)
		s->offsets[s->n++] = offset;
	return false;
}

static void a_function_is_found_in_both_tables_at_its_offset(void **state)
{
	struct seen s = {.name = "give_up"};
	struct elfsyms *e;
	struct image im;
	int fd;

	(void)state;
	image_make(&im);
	e = opened(&im, &fd);
	elfsyms_functions(e, NULL, note, &s);
	assert_int_equal(s.all, 5);
	assert_int_equal(s.n, 2);
	assert_int_equal(s.offsets[0], CODE_OFFSET);
	assert_int_equal(s.offsets[1], CODE_OFFSET + 0x100);
	elfsyms_close(e);
	close(fd);
}

static void an_undefined_function_and_one_outside_the_code_are_none(void **state)
{
	struct seen s = {.name = "give_up"};
	struct elfsyms *e;
	struct image im;
	Elf64_Sym *sym;
	int fd;

	(void)state;
	image_make(&im);
	sym = (Elf64_Sym *)(im.bytes + im.sections[SEC_DYNSYM].sh_offset);
	sym[1].st_shndx = SHN_UNDEF;
	sym = (Elf64_Sym *)(im.bytes + im.sections[SEC_SYMTAB].sh_offset);
	sym[1].st_value = DATA_VADDR;
	e = opened(&im, &fd);
	elfsyms_functions(e, NULL, note, &s);
	assert_int_equal(s.n, 0);
	assert_int_equal(s.all, 3);
	elfsyms_close(e);
	close(fd);
}

/* How many functions "give_up" the image has where its local one is at VADDR. */
static size_t local_ones(struct image *im, uint64_t vaddr)
{
	Elf64_Sym *sym = (Elf64_Sym *)(im->bytes + im->sections[SEC_SYMTAB].sh_offset);
	struct seen s = {.name = "give_up"};
	struct elfsyms *e;
	int fd;

	sym[1].st_value = vaddr;
	e = opened(im, &fd);
	elfsyms_functions(e, NULL, note, &s);
	elfsyms_close(e);
	close(fd);
	assert_true(s.n > 0 && s.offsets[0] == CODE_OFFSET);
	if (s.n > 1)
		assert_true(s.offsets[1] == vaddr - CODE_VADDR + CODE_OFFSET);
	return s.n - 1;
}

static void the_middle_of_a_frame_is_no_function(void **state)
{
	struct image im;

	(void)state;
	image_make(&im);
	assert_int_equal(local_ones(&im, CODE_VADDR + 0x100), 1);
	assert_int_equal(local_ones(&im, CODE_VADDR + 0x101), 0);
	assert_int_equal(local_ones(&im, CODE_VADDR + 0x10f), 0);
	/* Assembly has no frame. */
	assert_int_equal(local_ones(&im, CODE_VADDR + 0x110), 1);
	assert_int_equal(local_ones(&im, CODE_VADDR + 0xff), 1);
	/* A table that proves nothing does not disprove either. */
	im.bytes[FRAMES_OFFSET] = 2;
	assert_int_equal(local_ones(&im, CODE_VADDR + 0x101), 1);
}

static void what_no_function_begins_with_is_none(void **state)
{
	struct image im;

	(void)state;
	image_make(&im);
	im.bytes[CODE_OFFSET + 0x200] = 0xcc;
	memset(im.bytes + CODE_OFFSET + 0x210, 0, 2);
	assert_int_equal(local_ones(&im, CODE_VADDR + 0x1ff), 1);
	assert_int_equal(local_ones(&im, CODE_VADDR + 0x200), 0);
	assert_int_equal(local_ones(&im, CODE_VADDR + 0x210), 0);
	assert_int_equal(local_ones(&im, CODE_VADDR + 0xfff), 1);
	assert_int_equal(local_ones(&im, CODE_VADDR + 0x1000), 0);
	assert_int_equal(local_ones(&im, CODE_VADDR - 1), 0);
	assert_int_equal(local_ones(&im, DATA_VADDR), 0);
}

static void the_header_at_address_0_and_an_absolute_value_are_no_function(void **state)
{
	Elf64_Phdr *ph;
	struct image im;
	Elf64_Sym *sym;

	(void)state;
	image_make(&im);
	ph = (Elf64_Phdr *)(im.bytes + sizeof(Elf64_Ehdr));
	ph[2] = (Elf64_Phdr){.p_type = PT_LOAD,
			     .p_flags = PF_R | PF_X,
			     .p_filesz = CODE_OFFSET,
			     .p_memsz = CODE_OFFSET};
	assert_int_equal(local_ones(&im, 0), 0);
	image_make(&im);
	sym = (Elf64_Sym *)(im.bytes + im.sections[SEC_SYMTAB].sh_offset);
	sym[1].st_shndx = SHN_ABS;
	assert_int_equal(local_ones(&im, CODE_VADDR + 0x100), 0);
}

/* Makes the first exported symbol a variable at VADDR. */
static Elf64_Sym *variable(struct image *im, uint64_t vaddr)
{
	Elf64_Sym *sym = (Elf64_Sym *)(im->bytes + im->sections[SEC_DYNSYM].sh_offset);

	sym[1].st_info = ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT);
	sym[1].st_value = vaddr;
	return &sym[1];
}

static bool variable_is_at(const struct image *im, const char *name, uint64_t offset,
			   uint64_t *distance)
{
	struct elfsyms *e;
	bool is;
	int fd;

	e = opened(im, &fd);
	is = elfsyms_variable(e, name, offset, distance);
	elfsyms_close(e);
	close(fd);
	return is;
}

static void a_variable_lies_at_a_distance_from_each_mapping(void **state)
{
	uint64_t distance = 0;
	struct image im;

	(void)state;
	image_make(&im);
	variable(&im, DATA_VADDR + 0x18);
	assert_true(variable_is_at(&im, "give_up", CODE_OFFSET, &distance));
	assert_true(distance == DATA_VADDR + 0x18 - CODE_VADDR);
	assert_true(variable_is_at(&im, "give_up", DATA_OFFSET, &distance));
	assert_true(distance == 0x18);
	assert_false(variable_is_at(&im, "give_up", 0, &distance));
	assert_false(variable_is_at(&im, "give", CODE_OFFSET, &distance));
	assert_false(variable_is_at(&im, "pthread_cancel", CODE_OFFSET, &distance));
}

static void what_is_not_defined_or_lies_before_the_mapping_is_no_variable(void **state)
{
	uint64_t distance = 0;
	struct image im;

	(void)state;
	image_make(&im);
	variable(&im, CODE_VADDR - 8);
	assert_false(variable_is_at(&im, "give_up", CODE_OFFSET, &distance));
	variable(&im, CODE_VADDR)->st_shndx = SHN_UNDEF;
	assert_false(variable_is_at(&im, "give_up", CODE_OFFSET, &distance));
	image_make(&im);
	variable(&im, CODE_VADDR)->st_name = UINT32_MAX;
	assert_false(variable_is_at(&im, "give_up", CODE_OFFSET, &distance));
	image_make(&im);
	variable(&im, CODE_VADDR);
	im.sections[SEC_DYNSYM].sh_size = IMAGE_SIZE;
	assert_false(variable_is_at(&im, "give_up", CODE_OFFSET, &distance));
}

static void a_usdt_probe_tells_how_many_arguments_it_has(void **state)
{
	struct elfsyms *e;
	struct image im;
	int fd;

	(void)state;
	image_make(&im);
	e = opened(&im, &fd);
	assert_int_equal(elfsyms_usdt(e, "pool", "gave_up"), 2);
	assert_int_equal(elfsyms_usdt(e, "pool", "own"), 0);
	assert_int_equal(elfsyms_usdt(e, "pool", "gave"), -ENOENT);
	assert_int_equal(elfsyms_usdt(e, "poo", "gave_up"), -ENOENT);
	elfsyms_close(e);
	close(fd);
}

static void go_is_known_by_its_build_information(void **state)
{
	struct elfsyms *e;
	struct image im;
	char version[16];
	int fd;

	(void)state;
	image_make(&im);
	e = opened(&im, &fd);
	assert_true(elfsyms_go_version(e, version, sizeof(version)));
	assert_string_equal(version, "1.19.8");
	elfsyms_close(e);
	close(fd);
	im.bytes[DATA_OFFSET + 1] = 'x';
	e = opened(&im, &fd);
	assert_false(elfsyms_go_version(e, version, sizeof(version)));
	elfsyms_close(e);
	close(fd);
}

static void go_before_1_18_points_at_its_version(void **state)
{
	uint64_t header = DATA_VADDR + 0x100, string[2] = {DATA_VADDR + 0x120, 8};
	struct elfsyms *e;
	struct image im;
	char version[16];
	int fd;

	(void)state;
	image_make(&im);
	im.bytes[DATA_OFFSET + 15] = 0;
	memcpy(im.bytes + DATA_OFFSET + 16, &header, 8);
	memcpy(im.bytes + DATA_OFFSET + 0x100, string, 16);
	memcpy(im.bytes + DATA_OFFSET + 0x120, "go1.17.3", 8);
	e = opened(&im, &fd);
	assert_true(elfsyms_go_version(e, version, sizeof(version)));
	assert_string_equal(version, "1.17.3");
	elfsyms_close(e);
	close(fd);
}

static void what_is_no_elf_file_is_refused_with_a_reason(void **state)
{
	static const char text[] = "#!/bin/sh\necho hello, I am no such file at all, sorry\n";
	struct elfsyms *e = NULL;
	const char *why = NULL;
	struct image im;
	int fd;

	(void)state;
	fd = image_file(text, sizeof(text));
	assert_int_equal(elfsyms_open(fd, &e, &why), -ENOEXEC);
	assert_non_null(why);
	close(fd);
	image_make(&im);
	im.bytes[EI_CLASS] = ELFCLASS32;
	fd = image_file(im.bytes, sizeof(im.bytes));
	assert_int_equal(elfsyms_open(fd, &e, &why), -ENOEXEC);
	close(fd);
	fd = image_file("", 0);
	assert_int_equal(elfsyms_open(fd, &e, &why), -ENOEXEC);
	close(fd);
}

/* Everything that is asked of a file, of one that may be broken. */
static void ask_all(const uint8_t *bytes, size_t len)
{
	struct seen s = {.name = "give_up"};
	struct elfsyms *e = NULL;
	uint64_t distance;
	char version[16];
	const char *why;
	int fd = image_file(bytes, len);

	assert_true(fd >= 0);
	if (!elfsyms_open(fd, &e, &why)) {
		elfsyms_functions(e, NULL, note, &s);
		for (size_t i = 0; i < s.n; i++)
			assert_true(s.offsets[i] < len);
		assert_true(elfsyms_usdt(e, "pool", "gave_up") < 256);
		elfsyms_go_version(e, version, sizeof(version));
		elfsyms_variable(e, "give_up", CODE_OFFSET, &distance);
		elfsyms_close(e);
	}
	close(fd);
}

static void a_file_that_was_cut_anywhere_is_read_to_its_end_only(void **state)
{
	struct image im;
	size_t len;

	(void)state;
	image_make(&im);
	for (len = 0; len < im.used; len++)
		ask_all(im.bytes, len);
	ask_all(im.bytes, CODE_OFFSET + 8);
	ask_all(im.bytes, DATA_OFFSET + 20);
}

static void a_file_with_any_byte_changed_is_survived(void **state)
{
	static const uint8_t values[] = {0, 1, 0x7f, 0x80, 0xff};
	struct image im;
	size_t i, v;
	uint8_t was;

	(void)state;
	image_make(&im);
	for (i = 0; i < im.used; i++) {
		was = im.bytes[i];
		for (v = 0; v < sizeof(values); v++) {
			im.bytes[i] = values[v];
			ask_all(im.bytes, sizeof(im.bytes));
		}
		im.bytes[i] = was;
	}
}

static void frames_with_any_byte_changed_are_survived(void **state)
{
	static const uint8_t values[] = {0, 1, 0x7f, 0x80, 0xff};
	struct image im;
	size_t i, v;
	uint8_t was;

	(void)state;
	image_make(&im);
	for (i = FRAMES_OFFSET; i < FRAMES_OFFSET + 60; i++) {
		was = im.bytes[i];
		for (v = 0; v < sizeof(values); v++) {
			im.bytes[i] = values[v];
			ask_all(im.bytes, sizeof(im.bytes));
		}
		im.bytes[i] = was;
	}
}

static void a_file_with_many_bytes_changed_is_survived(void **state)
{
	unsigned int seed = 1, round, k;
	struct image im;

	(void)state;
	for (round = 0; round < 5000; round++) {
		image_make(&im);
		for (k = 0; k < 8; k++)
			im.bytes[(unsigned int)rand_r(&seed) % im.used] = (uint8_t)rand_r(&seed);
		ask_all(im.bytes, sizeof(im.bytes));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_function_is_found_in_both_tables_at_its_offset),
		cmocka_unit_test(an_undefined_function_and_one_outside_the_code_are_none),
		cmocka_unit_test(the_middle_of_a_frame_is_no_function),
		cmocka_unit_test(what_no_function_begins_with_is_none),
		cmocka_unit_test(the_header_at_address_0_and_an_absolute_value_are_no_function),
		cmocka_unit_test(a_variable_lies_at_a_distance_from_each_mapping),
		cmocka_unit_test(what_is_not_defined_or_lies_before_the_mapping_is_no_variable),
		cmocka_unit_test(a_usdt_probe_tells_how_many_arguments_it_has),
		cmocka_unit_test(go_is_known_by_its_build_information),
		cmocka_unit_test(go_before_1_18_points_at_its_version),
		cmocka_unit_test(what_is_no_elf_file_is_refused_with_a_reason),
		cmocka_unit_test(a_file_that_was_cut_anywhere_is_read_to_its_end_only),
		cmocka_unit_test(a_file_with_any_byte_changed_is_survived),
		cmocka_unit_test(frames_with_any_byte_changed_are_survived),
		cmocka_unit_test(a_file_with_many_bytes_changed_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
