/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of columns: titles, JSON keys, widths, sort keys and help have one definition. */
#ifndef MISPAIR_VIEW_COLUMNS_H
#define MISPAIR_VIEW_COLUMNS_H

#include <stdbool.h>
#include <stddef.h>

enum view_column {
	COL_VERDICT,
	COL_KIND,
	COL_CONFIDENCE,
	COL_PROCESS,
	COL_PID,
	COL_CONTAINER,
	COL_TRANSPORT,
	COL_CONNS,
	COL_SLOTS,
	COL_REQUESTS,
	COL_REPLIES,
	COL_OWED,
	COL_UNREAD,
	COL_RESIDUE,
	COL_CANCELS,
	COL_AGE,
	COL_LATENCY,
	COL_LOCAL,
	COL_PEER,
	COL_MAX,
};

enum view_sort { SORT_SEVERITY, SORT_NUMBER, SORT_TEXT, SORT_ADDRESS };

struct view_column_def {
	const char *name;  /* -o NAME */
	const char *title; /* at most `min` characters */
	const char *json;  /* the same fact in NDJSON */
	int min, pref;	   /* characters; the last column takes what is left */
	bool right;
	bool pools; /* only where connections are grouped */
	int order;  /* the least go first when there is no room; 0 stays always */
	enum view_sort sort;
	bool down; /* large values first, unless reversed */
	const char *help;
};

extern const struct view_column_def view_columns[COL_MAX];

/* By name, title (in any case) or JSON key; COL_MAX if there is none. */
enum view_column view_column_find(const char *word);

/* A column on the screen. */
struct view_place {
	enum view_column column;
	int width;
};

/*
 * Chooses the columns for a line of WIDTH characters, with one blank between them. Returns their
 * number. Widths add up to WIDTH exactly, unless not even two columns fit.
 */
size_t view_layout(int width, bool pools, struct view_place out[COL_MAX]);

#endif
