// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Where functions begin by .eh_frame_hdr and .eh_frame, and tables that lie. A file is here a piece
 * of memory at address BASE: the table, a CIE, two FDEs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <elf.h>
#include <string.h>
#include <cmocka.h>

#include "elfstart.h"

#define BASE	   0x10000
#define CIE	   0x40
#define FDE	   0x80 /* of FIRST, 40 bytes on that of SECOND */
#define SECOND_FDE (FDE + 40)
#define SIZE	   0x100
#define FIRST	   0x20000
#define SECOND	   0x20100
#define LENGTH	   0x40 /* of each */

enum { SDATA4_PCREL = 0x1b };

static uint8_t file[SIZE];

static void put(size_t at, const void *from, size_t len)
{
	assert_true(at + len <= SIZE);
	memcpy(file + at, from, len);
}

static void put32(size_t at, uint32_t val)
{
	put(at, &val, sizeof(val));
}

static bool read_memory(const void *ctx, uint64_t vaddr, void *to, size_t len)
{
	(void)ctx;
	if (vaddr - BASE >= SIZE || len > SIZE - (vaddr - BASE))
		return false;
	memcpy(to, file + (vaddr - BASE), len);
	return true;
}

/* An FDE at AT of the function at VADDR, in an encoding of EACH bytes that counts from FROM. */
static void put_fde(size_t at, uint64_t vaddr, size_t each, uint64_t from)
{
	uint64_t begin = vaddr - from, size = LENGTH;

	put32(at, 32);
	put32(at + 4, (uint32_t)(at + 4 - CIE));
	put(at + 8, &begin, each);
	put(at + 8 + each, &size, each);
}

/* A CIE with the augmentation NAMES and its DATA, behind which all is zero. */
static void put_cie(uint8_t version, const char *names, const void *data, size_t len)
{
	static const uint8_t rest[] = {1, 0x78, 16}; /* alignments, return address */
	size_t at = CIE + 8;

	memset(file + CIE, 0, FDE - CIE);
	put32(CIE, FDE - CIE - 4);
	file[at++] = version;
	put(at, names, strlen(names) + 1);
	at += strlen(names) + 1;
	put(at, rest, sizeof(rest));
	put(at + sizeof(rest), data, len);
}

static void make(void)
{
	static const uint8_t hdr[] = {1, SDATA4_PCREL, 0x03, 0x3b}, zr[] = {1, SDATA4_PCREL};

	memset(file, 0, sizeof(file));
	put(0, hdr, sizeof(hdr));
	put32(4, CIE - 4);
	put32(8, 2);
	put32(12, FIRST - BASE);
	put32(16, FDE);
	put32(20, SECOND - BASE);
	put32(24, SECOND_FDE);
	put_cie(1, "zR", zr, sizeof(zr));
	put_fde(FDE, FIRST, 4, BASE + FDE + 8);
	put_fde(SECOND_FDE, SECOND, 4, BASE + SECOND_FDE + 8);
}

static bool init_of(struct elfstart *s, size_t size)
{
	return elfstart_init(s, file, size, BASE, read_memory, NULL);
}

static enum elfstart_frame ask(uint64_t vaddr)
{
	struct elfstart s;

	init_of(&s, 28);
	return elfstart_frame(&s, vaddr);
}

static void a_function_begins_where_its_frame_does_and_nowhere_else(void **state)
{
	(void)state;
	make();
	assert_int_equal(ask(FIRST), FRAME_BEGINS);
	assert_int_equal(ask(SECOND), FRAME_BEGINS);
	assert_int_equal(ask(FIRST - 1), FRAME_NONE);
	assert_int_equal(ask(FIRST + 1), FRAME_INSIDE);
	assert_int_equal(ask(FIRST + LENGTH - 1), FRAME_INSIDE);
	assert_int_equal(ask(FIRST + LENGTH), FRAME_NONE);
	assert_int_equal(ask(SECOND + 1), FRAME_INSIDE);
	assert_int_equal(ask(SECOND + LENGTH), FRAME_NONE);
	assert_int_equal(ask(0), FRAME_NONE);
	assert_int_equal(ask(UINT64_MAX), FRAME_NONE);
	/* 4 GB on: it would be the same in 32 bits. */
	assert_int_equal(ask(FIRST + (1ULL << 32)), FRAME_NONE);
}

static void a_file_without_a_table_says_nothing(void **state)
{
	struct elfstart s;

	(void)state;
	assert_false(elfstart_init(&s, NULL, 0, 0, read_memory, NULL));
	assert_int_equal(elfstart_frame(&s, FIRST), FRAME_NONE);
	memset(&s, 0, sizeof(s));
	assert_int_equal(elfstart_frame(&s, FIRST), FRAME_NONE);
}

static void a_table_that_is_cut_is_none(void **state)
{
	struct elfstart s;

	(void)state;
	make();
	for (size_t size = 0; size < 28; size++) {
		assert_false(init_of(&s, size));
		assert_int_equal(elfstart_frame(&s, FIRST), FRAME_NONE);
	}
	assert_true(init_of(&s, 28));
}

static void a_table_that_lies_proves_nothing(void **state)
{
	static const struct {
		const char *name;
		size_t at, len;
		uint64_t value;
	} cases[] = {
		{"another version", 0, 1, 2},
		{"an unknown encoding of .eh_frame's address", 1, 1, 0x1f},
		{"an indirect one", 1, 1, 0x9b},
		{"one that counts from the text", 1, 1, 0x2b},
		{"no address of .eh_frame", 1, 1, 0xff},
		{"a count of two bytes", 2, 1, 0x02},
		{"no count", 2, 1, 0xff},
		{"a table that counts from its place", 3, 1, 0x1b},
		{"a table of eight bytes", 3, 1, 0x3c},
		{"no table", 3, 1, 0xff},
		{"no entries", 8, 4, 0},
		{"one entry too many", 8, 4, 3},
		{"an absurd count", 8, 4, UINT32_MAX},
		{"a count that wraps around", 8, 4, 0x20000001},
		{"not sorted", 20, 4, FIRST - BASE - 1},
		{"an FDE outside the file", 16, 4, SIZE},
		{"an FDE before the file", 16, 4, (uint32_t)-4},
		{"an FDE cut by the file's end", 16, 4, SIZE - 4},
		{"a CIE for an FDE", 16, 4, CIE},
		{"another function's FDE", 16, 4, SECOND_FDE},
		{"an FDE of another function", FDE + 8, 4, 0x20},
		{"an FDE of no length", FDE, 4, 0},
		{"an FDE too short for its addresses", FDE, 4, 11},
		{"an FDE of 64 bits", FDE, 4, UINT32_MAX},
		{"an FDE of no code", FDE + 12, 4, 0},
		{"an FDE of negative size", FDE + 12, 4, UINT32_MAX},
		{"an FDE without a CIE", FDE + 4, 4, 0},
		{"an FDE whose CIE lies outside the file", FDE + 4, 4, 0x1000},
		{"an FDE with an FDE for a CIE", FDE + 4, 4, (uint32_t)(FDE + 4 - SECOND_FDE)},
		{"a CIE too short", CIE, 4, 3},
		{"a CIE that ends in its augmentation's name", CIE, 4, 7},
		{"a CIE that ends before its augmentation", CIE, 4, 11},
		{"a CIE that ends before the encoding", CIE, 4, 12},
		{"a CIE of 64 bits", CIE, 4, UINT32_MAX},
		{"a CIE of another version", CIE + 8, 1, 4},
		{"an augmentation of another kind", CIE + 9, 1, 'e'},
		{"an unknown augmentation", CIE + 10, 1, 'X'},
		{"a number without an end", CIE + 12, 8, UINT64_MAX},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("    %s\n", cases[i].name);
		make();
		put(cases[i].at, &cases[i].value, cases[i].len);
		assert_int_equal(ask(FIRST), FRAME_NONE);
		assert_int_equal(ask(FIRST + 1), FRAME_NONE);
	}
}

static void the_address_of_eh_frame_may_have_any_size(void **state)
{
	static const struct {
		uint8_t encoding;
		size_t size;
	} cases[] = {{0x00, 8}, {0x1b, 4}, {0x3b, 4}, {0x03, 4}, {0x0c, 8}, {0x1a, 2}, {0x02, 2}};
	uint8_t rest[20];
	struct elfstart s;

	(void)state;
	make();
	memcpy(rest, file + 8, sizeof(rest));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		file[1] = cases[i].encoding;
		put(4 + cases[i].size, rest, sizeof(rest));
		assert_true(init_of(&s, 4 + cases[i].size + sizeof(rest)));
		assert_int_equal(elfstart_frame(&s, FIRST), FRAME_BEGINS);
		assert_int_equal(elfstart_frame(&s, SECOND), FRAME_BEGINS);
	}
}

static void a_cie_says_how_its_fdes_store_addresses(void **state)
{
	static const struct {
		const char *names;
		uint8_t version, data[16];
		size_t each;
		bool relative, understood;
	} cases[] = {
		{"zR", 1, {1, 0x1b}, 4, true, true},
		{"zR", 3, {1, 0x1b}, 4, true, true},
		{"zR", 1, {1, 0x1c}, 8, true, true},
		{"zR", 1, {1, 0x10}, 8, true, true},
		{"zR", 1, {1, 0x03}, 4, false, true},
		{"zR", 1, {1, 0x00}, 8, false, true},
		{"zR", 1, {1, 0x04}, 8, false, true},
		{"", 1, {0}, 8, false, true},
		{"z", 1, {0}, 8, false, true},
		{"zRS", 1, {1, 0x1b}, 4, true, true},
		{"zSR", 1, {1, 0x1b}, 4, true, true},
		{"zRB", 1, {1, 0x1b}, 4, true, true},
		{"zLR", 1, {2, 0x1b, 0x1b}, 4, true, true},
		{"zPLR", 1, {7, 0x9b, 1, 2, 3, 4, 0x1b, 0x1b}, 4, true, true},
		{"zPLR", 1, {11, 0x00, 1, 2, 3, 4, 5, 6, 7, 8, 0xff, 0x1b}, 4, true, true},
		{"zPLR", 1, {7, 0x50, 1, 2, 3, 4, 0x1b, 0x1b}, 4, true, false}, /* aligned */
		{"zPLR", 1, {7, 0x9f, 1, 2, 3, 4, 0x1b, 0x1b}, 4, true, false},
		{"zR", 1, {1, 0x9b}, 4, true, false},
		{"zR", 1, {1, 0x3b}, 4, true, false},
		{"zR", 1, {1, 0xff}, 4, true, false},
		{"zR", 1, {1, 0x11}, 4, true, false}, /* LEB128 */
		{"R", 1, {0x1b}, 4, true, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("    case %zu: %s\n", i, cases[i].names);
		make();
		put_cie(cases[i].version, cases[i].names, cases[i].data, sizeof(cases[i].data));
		put_fde(FDE, FIRST, cases[i].each, cases[i].relative ? BASE + FDE + 8 : 0);
		assert_int_equal(ask(FIRST), cases[i].understood ? FRAME_BEGINS : FRAME_NONE);
		assert_int_equal(ask(FIRST + 1), cases[i].understood ? FRAME_INSIDE : FRAME_NONE);
	}
}

static void gaps_between_functions_are_no_instruction(void **state)
{
	(void)state;
	memset(file, 0, sizeof(file));
	assert_false(elfstart_is_plausible(EM_X86_64, BASE, read_memory, NULL));
	assert_false(elfstart_is_plausible(EM_AARCH64, BASE, read_memory, NULL));
	file[0] = 0xcc;
	assert_false(elfstart_is_plausible(EM_X86_64, BASE, read_memory, NULL));
	assert_true(elfstart_is_plausible(EM_AARCH64, BASE, read_memory, NULL));
	assert_false(elfstart_is_plausible(EM_AARCH64, BASE - 2, read_memory, NULL));
	file[2] = 0x55;
	assert_true(elfstart_is_plausible(EM_X86_64, BASE + 2, read_memory, NULL));
	assert_false(elfstart_is_plausible(EM_AARCH64, BASE + 2, read_memory, NULL));
	/* The last byte there is. */
	assert_false(elfstart_is_plausible(EM_X86_64, BASE + SIZE - 1, read_memory, NULL));
	file[SIZE - 1] = 0xc3;
	assert_true(elfstart_is_plausible(EM_X86_64, BASE + SIZE - 1, read_memory, NULL));
	assert_false(elfstart_is_plausible(EM_X86_64, BASE + SIZE, read_memory, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_function_begins_where_its_frame_does_and_nowhere_else),
		cmocka_unit_test(a_file_without_a_table_says_nothing),
		cmocka_unit_test(a_table_that_is_cut_is_none),
		cmocka_unit_test(a_table_that_lies_proves_nothing),
		cmocka_unit_test(the_address_of_eh_frame_may_have_any_size),
		cmocka_unit_test(a_cie_says_how_its_fdes_store_addresses),
		cmocka_unit_test(gaps_between_functions_are_no_instruction),
	};

	return cmocka_run_group_tests_name("elfstart", tests, NULL, NULL);
}
