// SPDX-License-Identifier: GPL-2.0-or-later
/* Order, cursor, filter and pools. */
#include "view_fixture.h"

#define MANY 500

/* Reproducible, and good enough to shuffle with. */
static uint64_t random_next(uint64_t *x)
{
	*x = *x * 6364136223846793005ULL + 1442695040888963407ULL;
	return *x >> 33;
}

static struct conn *many(uint64_t seed)
{
	static const char *const exes[] = {"python3.11", "ruby", "php", "Zend", "node"};
	static const char *const peers[] = {"10.0.0.9", "10.0.0.10",	"::1",
					    "fe80::2",	"/run/pg.sock", "/run/a.sock"};
	struct conn *c = calloc(MANY, sizeof(*c));
	size_t i;

	assert_non_null(c);
	for (i = 0; i < MANY; i++) {
		c[i].cookie = i + 1;
		c[i].requests = random_next(&seed) % 40;
		c[i].replies = c[i].requests - (c[i].requests && random_next(&seed) % 4 == 0);
		c[i].last_ns = START + random_next(&seed) % S;
		c[i].pid = 100 + (uint32_t)(random_next(&seed) % 7);
		c[i].unread = random_next(&seed) % 3 ? 0 : (uint32_t)(random_next(&seed) % 5000);
		c[i].exe = exes[random_next(&seed) % 5];
		c[i].peer = peers[random_next(&seed) % 6];
		c[i].port = (uint16_t)(5000 + random_next(&seed) % 3);
		c[i].container = random_next(&seed) % 2 ? "" : "88dfabcdef";
	}
	return c;
}

/* What the screen shows is a window of what sorting everything gives, wherever the window is. */
static void a_window_shows_what_a_full_sort_would_in_every_column(void **state)
{
	struct view *v = *state;
	struct conn *c = many(7);
	uint64_t all[MANY];
	size_t i, top;
	int col, reverse;

	round_of(v, c, MANY, 2);
	for (i = 0; i < MANY; i += 9)
		find_on(v, &c[i], i % 2 ? VERDICT_REUSED : VERDICT_DIRTY,
			CONF_SUSPECT + (enum confidence)(i % 3));
	for (col = 0; col < COL_MAX; col++) {
		for (reverse = 0; reverse < 2; reverse++) {
			v->sort = (enum view_column)col;
			v->reverse = reverse;
			assert_int_equal(view_table_begin(v), MANY + 1);
			for (i = 0; i < MANY; i++) {
				all[i] = v->order[i].row->cookie;
				if (i)
					assert_true(view_order_cmp(v, &v->order[i - 1],
								   &v->order[i]) < 0);
			}
			for (top = 0; top < MANY; top += 41) {
				view_select(v, 0);
				view_select(v, top);
				for (i = 0; i < (size_t)view_table_height(v); i++)
					assert_int_equal(cookie_at(v, i), all[v->top + i]);
			}
		}
	}
	free(c);
}

static void the_worst_comes_first_and_suspicion_after_alarms(void **state)
{
	static const struct {
		enum verdict verdict;
		enum confidence conf;
	} said[] = {{VERDICT_REUSED, CONF_SUSPECT},    {VERDICT_ABANDONED, CONF_LIKELY},
		    {VERDICT_REUSED, CONF_LIKELY},     {VERDICT_DIRTY, CONF_CERTAIN},
		    {VERDICT_REUSED, CONF_CERTAIN},    {VERDICT_LEAKED, CONF_CERTAIN},
		    {VERDICT_ABANDONED, CONF_SUSPECT}, {VERDICT_CLOSED, CONF_NONE}};
	static const uint64_t want[] = {5, 3, 4, 6, 2, 1, 7, 8, 9};
	struct view *v = *state;
	struct conn c[9];
	size_t i;

	for (i = 0; i < 9; i++)
		c[i] = (struct conn){
			.cookie = i + 1, .requests = 5, .replies = 4, .last_ns = START};
	round_of(v, c, 9, 1);
	for (i = 0; i < 8; i++)
		find_on(v, &c[i], said[i].verdict, said[i].conf);
	view_arrange(v);
	for (i = 0; i < 9; i++)
		assert_int_equal(cookie_at(v, i), want[i]);
}

static void an_open_danger_comes_before_one_that_is_gone(void **state)
{
	struct view *v = *state;
	const struct conn c[2] = {{.cookie = 1, .requests = 5, .replies = 4},
				  {.cookie = 2, .requests = 5, .replies = 4}};

	round_of(v, c, 2, 1);
	find_on(v, &c[0], VERDICT_DIRTY, CONF_LIKELY);
	find_on(v, &c[1], VERDICT_REUSED, CONF_CERTAIN);
	round_of(v, c, 1, 2);
	assert_int_equal(cookie_at(v, 0), 2);
	round_of(v, c, 1, 3);
	assert_true(view_find(v, 2)->ended);
	assert_int_equal(cookie_at(v, 0), 1);
}

static void the_cursor_keeps_its_place_unless_it_follows(void **state)
{
	struct view *v = *state;
	struct conn c[3] = {{.cookie = 1, .requests = 30, .replies = 30},
			    {.cookie = 2, .requests = 20, .replies = 20},
			    {.cookie = 3, .requests = 10, .replies = 10}};

	v->sort = COL_REQUESTS;
	round_of(v, c, 3, 1);
	view_key(v, 'j');
	assert_int_equal(v->sel_cookie, 2);
	c[2].requests = c[2].replies = 40;
	round_of(v, c, 3, 2);
	assert_int_equal(v->sel, 1);
	assert_int_equal(v->sel_cookie, 1);
	view_key(v, 'F');
	c[0].requests = c[0].replies = 5;
	round_of(v, c, 3, 3);
	assert_int_equal(v->sel, 2);
	assert_int_equal(v->sel_cookie, 1);
	/* Moving by hand ends it. */
	view_key(v, 'k');
	assert_false(v->follow);
	assert_int_equal(v->sel_cookie, 2);
}

static void a_frozen_order_stays_while_numbers_go_on(void **state)
{
	struct view *v = *state;
	struct conn c[4] = {{.cookie = 1, .requests = 30, .replies = 30},
			    {.cookie = 2, .requests = 20, .replies = 20},
			    {.cookie = 3, .requests = 10, .replies = 10},
			    {.cookie = 4, .requests = 99, .replies = 99}};

	v->sort = COL_REQUESTS;
	round_of(v, c, 3, 1);
	view_key(v, 'o');
	c[2].requests = c[2].replies = 50;
	round_of(v, c, 4, 2);
	assert_int_equal(cookie_at(v, 0), 1);
	assert_int_equal(cookie_at(v, 2), 3);
	assert_int_equal(cookie_at(v, 3), 4); /* what comes later comes last */
	assert_int_equal(view_find(v, 3)->requests, 50);
	view_key(v, 'o');
	assert_int_equal(cookie_at(v, 0), 4);
	assert_int_equal(cookie_at(v, 1), 3);
}

static void a_filter_finds_process_peer_service_container_pid_and_verdict(void **state)
{
	static const struct {
		const char *filter;
		size_t hits;
	} cases[] = {{"RUBY", 1},     {"uby", 1},     {"10.0.0.9", 2}, {":5432", 1},
		     {"postgres", 1}, {"redis", 1},   {"/run/x", 1},   {"unix", 1},
		     {"88df", 1},     {"reused", 1},  {"certain", 1},  {"4711", 1},
		     {"471", 0},      {"nothing", 0}, {"", 3},	       {":40001", 1}};
	struct view *v = *state;
	const struct conn c[3] = {
		{.cookie = 1, .exe = "ruby", .port = 5432, .container = "88dfabc", .pid = 10},
		{.cookie = 2, .pid = 4711},
		{.cookie = 3, .peer = "/run/x.sock", .exe = "php", .pid = 11}};
	size_t i;

	round_of(v, c, 3, 1);
	find_on(v, &c[1], VERDICT_REUSED, CONF_CERTAIN);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		type(v, "/");
		type(v, cases[i].filter);
		view_key(v, KEY_VIEW_ENTER);
		assert_int_equal(v->n_items, cases[i].hits);
		view_key(v, KEY_VIEW_ESC);
	}
}

static void a_row_enters_a_filter_when_its_verdict_does(void **state)
{
	struct view *v = *state;
	const struct conn c[2] = {{.cookie = 1}, {.cookie = 2}};

	round_of(v, c, 2, 1);
	type(v, "/dirty");
	assert_int_equal(v->n_items, 0);
	find_on(v, &c[1], VERDICT_DIRTY, CONF_LIKELY);
	round_of(v, c, 2, 2);
	assert_int_equal(v->n_items, 1);
	assert_int_equal(cookie_at(v, 0), 2);
}

static void pools_sum_their_connections_and_open_into_them(void **state)
{
	struct view *v = *state;
	const struct conn c[4] = {
		{.cookie = 1, .requests = 10, .replies = 9, .unread = 5, .last_ns = START},
		{.cookie = 2, .requests = 20, .replies = 20, .last_ns = START + S},
		{.cookie = 3, .requests = 30, .replies = 30, .port = 5432},
		{.cookie = 4, .requests = 40, .replies = 39, .last_ns = START},
	};
	struct view_item item;

	round_of(v, c, 4, 2);
	find_on(v, &c[0], VERDICT_LEAKED, CONF_LIKELY);
	find_on(v, &c[3], VERDICT_LEAKED, CONF_LIKELY);
	view_key(v, 't');
	assert_int_equal(v->n_items, 2);
	item = view_item_at(v, 0);
	assert_null(item.row);
	assert_int_equal(item.pool->conns, 3);
	assert_int_equal(item.pool->slots, 2);
	assert_int_equal(item.pool->sum.requests, 70);
	assert_int_equal(item.pool->sum.owed, 2);
	assert_int_equal(item.pool->sum.unread, 5);
	assert_int_equal(item.pool->sum.verdict, VERDICT_LEAKED);
	assert_int_equal(item.pool->sum.last_ns, START + S);
	view_key(v, KEY_VIEW_ENTER);
	assert_int_equal(v->n_items, 5);
	assert_int_equal(view_item_at(v, 3).row->cookie, 2); /* the calm one last */
	assert_null(view_item_at(v, 4).row);
	/* Left on one of its connections closes the pool and goes to it. */
	type(v, "jj");
	view_key(v, KEY_VIEW_LEFT);
	assert_int_equal(v->n_items, 2);
	assert_int_equal(v->sel, 0);
}

static void the_cursor_stays_on_its_pool_when_others_move(void **state)
{
	struct view *v = *state;
	struct conn c[3] = {{.cookie = 1, .port = 1, .requests = 30, .replies = 30},
			    {.cookie = 2, .port = 2, .requests = 20, .replies = 20},
			    {.cookie = 3, .port = 3, .requests = 10, .replies = 10}};

	v->sort = COL_REQUESTS;
	round_of(v, c, 3, 1);
	type(v, "tj");
	assert_int_equal(view_item_at(v, v->sel).pool->key.port, 2);
	c[1].requests = c[1].replies = 100;
	round_of(v, c, 3, 2);
	assert_int_equal(v->sel, 0);
	assert_int_equal(view_item_at(v, v->sel).pool->key.port, 2);
}

static void a_pool_goes_with_its_last_connection(void **state)
{
	struct view *v = *state;
	struct conn c[2] = {{.cookie = 1, .port = 1}, {.cookie = 2, .port = 2}};

	round_of(v, c, 2, 1);
	view_key(v, 't');
	assert_int_equal(HASH_COUNT(v->pools), 2);
	round_of(v, c, 1, 2);
	round_of(v, c, 1, 3);
	assert_int_equal(HASH_COUNT(v->pools), 1);
	/* A connection that another process took over moves to that process's pool. */
	c[0].pid = 99;
	round_of(v, c, 1, 4);
	assert_int_equal(HASH_COUNT(v->pools), 1);
	assert_int_equal(view_item_at(v, 0).pool->key.pid, 99);
}

static void a_list_that_shrinks_under_the_cursor_takes_it_along(void **state)
{
	struct view *v = *state;
	struct conn *c = many(3);

	round_of(v, c, MANY, 1);
	view_key(v, 'G');
	assert_int_equal(v->sel, MANY - 1);
	round_of(v, c, 3, 2);
	round_of(v, c, 3, 3);
	assert_int_equal(v->n_items, 3);
	assert_int_equal(v->sel, 2);
	assert_int_equal(v->top, 0);
	round_of(v, c, 0, 4);
	round_of(v, c, 0, 5);
	assert_int_equal(v->n_items, 0);
	assert_int_equal(v->sel, 0);
	free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_window_shows_what_a_full_sort_would_in_every_column),
		TEST(the_worst_comes_first_and_suspicion_after_alarms),
		TEST(an_open_danger_comes_before_one_that_is_gone),
		TEST(the_cursor_keeps_its_place_unless_it_follows),
		TEST(a_frozen_order_stays_while_numbers_go_on),
		TEST(a_filter_finds_process_peer_service_container_pid_and_verdict),
		TEST(a_row_enters_a_filter_when_its_verdict_does),
		TEST(pools_sum_their_connections_and_open_into_them),
		TEST(the_cursor_stays_on_its_pool_when_others_move),
		TEST(a_pool_goes_with_its_last_connection),
		TEST(a_list_that_shrinks_under_the_cursor_takes_it_along),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
