// SPDX-License-Identifier: GPL-2.0-or-later
/* Numbers of the command line: what is not exactly a number is refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "numparse.h"

typedef int (*parse_fn)(const char *s, uint64_t min, uint64_t max, uint64_t *out);

struct number_case {
	const char *s;
	int ret;
	uint64_t value;
};

#define UNTOUCHED 0xdeadbeefULL

static void run_cases(parse_fn parse, const struct number_case *c, size_t n)
{
	uint64_t out;
	size_t i;
	int ret;

	for (i = 0; i < n; i++) {
		out = UNTOUCHED;
		ret = parse(c[i].s, 0, UINT64_MAX, &out);
		if (ret != c[i].ret || out != (ret ? UNTOUCHED : c[i].value))
			print_error("case \"%s\"\n", c[i].s ? c[i].s : "NULL");
		assert_int_equal(ret, c[i].ret);
		assert_true(out == (ret ? UNTOUCHED : c[i].value));
	}
}

#define RUN_CASES(parse, cases) run_cases(parse, cases, sizeof(cases) / sizeof((cases)[0]))

/* clang-format off */
static void a_number_is_digits_and_nothing_else(void **state)
{
	static const struct number_case cases[] = {
		{ "0", 0, 0 },
		{ "4242", 0, 4242 },
		{ "0007", 0, 7 },
		{ "18446744073709551615", 0, UINT64_MAX },
		{ "18446744073709551616", -ERANGE, 0 },
		{ "18446744073709551620", -ERANGE, 0 },
		{ "99999999999999999999999999", -ERANGE, 0 },
		{ NULL, -EINVAL, 0 },
		{ "", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "+1", -EINVAL, 0 },
		{ " 1", -EINVAL, 0 },
		{ "1 ", -EINVAL, 0 },
		{ "1\n", -EINVAL, 0 },
		{ "1x", -EINVAL, 0 },
		{ "x1", -EINVAL, 0 },
		{ "0x10", -EINVAL, 0 },
		{ "1.5", -EINVAL, 0 },
		{ "1,000", -EINVAL, 0 },
		{ "1e3", -EINVAL, 0 },
		{ "12K", -EINVAL, 0 },
		{ "99999999999999999999999999x", -EINVAL, 0 },
		{ "\xd9\xa1", -EINVAL, 0 },
	};

	(void)state;
	RUN_CASES(parse_u64, cases);
}

static void a_size_may_have_one_suffix(void **state)
{
	static const struct number_case cases[] = {
		{ "0", 0, 0 },
		{ "512", 0, 512 },
		{ "64K", 0, 65536 },
		{ "64k", 0, 65536 },
		{ "1M", 0, 1048576 },
		{ "2G", 0, 2147483648ULL },
		{ "17179869183G", 0, 17179869183ULL << 30 },
		{ "17179869184G", -ERANGE, 0 },
		{ "18446744073709551616K", -ERANGE, 0 },
		{ "K", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
		{ "1 K", -EINVAL, 0 },
		{ "1KB", -EINVAL, 0 },
		{ "1KK", -EINVAL, 0 },
		{ "1T", -EINVAL, 0 },
		{ "-1K", -EINVAL, 0 },
		{ "1.5M", -EINVAL, 0 },
	};

	(void)state;
	RUN_CASES(parse_size, cases);
}

static void a_duration_has_a_unit(void **state)
{
	static const struct number_case cases[] = {
		{ "0s", 0, 0 },
		{ "7ns", 0, 7 },
		{ "5us", 0, 5000 },
		{ "250ms", 0, 250000000ULL },
		{ "1s", 0, 1000000000ULL },
		{ "2m", 0, 120000000000ULL },
		{ "1h", 0, 3600000000000ULL },
		{ "18446744073s", 0, 18446744073000000000ULL },
		{ "18446744074s", -ERANGE, 0 },
		{ "1", -EINVAL, 0 },
		{ "0", -EINVAL, 0 },
		{ "ms", -EINVAL, 0 },
		{ "1S", -EINVAL, 0 },
		{ "1 s", -EINVAL, 0 },
		{ "1sec", -EINVAL, 0 },
		{ "1m30s", -EINVAL, 0 },
		{ "-1s", -EINVAL, 0 },
		{ "0.5s", -EINVAL, 0 },
	};

	(void)state;
	RUN_CASES(parse_duration_ns, cases);
}
/* clang-format on */

static void a_number_outside_its_limits_is_out_of_range(void **state)
{
	uint64_t out = UNTOUCHED;

	(void)state;
	assert_int_equal(parse_u64("0", 1, 65535, &out), -ERANGE);
	assert_int_equal(parse_u64("65536", 1, 65535, &out), -ERANGE);
	assert_true(out == UNTOUCHED);
	assert_int_equal(parse_u64("1", 1, 65535, &out), 0);
	assert_int_equal(out, 1);
	assert_int_equal(parse_u64("65535", 1, 65535, &out), 0);
	assert_int_equal(out, 65535);
	/* Limits are in the unit of the result, not of the text. */
	assert_int_equal(parse_size("4K", 4096, 4096, &out), 0);
	assert_int_equal(parse_duration_ns("1ms", 1000001, UINT64_MAX, &out), -ERANGE);
}

static void seconds_may_have_decimals(void **state)
{
	static const struct {
		const char *s;
		int ret;
		uint64_t ns;
	} cases[] = {{"1", 0, 1000000000},
		     {"0.5", 0, 500000000},
		     {"2.25", 0, 2250000000},
		     {"0.000000001", 0, 1},
		     {"0.0000000001", -EINVAL, 0},
		     {".5", -EINVAL, 0},
		     {"5.", -EINVAL, 0},
		     {"1s", -EINVAL, 0},
		     {"1.5.2", -EINVAL, 0},
		     {"-1", -EINVAL, 0},
		     {"", -EINVAL, 0},
		     {"101", -ERANGE, 0},
		     {"99999999999999999999999", -ERANGE, 0},
		     {"999999999999999999999999999999", -EINVAL, 0}};
	uint64_t out;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		out = 0;
		assert_int_equal(parse_seconds_ns(cases[i].s, 1, 100000000000ULL, &out),
				 cases[i].ret);
		assert_int_equal(out, cases[i].ns);
	}
	assert_int_equal(parse_seconds_ns(NULL, 0, 1, &out), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(seconds_may_have_decimals),
		cmocka_unit_test(a_number_is_digits_and_nothing_else),
		cmocka_unit_test(a_size_may_have_one_suffix),
		cmocka_unit_test(a_duration_has_a_unit),
		cmocka_unit_test(a_number_outside_its_limits_is_out_of_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
