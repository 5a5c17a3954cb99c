// SPDX-License-Identifier: GPL-2.0-or-later
/* The table of columns, and what fits into a line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>
#include <cmocka.h>

#include "view_columns.h"

static bool has(const struct view_place *p, size_t n, enum view_column c)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (p[i].column == c)
			return true;
	return false;
}

static void every_column_is_described_and_its_title_fits(void **state)
{
	int i, j;

	(void)state;
	for (i = 0; i < COL_MAX; i++) {
		const struct view_column_def *d = &view_columns[i];

		assert_non_null(d->name);
		assert_true(strlen(d->title) <= (size_t)d->min);
		assert_true(d->min <= d->pref);
		assert_true(strlen(d->help) > 10);
		for (j = 0; j < i; j++) {
			assert_string_not_equal(d->name, view_columns[j].name);
			assert_string_not_equal(d->json, view_columns[j].json);
		}
	}
}

static void a_column_is_found_by_name_title_and_json_key(void **state)
{
	(void)state;
	assert_int_equal(view_column_find("unread"), COL_UNREAD);
	assert_int_equal(view_column_find("REQS"), COL_REQUESTS);
	assert_int_equal(view_column_find("reqs"), COL_REQUESTS);
	assert_int_equal(view_column_find("process.pid"), COL_PID);
	assert_int_equal(view_column_find("nonsense"), COL_MAX);
	assert_int_equal(view_column_find(""), COL_MAX);
}

static void widths_and_blanks_add_up_to_the_line(void **state)
{
	struct view_place p[COL_MAX];
	int width, pools, sum;
	size_t n, i;

	(void)state;
	for (pools = 0; pools < 2; pools++) {
		for (width = 19; width < 400; width++) {
			n = view_layout(width, pools, p);
			assert_true(n >= 1);
			for (i = sum = 0; i < n; i++) {
				assert_true(p[i].width > 0);
				sum += p[i].width + (i > 0);
			}
			assert_int_equal(sum, width);
		}
		for (width = -1; width < 19; width++) {
			n = view_layout(width, pools, p);
			for (i = sum = 0; i < n; i++)
				sum += p[i].width + (i > 0);
			assert_true(sum <= (width > 0 ? width : 0));
		}
	}
}

static void what_matters_stays_when_the_line_gets_short(void **state)
{
	struct view_place p[COL_MAX];
	size_t n;

	(void)state;
	n = view_layout(79, false, p);
	assert_true(has(p, n, COL_VERDICT) && has(p, n, COL_CONFIDENCE) && has(p, n, COL_PROCESS));
	assert_true(has(p, n, COL_PID) && has(p, n, COL_OWED) && has(p, n, COL_UNREAD));
	assert_true(has(p, n, COL_AGE) && has(p, n, COL_PEER));
	n = view_layout(39, false, p);
	assert_int_equal(n, 3);
	assert_true(has(p, n, COL_VERDICT) && has(p, n, COL_PROCESS) && has(p, n, COL_PEER));
	n = view_layout(230, true, p);
	assert_int_equal(n, COL_MAX);
	n = view_layout(230, false, p);
	assert_int_equal(n, COL_MAX - 2);
	assert_false(has(p, n, COL_CONNS) || has(p, n, COL_SLOTS));
}

static void a_wider_line_never_loses_a_column(void **state)
{
	struct view_place p[COL_MAX];
	size_t before = 0, n;
	int width;

	(void)state;
	for (width = 19; width < 300; width++) {
		n = view_layout(width, true, p);
		assert_true(n >= before);
		before = n;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_column_is_described_and_its_title_fits),
		cmocka_unit_test(a_column_is_found_by_name_title_and_json_key),
		cmocka_unit_test(widths_and_blanks_add_up_to_the_line),
		cmocka_unit_test(what_matters_stays_when_the_line_gets_short),
		cmocka_unit_test(a_wider_line_never_loses_a_column),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
