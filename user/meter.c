// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "meter.h"
#include "metrics.h"
#include "version.h"

#define WALK_NS 10000000000ULL /* counting a map's entries walks over it */

struct meter {
	struct session *session;
	struct metrics *metrics;
	struct metrics_numbers numbers;
	uint64_t walked_ns;
};

static void add_value(struct metrics_value *v, size_t *n, const char *name, uint64_t value)
{
	if (*n == METRICS_NAMES_MAX)
		return;
	snprintf(v[*n].name, sizeof(v[*n].name), "%s", name);
	v[(*n)++].value = value;
}

static void on_program(void *ctx, const char *name, uint64_t ns)
{
	struct metrics_numbers *n = ctx;

	add_value(n->programs, &n->n_programs, name, ns);
}

static void on_map(void *ctx, const char *name, uint64_t entries)
{
	struct metrics_numbers *n = ctx;

	add_value(n->maps, &n->n_maps, name, entries);
}

static void set_table(struct metrics_numbers *n, const char *name, uint64_t entries)
{
	size_t i;

	for (i = 0; i < n->n_tables && strcmp(n->tables[i].name, name); i++)
		;
	if (i < n->n_tables)
		n->tables[i].value = entries;
	else
		add_value(n->tables, &n->n_tables, name, entries);
}

void meter_table(struct meter *m, const char *name, uint64_t entries)
{
	if (m)
		set_table(&m->numbers, name, entries);
}

void meter_pass(struct meter *m, uint64_t ns)
{
	static const char *const names[METRICS_PASSES] = {"last", "longest"};
	struct metrics_value *v;
	size_t i;

	if (!m)
		return;
	v = m->numbers.passes;
	for (i = m->numbers.n_passes; i < METRICS_PASSES; i++)
		snprintf(v[i].name, sizeof(v[i].name), "%s", names[i]);
	m->numbers.n_passes = METRICS_PASSES;
	v[0].value = ns;
	if (ns > v[1].value)
		v[1].value = ns;
}

void meter_update(struct meter *m, const struct core *c, uint64_t now, bool last)
{
	struct metrics_numbers *n;

	if (!m)
		return;
	n = &m->numbers;
	core_stats(c, now, &n->stats);
	n->n_programs = 0;
	session_programs(m->session, on_program, n);
	if (!m->walked_ns || now - m->walked_ns >= WALK_NS) {
		m->walked_ns = now;
		n->n_maps = 0;
		session_maps(m->session, on_map, n);
	}
	metrics_update(m->metrics, n, last);
}

uint64_t meter_failures(const struct meter *m)
{
	return m ? metrics_failures(m->metrics) : 0;
}

void meter_free(struct meter *m)
{
	if (m)
		metrics_free(m->metrics);
	free(m);
}

int meter_open(const struct options *o, struct session *s, struct meter **out)
{
	struct utsname u = {0};
	struct meter *m;
	char err[512];
	int e;

	*out = NULL;
	if (!o->metrics && !o->metrics_file)
		return 0;
	m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->session = s;
	uname(&u);
	snprintf(m->numbers.version, sizeof(m->numbers.version), "%s", MISPAIR_VERSION);
	snprintf(m->numbers.kernel, sizeof(m->numbers.kernel), "%.65s", u.release);
	snprintf(m->numbers.tier, sizeof(m->numbers.tier), "%.15s", session_tier(s));
	e = metrics_new(o->metrics, o->metrics_file, &m->metrics, err, sizeof(err));
	if (e) {
		fprintf(stderr, "mispair: %s\n", err);
		free(m);
		return e;
	}
	*out = m;
	return 0;
}
