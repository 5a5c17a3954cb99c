// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Numbers as Prometheus reads them. Labels are words of ours, or names of our own programs and
 * maps: nothing that a traced process chooses, and no pid, port or cookie, so their number is
 * bounded.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "metrics.h"
#include "numparse.h"

static void head(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void one(FILE *out, const char *name, const char *type, const char *help, uint64_t v)
{
	head(out, name, type, help);
	fprintf(out, "%s %" PRIu64 "\n", name, v);
}

/* A label's value: backslash, quote and newline are the format's own. */
static void label(FILE *out, const char *s)
{
	for (; *s; s++) {
		if (*s == '\\' || *s == '"')
			fputc('\\', out);
		if (*s == '\n')
			fputs("\\n", out);
		else
			fputc(*s, out);
	}
}

static void seconds(FILE *out, uint64_t ns)
{
	fprintf(out, "%" PRIu64 ".%09" PRIu64 "\n", ns / 1000000000, ns % 1000000000);
}

static void write_findings(FILE *out, const struct run_stats *s)
{
	int v, c;

	head(out, "mispair_findings_total", "counter",
	     "Connections that were found in a state, by verdict and confidence.");
	for (v = VERDICT_NONE + 1; v < VERDICT_MAX; v++) {
		bool graded = v >= VERDICT_ABANDONED;

		for (c = CONF_NONE; c < CONF_MAX; c++)
			if (graded == (c != CONF_NONE) || s->findings[v][c])
				fprintf(out,
					"mispair_findings_total{kind=\"%s\",confidence=\"%s\"} "
					"%" PRIu64 "\n",
					verdict_names[v], confidence_names[c], s->findings[v][c]);
	}
}

static void write_named(FILE *out, const char *metric, const char *key,
			const struct metrics_value *v, size_t n, bool is_time)
{
	for (; n; n--, v++) {
		fprintf(out, "%s{%s=\"", metric, key);
		label(out, v->name);
		fputs("\"} ", out);
		if (is_time)
			seconds(out, v->value);
		else
			fprintf(out, "%" PRIu64 "\n", v->value);
	}
}

void metrics_write(FILE *out, const struct metrics_numbers *n)
{
	const struct run_stats *s = &n->stats;
	int i;

	head(out, "mispair_build_info", "gauge", "1, with what is running as labels.");
	fputs("mispair_build_info{version=\"", out);
	label(out, n->version);
	fputs("\",kernel=\"", out);
	label(out, n->kernel);
	fputs("\",tier=\"", out);
	label(out, n->tier);
	fputs("\"} 1\n", out);
	one(out, "mispair_exchanges_total", "counter", "Requests on client connections.",
	    s->requests);
	one(out, "mispair_replies_total", "counter", "Replies on client connections.", s->replies);
	write_findings(out, s);
	head(out, "mispair_cancellations_total", "counter", "Cancellations that were probed.");
	fprintf(out, "mispair_cancellations_total{kind=\"%s\"} %" PRIu64 "\n",
		cancel_names[CANCEL_ASYNCIO], s->cancellations);
	head(out, "mispair_events_lost_total", "counter", "Evidence or output lost, by cause.");
	for (i = 0; i < LOSS_MAX; i++)
		fprintf(out, "mispair_events_lost_total{reason=\"%s\"} %" PRIu64 "\n",
			loss_names[i], s->lost[i]);
	head(out, "mispair_processes", "gauge",
	     "Processes that have made client connections, by how far they are watched.");
	for (i = COVERAGE_FULL; i < COVERAGE_MAX; i++)
		fprintf(out, "mispair_processes{coverage=\"%s\"} %" PRIu64 "\n", coverage_names[i],
			s->coverage.now[i]);
	one(out, "mispair_events_total", "counter", "Records taken from the kernel.", s->events);
	one(out, "mispair_sockets_total", "counter", "Client connections seen.", s->sockets_total);
	one(out, "mispair_sockets", "gauge", "Client connections tracked now.", s->sockets_tracked);
	head(out, "mispair_cpu_seconds_total", "counter", "Processor time of mispair itself.");
	fputs("mispair_cpu_seconds_total ", out);
	seconds(out, s->cpu_ns);
	if (n->n_maps)
		head(out, "mispair_map_entries", "gauge", "Entries of each of mispair's BPF maps.");
	write_named(out, "mispair_map_entries", "map", n->maps, n->n_maps, false);
	if (n->n_tables)
		head(out, "mispair_table_entries", "gauge",
		     "Processes and files of which mispair keeps something in its own memory, "
		     "and sockets that the last pass looked at.");
	write_named(out, "mispair_table_entries", "table", n->tables, n->n_tables, false);
	if (n->n_passes)
		head(out, "mispair_pass_seconds", "gauge",
		     "What the last pass over the sockets that matter took, and the longest.");
	write_named(out, "mispair_pass_seconds", "pass", n->passes, n->n_passes, true);
	if (n->n_programs)
		head(out, "mispair_bpf_program_seconds_total", "counter",
		     "Time in each of mispair's BPF programs, while kernel.bpf_stats_enabled is "
		     "set.");
	write_named(out, "mispair_bpf_program_seconds_total", "program", n->programs, n->n_programs,
		    true);
}

static void rise(uint64_t *last, uint64_t *now)
{
	if (*now < *last)
		*now = *last;
	*last = *now;
}

/* Sums over open sockets and ended ones are not taken at one instant. */
void metrics_clamp(struct metrics_clamp *c, struct metrics_numbers *n)
{
	rise(&c->requests, &n->stats.requests);
	rise(&c->replies, &n->stats.replies);
}

int metrics_parse_address(const char *s, union metrics_address *out)
{
	const char *colon = strrchr(s, ':'), *port = colon ? colon + 1 : s;
	union metrics_address a;
	char host[64] = "127.0.0.1";
	uint64_t n;

	memset(&a, 0, sizeof(a));
	if (parse_u64(port, 1, 65535, &n))
		return -EINVAL;
	if (colon && colon != s) {
		size_t len = (size_t)(colon - s);

		if (s[0] == '[' && len > 2 && s[len - 1] == ']') {
			s++;
			len -= 2;
		}
		if (len >= sizeof(host))
			return -EINVAL;
		memcpy(host, s, len);
		host[len] = 0;
	}
	if (inet_pton(AF_INET, host, &a.four.sin_addr) == 1) {
		a.four.sin_family = AF_INET;
		a.four.sin_port = htons((uint16_t)n);
	} else if (inet_pton(AF_INET6, host, &a.six.sin6_addr) == 1) {
		a.six.sin6_family = AF_INET6;
		a.six.sin6_port = htons((uint16_t)n);
	} else {
		return -EINVAL;
	}
	if (out)
		*out = a;
	return 0;
}
