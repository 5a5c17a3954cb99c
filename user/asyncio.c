// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The asyncio adapter, and owners of Go's, which are goroutines.
 *
 * A process is looked into when it makes its first client connection, or when `mispair run` sees
 * it map a runtime. What a file holds is analysed once per file; where the file lies is read from
 * each process. A layout is believed only for a Task type of its size, and by the recorder only
 * after a live task has looked like one.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "asyncio_int.h"
#include "procinfo.h"
#include "pyloop.h"
#include "pystream.h"
#include "pyuv.h"
#include "remote.h"

#define RETRIES_MAX 400 /* of 1 ms; then the next connection asks again */

struct runtimes *runtimes_new(struct session *s, const struct runtimes_opts *o, runtime_fn fn,
			      void *ctx)
{
	struct runtimes *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->images = pyimages_new();
	if (!r->images) {
		free(r);
		return NULL;
	}
	r->s = s;
	r->o = *o;
	r->fn = fn;
	r->ctx = ctx;
	return r;
}

/* The process that has this number, whatever its id. */
static struct runtime *numbered(struct runtimes *r, uint32_t tgid)
{
	struct runtime *p;

	HASH_FIND(hh, r->procs, &tgid, sizeof(tgid), p);
	return p;
}

static struct runtime *find(struct runtimes *r, uint32_t tgid, uint32_t id)
{
	struct runtime *p = numbered(r, tgid);

	return p && p->id == id ? p : NULL;
}

static void forget(struct runtimes *r, struct runtime *p)
{
	runtime_try_report(r, p, true);
	runtime_cover(r, p);
	if (p->state == RT_WAITING)
		r->waiting--;
	session_unprobe(p->probe);
	pyimage_leave(p->module);
	HASH_DEL(r->procs, p);
	free(p);
}

/* A record of this process, in place of any other one that had its number. NULL: no memory. */
static struct runtime *make(struct runtimes *r, uint32_t tgid, uint32_t id)
{
	struct runtime *p = numbered(r, tgid);

	if (p && p->id == id)
		return p;
	if (p)
		forget(r, p);
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->tgid = tgid;
	p->id = id;
	HASH_ADD(hh, r->procs, tgid, sizeof(p->tgid), p);
	return p;
}

void runtimes_free(struct runtimes *r)
{
	struct runtime *p, *ptmp;

	if (!r)
		return;
	r->fn = NULL;
	r->o.cover = NULL;
	HASH_ITER (hh, r->procs, p, ptmp) {
		forget(r, p);
	}
	pyimages_free(r->images);
	free(r);
}

void runtimes_look(struct runtimes *r, uint32_t tgid, uint32_t id)
{
	struct runtime *p = make(r, tgid, id);

	if (p && (p->state == RT_READY || p->state == RT_PROBED || p->state == RT_GO)) {
		if (p->state != RT_GO)
			runtime_probe(r, p, p->state == RT_READY ? BUDGET_YOUNG : 0);
		return;
	}
	if (!p)
		return;
	p->retries = 0;
	runtime_look(r, p);
}

bool runtimes_cover(struct runtimes *r, uint32_t tgid, uint32_t id, bool there)
{
	struct runtime *p = there ? make(r, tgid, id) : find(r, tgid, id);

	if (!p)
		return false;
	p->covered = true;
	runtime_cover(r, p);
	return true;
}

bool runtimes_retry(struct runtimes *r)
{
	struct runtime *p, *tmp;

	if (!r->waiting)
		return false;
	HASH_ITER (hh, r->procs, p, tmp) {
		if (p->state != RT_WAITING)
			continue;
		if (++p->retries > RETRIES_MAX) {
			/* Mapped and not initialised: the next connection asks again. */
			p->rt.again = 1;
			r->waiting--;
			p->state = RT_WAITING;
			runtime_publish(r, p);
			p->state = RT_UNKNOWN;
		} else {
			runtime_find_tasks(r, p);
		}
	}
	return r->waiting > 0;
}

void runtimes_exit(struct runtimes *r, uint32_t tgid, uint32_t id)
{
	struct runtime *p = find(r, tgid, id);

	if (p)
		forget(r, p);
}

void runtimes_sweep(struct runtimes *r)
{
	struct runtime *p, *tmp;

	HASH_ITER (hh, r->procs, p, tmp) {
		if (!session_proc_is(r->s, p->tgid, p->id))
			forget(r, p);
	}
}

void runtimes_finish(struct runtimes *r)
{
	struct runtime *p, *tmp;

	HASH_ITER (hh, r->procs, p, tmp) {
		runtime_try_report(r, p, true);
		runtime_cover(r, p);
	}
}

size_t runtimes_count(const struct runtimes *r)
{
	return HASH_COUNT(r->procs);
}

size_t runtimes_images(const struct runtimes *r)
{
	return pyimages_count(r->images);
}

/*
 * A process of CPython's has begun: its interpreter is analysed while it starts, so that it is
 * known by the time that the process has loaded asyncio and connects. To read 7 MB into memory that
 * was never used before takes 40 ms where a hypervisor has to provide it (measured).
 */
static void expect(struct runtimes *r, uint32_t tgid, const struct pymappings *w)
{
	if (w->interpreter.start)
		pyimages_expect(r->images, tgid, &w->interpreter);
}

void runtimes_expect(struct runtimes *r, uint32_t tgid)
{
	struct pymappings w;

	if (!pymappings_find(tgid, &w))
		expect(r, tgid, &w);
}

/* Go's programs are static or nearly so: what they are can be told before they run. */
bool runtimes_exec(struct runtimes *r, uint32_t tgid, uint32_t id, bool early)
{
	struct runtime *p = numbered(r, tgid);
	struct pymappings w;

	if (p && p->id != id)
		forget(r, p);
	if (!early || pymappings_find(tgid, &w))
		return false;
	if (w.module.start || w.interpreter.start) {
		expect(r, tgid, &w);
		return false;
	}
	p = make(r, tgid, id);
	if (!p)
		return false;
	if (runtime_look_at_go(r, p, &w.first))
		return true;
	forget(r, p);
	return false;
}

/* ---- what the recorder asks ---- */

int runtime_tell_loop(struct runtimes *r, struct runtime *p, uint64_t loop, uint64_t tp)
{
	struct loop_val val = {0};
	int e = pyloop_thread(p->tgid, loop, p->version, &val);

	if (e)
		e = pyuv_thread(p->tgid, loop, tp, &val);
	return e ? e : session_loop_set(r->s, p->tgid, p->id, loop, &val);
}

void runtimes_loop(struct runtimes *r, const struct ev_loop *e)
{
	struct runtime *p = find(r, e->head.tgid, e->head.id);

	if (!p)
		return;
	if (!runtime_tell_loop(r, p, e->loop, e->thread_self))
		return;
	/* Not to be asked at each send, it stays "asked", and its owners unverified, until the
	 * refresh. */
	if (p->n_unanswered < UNANSWERED_MAX)
		p->unanswered[p->n_unanswered++] = e->loop;
	else
		session_loop_forget(r->s, p->tgid, p->id, e->loop);
}

void runtimes_budget(struct runtimes *r, uint32_t tgid, uint32_t id)
{
	struct runtime *p = find(r, tgid, id);

	if (!p || !runtime_is_probed(p) || session_runtime_get(r->s, tgid, id, &p->rt))
		return;
	/* Raised by a finding since. */
	if (p->rt.probe_budget && p->rt.probe_budget <= PROBE_BUDGET_MAX)
		return;
	if (p->module->probe) {
		session_unprobe(p->module->probe);
		p->module->probe = NULL;
		p->module->too_hot = true;
	}
	session_unprobe(p->probe);
	p->probe = NULL;
	/* With nothing probed the recorder need not look cancellations up. */
	p->rt.probe_seq = 0;
	runtime_publish(r, p);
}

void runtimes_layout(struct runtimes *r, uint32_t tgid, uint32_t id)
{
	struct runtime *p = find(r, tgid, id);

	if (p && p->state == RT_GO) {
		runtime_go_layout(r, p);
	} else if (p && p->state == RT_READY) {
		p->reported = false;
		runtime_probe_steps(r, p, "live tasks do not look as this version's layout says");
	}
}

void runtimes_proved(struct runtimes *r, uint32_t tgid, uint32_t id)
{
	struct runtime *p = find(r, tgid, id);

	if (!p)
		return;
	p->proved = true;
	runtime_try_report(r, p, false);
}

void runtimes_finding(struct runtimes *r, uint32_t tgid, uint32_t id)
{
	struct runtime *p = find(r, tgid, id);

	if (!p || p->state != RT_READY || r->o.precise != PRECISE_AUTO ||
	    (runtime_is_probed(p) && p->generous) || session_runtime_get(r->s, tgid, id, &p->rt))
		return;
	p->module->too_hot = false;
	if (!runtime_is_probed(p)) {
		runtime_probe(r, p, BUDGET_FOUND);
	} else if (p->rt.probe_budget) {
		/* A young one's budget would end just when the probe is wanted. */
		p->rt.probe_budget = BUDGET_FOUND;
		p->generous = true;
		runtime_publish(r, p);
	}
}

void runtimes_refresh(struct runtimes *r)
{
	struct runtime *p, *tmp;

	HASH_ITER (hh, r->procs, p, tmp) {
		/* Given up, while a busy host had not let it initialise: its one connection may be
		 * open already. */
		if (p->state == RT_UNKNOWN && p->rt.state == RT_WAITING && p->module)
			runtime_find_tasks(r, p);
		runtime_try_report(r, p, false);
		runtime_cover(r, p);
		/* The recorder asks again when it sees them. */
		while (p->n_unanswered)
			session_loop_forget(r->s, p->tgid, p->id, p->unanswered[--p->n_unanswered]);
	}
}

uint64_t runtimes_late(const struct runtimes *r)
{
	return r->late;
}

uint64_t runtimes_full(const struct runtimes *r)
{
	return r->full;
}

uint8_t runtimes_judge(struct runtimes *r, const struct ledger_row *row)
{
	const struct owner *o = &row->l.owner;
	struct runtime *p = find(r, o->tgid, o->id);
	struct pytask_look k;

	if (!p || p->state != RT_READY || o->kind != OWNER_TASK)
		return WAIT_UNKNOWN;
	memset(&k, 0, sizeof(k));
	if (remote_read(p->tgid, o->task, &k.head, sizeof(k.head)) ||
	    remote_read(p->tgid, o->task + p->rt.layout.state, &k.state, 4) ||
	    remote_read(p->tgid, o->task + p->rt.layout.task, &k.tail, sizeof(k.tail) - 4))
		return WAIT_UNKNOWN;
	if (k.state == PYFUT_FINISHED &&
	    remote_read(p->tgid, o->task + p->rt.layout.exception, &k.exception, 8))
		return WAIT_UNKNOWN;
	if (k.head.refcnt && k.tail.name && (!p->rt.task_type || k.head.type == p->rt.task_type) &&
	    remote_read(p->tgid, k.tail.name + p->rt.layout.name_text, k.name, 16))
		return WAIT_UNKNOWN;
	if (!p->rt.layout.has_cancels && k.tail.waiter &&
	    remote_read(p->tgid, k.tail.waiter + p->rt.layout.state, &k.waiter_state, 4))
		k.waiter_state = PYFUT_PENDING;
	return pytask_judge(o, &k, p->rt.task_type, p->rt.layout.has_cancels);
}

uint32_t runtimes_buffered(struct runtimes *r, const struct ledger_row *row)
{
	struct runtime *p = find(r, row->l.owner.tgid, row->l.owner.id);

	/* By stream, not by owner: who takes an old reply at once is not seen waiting (uvloop). */
	if (!p || p->state != RT_READY)
		return 0;
	return pystream_left(p->tgid, &p->rt.layout, row->l.stream);
}

int runtimes_inspect(uint32_t pid, struct runtime_report *out)
{
	struct runtimes_opts o = {.precise = PRECISE_NEVER};
	struct runtimes *r = runtimes_new(NULL, &o, NULL, NULL);
	struct runtime *p;
	struct procinfo info;
	int e;

	if (!r)
		return -ENOMEM;
	e = procinfo_read(pid, &info);
	if (!e) {
		runtimes_look(r, pid, 0);
		p = find(r, pid, 0);
		if (p) {
			/* What would be claimed once a live task has been seen. */
			p->proved = true;
			runtime_describe(p, out);
			memcpy(out->comm, info.comm, sizeof(out->comm));
		}
		if (p && p->state == RT_NONE && !p->go.version[0])
			memset(out->runtime, 0, sizeof(out->runtime));
	}
	runtimes_free(r);
	return e;
}
