/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One line of the screen in the making: text, its width in cells, and runs of style. It has one
 * door for strings of other processes, view_line_user(), behind which every character is one or
 * two cells wide and none acts on a terminal.
 */
#ifndef MISPAIR_VIEW_LINE_H
#define MISPAIR_VIEW_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum view_style {
	STYLE_PLAIN,
	STYLE_BOLD,
	STYLE_DIM,
	STYLE_ALARM,	/* likely or more, and bad */
	STYLE_WARN,	/* bad, but less so */
	STYLE_GOOD,	/* a good ending */
	STYLE_ACCENT,	/* numbers, names of keys */
	STYLE_HEAD,	/* the table's titles */
	STYLE_SELECTED, /* the row under the cursor */
	STYLE_MAX,
};

#define VIEW_LINE_CELLS 512 /* a wider terminal is used up to here */
#define VIEW_LINE_RUNS	48

struct view_run {
	uint16_t at; /* byte that it starts at */
	uint8_t style;
};

struct view_line {
	char text[VIEW_LINE_CELLS * 4 + 1];
	size_t len;
	int col, width; /* cells so far, and at most */
	bool ascii;
	size_t n_runs;
	struct view_run runs[VIEW_LINE_RUNS];
};

void view_line_start(struct view_line *l, int width, bool ascii);

/* What is put from now on has this style. */
void view_line_style(struct view_line *l, enum view_style style);

/* Our own text, or what view_text() made. What does not fit is cut. */
void view_line_put(struct view_line *l, const char *s);
__attribute__((format(printf, 2, 3))) void view_line_fmt(struct view_line *l, const char *fmt, ...);

/*
 * The same if all of it fits into the rest of the line, after GAP blanks unless the line is
 * empty. Returns whether it did.
 */
bool view_line_field(struct view_line *l, int gap, enum view_style style, const char *s);

/* Text of other processes, at most max bytes of it and WIDTH cells; cut text ends in "…". */
void view_line_user(struct view_line *l, const char *s, size_t max, int width);

/* Blanks up to column col. */
void view_line_pad(struct view_line *l, int col);

/*
 * SRC as it may be shown: escaped, only characters of one or two cells, in ASCII if asked for.
 * dst holds at least VIEW_TEXT_MAX(max) bytes. Returns its width in cells.
 */
#define VIEW_TEXT_MAX(n) (10 * (n) + 1)
int view_text(char *dst, size_t dstlen, const char *src, size_t max, bool ascii);

/* Cells of a string that view_text() made, and how many of its bytes fit into WIDTH cells. */
int view_text_width(const char *s);
size_t view_text_fit(const char *s, int width, int *cells);

#endif
