// SPDX-License-Identifier: GPL-2.0-or-later
/* The exposition format: names and words are an interface, labels are bounded, counters rise. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "metrics.h"

static char *text_of(const struct metrics_numbers *n)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	metrics_write(out, n);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void has(const char *text, const char *line)
{
	if (!strstr(text, line))
		fail_msg("'%s' is missing in:\n%s", line, text);
}

static void every_name_of_the_conventions_is_there(void **state)
{
	struct metrics_numbers *n = calloc(1, sizeof(*n));
	char *text;

	(void)state;
	assert_non_null(n);
	strcpy(n->version, "0.1.0");
	strcpy(n->kernel, "6.18");
	strcpy(n->tier, "tp_btf");
	n->stats.requests = 812;
	n->stats.cancellations = 7;
	n->stats.cpu_ns = 1500000001;
	n->stats.findings[VERDICT_REUSED][CONF_CERTAIN] = 3;
	n->stats.findings[VERDICT_CLOSED][CONF_NONE] = 4;
	n->stats.lost[LOSS_SINK] = 5;
	n->stats.coverage.all[COVERAGE_BLIND] = 9;
	n->stats.coverage.now[COVERAGE_BLIND] = 2;
	n->n_maps = n->n_programs = 1;
	strcpy(n->maps[0].name, "procs");
	n->maps[0].value = 2;
	strcpy(n->programs[0].name, "tp_send");
	n->programs[0].value = 2000000003;
	text = text_of(n);
	has(text, "\nmispair_build_info{version=\"0.1.0\",kernel=\"6.18\",tier=\"tp_btf\"} 1\n");
	has(text, "\nmispair_exchanges_total 812\n");
	has(text, "\nmispair_findings_total{kind=\"reused\",confidence=\"certain\"} 3\n");
	has(text, "\nmispair_findings_total{kind=\"reused\",confidence=\"suspect\"} 0\n");
	has(text, "\nmispair_findings_total{kind=\"closed\",confidence=\"none\"} 4\n");
	has(text, "\nmispair_cancellations_total{kind=\"asyncio.cancel\"} 7\n");
	has(text, "\nmispair_events_lost_total{reason=\"sink\"} 5\n");
	has(text, "\nmispair_events_lost_total{reason=\"ring_full\"} 0\n");
	has(text, "\nmispair_processes{coverage=\"full\"} 0\n");
	has(text, "\nmispair_processes{coverage=\"thread\"} 0\n");
	has(text, "\nmispair_processes{coverage=\"blind\"} 2\n");
	has(text, "\nmispair_map_entries{map=\"procs\"} 2\n");
	has(text, "\nmispair_bpf_program_seconds_total{program=\"tp_send\"} 2.000000003\n");
	has(text, "\nmispair_cpu_seconds_total 1.500000001\n");
	free(text);
	free(n);
}

static void what_is_not_measured_is_not_there(void **state)
{
	struct metrics_numbers *n = calloc(1, sizeof(*n));
	char *text;

	(void)state;
	assert_non_null(n);
	text = text_of(n);
	assert_null(strstr(text, "bpf_program_seconds"));
	assert_null(strstr(text, "map_entries"));
	free(text);
	free(n);
}

static void a_label_cannot_end_its_line(void **state)
{
	struct metrics_numbers *n = calloc(1, sizeof(*n));
	char *text;

	(void)state;
	assert_non_null(n);
	strcpy(n->kernel, "a\"b\\c\nd");
	text = text_of(n);
	has(text, "kernel=\"a\\\"b\\\\c\\nd\"");
	free(text);
	free(n);
}

static void a_counter_never_falls(void **state)
{
	struct metrics_numbers *n = calloc(1, sizeof(*n));
	static const uint64_t seen[] = {5, 9, 7, 0, 12}, told[] = {5, 9, 9, 9, 12};
	struct metrics_clamp c = {0};
	size_t i;

	(void)state;
	assert_non_null(n);
	for (i = 0; i < sizeof(seen) / sizeof(seen[0]); i++) {
		n->stats.requests = n->stats.replies = seen[i];
		metrics_clamp(&c, n);
		assert_int_equal(n->stats.requests, told[i]);
		assert_int_equal(n->stats.replies, told[i]);
	}
	free(n);
}

static void an_address_is_loopback_unless_it_says_otherwise(void **state)
{
	static const char *const wrong[] = {"",	      ":",	  "0",	     "65536",
					    "9x",     "host:9",	  "1.2.3:9", "[::1]",
					    "[::1:9", "1.2.3.4:", "[]:9",    "1.2.3.4:-1"};
	union metrics_address a;
	char text[64];
	size_t i;

	(void)state;
	assert_int_equal(metrics_parse_address("9464", &a), 0);
	assert_int_equal(a.any.sa_family, AF_INET);
	assert_int_equal(ntohs(a.four.sin_port), 9464);
	assert_int_equal(ntohl(a.four.sin_addr.s_addr), INADDR_LOOPBACK);
	assert_int_equal(metrics_parse_address(":9464", &a), 0);
	assert_int_equal(ntohl(a.four.sin_addr.s_addr), INADDR_LOOPBACK);
	assert_int_equal(metrics_parse_address("0.0.0.0:1", &a), 0);
	assert_int_equal(a.four.sin_addr.s_addr, 0);
	assert_int_equal(metrics_parse_address("[fd00::1]:443", &a), 0);
	assert_int_equal(a.any.sa_family, AF_INET6);
	assert_int_equal(ntohs(a.six.sin6_port), 443);
	assert_string_equal(inet_ntop(AF_INET6, &a.six.sin6_addr, text, sizeof(text)), "fd00::1");
	assert_int_equal(metrics_parse_address("::1:9464", &a), 0);
	assert_int_equal(a.any.sa_family, AF_INET6);
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (metrics_parse_address(wrong[i], &a) != -EINVAL)
			fail_msg("'%s' is taken for an address", wrong[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_name_of_the_conventions_is_there),
		cmocka_unit_test(what_is_not_measured_is_not_there),
		cmocka_unit_test(a_label_cannot_end_its_line),
		cmocka_unit_test(a_counter_never_falls),
		cmocka_unit_test(an_address_is_loopback_unless_it_says_otherwise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
