// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Numbers from the command line.
 *
 * Not strtoull(): it skips blanks, takes a minus sign and wraps it, and leaves junk to the caller.
 * A malformed number is -EINVAL even when its digits also overflow, so the user is told about the
 * typing error first.
 */
#include "numparse.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct unit {
	const char *suffix;
	uint64_t factor;
};

static const struct unit plain[] = {{"", 1}, {NULL, 0}};

/* clang-format off */
static const struct unit sizes[] = {
	{ "", 1 },
	{ "K", 1ULL << 10 },
	{ "k", 1ULL << 10 },
	{ "M", 1ULL << 20 },
	{ "m", 1ULL << 20 },
	{ "G", 1ULL << 30 },
	{ "g", 1ULL << 30 },
	{ NULL, 0 },
};

static const struct unit durations[] = {
	{ "ns", 1 },
	{ "us", 1000 },
	{ "ms", 1000 * 1000 },
	{ "s", 1000ULL * 1000 * 1000 },
	{ "m", 60ULL * 1000 * 1000 * 1000 },
	{ "h", 3600ULL * 1000 * 1000 * 1000 },
	{ NULL, 0 },
};
/* clang-format on */

static int parse_scaled(const char *s, const struct unit *units, uint64_t min, uint64_t max,
			uint64_t *out)
{
	bool overflow = false;
	uint64_t v = 0;
	const char *p;

	if (!s)
		return -EINVAL;
	for (p = s; *p >= '0' && *p <= '9'; p++) {
		if (__builtin_mul_overflow(v, (uint64_t)10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
			overflow = true;
	}
	if (p == s)
		return -EINVAL;
	while (units->suffix && strcmp(units->suffix, p))
		units++;
	if (!units->suffix)
		return -EINVAL;
	if (overflow || __builtin_mul_overflow(v, units->factor, &v))
		return -ERANGE;
	if (v < min || v > max)
		return -ERANGE;
	*out = v;
	return 0;
}

int parse_u64(const char *s, uint64_t min, uint64_t max, uint64_t *out)
{
	return parse_scaled(s, plain, min, max, out);
}

int parse_size(const char *s, uint64_t min, uint64_t max, uint64_t *out)
{
	return parse_scaled(s, sizes, min, max, out);
}

int parse_duration_ns(const char *s, uint64_t min, uint64_t max, uint64_t *out)
{
	return parse_scaled(s, durations, min, max, out);
}

int parse_seconds_ns(const char *s, uint64_t min, uint64_t max, uint64_t *out)
{
	uint64_t whole, part = 0, scale = 1000000000;
	char digits[24] = "";
	const char *dot;
	size_t n;
	int e;

	if (!s)
		return -EINVAL;
	dot = strchr(s, '.');
	n = dot ? (size_t)(dot - s) : strlen(s);
	if (n >= sizeof(digits))
		return -EINVAL;
	memcpy(digits, s, n);
	e = parse_u64(digits, 0, UINT64_MAX / 1000000000 - 1, &whole);
	if (e)
		return e;
	if (dot) {
		n = strlen(dot + 1);
		if (n > 9)
			return -EINVAL;
		e = parse_u64(dot + 1, 0, 999999999, &part);
		if (e)
			return e;
		while (n--)
			scale /= 10;
		part *= scale;
	}
	whole = whole * 1000000000 + part;
	if (whole < min || whole > max)
		return -ERANGE;
	*out = whole;
	return 0;
}
