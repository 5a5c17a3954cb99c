// SPDX-License-Identifier: GPL-2.0-or-later
/* Lines: other people's text keeps to its own cells. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <wchar.h>
#include <cmocka.h>

#include "escape.h"
#include "view_line.h"

static void check_user(const char *src, int width, const char *want, int cells)
{
	struct view_line l;

	view_line_start(&l, 80, false);
	view_line_user(&l, src, strlen(src), width);
	assert_string_equal(l.text, want);
	assert_int_equal(l.col, cells);
}

static void text_that_does_not_fit_shows_that_it_was_cut(void **state)
{
	struct view_line l;

	(void)state;
	check_user("python3.11", 10, "python3.11", 10);
	check_user("python3.11", 9, "python3.…", 9);
	check_user("python3.11", 1, "…", 1);
	check_user("python3.11", 0, "", 0);
	view_line_start(&l, 80, true);
	view_line_user(&l, "python3.11", 10, 9);
	assert_string_equal(l.text, "python3.~");
}

static void wide_characters_take_two_cells_and_are_not_cut_in_half(void **state)
{
	(void)state;
	check_user("日本", 4, "日本", 4);
	check_user("日本", 3, "日…", 3);
	check_user("日本", 2, "…", 1);
	check_user("a日", 3, "a日", 3);
}

static void what_acts_on_a_terminal_is_spelled_out(void **state)
{
	(void)state;
	check_user("a\033[2Jb", 20, "a\\x1b[2Jb", 9);
	check_user("x\ny", 20, "x\\x0ay", 6);
	check_user("\xff\xfe", 20, "\\xff\\xfe", 8);
	check_user("\xc2\x9b", 20, "\\u009b", 6);
	check_user("\xe2\x80\xae", 20, "\\u202e", 6);
}

static void characters_without_a_width_of_their_own_are_spelled_out(void **state)
{
	(void)state;
	check_user("e\xcc\x81", 20, "e\\u0301", 7);	       /* a combining accent */
	check_user("a\xe2\x80\x8d", 20, "a\\u200d", 7);	       /* a joiner */
	check_user("a\xef\xb8\x8f", 20, "a\\ufe0f", 7);	       /* a variation selector */
	check_user("\xf0\x9f\xbf\xbf", 20, "\\U0001ffff", 10); /* not a character */
}

static void in_ascii_everything_else_is_spelled_out(void **state)
{
	struct view_line l;

	(void)state;
	view_line_start(&l, 80, true);
	view_line_user(&l, "\xc3\xa9\xf0\x9f\x90\x8d", 6, 40);
	assert_string_equal(l.text, "\\u00e9\\U0001f40d");
}

static void a_line_is_never_wider_than_it_may_be(void **state)
{
	struct view_line l;
	int width;

	(void)state;
	for (width = 0; width < 30; width++) {
		view_line_start(&l, width, false);
		view_line_put(&l, "own text → ");
		view_line_user(&l, "日本語 text", 14, 100);
		view_line_fmt(&l, "%d", 123456);
		view_line_pad(&l, 100);
		assert_true(l.col <= width);
		assert_int_equal(view_text_width(l.text), l.col);
	}
	view_line_start(&l, 100000, false);
	view_line_pad(&l, 100000);
	assert_int_equal(l.col, VIEW_LINE_CELLS);
}

static void a_field_is_put_whole_or_not_at_all(void **state)
{
	struct view_line l;

	(void)state;
	view_line_start(&l, 10, false);
	assert_true(view_line_field(&l, 3, STYLE_BOLD, "four"));
	assert_int_equal(l.col, 4); /* no gap at the beginning */
	assert_false(view_line_field(&l, 3, STYLE_BOLD, "four"));
	assert_string_equal(l.text, "four");
	assert_true(view_line_field(&l, 2, STYLE_BOLD, "four"));
	assert_string_equal(l.text, "four  four");
}

static void styles_are_runs_and_the_last_word_counts(void **state)
{
	struct view_line l;

	(void)state;
	view_line_start(&l, 80, false);
	view_line_style(&l, STYLE_BOLD);
	view_line_style(&l, STYLE_ALARM);
	view_line_put(&l, "ab");
	view_line_style(&l, STYLE_ALARM);
	view_line_put(&l, "c");
	view_line_style(&l, STYLE_PLAIN);
	view_line_put(&l, "d");
	assert_int_equal(l.n_runs, 2);
	assert_int_equal(l.runs[0].style, STYLE_ALARM);
	assert_int_equal(l.runs[1].at, 3);
	assert_int_equal(l.runs[1].style, STYLE_PLAIN);
}

static void any_two_bytes_become_characters_with_a_width(void **state)
{
	char src[2], dst[VIEW_TEXT_MAX(2)];
	int a, b;

	(void)state;
	for (a = 1; a < 256; a++) {
		for (b = 1; b < 256; b++) {
			size_t i, n, step;
			uint32_t cp;
			int cells;

			src[0] = (char)a;
			src[1] = (char)b;
			cells = view_text(dst, sizeof(dst), src, 2, false);
			assert_int_equal(cells, view_text_width(dst));
			n = strlen(dst);
			for (i = 0; i < n; i += step) {
				step = escape_decode(dst + i, n - i, &cp);
				assert_true(step > 0);
				assert_true(wcwidth((wchar_t)cp) == 1 || wcwidth((wchar_t)cp) == 2);
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_that_does_not_fit_shows_that_it_was_cut),
		cmocka_unit_test(wide_characters_take_two_cells_and_are_not_cut_in_half),
		cmocka_unit_test(what_acts_on_a_terminal_is_spelled_out),
		cmocka_unit_test(characters_without_a_width_of_their_own_are_spelled_out),
		cmocka_unit_test(in_ascii_everything_else_is_spelled_out),
		cmocka_unit_test(a_line_is_never_wider_than_it_may_be),
		cmocka_unit_test(a_field_is_put_whole_or_not_at_all),
		cmocka_unit_test(styles_are_runs_and_the_last_word_counts),
		cmocka_unit_test(any_two_bytes_become_characters_with_a_width),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
