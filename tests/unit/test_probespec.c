// SPDX-License-Identifier: GPL-2.0-or-later
/* What --cancel-at and --cancel-usdt take, and what they say to the rest. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "elfsyms_fixture.h"
#include "probespec.h"

static char file[64];
static char why[128];

static int make_file(void **state)
{
	struct image im;
	int fd;

	(void)state;
	strcpy(file, "/tmp/mispair-elf:XXXXXX"); /* a colon in its name, too */
	fd = mkstemp(file);
	image_make(&im);
	if (fd < 0 || write(fd, im.bytes, sizeof(im.bytes)) != (ssize_t)sizeof(im.bytes))
		return -1;
	return close(fd);
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(file);
}

static int parse(const char *rest, bool usdt, struct probespec *out)
{
	char text[1024];

	snprintf(text, sizeof(text), "%s%s", file, rest);
	why[0] = 0;
	return probespec_parse(text, usdt, out, why, sizeof(why));
}

static void a_function_is_looked_up_and_its_argument_noted(void **state)
{
	struct probespec p;

	(void)state;
	assert_int_equal(parse(":give_up:2", false, &p), 0);
	assert_string_equal(p.file, file);
	assert_string_equal(p.name, "give_up");
	assert_int_equal(p.arg, 2);
	assert_int_equal(p.n, 2);
	assert_int_equal(p.offsets[0], CODE_OFFSET);
	assert_int_equal(parse(":pthread_cancel", false, &p), 0);
	assert_int_equal(p.arg, 0);
	assert_int_equal(p.n, 1);
	assert_int_equal(parse(":context.(*cancelCtx).cancel:1", false, &p), 0);
	assert_int_equal(p.n, 1);
}

static void a_usdt_probe_is_looked_up_and_its_argument_noted(void **state)
{
	struct probespec p;

	(void)state;
	assert_int_equal(parse(":pool:gave_up:2", true, &p), 0);
	assert_string_equal(p.provider, "pool");
	assert_string_equal(p.name, "gave_up");
	assert_int_equal(p.arg, 2);
	assert_int_equal(parse(":pool:own", true, &p), 0);
	assert_int_equal(p.arg, 0);
}

static void what_does_not_fit_is_refused_with_a_reason(void **state)
{
	static const struct {
		const char *rest, *reason;
		bool usdt;
	} cases[] = {
		{":give_up:0", "1 to 6", false},
		{":give_up:7", "1 to 6", false},
		{":give_up:99999999999999999999999", "1 to 6", false},
		{":nobody", "no function of that name", false},
		{":helpe", "no function of that name", false},
		{":", "BINARY:SYMBOL", false},
		{":pool:gave_up:3", "only 2 arguments", true},
		{":pool:own:1", "only 0 arguments", true},
		{":pool:other", "no such probe", true},
		{":pool:", "BINARY:PROVIDER:NAME", true},
		{":gave_up:", "BINARY:PROVIDER:NAME", true},
		{"-not-there:give_up", "No such file", false},
	};
	struct probespec p;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(parse(cases[i].rest, cases[i].usdt, &p), -EINVAL);
		if (!strstr(why, cases[i].reason))
			fail_msg("'%s': \"%s\" does not say \"%s\"", cases[i].rest, why,
				 cases[i].reason);
	}
}

static void words_without_a_file_are_refused(void **state)
{
	static const char *const texts[] = {"",	   ":",		  "::",	   ":::", "give_up",
					    "1",   ":1",	  ":x",	   "x:1", ":x:1",
					    "/:x", "/dev/null:x", "/etc:x"};
	char long_text[2048];
	struct probespec p;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		why[0] = 0;
		assert_int_equal(probespec_parse(texts[i], i % 2, &p, why, sizeof(why)), -EINVAL);
		assert_true(why[0]);
	}
	for (i = 1; i < sizeof(long_text); i++) {
		memset(long_text, 'x', i - 1);
		long_text[i - 1] = 0;
		long_text[i / 2] = i > 2 ? ':' : 0;
		assert_int_equal(probespec_parse(long_text, false, &p, why, sizeof(why)), -EINVAL);
		assert_int_equal(probespec_parse(long_text, true, &p, why, sizeof(why)), -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_function_is_looked_up_and_its_argument_noted),
		cmocka_unit_test(a_usdt_probe_is_looked_up_and_its_argument_noted),
		cmocka_unit_test(what_does_not_fit_is_refused_with_a_reason),
		cmocka_unit_test(words_without_a_file_are_refused),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
