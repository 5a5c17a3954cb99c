// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which files have functions of adapters (adapters_find.h), and in which processes these are
 * probed.
 *
 * A file is known by the descriptor that was read (struct file_key), and probed through a
 * descriptor of that very file: no name is looked up a second time. What is known of it is what is
 * in it; what a process's memory says is believed of that process only.
 *
 * Each process is probed by itself, and not before it has lived for a while: a probe takes ten
 * milliseconds to attach and a grace period to detach. Under `mispair run` children are often gone
 * by then, so a file that only root can write is probed there for all who map it.
 *
 * A file is opened on the loop's thread, through the mapping of a process that may be gone a moment
 * later; it is read and probed on the session's worker. At the end several workers empty the queue,
 * so each job holds a reference to what it works on, and the last one frees it.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapters_find.h"
#include "adapters_int.h"
#include "filetrust.h"
#include "neverprobe.h"
#include "remote.h"
#include "session.h"

/* Files that no process maps any more, and of which is known what they have. */
#define UNUSED_MAX  64
/* A process that is gone by then is not probed. */
#define YOUNG_NS    250000000ULL
/* A JVM is asked again that is not set up, so often and this much later. */
#define LEARN_TRIES 20
#define LEARN_NS    500000000ULL

/* ---- on the worker's thread ---- */

void adapters_detach(struct session_link *links[N_KINDS][FUNCTIONS_MAX], uint32_t which)
{
	size_t k, i;

	for (k = 0; k < N_KINDS; k++) {
		for (i = 0; i < FUNCTIONS_MAX && (which & 1u << k); i++) {
			session_detach(links[k][i]);
			links[k][i] = NULL;
		}
	}
}

void adapters_leave_code(struct code *c)
{
	if (!c || __atomic_sub_fetch(&c->refs, 1, __ATOMIC_ACQ_REL))
		return;
	adapters_detach(c->links, UINT32_MAX);
	free(c);
}

static void drop_code(void *arg, bool last)
{
	(void)last;
	adapters_leave_code(arg);
}

void adapters_drop_use(void *arg, bool last)
{
	struct use *u = arg;

	(void)last;
	if (__atomic_sub_fetch(&u->refs, 1, __ATOMIC_ACQ_REL))
		return;
	adapters_detach(u->links, UINT32_MAX);
	if (u->fd >= 0)
		close(u->fd);
	adapters_leave_code(u->code);
	free(u);
}

/* Does the code at OFFSET of the file run where M is? */
static bool runs_there(const struct mapping *m, uint64_t offset)
{
	return offset >= m->offset && offset - m->offset < m->end - m->start;
}

/* Attaches what U's file has of KIND, with COOKIE, in place of what was attached before. */
static void attach_kind(struct use *u, size_t kind, uint64_t cookie)
{
	struct code *c = u->code;
	bool all = __atomic_load_n(&c->by_file, __ATOMIC_RELAXED) &&
		   adapter_kinds[kind].id != ADAPTER_JVM;
	struct session_link **links = all ? c->links[kind] : u->links[kind];
	size_t i;

	for (i = 0; i < c->found[kind].n; i++) {
		if ((all && links[i]) || !runs_there(&u->at, c->found[kind].offsets[i]))
			continue;
		session_detach(links[i]);
		links[i] = session_attach_cancel(u->s, all ? -1 : (int)u->pid, u->fd,
						 c->found[kind].offsets[i], adapter_kinds[kind].id,
						 0, cookie);
	}
}

static void read_code(struct code *c, int fd)
{
	uint32_t has = 0;
	size_t k;

	adapters_search(fd, (uint32_t)c->key.kinds, c->found);
	for (k = 0; k < N_KINDS; k++)
		if (c->found[k].n)
			has |= 1u << k;
	__atomic_store_n(&c->has, has, __ATOMIC_RELAXED);
	c->read = true;
}

static void attach_code(struct use *u)
{
	struct code *c = u->code;
	uint64_t cookie;
	size_t k;

	if (!c->read)
		read_code(c, u->fd);
	for (k = 0; k < N_KINDS; k++) {
		if (__atomic_load_n(&u->hot, __ATOMIC_RELAXED) & 1u << k)
			continue;
		cookie = 0;
		if (adapter_kinds[k].id == ADAPTER_JVM && c->found[k].n) {
			cookie = adapters_learn_jvm(u->fd, u->pid, &u->at);
			__atomic_store_n(&u->learn, !cookie, __ATOMIC_RELEASE);
		}
		attach_kind(u, k, cookie);
	}
}

static void attach_spec(struct use *u)
{
	const struct probespec *p = u->named;
	size_t i;

	if (p->usdt) {
		u->links[0][0] =
			session_attach_usdt(u->s, (int)u->pid, u->fd, p->provider, p->name, p->arg);
		return;
	}
	for (i = 0; i < p->n && i < FUNCTIONS_MAX; i++)
		if (runs_there(&u->at, p->offsets[i]))
			u->links[0][i] = session_attach_cancel(
				u->s, (int)u->pid, u->fd, p->offsets[i], ADAPTER_USER, p->arg, 0);
}

static void attach_use(void *arg, bool last)
{
	struct use *u = arg;

	/* Another process may have its number by now: then a probe finds nothing to be in. */
	if (!last && (!kill((pid_t)u->pid, 0) || errno != ESRCH)) {
		if (u->named)
			attach_spec(u);
		else
			attach_code(u);
	}
	/* It would keep a container's mount busy. A JVM that is asked again needs it. */
	if (!__atomic_load_n(&u->learn, __ATOMIC_RELAXED)) {
		close(u->fd);
		u->fd = -1;
	}
	adapters_drop_use(u, last);
}

bool adapters_later(struct use *u, void (*fn)(void *arg, bool last))
{
	__atomic_add_fetch(&u->refs, 1, __ATOMIC_RELAXED);
	if (!session_later(u->s, fn, u))
		return true;
	__atomic_sub_fetch(&u->refs, 1, __ATOMIC_RELAXED);
	return false;
}

/* The loop has no more to do with U. */
void adapters_end_use(struct adapters *a, struct use *u)
{
	if (u->due_ns)
		a->pending--;
	u->due_ns = 0;
	if (session_later(a->s, adapters_drop_use, u))
		adapters_drop_use(u, true);
}

/* Of files that no process maps any more, those that were asked for longest ago go. */
static void make_room(struct adapters *a)
{
	struct code *c, *tmp;
	size_t unused = 0;

	HASH_ITER (hh, a->files, c, tmp)
		unused += __atomic_load_n(&c->refs, __ATOMIC_ACQUIRE) == 1;
	HASH_ITER (hh, a->files, c, tmp) {
		if (unused < UNUSED_MAX)
			break;
		if (__atomic_load_n(&c->refs, __ATOMIC_ACQUIRE) != 1)
			continue;
		HASH_DEL(a->files, c);
		if (session_later(a->s, drop_code, c))
			drop_code(c, true);
		unused--;
	}
}

/* The file behind FD, of which WANTED may be there. NULL: it is none, or no memory. */
static struct code *code_of(struct adapters *a, int fd, uint32_t wanted)
{
	struct code_key key = {.kinds = wanted};
	struct filetrust t;
	struct code *c;

	if (filetrust_of(fd, &t))
		return NULL;
	key.file = t.key;
	HASH_FIND(hh, a->files, &key, sizeof(key), c);
	if (c) {
		HASH_DEL(a->files, c);
	} else {
		make_room(a);
		c = calloc(1, sizeof(*c));
		if (!c)
			return NULL;
		c->key = key;
		c->writer = t.writer;
		c->uid = t.uid;
		c->refs = 1;
		c->by_file =
			a->o.by_file && t.writer == WRITER_ROOT && !neverprobe_asked(a->o.never);
	}
	HASH_ADD(hh, a->files, key, sizeof(c->key), c); /* behind all others */
	return c;
}

/* What a user can write is probed in processes of that user only: who lies breaks what is his. */
static bool may_probe(const struct code *c, uint32_t pid)
{
	return c->writer == WRITER_ROOT ||
	       (c->writer == WRITER_USER && filetrust_process_is(pid, c->uid) == 1);
}

bool adapters_is_used(const struct target *t, const struct code *c, const struct probespec *named)
{
	const struct use *u;

	for (u = t->uses; u; u = u->next)
		if (u->code == c && u->named == named)
			return true;
	return false;
}

/* FD, which lies at M in T, is to be probed; takes FD over. */
static void add_use(struct adapters *a, struct target *t, struct code *c,
		    const struct probespec *named, const struct mapping *m, int fd, uint64_t now)
{
	struct use *u = calloc(1, sizeof(*u));

	if (!u) {
		close(fd);
		return;
	}
	u->s = a->s;
	u->code = c;
	u->named = named;
	u->pid = t->pid;
	u->fd = fd;
	u->at = *m;
	u->hot = t->hot;
	u->refs = 1;
	if (c)
		__atomic_add_fetch(&c->refs, 1, __ATOMIC_RELAXED);
	u->next = t->uses;
	t->uses = u;
	if (!named && !a->o.by_file) {
		u->due_ns = now + YOUNG_NS;
		a->pending++;
	} else {
		adapters_later(u, attach_use);
	}
}

/* Probes the file of M for WANTED, which is one bit or more, unless that was done before. */
static void take_file(struct adapters *a, struct target *t, const struct mapping *m,
		      uint32_t wanted, uint64_t now)
{
	int fd = remote_open_mapping(t->pid, m);
	struct code *c;

	a->unopened += fd == -EMFILE || fd == -ENFILE;
	c = fd < 0 ? NULL : code_of(a, fd, wanted);

	if (c && !adapters_is_used(t, c, NULL) && may_probe(c, t->pid))
		add_use(a, t, c, NULL, m, fd, now);
	else if (fd >= 0)
		close(fd);
}

/* ---- what a user named ---- */

struct spec_search {
	struct adapters *a;
	struct target *t;
	uint64_t now;
};

/* Is M of a file that the user named, as it was when its functions were looked up? */
static bool take_named(void *ctx, const struct mapping *m)
{
	struct spec_search *s = ctx;
	struct filetrust trust;
	size_t i;
	int fd;

	for (i = 0; i < s->a->n_specs && m->exec; i++) {
		const struct probespec *p = &s->a->specs[i];

		if (s->a->spec_done[i] || p->trust.key.ino != m->inode ||
		    adapters_is_used(s->t, NULL, p))
			continue;
		fd = remote_open_mapping(s->t->pid, m);
		if (fd < 0)
			continue;
		if (!filetrust_of(fd, &trust) && filetrust_same(&trust.key, &p->trust.key))
			add_use(s->a, s->t, NULL, p, m, fd, s->now);
		else
			close(fd);
	}
	return false;
}

/* ---- processes ---- */

static struct target *numbered(struct adapters *a, uint32_t pid)
{
	struct target *t;

	HASH_FIND(hh, a->targets, &pid, sizeof(pid), t);
	return t;
}

static void forget(struct adapters *a, struct target *t)
{
	struct use *u;

	while ((u = t->uses)) {
		t->uses = u->next;
		adapters_end_use(a, u);
	}
	HASH_DEL(a->targets, t);
	free(t);
}

static struct target *make(struct adapters *a, uint32_t pid, uint32_t id, uint64_t now)
{
	struct target *t = numbered(a, pid);

	if (t && t->id == id)
		return t;
	if (t)
		forget(a, t);
	t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	t->pid = pid;
	t->id = id;
	t->counted_ns = now;
	HASH_ADD(hh, a->targets, pid, sizeof(t->pid), t);
	return t;
}

void adapters_look(struct adapters *a, uint32_t pid, uint32_t id, uint64_t now_ns)
{
	struct spec_search named = {.a = a, .now = now_ns};
	struct mapped w;
	struct target *t;
	uint32_t wanted, ruby = 0;
	size_t k;
	int p;

	if ((a->o.never_runtimes && !a->n_specs) || neverprobe_is(a->o.never, pid) ||
	    !(t = make(a, pid, id, now_ns)))
		return;
	named.t = t;
	if (a->n_specs)
		remote_mappings(pid, take_named, &named);
	if (a->o.never_runtimes || adapters_mapped(pid, &w))
		return;
	for (k = 0; k < N_KINDS; k++)
		if (adapter_kinds[k].id == ADAPTER_RUBY)
			ruby = 1u << k;
	for (p = 0; p < PLACES; p++) {
		wanted = adapters_kinds_at(&w, p);
		if (!w.at[p].start)
			continue;
		/* Apart: most libcs are looked at before there is a Ruby. */
		if (wanted & ruby)
			take_file(a, t, &w.at[p], ruby, now_ns);
		if (wanted & ~ruby)
			take_file(a, t, &w.at[p], wanted & ~ruby, now_ns);
	}
}

void adapters_exit(struct adapters *a, uint32_t pid, uint32_t id)
{
	struct target *t = numbered(a, pid);

	if (t && t->id == id)
		forget(a, t);
}

void adapters_exec(struct adapters *a, uint32_t pid, uint32_t id)
{
	struct target *t = numbered(a, pid);

	if (t && t->id != id)
		forget(a, t);
}

void adapters_sweep(struct adapters *a)
{
	struct target *t, *tmp;

	HASH_ITER (hh, a->targets, t, tmp)
		if (!session_proc_is(a->s, t->pid, t->id))
			forget(a, t);
}

bool adapters_has(const struct adapters *a, uint32_t pid, uint32_t id, enum adapter which)
{
	const struct target *t;
	const struct use *u;
	size_t k;

	HASH_FIND(hh, a->targets, &pid, sizeof(pid), t);
	if (!t || t->id != id)
		return false;
	for (u = t->uses; u; u = u->next)
		for (k = 0; u->code && k < N_KINDS; k++)
			if (adapter_kinds[k].id == which &&
			    __atomic_load_n(&u->code->has, __ATOMIC_RELAXED) & 1u << k)
				return true;
	return false;
}

size_t adapters_count(const struct adapters *a)
{
	return HASH_COUNT(a->targets);
}

size_t adapters_files(const struct adapters *a)
{
	return HASH_COUNT(a->files);
}

/* Is a use to be probed now, or its JVM to be asked again later? */
static void tick_use(struct adapters *a, struct target *t, struct use *u, uint64_t now)
{
	if (!u->due_ns && u->tries < LEARN_TRIES && __atomic_load_n(&u->learn, __ATOMIC_ACQUIRE)) {
		u->tries++;
		u->due_ns = now + LEARN_NS;
		a->pending++;
	}
	if (!u->due_ns || u->due_ns > now)
		return;
	u->due_ns = 0;
	a->pending--;
	if (session_proc_is(a->s, t->pid, t->id))
		adapters_later(u, attach_use);
}

void adapters_tick(struct adapters *a, uint64_t now_ns)
{
	struct target *t, *tmp;
	struct use *u;

	if (now_ns - a->ticked_ns < LEARN_NS && !a->pending)
		return;
	a->ticked_ns = now_ns;
	HASH_ITER (hh, a->targets, t, tmp)
		for (u = t->uses; u; u = u->next)
			tick_use(a, t, u, now_ns);
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
	struct target *t, *ttmp;
	struct code *c, *tmp;

	if (!a)
		return;
	HASH_ITER (hh, a->targets, t, ttmp)
		forget(a, t);
	HASH_ITER (hh, a->files, c, tmp) {
		HASH_DEL(a->files, c);
		if (session_later(a->s, drop_code, c))
			drop_code(c, true);
	}
	while (a->n_named)
		session_detach(a->named[--a->n_named]);
	free(a);
}

/*
 * Attaches P to PID, -1: to all who map the file, and keeps the links, unless it is a TRIAL. 0 or
 * -errno.
 */
static int attach_named(struct adapters *a, const struct probespec *p, int pid, int fd, bool trial)
{
	struct session_link *l;
	size_t i;

	for (i = 0; i < (p->usdt ? 1 : p->n); i++) {
		l = p->usdt ? session_attach_usdt(a->s, pid, fd, p->provider, p->name, p->arg)
			    : session_attach_cancel(a->s, pid, fd, p->offsets[i], ADAPTER_USER,
						    p->arg, 0);
		if (!l)
			return errno ? -errno : -EINVAL;
		if (trial)
			session_detach(l);
		else
			a->named[a->n_named++] = l;
		if (trial)
			break;
	}
	return 0;
}

/*
 * What a user names is probed for all who map the file under `run`, if only root can write it, and
 * else in each process that maps it, from its first connection on. There it is tried on ourselves,
 * so that what the kernel has against it is said at once.
 */
static int take_spec(struct adapters *a, size_t i)
{
	const struct probespec *p = &a->specs[i];
	int e, fd = open(p->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct filetrust t;

	if (fd < 0)
		return -errno;
	a->spec_done[i] =
		a->o.by_file && p->trust.writer == WRITER_ROOT && !neverprobe_asked(a->o.never);
	e = filetrust_of(fd, &t);
	if (!e && !filetrust_same(&t.key, &p->trust.key))
		e = -ESTALE;
	if (!e)
		e = attach_named(a, p, a->spec_done[i] ? -1 : (int)getpid(), fd, !a->spec_done[i]);
	close(fd);
	return e;
}

int adapters_attach(struct adapters *a, const struct probespec *specs, size_t n, char *err,
		    size_t errlen)
{
	size_t i;
	int e;

	a->specs = specs;
	a->n_specs = n;
	for (i = 0; i < n; i++) {
		e = take_spec(a, i);
		if (!e)
			continue;
		snprintf(err, errlen, "cannot probe %s in %s: %s", specs[i].name, specs[i].file,
			 strerror(-e));
		return e;
	}
	return 0;
}
