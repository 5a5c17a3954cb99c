// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Words are cut off from the end: a file's name may have colons, those of functions have none
 * where they are as in the file (a C++ name is a mangled one there).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "elfsyms.h"
#include "numparse.h"
#include "probespec.h"

#define ARG_MAX_NUMBER 6

/* Cuts the word behind the last colon off TEXT; NULL: there is none. */
static char *cut(char *text)
{
	char *colon = strrchr(text, ':');

	if (!colon)
		return NULL;
	*colon = 0;
	return colon + 1;
}

static bool is_number(const char *s)
{
	return *s && strspn(s, "0123456789") == strlen(s);
}

static int split(const char *text, struct probespec *out, char *why, size_t len)
{
	char copy[sizeof(out->file) + sizeof(out->provider) + sizeof(out->name)];
	const char *form = out->usdt ? "BINARY:PROVIDER:NAME[:ARG]" : "BINARY:SYMBOL[:ARG]";
	char *name, *provider = NULL;
	uint64_t arg = 0;

	if ((size_t)snprintf(copy, sizeof(copy), "%s", text) >= sizeof(copy)) {
		snprintf(why, len, "too long");
		return -EINVAL;
	}
	name = cut(copy);
	if (name && is_number(name)) {
		if (parse_u64(name, 1, ARG_MAX_NUMBER, &arg)) {
			snprintf(why, len, "ARG is the number of an argument, 1 to %d",
				 ARG_MAX_NUMBER);
			return -EINVAL;
		}
		name = cut(copy);
	}
	if (name && out->usdt)
		provider = cut(copy);
	if (!name || !*name || !*copy || (out->usdt && (!provider || !*provider))) {
		snprintf(why, len, "%s is wanted", form);
		return -EINVAL;
	}
	/* The kernel and libbpf look for the bare name of a file in places of their own. */
	if (!strchr(copy, '/'))
		strcpy(out->file, "./");
	if (strlen(out->file) + strlen(copy) >= sizeof(out->file) ||
	    strlen(name) >= sizeof(out->name) ||
	    (provider && strlen(provider) >= sizeof(out->provider))) {
		snprintf(why, len, "a name is too long");
		return -EINVAL;
	}
	strcat(out->file, copy);
	strcpy(out->name, name);
	if (provider)
		strcpy(out->provider, provider);
	out->arg = (unsigned int)arg;
	return 0;
}

static bool is_wanted(void *ctx, const char *name)
{
	return !strcmp(name, ((const struct probespec *)ctx)->name);
}

static bool note_function(void *ctx, const char *name, uint64_t offset)
{
	struct probespec *p = ctx;
	size_t i;

	(void)name;
	for (i = 0; i < p->n; i++)
		if (p->offsets[i] == offset)
			return false;
	p->offsets[p->n++] = offset;
	return p->n == PROBESPEC_FUNCTIONS;
}

static int look_up(struct elfsyms *e, struct probespec *p, char *why, size_t len)
{
	int n;

	if (!p->usdt) {
		elfsyms_functions(e, is_wanted, note_function, p);
		if (p->n)
			return 0;
		snprintf(why, len,
			 "the file has no function of that name (`nm` and `nm -D` list "
			 "them)");
		return -EINVAL;
	}
	n = elfsyms_usdt(e, p->provider, p->name);
	if (n < 0) {
		snprintf(why, len, "the file has no such probe (`readelf -n` lists them)");
		return -EINVAL;
	}
	if ((int)p->arg > n) {
		snprintf(why, len, "the probe has only %d argument%s", n, n == 1 ? "" : "s");
		return -EINVAL;
	}
	return 0;
}

int probespec_parse(const char *text, bool usdt, struct probespec *out, char *why, size_t len)
{
	struct elfsyms *elf = NULL;
	const char *wrong;
	int fd, e;

	memset(out, 0, sizeof(*out));
	out->usdt = usdt;
	e = split(text, out, why, len);
	if (e)
		return e;
	fd = open(out->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0) {
		snprintf(why, len, "cannot open the file: %s", strerror(errno));
		return -EINVAL;
	}
	if (filetrust_of(fd, &out->trust)) {
		snprintf(why, len, "not a regular file");
		e = -EINVAL;
	} else if (elfsyms_open(fd, &elf, &wrong)) {
		snprintf(why, len, "%s", wrong);
		e = -EINVAL;
	} else {
		e = look_up(elf, out, why, len);
	}
	elfsyms_close(elf);
	close(fd);
	return e;
}
