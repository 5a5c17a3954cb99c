/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The live view without a terminal: rows in, lines of text and style out. Pure: no stdio streams,
 * no curses, no clock and no /proc of its own; time comes with the rounds of the refresh pass.
 */
#ifndef MISPAIR_VIEW_H
#define MISPAIR_VIEW_H

#include <stdbool.h>
#include <stdint.h>
#include "finding.h"
#include "view_columns.h"
#include "view_line.h"

struct view;
struct view_source_row;

struct view_opts {
	bool ascii;
	uint64_t refresh_ns; /* 0: 1 s */
	enum view_column sort;
	bool reverse;	     /* the other way round than the column's own */
	const char *filters; /* of the command line, for the header; may be NULL */
};

struct view *view_new(const struct view_opts *o); /* NULL when out of memory */
void view_free(struct view *v);

/* ---- what the collector tells ---- */

void view_start(struct view *v, const struct start_info *info);
void view_finding(struct view *v, const struct finding *f);
void view_round_begin(struct view *v, uint64_t time_ns);
void view_row(struct view *v, const struct view_source_row *row);
void view_round_end(struct view *v, const struct run_stats *s);

/*
 * Instead of all rows in each round, only those that moved (finding.h, struct sink): once every row
 * was told. Rows may then come between rounds as well.
 */
void view_row_gone(struct view *v, uint64_t cookie);
void view_rows_kept(struct view *v); /* this round had others */

uint64_t view_refresh_ns(const struct view *v);

/* ---- the screen ---- */

void view_resize(struct view *v, int cols, int rows);

/* Composes the screen: view_height() lines, valid until the next call to any view function. */
void view_compose(struct view *v);
int view_height(const struct view *v);
const struct view_line *view_line(const struct view *v, int i);

/* Where the cursor belongs while text is typed; false: nowhere. */
bool view_cursor(const struct view *v, int *row, int *col);

/* Keys: characters as themselves (Unicode), and these. */
enum view_key {
	KEY_VIEW_UP = 0x200000,
	KEY_VIEW_DOWN,
	KEY_VIEW_LEFT,
	KEY_VIEW_RIGHT,
	KEY_VIEW_PAGE_UP,
	KEY_VIEW_PAGE_DOWN,
	KEY_VIEW_HOME,
	KEY_VIEW_END,
	KEY_VIEW_ENTER,
	KEY_VIEW_ESC,
	KEY_VIEW_BACKSPACE,
	KEY_VIEW_HELP, /* F1 */
	KEY_VIEW_TREE, /* F5 */
	KEY_VIEW_QUIT, /* F10 */
};

enum view_effect {
	VIEW_NOTHING,
	VIEW_REDRAW,
	VIEW_QUIT,
};

enum view_effect view_key(struct view *v, uint32_t key);

/* A click on a line and column of the screen, and a turn of the wheel (down: positive). */
enum view_effect view_click(struct view *v, int row, int col);
enum view_effect view_wheel(struct view *v, int lines);

/* ---- without a screen (batch) ---- */

/*
 * The whole table as it stands: view_table_begin() puts it in order and returns the number of its
 * lines, titles included; view_table_line() composes one of them, no column cut or left out.
 */
size_t view_table_begin(struct view *v);
const struct view_line *view_table_line(struct view *v, size_t i);

/* The header's lines, one after the other, without sparklines. Returns NULL after the last. */
const struct view_line *view_summary_line(struct view *v, int i);

#endif
