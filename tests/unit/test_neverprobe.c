// SPDX-License-Identifier: GPL-2.0-or-later
/* Executables that are never probed, by their names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

#include "neverprobe.h"

static void clickhouse_is_never_probed_under_any_of_its_names(void **state)
{
	(void)state;
	assert_true(neverprobe_name(NULL, "clickhouse"));
	assert_true(neverprobe_name(NULL, "clickhouse-server"));
	assert_true(neverprobe_name(NULL, "clickhouse-keeper"));
	assert_false(neverprobe_name(NULL, "python3.11"));
	assert_false(neverprobe_name(NULL, "my-clickhouse"));
	assert_false(neverprobe_name(NULL, ""));
}

static void names_and_patterns_of_a_user_are_added(void **state)
{
	const struct neverprobe n = {.names = {"trader", "risk-*"}, .n = 2};
	const struct neverprobe none = {.n = 0};

	(void)state;
	assert_true(neverprobe_name(&n, "trader"));
	assert_true(neverprobe_name(&n, "risk-engine"));
	assert_true(neverprobe_name(&n, "clickhouse"));
	assert_false(neverprobe_name(&n, "trader2"));
	assert_true(neverprobe_asked(&n));
	assert_false(neverprobe_asked(&none));
	assert_false(neverprobe_asked(NULL));
}

static void a_process_is_asked_for_its_executable(void **state)
{
	const struct neverprobe us = {.names = {"neverprobe"}, .n = 1};

	(void)state;
	assert_false(neverprobe_is(NULL, (uint32_t)getpid()));
	assert_true(neverprobe_is(&us, (uint32_t)getpid()));
	/* Above the kernel's largest process ID. */
	assert_true(neverprobe_is(NULL, (1u << 22) + 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clickhouse_is_never_probed_under_any_of_its_names),
		cmocka_unit_test(names_and_patterns_of_a_user_are_added),
		cmocka_unit_test(a_process_is_asked_for_its_executable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
