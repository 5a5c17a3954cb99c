// SPDX-License-Identifier: GPL-2.0-or-later
/* Batch: the view's model and cells without its screen. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sink_batch.h"
#include "view.h"
#include "wallclock.h"

struct batch {
	struct sink sink;
	struct view *view;
	FILE *out;
	uint64_t wall_offset, left, failures, rounds;
	bool endless, dead;
};

static void on_start(void *ctx, const struct start_info *info)
{
	struct batch *b = ctx;

	/* A replay tells the time of the host that was traced. */
	if (info->has_wall_offset)
		b->wall_offset = info->wall_offset_ns;
	view_start(b->view, info);
}

static void on_finding(void *ctx, const struct finding *f)
{
	view_finding(((struct batch *)ctx)->view, f);
}

static void on_round_begin(void *ctx, uint64_t time_ns)
{
	view_round_begin(((struct batch *)ctx)->view, time_ns);
}

static void on_row(void *ctx, const struct view_source_row *row)
{
	view_row(((struct batch *)ctx)->view, row);
}

static void put(struct batch *b, const char *before, const struct view_line *l)
{
	size_t n = l->len;

	while (n && l->text[n - 1] == ' ')
		n--;
	fprintf(b->out, "%s%.*s\n", before, (int)n, l->text);
}

static void put_all(struct batch *b, uint64_t now)
{
	uint64_t wall = now + b->wall_offset;
	time_t sec = (time_t)(wall / WALLCLOCK_NS_PER_SEC);
	const struct view_line *l;
	char when[32] = "";
	struct tm tm;
	size_t i, n;
	int k;

	if (localtime_r(&sec, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S ", &tm);
	if (b->rounds > 2)
		fputc('\n', b->out);
	for (k = 0; (l = view_summary_line(b->view, k)); k++)
		put(b, k ? "" : when, l);
	fputc('\n', b->out);
	n = view_table_begin(b->view);
	for (i = 0; i < n; i++)
		put(b, "", view_table_line(b->view, i));
}

static void on_row_gone(void *ctx, uint64_t cookie)
{
	view_row_gone(((struct batch *)ctx)->view, cookie);
}

static void on_rows_kept(void *ctx)
{
	view_rows_kept(((struct batch *)ctx)->view);
}

static void on_round_end(void *ctx, const struct run_stats *s)
{
	struct batch *b = ctx;

	view_round_end(b->view, s);
	/* The first round is what the next one's rates are counted from. */
	if (b->dead || !b->rounds++ || (!b->endless && !b->left))
		return;
	put_all(b, s->time_ns);
	b->left -= b->left > 0;
	if (!fflush(b->out))
		return;
	if (errno == EPIPE)
		b->dead = true;
	else
		b->failures++;
	clearerr(b->out);
}

static uint64_t get_refresh(void *ctx)
{
	return view_refresh_ns(((struct batch *)ctx)->view);
}

static const char *is_done(void *ctx)
{
	struct batch *b = ctx;

	if (b->dead)
		return "output closed";
	return b->endless || b->left ? NULL : "count reached";
}

static uint64_t get_failures(void *ctx)
{
	return ((struct batch *)ctx)->failures;
}

static void on_finish(void *ctx)
{
	struct batch *b = ctx;

	view_free(b->view);
	free(b);
}

struct sink *sink_batch_new(FILE *out, const struct options *o)
{
	struct view_opts vo = {.ascii = o->ascii,
			       .refresh_ns = o->delay_ns,
			       .sort = o->sort,
			       .reverse = o->sort_reverse,
			       .filters = o->filter_text};
	struct batch *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->view = view_new(&vo);
	if (!b->view) {
		free(b);
		return NULL;
	}
	b->out = out;
	b->wall_offset = wallclock_offset_ns();
	b->endless = !o->count;
	b->left = o->count;
	b->sink = (struct sink){
		.ctx = b,
		.start = on_start,
		.each_finding = on_finding,
		.round_begin = on_round_begin,
		.row = on_row,
		.row_gone = on_row_gone,
		.rows_kept = on_rows_kept,
		.round_end = on_round_end,
		.refresh_ns = get_refresh,
		.done = is_done,
		.failures = get_failures,
		.finish = on_finish,
	};
	return &b->sink;
}
