// SPDX-License-Identifier: GPL-2.0-or-later
/* Whole screens: whatever their size, and whatever other people call their programs. */
#include <wchar.h>

#include "escape.h"
#include "view_fixture.h"

static const char *const hostile[] = {"\033[2J\033[31mred",
				      "\xff\xfe\x80",
				      "a\nb\rc\td",
				      "\xe2\x80\xae"
				      "drow",
				      "日本語のプロセス",
				      "e\xcc\x81\xcc\x81\xcc\x81",
				      "\xf0\x9f\x91\xa8\xe2\x80\x8d\xf0\x9f",
				      "%s%n%s",
				      "\xc2\x9b"
				      "31m",
				      "",
				      " ",
				      "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};

#define N_HOSTILE (sizeof(hostile) / sizeof(hostile[0]))

static void check_screen(struct view *v)
{
	int i;

	view_compose(v);
	assert_int_equal(view_height(v), v->height);
	for (i = 0; i < view_height(v); i++) {
		const struct view_line *l = view_line(v, i);
		const char *p = l->text, *end = l->text + l->len;
		uint32_t cp;
		int cells = 0;
		size_t n;

		assert_int_equal(strlen(l->text), l->len);
		for (; p < end; p += n) {
			n = escape_decode(p, (size_t)(end - p), &cp);
			assert_true(n > 0);
			assert_false(escape_is_hidden(cp));
			cells += wcwidth((wchar_t)cp);
		}
		assert_int_equal(cells, l->col);
		assert_true(cells <= v->cols);
	}
}

static void hostile_rows(struct view *v)
{
	struct conn c[N_HOSTILE + 2];
	char path[N_HOSTILE][64];
	struct finding f;
	size_t i;
	int k;

	for (i = 0; i < N_HOSTILE; i++) {
		snprintf(path[i], sizeof(path[i]), "/run/%s.sock", hostile[i]);
		c[i] = (struct conn){.cookie = i + 1,
				     .exe = hostile[i],
				     .peer = i % 2 ? path[i] : "2001:db8:85a3:1:2:8a2e:370:7334",
				     .port = 65535,
				     .container = hostile[i],
				     .requests = 0xffffffffffffULL,
				     .replies = 0xffffffffffULL,
				     .unread = 0xffffffff,
				     .pid = 4194304};
	}
	c[i] = (struct conn){.cookie = i + 1};
	c[i + 1] = (struct conn){.cookie = i + 2, .requests = 3, .replies = 2};
	round_of(v, c, N_HOSTILE + 2, 1);
	for (i = 0; i < N_HOSTILE; i++) {
		finding_of(&c[i], (enum verdict)(1 + i % 7), (enum confidence)(i % 4), &f);
		snprintf(f.owner_prev, sizeof(f.owner_prev), "%s", hostile[i]);
		snprintf(f.owner_next, sizeof(f.owner_next), "%s", hostile[(i + 1) % N_HOSTILE]);
		snprintf(f.reason, sizeof(f.reason), "%s", hostile[i]);
		snprintf(f.cancel_by, sizeof(f.cancel_by), "%s", hostile[i]);
		f.reuse = (enum reuse_kind)(i % REUSE_MAX);
		f.cancel = (enum cancel_kind)(i % CANCEL_MAX);
		f.n_timeline = TIMELINE_MAX;
		for (k = 0; k < TIMELINE_MAX; k++) {
			f.timeline[k].what = (enum timeline_what)(k % (TL_MAX + 1));
			f.timeline[k].bytes = (uint64_t)k << (2 * k);
			f.timeline[k].at_ns = (uint64_t)k << (2 * k);
			snprintf(f.timeline[k].owner, OWNER_TEXT, "%s",
				 hostile[(size_t)k % N_HOSTILE]);
			snprintf(f.timeline[k].by, OWNER_TEXT, "%s",
				 hostile[(size_t)k % N_HOSTILE]);
		}
		view_finding(v, &f);
	}
}

static void every_page(struct view *v)
{
	size_t i;

	check_screen(v);
	for (i = 0; i < N_HOSTILE; i++) {
		view_select(v, i);
		view_key(v, KEY_VIEW_ENTER);
		check_screen(v);
		view_key(v, 'G');
		check_screen(v);
		view_key(v, KEY_VIEW_ESC);
		if (v->cols > 40)
			continue;
		break;
	}
	type(v, "?");
	check_screen(v);
	type(v, "G");
	check_screen(v);
	view_key(v, KEY_VIEW_ESC);
	type(v, "t");
	view_key(v, KEY_VIEW_ENTER);
	check_screen(v);
	type(v, "t/xyz");
	check_screen(v);
	view_key(v, KEY_VIEW_ESC);
	type(v, "p");
	check_screen(v);
	type(v, "p");
}

static void any_size_from_one_cell_on_holds_every_page(void **state)
{
	static const int cols[] = {1,  2,  5,  10, 19, 20,  21,	 30,  39,  40,	41,  59,
				   60, 61, 79, 80, 81, 100, 119, 120, 200, 511, 512, 9999};
	static const int rows[] = {1, 2, 3, 5, 6, 7, 9, 10, 11, 24, 60, 299, 9999};
	struct view *v = *state;
	size_t i, j;

	hostile_rows(v);
	for (i = 0; i < sizeof(cols) / sizeof(cols[0]); i++) {
		for (j = 0; j < sizeof(rows) / sizeof(rows[0]); j++) {
			view_resize(v, cols[i], rows[j]);
			every_page(v);
		}
	}
}

static void the_same_in_ascii_has_nothing_else(void **state)
{
	struct view *v = *state;
	size_t i;
	int k;

	v->o.ascii = true;
	hostile_rows(v);
	for (i = 0; i < N_HOSTILE + 2; i++) {
		view_select(v, i);
		view_key(v, KEY_VIEW_ENTER);
		view_resize(v, 100, 60);
		check_screen(v);
		for (k = 0; k < view_height(v); k++) {
			const char *p = view_line(v, k)->text;

			for (; *p; p++)
				assert_true(*p >= 0x20 && *p < 0x7f);
		}
		view_key(v, KEY_VIEW_ESC);
	}
}

static void a_hostile_name_changes_nothing_but_its_own_cell(void **state)
{
	struct view *v = *state;
	struct conn c = {
		.cookie = 1, .exe = "plain", .requests = 5, .replies = 5, .last_ns = START};
	char want[VIEW_LINE_CELLS * 4 + 1];
	int head = view_header_height(v), start = 1 + 10 + 1 + 7 + 1, width, got;
	const struct view_line *l;
	size_t i;

	round_of(v, &c, 1, 1);
	view_compose(v);
	width = v->places[2].width;
	snprintf(want, sizeof(want), "%s", view_line(v, head + 1)->text);
	for (i = 0; i < N_HOSTILE; i++) {
		const char *after;

		c.exe = hostile[i];
		round_of(v, &c, 1, 1);
		check_screen(v);
		l = view_line(v, head + 1);
		after = l->text + view_text_fit(l->text, start + width, &got);
		assert_int_equal(got, start + width);
		assert_string_equal(after, want + view_text_fit(want, start + width, &got));
	}
}

static void losses_and_findings_are_in_the_header(void **state)
{
	struct view *v = *state;
	struct run_stats s = {.time_ns = START + S};

	view_round_begin(v, START + S);
	view_round_end(v, &s);
	assert_true(on_screen(v, "nothing found"));
	assert_true(on_screen(v, "events lost 0"));
	s.lost[LOSS_RING_FULL] = 1234;
	s.findings[VERDICT_REUSED][CONF_CERTAIN] = 2;
	s.findings[VERDICT_REUSED][CONF_LIKELY] = 1;
	s.findings[VERDICT_DIRTY][CONF_SUSPECT] = 7;
	view_round_begin(v, START + S);
	view_round_end(v, &s);
	assert_true(on_screen(v, "found  reused 3  dirty 0"));
	assert_true(on_screen(v, "suspect 7"));
	assert_true(on_screen(v, "EVENTS LOST 1234"));
}

static void what_works_in_part_is_in_the_header(void **state)
{
	struct start_info start = {.time_ns = START, .tier = "tp_btf", .host = "h1"};
	struct run_stats s = {.time_ns = START + S};
	struct view *v = *state;

	start.degraded = 1u << DEGRADED_YAMA | 1u << DEGRADED_UNIX;
	view_start(v, &start);
	view_round_begin(v, START + S);
	view_round_end(v, &s);
	assert_true(on_screen(v, "IN PART: yama unix"));
	/* ... and when nothing is lacking, nothing is said. */
	start.degraded = 0;
	view_start(v, &start);
	assert_false(on_screen(v, "IN PART"));
}

/* Is this on the page, however its lines are broken? */
static bool page_says(struct view *v, const char *text)
{
	static char all[300 * 120];
	size_t len = 0;
	int i;

	view_compose(v);
	for (i = 0; i < view_height(v); i++) {
		const char *p = view_line(v, i)->text;

		p += strspn(p, " ");
		len += (size_t)snprintf(all + len, sizeof(all) - len, "%s ", p);
	}
	return strstr(all, text);
}

static void details_tell_each_verdict_in_words(void **state)
{
	static const struct {
		enum verdict verdict;
		const char *says;
	} cases[] = {{VERDICT_REUSED, "Task-8 will be handed the reply"},
		     {VERDICT_DIRTY, "Whoever sends on it next"},
		     {VERDICT_LEAKED, "a slot less"},
		     {VERDICT_ABANDONED, "The reply is still owed"},
		     {VERDICT_CLOSED, "nobody can be handed"},
		     {VERDICT_DRAINED, "nobody was handed it"},
		     {VERDICT_UNOBSERVED, "Nothing is said about this connection: because."}};
	struct view *v = *state;
	struct conn c = {.requests = 5, .replies = 4};
	size_t i;

	view_resize(v, 300, 40);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		c.cookie = i + 1;
		round_of(v, &c, 1, 1);
		find_on(v, &c, cases[i].verdict,
			cases[i].verdict >= VERDICT_ABANDONED ? CONF_CERTAIN : CONF_NONE);
		v->detail_cookie = c.cookie;
		v->mode = MODE_DETAILS;
		if (!page_says(v, cases[i].says))
			print_screen(v);
		assert_true(page_says(v, cases[i].says));
	}
}

static void only_what_is_certain_will_happen(void **state)
{
	struct view *v = *state;
	const struct conn c = {.cookie = 1, .requests = 5, .replies = 4};

	view_resize(v, 300, 40);
	round_of(v, &c, 1, 1);
	find_on(v, &c, VERDICT_REUSED, CONF_LIKELY);
	view_key(v, KEY_VIEW_ENTER);
	assert_true(page_says(v, "Task-8 may be handed the reply"));
	assert_false(page_says(v, "will be handed"));
}

static void ones_own_earlier_reply_is_told_as_that(void **state)
{
	struct view *v = *state;
	const struct conn c = {.cookie = 1, .requests = 5, .replies = 4};
	struct finding f;

	view_resize(v, 300, 40);
	round_of(v, &c, 1, 1);
	finding_of(&c, VERDICT_REUSED, CONF_LIKELY, &f);
	strcpy(f.owner_prev, "thread 77");
	strcpy(f.owner_next, "thread 77");
	view_finding(v, &f);
	view_key(v, KEY_VIEW_ENTER);
	assert_true(page_says(v, "it may take the reply to its earlier request for the reply"));
	assert_false(page_says(v, "handed"));
}

static void a_suspect_gets_no_lesson(void **state)
{
	struct view *v = *state;
	const struct conn c = {.cookie = 1, .requests = 5, .replies = 4};

	view_resize(v, 300, 40);
	round_of(v, &c, 1, 1);
	find_on(v, &c, VERDICT_DIRTY, CONF_SUSPECT);
	view_key(v, KEY_VIEW_ENTER);
	assert_false(page_says(v, "correct client"));
	find_on(v, &c, VERDICT_DIRTY, CONF_LIKELY);
	assert_true(page_says(v, "What a correct client does"));
}

/* Nothing was said about either connection: one could not be looked at, and its page says why. */
static void what_could_not_be_looked_at_is_marked_and_explained(void **state)
{
	static const struct coverage_verdict covers[] = {
		{COVERAGE_FULL, COVERED_TASKS},
		{COVERAGE_THREAD, COVERED_NO_OWNERS},
		{COVERAGE_BLIND, COVERED_UNREADABLE},
	};
	const struct conn c = {.requests = 5, .replies = 5};
	struct run_stats s = {.time_ns = START + S};
	struct view *v = *state;
	struct ledger_row row;
	struct view_source_row src = {&row, "c", "", "", {0}};
	uint64_t i;

	view_resize(v, 200, 40);
	s.coverage.now[COVERAGE_BLIND] = s.coverage.now[COVERAGE_THREAD] = 1;
	view_round_begin(v, START + S);
	for (i = 0; i < 3; i++) {
		ledger_of(&c, &row);
		row.cookie = i + 1;
		src.coverage = covers[i];
		view_row(v, &src);
	}
	view_round_end(v, &s);
	assert_true(on_screen(v, "nothing found  BLIND 1  "));
	assert_true(on_screen(v, "by thread 1"));
	assert_string_equal(view_nothing(view_find(v, 1)), "-");
	assert_string_equal(view_nothing(view_find(v, 2)), "by thread");
	assert_string_equal(view_nothing(view_find(v, 3)), "blind");
	v->mode = MODE_DETAILS;
	v->detail_cookie = 1;
	assert_true(page_says(v, "in full"));
	assert_false(page_says(v, "Why:"));
	v->detail_cookie = 3;
	assert_true(page_says(v, "blind Why: "));
	assert_true(page_says(v, "what it has mapped could not be read"));
	/* A level that changes is seen where nothing else has. */
	v->mode = MODE_TABLE;
	view_round_begin(v, START + 2 * S);
	src.coverage = covers[0];
	view_row(v, &src);
	assert_string_equal(view_nothing(view_find(v, 3)), "-");
}

static void help_names_every_column(void **state)
{
	struct view *v = *state;
	int i;

	view_resize(v, 100, 200);
	type(v, "?");
	for (i = 0; i < COL_MAX; i++) {
		assert_true(on_screen(v, view_columns[i].title));
		assert_true(on_screen(v, view_columns[i].help));
	}
}

static void a_batch_has_every_column_and_cuts_nothing(void **state)
{
	struct view *v = *state;
	const struct conn c = {.cookie = 1,
			       .peer = "2001:db8:85a3:1:2:8a2e:370:7334",
			       .port = 5432,
			       .requests = 7,
			       .replies = 7,
			       .last_ns = START};
	char line[VIEW_LINE_CELLS * 4 + 1];
	int i;

	round_of(v, &c, 1, 1);
	assert_int_equal(view_table_begin(v), 2);
	snprintf(line, sizeof(line), "%s", view_table_line(v, 0)->text);
	for (i = 0; i < COL_MAX; i++)
		if (!view_columns[i].pools)
			assert_non_null(strstr(line, view_columns[i].title));
	snprintf(line, sizeof(line), "%s", view_table_line(v, 1)->text);
	assert_non_null(strstr(line, "[2001:db8:85a3:1:2:8a2e:370:7334]:5432 postgresql"));
	assert_null(strstr(line, "…"));
}

static void numbers_keep_to_six_characters(void **state)
{
	static const struct {
		uint64_t n;
		const char *number, *bytes;
	} cases[] = {{0, "0", "0 B"},
		     {999, "999", "999 B"},
		     {1000, "1000", "1.0 kB"},
		     {99999, "99999", "100 kB"},
		     {100000, "100k", "100 kB"},
		     {999999, "1.0M", "1.0 MB"},
		     {12345678, "12.3M", "12 MB"},
		     {UINT64_MAX, "18.4E", "18 EB"}};
	static const struct {
		uint64_t ns;
		const char *text;
	} times[] = {{0, "0 us"},	  {999999, "999 us"},  {1000000, "1.0 ms"},
		     {9999999, "9.9 ms"}, {10000000, "10 ms"}, {999999999, "999 ms"},
		     {S, "1.0 s"},	  {10 * S, "10 s"},    {119 * S, "119 s"},
		     {120 * S, "2 m"},	  {7200 * S, "2 h"},   {172800 * S, "2 d"}};
	char text[32];
	uint64_t n;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		view_number(text, sizeof(text), cases[i].n);
		assert_string_equal(text, cases[i].number);
		view_bytes(text, sizeof(text), cases[i].n);
		assert_string_equal(text, cases[i].bytes);
	}
	for (i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		view_time(text, sizeof(text), times[i].ns);
		assert_string_equal(text, times[i].text);
	}
	for (n = 1; n < UINT64_MAX / 3; n += 1 + n / 7) {
		view_number(text, sizeof(text), n);
		assert_true(strlen(text) <= 6);
		view_bytes(text, sizeof(text), n);
		assert_true(strlen(text) <= 6);
		view_time(text, sizeof(text), n);
		assert_true(strlen(text) <= 8);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(any_size_from_one_cell_on_holds_every_page),
		TEST(the_same_in_ascii_has_nothing_else),
		TEST(a_hostile_name_changes_nothing_but_its_own_cell),
		TEST(losses_and_findings_are_in_the_header),
		TEST(what_works_in_part_is_in_the_header),
		TEST(details_tell_each_verdict_in_words),
		TEST(ones_own_earlier_reply_is_told_as_that),
		TEST(a_suspect_gets_no_lesson),
		TEST(what_could_not_be_looked_at_is_marked_and_explained),
		TEST(only_what_is_certain_will_happen),
		TEST(help_names_every_column),
		TEST(a_batch_has_every_column_and_cuts_nothing),
		TEST(numbers_keep_to_six_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
