// SPDX-License-Identifier: GPL-2.0-or-later
/* Probes in processes: of asyncio's tasks, which a thread of their own places, and of adapters. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "session_int.h"
#include "uprobemulti.h"

#define PROBE_LINKS 4

struct session_probe {
	struct session *s;
	pid_t pid;
	int fd; /* of the file; the worker closes it */
	struct session_task_probes at;
	struct session_link *links[PROBE_LINKS]; /* the worker's */
	int n_links;
	uint32_t state; /* atomic: enum probe_state */
};

struct bpf_program *session_cancel_program(struct session *s, enum adapter adapter,
					   unsigned int arg)
{
	struct bpf_program *const runtimes[ADAPTER_MAX] = {
		[ADAPTER_PTHREAD] = s->skel->progs.adapter_pthread,
		[ADAPTER_RUBY] = s->skel->progs.adapter_ruby,
		[ADAPTER_JVM] = s->skel->progs.adapter_jvm,
		[ADAPTER_TOKIO] = s->skel->progs.adapter_tokio,
		[ADAPTER_GO] = s->skel->progs.adapter_go,
	};
	struct bpf_program *const named[CANCEL_PROGRAMS] = {
		s->skel->progs.cancel_at_0, s->skel->progs.cancel_at_1, s->skel->progs.cancel_at_2,
		s->skel->progs.cancel_at_3, s->skel->progs.cancel_at_4, s->skel->progs.cancel_at_5,
		s->skel->progs.cancel_at_6,
	};

	if (adapter != ADAPTER_USER)
		return adapter < ADAPTER_MAX ? runtimes[adapter] : NULL;
	return arg < CANCEL_PROGRAMS ? named[arg] : NULL;
}

int session_later(struct session *s, void (*fn)(void *arg, bool last), void *arg)
{
	return worker_give(s->worker, fn, arg);
}

/* A descriptor of a perf event and one of its link; without perf events one will do. */
#define PROBE_FDS 2
/* A part of the descriptors that we may have, for all that is not a probe. */
#define FDS_KEPT  256

void session_probes_limit(struct session *s, uint64_t descriptors)
{
	s->probes_max = descriptors > 2 * FDS_KEPT ? (uint32_t)(descriptors - FDS_KEPT) / PROBE_FDS
						   : FDS_KEPT / PROBE_FDS;
}

uint64_t session_unprobed(const struct session *s)
{
	return __atomic_load_n(&s->unprobed, __ATOMIC_RELAXED);
}

/* One probe more, if there are descriptors for it; on any thread. */
static bool take_probe(struct session *s)
{
	if (__atomic_add_fetch(&s->probes, 1, __ATOMIC_RELAXED) <= s->probes_max)
		return true;
	__atomic_sub_fetch(&s->probes, 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&s->unprobed, 1, __ATOMIC_RELAXED);
	errno = EMFILE;
	return false;
}

/*
 * LINK or FD, which take_probe() has counted; neither: it was not attached, and errno says why.
 */
static struct session_link *counted(struct session *s, struct bpf_link *link, int fd)
{
	struct session_link *l = link || fd >= 0 ? malloc(sizeof(*l)) : NULL;
	int e = errno;

	if (l) {
		l->link = link;
		l->fd = fd;
		l->s = s;
		return l;
	}
	bpf_link__destroy(link);
	if (fd >= 0)
		close(fd);
	__atomic_sub_fetch(&s->probes, 1, __ATOMIC_RELAXED);
	if (e == EMFILE || e == ENFILE)
		__atomic_add_fetch(&s->unprobed, 1, __ATOMIC_RELAXED);
	errno = e;
	return NULL;
}

/*
 * The file behind FD as the kernel is to find it: the descriptor itself, so that it cannot be
 * another one than the one that was read, whatever its name means by now.
 */
static const char *path_of(int fd, char path[32])
{
	snprintf(path, 32, "/proc/self/fd/%d", fd);
	return path;
}

/* PROG at OFFSET of the file behind FD; PID -1: in every process that maps it. NULL and errno. */
static struct session_link *attach_at(struct session *s, const struct bpf_program *prog, int pid,
				      int fd, uint64_t offset, uint64_t cookie)
{
	DECLARE_LIBBPF_OPTS(bpf_uprobe_opts, opts, .bpf_cookie = cookie);
	struct bpf_link *link;
	char path[32];
	int e;

	if (!take_probe(s))
		return NULL;
	path_of(fd, path);
	if (s->multi) {
		e = uprobemulti_attach(bpf_program__fd(prog), path, offset, cookie,
				       pid < 0 ? 0 : pid);
		errno = e < 0 ? -e : 0;
		return counted(s, NULL, e);
	}
	link = bpf_program__attach_uprobe_opts(prog, pid, path, offset, &opts);
	if (!link && cookie) {
		opts.bpf_cookie = 0;
		link = bpf_program__attach_uprobe_opts(prog, pid, path, offset, &opts);
	}
	return counted(s, link, -1);
}

struct session_link *session_attach_cancel(struct session *s, int pid, int fd, uint64_t offset,
					   enum adapter adapter, unsigned int arg, uint64_t cookie)
{
	struct bpf_program *prog = session_cancel_program(s, adapter, arg);

	if (prog)
		return attach_at(s, prog, pid, fd, offset, cookie);
	errno = EINVAL;
	return NULL;
}

struct session_link *session_attach_usdt(struct session *s, int pid, int fd, const char *provider,
					 const char *name, unsigned int arg)
{
	DECLARE_LIBBPF_OPTS(bpf_usdt_opts, opts, .usdt_cookie = arg);
	char path[32];

	if (!take_probe(s))
		return NULL;
	return counted(s,
		       bpf_program__attach_usdt(s->skel->progs.cancel_usdt, pid, path_of(fd, path),
						provider, name, &opts),
		       -1);
}

void session_detach(struct session_link *l)
{
	if (!l)
		return;
	bpf_link__destroy(l->link);
	if (l->fd >= 0)
		close(l->fd);
	__atomic_sub_fetch(&l->s->probes, 1, __ATOMIC_RELAXED);
	free(l);
}

/* On the worker's thread. */
static bool attach_one(struct session_probe *p, const struct bpf_program *prog, uint64_t at)
{
	struct session_link *l;

	if (!at)
		return true;
	l = attach_at(p->s, prog, p->pid, p->fd, at, 0);
	if (l)
		p->links[p->n_links++] = l;
	return l != NULL;
}

static void attach_probe(void *arg, bool last)
{
	struct session_probe *p = arg;
	const struct session_task_probes *at = &p->at;
	struct mispair_bpf *skel;
	bool ok;

	/* At the end another thread may have freed it by now. */
	if (last)
		return;
	skel = p->s->skel;
	ok = attach_one(p, skel->progs.task_cancel, at->cancel) &&
	     attach_one(p, skel->progs.task_finalize, at->finalize) &&
	     attach_one(p, skel->progs.step_call, at->step_call) &&
	     attach_one(p, skel->progs.step_wakeup, at->step_wakeup);
	__atomic_store_n(&p->state, ok ? PROBE_THERE : PROBE_FAILED, __ATOMIC_RELEASE);
}

/* On the worker's thread, after attach_probe(). */
static void destroy_probe(void *arg, bool last)
{
	struct session_probe *p = arg;

	(void)last;
	while (p->n_links)
		session_detach(p->links[--p->n_links]);
	close(p->fd);
	free(p);
}

struct session_probe *session_probe_task(struct session *s, int pid, int fd,
					 const struct session_task_probes *at)
{
	struct session_probe *p = calloc(1, sizeof(*p));

	if (!p) {
		close(fd);
		return NULL;
	}
	p->s = s;
	p->pid = pid;
	p->fd = fd;
	p->at = *at;
	if (worker_give(s->worker, attach_probe, p)) {
		close(fd);
		free(p);
		return NULL;
	}
	return p;
}

enum probe_state session_probe_state(const struct session_probe *p)
{
	return __atomic_load_n(&p->state, __ATOMIC_ACQUIRE);
}

void session_unprobe(struct session_probe *p)
{
	if (p && worker_give(p->s->worker, destroy_probe, p))
		destroy_probe(p, true);
}
