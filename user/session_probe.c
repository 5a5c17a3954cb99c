// SPDX-License-Identifier: GPL-2.0-or-later
/* Probes in processes: of asyncio's tasks, which a thread of their own places, and of adapters. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "session_int.h"

#define PROBE_LINKS 6

struct session_probe {
	struct session *s;
	pid_t pid;
	struct session_task_probes at;
	char path[320];
	struct bpf_link *links[PROBE_LINKS]; /* the worker's */
	int n_links;
	bool failed; /* atomic */
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

struct session_link *session_attach_cancel(struct session *s, const char *path, uint64_t offset,
					   enum adapter adapter, unsigned int arg, uint64_t cookie)
{
	DECLARE_LIBBPF_OPTS(bpf_uprobe_opts, opts, .bpf_cookie = cookie);
	struct bpf_program *prog = session_cancel_program(s, adapter, arg);
	struct bpf_link *link;

	if (!prog) {
		errno = EINVAL;
		return NULL;
	}
	link = bpf_program__attach_uprobe_opts(prog, -1, path, offset, &opts);
	if (!link && cookie) {
		opts.bpf_cookie = 0;
		link = bpf_program__attach_uprobe_opts(prog, -1, path, offset, &opts);
	}
	return (struct session_link *)link;
}

struct session_link *session_attach_usdt(struct session *s, const char *path, const char *provider,
					 const char *name, unsigned int arg)
{
	DECLARE_LIBBPF_OPTS(bpf_usdt_opts, opts, .usdt_cookie = arg);

	return (struct session_link *)bpf_program__attach_usdt(s->skel->progs.cancel_usdt, -1, path,
							       provider, name, &opts);
}

void session_detach(struct session_link *l)
{
	bpf_link__destroy((struct bpf_link *)l);
}

/* On the worker's thread. */
static bool attach_one(struct session_probe *p, const struct bpf_program *prog, bool ret,
		       uint64_t at)
{
	struct bpf_link *link;

	if (!at)
		return true;
	link = bpf_program__attach_uprobe(prog, ret, p->pid, p->path, at);
	if (link)
		p->links[p->n_links++] = link;
	return link != NULL;
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
	ok = attach_one(p, skel->progs.task_cancel, false, at->cancel) &&
	     attach_one(p, skel->progs.task_finalize, false, at->finalize) &&
	     attach_one(p, skel->progs.step_ends, true, at->step_call) &&
	     attach_one(p, skel->progs.step_ends, true, at->step_wakeup) &&
	     attach_one(p, skel->progs.step_call, false, at->step_call) &&
	     attach_one(p, skel->progs.step_wakeup, false, at->step_wakeup);
	__atomic_store_n(&p->failed, !ok, __ATOMIC_RELEASE);
}

/* On the worker's thread, after attach_probe(). */
static void destroy_probe(void *arg, bool last)
{
	struct session_probe *p = arg;

	(void)last;
	while (p->n_links)
		bpf_link__destroy(p->links[--p->n_links]);
	free(p);
}

struct session_probe *session_probe_task(struct session *s, int pid, const char *path,
					 const struct session_task_probes *at)
{
	struct session_probe *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->s = s;
	p->pid = pid;
	p->at = *at;
	snprintf(p->path, sizeof(p->path), "%s", path);
	if (worker_give(s->worker, attach_probe, p)) {
		free(p);
		return NULL;
	}
	return p;
}

bool session_probe_failed(const struct session_probe *p)
{
	return __atomic_load_n(&p->failed, __ATOMIC_ACQUIRE);
}

void session_unprobe(struct session_probe *p)
{
	if (p && worker_give(p->s->worker, destroy_probe, p))
		destroy_probe(p, true);
}
