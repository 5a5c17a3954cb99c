/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A text longer than the screen, of which the part at v->scroll is shown. */
#ifndef MISPAIR_VIEW_PAGE_H
#define MISPAIR_VIEW_PAGE_H

#include "view_int.h"

/* Lines of prose longer than this are hard to read, however wide the screen. */
#define PAGE_WIDTH 112

struct view_page {
	struct view *v;
	size_t at; /* lines so far */
	int height;
};

/* The next line; one that nobody sees if it is scrolled away. */
struct view_line *view_page_line(struct view_page *p);

/* A heading after an empty line. */
void view_page_heading(struct view_page *p, const char *text);

/* Words wrapped to the width of the screen, INDENT blanks before each line. TEXT may be shown. */
void view_page_words(struct view_page *p, int indent, enum view_style style, const char *text);

/* Ends the page: afterwards v->scroll is no further than there is text. True: compose anew. */
bool view_page_end(struct view_page *p);

/* ---- view_chart.c ---- */
void view_chart(struct view_page *p, const struct finding *f);

/* An owner's name for people, as it may be shown; all of it where OTHER would read the same. */
void view_owner(const struct view *v, const char *owner, const char *other, const char *unknown,
		char *dst, size_t len);

#endif
