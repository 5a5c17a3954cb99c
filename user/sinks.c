// SPDX-License-Identifier: GPL-2.0-or-later
/* Which sinks, on which stream, in which colours. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sink_ndjson.h"
#include "sink_text.h"
#include "sinks.h"

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

int sinks_open(struct sinks *s, const struct options *o)
{
	bool json_stdout = o->json && !strcmp(o->json, "-");
	/* run: the command owns stdout. */
	FILE *out = o->command && *o->command ? stderr : stdout;
	char err[256];
	int e;

	if (o->json) {
		e = sink_ndjson_new(o->json, &s->json, err, sizeof(err));
		if (e) {
			fprintf(stderr, "mispair: %s\n", err);
			return e;
		}
		s->list[s->n++] = s->json;
	}
	return json_stdout && out == stdout ? 0 : open_text(s, o, out);
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
