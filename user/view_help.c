// SPDX-License-Identifier: GPL-2.0-or-later
/* The help screen: keys, verdicts, columns; the latter from the table of columns. */
#include <stdio.h>
#include <string.h>

#include "view_page.h"

struct line {
	const char *left, *right;
};

static const struct line keys[] = {
	{"Enter, Esc", "open what the cursor is on; back"},
	{"up down j k", "move; PgUp PgDn, Home End, g G"},
	{"/", "filter: part of a process, container, address, service or verdict; Esc clears it"},
	{"< >", "sort by the column to the left or right; 1 to 9, 0: by that column"},
	{"r", "the other way round"},
	{"t, F5", "group by pool (process and peer); Enter opens a pool, left and right too"},
	{"Space, p", "pause; the header counts what goes on meanwhile"},
	{"o", "freeze the order; numbers go on"},
	{"F", "follow the row under the cursor"},
	{"+ -", "refresh more or less often"},
	{"?, h, F1", "this page"},
	{"q, ^C, F10", "quit"},
	{NULL, NULL},
};

static const struct line verdicts[] = {
	{"REUSED", "the next request was sent on a connection that still owed a reply to a "
		   "cancelled caller: somebody is handed somebody else's reply"},
	{"DIRTY", "such a reply has come with nobody waiting, and the connection is still open"},
	{"LEAKED", "abandoned and never used again: a pool slot that does not come back"},
	{"ABANDONED", "its caller gave up while a reply was owed, and it is still open"},
	{"closed, drained", "the good endings: closed, or the old reply read before reuse"},
	{"unobserved", "evidence was lost, or it was open before the start: nothing is said"},
	{"-", "nothing suspicious was seen"},
	{"by thread", "nothing was seen, but its program has tasks, or may have, that are not "
		      "known as owners: what one of them does to another is missed"},
	{"blind", "nothing could be seen: its process's owners are unknown (Enter says why)"},
	{NULL, NULL},
};

static void entry(struct view_page *p, int column, enum view_style style, const char *left,
		  const char *right)
{
	struct view_line *l = view_page_line(p);
	int room = (l->width < PAGE_WIDTH ? l->width : PAGE_WIDTH) - column - 1;

	view_line_style(l, style);
	view_line_fmt(l, "   %s", left);
	view_line_style(l, STYLE_PLAIN);
	if (l->col >= column || room < 16) {
		view_page_words(p, 6, STYLE_PLAIN, right);
		return;
	}
	/* The first line beside the word, the rest under it. */
	while (*right) {
		size_t n = strlen(right), at;

		if (n > (size_t)room)
			for (at = n = (size_t)room; at > 0; at--)
				if (right[at] == ' ') {
					n = at;
					break;
				}
		view_line_pad(l, column);
		view_line_fmt(l, "%.*s", (int)n, right);
		right += n;
		right += strspn(right, " ");
		if (*right)
			l = view_page_line(p);
	}
}

static void list(struct view_page *p, int column, const struct line *lines)
{
	for (; lines->left; lines++)
		entry(p, column, STYLE_ACCENT, lines->left, lines->right);
}

static void columns(struct view_page *p)
{
	int i;

	for (i = 0; i < COL_MAX; i++)
		entry(p, 16, STYLE_ACCENT, view_columns[i].title, view_columns[i].help);
}

/* What was lost so far, whom that hides, and how it lifts. */
static void losses(struct view_page *p)
{
	const uint64_t *lost = p->v->stats.lost;
	char text[512];
	bool any = false;
	int i;

	for (i = 0; i < LOSS_MAX; i++) {
		if (!lost[i])
			continue;
		if (!any)
			view_page_heading(p, "Lost so far");
		any = true;
		if (*loss_hides[i])
			snprintf(text, sizeof(text), "%s; this hides %s; it lifts: %s",
				 loss_words[i], loss_hides[i], loss_lifts[i]);
		else
			snprintf(text, sizeof(text), "%s", loss_words[i]);
		entry(p, 24, STYLE_WARN, loss_names[i], text);
	}
}

void view_help(struct view *v, int height)
{
	struct view_page p = {.v = v, .height = height};
	struct view_line *l;

	do {
		p.at = 0;
		v->n_lines = 0;
		l = view_page_line(&p);
		view_line_style(l, STYLE_BOLD);
		view_line_fmt(l,
			      " mispair %s: which client connections can hand out somebody else's "
			      "reply?",
			      v->version);
		losses(&p);
		view_page_heading(&p, "Keys");
		list(&p, 18, keys);
		view_page_heading(&p, "Verdicts");
		list(&p, 20, verdicts);
		view_page_heading(&p, "How sure");
		list(&p, 16,
		     (const struct line[]){
			     {"certain", "cancelled by name, and the next request left before the "
					 "reply came"},
			     {"likely", "the same on a young connection, or the reply had come by "
					"then"},
			     {"suspect", "an innocent reading was not ruled out: no alarm"},
			     {NULL, NULL}});
		view_page_heading(&p, "Columns");
		columns(&p);
	} while (view_page_end(&p));
}
