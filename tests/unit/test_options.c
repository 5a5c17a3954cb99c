// SPDX-License-Identifier: GPL-2.0-or-later
/* The command line: every option does what its help says, and a wrong word is named. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "options.h"

#define ARGS_MAX 64

/* What options_parse() said on standard error. */
static char said[4096];

static int parse_argv(struct options *o, enum command_bit cmd, int argc, char **argv)
{
	FILE *tmp = tmpfile();
	int keep = dup(2), ret;
	size_t n;

	assert_non_null(tmp);
	fflush(stderr);
	dup2(fileno(tmp), 2);
	ret = options_parse(o, cmd, argc, argv);
	fflush(stderr);
	dup2(keep, 2);
	close(keep);
	rewind(tmp);
	n = fread(said, 1, sizeof(said) - 1, tmp);
	said[n] = 0;
	fclose(tmp);
	return ret;
}

/* Words up to a NULL. The words live as long as the process, like those of main(). */
static int parse(struct options *o, enum command_bit cmd, const char *first, ...)
{
	static char *argv[ARGS_MAX];
	const char *s;
	int argc = 0;
	va_list ap;

	argv[argc++] = cmd == FOR_RUN ? "run" : "trace";
	va_start(ap, first);
	for (s = first; s && argc < ARGS_MAX - 1; s = va_arg(ap, const char *))
		argv[argc++] = (char *)(uintptr_t)s;
	va_end(ap);
	argv[argc] = NULL;
	return parse_argv(o, cmd, argc, argv);
}

#define TRACE(o, ...) parse(o, FOR_TRACE, __VA_ARGS__, (char *)NULL)
#define TOP(o, ...)   parse(o, FOR_TOP, __VA_ARGS__, (char *)NULL)
#define RUN(o, ...)   parse(o, FOR_RUN, __VA_ARGS__, (char *)NULL)

static void without_options_the_documented_defaults_hold(void **state)
{
	struct options o;

	(void)state;
	memset(&o, 0xff, sizeof(o));
	assert_int_equal(parse(&o, FOR_TRACE, NULL), 0);
	assert_null(o.json);
	assert_int_equal(o.fail_on, VERDICT_NONE);
	assert_false(o.strict || o.ledgers || o.verbose || o.quiet || o.ascii || o.no_timeline);
	assert_int_equal(o.color, -1);
	assert_int_equal(o.ring_size, 4u << 20);
	assert_int_equal(o.stats_ns, 10000000000ULL);
	assert_int_equal(o.duration_ns, 0);
	assert_int_equal(o.precise, PRECISE_AUTO);
	assert_null(o.tier);
	assert_int_equal(o.filters.n_pids + o.filters.n_comms + o.filters.n_ports +
				 o.filters.n_peers + o.filters.follow,
			 0);
	assert_string_equal(o.filter_text, "");
	assert_string_equal(said, "");
}

static void cancellations_are_looked_up_in_their_file(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(TRACE(&o, "--cancel-at", "/proc/self/exe:main:2",
			       "--cancel-at=/proc/self/"
			       "exe:main"),
			 0);
	assert_int_equal(o.n_cancels, 2);
	assert_false(o.cancels[0].usdt);
	assert_int_equal(o.cancels[0].arg, 2);
	assert_int_equal(o.cancels[0].n, 1);
	assert_string_equal(o.cancels[1].name, "main");
	assert_int_equal(o.cancels[1].arg, 0);
	assert_int_equal(TRACE(&o, "--cancel-at", "/proc/self/exe:no_such_function"), -EINVAL);
	assert_non_null(strstr(said, "--cancel-at '/proc/self/exe:no_such_function'"));
	assert_int_equal(TRACE(&o, "--cancel-usdt", "/proc/self/exe:p:n"), -EINVAL);
	assert_non_null(strstr(said, "--cancel-usdt '/proc/self/exe:p:n'"));
	assert_int_equal(parse(&o, FOR_REPLAY, "--cancel-at", "/proc/self/exe:main", (char *)NULL),
			 -EINVAL);
}

static void names_that_are_never_probed_are_added_up(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(TRACE(&o, "--never-probe", "trader", "--never-probe=risk-*"), 0);
	assert_int_equal(o.never_probe.n, 2);
	assert_string_equal(o.never_probe.names[1], "risk-*");
	assert_int_equal(TRACE(&o, "--never-probe", "/usr/bin/trader"), -EINVAL);
	assert_non_null(strstr(said, "--never-probe '/usr/bin/trader'"));
	assert_int_equal(TRACE(&o, "--never-probe="), -EINVAL);
	assert_int_equal(parse(&o, FOR_REPLAY, "--never-probe", "trader", (char *)NULL), -EINVAL);
}

static void too_many_cancellations_are_refused(void **state)
{
	char *argv[ARGS_MAX] = {(char *)"trace"};
	struct options o;
	int n;

	(void)state;
	for (n = 1; n <= PROBESPEC_MAX; n++)
		argv[n] = (char *)"--cancel-at=/proc/self/exe:main";
	assert_int_equal(parse_argv(&o, FOR_TRACE, n, argv), 0);
	assert_int_equal(o.n_cancels, PROBESPEC_MAX);
	argv[n] = argv[1];
	assert_int_equal(parse_argv(&o, FOR_TRACE, n + 1, argv), -EINVAL);
	assert_non_null(strstr(said, "too many"));
}

static void run_fails_on_reused_unless_told_otherwise(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(RUN(&o, "ls"), 0);
	assert_int_equal(o.fail_on, VERDICT_REUSED);
	assert_int_equal(o.found_status, EXIT_FOUND);
	assert_int_equal(RUN(&o, "--exit-code", "42", "ls"), 0);
	assert_int_equal(o.found_status, 42);
	assert_int_equal(RUN(&o, "--fail-on", "never", "ls"), 0);
	assert_int_equal(o.fail_on, VERDICT_NONE);
}

static void what_follows_the_options_is_the_command(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(RUN(&o, "--quiet", "--", "ls", "-l", "--json"), 0);
	assert_true(o.quiet);
	assert_null(o.json);
	assert_string_equal(o.command[0], "ls");
	assert_string_equal(o.command[1], "-l");
	assert_string_equal(o.command[2], "--json");
	assert_null(o.command[3]);
	/* The first word that is no option begins the command. */
	assert_int_equal(RUN(&o, "ls", "-h", "--strict"), 0);
	assert_string_equal(o.command[0], "ls");
	assert_false(o.strict);
	assert_int_equal(RUN(&o, "--", "--strict"), 0);
	assert_string_equal(o.command[0], "--strict");
}

static void run_without_a_command_is_an_error_that_says_how(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(parse(&o, FOR_RUN, NULL), -EINVAL);
	assert_non_null(strstr(said, "mispair run"));
	assert_int_equal(RUN(&o, "--"), -EINVAL);
	assert_int_equal(RUN(&o, "--quiet"), -EINVAL);
}

static void trace_takes_no_words(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(TRACE(&o, "--"), 0);
	assert_int_equal(TRACE(&o, "surplus"), -EINVAL);
	assert_non_null(strstr(said, "surplus"));
	assert_int_equal(TRACE(&o, "--quiet", "--", "--ascii"), -EINVAL);
	assert_non_null(strstr(said, "--ascii"));
}

static void help_is_asked_with_either_word(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(TRACE(&o, "-h"), 1);
	assert_int_equal(TRACE(&o, "--help"), 1);
	assert_int_equal(RUN(&o, "--quiet", "-h"), 1);
	assert_int_equal(RUN(&o, "--help", "ls"), 1);
	assert_string_equal(said, "");
}

static void switches_switch(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(TRACE(&o, "--strict", "--ledgers", "--verbose", "--quiet", "--ascii",
			       "--no-timeline"),
			 0);
	assert_true(o.strict && o.ledgers && o.verbose && o.quiet && o.ascii && o.no_timeline);
	assert_int_equal(TRACE(&o, "--strict=yes"), -EINVAL);
}

/* ---- values ---- */

struct value_case {
	const char *option, *value;
	bool good;
};

/* clang-format off */
static const struct value_case values[] = {
	{ "--json", "-", true },
	{ "--json", "/tmp/x", true },
	{ "--json", "", false },
	{ "--exit-code", "1", true },
	{ "--exit-code", "255", true },
	{ "--exit-code", "0", false },
	{ "--exit-code", "256", false },
	{ "--exit-code", "3x", false },
	{ "--fail-on", "reused", true },
	{ "--fail-on", "dirty", true },
	{ "--fail-on", "abandoned", true },
	{ "--fail-on", "never", true },
	{ "--fail-on", "Reused", false },
	{ "--fail-on", "reuse", false },
	{ "--fail-on", "leaked", false },
	{ "--fail-on", "", false },
	{ "--precise", "auto", true },
	{ "--precise", "always", true },
	{ "--precise", "never", true },
	{ "--precise", "sometimes", false },
	{ "--color", "auto", true },
	{ "--color", "always", true },
	{ "--color", "never", true },
	{ "--color", "red", false },
	{ "--ring-size", "4K", true },
	{ "--ring-size", "4096", true },
	{ "--ring-size", "256M", true },
	{ "--ring-size", "4095", false },
	{ "--ring-size", "257M", false },
	{ "--ring-size", "1T", false },
	{ "--ring-size", "-1", false },
	{ "--ring-size", "", false },
	{ "--stats", "0s", true },
	{ "--stats", "500ms", true },
	{ "--stats", "24h", true },
	{ "--stats", "25h", false },
	{ "--stats", "10", false },
	{ "--stats", "10 s", false },
	{ "--duration", "30s", true },
	{ "--duration", "1ns", true },
	{ "--duration", "0s", false },
	{ "--duration", "30", false },
	{ "--duration", "99999999999999999999h", false },
	{ "--hook", "tp_btf", true },
	{ "--hook", "fexit", true },
	{ "--hook", "kprobe", true },
	{ "--hook", "fentry", false },
	{ "--hook", "", false },
	{ "--without", "hrtimer_expire_entry", true },
	{ "--without", "hrtimer_start", true },
	{ "--without", "signal_deliver", true },
	{ "--without", "sock_send_length", false },
	{ "--port", "1", true },
	{ "--port", "65535", true },
	{ "--port", "0", false },
	{ "--port", "65536", false },
	{ "--port", "redis", false },
	{ "--port", "6379 ", false },
	{ "--port", "-1", false },
	{ "--peer", "10.0.0.9", true },
	{ "--peer", "::1", true },
	{ "--peer", "2001:db8::9", true },
	{ "--peer", "10.0.0", false },
	{ "--peer", "10.0.0.9/8", false },
	{ "--peer", "localhost", false },
	{ "--peer", "", false },
	{ "--comm", "python3", true },
	{ "--comm", "fifteen bytes..", true },
	{ "--comm", "sixteen bytes...", false },
	{ "--comm", "", false },
	{ "--pid", "0", false },
	{ "--pid", "4194305", false },
	{ "--pid", "self", false },
	{ "--pid", "1x", false },
};
/* clang-format on */

static void every_value_is_taken_or_refused_by_name(void **state)
{
	struct options o;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		const struct value_case *v = &values[i];
		int ret = TRACE(&o, v->option, v->value);

		if (ret != (v->good ? 0 : -EINVAL))
			fail_msg("%s '%s' gave %d", v->option, v->value, ret);
		if (v->good)
			assert_string_equal(said, "");
		else if (!strstr(said, v->option) || !strstr(said, v->value))
			fail_msg("%s '%s' is not named in: %s", v->option, v->value, said);
	}
}

static void every_option_that_wants_a_value_says_so(void **state)
{
	struct options o;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		assert_int_equal(TRACE(&o, values[i].option), -EINVAL);
		assert_non_null(strstr(said, values[i].option));
	}
	assert_int_equal(TRACE(&o, "-p"), -EINVAL);
	assert_non_null(strstr(said, "-p"));
}

static void values_arrive_where_they_belong(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(TRACE(&o, "--json", "-", "--fail-on", "dirty", "--precise", "always",
			       "--color", "never", "--ring-size", "64K", "--stats", "0s",
			       "--duration", "250ms", "--hook", "kprobe"),
			 0);
	assert_string_equal(o.json, "-");
	assert_int_equal(o.fail_on, VERDICT_DIRTY);
	assert_int_equal(o.precise, PRECISE_ALWAYS);
	assert_int_equal(o.color, 0);
	assert_int_equal(o.ring_size, 65536);
	assert_int_equal(o.stats_ns, 0);
	assert_int_equal(o.duration_ns, 250000000);
	assert_string_equal(o.tier, "kprobe");
	assert_int_equal(TRACE(&o, "--precise=never", "--color=always", "--fail-on=abandoned"), 0);
	assert_int_equal(o.precise, PRECISE_NEVER);
	assert_int_equal(o.color, 1);
	assert_int_equal(o.fail_on, VERDICT_ABANDONED);
	assert_int_equal(TRACE(&o, "--color", "always", "--color", "auto"), 0);
	assert_int_equal(o.color, -1);
}

static void an_unknown_option_is_named(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(TRACE(&o, "--nonsense"), -EINVAL);
	assert_non_null(strstr(said, "--nonsense"));
	assert_int_equal(TRACE(&o, "--quiet", "-x"), -EINVAL);
	assert_non_null(strstr(said, "-x"));
	assert_int_equal(TRACE(&o, "-xy"), -EINVAL);
	assert_non_null(strstr(said, "x"));
	assert_null(strstr(said, "'trace'"));
}

static void options_of_the_other_command_are_unknown(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(RUN(&o, "--pid", "1", "ls"), -EINVAL);
	assert_int_equal(RUN(&o, "-p", "1", "ls"), -EINVAL);
	assert_int_equal(RUN(&o, "--duration", "1s", "ls"), -EINVAL);
}

/* ---- filters ---- */

static void filters_repeat_and_are_remembered_as_text(void **state)
{
	struct options o;
	char self[16], want[256];

	(void)state;
	snprintf(self, sizeof(self), "%d", getpid());
	assert_int_equal(TRACE(&o, "-p", self, "--pid", self, "-c", "redis-cli", "--comm", "a",
			       "--port", "6379", "--port", "5432", "--peer", "10.0.0.9", "--peer",
			       "::1"),
			 0);
	assert_int_equal(o.filters.n_pids, 2);
	assert_int_equal(o.filters.pids[1], getpid());
	assert_int_equal(o.filters.follow, 1);
	assert_int_equal(o.filters.n_comms, 2);
	assert_string_equal(o.filters.comms[0], "redis-cli");
	assert_string_equal(o.filters.comms[1], "a");
	assert_int_equal(o.filters.n_ports, 2);
	assert_int_equal(o.filters.ports[0], 6379);
	assert_int_equal(o.filters.ports[1], 5432);
	assert_int_equal(o.filters.n_peers, 2);
	assert_int_equal(o.filters.peers[0].family, AF_INET);
	assert_memory_equal(o.filters.peers[0].addr, "\x0a\0\0\x09", 4);
	assert_int_equal(o.filters.peers[1].family, AF_INET6);
	assert_int_equal(o.filters.peers[1].addr[15], 1);
	snprintf(want, sizeof(want),
		 "--pid %s --pid %s --comm redis-cli --comm a --port 6379 --port 5432 "
		 "--peer 10.0.0.9 --peer ::1",
		 self, self);
	assert_string_equal(o.filter_text, want);
}

static void a_process_that_does_not_exist_is_refused(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(TRACE(&o, "-p", "4194304"), -EINVAL);
	assert_non_null(strstr(said, "4194304"));
}

/* FILTER_MAX of each kind fit, one more is refused, whatever the text of them all comes to. */
static void too_many_filters_of_a_kind_are_refused(void **state)
{
	static const char *const kinds[][2] = {
		{"--port", "65535"},
		{"--comm", "fifteen bytes.."},
		{"--pid", NULL},
		{"--peer", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}};
	char self[16], *argv[2 * FILTER_MAX + 4];
	struct options o;
	size_t k, i;

	(void)state;
	snprintf(self, sizeof(self), "%d", getpid());
	for (k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		int argc = 0;

		argv[argc++] = "trace";
		for (i = 0; i <= FILTER_MAX; i++) {
			argv[argc++] = (char *)(uintptr_t)kinds[k][0];
			argv[argc++] = kinds[k][1] ? (char *)(uintptr_t)kinds[k][1] : self;
		}
		argv[argc] = NULL;
		assert_int_equal(parse_argv(&o, FOR_TRACE, argc, argv), -EINVAL);
		assert_non_null(strstr(said, "16"));
		argv[argc - 2] = NULL;
		assert_int_equal(parse_argv(&o, FOR_TRACE, argc - 2, argv), 0);
		assert_non_null(memchr(o.filter_text, 0, sizeof(o.filter_text)));
	}
}

static void a_second_parse_remembers_nothing_of_the_first(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(TRACE(&o, "--port", "1", "--nonsense", "--strict"), -EINVAL);
	assert_int_equal(TRACE(&o, "--port", "2"), 0);
	assert_int_equal(o.filters.n_ports, 1);
	assert_int_equal(o.filters.ports[0], 2);
	assert_string_equal(o.filter_text, "--port 2");
	assert_false(o.strict);
}

static void the_help_lists_the_options_of_its_command(void **state)
{
	char run[8192] = "", trace[8192] = "";
	FILE *f = fmemopen(run, sizeof(run), "w");

	(void)state;
	assert_non_null(f);
	options_help(f, FOR_RUN);
	fclose(f);
	f = fmemopen(trace, sizeof(trace), "w");
	assert_non_null(f);
	options_help(f, FOR_TRACE);
	fclose(f);
	assert_non_null(strstr(trace, "-p, --pid PID"));
	assert_null(strstr(run, "--pid"));
	assert_non_null(strstr(trace, "--duration TIME"));
	assert_null(strstr(run, "--duration"));
	assert_non_null(strstr(run, "--json FILE"));
	assert_non_null(strstr(run, "-h, --help"));
}

static void options_of_the_view_arrive_where_they_belong(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(
		TOP(&o, "-b", "-n", "3", "-d", "0.5", "-o", "unread", "--mouse", "--port", "6379"),
		0);
	assert_true(o.batch && o.mouse && !o.sort_reverse);
	assert_int_equal(o.count, 3);
	assert_int_equal(o.delay_ns, 500000000);
	assert_int_equal(o.sort, COL_UNREAD);
	assert_int_equal(o.filters.ports[0], 6379);
	assert_int_equal(TOP(&o, "--sort", "-process.pid"), 0);
	assert_int_equal(o.sort, COL_PID);
	assert_true(o.sort_reverse);
	assert_int_equal(parse(&o, FOR_TOP, NULL), 0);
	assert_int_equal(o.sort, COL_VERDICT);
	assert_int_equal(o.count, 0);
	assert_int_equal(o.delay_ns, 0);
}

static void wrong_words_for_the_view_are_named(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(TOP(&o, "-o", "nonsense"), -EINVAL);
	assert_non_null(strstr(said, "'nonsense'"));
	assert_non_null(strstr(said, " latency"));
	assert_int_equal(TOP(&o, "-o", "conns"), -EINVAL); /* a connection has none */
	assert_int_equal(TOP(&o, "-o", ""), -EINVAL);
	assert_int_equal(TOP(&o, "-n", "0"), -EINVAL);
	assert_non_null(strstr(said, "--count '0'"));
	assert_int_equal(TOP(&o, "-d", "0.01"), -EINVAL);
	assert_non_null(strstr(said, "--delay '0.01'"));
	assert_int_equal(TOP(&o, "-d", "1s"), -EINVAL);
	assert_int_equal(TOP(&o, "word"), -EINVAL);
	assert_int_equal(TRACE(&o, "-b"), -EINVAL);
}

static void errors_become_the_documented_exit_codes(void **state)
{
	(void)state;
	assert_int_equal(errno_to_exit(0), 0);
	assert_int_equal(errno_to_exit(-EINVAL), 1);
	assert_int_equal(errno_to_exit(-ENOMEM), 1);
	assert_int_equal(errno_to_exit(-EOPNOTSUPP), 4);
	assert_int_equal(errno_to_exit(-EPERM), 5);
	assert_int_equal(errno_to_exit(-EACCES), 5);
	assert_int_equal(EXIT_USAGE, 2);
	assert_int_equal(EXIT_FOUND, 3);
	assert_int_equal(EXIT_LOST, 6);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(cancellations_are_looked_up_in_their_file),
		cmocka_unit_test(names_that_are_never_probed_are_added_up),
		cmocka_unit_test(too_many_cancellations_are_refused),
		cmocka_unit_test(without_options_the_documented_defaults_hold),
		cmocka_unit_test(run_fails_on_reused_unless_told_otherwise),
		cmocka_unit_test(what_follows_the_options_is_the_command),
		cmocka_unit_test(run_without_a_command_is_an_error_that_says_how),
		cmocka_unit_test(trace_takes_no_words),
		cmocka_unit_test(help_is_asked_with_either_word),
		cmocka_unit_test(switches_switch),
		cmocka_unit_test(every_value_is_taken_or_refused_by_name),
		cmocka_unit_test(every_option_that_wants_a_value_says_so),
		cmocka_unit_test(values_arrive_where_they_belong),
		cmocka_unit_test(an_unknown_option_is_named),
		cmocka_unit_test(options_of_the_other_command_are_unknown),
		cmocka_unit_test(filters_repeat_and_are_remembered_as_text),
		cmocka_unit_test(a_process_that_does_not_exist_is_refused),
		cmocka_unit_test(too_many_filters_of_a_kind_are_refused),
		cmocka_unit_test(a_second_parse_remembers_nothing_of_the_first),
		cmocka_unit_test(the_help_lists_the_options_of_its_command),
		cmocka_unit_test(options_of_the_view_arrive_where_they_belong),
		cmocka_unit_test(wrong_words_for_the_view_are_named),
		cmocka_unit_test(errors_become_the_documented_exit_codes),
	};

	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
