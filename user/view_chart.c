// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The timeline as a drawing between two bars, the client and the server: a request goes right, a
 * reply comes left, and what happens in the client alone stands beside its bar.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "story.h"
#include "view_page.h"

#define TIME_WIDTH  14
#define OWNER_WIDTH 26
#define LANES_MAX   64
#define LANES_MIN   30 /* narrower than this there are arrows without bars */

void view_owner(const struct view *v, const char *owner, const char *other, const char *unknown,
		char *dst, size_t len)
{
	size_t n = strnlen(owner, OWNER_TEXT), i = n;
	const char *at;

	if (!n) {
		snprintf(dst, len, "%s", unknown);
		return;
	}
	/* "Task-7 0x7fe446ff3880" is Task-7; "task 0x7fe446ff3880" has no other name. */
	while (i && isxdigit((unsigned char)owner[i - 1]))
		i--;
	at = owner + i;
	if (i < n && i > 3 && !memcmp(at - 3, " 0x", 3) && !(i == 7 && !memcmp(owner, "task", 4)) &&
	    (strncmp(owner, other, i - 2) || !strncmp(owner, other, OWNER_TEXT)))
		n = i - 3;
	view_text(dst, len, owner, n, v->o.ascii);
}

/* Where the server's bar is. */
static int server_at(const struct view_line *l, int lane)
{
	return l->width - 2 < lane + LANES_MAX ? l->width - 2 : lane + LANES_MAX;
}

struct marks {
	const char *bar, *out, *in, *line, *head_right, *head_left, *cancel, *unread, *close, *turn;
};

static const struct marks fine = {"│", "├", "┤", "─", "▶", "◀", "✗", "●", "■", "└"};
static const struct marks plain = {"|", "|", "|", "-", ">", "<", "X", "o", "#", "`"};

/* What a look at the task's memory found. */
static const char *seen_words(const struct finding *f)
{
	switch (f->cancel) {
	case CANCEL_ASYNCIO:
		return "cancelled by now";
	case CANCEL_ASYNCIO_DESTROYED:
		return "destroyed by now";
	case CANCEL_ASYNCIO_FINISHED:
		return "ended by now, no reply read";
	case CANCEL_ASYNCIO_GONE:
		return "gone by now";
	default:
		return "no longer waiting";
	}
}

static void words_of(const struct view *v, const struct finding *f, const struct timeline_entry *e,
		     char *dst, size_t len)
{
	char by[VIEW_TEXT_MAX(OWNER_TEXT)], bytes[24];

	view_bytes(bytes, sizeof(bytes), e->bytes);
	switch (e->what) {
	case TL_REQUEST:
		snprintf(dst, len, "request %s", bytes);
		break;
	case TL_CANCEL:
		view_owner(v, e->by, e->owner, "", by, sizeof(by));
		snprintf(dst, len, by[0] ? "cancelled by %s" : "cancelled", by);
		break;
	case TL_CANCEL_SEEN:
		snprintf(dst, len, "%s", seen_words(f));
		break;
	case TL_REPLY:
		snprintf(dst, len, "reply %s", bytes);
		break;
	case TL_RESIDUE:
		snprintf(dst, len, "reply %s, nobody waits", bytes);
		break;
	case TL_UNREAD:
		snprintf(dst, len, "%s lie unread in the socket", bytes);
		break;
	case TL_CLOSE:
		snprintf(dst, len, "connection closed");
		break;
	case TL_BEHIND:
		snprintf(dst, len,
			 e->bytes ? "another reply's %s still lie there"
				  : "no more was taken than lay there",
			 bytes);
		break;
	default:
		snprintf(dst, len, "?");
	}
}

static enum view_style style_of(const struct finding *f, size_t i, size_t reuse)
{
	switch (f->timeline[i].what) {
	case TL_CANCEL:
	case TL_CANCEL_SEEN:
	case TL_BEHIND:
		return STYLE_ALARM;
	case TL_RESIDUE:
	case TL_UNREAD:
		return STYLE_WARN;
	case TL_CLOSE:
		return STYLE_GOOD;
	default:
		return i == reuse ? STYLE_ALARM : STYLE_PLAIN;
	}
}

/* "├── words ─────▶│", or from the right. */
static void arrow(struct view_line *l, const struct marks *m, bool right, const char *words,
		  int end)
{
	view_line_put(l, right ? m->out : m->bar);
	view_line_put(l, right ? m->line : m->head_left);
	view_line_put(l, m->line);
	view_line_fmt(l, " %s ", words);
	while (l->col < end - 1)
		view_line_put(l, m->line);
	view_line_put(l, right ? m->head_right : m->line);
	view_line_put(l, right ? m->bar : m->in);
}

static void entry(struct view_page *p, const struct finding *f, size_t i, int owner_width,
		  size_t reuse)
{
	const struct timeline_entry *e = &f->timeline[i];
	const struct marks *m = p->v->o.ascii ? &plain : &fine;
	struct view_line *l = view_page_line(p);
	char owner[VIEW_TEXT_MAX(OWNER_TEXT)], words[VIEW_TEXT_MAX(OWNER_TEXT) + 32];
	int lane = TIME_WIDTH + owner_width + 2, end = server_at(l, lane);
	bool lanes = end - lane >= LANES_MIN;
	const char *mark;

	if (e->at_ns < 100000000000ULL)
		view_line_fmt(l, "%6" PRIu64 ".%03u ms  ", e->at_ns / 1000000,
			      (unsigned int)(e->at_ns / 1000 % 1000));
	else
		view_line_fmt(l, "%8" PRIu64 " s   ", e->at_ns / 1000000000);
	view_line_pad(l, TIME_WIDTH);
	view_owner(p->v, e->owner, "", "", owner, sizeof(owner));
	view_line_style(l, STYLE_BOLD);
	view_line_user(l, owner, strlen(owner), owner_width);
	view_line_style(l, STYLE_PLAIN);
	view_line_pad(l, lane);
	words_of(p->v, f, e, words, sizeof(words));
	view_line_style(l, style_of(f, i, reuse));
	if (e->what == TL_REQUEST || e->what == TL_REPLY || e->what == TL_RESIDUE) {
		bool right = e->what == TL_REQUEST;

		if (lanes) {
			arrow(l, m, right, words, end);
			return;
		}
		view_line_fmt(l, "%s%s%s %s", right ? m->line : m->head_left, m->line,
			      right ? m->head_right : m->line, words);
		return;
	}
	mark = e->what == TL_CLOSE ? m->close : e->what == TL_UNREAD ? m->unread : m->cancel;
	view_line_fmt(l, "%s %s", mark, words);
	view_line_style(l, STYLE_PLAIN);
	if (lanes) {
		view_line_pad(l, end);
		view_line_put(l, e->what == TL_CLOSE ? " " : m->bar);
	}
}

static void heads(struct view_page *p, int owner_width)
{
	struct view_line *l = view_page_line(p);
	int lane = TIME_WIDTH + owner_width + 2, end = server_at(l, lane);

	view_line_style(l, STYLE_DIM);
	view_line_put(l, "        time");
	view_line_pad(l, TIME_WIDTH);
	view_line_put(l, "who");
	view_line_pad(l, lane);
	view_line_put(l, "client");
	if (end - lane >= LANES_MIN) {
		view_line_pad(l, end - 5);
		view_line_put(l, "server");
	}
}

static void gap(struct view_page *p, int owner_width)
{
	const struct marks *m = p->v->o.ascii ? &plain : &fine;
	struct view_line *l = view_page_line(p);
	int lane = TIME_WIDTH + owner_width + 2, end = server_at(l, lane);

	if (end - lane < LANES_MIN)
		return;
	view_line_pad(l, lane);
	view_line_put(l, m->bar);
	view_line_pad(l, end);
	view_line_put(l, m->bar);
}

static void note(struct view_page *p, const struct finding *f, int owner_width)
{
	char prev[VIEW_TEXT_MAX(OWNER_TEXT)];
	const struct view *v = p->v;
	struct view_line *l = view_page_line(p);
	char text[sizeof(prev) + 64];
	int at;

	view_owner(v, f->owner_prev, f->owner_next, "the request before", prev, sizeof(prev));
	snprintf(text, sizeof(text), "%s the reply to %s %s", v->o.ascii ? "^" : "▲", prev,
		 f->reuse == REUSE_UNREAD    ? "lies unread before it"
		 : f->reuse == REUSE_RESIDUE ? "lies in a buffer before it"
					     : "is still owed");
	/* Under the request, or as far to the left as it takes. */
	at = TIME_WIDTH + owner_width + 2;
	if (at + view_text_width(text) > l->width - 1)
		at = l->width - 1 - view_text_width(text);
	view_line_pad(l, at);
	view_line_style(l, STYLE_ALARM);
	view_line_put(l, text);
}

void view_chart(struct view_page *p, const struct finding *f)
{
	size_t n = f->n_timeline < TIMELINE_MAX ? f->n_timeline : TIMELINE_MAX, i;
	size_t reuse = story_reuse_at(f, n);
	char owner[VIEW_TEXT_MAX(OWNER_TEXT)];
	int width = 6, most = p->v->cols < 60 ? 12 : OWNER_WIDTH;

	for (i = 0; i < n; i++) {
		view_owner(p->v, f->timeline[i].owner, "", "", owner, sizeof(owner));
		width = view_text_width(owner) > width ? view_text_width(owner) : width;
	}
	width = width < most ? width : most;
	heads(p, width);
	for (i = 0; i < n; i++) {
		if (i == reuse)
			gap(p, width);
		entry(p, f, i, width, reuse);
		if (i == reuse)
			note(p, f, width);
	}
}
