// SPDX-License-Identifier: GPL-2.0-or-later
/* Owners and addresses as text; lengths and families are whatever the other side wrote. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "describe.h"

static void a_task_is_its_name_and_its_address(void **state)
{
	struct owner o = {.kind = OWNER_TASK, .task = 0x7fe446ff3880};
	char text[OWNER_TEXT];

	(void)state;
	memcpy(o.name, "Task-7", 6);
	describe_owner(&o, text, sizeof(text));
	assert_string_equal(text, "Task-7 0x7fe446ff3880");
}

static void a_task_without_a_name_is_its_address(void **state)
{
	struct owner o = {.kind = OWNER_TASK, .task = 0x10};
	char text[OWNER_TEXT];

	(void)state;
	describe_owner(&o, text, sizeof(text));
	assert_string_equal(text, "task 0x10");
}

static void a_count_of_ends_is_no_name(void **state)
{
	struct owner o = {.kind = OWNER_TASK, .task = 0x10, .name = {1}}, later = o;
	uint64_t count[2] = {1};
	char text[OWNER_TEXT];

	(void)state;
	/* Nothing has ended there yet, once, and as often as a letter has a number. */
	describe_owner(&o, text, sizeof(text));
	assert_string_equal(text, "task 0x10#2");
	later.name[0] = 'A';
	describe_owner(&later, text, sizeof(text));
	assert_string_equal(text, "task 0x10#66");
	describe_task(0x10, count, text, sizeof(text));
	assert_string_equal(text, "task 0x10");
	/* A short name that lies somewhere is one. */
	later.name_ptr = 0x7f00;
	describe_owner(&later, text, sizeof(text));
	assert_string_equal(text, "A 0x10");
}

static void a_name_of_fifteen_bytes_is_whole_and_a_longer_one_shows_that_it_goes_on(void **state)
{
	uint64_t name[2] = {0};
	char text[OWNER_TEXT];

	(void)state;
	memcpy(name, "abcdefghijklmno", 15);
	describe_task(1, name, text, sizeof(text));
	assert_string_equal(text, "abcdefghijklmno 0x1");
	memcpy(name, "abcdefghijklmnop", 16);
	describe_task(1, name, text, sizeof(text));
	assert_string_equal(text, "abcdefghijklmnop... 0x1");
}

static void a_thread_is_its_number(void **state)
{
	struct owner o = {.kind = OWNER_THREAD, .tgid = 1, .tid = 4294967295u};
	char text[OWNER_TEXT];

	(void)state;
	describe_owner(&o, text, sizeof(text));
	assert_string_equal(text, "thread 4294967295");
}

static void an_owner_of_no_known_kind_is_an_empty_text(void **state)
{
	static const uint8_t kinds[] = {OWNER_NONE, OWNER_UNKNOWN, 77, 255};
	char text[OWNER_TEXT];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(kinds); i++) {
		struct owner o = {.kind = kinds[i], .tid = 5, .task = 6};

		memset(text, 'x', sizeof(text));
		describe_owner(&o, text, sizeof(text));
		assert_string_equal(text, "");
		describe_owner(&o, NULL, 0);
	}
}

static void the_longest_owner_fits_and_a_short_buffer_is_kept(void **state)
{
	struct owner o = {.kind = OWNER_TASK, .task = UINT64_MAX};
	char text[OWNER_TEXT], *tight = malloc(4);

	(void)state;
	assert_non_null(tight);
	memset(o.name, 0xff, sizeof(o.name));
	describe_owner(&o, text, sizeof(text));
	assert_string_equal(text + 16, "... 0xffffffffffffffff");
	describe_owner(&o, tight, 4);
	assert_int_equal(strlen(tight), 3);
	free(tight);
}

static void an_ipv4_connection_is_two_addresses_and_two_ports(void **state)
{
	struct sock_addr a = {.family = AF_INET,
			      .local_port = 41464,
			      .peer_port = 6379,
			      .local = {10, 0, 0, 5},
			      .peer = {10, 0, 0, 9}};
	struct described_addr d;

	(void)state;
	describe_addr(&a, &d);
	assert_int_equal(d.transport, TRANSPORT_TCP);
	assert_string_equal(d.local, "10.0.0.5");
	assert_string_equal(d.peer, "10.0.0.9");
	assert_int_equal(d.local_port, 41464);
	assert_int_equal(d.peer_port, 6379);
}

static void an_ipv6_connection_is_written_as_people_write_it(void **state)
{
	struct sock_addr a = {.family = AF_INET6, .local_port = 65535, .peer_port = 1};
	struct described_addr d;

	(void)state;
	a.local[15] = 1;
	assert_int_equal(inet_pton(AF_INET6, "2001:db8::9", a.peer), 1);
	describe_addr(&a, &d);
	assert_int_equal(d.transport, TRANSPORT_TCP);
	assert_string_equal(d.local, "::1");
	assert_string_equal(d.peer, "2001:db8::9");
	memset(a.peer, 0xff, 16);
	describe_addr(&a, &d);
	assert_string_equal(d.peer, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
}

static void a_unix_connection_is_its_path(void **state)
{
	struct sock_addr a = {.family = AF_UNIX, .unix_len = 16};
	struct described_addr d;

	(void)state;
	memcpy(a.peer, "/run/redis.sock", 16);
	describe_addr(&a, &d);
	assert_int_equal(d.transport, TRANSPORT_UNIX);
	assert_string_equal(d.peer, "/run/redis.sock");
	assert_string_equal(d.local, "");
	assert_int_equal(d.peer_port, 0);
}

static void a_path_ends_where_its_length_says(void **state)
{
	struct sock_addr a = {.family = AF_UNIX, .unix_len = 4};
	struct described_addr d;

	(void)state;
	memcpy(a.peer, "/run/redis.sock", 16);
	describe_addr(&a, &d);
	assert_string_equal(d.peer, "/run");
}

static void an_abstract_name_begins_with_an_at_sign(void **state)
{
	struct sock_addr a = {.family = AF_UNIX, .unix_len = 6};
	struct described_addr d;

	(void)state;
	memcpy(a.peer, "\0redis", 6);
	describe_addr(&a, &d);
	assert_string_equal(d.peer, "@redis");
}

static void an_unnamed_unix_socket_is_an_empty_text(void **state)
{
	struct sock_addr a = {.family = AF_UNIX};
	struct described_addr d;

	(void)state;
	memset(a.peer, 'x', sizeof(a.peer));
	describe_addr(&a, &d);
	assert_string_equal(d.peer, "");
}

/* 108 bytes and no NUL are a valid path. */
static void a_path_of_full_length_is_whole_and_an_absurd_length_is_cut(void **state)
{
	static const uint16_t lengths[] = {ADDR_LEN, ADDR_LEN + 1, PEER_TEXT, 65535};
	struct sock_addr a = {.family = AF_UNIX};
	struct described_addr d;
	size_t i;

	(void)state;
	memset(a.peer, 'x', sizeof(a.peer));
	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		a.unix_len = lengths[i];
		describe_addr(&a, &d);
		assert_int_equal(strlen(d.peer), ADDR_LEN);
	}
}

static void every_family_is_text_of_some_kind(void **state)
{
	struct sock_addr a;
	struct described_addr d;
	uint32_t family;

	(void)state;
	memset(&a, 0xff, sizeof(a));
	for (family = 0; family < 65536; family++) {
		a.family = (uint16_t)family;
		describe_addr(&a, &d);
		assert_non_null(memchr(d.peer, 0, sizeof(d.peer)));
		assert_non_null(memchr(d.local, 0, sizeof(d.local)));
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_task_is_its_name_and_its_address),
		cmocka_unit_test(a_task_without_a_name_is_its_address),
		cmocka_unit_test(a_count_of_ends_is_no_name),
		cmocka_unit_test(
			a_name_of_fifteen_bytes_is_whole_and_a_longer_one_shows_that_it_goes_on),
		cmocka_unit_test(a_thread_is_its_number),
		cmocka_unit_test(an_owner_of_no_known_kind_is_an_empty_text),
		cmocka_unit_test(the_longest_owner_fits_and_a_short_buffer_is_kept),
		cmocka_unit_test(an_ipv4_connection_is_two_addresses_and_two_ports),
		cmocka_unit_test(an_ipv6_connection_is_written_as_people_write_it),
		cmocka_unit_test(a_unix_connection_is_its_path),
		cmocka_unit_test(a_path_ends_where_its_length_says),
		cmocka_unit_test(an_abstract_name_begins_with_an_at_sign),
		cmocka_unit_test(an_unnamed_unix_socket_is_an_empty_text),
		cmocka_unit_test(a_path_of_full_length_is_whole_and_an_absurd_length_is_cut),
		cmocka_unit_test(every_family_is_text_of_some_kind),
	};

	return cmocka_run_group_tests_name("describe", tests, NULL, NULL);
}
