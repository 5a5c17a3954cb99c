// SPDX-License-Identifier: GPL-2.0-or-later
/* Both ends of a connection have one key, whatever they call themselves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "connkey.h"

static void key_of(const char *json, char *key, size_t len)
{
	struct event_line e = {.obj = json_tokener_parse(json)};

	assert_non_null(e.obj);
	connection_key(&e, key, len);
	json_object_put(e.obj);
}

#define END(host, local, lport, peer, pport)                                                       \
	"{\"host.name\":\"" host "\",\"network.transport\":\"tcp\","                               \
	"\"network.local.address\":\"" local "\",\"network.local.port\":" lport ","                \
	"\"network.peer.address\":\"" peer "\",\"network.peer.port\":" pport "}"

static void same(const char *one, const char *other)
{
	char a[256], b[256];

	key_of(one, a, sizeof(a));
	key_of(other, b, sizeof(b));
	assert_string_equal(a, b);
}

static void differ(const char *one, const char *other)
{
	char a[256], b[256];

	key_of(one, a, sizeof(a));
	key_of(other, b, sizeof(b));
	assert_string_not_equal(a, b);
}

static void both_ends_of_a_connection_have_one_key(void **state)
{
	char key[256];

	(void)state;
	same(END("app", "10.0.0.5", "41464", "10.0.0.9", "6379"),
	     END("db", "10.0.0.9", "6379", "10.0.0.5", "41464"));
	same(END("app", "fd00::5", "41464", "fd00::9", "6379"),
	     END("db", "fd00::9", "6379", "fd00::5", "41464"));
	/* The server listens on ::, its sockets call an IPv4 client ::ffff:a.b.c.d. */
	same(END("app", "10.0.0.5", "41464", "10.0.0.9", "6379"),
	     END("db", "::ffff:10.0.0.9", "6379", "::ffff:10.0.0.5", "41464"));
	key_of(END("app", "10.0.0.5", "41464", "10.0.0.9", "6379"), key, sizeof(key));
	assert_string_equal(key, "tcp 10.0.0.5 41464 10.0.0.9 6379");
}

static void other_connections_have_other_keys(void **state)
{
	(void)state;
	differ(END("a", "10.0.0.5", "1", "10.0.0.9", "6379"),
	       END("a", "10.0.0.5", "2", "10.0.0.9", "6379"));
	differ(END("a", "10.0.0.5", "1", "10.0.0.9", "2"),
	       END("a", "10.0.0.5", "2", "10.0.0.9", "1"));
}

static void what_means_something_on_one_host_only_has_its_name(void **state)
{
	static const char *const local[] = {"127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1",
					    "fe80::1"};
	char one[512], other[512], a[256], b[256];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(local) / sizeof(local[0]); i++) {
		snprintf(one, sizeof(one), END("h1", "%s", "1", "%s", "2"), local[i], local[i]);
		snprintf(other, sizeof(other), END("h2", "%s", "1", "%s", "2"), local[i], local[i]);
		key_of(one, a, sizeof(a));
		key_of(other, b, sizeof(b));
		assert_string_not_equal(a, b);
		assert_ptr_equal(strstr(a, "h1 tcp "), a);
	}
	key_of("{\"host.name\":\"h1\",\"network.transport\":\"unix\","
	       "\"network.peer.address\":\"/run/x\",\"mispair.socket.cookie\":\"7f\"}",
	       a, sizeof(a));
	assert_string_equal(a, "h1 unix 7f");
}

static void an_event_about_no_connection_is_keyed_by_its_host(void **state)
{
	char key[256];

	(void)state;
	key_of("{\"host.name\":\"h1\"}", key, sizeof(key));
	assert_string_equal(key, "h1");
	key_of("{}", key, sizeof(key));
	assert_string_equal(key, "");
}

static void a_key_that_does_not_fit_is_cut(void **state)
{
	char key[8];

	(void)state;
	memset(key, 'x', sizeof(key));
	key_of(END("app", "10.0.0.5", "41464", "10.0.0.9", "6379"), key, sizeof(key));
	assert_int_equal(strlen(key), sizeof(key) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ends_of_a_connection_have_one_key),
		cmocka_unit_test(other_connections_have_other_keys),
		cmocka_unit_test(what_means_something_on_one_host_only_has_its_name),
		cmocka_unit_test(an_event_about_no_connection_is_keyed_by_its_host),
		cmocka_unit_test(a_key_that_does_not_fit_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
