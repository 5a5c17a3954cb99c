// SPDX-License-Identifier: GPL-2.0-or-later
/* Pages: details and help. */
#include <stdio.h>
#include <string.h>

#include "view_page.h"

struct view_line *view_page_line(struct view_page *p)
{
	struct view *v = p->v;
	size_t i = p->at++;

	if (i >= v->scroll && i < v->scroll + (size_t)p->height)
		return view_new_line(v);
	view_line_start(&v->one, v->cols, v->o.ascii);
	return &v->one;
}

void view_page_heading(struct view_page *p, const char *text)
{
	struct view_line *l;

	view_page_line(p);
	l = view_page_line(p);
	view_line_style(l, STYLE_BOLD);
	view_line_fmt(l, " %s", text);
}

void view_page_words(struct view_page *p, int indent, enum view_style style, const char *text)
{
	int width = p->v->cols < PAGE_WIDTH ? p->v->cols : PAGE_WIDTH;
	struct view_line *l = NULL;
	char word[256];
	size_t n;

	while (*text) {
		n = strcspn(text, " ");
		snprintf(word, sizeof(word), "%.*s", (int)n, text);
		if (!l || l->col + 1 + view_text_width(word) > width - 1) {
			l = view_page_line(p);
			view_line_pad(l, indent);
			view_line_style(l, style);
		} else {
			view_line_put(l, " ");
		}
		view_line_put(l, word);
		text += n;
		text += strspn(text, " ");
	}
}

bool view_page_end(struct view_page *p)
{
	struct view *v = p->v;
	size_t most = p->at > (size_t)p->height ? p->at - (size_t)p->height : 0;

	v->scroll_lines = p->at;
	if (v->scroll <= most)
		return false;
	v->scroll = most;
	return true;
}
