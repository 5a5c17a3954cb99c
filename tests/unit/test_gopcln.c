// SPDX-License-Identifier: GPL-2.0-or-later
/* Names of functions in the table that Go's own runtime reads, and tables that lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "gopcln.h"

#define TEXT	  0x401000
#define NAMES	  72
#define FUNCTIONS 128
#define SIZE	  192

struct seen {
	size_t n;
	char name[4][32];
	uint64_t at[4];
};

static bool note(void *ctx, const char *name, uint64_t vaddr)
{
	struct seen *s = ctx;

	if (s->n < 4) {
		memcpy(s->name[s->n], name, strnlen(name, 31) + 1);
		s->at[s->n] = vaddr;
	}
	s->n++;
	return false;
}

/* Two functions: main.main at the text's beginning, context.cancel 64 bytes on. */
static uint8_t *make_table(uint32_t magic)
{
	uint8_t *t = calloc(1, SIZE);
	uint64_t words[8] = {2, 1, TEXT, NAMES, 0, 0, 0, FUNCTIONS};
	uint32_t functab[4] = {0, 24, 64, 32}, main_main[2] = {0, 0}, cancel[2] = {64, 10};

	assert_non_null(t);
	memcpy(t, &magic, 4);
	t[6] = 1;
	t[7] = 8;
	memcpy(t + 8, words, sizeof(words));
	memcpy(t + NAMES, "main.main\0context.cancel", 25);
	memcpy(t + FUNCTIONS, functab, sizeof(functab));
	memcpy(t + FUNCTIONS + 24, main_main, sizeof(main_main));
	memcpy(t + FUNCTIONS + 32, cancel, sizeof(cancel));
	return t;
}

static void functions_have_their_names_and_addresses(void **state)
{
	static const uint32_t magics[] = {0xfffffff0, 0xfffffff1};
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		uint8_t *t = make_table(magics[i]);
		struct seen s = {0};

		gopcln_functions(t, SIZE, note, &s);
		assert_int_equal(s.n, 2);
		assert_string_equal(s.name[0], "main.main");
		assert_int_equal(s.at[0], TEXT);
		assert_string_equal(s.name[1], "context.cancel");
		assert_int_equal(s.at[1], TEXT + 64);
		free(t);
	}
}

static void a_table_of_another_kind_has_none(void **state)
{
	uint8_t *t = make_table(0xfffffffa); /* Go 1.16 */
	struct seen s = {0};

	(void)state;
	gopcln_functions(t, SIZE, note, &s);
	free(t);
	t = make_table(0xfffffff1);
	memset(t + 24, 0, 8); /* it says nothing of where code begins */
	gopcln_functions(t, SIZE, note, &s);
	assert_int_equal(s.n, 0);
	free(t);
}

static void a_description_that_contradicts_its_entry_is_left_out(void **state)
{
	uint8_t *t = make_table(0xfffffff1);
	struct seen s = {0};

	(void)state;
	t[FUNCTIONS + 32]++;
	gopcln_functions(t, SIZE, note, &s);
	assert_int_equal(s.n, 1);
	free(t);
}

/* The table is exactly as large as it is said to be, so that ASan sees one byte too far. */
static void a_cut_or_changed_table_is_survived(void **state)
{
	uint8_t *t = make_table(0xfffffff1), *cut;
	unsigned int seed = 1, i, k;
	struct seen s = {0};
	size_t len;

	(void)state;
	for (len = 0; len < SIZE; len++) {
		cut = malloc(len ? len : 1);
		assert_non_null(cut);
		memcpy(cut, t, len);
		gopcln_functions(cut, len, note, &s);
		free(cut);
	}
	free(t);
	for (i = 0; i < 100000; i++) {
		t = make_table(0xfffffff1);
		for (k = 0; k < 4; k++)
			t[8 + (unsigned int)rand_r(&seed) % (SIZE - 8)] = (uint8_t)rand_r(&seed);
		/* As many functions as it likes: the table ends all the same. */
		gopcln_functions(t, SIZE, note, &s);
		free(t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(functions_have_their_names_and_addresses),
		cmocka_unit_test(a_table_of_another_kind_has_none),
		cmocka_unit_test(a_description_that_contradicts_its_entry_is_left_out),
		cmocka_unit_test(a_cut_or_changed_table_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
