// SPDX-License-Identifier: GPL-2.0-or-later
/* Bodies of items, read as if a stranger had written them. Pure. */
#include <errno.h>
#include <string.h>

#include "item.h"

static int check_event(const void *body, size_t len)
{
	const struct ev_head *h = body;
	size_t want = sizeof(*h);

	if (len < sizeof(*h) || h->size != len)
		return -EBADMSG;
	if (h->kind == EV_STEP || h->kind == EV_LEDGER)
		want = sizeof(struct ev_step);
	else if (h->kind == EV_LOOP)
		want = sizeof(struct ev_loop);
	else if (h->kind == EV_FORK)
		want = sizeof(struct ev_fork);
	return len == want ? 0 : -EBADMSG;
}

/* The N-th string after the fixed part, NULL if the body ends before its NUL. */
static const char *start_string(const char *body, size_t len, size_t n)
{
	const char *at = body + sizeof(struct item_start), *end = body + len, *nul;

	for (;; n--) {
		nul = at < end ? memchr(at, 0, (size_t)(end - at)) : NULL;
		if (!nul || !n)
			return nul ? at : NULL;
		at = nul + 1;
	}
}

static int check_start(const void *body, size_t len)
{
	struct item_start s;

	if (len < sizeof(s))
		return -EBADMSG;
	memcpy(&s, body, sizeof(s));
	if (s.n_hooks > START_HOOKS || !start_string(body, len, START_STRINGS + s.n_hooks - 1))
		return -EBADMSG;
	return 0;
}

int item_check(uint32_t kind, const void *body, size_t len)
{
	static const size_t sizes[ITEM_MAX] = {
		[ITEM_PROCESS] = sizeof(struct item_process),
		[ITEM_RUNTIME] = sizeof(struct runtime_report),
		[ITEM_SAMPLE] = sizeof(struct item_sample),
		[ITEM_ROW] = sizeof(struct item_row),
		[ITEM_STOP] = sizeof(struct item_stop),
		[ITEM_GONE] = sizeof(struct item_gone),
		[ITEM_KEPT] = sizeof(struct item_kept),
		[ITEM_THROTTLED] = sizeof(struct item_throttled),
		[ITEM_COVERAGE] = sizeof(struct item_coverage),
	};

	if (!kind || kind >= ITEM_MAX || len > ITEM_BODY_MAX)
		return -EBADMSG;
	if (kind == ITEM_EVENT)
		return check_event(body, len);
	if (kind == ITEM_START)
		return check_start(body, len);
	return len == sizes[kind] ? 0 : -EBADMSG;
}

static char *put(char *at, char *end, const char *s)
{
	size_t n = s ? strlen(s) : 0;

	if (!at || (size_t)(end - at) <= n)
		return NULL;
	if (n)
		memcpy(at, s, n);
	at[n] = 0;
	return at + n + 1;
}

size_t item_start_write(void *dst, size_t room, const struct item_start *fixed,
			const struct start_info *info)
{
	char *at = (char *)dst + sizeof(*fixed), *end = (char *)dst + room;
	struct item_start s = *fixed;
	const char *const *hook;
	char *cut;

	if (room < sizeof(s) + 16384)
		return 0;
	s.has_command = info->command != NULL;
	s.degraded = (uint16_t)info->degraded;
	s.n_hooks = 0;
	at = put(at, end, info->version);
	at = put(at, end, info->kernel);
	at = put(at, end, info->tier);
	at = put(at, end, info->host);
	at = put(at, end, info->filters);
	if (!at)
		return 0;
	/* Of the words only a command line can be long: the hooks shall find their room. */
	cut = info->command ? stpncpy(at, info->command, (size_t)(end - at) - 8192) : at;
	*cut++ = 0;
	at = cut;
	for (hook = info->hooks; at && hook && *hook && s.n_hooks < START_HOOKS; hook++) {
		at = put(at, end, *hook);
		s.n_hooks++;
	}
	if (!at)
		return 0;
	memcpy(dst, &s, sizeof(s));
	return (size_t)(at - (char *)dst);
}

void item_start_read(const void *body, struct start_info *info, const char *hooks[START_HOOKS + 1])
{
	const char *at = (const char *)body + sizeof(struct item_start), *word[START_STRINGS];
	struct item_start s;
	uint32_t i;

	memcpy(&s, body, sizeof(s));
	memset(info, 0, sizeof(*info));
	for (i = 0; i < START_STRINGS; i++) {
		word[i] = at;
		at += strlen(at) + 1;
	}
	for (i = 0; i < s.n_hooks; i++) {
		hooks[i] = at;
		at += strlen(at) + 1;
	}
	hooks[i] = NULL;
	info->version = word[0];
	memcpy(info->kernel, word[1], strnlen(word[1], sizeof(info->kernel) - 1));
	info->tier = word[2];
	memcpy(info->host, word[3], strnlen(word[3], sizeof(info->host) - 1));
	info->filters = word[4];
	info->command = s.has_command ? word[5] : NULL;
	info->hooks = hooks;
	info->degraded = s.degraded;
	info->wall_offset_ns = s.wall_offset_ns;
	info->has_wall_offset = true;
}
