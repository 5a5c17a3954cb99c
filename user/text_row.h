/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One line of text in the making. It counts columns, so that colours and UTF-8 do not disturb the
 * alignment, and it has one door for strings of other processes, row_user(), which escapes them.
 */
#ifndef MISPAIR_TEXT_ROW_H
#define MISPAIR_TEXT_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define SGR_ALARM "1;31"
#define SGR_WARN  "33"
#define SGR_DIM	  "2"
#define SGR_BOLD  "1"

/* Room for every string of a struct finding, escaped to its worst, and our own words. */
struct row {
	char buf[6144];
	size_t len, col;
	bool ascii, color;
};

void row_start(struct row *r, bool ascii, bool color);

/*
 * Our own text, valid UTF-8. What does not fit into the row is left out as a whole. A fragment of
 * row_fmt() is at most 255 bytes.
 */
void row_put(struct row *r, const char *s);
__attribute__((format(printf, 2, 3))) void row_fmt(struct row *r, const char *fmt, ...);

/* Text of a traced process or of the user, at most max bytes of it, escaped. */
void row_user(struct row *r, const char *s, size_t max);

/* Starts a colour (SGR_*), or with NULL ends it. Takes no column; nothing without color. */
void row_color(struct row *r, const char *sgr);

/* Blanks up to column col, none if it is past it already. */
void row_pad(struct row *r, size_t col);

/* Writes the row and a newline, without blanks at its end. Returns 0 or -errno. */
int row_write(const struct row *r, FILE *out);

/*
 * How much of an owner's text names it for people: "Task-7 0x7fe446ff3880" is Task-7. A task
 * without a name, "task 0x7fe446ff3880", keeps its address.
 */
size_t owner_short_len(const char *owner);

/* The same, but all of a if its short name is also that of b and they are two owners. */
size_t owner_telling_len(const char *a, const char *b);

/* True if both are the same owner, by their whole text. */
bool same_owner(const char *a, const char *b);

#endif
