// SPDX-License-Identifier: GPL-2.0-or-later
/* Log records as OTLP/JSON wants them: strings for 64-bit integers, one kind for each value. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "outlet_otlp.h"

static struct json_object *get(struct json_object *o, const char *key)
{
	struct json_object *v = NULL;

	json_object_object_get_ex(o, key, &v);
	return v;
}

static const char *str(struct json_object *o, const char *key)
{
	struct json_object *v = get(o, key);

	assert_true(json_object_is_type(v, json_type_string));
	return json_object_get_string(v);
}

/* The value of an attribute, as plain JSON text. */
static const char *attribute(struct json_object *record, const char *key)
{
	struct json_object *list = get(record, "attributes"), *kv;
	size_t i;

	for (i = 0; i < json_object_array_length(list); i++) {
		kv = json_object_array_get_idx(list, i);
		if (!strcmp(str(kv, "key"), key))
			return json_object_to_json_string_ext(get(kv, "value"),
							      JSON_C_TO_STRING_PLAIN);
	}
	return NULL;
}

static struct json_object *record_of(const char *json, const char *severity)
{
	struct event_line e = {.name = "mispair.connection.reused",
			       .severity = severity,
			       .wall_ns = 1795249800123456789ULL,
			       .obj = json_tokener_parse(json)};
	struct json_object *record;
	char *text;

	assert_non_null(e.obj);
	text = otlp_record(&e);
	assert_non_null(text);
	record = json_tokener_parse(text);
	assert_non_null(record);
	free(text);
	json_object_put(e.obj);
	return record;
}

static void an_event_becomes_a_log_record(void **state)
{
	struct json_object *r = record_of(
		"{\"event.name\":\"mispair.connection.reused\",\"time\":\"T\",\"host.name\":\"h\","
		"\"severity.text\":\"ERROR\",\"process.pid\":4242,\"mispair.adopted\":true,"
		"\"mispair.reason\":\"because\",\"mispair.timeline\":[{\"at_ns\":0,"
		"\"what\":\"request\"}],\"mispair.hooks\":[\"a\",\"b\"]}",
		"ERROR");

	(void)state;
	assert_string_equal(str(r, "timeUnixNano"), "1795249800123456789");
	assert_int_equal(json_object_get_int(get(r, "severityNumber")), 17);
	assert_string_equal(str(r, "severityText"), "ERROR");
	assert_string_equal(str(r, "eventName"), "mispair.connection.reused");
	assert_string_equal(str(get(r, "body"), "stringValue"), "because");
	assert_string_equal(attribute(r, "process.pid"), "{\"intValue\":\"4242\"}");
	assert_string_equal(attribute(r, "mispair.adopted"), "{\"boolValue\":true}");
	assert_string_equal(attribute(r, "mispair.hooks"),
			    "{\"arrayValue\":{\"values\":[{\"stringValue\":\"a\"},"
			    "{\"stringValue\":\"b\"}]}}");
	assert_string_equal(attribute(r, "mispair.timeline"),
			    "{\"arrayValue\":{\"values\":[{\"kvlistValue\":{\"values\":["
			    "{\"key\":\"at_ns\",\"value\":{\"intValue\":\"0\"}},"
			    "{\"key\":\"what\",\"value\":{\"stringValue\":\"request\"}}]}}]}}");
	/* What has a place of its own is not told twice. */
	assert_null(attribute(r, "time"));
	assert_null(attribute(r, "host.name"));
	assert_null(attribute(r, "mispair.reason"));
	json_object_put(r);
}

static void severities_have_their_numbers(void **state)
{
	static const struct {
		const char *text;
		int number;
	} all[] = {{"INFO", 9}, {"WARN", 13}, {"ERROR", 17}};
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		struct json_object *r = record_of("{}", all[i].text);

		assert_int_equal(json_object_get_int(get(r, "severityNumber")), all[i].number);
		json_object_put(r);
	}
}

static void strings_of_other_people_stay_strings(void **state)
{
	struct json_object *r =
		record_of("{\"mispair.process.comm\":\"a\\\"},{\\u001b\\n\"}", "INFO");

	(void)state;
	assert_string_equal(attribute(r, "mispair.process.comm"),
			    "{\"stringValue\":\"a\\\"},{\\u001b\\n\"}");
	json_object_put(r);
}

static void prefix_records_and_suffix_are_a_request(void **state)
{
	struct json_object *whole, *part;
	char *prefix = otlp_prefix("h\"1", "0.1.0"), text[2048];

	(void)state;
	assert_non_null(prefix);
	snprintf(text, sizeof(text), "%s{\"a\":1},{\"a\":2}%s", prefix, OTLP_SUFFIX);
	free(prefix);
	whole = json_tokener_parse(text);
	assert_non_null(whole);
	part = json_object_array_get_idx(get(whole, "resourceLogs"), 0);
	part = json_object_array_get_idx(get(part, "scopeLogs"), 0);
	assert_int_equal(json_object_array_length(get(part, "logRecords")), 2);
	assert_string_equal(str(get(part, "scope"), "name"), "mispair");
	json_object_put(whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_event_becomes_a_log_record),
		cmocka_unit_test(severities_have_their_numbers),
		cmocka_unit_test(strings_of_other_people_stay_strings),
		cmocka_unit_test(prefix_records_and_suffix_are_a_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
