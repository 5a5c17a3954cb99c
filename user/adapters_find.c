// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The table of adapters: which functions they are, in which of a process's files they can be, and
 * where they are in a file. Nothing here is kept, and nothing is probed.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "adapters.h"
#include "adapters_find.h"
#include "elfsyms.h"
#include "finding.h"
#include "jvm.h"
#include "verdict.h"

#define NAME_MAX_LEN 512 /* of a symbol that is looked into */

static bool is_pthread_cancel(const char *name);
static bool is_pthread_kill(const char *name);
static bool is_jvm_interrupt(const char *name);
static bool is_tokio_abort(const char *name);
static bool is_go_cancel(const char *name);

/* clang-format off */
const struct adapter_kind adapter_kinds[N_KINDS] = {
	{ADAPTER_PTHREAD, IN_LIBC, is_pthread_cancel},
	{ADAPTER_RUBY, IN_LIBC, is_pthread_kill}, /* only where a Ruby was seen */
	{ADAPTER_JVM, IN_LIBJVM, is_jvm_interrupt},
	{ADAPTER_TOKIO, IN_PROGRAM, is_tokio_abort},
	{ADAPTER_GO, IN_PROGRAM, is_go_cancel},
};
/* clang-format on */

/* ---- what is looked for ---- */

static bool is_pthread_cancel(const char *name)
{
	return !strcmp(name, "pthread_cancel");
}

static bool is_pthread_kill(const char *name)
{
	return !strcmp(name, "pthread_kill");
}

static bool is_jvm_interrupt(const char *name)
{
	return !strcmp(name, "JVM_Interrupt");
}

/* JoinHandle and AbortHandle both end there; in Rust's old and new manglings, crate and length. */
static bool is_tokio_abort(const char *name)
{
	size_t len = strnlen(name, NAME_MAX_LEN);

	return name[0] == '_' && memmem(name, len, "5tokio", 6) &&
	       memmem(name, len, "12remote_abort", 14);
}

/* Go's own symbol names. */
static bool is_go_cancel(const char *name)
{
	return !strcmp(name, "context.(*cancelCtx).cancel");
}

struct search {
	struct found *found;
	uint32_t kinds;
};

static bool is_wanted(void *ctx, const char *name)
{
	const struct search *s = ctx;
	size_t k;

	for (k = 0; k < N_KINDS; k++)
		if (s->kinds & 1u << k && adapter_kinds[k].is_it(name))
			return true;
	return false;
}

static bool note_function(void *ctx, const char *name, uint64_t offset)
{
	struct search *s = ctx;
	struct found *f;
	size_t k, i;

	for (k = 0; k < N_KINDS; k++) {
		f = &s->found[k];
		if (!(s->kinds & 1u << k) || f->n == FUNCTIONS_MAX || !adapter_kinds[k].is_it(name))
			continue;
		for (i = 0; i < f->n && f->offsets[i] != offset; i++)
			;
		if (i == f->n)
			f->offsets[f->n++] = offset;
	}
	return false;
}

void adapters_search(int fd, uint32_t wanted, struct found found[N_KINDS])
{
	struct search s = {.found = found, .kinds = wanted};
	struct elfsyms *elf;
	const char *why;

	if (elfsyms_open(fd, &elf, &why))
		return;
	elfsyms_functions(elf, is_wanted, note_function, &s);
	elfsyms_close(elf);
}

uint64_t adapters_learn_jvm(int fd, uint32_t pid, const struct mapping *m)
{
	uint64_t distance, cookie = 0;
	struct elfsyms *elf;
	const char *why;

	if (elfsyms_open(fd, &elf, &why))
		return 0;
	if (elfsyms_variable(elf, JVM_TABLE, m->offset, &distance))
		cookie = jvm_cookie(pid, m->start + distance);
	elfsyms_close(elf);
	return cookie;
}

/* ---- which files of a process ---- */

static bool begins(const char *s, const char *with)
{
	return !strncmp(s, with, strlen(with));
}

static bool pick(void *ctx, const struct mapping *m)
{
	struct mapped *w = ctx;
	const char *slash = strrchr(m->path, '/'), *base = slash ? slash + 1 : m->path;
	enum place place = PLACES;

	if (!m->exec)
		return false;
	if (!strcmp(m->path, w->exe))
		place = IN_PROGRAM;
	else if (begins(base, "libc.so") || begins(base, "libc-2") || begins(base, "ld-musl"))
		place = IN_LIBC;
	else if (!strcmp(base, "libjvm.so"))
		place = IN_LIBJVM;
	/* Until glibc 2.34 threads had a library of their own, and it is what is called. */
	if (begins(base, "libpthread"))
		w->at[IN_LIBC] = *m;
	else if (place < PLACES && !w->at[place].start)
		w->at[place] = *m;
	w->ruby |= begins(base, "libruby") || (place == IN_PROGRAM && begins(base, "ruby"));
	return false;
}

int adapters_mapped(uint32_t pid, struct mapped *w)
{
	char link[32];
	ssize_t n;

	memset(w, 0, sizeof(*w));
	snprintf(link, sizeof(link), "/proc/%u/exe", pid);
	n = readlink(link, w->exe, sizeof(w->exe) - 1);
	w->exe[n > 0 ? n : 0] = 0;
	return remote_mappings(pid, pick, w);
}

uint32_t adapters_kinds_at(const struct mapped *w, enum place place)
{
	uint32_t bits = 0;
	size_t k;

	for (k = 0; k < N_KINDS; k++)
		if (adapter_kinds[k].place == place &&
		    (adapter_kinds[k].id != ADAPTER_RUBY || w->ruby))
			bits |= 1u << k;
	return bits;
}

/* ---- mispair probe ---- */

int adapters_inspect(uint32_t pid, adapter_fn fn, void *ctx)
{
	struct found found[N_KINDS];
	struct mapped w;
	int p, fd, e = adapters_mapped(pid, &w);
	size_t k;

	for (p = 0; p < PLACES && !e; p++) {
		fd = w.at[p].start ? remote_open_mapping(pid, &w.at[p]) : -1;
		if (fd < 0)
			continue;
		memset(found, 0, sizeof(found));
		adapters_search(fd, adapters_kinds_at(&w, p), found);
		close(fd);
		for (k = 0; k < N_KINDS; k++)
			if (found[k].n)
				fn(ctx, cancel_names[verdict_adapter_kind(adapter_kinds[k].id)],
				   w.at[p].path, found[k].n);
	}
	return e;
}
