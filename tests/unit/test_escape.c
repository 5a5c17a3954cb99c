// SPDX-License-Identifier: GPL-2.0-or-later
/* Escaping: nothing of a process's name acts on a terminal, nothing is cut in two. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "escape.h"

struct escape_case {
	const char *src;
	const char *text; /* escape_text() */
	const char *utf8; /* escape_utf8(); NULL: the source as it is */
};

/* clang-format off */
static const struct escape_case cases[] = {
	{ "", "", NULL },
	{ "python3.11", "python3.11", NULL },
	{ "\x1b]0;x\x07", "\\x1b]0;x\\x07", NULL },
	{ "a\nb\tc\rd", "a\\x0ab\\x09c\\x0dd", NULL },
	{ "del\x7f", "del\\x7f", NULL },
	/* U+009B is CSI to a terminal that knows C1; U+00A0 is the first that is none. */
	{ "\xc2\x9b" "31m", "\\u009b31m", NULL },
	{ "\xc2\x80\xc2\x9f\xc2\xa0", "\\u0080\\u009f\xc2\xa0", NULL },
	{ "\xe2\x80\xaa\xe2\x80\xab\xe2\x80\xac\xe2\x80\xad\xe2\x80\xae",
	  "\\u202a\\u202b\\u202c\\u202d\\u202e", NULL },
	{ "\xe2\x81\xa6\xe2\x81\xa7\xe2\x81\xa8\xe2\x81\xa9", "\\u2066\\u2067\\u2068\\u2069", NULL },
	{ "\xe2\x80\x8e\xe2\x80\x8f\xd8\x9c", "\\u200e\\u200f\\u061c", NULL },
	{ "\xe2\x80\xa8\xe2\x80\xa9", "\\u2028\\u2029", NULL },
	/* Neighbours of the ranges are ordinary characters. */
	{ "\xe2\x80\xa7\xe2\x80\xaf\xe2\x81\xa5\xe2\x81\xaa", "\xe2\x80\xa7\xe2\x80\xaf\xe2\x81\xa5\xe2\x81\xaa", NULL },
	{ "caf\xc3\xa9 \xe4\xbb\xbb \xf0\x9f\x90\x8d", "caf\xc3\xa9 \xe4\xbb\xbb \xf0\x9f\x90\x8d", NULL },
	{ "back\\slash \"quote\"", "back\\slash \"quote\"", NULL },
	/* Not UTF-8: a lone continuation, bytes that never occur, a cut sequence. */
	{ "\x80", "\\x80", "\\x80" },
	{ "\xff\xfe", "\\xff\\xfe", "\\xff\\xfe" },
	{ "\xe2\x80", "\\xe2\\x80", "\\xe2\\x80" },
	{ "\xe2\x80z", "\\xe2\\x80z", "\\xe2\\x80z" },
	/* Overlong forms of "/" and of U+20AC, a surrogate, a value above U+10FFFF. */
	{ "\xc0\xaf", "\\xc0\\xaf", "\\xc0\\xaf" },
	{ "\xf0\x82\x82\xac", "\\xf0\\x82\\x82\\xac", "\\xf0\\x82\\x82\\xac" },
	{ "\xed\xa0\x80", "\\xed\\xa0\\x80", "\\xed\\xa0\\x80" },
	{ "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80", "\\xf4\\x90\\x80\\x80" },
	{ "\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf", NULL },
	/* A good character after a bad byte survives. */
	{ "\xe2\xc3\xa9", "\\xe2\xc3\xa9", "\\xe2\xc3\xa9" },
};
/* clang-format on */

static void every_case_is_escaped_as_written_down(void **state)
{
	char out[128];
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct escape_case *c = &cases[i];
		const char *utf8 = c->utf8 ? c->utf8 : c->src;

		n = escape_text(out, sizeof(out), c->src, SIZE_MAX);
		assert_string_equal(out, c->text);
		assert_int_equal(n, strlen(c->text));
		n = escape_utf8(out, sizeof(out), c->src, SIZE_MAX);
		assert_string_equal(out, utf8);
		assert_int_equal(n, strlen(utf8));
	}
}

static void no_more_than_maxsrc_bytes_are_read(void **state)
{
	/* As large as the text and not a byte more: a read beyond it is found by ASan. */
	char *comm = malloc(4), out[32];

	(void)state;
	assert_non_null(comm);
	memcpy(comm, "abcd", 4);
	assert_int_equal(escape_text(out, sizeof(out), comm, 4), 4);
	assert_string_equal(out, "abcd");
	memcpy(comm, "ab\xe2\x80", 4);
	escape_text(out, sizeof(out), comm, 4);
	assert_string_equal(out, "ab\\xe2\\x80");
	assert_int_equal(escape_text(out, sizeof(out), comm, 0), 0);
	assert_string_equal(out, "");
	free(comm);
}

static void nothing_is_cut_in_two_at_the_end_of_the_destination(void **state)
{
	static const char src[] = "a\xc3\xa9\x1b\xf0\x9f\x90\x8d\xffz";
	static const char want[] = "a\xc3\xa9\\x1b\xf0\x9f\x90\x8d\\xffz";
	/* Lengths at which the output may end: after each whole piece. */
	static const size_t ends[] = {0, 1, 3, 7, 11, 15, 16};
	size_t dstlen, i, n, best;

	(void)state;
	for (dstlen = 1; dstlen <= sizeof(want); dstlen++) {
		char *dst = malloc(dstlen);

		assert_non_null(dst);
		n = escape_text(dst, dstlen, src, SIZE_MAX);
		for (i = best = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
			if (ends[i] < dstlen)
				best = ends[i];
		}
		assert_int_equal(n, best);
		assert_memory_equal(dst, want, n);
		assert_int_equal(dst[n], '\0');
		free(dst);
	}
}

static void a_destination_without_room_is_left_alone(void **state)
{
	char c = 'x';

	(void)state;
	assert_int_equal(escape_text(&c, 0, "abc", 3), 0);
	assert_int_equal(c, 'x');
	assert_int_equal(escape_text(NULL, 10, "abc", 3), 0);
	assert_int_equal(escape_text(&c, 1, NULL, 3), 0);
	assert_int_equal(c, '\0');
}

static void the_worst_source_fits_into_escape_max(void **state)
{
	char src[64], dst[ESCAPE_MAX(64)];

	(void)state;
	memset(src, 0xff, sizeof(src));
	assert_int_equal(escape_text(dst, sizeof(dst), src, sizeof(src)), 4 * sizeof(src));
	memset(src, 0x01, sizeof(src));
	assert_int_equal(escape_text(dst, sizeof(dst), src, sizeof(src)), 4 * sizeof(src));
}

static void any_two_bytes_become_text_without_a_control(void **state)
{
	char src[2], dst[ESCAPE_MAX(2)];
	uint32_t cp;
	size_t i, n, step;
	int a, b;

	(void)state;
	for (a = 1; a < 256; a++) {
		for (b = 1; b < 256; b++) {
			src[0] = (char)a;
			src[1] = (char)b;
			n = escape_text(dst, sizeof(dst), src, 2);
			assert_true(n >= 1);
			for (i = 0; i < n; i += step) {
				step = escape_decode(dst + i, n - i, &cp);
				assert_true(step > 0);
				assert_false(escape_is_hidden(cp));
			}
		}
	}
}

static void columns_count_characters_and_not_bytes(void **state)
{
	(void)state;
	assert_int_equal(escape_columns(""), 0);
	assert_int_equal(escape_columns("Task-7 → Task-8"), 15);
	assert_int_equal(escape_columns("\xf0\x9f\x90\x8d"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_case_is_escaped_as_written_down),
		cmocka_unit_test(no_more_than_maxsrc_bytes_are_read),
		cmocka_unit_test(nothing_is_cut_in_two_at_the_end_of_the_destination),
		cmocka_unit_test(a_destination_without_room_is_left_alone),
		cmocka_unit_test(the_worst_source_fits_into_escape_max),
		cmocka_unit_test(any_two_bytes_become_text_without_a_control),
		cmocka_unit_test(columns_count_characters_and_not_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
