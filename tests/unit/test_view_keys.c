// SPDX-License-Identifier: GPL-2.0-or-later
/* Keys do what people's hands expect of them. */
#include "view_fixture.h"

static void fill(struct view *v, size_t n)
{
	struct conn c[100];
	size_t i;

	for (i = 0; i < n; i++)
		c[i] = (struct conn){.cookie = i + 1,
				     .requests = n - i,
				     .replies = n - i,
				     .pid = 1000 + (uint32_t)i,
				     .last_ns = START + n - i};
	round_of(v, c, n, 1);
}

static void q_control_c_and_f10_quit_from_everywhere(void **state)
{
	static const char *const before[] = {"", "?", "\r", "/"};
	static const uint32_t quits[] = {'q', 3, KEY_VIEW_QUIT};
	struct view *v = *state;
	size_t i, j;

	fill(v, 3);
	for (i = 0; i < 4; i++) {
		for (j = 0; j < 3; j++) {
			v->mode = MODE_TABLE;
			v->typing = false;
			if (before[i][0] == '\r')
				view_key(v, KEY_VIEW_ENTER);
			else
				type(v, before[i]);
			/* In the filter a q is a letter. */
			if (i == 3 && !j)
				continue;
			assert_int_equal(view_key(v, quits[j]), VIEW_QUIT);
		}
	}
}

static void escape_goes_back_and_does_not_quit_at_the_top(void **state)
{
	struct view *v = *state;

	fill(v, 3);
	view_key(v, KEY_VIEW_ENTER);
	assert_int_equal(v->mode, MODE_DETAILS);
	type(v, "?");
	assert_int_equal(v->mode, MODE_HELP);
	view_key(v, KEY_VIEW_ESC);
	assert_int_equal(v->mode, MODE_DETAILS);
	view_key(v, KEY_VIEW_ESC);
	assert_int_equal(v->mode, MODE_TABLE);
	assert_int_equal(view_key(v, KEY_VIEW_ESC), VIEW_REDRAW);
	assert_int_equal(v->mode, MODE_TABLE);
}

static void help_comes_and_goes_by_each_of_its_keys(void **state)
{
	static const uint32_t keys[] = {'?', 'h', KEY_VIEW_HELP};
	struct view *v = *state;
	size_t i;

	for (i = 0; i < 3; i++) {
		view_key(v, keys[i]);
		assert_int_equal(v->mode, MODE_HELP);
		view_key(v, keys[i]);
		assert_int_equal(v->mode, MODE_TABLE);
	}
}

static void movement_reaches_every_row_and_no_further(void **state)
{
	struct view *v = *state;
	size_t page;

	fill(v, 100);
	page = (size_t)view_table_height(v);
	view_key(v, 'k');
	assert_int_equal(v->sel, 0);
	view_key(v, KEY_VIEW_DOWN);
	view_key(v, 'j');
	assert_int_equal(v->sel, 2);
	view_key(v, KEY_VIEW_PAGE_DOWN);
	assert_int_equal(v->sel, 2 + page - 1);
	view_key(v, 'G');
	assert_int_equal(v->sel, 99);
	assert_int_equal(v->top, 100 - page);
	assert_int_equal(v->sel_cookie, 100);
	view_key(v, KEY_VIEW_DOWN);
	assert_int_equal(v->sel, 99);
	view_key(v, KEY_VIEW_PAGE_UP);
	assert_int_equal(v->sel, 99 - (page - 1));
	view_key(v, 'g');
	assert_int_equal(v->sel, 0);
	assert_int_equal(v->top, 0);
}

static void sort_keys_walk_over_the_columns_of_the_screen(void **state)
{
	struct view *v = *state;

	fill(v, 3);
	assert_int_equal(v->sort, COL_VERDICT);
	view_key(v, '>');
	assert_int_equal(v->sort, COL_CONFIDENCE);
	view_key(v, '<');
	view_key(v, '<');
	assert_int_equal(v->sort, COL_PEER);
	view_key(v, '>');
	assert_int_equal(v->sort, COL_VERDICT);
	view_key(v, '4');
	assert_int_equal(v->sort, COL_PID);
	assert_int_equal(cookie_at(v, 0), 1);
	view_key(v, 'r');
	assert_true(v->reverse);
	assert_int_equal(cookie_at(v, 0), 3);
	view_key(v, '9'); /* eight columns at this width */
	assert_int_equal(v->sort, COL_PID);
	assert_true(on_screen(v, "not as many columns"));
	view_key(v, '1');
	assert_int_equal(v->sort, COL_VERDICT);
	assert_false(v->reverse);
}

static void plus_and_minus_change_the_pace_within_bounds(void **state)
{
	struct view *v = *state;
	int i;

	assert_int_equal(view_refresh_ns(v), S);
	view_key(v, '+');
	assert_int_equal(view_refresh_ns(v), S / 2);
	view_key(v, '-');
	view_key(v, '-');
	assert_int_equal(view_refresh_ns(v), 2 * S);
	for (i = 0; i < 20; i++)
		view_key(v, '+');
	assert_int_equal(view_refresh_ns(v), S / 10);
	for (i = 0; i < 20; i++)
		view_key(v, '-');
	assert_int_equal(view_refresh_ns(v), 60 * S);
	v->refresh_ns = 3 * S; /* of the command line */
	view_key(v, '+');
	assert_int_equal(view_refresh_ns(v), 2 * S);
}

static void a_filter_is_typed_corrected_and_cleared(void **state)
{
	struct view *v = *state;
	int row, col;

	fill(v, 3);
	assert_false(view_cursor(v, &row, &col));
	type(v, "/ab");
	view_key(v, 0xe9);
	view_key(v, 0x65e5);
	view_key(v, 0x1f40d);
	assert_string_equal(v->filter, "ab\xc3\xa9\xe6\x97\xa5\xf0\x9f\x90\x8d");
	view_key(v, KEY_VIEW_BACKSPACE);
	view_key(v, KEY_VIEW_BACKSPACE);
	view_key(v, KEY_VIEW_BACKSPACE);
	assert_string_equal(v->filter, "ab");
	view_compose(v);
	assert_true(view_cursor(v, &row, &col));
	assert_true(on_screen(v, "filter: ab_"));
	view_key(v, KEY_VIEW_ENTER);
	assert_true(on_screen(v, "filter: ab"));
	assert_int_equal(v->n_items, 0);
	view_key(v, KEY_VIEW_ESC);
	assert_int_equal(v->n_items, 3);
	type(v, "/x");
	view_key(v, 0x15);
	assert_string_equal(v->filter, "");
	view_key(v, KEY_VIEW_BACKSPACE);
	assert_false(v->typing);
}

static void a_filter_too_long_is_not_cut_in_the_middle_of_a_character(void **state)
{
	struct view *v = *state;
	int i;

	type(v, "/");
	for (i = 0; i < 100; i++)
		view_key(v, 0x65e5);
	assert_int_equal(strlen(v->filter), (FILTER_TEXT - 1) / 3 * 3);
}

static void a_click_selects_opens_and_sorts(void **state)
{
	struct view *v = *state;
	int head;

	fill(v, 10);
	view_compose(v);
	head = view_header_height(v);
	view_click(v, head + 1 + 4, 5);
	assert_int_equal(v->sel, 4);
	view_click(v, head + 1 + 4, 5);
	assert_int_equal(v->mode, MODE_DETAILS);
	assert_int_equal(view_click(v, head + 1, 5), VIEW_NOTHING);
	view_key(v, KEY_VIEW_ESC);
	view_click(v, head, 1 + 10 + 1 + 2); /* the second column */
	assert_int_equal(v->sort, COL_CONFIDENCE);
	assert_int_equal(view_click(v, 0, 0), VIEW_NOTHING);
	assert_int_equal(view_click(v, 23, 0), VIEW_NOTHING);
	view_wheel(v, 3);
	assert_int_equal(v->sel, 3);
}

static void keys_that_mean_nothing_do_nothing(void **state)
{
	struct view *v = *state;
	uint32_t key;

	fill(v, 3);
	for (key = 4; key < 0x20; key++)
		assert_int_equal(view_key(v, key), VIEW_NOTHING);
	assert_int_equal(view_key(v, 'Z'), VIEW_NOTHING);
	assert_int_equal(view_key(v, 0x65e5), VIEW_NOTHING);
	type(v, "/");
	for (key = 4; key < 0x15; key++)
		assert_int_equal(view_key(v, key), VIEW_NOTHING);
	assert_int_equal(view_key(v, KEY_VIEW_TREE), VIEW_NOTHING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(q_control_c_and_f10_quit_from_everywhere),
		TEST(escape_goes_back_and_does_not_quit_at_the_top),
		TEST(help_comes_and_goes_by_each_of_its_keys),
		TEST(movement_reaches_every_row_and_no_further),
		TEST(sort_keys_walk_over_the_columns_of_the_screen),
		TEST(plus_and_minus_change_the_pace_within_bounds),
		TEST(a_filter_is_typed_corrected_and_cleared),
		TEST(a_filter_too_long_is_not_cut_in_the_middle_of_a_character),
		TEST(a_click_selects_opens_and_sorts),
		TEST(keys_that_mean_nothing_do_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
