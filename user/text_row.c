// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Rows of text.
 *
 * Invariants: buf[0..len) is valid UTF-8 and whole colour sequences; col is what a terminal shows
 * of it if no character is wide.
 */
#include "text_row.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include "escape.h"
#include "finding.h"

void row_start(struct row *r, bool ascii, bool color)
{
	r->len = r->col = 0;
	r->ascii = ascii;
	r->color = color;
	r->buf[0] = '\0';
}

void row_put(struct row *r, const char *s)
{
	size_t n = strlen(s);

	if (n >= sizeof(r->buf) - r->len)
		return;
	memcpy(r->buf + r->len, s, n + 1);
	r->len += n;
	r->col += escape_columns(s);
}

void row_fmt(struct row *r, const char *fmt, ...)
{
	char tmp[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(tmp, sizeof(tmp), fmt, ap);
	va_end(ap);
	row_put(r, tmp);
}

void row_user(struct row *r, const char *s, size_t max)
{
	char esc[2048], spelled[16];
	const char *p, *end;
	uint32_t cp;
	size_t n;

	n = escape_text(esc, sizeof(esc), s, max);
	if (!r->ascii) {
		row_put(r, esc);
		return;
	}
	/* A terminal without UTF-8 may take the bytes of a harmless letter for controls. */
	for (p = esc, end = esc + n; p < end; p += n) {
		n = escape_decode(p, (size_t)(end - p), &cp);
		if (cp < 0x80)
			snprintf(spelled, sizeof(spelled), "%c", (int)cp);
		else
			snprintf(spelled, sizeof(spelled), cp < 0x10000 ? "\\u%04x" : "\\U%08x",
				 cp);
		row_put(r, spelled);
	}
}

void row_color(struct row *r, const char *sgr)
{
	size_t col = r->col;

	if (!r->color)
		return;
	row_fmt(r, "\033[%sm", sgr ? sgr : "0");
	r->col = col;
}

void row_pad(struct row *r, size_t col)
{
	while (r->col < col && r->len < sizeof(r->buf) - 1)
		row_put(r, " ");
}

int row_write(const struct row *r, FILE *out)
{
	size_t len = r->len;

	while (len && r->buf[len - 1] == ' ')
		len--;
	if (fwrite(r->buf, 1, len, out) != len || fputc('\n', out) == EOF)
		return errno ? -errno : -EIO;
	return 0;
}

size_t owner_short_len(const char *owner)
{
	size_t len = strnlen(owner, OWNER_TEXT), i = len;

	while (i && isxdigit((unsigned char)owner[i - 1]))
		i--;
	if (i == len || i < 4 || memcmp(owner + i - 3, " 0x", 3))
		return len;
	i -= 3;
	return i == 4 && !memcmp(owner, "task", 4) ? len : i;
}

bool same_owner(const char *a, const char *b)
{
	return !strncmp(a, b, OWNER_TEXT);
}

size_t owner_telling_len(const char *a, const char *b)
{
	size_t n = owner_short_len(a);

	if (n == owner_short_len(b) && !memcmp(a, b, n) && !same_owner(a, b))
		return strnlen(a, OWNER_TEXT);
	return n;
}
