/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Strings that come from other processes, made safe to show. We run as root and print names that
 * anybody can choose: nothing of a comm, a task name or a path may reach a terminal unescaped.
 */
#ifndef MISPAIR_ESCAPE_H
#define MISPAIR_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An escaped string is at most this long, its NUL included, for n bytes of source. */
#define ESCAPE_MAX(n) (4 * (n) + 1)

/*
 * Copies src, up to its NUL or maxsrc bytes, as text for a terminal. Control characters (C0, DEL,
 * C1), invisible line breaks and direction controls, and bytes that are not UTF-8, become visible:
 * "\x1b", "\u202e". Other UTF-8 is kept, backslashes too, so "\x1b" in the result may also be four
 * plain characters of the source: the result is for eyes, not for decoding.
 *
 * Stops before the first character or escape that does not fit; never cuts one in two. dst is
 * always terminated unless dstlen is 0. Returns the length written, without the NUL.
 */
size_t escape_text(char *dst, size_t dstlen, const char *src, size_t maxsrc);

/*
 * The same for JSON strings: valid UTF-8 is kept as it is, control characters included (the JSON
 * encoder's work), and a byte that is not UTF-8 becomes the text "\xNN" so that it is not lost.
 */
size_t escape_utf8(char *dst, size_t dstlen, const char *src, size_t maxsrc);

/*
 * Decodes one UTF-8 character of at most n bytes into *cp. Returns its length, 1 to 4, or 0 if
 * the bytes are not UTF-8 (overlong forms, surrogates and values above U+10FFFF are not).
 */
size_t escape_decode(const char *s, size_t n, uint32_t *cp);

/* True for characters that act on a terminal or hide in a line instead of being seen. */
bool escape_is_hidden(uint32_t cp);

/* How many characters a valid UTF-8 string has: its width as long as none is wide or combining. */
size_t escape_columns(const char *s);

#endif
