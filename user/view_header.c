// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The lines above the table: who we are and what we cost, what goes on, what was found, what is
 * shown. A field that does not fit is left out as a whole; the important ones come first.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "view_int.h"

int view_header_height(const struct view *v)
{
	if (v->height >= 10)
		return 4;
	return v->height >= 6 ? 2 : 1;
}

static void clock_text(char *dst, size_t len, uint64_t ns)
{
	uint64_t s = ns / 1000000000, d = s / 86400;

	if (d)
		snprintf(dst, len, "%" PRIu64 "d %02" PRIu64 ":%02" PRIu64, d, s / 3600 % 24,
			 s / 60 % 60);
	else
		snprintf(dst, len, "%" PRIu64 ":%02" PRIu64 ":%02" PRIu64, s / 3600, s / 60 % 60,
			 s % 60);
}

static void rate_text(char *dst, size_t len, double rate)
{
	if (rate > 0 && rate < 9.95)
		snprintf(dst, len, "%.1f/s", rate);
	else {
		view_number(dst, len - 2, (uint64_t)(rate + 0.5));
		strcat(dst, "/s");
	}
}

/* The last CELLS values, the highest of them as a full cell. */
static void sparkline(const struct view *v, char *dst, size_t len, const double *history,
		      size_t cells)
{
	static const char *const bars[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
	static const char *const ascii[] = {"_", ".", ":", "-", "=", "+", "*", "#"};
	size_t n = v->n_history < cells ? v->n_history : cells, i, at = 0;
	const double *from = history + v->n_history - n;
	double most = 0;

	for (i = 0; i < n; i++)
		most = from[i] > most ? from[i] : most;
	dst[0] = '\0';
	for (i = 0; i < n; i++) {
		int level = most > 0 ? (int)(from[i] / most * 7.999) : 0;
		const char *bar = v->o.ascii ? ascii[level] : bars[level];

		if (at + strlen(bar) >= len)
			break;
		strcpy(dst + at, bar);
		at += strlen(bar);
	}
}

/* Host names are not ours to choose either. */
static void safe(const struct view *v, char *dst, size_t len, const char *src, size_t max)
{
	view_text(dst, len, src, max, v->o.ascii);
}

static void line_self(struct view *v, struct view_line *l)
{
	char text[VIEW_TEXT_MAX(64)], part[64];

	view_line_field(l, 0, STYLE_BOLD, "mispair");
	safe(v, text, sizeof(text), v->start.host, 40);
	if (text[0])
		view_line_field(l, 1, STYLE_PLAIN, text);
	clock_text(part, sizeof(part), v->now);
	snprintf(text, sizeof(text), "up %s", part);
	view_line_field(l, 2, STYLE_PLAIN, text);
	safe(v, part, sizeof(part), v->tier, sizeof(v->tier));
	snprintf(text, sizeof(text), "hooks %s", part);
	view_line_field(l, 2, STYLE_PLAIN, text);
	if (v->stats.rss_bytes) {
		view_bytes(part, sizeof(part), v->stats.rss_bytes);
		snprintf(text, sizeof(text), "own cpu %.1f %% mem %s", v->cpu_share * 100, part);
		view_line_field(l, 2, v->cpu_share > 0.25 ? STYLE_WARN : STYLE_PLAIN, text);
	}
	clock_text(part, sizeof(part), v->now - v->start.time_ns);
	snprintf(text, sizeof(text), "watching %s", part);
	view_line_field(l, 2, STYLE_PLAIN, text);
	safe(v, part, sizeof(part), v->start.kernel, 20);
	snprintf(text, sizeof(text), "Linux %s", part);
	if (v->start.kernel[0])
		view_line_field(l, 2, STYLE_DIM, text);
}

static uint64_t lost_total(const struct run_stats *s)
{
	uint64_t n = 0;
	int i;

	for (i = 0; i < LOSS_MAX; i++)
		n += s->lost[i];
	return n;
}

/* Which causes, as far as there is room. */
static void loss_causes(struct view *v, struct view_line *l)
{
	char text[96], number[24];
	int i;

	for (i = 0; i < LOSS_MAX; i++) {
		if (!v->stats.lost[i])
			continue;
		view_number(number, sizeof(number), v->stats.lost[i]);
		snprintf(text, sizeof(text), "%s %s", loss_names[i], number);
		view_line_field(l, 2, STYLE_WARN, text);
	}
}

/* What this host takes from it, "" for nothing. */
static void in_part(const struct view *v, char *dst, size_t len)
{
	size_t used = 0;
	int i;

	dst[0] = '\0';
	for (i = 0; i < DEGRADED_MAX && used < len; i++)
		if (v->start.degraded & 1u << i)
			used += (size_t)snprintf(dst + used, len - used, "%s%s",
						 used ? " " : "IN PART: ", degraded_names[i]);
}

/* The numbers always; sparklines share what room they leave. */
static void line_traffic(struct view *v, struct view_line *l, bool sparks)
{
	char sockets[48], exchanges[48], cancels[48], lost[48], part[96], number[24], bars[256];
	uint64_t n_lost = lost_total(&v->stats);
	int room;

	view_number(number, sizeof(number), v->stats.sockets_tracked);
	snprintf(sockets, sizeof(sockets), "sockets %s", number);
	rate_text(number, sizeof(number), v->exchange_rate);
	snprintf(exchanges, sizeof(exchanges), "exchanges %s", number);
	rate_text(number, sizeof(number), v->cancel_rate);
	snprintf(cancels, sizeof(cancels), "cancels %s", number);
	view_number(number, sizeof(number), n_lost);
	snprintf(lost, sizeof(lost), n_lost ? "EVENTS LOST %s" : "events lost %s", number);
	room = l->width -
	       (int)(strlen(sockets) + strlen(exchanges) + strlen(cancels) + strlen(lost) + 3 * 2);
	in_part(v, part, sizeof(part));
	room -= part[0] ? (int)strlen(part) + 2 : 0;
	/* When something is lost its causes need the room, and in a narrow line it goes first. */
	if (n_lost)
		view_line_field(l, 2, STYLE_ALARM, lost);
	room = sparks ? (n_lost ? room - 30 : room) / 2 - 1 : 0;
	room = room > 40 ? 40 : room < 4 ? 0 : room;

	view_line_field(l, 2, STYLE_PLAIN, sockets);
	view_line_field(l, 2, STYLE_PLAIN, exchanges);
	sparkline(v, bars, sizeof(bars), v->exchange_history, (size_t)room);
	if (bars[0])
		view_line_field(l, 1, STYLE_ACCENT, bars);
	view_line_field(l, 2, STYLE_PLAIN, cancels);
	sparkline(v, bars, sizeof(bars), v->cancel_history, (size_t)room);
	if (bars[0])
		view_line_field(l, 1, STYLE_ACCENT, bars);
	if (n_lost)
		loss_causes(v, l);
	else
		view_line_field(l, 2, STYLE_PLAIN, lost);
	if (part[0])
		view_line_field(l, 2, STYLE_WARN, part);
}

static uint64_t of(const struct run_stats *s, enum verdict verdict, enum confidence from,
		   enum confidence to)
{
	uint64_t n = 0;
	int c;

	for (c = (int)from; c <= (int)to; c++)
		n += s->findings[verdict][c];
	return n;
}

static void count_field(struct view_line *l, enum view_style style, const char *what, uint64_t n)
{
	char text[64], number[24];

	view_number(number, sizeof(number), n);
	snprintf(text, sizeof(text), "%s %s", what, number);
	view_line_field(l, 2, style, text);
}

/* Processes that are not watched in full are told with the findings: they say what these miss. */
static void line_findings(struct view *v, struct view_line *l)
{
	static const enum verdict bad[] = {VERDICT_REUSED, VERDICT_DIRTY, VERDICT_LEAKED,
					   VERDICT_ABANDONED};
	static const enum verdict calm[] = {VERDICT_CLOSED, VERDICT_DRAINED, VERDICT_UNOBSERVED};
	uint64_t n, suspect = 0, alarms = 0, blind = v->stats.coverage.now[COVERAGE_BLIND];
	char text[64], number[24];
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		suspect += of(&v->stats, bad[i], CONF_NONE, CONF_SUSPECT);
		alarms += of(&v->stats, bad[i], CONF_LIKELY, CONF_CERTAIN);
	}
	view_line_field(l, 0,
			alarms	? STYLE_BOLD
			: blind ? STYLE_WARN
				: STYLE_GOOD,
			alarms	  ? "found"
			: suspect ? "nothing likely found"
				  : "nothing found");
	if (blind)
		count_field(l, STYLE_WARN, "BLIND", blind);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		n = of(&v->stats, bad[i], CONF_LIKELY, CONF_CERTAIN);
		view_number(number, sizeof(number), n);
		snprintf(text, sizeof(text), "%s %s", verdict_names[bad[i]], number);
		view_line_field(l, 2,
				!n			   ? STYLE_PLAIN
				: bad[i] == VERDICT_REUSED ? STYLE_ALARM
							   : STYLE_WARN,
				text);
	}
	view_number(number, sizeof(number), suspect);
	snprintf(text, sizeof(text), "suspect %s", number);
	view_line_field(l, 2, STYLE_PLAIN, text);
	if (v->stats.coverage.now[COVERAGE_THREAD])
		count_field(l, STYLE_PLAIN, "by thread", v->stats.coverage.now[COVERAGE_THREAD]);
	for (i = 0; i < sizeof(calm) / sizeof(calm[0]); i++) {
		view_number(number, sizeof(number),
			    of(&v->stats, calm[i], CONF_NONE, CONF_CERTAIN));
		snprintf(text, sizeof(text), "%s %s", verdict_names[calm[i]], number);
		view_line_field(l, 2, STYLE_DIM, text);
	}
}

static void field_paused(struct view *v, struct view_line *l)
{
	uint64_t more = v->live_stats.replies > v->stats.replies
				? v->live_stats.replies - v->stats.replies
				: 0;
	char text[128], a[24], b[24];

	view_number(a, sizeof(a), more);
	view_number(b, sizeof(b), v->pending_findings);
	snprintf(text, sizeof(text), "PAUSED: %s exchanges, %s finding%s since", a, b,
		 v->pending_findings == 1 ? "" : "s");
	if (!view_line_field(l, 2, STYLE_WARN, text)) {
		snprintf(text, sizeof(text), "PAUSED +%s", a);
		view_line_field(l, 2, STYLE_WARN, text);
	}
}

static void line_state(struct view *v, struct view_line *l)
{
	char text[128], part[VIEW_TEXT_MAX(96)], time[24];
	const struct view_column_def *d = &view_columns[v->sort];

	if (v->typing || v->filter[0]) {
		view_line_style(l, STYLE_ACCENT);
		view_line_put(l, "filter: ");
		view_line_style(l, STYLE_BOLD);
		view_line_user(l, v->filter, sizeof(v->filter), 30);
		view_line_style(l, STYLE_PLAIN);
		if (v->typing) {
			v->cursor_col = l->col;
			view_line_put(l, "_");
			view_line_field(l, 2, STYLE_DIM, "Enter keeps it, Esc clears it");
			return;
		}
	}
	if (v->paused)
		field_paused(v, l);
	snprintf(text, sizeof(text), "%zu %s", v->n_items,
		 v->grouped	   ? "lines"
		 : v->n_items == 1 ? "connection"
				   : "connections");
	view_line_field(l, 2, STYLE_PLAIN, text);
	snprintf(text, sizeof(text), "by %s%s", d->name, v->reverse ? " reversed" : "");
	view_line_field(l, 2, STYLE_PLAIN, text);
	if (v->grouped)
		view_line_field(l, 2, STYLE_BOLD, "pools");
	if (v->frozen)
		view_line_field(l, 2, STYLE_BOLD, "FROZEN");
	if (v->follow)
		view_line_field(l, 2, STYLE_BOLD, "FOLLOWING");
	view_time(time, sizeof(time), v->refresh_ns);
	snprintf(text, sizeof(text), "every %s", time);
	view_line_field(l, 2, STYLE_PLAIN, text);
	if (v->filters[0]) {
		safe(v, part, sizeof(part), v->filters, 90);
		snprintf(text, sizeof(text), "only %.80s", part);
		view_line_field(l, 2, STYLE_ACCENT, text);
	}
	if (v->unshown)
		view_line_field(l, 2, STYLE_ALARM, "no memory for some rows");
}

void view_header(struct view *v)
{
	int n = view_header_height(v);

	if (n == 4)
		line_self(v, view_new_line(v));
	if (n >= 2)
		line_traffic(v, view_new_line(v), true);
	if (n == 4)
		line_findings(v, view_new_line(v));
	v->cursor_row = v->n_lines;
	line_state(v, view_new_line(v));
}

const struct view_line *view_summary_line(struct view *v, int i)
{
	struct view_line *l = &v->one;

	view_line_start(l, VIEW_LINE_CELLS, v->o.ascii);
	if (i == 0)
		line_self(v, l);
	else if (i == 1)
		line_traffic(v, l, false);
	else if (i == 2)
		line_findings(v, l);
	else
		return NULL;
	return l;
}
