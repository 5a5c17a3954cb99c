/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one place that turns text into numbers. Everything that is not exactly a number is refused:
 * signs, blanks anywhere, trailing characters, hexadecimal, fractions (but for seconds).
 *
 * All return 0, -EINVAL (not such a number) or -ERANGE (a number outside min..max, or too large
 * for 64 bits). *out is written only on success.
 */
#ifndef MISPAIR_NUMPARSE_H
#define MISPAIR_NUMPARSE_H

#include <stdint.h>

/* Decimal digits: "4242". */
int parse_u64(const char *s, uint64_t min, uint64_t max, uint64_t *out);

/* Bytes: digits and an optional K, M or G (either case), powers of 1024: "64K". */
int parse_size(const char *s, uint64_t min, uint64_t max, uint64_t *out);

/*
 * Nanoseconds: digits and a unit, ns, us, ms, s, m or h: "250ms". The unit is not optional, a bare
 * number would be seconds to one reader and milliseconds to the next.
 */
int parse_duration_ns(const char *s, uint64_t min, uint64_t max, uint64_t *out);

/* The same from seconds, "2" or "0.5", with at most nine decimals. */
int parse_seconds_ns(const char *s, uint64_t min, uint64_t max, uint64_t *out);

#endif
