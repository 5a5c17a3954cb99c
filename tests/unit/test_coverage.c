// SPDX-License-Identifier: GPL-2.0-or-later
/* How far a process is watched: what follows from facts, what is told when, what is counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "coverage.h"
#include "../bpf/events.h"

#define S 1000000000ULL

struct fixture {
	struct coverage *c;
	struct coverage_report last;
	int told;
};

static void on_report(void *ctx, const struct coverage_report *r)
{
	struct fixture *x = ctx;

	x->last = *r;
	x->told++;
}

static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	if (!x)
		return -1;
	x->c = coverage_new(on_report, x);
	*state = x;
	return x->c ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	coverage_free(x->c);
	free(x);
	return 0;
}

static void take(struct fixture *x, uint64_t now, uint32_t pid, uint32_t id, const char *name,
		 uint32_t rt, uint32_t bits)
{
	const struct coverage_facts f = {.state = rt, .bits = bits};

	coverage_take(x->c, now, pid, id, name, &f);
}

/* ---- rules ---- */

static void each_state_of_a_runtime_has_its_level_and_its_reason(void **state)
{
	static const struct {
		uint32_t rt, bits;
		enum coverage_level level;
		enum coverage_reason reason;
	} rows[] = {
		{RT_NONE, 0, COVERAGE_FULL, COVERED_THREADS},
		{RT_READY, FACT_PROVED, COVERAGE_FULL, COVERED_TASKS},
		{RT_GO, FACT_PROVED | FACT_GO, COVERAGE_FULL, COVERED_GOROUTINES},
		/* A proof is worth more than another runtime that is mapped, too. */
		{RT_READY, FACT_PROVED | FACT_NO_OWNERS, COVERAGE_FULL, COVERED_TASKS},
		{RT_READY, 0, COVERAGE_THREAD, COVERED_UNPROVED},
		/* That a probe is there says nothing of tasks. */
		{RT_READY, FACT_PROBED, COVERAGE_THREAD, COVERED_UNPROVED},
		{RT_GO, FACT_GO, COVERAGE_THREAD, COVERED_UNPROVED},
		{RT_READY, FACT_NO_OWNERS, COVERAGE_THREAD, COVERED_NO_OWNERS},
		{RT_NONE, FACT_GO, COVERAGE_THREAD, COVERED_LAYOUT},
		{RT_PROBED, FACT_PROBED, COVERAGE_THREAD, COVERED_PROBED},
		{RT_NONE, FACT_NO_OWNERS, COVERAGE_THREAD, COVERED_NO_OWNERS},
		{RT_NONE, FACT_EVENT_LOOP, COVERAGE_THREAD, COVERED_LOOP},
		{RT_NONE, FACT_EVENT_LOOP | FACT_NO_OWNERS, COVERAGE_THREAD, COVERED_NO_OWNERS},
		{RT_BLIND, 0, COVERAGE_BLIND, COVERED_RUNTIME},
		{RT_PROBED, 0, COVERAGE_BLIND, COVERED_RUNTIME},
		{RT_WAITING, 0, COVERAGE_BLIND, COVERED_STARTING},
		{RT_UNKNOWN, 0, COVERAGE_BLIND, COVERED_STARTING},
		/* What could not be looked into is not one of threads. */
		{RT_NONE, FACT_UNREADABLE, COVERAGE_BLIND, COVERED_UNREADABLE},
		{RT_UNKNOWN, FACT_GONE, COVERAGE_BLIND, COVERED_GONE},
		{RT_READY, FACT_PROVED | FACT_NO_ROOM, COVERAGE_BLIND, COVERED_NO_ROOM},
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct coverage_facts f = {.state = rows[i].rt, .bits = rows[i].bits};
		struct coverage_verdict v = coverage_judge(&f, false, false, false);

		if (v.level != rows[i].level || v.reason != rows[i].reason)
			fail_msg("row %zu: %s, %s", i, coverage_names[v.level],
				 coverage_reason_names[v.reason]);
	}
}

static void a_process_none_of_whose_connections_can_be_judged_is_blind(void **state)
{
	const struct coverage_facts f = {.state = RT_READY, .bits = FACT_PROVED};

	(void)state;
	assert_int_equal(coverage_judge(&f, true, false, true).reason, COVERED_ADOPTED);
	assert_int_equal(coverage_judge(&f, true, false, false).reason, COVERED_GAP);
	assert_int_equal(coverage_judge(&f, true, true, true).reason, COVERED_TASKS);
}

static void runtimes_are_known_by_the_names_of_files(void **state)
{
	(void)state;
	assert_string_equal(coverage_runtime_of("/usr/bin/node"), "node");
	assert_string_equal(coverage_runtime_of("/usr/lib/x86_64-linux-gnu/libnode.so.108"),
			    "node");
	assert_string_equal(coverage_runtime_of("/usr/lib/libruby-3.1.so.3.1.2"), "ruby");
	assert_string_equal(coverage_runtime_of("/opt/jdk/lib/server/libjvm.so"), "jvm");
	assert_string_equal(coverage_runtime_of("/usr/bin/php8.2"), "php");
	assert_string_equal(coverage_runtime_of("/usr/lib/erlang/erts/bin/beam.smp"), "erlang");
	assert_string_equal(
		coverage_runtime_of("/v/greenlet/_greenlet.cpython-311-x86_64-linux-gnu.so"),
		"greenlet");
	/* A whole name is meant, and no folder. */
	assert_null(coverage_runtime_of("/usr/bin/node_exporter"));
	assert_null(coverage_runtime_of("/usr/bin/bunzip2"));
	assert_null(coverage_runtime_of("/opt/node/bin/redis-cli"));
	assert_null(coverage_runtime_of("/usr/bin/redis-cli"));
	assert_null(coverage_runtime_of(""));
}

static void a_sentence_names_the_runtime_and_says_why(void **state)
{
	struct coverage_facts f = {
		.state = RT_NONE, .bits = FACT_GO, .runtime = "go", .version = "1.99"};
	char text[COVERAGE_TEXT];

	(void)state;
	strcpy(f.note, "no layout");
	coverage_sentence(coverage_judge(&f, false, false, false), &f, text, sizeof(text));
	assert_string_equal(text, "go 1.99: the tasks of this version cannot be read: threads are "
				  "owners (no layout)");
	/* CPython that has not loaded asyncio has threads, and nothing to add. */
	f.bits = 0;
	coverage_sentence(coverage_judge(&f, false, false, false), &f, text, sizeof(text));
	assert_string_equal(text, "no runtime with tasks was found, so threads are owners");
}

static void the_longest_sentence_fits(void **state)
{
	struct coverage_facts f;
	char text[COVERAGE_TEXT], longer[2 * COVERAGE_TEXT];
	int i;

	(void)state;
	memset(&f, 'x', sizeof(f));
	f.runtime[sizeof(f.runtime) - 1] = f.version[sizeof(f.version) - 1] = 0;
	f.note[sizeof(f.note) - 1] = 0;
	for (i = 0; i < COVERED_REASONS; i++) {
		const struct coverage_verdict v = {COVERAGE_BLIND, (enum coverage_reason)i};

		coverage_sentence(v, &f, text, sizeof(text));
		coverage_sentence(v, &f, longer, sizeof(longer));
		assert_string_equal(text, longer);
	}
}

/* ---- processes ---- */

static void what_a_process_goes_through_in_its_first_second_is_told_once(void **state)
{
	struct fixture *x = *state;

	take(x, 5 * S, 10, 1, "python3.11", RT_WAITING, 0);
	take(x, 5 * S + 1, 10, 1, "python3.11", RT_READY, 0);
	take(x, 5 * S + 2, 10, 1, "python3.11", RT_READY, FACT_PROVED);
	coverage_tick(x->c, 6 * S - 1);
	assert_int_equal(x->told, 0);
	coverage_tick(x->c, 6 * S);
	coverage_tick(x->c, 7 * S);
	assert_int_equal(x->told, 1);
	assert_int_equal(x->last.pid, 10);
	assert_int_equal(x->last.now.reason, COVERED_TASKS);
	assert_int_equal(x->last.before.level, COVERAGE_NONE);
	assert_string_equal(x->last.name, "python3.11");
}

static void a_change_is_told_at_once_and_says_what_was_before(void **state)
{
	struct fixture *x = *state;

	take(x, S, 10, 1, "a", RT_READY, 0);
	coverage_tick(x->c, 2 * S);
	take(x, 9 * S, 10, 1, "a", RT_READY, 0);
	assert_int_equal(x->told, 1);
	take(x, 9 * S, 10, 1, "a", RT_READY, FACT_PROVED);
	assert_int_equal(x->told, 2);
	assert_int_equal(x->last.now.level, COVERAGE_FULL);
	assert_int_equal(x->last.before.level, COVERAGE_THREAD);
}

static void a_process_that_ends_early_is_told_at_its_end(void **state)
{
	struct coverage_counts n;
	struct fixture *x = *state;

	take(x, S, 10, 1, "a", RT_NONE, 0);
	coverage_end(x->c, S + 5, 10, 2); /* another one's end */
	assert_int_equal(x->told, 0);
	coverage_end(x->c, S + 5, 10, 1);
	coverage_end(x->c, S + 6, 10, 1);
	assert_int_equal(x->told, 1);
	coverage_tick(x->c, 5 * S);
	assert_int_equal(x->told, 1);
	coverage_count(x->c, &n);
	assert_int_equal(n.all[COVERAGE_FULL], 1);
	assert_int_equal(n.now[COVERAGE_FULL], 0);
}

static void the_end_of_a_run_tells_what_is_not_settled(void **state)
{
	struct fixture *x = *state;

	take(x, S, 10, 1, "a", RT_NONE, FACT_UNREADABLE);
	take(x, S, 11, 2, "b", RT_NONE, 0);
	coverage_finish(x->c, S + 1);
	assert_int_equal(x->told, 2);
	coverage_finish(x->c, S + 2);
	assert_int_equal(x->told, 2);
}

static void a_number_that_is_anothers_now_is_two_processes(void **state)
{
	struct coverage_counts n;
	struct fixture *x = *state;

	take(x, S, 10, 1, "a", RT_BLIND, 0);
	take(x, S, 10, 4, "b", RT_NONE, 0);
	/* What comes late of the first one changes nothing. */
	take(x, S, 10, 1, "a", RT_NONE, FACT_GONE);
	coverage_count(x->c, &n);
	assert_int_equal(n.all[COVERAGE_BLIND], 1);
	assert_int_equal(n.now[COVERAGE_BLIND], 0);
	assert_int_equal(n.now[COVERAGE_FULL], 1);
	assert_int_equal(coverage_of(x->c, 10, 4).reason, COVERED_THREADS);
	assert_int_equal(coverage_of(x->c, 10, 1).level, COVERAGE_NONE);
}

static void one_connection_that_can_be_judged_is_enough(void **state)
{
	struct fixture *x = *state;

	take(x, S, 10, 1, "a", RT_NONE, 0);
	coverage_connection(x->c, S, 10, 1, false, true);
	coverage_connection(x->c, S, 10, 7, true, true); /* not this one's */
	assert_int_equal(coverage_of(x->c, 10, 1).reason, COVERED_ADOPTED);
	coverage_connection(x->c, S, 10, 1, true, true);
	assert_int_equal(coverage_of(x->c, 10, 1).reason, COVERED_THREADS);
	coverage_connection(x->c, S, 10, 1, false, false);
	assert_int_equal(coverage_of(x->c, 10, 1).reason, COVERED_THREADS);
}

static void many_short_lives_are_counted_and_few_of_them_told(void **state)
{
	struct coverage_counts n;
	struct fixture *x = *state;
	uint32_t i;

	for (i = 1; i <= 1000; i++) {
		take(x, S, i, i, "curl", RT_NONE, 0);
		coverage_end(x->c, S, i, i);
	}
	coverage_count(x->c, &n);
	assert_int_equal(x->told, 256);
	assert_int_equal(n.untold, 744);
	assert_int_equal(n.all[COVERAGE_FULL], 1000);
	/* Silence is not for ever: a second is one more. */
	for (; i <= 1010; i++) {
		take(x, 4 * S, i, i, "curl", RT_NONE, 0);
		coverage_end(x->c, 4 * S, i, i);
	}
	assert_int_equal(x->told, 259);
}

static void groups_come_with_what_hides_most_first(void **state)
{
	struct coverage_group g[8];
	struct fixture *x = *state;
	uint32_t i;

	take(x, S, 1, 1, "one", RT_NONE, 0);
	for (i = 2; i < 5; i++)
		take(x, S, i, i, "node", RT_NONE, FACT_NO_OWNERS);
	take(x, S, 5, 5, "ruby", RT_NONE, FACT_NO_OWNERS);
	take(x, S, 6, 6, "odd", RT_NONE, FACT_UNREADABLE);
	/* One that changes leaves its group. */
	take(x, S, 7, 7, "late", RT_BLIND, 0);
	take(x, S, 7, 7, "late", RT_READY, FACT_PROVED);
	assert_int_equal(coverage_groups(x->c, g, 8), 5);
	assert_string_equal(g[0].name, "odd");
	assert_int_equal(g[0].v.level, COVERAGE_BLIND);
	assert_string_equal(g[1].name, "node");
	assert_int_equal(g[1].processes, 3);
	assert_string_equal(g[2].name, "ruby");
	assert_int_equal(coverage_groups(x->c, g, 2), 2);
}

static void names_without_end_are_counted_together(void **state)
{
	static struct coverage_group g[2 * COVERAGE_GROUPS];
	struct fixture *x = *state;
	uint64_t sum = 0;
	char name[32];
	size_t n, i;

	for (i = 1; i <= 1000; i++) {
		snprintf(name, sizeof(name), "name-%zu", i);
		take(x, S, (uint32_t)i, (uint32_t)i, name, RT_NONE, 0);
	}
	n = coverage_groups(x->c, g, 2 * COVERAGE_GROUPS);
	assert_true(n <= COVERAGE_GROUPS);
	for (i = 0; i < n; i++)
		sum += g[i].processes;
	assert_int_equal(sum, 1000);
}

static void strings_of_a_recording_need_no_end(void **state)
{
	struct fixture *x = *state;
	struct coverage_facts f;

	memset(&f, 'x', sizeof(f));
	coverage_take(x->c, S, 1, 1, "a", &f);
	coverage_finish(x->c, S);
	assert_int_equal(strlen(x->last.runtime), sizeof(f.runtime) - 1);
}

int main(void)
{
	const struct CMUnitTest pure[] = {
		cmocka_unit_test(each_state_of_a_runtime_has_its_level_and_its_reason),
		cmocka_unit_test(a_process_none_of_whose_connections_can_be_judged_is_blind),
		cmocka_unit_test(runtimes_are_known_by_the_names_of_files),
		cmocka_unit_test(a_sentence_names_the_runtime_and_says_why),
		cmocka_unit_test(the_longest_sentence_fits),
	};
	const struct CMUnitTest kept[] = {
		cmocka_unit_test_setup_teardown(
			what_a_process_goes_through_in_its_first_second_is_told_once, setup,
			teardown),
		cmocka_unit_test_setup_teardown(a_change_is_told_at_once_and_says_what_was_before,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_process_that_ends_early_is_told_at_its_end, setup,
						teardown),
		cmocka_unit_test_setup_teardown(the_end_of_a_run_tells_what_is_not_settled, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_number_that_is_anothers_now_is_two_processes,
						setup, teardown),
		cmocka_unit_test_setup_teardown(one_connection_that_can_be_judged_is_enough, setup,
						teardown),
		cmocka_unit_test_setup_teardown(many_short_lives_are_counted_and_few_of_them_told,
						setup, teardown),
		cmocka_unit_test_setup_teardown(groups_come_with_what_hides_most_first, setup,
						teardown),
		cmocka_unit_test_setup_teardown(names_without_end_are_counted_together, setup,
						teardown),
		cmocka_unit_test_setup_teardown(strings_of_a_recording_need_no_end, setup,
						teardown),
	};
	int failed = cmocka_run_group_tests(pure, NULL, NULL);

	return cmocka_run_group_tests(kept, NULL, NULL) + failed;
}
