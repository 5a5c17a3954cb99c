// SPDX-License-Identifier: GPL-2.0-or-later
/* Which sinks, on which stream, in which colours. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "outlet_file.h"
#include "outlet_kafka.h"
#include "outlet_otlp.h"
#include "outlet_socket.h"
#include "outlet_stream.h"
#include "outlet_syslog.h"
#include "sink_batch.h"
#include "sink_ndjson.h"
#include "sink_text.h"
#include "sinks.h"
#include "tui.h"

static int open_text(struct sinks *s, const struct options *o, FILE *out)
{
	struct sink_text_opts t = {
		.ascii = o->ascii, .quiet = o->quiet, .show_timeline = !o->no_timeline};
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	t.color = o->color >= 0 ? o->color
				: isatty(fileno(out)) && !(no_color && *no_color) &&
					  !(term && !strcmp(term, "dumb"));
	s->text = sink_text_new(out, &t);
	if (!s->text)
		return -ENOMEM;
	s->list[s->n++] = s->text;
	return 0;
}

static int open_view(struct sinks *s, const struct options *o, FILE *out)
{
	struct sink *view = o->show == SHOW_BATCH ? sink_batch_new(out, o) : tui_new(o);

	if (!view)
		return -ENOMEM;
	s->list[s->n++] = view;
	return 0;
}

/* What is being traced does not wait for a reader of ours. */
static int open_json(const struct options *o, struct outlet **out, char *err, size_t len)
{
	const struct outlet_file_opts file = {
		.path = o->json, .rotate_size = o->rotate_size, .rotate_count = o->rotate_count};
	int e;

	if (strcmp(o->json, "-") || o->patient || !outlet_stream_wanted(STDOUT_FILENO))
		return outlet_file_new(&file, out, err, len);
	e = outlet_stream_new(STDOUT_FILENO, OUTLET_STREAM_ROOM, out);
	if (e)
		snprintf(err, len, "cannot write to standard output: %s", strerror(-e));
	return e;
}

/* One of each that is asked for. */
static int open_outlet(const struct options *o, int which, struct outlet **out, char *err,
		       size_t len)
{
	const struct outlet_kafka_opts kafka = {
		.brokers = o->kafka, .topic = o->topic, .config = o->kafka_config};

	switch (which) {
	case 0:
		return o->json ? open_json(o, out, err, len) : 0;
	case 1:
		return o->socket ? outlet_socket_new(o->socket, out, err, len) : 0;
	case 2:
		return o->syslog ? outlet_syslog_new(o->syslog_path, out, err, len) : 0;
	case 3:
		return o->otlp ? outlet_otlp_new(o->otlp, out, err, len) : 0;
	case 4:
		return o->kafka ? outlet_kafka_new(&kafka, out, err, len) : 0;
	}
	return -ENOENT;
}

static int open_events(struct sinks *s, const struct options *o)
{
	struct outlet *outlet;
	char err[512] = "out of memory";
	int i, e;

	for (i = 0;; i++) {
		outlet = NULL;
		e = open_outlet(o, i, &outlet, err, sizeof(err));
		if (e == -ENOENT && i > 4)
			return 0;
		if (e)
			break;
		if (!outlet)
			continue;
		if (!s->json) {
			s->json = sink_ndjson_new_empty();
			if (s->json)
				s->list[s->n++] = s->json;
		}
		e = s->json ? sink_ndjson_add(s->json, outlet) : -ENOMEM;
		if (e) {
			outlet->finish(outlet->ctx);
			break;
		}
	}
	fprintf(stderr, "mispair: %s\n", err);
	return e;
}

int sinks_open(struct sinks *s, const struct options *o)
{
	bool json_stdout = o->json && !strcmp(o->json, "-");
	/* run: the command owns stdout. */
	FILE *out = o->command && *o->command ? stderr : stdout;
	int e = open_events(s, o);

	if (e)
		return e;
	if (json_stdout && out == stdout)
		return 0;
	return o->show == SHOW_LINES ? open_text(s, o, out) : open_view(s, o, out);
}

void sinks_tick(struct sinks *s)
{
	if (s->json)
		sink_ndjson_tick(s->json);
}

void sinks_reopen(struct sinks *s)
{
	if (s->json)
		sink_ndjson_reopen(s->json);
}

void sinks_finish(struct sinks *s)
{
	int i;

	for (i = 0; i < s->n; i++)
		s->list[i]->finish(s->list[i]->ctx);
	memset(s, 0, sizeof(*s));
}

uint64_t sinks_failures(const struct sinks *s)
{
	uint64_t n = 0;
	int i;

	for (i = 0; i < s->n; i++)
		if (s->list[i]->failures)
			n += s->list[i]->failures(s->list[i]->ctx);
	return n;
}

bool sinks_closed(const struct sinks *s)
{
	return (s->json && sink_ndjson_closed(s->json)) || (s->text && sink_text_closed(s->text));
}
