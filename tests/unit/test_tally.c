// SPDX-License-Identifier: GPL-2.0-or-later
/* Findings are counted, not repeated: what is told whole, what as a count, and that all adds up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tally.h"

#define MS	 1000000ULL
#define S	 (1000 * MS)
#define BEGIN	 (100 * S)
#define TOLD_MAX 64
#define UID	 1000

struct world {
	struct tally *tally;
	struct finding told[TOLD_MAX];
	struct finding_sum sums[TOLD_MAX];
	size_t n_told, n_sums;
	uint64_t findings, wholes, updates, connections; /* as told */
};

static void on_finding(void *ctx, const struct finding *f)
{
	struct world *w = ctx;

	if (w->n_told < TOLD_MAX)
		w->told[w->n_told] = *f;
	w->n_told++;
	w->findings += f->count;
	if (f->update)
		w->updates++;
	else
		w->wholes++;
}

static void on_sum(void *ctx, const struct finding_sum *s)
{
	struct world *w = ctx;

	assert_true(w->n_sums < TOLD_MAX);
	w->sums[w->n_sums++] = *s;
	w->findings += s->count;
	w->connections += s->connections;
}

static struct world *world_of(struct tally_opts o)
{
	struct world *w = calloc(1, sizeof(*w));
	struct tally_told told = {.finding = on_finding, .sum = on_sum, .ctx = w};

	assert_non_null(w);
	w->tally = tally_new(&o, &told);
	assert_non_null(w->tally);
	return w;
}

static void end_of(struct world *w)
{
	tally_free(w->tally);
	free(w);
}

static struct finding of(uint64_t cookie, enum confidence confidence, uint64_t now)
{
	struct finding f = {.verdict = VERDICT_REUSED,
			    .confidence = confidence,
			    .reuse = REUSE_UNREAD,
			    .cancel = CANCEL_UNSEEN,
			    .time_ns = now,
			    .pid = 42,
			    .proc_id = 7,
			    .comm = "client",
			    .cookie = cookie,
			    .requests = now / S,
			    .n_timeline = 1};

	return f;
}

static void say(struct world *w, struct finding f)
{
	tally_finding(w->tally, &f, UID);
}

static void the_first_is_whole_and_the_rest_are_counted_once_a_minute(void **state)
{
	struct world *w = world_of((struct tally_opts){0});
	uint64_t at;

	(void)state;
	/* Two minutes and a half, ten a second. */
	for (at = 0; at < 1500; at++) {
		say(w, of(1, CONF_SUSPECT, BEGIN + at * 100 * MS));
		tally_tick(w->tally, BEGIN + at * 100 * MS);
	}
	assert_int_equal(w->n_told, 3);
	assert_false(w->told[0].update);
	assert_int_equal(w->told[0].count, 1);
	assert_int_equal(w->told[0].total, 1);
	assert_int_equal(w->told[0].n_timeline, 1);
	assert_true(w->told[1].update);
	assert_int_equal(w->told[1].count, 600);
	assert_int_equal(w->told[1].total, 601);
	assert_int_equal(w->told[1].first_ns, BEGIN);
	assert_int_equal(w->told[1].time_ns, BEGIN + 60 * S);
	assert_int_equal(w->told[1].requests, (BEGIN + 60 * S) / S);
	assert_int_equal(w->told[1].n_timeline, 0);
	assert_int_equal(w->told[2].total, 1201);
	tally_finish(w->tally);
	assert_int_equal(w->n_told, 4);
	assert_int_equal(w->told[3].total, 1500);
	assert_int_equal(w->findings, 1500);
	tally_finish(w->tally);
	assert_int_equal(w->n_told, 4);
	end_of(w);
}

static void what_came_after_the_last_word_is_told_by_the_clock(void **state)
{
	struct world *w = world_of((struct tally_opts){0});

	(void)state;
	say(w, of(1, CONF_LIKELY, BEGIN));
	say(w, of(1, CONF_LIKELY, BEGIN + S));
	tally_tick(w->tally, BEGIN + 59 * S);
	assert_int_equal(w->n_told, 1);
	tally_tick(w->tally, BEGIN + 60 * S);
	assert_int_equal(w->n_told, 2);
	assert_int_equal(w->told[1].count, 1);
	assert_int_equal(w->told[1].time_ns, BEGIN + S);
	tally_tick(w->tally, BEGIN + 200 * S);
	assert_int_equal(w->n_told, 2);
	end_of(w);
}

static void what_is_worse_or_surer_is_told_whole_at_once(void **state)
{
	struct world *w = world_of((struct tally_opts){0});
	struct finding f = of(1, CONF_SUSPECT, BEGIN);

	(void)state;
	f.verdict = VERDICT_DIRTY;
	f.reuse = REUSE_NONE;
	say(w, f);
	say(w, of(1, CONF_SUSPECT, BEGIN + 1));
	say(w, of(1, CONF_LIKELY, BEGIN + 2));
	say(w, of(1, CONF_CERTAIN, BEGIN + 3));
	f = of(1, CONF_CERTAIN, BEGIN + 4);
	f.reuse = REUSE_OUTSTANDING;
	say(w, f);
	f.cancel = CANCEL_SIGNAL;
	say(w, f);
	say(w, of(2, CONF_SUSPECT, BEGIN + 5));
	assert_int_equal(w->wholes, 7);
	/* Back at what was told before, nothing is new. */
	say(w, of(1, CONF_SUSPECT, BEGIN + 6));
	assert_int_equal(w->n_told, 7);
	end_of(w);
}

static void the_end_of_a_connection_tells_its_last_counts(void **state)
{
	struct world *w = world_of((struct tally_opts){0});

	(void)state;
	say(w, of(1, CONF_SUSPECT, BEGIN));
	say(w, of(1, CONF_SUSPECT, BEGIN + 1));
	say(w, of(1, CONF_SUSPECT, BEGIN + 2));
	say(w, of(1, CONF_LIKELY, BEGIN + 3));
	say(w, of(2, CONF_SUSPECT, BEGIN + 4));
	tally_closed(w->tally, 1);
	assert_int_equal(w->n_told, 4);
	assert_true(w->told[3].update);
	assert_int_equal(w->told[3].cookie, 1);
	assert_int_equal(w->told[3].confidence, CONF_SUSPECT);
	assert_int_equal(w->told[3].count, 2);
	tally_closed(w->tally, 1);
	tally_closed(w->tally, 3);
	assert_int_equal(w->n_told, 4);
	end_of(w);
}

/* So many whole ones at once, one a second then; the rest in one sum a second. */
static const struct tally_opts few = {
	.process = {[TALLY_SUSPECT] = {3, 1}, [TALLY_ALARM] = {5, 1}},
	.user = {[TALLY_SUSPECT] = {4, 1}, [TALLY_ALARM] = {7, 1}},
};

static void too_many_of_a_process_are_summed(void **state)
{
	struct world *w = world_of(few);
	uint64_t cookie;

	(void)state;
	for (cookie = 1; cookie <= 20; cookie++)
		say(w, of(cookie, CONF_SUSPECT, BEGIN + cookie));
	/* One of them again: a finding, but no other connection. */
	say(w, of(20, CONF_SUSPECT, BEGIN + 21));
	say(w, of(1, CONF_SUSPECT, BEGIN + 22));
	assert_int_equal(w->n_told, 3);
	assert_int_equal(w->n_sums, 0);
	tally_tick(w->tally, BEGIN + 30);
	assert_int_equal(w->n_sums, 1);
	assert_int_equal(w->sums[0].count, 18);
	assert_int_equal(w->sums[0].connections, 17);
	assert_int_equal(w->sums[0].verdict, VERDICT_REUSED);
	assert_int_equal(w->sums[0].confidence, CONF_SUSPECT);
	assert_int_equal(w->sums[0].pid, 42);
	assert_int_equal(w->sums[0].uid, UID);
	assert_string_equal(w->sums[0].comm, "client");
	assert_int_equal(w->sums[0].first_ns, BEGIN + 4);
	assert_int_equal(w->sums[0].time_ns, BEGIN + 21);
	say(w, of(21, CONF_SUSPECT, BEGIN + 40));
	tally_tick(w->tally, BEGIN + 50);
	assert_int_equal(w->n_sums, 1); /* one a second */
	tally_finish(w->tally);
	assert_int_equal(w->findings, 23);
	assert_int_equal(w->n_sums, 2);
	end_of(w);
}

static void suspects_take_no_room_from_what_is_likely(void **state)
{
	struct world *w = world_of(few);
	uint64_t cookie;

	(void)state;
	for (cookie = 1; cookie <= 20; cookie++)
		say(w, of(cookie, CONF_SUSPECT, BEGIN));
	for (cookie = 1; cookie <= 20; cookie++)
		say(w, of(cookie, cookie % 2 ? CONF_LIKELY : CONF_CERTAIN, BEGIN));
	assert_int_equal(w->wholes, 3 + 5);
	tally_finish(w->tally);
	assert_int_equal(w->n_sums, 3);
	assert_int_equal(w->findings, 40);
	end_of(w);
}

static void one_process_takes_no_room_from_another_and_a_user_has_a_limit(void **state)
{
	struct world *w = world_of(few);
	struct finding f = of(1, CONF_LIKELY, BEGIN);
	uint32_t pid;

	(void)state;
	/* Ten processes of one user. */
	for (pid = 1; pid <= 10; pid++) {
		f.pid = pid;
		f.cookie = pid;
		tally_finding(w->tally, &f, UID);
		f.cookie = 100 + pid;
		tally_finding(w->tally, &f, UID);
	}
	assert_int_equal(w->wholes, 7);
	/* Of another one. */
	f.pid = 50;
	f.cookie = 50;
	tally_finding(w->tally, &f, UID + 1);
	assert_int_equal(w->wholes, 8);
	tally_finish(w->tally);
	assert_int_equal(w->findings, 21);
	end_of(w);
}

static void who_was_only_counted_is_told_whole_when_there_is_room(void **state)
{
	struct world *w = world_of(few);
	uint64_t cookie;

	(void)state;
	for (cookie = 1; cookie <= 6; cookie++)
		say(w, of(cookie, CONF_LIKELY, BEGIN));
	assert_int_equal(w->wholes, 5);
	tally_tick(w->tally, BEGIN + S);
	assert_int_equal(w->n_sums, 1);
	say(w, of(6, CONF_LIKELY, BEGIN + 2 * S));
	assert_int_equal(w->wholes, 6);
	assert_int_equal(w->told[5].cookie, 6);
	assert_int_equal(w->told[5].count, 1);
	assert_int_equal(w->told[5].total, 2);
	assert_int_equal(w->told[5].first_ns, BEGIN);
	assert_int_equal(w->findings, 7);
	end_of(w);
}

static void a_full_table_loses_no_count(void **state)
{
	struct world *w = world_of((struct tally_opts){.max_connections = 4, .max_processes = 2});
	struct finding f;
	uint64_t n = 0;
	uint32_t i, round;

	(void)state;
	for (round = 0; round < 3; round++) {
		for (i = 0; i < 10; i++) {
			f = of(i, CONF_SUSPECT, BEGIN + round);
			f.pid = i;
			say(w, f);
			say(w, f);
			n += 2;
		}
	}
	tally_finish(w->tally);
	assert_int_equal(w->findings, n);
	/* None was there any more when it came again. */
	assert_int_equal(w->wholes, 30);
	end_of(w);
}

/* What is used stays, whatever passes by. */
static void the_least_recently_used_makes_room(void **state)
{
	struct world *w = world_of((struct tally_opts){.max_connections = 4});
	uint64_t cookie;

	(void)state;
	say(w, of(1, CONF_LIKELY, BEGIN));
	for (cookie = 2; cookie < 40; cookie++) {
		say(w, of(cookie, CONF_SUSPECT, BEGIN + cookie));
		say(w, of(1, CONF_LIKELY, BEGIN + cookie));
	}
	assert_int_equal(w->wholes, 39);
	tally_finish(w->tally);
	assert_int_equal(w->findings, 2 * 38 + 1);
	end_of(w);
}

static void a_process_that_is_quiet_is_forgotten_with_its_last_sum_told(void **state)
{
	struct world *w = world_of(few);
	uint64_t cookie;

	(void)state;
	for (cookie = 1; cookie <= 9; cookie++)
		say(w, of(cookie, CONF_SUSPECT, BEGIN));
	tally_tick(w->tally, BEGIN + 300 * S);
	assert_int_equal(w->findings, 9);
	/* And so much a second is as much as it says, however long it was quiet. */
	for (cookie = 21; cookie <= 40; cookie++)
		say(w, of(cookie, CONF_SUSPECT, BEGIN + 300 * S));
	assert_int_equal(w->wholes, 3 + 3);
	end_of(w);
}

/* A flood: 64 connections, each with 2,000 findings, anew every second for a minute. */
static void a_flood_is_a_few_lines_a_second(void **state)
{
	struct world *w = world_of((struct tally_opts){0});
	uint64_t now, n = 0, cookie = 1;
	int second, conn, i;

	(void)state;
	for (second = 0; second < 60; second++) {
		for (conn = 0; conn < 64; conn++, cookie++) {
			now = BEGIN + (uint64_t)second * S + (uint64_t)conn * MS;
			for (i = 0; i < 2000; i++, n++)
				say(w, of(cookie, CONF_SUSPECT, now));
			tally_closed(w->tally, cookie);
		}
		w->n_sums = 0;
		tally_tick(w->tally, BEGIN + (uint64_t)second * S + 999 * MS);
	}
	tally_finish(w->tally);
	assert_int_equal(w->findings, n);
	/* 300 at once and ten a second; as many last updates. */
	assert_true(w->wholes <= 300 + 60 * 10 + 10);
	assert_true(w->updates <= w->wholes);
	end_of(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_is_whole_and_the_rest_are_counted_once_a_minute),
		cmocka_unit_test(what_came_after_the_last_word_is_told_by_the_clock),
		cmocka_unit_test(what_is_worse_or_surer_is_told_whole_at_once),
		cmocka_unit_test(the_end_of_a_connection_tells_its_last_counts),
		cmocka_unit_test(too_many_of_a_process_are_summed),
		cmocka_unit_test(suspects_take_no_room_from_what_is_likely),
		cmocka_unit_test(one_process_takes_no_room_from_another_and_a_user_has_a_limit),
		cmocka_unit_test(who_was_only_counted_is_told_whole_when_there_is_room),
		cmocka_unit_test(a_full_table_loses_no_count),
		cmocka_unit_test(the_least_recently_used_makes_room),
		cmocka_unit_test(a_process_that_is_quiet_is_forgotten_with_its_last_sum_told),
		cmocka_unit_test(a_flood_is_a_few_lines_a_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
