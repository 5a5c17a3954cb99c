// SPDX-License-Identifier: GPL-2.0-or-later
/* The screen as a list of lines: header, table or page, and the keys at the bottom. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "view_int.h"

/* The next line, empty. Past the screen's end (or memory's) it is one that nobody sees. */
struct view_line *view_new_line(struct view *v)
{
	struct view_line *l = &v->one;

	if (v->n_lines < v->height && v->n_lines < v->cap_lines)
		l = &v->lines[v->n_lines++];
	view_line_start(l, v->cols, v->o.ascii);
	return l;
}

void view_resize(struct view *v, int cols, int rows)
{
	struct view_line *more;

	v->cols = cols < 1 ? 1 : cols > VIEW_LINE_CELLS ? VIEW_LINE_CELLS : cols;
	v->height = rows < 1 ? 1 : rows > VIEW_ROWS_LIMIT ? VIEW_ROWS_LIMIT : rows;
	if (v->height > v->cap_lines) {
		more = realloc(v->lines, (size_t)v->height * sizeof(*more));
		if (more) {
			v->lines = more;
			v->cap_lines = v->height;
		}
	}
	view_arrange(v);
}

int view_height(const struct view *v)
{
	return v->n_lines;
}

const struct view_line *view_line(const struct view *v, int i)
{
	return &v->lines[i];
}

bool view_cursor(const struct view *v, int *row, int *col)
{
	*row = v->cursor_row;
	*col = v->cursor_col;
	return v->typing && v->mode == MODE_TABLE;
}

/* ---- the table ---- */

static void put_title(const struct view *v, struct view_line *l, const struct view_place *p)
{
	const struct view_column_def *d = &view_columns[p->column];
	int cells = (int)strlen(d->title), start = l->col;
	const char *mark = v->o.ascii ? (d->down != v->reverse ? "v" : "^")
				      : (d->down != v->reverse ? "▼" : "▲");

	/* The mark of the sort column goes where there is a blank beside the title. */
	if (d->right)
		view_line_pad(l, start + p->width - cells);
	view_line_put(l, d->title);
	if (p->column == v->sort && !d->right && cells < p->width)
		view_line_put(l, mark);
}

static void titles(struct view *v, struct view_line *l)
{
	size_t i;

	view_line_style(l, STYLE_HEAD);
	view_line_put(l, " ");
	for (i = 0; i < v->n_places; i++) {
		int start = l->col;

		if (v->places[i].column == v->sort)
			view_line_style(l, STYLE_SELECTED);
		put_title(v, l, &v->places[i]);
		view_line_style(l, STYLE_HEAD);
		view_line_pad(l, start + v->places[i].width);
		if (i + 1 < v->n_places)
			view_line_put(l, " ");
	}
	view_line_pad(l, l->width);
}

static enum view_style cell_style(const struct view_row *row, enum view_column c)
{
	switch (c) {
	case COL_VERDICT:
	case COL_KIND:
	case COL_CONFIDENCE:
		return view_row_style(row);
	case COL_OWED:
		return row->owed && view_alarm(row) ? STYLE_WARN : STYLE_PLAIN;
	case COL_UNREAD:
		return row->unread ? STYLE_WARN : STYLE_PLAIN;
	case COL_RESIDUE:
		return row->residue ? STYLE_WARN : STYLE_PLAIN;
	default:
		return row->ended ? STYLE_DIM : STYLE_PLAIN;
	}
}

static void put_row(struct view *v, struct view_line *l, const struct view_item *item,
		    bool selected)
{
	const struct view_row *row = item->row ? item->row : &item->pool->sum;
	const char *mark = " ";
	size_t i;

	if (selected)
		mark = v->o.ascii ? ">" : "▶";
	else if (!item->row)
		mark = item->pool->open ? "-" : "+";
	view_line_style(l, selected ? STYLE_SELECTED : STYLE_PLAIN);
	view_line_put(l, mark);
	for (i = 0; i < v->n_places; i++) {
		const struct view_place *p = &v->places[i];
		int start = l->col;

		if (!selected)
			view_line_style(l, cell_style(row, p->column));
		view_cell(v, l, p->column, item, p->width);
		if (!selected)
			view_line_style(l, STYLE_PLAIN);
		view_line_pad(l, start + p->width);
		if (i + 1 < v->n_places)
			view_line_put(l, " ");
	}
	if (selected)
		view_line_pad(l, l->width);
}

static const char *empty_words(const struct view *v, int i)
{
	static const char *const nothing[] = {
		"No client connection has been seen yet.",
		"",
		"A row appears here for every connection that a program on this host opens,",
		"or has open, to a server: TCP and Unix sockets.",
		NULL,
	};
	static const char *const filtered[] = {
		"No connection matches the filter. Esc clears it.",
		NULL,
	};
	const char *const *words = v->filter[0] ? filtered : nothing;
	int n;

	for (n = 0; words[n] && n < i; n++)
		;
	return words[n];
}

static void table(struct view *v)
{
	int rows = view_table_height(v), i;

	v->n_places = view_layout(v->cols - 1, v->grouped, v->places);
	titles(v, view_new_line(v));
	for (i = 0; i < rows; i++) {
		struct view_item item = view_item_at(v, v->top + (size_t)i);
		struct view_line *l = view_new_line(v);

		if (item.row || item.pool)
			put_row(v, l, &item, v->top + (size_t)i == v->sel);
		else if (!v->n_items && i >= 1 && empty_words(v, i - 1))
			view_line_fmt(l, "  %s", empty_words(v, i - 1));
		else if (!v->n_items && i > 1)
			continue;
	}
}

/* ---- the bottom line ---- */

struct hint {
	const char *key, *what;
};

static void hints(struct view *v, struct view_line *l)
{
	static const struct hint for_table[] = {
		{"Enter", "details"}, {"/", "filter"},	  {"q", "quit"},     {"?", "help"},
		{"<>", "sort"},	      {"Space", "pause"}, {"t", "pools"},    {"r", "reverse"},
		{"o", "freeze"},      {"F", "follow"},	  {"+-", "refresh"}, {NULL, NULL}};
	static const struct hint for_page[] = {
		{"Esc", "back"}, {"jk", "scroll"}, {"q", "quit"}, {"?", "help"}, {NULL, NULL}};
	const struct hint *h = v->mode == MODE_TABLE ? for_table : for_page;
	char text[64];

	if (v->note) {
		view_line_field(l, 0, STYLE_WARN, v->note);
		return;
	}
	for (; h->key; h++) {
		snprintf(text, sizeof(text), "%s %s", h->key, h->what);
		if (l->col + 2 + (int)strlen(text) > l->width)
			break;
		if (l->col)
			view_line_put(l, "  ");
		view_line_style(l, STYLE_ACCENT);
		view_line_put(l, h->key);
		view_line_style(l, STYLE_PLAIN);
		view_line_fmt(l, " %s", h->what);
	}
}

void view_compose(struct view *v)
{
	v->n_lines = 0;
	if (!v->cap_lines)
		return;
	if (v->mode == MODE_TABLE) {
		view_header(v);
		if (v->height > view_header_height(v))
			table(v);
	} else if (v->mode == MODE_DETAILS) {
		view_details(v, v->height - 1);
	} else {
		view_help(v, v->height - 1);
	}
	while (v->n_lines < v->height - 1 && v->n_lines < v->cap_lines)
		view_new_line(v);
	if (v->n_lines < v->height)
		hints(v, view_new_line(v));
}

/* ---- batch ---- */

/* Text that other people chose the length of is not cut here. */
static int widest(struct view *v, enum view_column c)
{
	int width = view_columns[c].pref;
	struct view_item item;
	size_t i;

	if (view_columns[c].right)
		return width;
	for (i = 0; i < v->n_items; i++) {
		item = view_item_at(v, i);
		view_line_start(&v->one, VIEW_LINE_CELLS, v->o.ascii);
		view_cell(v, &v->one, c, &item, VIEW_LINE_CELLS);
		width = v->one.col > width ? v->one.col : width;
	}
	return width;
}

size_t view_table_begin(struct view *v)
{
	size_t i;

	/* All of it is on the screen. */
	v->sel = v->top = 0;
	v->sel_cookie = v->sel_pool = 0;
	view_arrange(v);
	if (!v->grouped)
		view_order_part(v, v->order, v->n_order, 0, v->n_order);
	v->n_places = 0;
	for (i = 0; i < COL_MAX; i++) {
		if (view_columns[i].pools && !v->grouped)
			continue;
		v->places[v->n_places].column = (enum view_column)i;
		v->places[v->n_places++].width = widest(v, (enum view_column)i);
	}
	return v->n_items + 1;
}

const struct view_line *view_table_line(struct view *v, size_t i)
{
	struct view_line *l = &v->one;
	struct view_item item;
	size_t c;

	view_line_start(l, VIEW_LINE_CELLS, v->o.ascii);
	if (i)
		item = view_item_at(v, i - 1);
	for (c = 0; c < v->n_places; c++) {
		const struct view_column_def *d = &view_columns[v->places[c].column];
		int start = l->col, width = v->places[c].width;
		bool last = c + 1 == v->n_places;

		if (last)
			width = VIEW_LINE_CELLS - l->col;
		if (i) {
			view_cell(v, l, v->places[c].column, &item, width);
		} else {
			if (d->right)
				view_line_pad(l, start + width - (int)strlen(d->title));
			view_line_put(l, d->title);
		}
		if (!last) {
			view_line_pad(l, start + width);
			view_line_put(l, " ");
		}
	}
	return l;
}
