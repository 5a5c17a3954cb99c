// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * An event as a log record: its time and severity where OTLP has a place for them, mispair.reason
 * as the body, every other key an attribute of the same name. Pure.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "outlet_otlp.h"

/* Takes VALUE; false if anything failed. */
static bool put(struct json_object *o, const char *key, struct json_object *value)
{
	if (value && o && json_object_object_add(o, key, value) >= 0)
		return true;
	json_object_put(value);
	return false;
}

static struct json_object *any_value(struct json_object *v, int depth);

static struct json_object *key_value(const char *key, struct json_object *v, int depth)
{
	struct json_object *kv = json_object_new_object();

	if (put(kv, "key", json_object_new_string(key)) && put(kv, "value", any_value(v, depth)))
		return kv;
	json_object_put(kv);
	return NULL;
}

static struct json_object *list_of(struct json_object *v, int depth)
{
	struct json_object *list = json_object_new_object(), *values = json_object_new_array();
	struct json_object *item;
	size_t i;

	if (!put(list, "values", values)) {
		json_object_put(list);
		return NULL;
	}
	if (json_object_is_type(v, json_type_array)) {
		for (i = 0; i < json_object_array_length(v); i++) {
			item = any_value(json_object_array_get_idx(v, i), depth + 1);
			if (!item || json_object_array_add(values, item) < 0)
				goto fail;
		}
		return list;
	}
	json_object_object_foreach(v, key, inner)
	{
		item = key_value(key, inner, depth + 1);
		if (!item || json_object_array_add(values, item) < 0)
			goto fail;
	}
	return list;
fail:
	json_object_put(item);
	json_object_put(list);
	return NULL;
}

/* 64-bit integers are strings in OTLP/JSON. */
static struct json_object *any_value(struct json_object *v, int depth)
{
	struct json_object *o = json_object_new_object();
	char text[32];
	bool ok = false;

	switch (json_object_get_type(v)) {
	case json_type_string:
		ok = put(o, "stringValue",
			 json_object_new_string_len(json_object_get_string(v),
						    json_object_get_string_len(v)));
		break;
	case json_type_boolean:
		ok = put(o, "boolValue", json_object_new_boolean(json_object_get_boolean(v)));
		break;
	case json_type_int:
		snprintf(text, sizeof(text), "%" PRId64, json_object_get_int64(v));
		ok = put(o, "intValue", json_object_new_string(text));
		break;
	case json_type_array:
		ok = depth < 4 && put(o, "arrayValue", list_of(v, depth));
		break;
	case json_type_object:
		ok = depth < 4 && put(o, "kvlistValue", list_of(v, depth));
		break;
	default:
		break;
	}
	if (ok)
		return o;
	json_object_put(o);
	return NULL;
}

static int severity_number(const char *text)
{
	if (!strcmp(text, "ERROR"))
		return 17;
	return strcmp(text, "WARN") ? 9 : 13;
}

/* These have a place of their own. */
static bool is_elsewhere(const char *key)
{
	static const char *const keys[] = {"time", "time_unix_nano", "severity.text", "host.name",
					   "mispair.reason"};
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (!strcmp(key, keys[i]))
			return true;
	return false;
}

static bool put_attributes(struct json_object *record, struct json_object *event)
{
	struct json_object *list = json_object_new_array(), *kv;

	if (!put(record, "attributes", list))
		return false;
	json_object_object_foreach(event, key, value)
	{
		if (is_elsewhere(key))
			continue;
		kv = key_value(key, value, 0);
		if (!kv || json_object_array_add(list, kv) < 0) {
			json_object_put(kv);
			return false;
		}
	}
	return true;
}

static char *to_text(struct json_object *o, bool ok)
{
	const char *text = ok ? json_object_to_json_string_ext(
					o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)
			      : NULL;
	char *copy = text ? strdup(text) : NULL;

	json_object_put(o);
	return copy;
}

char *otlp_record(const struct event_line *e)
{
	const char *reason = event_string(e, "mispair.reason");
	struct json_object *r = json_object_new_object(), *body = json_object_new_object();
	char time[32];
	bool ok;

	snprintf(time, sizeof(time), "%" PRIu64, e->wall_ns);
	ok = put(r, "timeUnixNano", json_object_new_string(time)) &&
	     put(r, "observedTimeUnixNano", json_object_new_string(time)) &&
	     put(r, "severityNumber", json_object_new_int(severity_number(e->severity))) &&
	     put(r, "severityText", json_object_new_string(e->severity)) &&
	     put(r, "eventName", json_object_new_string(e->name));
	ok = put(body, "stringValue", json_object_new_string(reason ? reason : e->name)) && ok;
	if (ok)
		ok = put(r, "body", body);
	else
		json_object_put(body);
	return to_text(r, ok && put_attributes(r, e->obj));
}

char *otlp_prefix(const char *host, const char *version)
{
	struct json_object *h = json_object_new_string(host ? host : "");
	char *text = NULL;
	int n;

	if (!h)
		return NULL;
	/* Only the host's name needs quoting. */
	n = asprintf(&text,
		     "{\"resourceLogs\":[{\"resource\":{\"attributes\":["
		     "{\"key\":\"service.name\",\"value\":{\"stringValue\":\"mispair\"}},"
		     "{\"key\":\"service.version\",\"value\":{\"stringValue\":\"%s\"}},"
		     "{\"key\":\"host.name\",\"value\":{\"stringValue\":%s}}]},"
		     "\"scopeLogs\":[{\"scope\":{\"name\":\"mispair\",\"version\":\"%s\"},"
		     "\"logRecords\":[",
		     version, json_object_to_json_string(h), version);
	json_object_put(h);
	return n < 0 ? NULL : text;
}
