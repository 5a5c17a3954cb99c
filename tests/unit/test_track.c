// SPDX-License-Identifier: GPL-2.0-or-later
/* Who has how many tracks: a process has half of what others leave, and who comes finds room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "track.h"

#define MAX 8

struct world {
	struct correlator *c;
	size_t said;
	uint64_t cookies;
};

static void hears(void *ctx, struct finding *f)
{
	(void)f;
	((struct world *)ctx)->said++;
}

static int setup(void **state)
{
	const struct correlate_opts o = {.max_tracks = MAX};
	struct world *w = calloc(1, sizeof(*w));

	if (!w)
		return -1;
	w->c = correlator_new(&o, hears, w);
	*state = w;
	return w->c ? 0 : -1;
}

static int teardown(void **state)
{
	struct world *w = *state;

	correlator_free(w->c);
	free(w);
	return 0;
}

static struct track *one_more(struct world *w, uint32_t tgid)
{
	const struct sock_addr a = {.family = 2};

	return track_get(w->c, ++w->cookies, &a, tgid, 1);
}

static size_t has(const struct world *w, uint32_t tgid)
{
	const struct track *t;
	size_t n = 0;

	for (t = w->c->tracks; t; t = t->hh.next)
		n += t->holder->key.tgid == tgid;
	return n;
}

static void a_process_gives_its_oldest_where_nothing_is_open(void **state)
{
	struct world *w = *state;
	const struct sock_addr a = {.family = 2};
	int i;

	for (i = 0; i < 4; i++)
		assert_non_null(one_more(w, 1));
	assert_int_equal(correlate_lost(w->c), 0);
	/* The first is used again, something is open on the second: the third is the one. */
	assert_non_null(track_get(w->c, 1, &a, 1, 1));
	track_find(w->c, 2)->open_ns = 1;
	assert_non_null(one_more(w, 1));
	assert_int_equal(has(w, 1), 4);
	assert_int_equal(correlate_lost(w->c), 1);
	assert_non_null(track_find(w->c, 1));
	assert_non_null(track_find(w->c, 2));
	assert_null(track_find(w->c, 3));
}

static void where_something_is_open_on_each_the_next_has_no_place(void **state)
{
	struct world *w = *state;
	int i;

	for (i = 0; i < 4; i++)
		one_more(w, 1)->open_ns = 1;
	assert_null(one_more(w, 1));
	assert_int_equal(has(w, 1), 4);
	assert_int_equal(correlate_lost(w->c), 1);
	/* And others have. */
	assert_non_null(one_more(w, 2));
	assert_non_null(one_more(w, 2));
	assert_int_equal(correlate_lost(w->c), 1);
}

static void who_comes_to_a_full_table_has_a_place_of_whom_has_most(void **state)
{
	struct world *w = *state;
	uint32_t tgid;
	struct track *t;
	int i;

	for (i = 0; i < 4; i++) {
		t = one_more(w, 1);
		t->open_ns = 1;
		/* What it would have said is said before it goes. */
		t->held = true;
		t->pending.verdict = VERDICT_REUSED;
		t->pending.confidence = CONF_SUSPECT;
	}
	for (tgid = 2; tgid <= 4; tgid++)
		assert_non_null(one_more(w, tgid));
	assert_non_null(one_more(w, 10));
	assert_int_equal(w->c->n_tracks, MAX);
	assert_int_equal(correlate_lost(w->c), 0);
	for (tgid = 11; tgid <= 12; tgid++)
		assert_non_null(one_more(w, tgid));
	assert_int_equal(w->c->n_tracks, MAX);
	assert_int_equal(correlate_lost(w->c), 2);
	assert_int_equal(has(w, 1), 2);
	assert_int_equal(w->said, 2);
	for (tgid = 2; tgid <= 4; tgid++)
		assert_true(has(w, tgid) > 0);
}

static void a_flood_of_tracks_leaves_room_for_all_others(void **state)
{
	struct world *w = *state;
	int i;

	for (i = 0; i < 1000; i++)
		one_more(w, 1);
	assert_int_equal(has(w, 1), MAX / 2);
	for (i = 0; i < 1000; i++)
		one_more(w, 2);
	assert_int_equal(has(w, 2), MAX / 4);
	one_more(w, 3)->open_ns = 1;
	assert_null(one_more(w, 3));
	for (i = 0; i < 1000; i++)
		one_more(w, 1);
	assert_int_equal(has(w, 3), 1);
	assert_int_equal(correlate_lost(w->c), 1000 - 4 + 1000 - 2 + 1 + 1000);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_process_gives_its_oldest_where_nothing_is_open),
		TEST(where_something_is_open_on_each_the_next_has_no_place),
		TEST(who_comes_to_a_full_table_has_a_place_of_whom_has_most),
		TEST(a_flood_of_tracks_leaves_room_for_all_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
