// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The table of adapters, and which files they are attached to.
 *
 * A file is opened on the loop's thread, through the mapping of a process that may be gone a moment
 * later; it is read and probed on the session's worker, which owns the file's entry from then on
 * but for its key, and for where to look again. At the end several workers empty the queue, so each
 * job holds a reference to its entry, and the last one frees it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uthash.h>

#include "adapters.h"
#include "elfsyms.h"
#include "finding.h"
#include "jvm.h"
#include "remote.h"
#include "session.h"
#include "verdict.h"

#define FILES_MAX     256  /* hosts with many containers have as many libcs */
#define FUNCTIONS_MAX 8	   /* of one adapter in one file */
#define CALLS_MAX     2000 /* a second, in all processes; a call costs about 1.5 us */
#define NAME_MAX_LEN  512  /* of a symbol that is looked into */

/* Where in a process an adapter's functions are. */
enum place { IN_LIBC, IN_LIBJVM, IN_PROGRAM, PLACES };

static bool is_pthread_cancel(const char *name);
static bool is_pthread_kill(const char *name);
static bool is_jvm_interrupt(const char *name);
static bool is_tokio_abort(const char *name);
static bool is_go_cancel(const char *name);

/* clang-format off */
static const struct kind {
	enum adapter id;
	enum place place;
	bool (*is_it)(const char *name);
} kinds[] = {
	{ADAPTER_PTHREAD, IN_LIBC, is_pthread_cancel},
	{ADAPTER_RUBY, IN_LIBC, is_pthread_kill}, /* only where a Ruby was seen */
	{ADAPTER_JVM, IN_LIBJVM, is_jvm_interrupt},
	{ADAPTER_TOKIO, IN_PROGRAM, is_tokio_abort},
	{ADAPTER_GO, IN_PROGRAM, is_go_cancel},
};
/* clang-format on */
#define N_KINDS (sizeof(kinds) / sizeof(*kinds))

enum state {
	FILE_BUSY,  /* a job is to be done */
	FILE_READY, /* nothing more is to be known of it */
	FILE_AGAIN, /* what only a process can tell of it, was not to be had */
};

struct file_key {
	uint64_t dev, ino, size, mtime_ns;
	uint32_t kinds; /* bits of `kinds`: Ruby's comes later to a libc that is known */
	uint32_t pad;
};

/* What one adapter has in one file. */
struct found {
	size_t n;
	uint64_t offsets[FUNCTIONS_MAX];
};

struct file {
	struct file_key key;
	struct session *s;
	/* Whose mapping it was. The worker's while the file is BUSY, else the loop's. */
	int fd;
	uint32_t pid;
	struct mapping at;
	struct found found[N_KINDS];
	struct session_link *links[N_KINDS][FUNCTIONS_MAX]; /* the worker's */
	uint32_t state;					    /* atomic: enum state */
	uint32_t hot;  /* atomic: bits of `kinds` that were given up */
	uint32_t refs; /* atomic */
	UT_hash_handle hh;
};

struct adapters {
	struct session *s;
	struct adapters_opts o;
	struct file *files;
	size_t n_files;
	struct session_link *named[PROBESPEC_MAX * PROBESPEC_FUNCTIONS];
	size_t n_named;
	uint64_t calls[ADAPTER_MAX], counted_ns;
	uint32_t hot; /* bits of `kinds`: detached, and not to be attached again */
};

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
		if (s->kinds & 1u << k && kinds[k].is_it(name))
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
		if (!(s->kinds & 1u << k) || f->n == FUNCTIONS_MAX || !kinds[k].is_it(name))
			continue;
		for (i = 0; i < f->n && f->offsets[i] != offset; i++)
			;
		if (i == f->n)
			f->offsets[f->n++] = offset;
	}
	return false;
}

/* Looks for adapters of WANTED in the file behind FD. */
static void search_file(int fd, uint32_t wanted, struct found found[N_KINDS])
{
	struct search s = {.found = found, .kinds = wanted};
	struct elfsyms *elf;
	const char *why;

	if (elfsyms_open(fd, &elf, &why))
		return;
	elfsyms_functions(elf, is_wanted, note_function, &s);
	elfsyms_close(elf);
}

/* What adapter_jvm has to know of the libjvm behind FD, which PID has mapped as M says; or 0. */
static uint64_t learn_jvm(int fd, uint32_t pid, const struct mapping *m)
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

/* ---- on the worker's thread ---- */

static void detach(struct file *f, uint32_t which)
{
	size_t k, i;

	for (k = 0; k < N_KINDS; k++) {
		for (i = 0; i < FUNCTIONS_MAX && (which & 1u << k); i++) {
			session_detach(f->links[k][i]);
			f->links[k][i] = NULL;
		}
	}
}

static void drop(void *arg, bool last)
{
	struct file *f = arg;

	(void)last;
	if (__atomic_sub_fetch(&f->refs, 1, __ATOMIC_ACQ_REL))
		return;
	detach(f, UINT32_MAX);
	free(f);
}

/* Attaches what of KIND was found, with COOKIE, in place of what was attached before. */
static void attach_kind(struct file *f, size_t kind, uint64_t cookie)
{
	char path[48];
	size_t i;

	/* The very file, whatever its name means here. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", f->fd);
	for (i = 0; i < f->found[kind].n; i++) {
		session_detach(f->links[kind][i]);
		f->links[kind][i] = session_attach_cancel(f->s, path, f->found[kind].offsets[i],
							  kinds[kind].id, 0, cookie);
	}
}

static void attach_file(void *arg, bool last)
{
	struct file *f = arg;
	enum state state = FILE_READY;
	uint64_t cookie;
	size_t k;

	if (!last)
		search_file(f->fd, f->key.kinds, f->found);
	for (k = 0; k < N_KINDS && !last; k++) {
		cookie = 0;
		if (kinds[k].id == ADAPTER_JVM && f->found[k].n) {
			cookie = learn_jvm(f->fd, f->pid, &f->at);
			state = cookie ? FILE_READY : FILE_AGAIN;
		}
		attach_kind(f, k, cookie);
	}
	close(f->fd);
	__atomic_store_n(&f->state, state, __ATOMIC_RELEASE);
	drop(f, last);
}

/* A JVM's process may be gone, or not be set up, when it is looked into: another one may tell. */
static void look_again(void *arg, bool last)
{
	struct file *f = arg;
	uint64_t cookie = last ? 0 : learn_jvm(f->fd, f->pid, &f->at);
	size_t k;

	for (k = 0; k < N_KINDS && cookie; k++)
		if (kinds[k].id == ADAPTER_JVM &&
		    !(__atomic_load_n(&f->hot, __ATOMIC_RELAXED) & 1u << k))
			attach_kind(f, k, cookie);
	close(f->fd);
	__atomic_store_n(&f->state, cookie ? FILE_READY : FILE_AGAIN, __ATOMIC_RELEASE);
	drop(f, last);
}

static void detach_hot(void *arg, bool last)
{
	struct file *f = arg;

	if (!last)
		detach(f, __atomic_load_n(&f->hot, __ATOMIC_RELAXED));
	drop(f, last);
}

static bool later(struct file *f, void (*fn)(void *arg, bool last))
{
	__atomic_add_fetch(&f->refs, 1, __ATOMIC_RELAXED);
	if (!session_later(f->s, fn, f))
		return true;
	__atomic_sub_fetch(&f->refs, 1, __ATOMIC_RELAXED);
	return false;
}

/* ---- which files of a process ---- */

/* What a process maps that matters; start is 0 where there is none. */
struct mapped {
	struct mapping at[PLACES];
	bool ruby;
	char exe[256];
};

static bool begins(const char *s, const char *with)
{
	return !strncmp(s, with, strlen(with));
}

static bool pick(void *ctx, const struct mapping *m)
{
	struct mapped *w = ctx;
	const char *slash = strrchr(m->path, '/'), *base = slash ? slash + 1 : m->path;
	enum place place = PLACES;

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

static int find_mapped(uint32_t pid, struct mapped *w)
{
	char link[32];
	ssize_t n;

	memset(w, 0, sizeof(*w));
	snprintf(link, sizeof(link), "/proc/%u/exe", pid);
	n = readlink(link, w->exe, sizeof(w->exe) - 1);
	w->exe[n > 0 ? n : 0] = 0;
	return remote_mappings(pid, pick, w);
}

/* Which adapters could be in what is mapped at PLACE. */
static uint32_t kinds_at(const struct mapped *w, enum place place)
{
	uint32_t bits = 0;
	size_t k;

	for (k = 0; k < N_KINDS; k++)
		if (kinds[k].place == place && (kinds[k].id != ADAPTER_RUBY || w->ruby))
			bits |= 1u << k;
	return bits;
}

static bool file_key(int fd, uint32_t wanted, struct file_key *key)
{
	struct stat st;

	memset(key, 0, sizeof(*key));
	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return false;
	key->dev = st.st_dev;
	key->ino = st.st_ino;
	key->size = (uint64_t)st.st_size;
	key->mtime_ns = (uint64_t)st.st_mtim.tv_sec * 1000000000ULL + (uint64_t)st.st_mtim.tv_nsec;
	key->kinds = wanted;
	return true;
}

/* Probes the file of M for WANTED, which is one bit, unless that was done before. */
static void take_file(struct adapters *a, uint32_t pid, const struct mapping *m, uint32_t wanted)
{
	int fd = remote_open_mapping(pid, m);
	struct file_key key;
	struct file *f = NULL;

	if (fd < 0)
		return;
	if (!file_key(fd, wanted, &key))
		goto out;
	HASH_FIND(hh, a->files, &key, sizeof(key), f);
	if (f && __atomic_load_n(&f->state, __ATOMIC_ACQUIRE) == FILE_AGAIN) {
		f->state = FILE_BUSY;
		f->fd = fd;
		f->pid = pid;
		f->at = *m;
		if (later(f, look_again))
			return;
		f->state = FILE_AGAIN;
	}
	if (f || a->n_files == FILES_MAX || !(f = calloc(1, sizeof(*f))))
		goto out;
	f->key = key;
	f->s = a->s;
	f->fd = fd;
	f->pid = pid;
	f->at = *m;
	f->refs = 2; /* the table's and the job's */
	if (session_later(a->s, attach_file, f)) {
		free(f);
		goto out;
	}
	HASH_ADD(hh, a->files, key, sizeof(f->key), f);
	a->n_files++;
	return;
out:
	close(fd);
}

void adapters_look(struct adapters *a, uint32_t tgid)
{
	struct mapped w;
	uint32_t wanted, ruby = 0;
	size_t k;
	int p;

	if (a->o.never || find_mapped(tgid, &w))
		return;
	for (k = 0; k < N_KINDS; k++)
		if (kinds[k].id == ADAPTER_RUBY)
			ruby = 1u << k;
	for (p = 0; p < PLACES; p++) {
		wanted = kinds_at(&w, p) & ~a->hot;
		if (!w.at[p].start)
			continue;
		/* Apart: most libcs are looked at before there is a Ruby. */
		if (wanted & ruby)
			take_file(a, tgid, &w.at[p], ruby);
		if (wanted & ~ruby)
			take_file(a, tgid, &w.at[p], wanted & ~ruby);
	}
}

/* ---- all in all ---- */

struct adapters *adapters_new(struct session *s, const struct adapters_opts *o)
{
	struct adapters *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->s = s;
	a->o = *o;
	return a;
}

void adapters_free(struct adapters *a)
{
	struct file *f, *tmp;

	if (!a)
		return;
	HASH_ITER (hh, a->files, f, tmp) {
		HASH_DEL(a->files, f);
		if (session_later(a->s, drop, f))
			drop(f, true);
	}
	while (a->n_named)
		session_detach(a->named[--a->n_named]);
	free(a);
}

static int attach_named(struct adapters *a, const struct probespec *p)
{
	struct session_link *l;
	size_t i;

	for (i = 0; i < (p->usdt ? 1 : p->n); i++) {
		l = p->usdt ? session_attach_usdt(a->s, p->file, p->provider, p->name, p->arg)
			    : session_attach_cancel(a->s, p->file, p->offsets[i], ADAPTER_USER,
						    p->arg, 0);
		if (!l)
			return errno ? -errno : -EINVAL;
		a->named[a->n_named++] = l;
	}
	return 0;
}

int adapters_attach(struct adapters *a, const struct probespec *specs, size_t n, char *err,
		    size_t errlen)
{
	size_t i;
	int e;

	for (i = 0; i < n; i++) {
		e = attach_named(a, &specs[i]);
		if (!e)
			continue;
		snprintf(err, errlen, "cannot probe %s in %s: %s", specs[i].name, specs[i].file,
			 strerror(-e));
		return e;
	}
	return 0;
}

/* Gives KIND up in all files. */
static void give_up(struct adapters *a, size_t kind)
{
	struct file *f, *tmp;

	if (!a->o.silent)
		fprintf(stderr,
			"mispair: %s is called more than %d times a second: not probed any more "
			"(--precise always goes on)\n",
			cancel_names[verdict_adapter_kind(kinds[kind].id)], CALLS_MAX);
	a->hot |= 1u << kind;
	HASH_ITER (hh, a->files, f, tmp) {
		__atomic_fetch_or(&f->hot, 1u << kind, __ATOMIC_RELAXED);
		later(f, detach_hot);
	}
}

void adapters_refresh(struct adapters *a, uint64_t now_ns)
{
	uint64_t calls[ADAPTER_MAX], ms = (now_ns - a->counted_ns) / 1000000;
	size_t k;

	if (ms < 1000 || session_adapter_calls(a->s, calls))
		return;
	for (k = 0; k < N_KINDS; k++) {
		enum adapter id = kinds[k].id;

		if (a->counted_ns && !a->o.always && !(a->hot & 1u << k) &&
		    (calls[id] - a->calls[id]) * 1000 / ms > CALLS_MAX)
			give_up(a, k);
	}
	memcpy(a->calls, calls, sizeof(calls));
	a->counted_ns = now_ns;
}

/* ---- mispair probe ---- */

int adapters_inspect(uint32_t pid, adapter_fn fn, void *ctx)
{
	struct found found[N_KINDS];
	struct mapped w;
	int p, fd, e = find_mapped(pid, &w);
	size_t k;

	for (p = 0; p < PLACES && !e; p++) {
		fd = w.at[p].start ? remote_open_mapping(pid, &w.at[p]) : -1;
		if (fd < 0)
			continue;
		memset(found, 0, sizeof(found));
		search_file(fd, kinds_at(&w, p), found);
		close(fd);
		for (k = 0; k < N_KINDS; k++)
			if (found[k].n)
				fn(ctx, cancel_names[verdict_adapter_kind(kinds[k].id)],
				   w.at[p].path, found[k].n);
	}
	return e;
}
