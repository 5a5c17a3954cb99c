// SPDX-License-Identifier: GPL-2.0-or-later
/* What keys do. The same hands as htop and less; a key that means nothing does nothing. */
#include <string.h>

#include "view_int.h"

static const uint64_t paces[] = {100000000ULL,	 200000000ULL,	 500000000ULL,
				 1000000000ULL,	 2000000000ULL,	 5000000000ULL,
				 10000000000ULL, 30000000000ULL, 60000000000ULL};

static void pace(struct view *v, bool faster)
{
	size_t n = sizeof(paces) / sizeof(paces[0]), i;

	if (faster) {
		for (i = n; i-- > 0;)
			if (paces[i] < v->refresh_ns)
				break;
		v->refresh_ns = paces[i < n ? i : 0];
		return;
	}
	for (i = 0; i < n - 1 && paces[i] <= v->refresh_ns; i++)
		;
	v->refresh_ns = paces[i];
}

static void resort(struct view *v, enum view_column c)
{
	v->sort = c;
	v->top = v->follow ? v->top : 0;
	if (!v->follow) {
		v->sel = 0;
		v->sel_cookie = v->sel_pool = 0;
	}
	if (v->frozen)
		view_freeze(v, false);
	view_arrange(v);
}

/* Sort columns are those on the screen, or all of them before there is one. */
static void next_column(struct view *v, int step)
{
	int n, i;

	v->n_places = view_layout(v->cols - 1, v->grouped, v->places);
	n = (int)v->n_places;
	for (i = 0; i < n; i++)
		if (v->places[i].column == v->sort)
			break;
	i = i == n ? 0 : (i + step + n) % n;
	v->reverse = false;
	resort(v, v->places[i].column);
}

static void column_by_digit(struct view *v, uint32_t key)
{
	size_t i = key == '0' ? 9 : key - '1';

	v->n_places = view_layout(v->cols - 1, v->grouped, v->places);
	if (i >= v->n_places) {
		v->note = "there are not as many columns on the screen";
		return;
	}
	v->reverse = false;
	resort(v, v->places[i].column);
}

static void open_pool(struct view *v, struct view_pool *p, bool open)
{
	p->open = open;
	v->sel_pool = p->id;
	v->sel_cookie = 0;
	view_arrange(v);
}

static void open_selected(struct view *v)
{
	struct view_item item = view_item_at(v, v->sel);

	if (item.pool && !item.row) {
		open_pool(v, item.pool, !item.pool->open);
	} else if (item.row) {
		v->mode = MODE_DETAILS;
		v->scroll = 0;
		v->detail_cookie = item.row->cookie;
		view_watch(v, v->detail_cookie);
	}
}

static void sideways(struct view *v, bool right)
{
	struct view_item item = view_item_at(v, v->sel);

	if (item.pool && item.pool->open != right)
		open_pool(v, item.pool, right);
}

static void toggle_pools(struct view *v)
{
	v->grouped = !v->grouped;
	v->sel = v->top = 0;
	v->sel_cookie = v->sel_pool = 0;
	if (!v->grouped && view_columns[v->sort].pools)
		v->sort = COL_VERDICT;
	view_arrange(v);
}

static void toggle_pause(struct view *v)
{
	if (!v->paused) {
		v->paused = true;
		v->live_stats = v->stats;
		return;
	}
	view_resume(v);
	view_arrange(v);
}

static void toggle_follow(struct view *v)
{
	struct view_item item = view_item_at(v, v->sel);

	v->follow = !v->follow && (item.row || item.pool);
	v->sel_cookie = item.row ? item.row->cookie : 0;
}

static void set_filter(struct view *v)
{
	view_filter_all(v);
	v->sel = v->top = 0;
	v->sel_cookie = v->sel_pool = 0;
	view_arrange(v);
}

/* ---- while a filter is typed ---- */

static void filter_add(struct view *v, uint32_t key)
{
	char utf8[5] = "";
	size_t n = strlen(v->filter), len;

	if (key < 0x80) {
		utf8[0] = (char)key;
	} else if (key < 0x800) {
		utf8[0] = (char)(0xc0 | key >> 6);
		utf8[1] = (char)(0x80 | (key & 0x3f));
	} else if (key < 0x10000) {
		utf8[0] = (char)(0xe0 | key >> 12);
		utf8[1] = (char)(0x80 | (key >> 6 & 0x3f));
		utf8[2] = (char)(0x80 | (key & 0x3f));
	} else {
		utf8[0] = (char)(0xf0 | key >> 18);
		utf8[1] = (char)(0x80 | (key >> 12 & 0x3f));
		utf8[2] = (char)(0x80 | (key >> 6 & 0x3f));
		utf8[3] = (char)(0x80 | (key & 0x3f));
	}
	len = strlen(utf8);
	if (n + len < sizeof(v->filter))
		memcpy(v->filter + n, utf8, len + 1);
}

static void filter_erase(struct view *v)
{
	size_t n = strlen(v->filter);

	while (n && ((unsigned char)v->filter[n - 1] & 0xc0) == 0x80)
		n--;
	v->filter[n ? n - 1 : 0] = '\0';
}

static enum view_effect typing_key(struct view *v, uint32_t key)
{
	switch (key) {
	case KEY_VIEW_ENTER:
		v->typing = false;
		return VIEW_REDRAW;
	case KEY_VIEW_ESC:
		v->typing = false;
		v->filter[0] = '\0';
		break;
	case KEY_VIEW_BACKSPACE:
		if (!v->filter[0]) {
			v->typing = false;
			return VIEW_REDRAW;
		}
		filter_erase(v);
		break;
	case 0x15: /* ^U */
		v->filter[0] = '\0';
		break;
	default:
		if (key < 0x20 || key == 0x7f || key > 0x10ffff)
			return VIEW_NOTHING;
		filter_add(v, key);
	}
	set_filter(v);
	return VIEW_REDRAW;
}

/* ---- moving ---- */

/* Where a key moves to, from AT among N, a screen being PAGE high. */
static bool moved(uint32_t key, size_t *at, size_t n, size_t page)
{
	size_t last = n ? n - 1 : 0;

	page = page > 1 ? page - 1 : 1;
	switch (key) {
	case 'k':
	case KEY_VIEW_UP:
		*at -= *at > 0;
		return true;
	case 'j':
	case KEY_VIEW_DOWN:
		*at += *at < last;
		return true;
	case KEY_VIEW_PAGE_UP:
		*at = *at > page ? *at - page : 0;
		return true;
	case KEY_VIEW_PAGE_DOWN:
		*at = last - *at > page ? *at + page : last;
		return true;
	case 'g':
	case KEY_VIEW_HOME:
		*at = 0;
		return true;
	case 'G':
	case KEY_VIEW_END:
		*at = last;
		return true;
	default:
		return false;
	}
}

static enum view_effect table_key(struct view *v, uint32_t key)
{
	size_t at = v->sel;

	if (moved(key, &at, v->n_items, (size_t)view_table_height(v))) {
		v->follow = false;
		view_select(v, at);
		return VIEW_REDRAW;
	}
	switch (key) {
	case KEY_VIEW_ENTER:
		open_selected(v);
		break;
	case KEY_VIEW_LEFT:
	case KEY_VIEW_RIGHT:
		sideways(v, key == KEY_VIEW_RIGHT);
		break;
	case KEY_VIEW_ESC:
		if (v->filter[0]) {
			v->filter[0] = '\0';
			set_filter(v);
		} else {
			v->note = "q quits";
		}
		break;
	case '/':
		v->typing = true;
		break;
	case '<':
	case ',':
		next_column(v, -1);
		break;
	case '>':
	case '.':
		next_column(v, 1);
		break;
	case 'r':
		v->reverse = !v->reverse;
		resort(v, v->sort);
		break;
	case 't':
	case KEY_VIEW_TREE:
		toggle_pools(v);
		break;
	case 'o':
		view_freeze(v, !v->frozen);
		break;
	case 'F':
		toggle_follow(v);
		break;
	default:
		if (key < '0' || key > '9')
			return VIEW_NOTHING;
		column_by_digit(v, key);
	}
	return VIEW_REDRAW;
}

static enum view_effect page_key(struct view *v, uint32_t key)
{
	size_t page = (size_t)(v->height > 1 ? v->height - 1 : 1);
	size_t n = v->scroll_lines > page ? v->scroll_lines - page + 1 : 1;

	if (moved(key, &v->scroll, n, page))
		return VIEW_REDRAW;
	if (key == KEY_VIEW_ESC || key == KEY_VIEW_ENTER || key == KEY_VIEW_LEFT ||
	    key == KEY_VIEW_BACKSPACE) {
		if (v->mode == MODE_HELP)
			v->mode = v->under;
		else
			v->mode = MODE_TABLE;
		v->scroll = 0;
		return VIEW_REDRAW;
	}
	return VIEW_NOTHING;
}

enum view_effect view_key(struct view *v, uint32_t key)
{
	v->note = NULL;
	if (key == 3 || key == KEY_VIEW_QUIT)
		return VIEW_QUIT;
	if (v->typing)
		return typing_key(v, key);
	switch (key) {
	case 'q':
		return VIEW_QUIT;
	case '?':
	case 'h':
	case KEY_VIEW_HELP:
		if (v->mode == MODE_HELP) {
			v->mode = v->under;
		} else {
			v->under = v->mode;
			v->mode = MODE_HELP;
		}
		v->scroll = 0;
		return VIEW_REDRAW;
	case ' ':
	case 'p':
		toggle_pause(v);
		return VIEW_REDRAW;
	case '+':
	case '=':
	case '-':
		pace(v, key != '-');
		return VIEW_REDRAW;
	default:
		return v->mode == MODE_TABLE ? table_key(v, key) : page_key(v, key);
	}
}

/* ---- the mouse ---- */

enum view_effect view_click(struct view *v, int row, int col)
{
	int first = view_header_height(v), at = 1;
	size_t i;

	if (v->mode != MODE_TABLE || row < first)
		return VIEW_NOTHING;
	if (row == first) {
		for (i = 0; i < v->n_places; i++) {
			if (col >= at && col < at + v->places[i].width) {
				v->reverse = v->sort == v->places[i].column && !v->reverse;
				resort(v, v->places[i].column);
				return VIEW_REDRAW;
			}
			at += v->places[i].width + 1;
		}
		return VIEW_NOTHING;
	}
	i = v->top + (size_t)(row - first - 1);
	if (i >= v->n_items || row - first - 1 >= view_table_height(v))
		return VIEW_NOTHING;
	if (i == v->sel)
		open_selected(v);
	else
		view_select(v, i);
	return VIEW_REDRAW;
}

enum view_effect view_wheel(struct view *v, int lines)
{
	enum view_effect effect = VIEW_NOTHING;
	int i, n = lines < 0 ? -lines : lines;

	if (v->typing)
		return VIEW_NOTHING;
	for (i = 0; i < n; i++)
		if (view_key(v, lines < 0 ? KEY_VIEW_UP : KEY_VIEW_DOWN) == VIEW_REDRAW)
			effect = VIEW_REDRAW;
	return effect;
}
