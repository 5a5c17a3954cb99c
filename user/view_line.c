// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Lines of the screen.
 *
 * Invariants: text is valid UTF-8; col is its width by wcwidth(3) and never more than width; runs
 * are in order. A character whose width the C library does not know, or that has none (combining
 * marks, joiners), is spelled out where it comes from outside: terminals disagree about them, and
 * a disagreement would move everything that follows.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

#include "escape.h"
#include "view_line.h"

void view_line_start(struct view_line *l, int width, bool ascii)
{
	l->len = 0;
	l->col = 0;
	l->width = width < VIEW_LINE_CELLS ? width : VIEW_LINE_CELLS;
	l->ascii = ascii;
	l->n_runs = 0;
	l->text[0] = '\0';
	view_line_style(l, STYLE_PLAIN);
}

void view_line_style(struct view_line *l, enum view_style style)
{
	struct view_run *last = l->n_runs ? &l->runs[l->n_runs - 1] : NULL;

	if (last && last->style == style)
		return;
	if (last && last->at == l->len) {
		last->style = (uint8_t)style;
		return;
	}
	if (l->n_runs < VIEW_LINE_RUNS)
		l->runs[l->n_runs++] = (struct view_run){(uint16_t)l->len, (uint8_t)style};
}

static void put_bytes(struct view_line *l, const char *s, size_t n, int cells)
{
	if (l->len + n >= sizeof(l->text))
		return;
	memcpy(l->text + l->len, s, n);
	l->len += n;
	l->text[l->len] = '\0';
	l->col += cells;
}

/* Width of a character that view_text() lets through. */
static int cells_of(uint32_t cp)
{
	if (cp < 0x80)
		return 1;
	return wcwidth((wchar_t)cp) == 2 ? 2 : 1;
}

void view_line_put(struct view_line *l, const char *s)
{
	uint32_t cp;
	size_t n;

	for (; *s; s += n) {
		n = escape_decode(s, strnlen(s, 4), &cp);
		if (!n || l->col + cells_of(cp) > l->width)
			return;
		put_bytes(l, s, n, cells_of(cp));
	}
}

void view_line_fmt(struct view_line *l, const char *fmt, ...)
{
	char tmp[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(tmp, sizeof(tmp), fmt, ap);
	va_end(ap);
	view_line_put(l, tmp);
}

bool view_line_field(struct view_line *l, int gap, enum view_style style, const char *s)
{
	if (!l->col)
		gap = 0;
	if (l->col + gap + view_text_width(s) > l->width)
		return false;
	view_line_style(l, STYLE_PLAIN);
	view_line_pad(l, l->col + gap);
	view_line_style(l, style);
	view_line_put(l, s);
	view_line_style(l, STYLE_PLAIN);
	return true;
}

void view_line_pad(struct view_line *l, int col)
{
	while (l->col < col && l->col < l->width)
		put_bytes(l, " ", 1, 1);
}

int view_text(char *dst, size_t dstlen, const char *src, size_t max, bool ascii)
{
	char esc[1024], spelled[16];
	size_t n, step, out = 0, i;
	int cells = 0, width;
	const char *piece;
	uint32_t cp;

	if (max > sizeof(esc) / 4)
		max = sizeof(esc) / 4;
	n = escape_text(esc, sizeof(esc), src, max);
	for (i = 0; i < n; i += step) {
		size_t len;

		step = escape_decode(esc + i, n - i, &cp);
		if (!step)
			break;
		piece = esc + i;
		len = step;
		width = cp < 0x80 ? 1 : wcwidth((wchar_t)cp);
		if (cp >= 0x80 && (ascii || width < 1 || width > 2)) {
			len = (size_t)snprintf(spelled, sizeof(spelled),
					       cp < 0x10000 ? "\\u%04x" : "\\U%08x", cp);
			piece = spelled;
			width = (int)len;
		}
		if (out + len >= dstlen)
			break;
		memcpy(dst + out, piece, len);
		out += len;
		cells += width;
	}
	dst[out] = '\0';
	return cells;
}

size_t view_text_fit(const char *s, int width, int *cells)
{
	size_t n = strlen(s), i, step;
	uint32_t cp;

	*cells = 0;
	for (i = 0; i < n; i += step) {
		step = escape_decode(s + i, n - i, &cp);
		if (!step || *cells + cells_of(cp) > width)
			break;
		*cells += cells_of(cp);
	}
	return i;
}

int view_text_width(const char *s)
{
	int cells;

	view_text_fit(s, VIEW_LINE_CELLS * 4, &cells);
	return cells;
}

void view_line_user(struct view_line *l, const char *s, size_t max, int width)
{
	char safe[VIEW_TEXT_MAX(256)];
	int cells, room = l->width - l->col;
	size_t n;

	if (room < width)
		width = room;
	if (width <= 0)
		return;
	if (view_text(safe, sizeof(safe), s, max, l->ascii) <= width) {
		put_bytes(l, safe, strlen(safe), view_text_width(safe));
		return;
	}
	n = view_text_fit(safe, width - 1, &cells);
	put_bytes(l, safe, n, cells);
	view_line_put(l, l->ascii ? "~" : "…");
}
