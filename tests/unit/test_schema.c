// SPDX-License-Identifier: GPL-2.0-or-later
/* The schema's words are the program's words: every enum and every key made of one is compared. */
#include <json-c/json.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "finding.h"
#include "schema.h"

static int setup(void **state)
{
	struct json_tokener *tok = json_tokener_new();

	if (!tok)
		return -1;
	*state = json_tokener_parse_ex(tok, schema_text, (int)schema_len());
	json_tokener_free(tok);
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	json_object_put(*state);
	return 0;
}

/* $defs / DEF / properties / KEY, or NULL. */
static struct json_object *property(struct json_object *schema, const char *def, const char *key)
{
	struct json_object *o = NULL;

	if (!json_object_object_get_ex(schema, "$defs", &o) ||
	    !json_object_object_get_ex(o, def, &o) ||
	    !json_object_object_get_ex(o, "properties", &o) ||
	    !json_object_object_get_ex(o, key, &o))
		return NULL;
	return o;
}

static struct json_object *definition(struct json_object *schema, const char *name)
{
	struct json_object *o = NULL;

	if (!json_object_object_get_ex(schema, "$defs", &o) ||
	    !json_object_object_get_ex(o, name, &o))
		return NULL;
	return o;
}

static bool holds(struct json_object *words, const char *word)
{
	size_t i;

	for (i = 0; i < json_object_array_length(words); i++)
		if (!strcmp(json_object_get_string(json_object_array_get_idx(words, i)), word))
			return true;
	return false;
}

/* NAMES from FIRST on, and nothing else. */
static void same_words(struct json_object *prop, const char *const *names, int first, int max)
{
	struct json_object *words = NULL;
	int i;

	assert_non_null(prop);
	assert_true(json_object_object_get_ex(prop, "enum", &words));
	for (i = first; i < max; i++)
		if (!holds(words, names[i]))
			fail_msg("the schema does not know '%s'", names[i]);
	assert_int_equal(json_object_array_length(words), (size_t)(max - first));
}

static void every_enum_has_the_programs_words(void **state)
{
	struct json_object *s = *state, *defs = NULL, *words = NULL;

	same_words(property(s, "finding", "mispair.cancel.evidence"), evidence_names, 1,
		   EVIDENCE_MAX);
	same_words(property(s, "event.findings", "mispair.verdict"), verdict_names, 1, VERDICT_MAX);
	same_words(property(s, "timeline_entry", "what"), timeline_names, 0, TL_MAX);
	same_words(property(s, "event.lost", "mispair.lost.reason"), loss_names, 0, LOSS_MAX);
	assert_true(json_object_object_get_ex(s, "$defs", &defs));
	assert_true(json_object_object_get_ex(defs, "confidence", &words));
	same_words(words, confidence_names, 1, CONF_MAX);
	assert_true(json_object_object_get_ex(defs, "cancel_kind", &words));
	same_words(words, cancel_names, 1, CANCEL_MAX);
	assert_true(json_object_object_get_ex(defs, "reuse_kind", &words));
	same_words(words, reuse_names, 1, REUSE_MAX);
	same_words(property(s, "event.coverage", "mispair.coverage.before"), coverage_names, 1,
		   COVERAGE_MAX);
	same_words(definition(s, "coverage_level"), coverage_names, 1, COVERAGE_MAX);
	same_words(definition(s, "coverage_reason"), coverage_reason_names, 1, COVERED_REASONS);
}

static void stats_have_a_key_for_every_loss_and_every_kind_of_finding(void **state)
{
	size_t n = 0, findings = 0, losses = 0;
	struct json_object *props = NULL;
	char key[80];
	int v, c;

	for (v = VERDICT_CLOSED; v < VERDICT_MAX; v++) {
		for (c = CONF_SUSPECT; c < CONF_MAX; c++, n++) {
			snprintf(key, sizeof(key), "mispair.findings.%s.%s", verdict_names[v],
				 confidence_names[c]);
			if (v < VERDICT_ABANDONED)
				snprintf(key, sizeof(key), "mispair.findings.%s", verdict_names[v]);
			if (!property(*state, "stats", key))
				fail_msg("the schema does not know %s", key);
			if (v < VERDICT_ABANDONED)
				c = CONF_MAX;
		}
	}
	for (c = 0; c < LOSS_MAX; c++) {
		snprintf(key, sizeof(key), "mispair.lost.%s", loss_names[c]);
		if (!property(*state, "stats", key))
			fail_msg("the schema does not know %s", key);
	}
	assert_true(json_object_object_get_ex(*state, "$defs", &props));
	assert_true(json_object_object_get_ex(props, "stats", &props));
	assert_true(json_object_object_get_ex(props, "properties", &props));
	json_object_object_foreach(props, name, value)
	{
		(void)value;
		findings += !strncmp(name, "mispair.findings.", 17);
		losses += !strncmp(name, "mispair.lost.", 13);
	}
	assert_int_equal(findings, n);
	assert_int_equal(losses, LOSS_MAX);
}

static void an_event_is_listed_where_it_is_defined(void **state)
{
	struct json_object *defs = NULL, *one = NULL;
	size_t n = 0;

	assert_true(json_object_object_get_ex(*state, "$defs", &defs));
	json_object_object_foreach(defs, name, value)
	{
		(void)value;
		n += !strncmp(name, "event.", 6);
	}
	assert_true(json_object_object_get_ex(*state, "oneOf", &one));
	assert_int_equal(json_object_array_length(one), n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_enum_has_the_programs_words),
		cmocka_unit_test(stats_have_a_key_for_every_loss_and_every_kind_of_finding),
		cmocka_unit_test(an_event_is_listed_where_it_is_defined),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
