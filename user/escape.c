// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Escaping of strings from traced processes.
 *
 * Invariants: the output is valid UTF-8 whatever the input; a character or an escape is written
 * whole or not at all; no more than maxsrc bytes of the source are looked at, so a kernel comm
 * without its NUL is fine.
 */
#include "escape.h"

#include <stdio.h>
#include <string.h>

size_t escape_decode(const char *s, size_t n, uint32_t *cp)
{
	/* The least value of each length: anything below it is an overlong form. */
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	const unsigned char *p = (const unsigned char *)s;
	size_t len, i;
	uint32_t c;

	if (!n)
		return 0;
	c = p[0];
	if (c < 0x80) {
		*cp = c;
		return 1;
	}
	if ((c & 0xe0) == 0xc0) {
		len = 2;
		c &= 0x1f;
	} else if ((c & 0xf0) == 0xe0) {
		len = 3;
		c &= 0x0f;
	} else if ((c & 0xf8) == 0xf0) {
		len = 4;
		c &= 0x07;
	} else {
		return 0;
	}
	if (len > n)
		return 0;
	for (i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*cp = c;
	return len;
}

bool escape_is_hidden(uint32_t cp)
{
	if (cp < 0x20 || (cp >= 0x7f && cp <= 0x9f))
		return true;
	/* Direction marks: they can make a line read as something else than its bytes say. */
	if (cp == 0x061c || cp == 0x200e || cp == 0x200f)
		return true;
	/* Line and paragraph separator, then the embeddings, overrides and isolates. */
	return (cp >= 0x2028 && cp <= 0x202e) || (cp >= 0x2066 && cp <= 0x2069);
}

size_t escape_columns(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static size_t escape(char *dst, size_t dstlen, const char *src, size_t maxsrc, bool show_hidden)
{
	size_t in = 0, out = 0, srclen;

	if (!dst || !dstlen)
		return 0;
	srclen = src ? strnlen(src, maxsrc) : 0;
	while (in < srclen) {
		const char *piece = src + in;
		size_t len, piece_len;
		char esc[8];
		uint32_t cp;

		len = piece_len = escape_decode(piece, srclen - in, &cp);
		if (!len) {
			/* One byte at a time: what follows a bad byte may be good again. */
			len = 1;
			piece_len = (size_t)snprintf(esc, sizeof(esc), "\\x%02x",
						     (unsigned int)(unsigned char)*piece);
			piece = esc;
		} else if (show_hidden && escape_is_hidden(cp)) {
			/* Every hidden character is below U+10000: four digits are enough. */
			piece_len = (size_t)snprintf(esc, sizeof(esc),
						     cp < 0x80 ? "\\x%02x" : "\\u%04x", cp);
			piece = esc;
		}
		if (piece_len >= dstlen - out)
			break;
		memcpy(dst + out, piece, piece_len);
		out += piece_len;
		in += len;
	}
	dst[out] = '\0';
	return out;
}

size_t escape_text(char *dst, size_t dstlen, const char *src, size_t maxsrc)
{
	return escape(dst, dstlen, src, maxsrc, true);
}

size_t escape_utf8(char *dst, size_t dstlen, const char *src, size_t maxsrc)
{
	return escape(dst, dstlen, src, maxsrc, false);
}
