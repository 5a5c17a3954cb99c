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
#include <uthash.h>

#include "asyncio.h"
#include "golang.h"
#include "pyimage.h"
#include "pylayout.h"
#include "pyloop.h"
#include "pystream.h"
#include "pyuv.h"
#include "procinfo.h"
#include "remote.h"

#define RETRIES_MAX  400	/* of 1 ms; then the next connection asks again */
#define LISTINGS_MAX 16		/* of mappings, while a loader changes them */
#define LOOKS_MAX    32		/* into a Python that has not loaded asyncio */
#define BSS_SCAN_MAX (1u << 20) /* of zero-initialised data; an interpreter has 300 KB */
#define BUDGET_YOUNG 2048	/* calls of Task.cancel while a process is young */
#define BUDGET_FOUND 262144	/* ... after a finding */
#define LOOPS_MAX    64

struct runtime {
	uint32_t tgid;
	enum rt_state state;
	int retries, looks;
	uint32_t version;
	struct golang go; /* version "": not of Go */
	struct pyimage *module;
	struct mapping at; /* a mapping of the module */
	uint64_t bias;
	uint64_t dict_type; /* address of PyDict_Type, 0 if unknown */
	struct proc_rt rt;
	struct session_probe *probe;
	bool reported;
	bool generous; /* its budget is that of a process with a finding */
	bool go_tried; /* the second layout of Go, too */
	int n_loops;
	uint64_t loops[LOOPS_MAX];
	char note[128];
	UT_hash_handle hh;
};

struct runtimes {
	struct session *s;
	struct runtimes_opts o;
	runtime_fn fn;
	void *ctx;
	struct runtime *procs;
	struct pyimages *images;
	int waiting;
	uint64_t late;
};

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

static struct runtime *find(struct runtimes *r, uint32_t tgid)
{
	struct runtime *p;

	HASH_FIND(hh, r->procs, &tgid, sizeof(tgid), p);
	return p;
}

static void forget(struct runtimes *r, struct runtime *p)
{
	if (p->state == RT_WAITING)
		r->waiting--;
	session_unprobe(p->probe);
	HASH_DEL(r->procs, p);
	free(p);
}

void runtimes_free(struct runtimes *r)
{
	struct runtime *p, *ptmp;

	if (!r)
		return;
	HASH_ITER (hh, r->procs, p, ptmp) {
		forget(r, p);
	}
	pyimages_free(r->images);
	free(r);
}

/* ---- one process ---- */

static int publish(struct runtimes *r, struct runtime *p)
{
	struct proc_rt seen;

	/* The recorder may have met it since. */
	if (!p->rt.uv && !session_proc_get(r->s, p->tgid, &seen))
		p->rt.uv = seen.uv;
	p->rt.state = p->state;
	return session_proc_set(r->s, p->tgid, &p->rt);
}

static void set_state(struct runtimes *r, struct runtime *p, enum rt_state state)
{
	if (p->state == RT_WAITING)
		r->waiting--;
	p->state = state;
	if (state == RT_WAITING)
		r->waiting++;
	if (r->s)
		publish(r, p);
}

static bool is_probed(const struct runtime *p)
{
	return p->probe || (p->module && p->module->probe);
}

static const char *evidence_of(const struct runtime *p)
{
	if (p->state == RT_PROBED)
		return "probe";
	if (p->state == RT_GO)
		return "memory";
	if (p->state != RT_READY)
		return "none";
	return is_probed(p) ? "memory+probe" : "memory";
}

static void describe(const struct runtime *p, struct runtime_report *out)
{
	struct procinfo info;

	memset(out, 0, sizeof(*out));
	procinfo_read(p->tgid, &info);
	out->pid = p->tgid;
	memcpy(out->comm, info.comm, sizeof(out->comm));
	snprintf(out->runtime, sizeof(out->runtime), "%s", p->go.version[0] ? "go" : "cpython");
	memcpy(out->version, p->go.version, sizeof(out->version));
	if (p->version)
		snprintf(out->version, sizeof(out->version), "%u.%u", p->version >> 8,
			 p->version & 0xff);
	snprintf(out->module, sizeof(out->module), "%.127s", p->at.path);
	snprintf(out->evidence, sizeof(out->evidence), "%s", evidence_of(p));
	snprintf(out->note, sizeof(out->note), "%s", p->note);
}

static void report(struct runtimes *r, struct runtime *p)
{
	struct runtime_report out;

	if (p->reported || !r->fn)
		return;
	p->reported = true;
	describe(p, &out);
	r->fn(r->ctx, &out);
}

/* The module's first mapping as it is now: a loader has mapped more of the file over its end. */
static void list_again(struct runtime *p)
{
	struct pymappings w;

	if (pymappings_find(p->tgid, &w))
		return;
	if (w.module.start == p->at.start)
		p->at = w.module;
	else if (w.interpreter.start == p->at.start)
		p->at = w.interpreter;
}

static void probe(struct runtimes *r, struct runtime *p, uint32_t budget)
{
	struct pyfind_result *f = &p->module->found;
	struct session_task_probes at = {.cancel = f->task_cancel_offset,
					 .finalize = f->task_finalize_offset};
	struct session_probe *probe;
	char path[128];

	/* The process by whose mapping the file was named may have been gone too soon. */
	if (p->module->probe && session_probe_failed(p->module->probe)) {
		session_unprobe(p->module->probe);
		p->module->probe = NULL;
	}
	if (is_probed(p) || !r->s || !f->task_cancel_offset || r->o.precise == PRECISE_NEVER ||
	    (r->o.by_file && p->module->too_hot))
		return;
	p->rt.probe_budget = r->o.precise == PRECISE_ALWAYS ? 0 : budget;
	p->generous = budget == BUDGET_FOUND;
	publish(r, p);
	list_again(p);
	/* The kernel resolves the link to the very file that is mapped, in any mount namespace. */
	snprintf(path, sizeof(path), "/proc/%u/map_files/%llx-%llx", p->tgid,
		 (unsigned long long)p->at.start, (unsigned long long)p->at.end);
	if (p->state == RT_PROBED) {
		at.step_call = f->task_step_offset;
		at.step_wakeup = f->task_wakeup_offset;
	}
	probe = session_probe_task(r->s, r->o.by_file ? -1 : (int)p->tgid, path, &at);
	if (r->o.by_file)
		p->module->probe = probe;
	else
		p->probe = probe;
}

/* The one pointer in the module's zero-initialised data to an object of type dict. */
static uint64_t scan_for_dict(struct runtime *p, int *candidates)
{
	const struct pyfind_result *f = &p->module->found;
	uint64_t size = f->bss_size > BSS_SCAN_MAX ? BSS_SCAN_MAX : f->bss_size;
	uint64_t from = p->bias + ((f->bss_vaddr + 7) & ~7ULL), type, hit = 0;
	uint64_t *data;
	size_t i;

	*candidates = 0;
	data = malloc(size);
	if (!data)
		return 0;
	if (size < 8 || remote_read(p->tgid, from, data, size & ~7ULL))
		goto out;
	for (i = 0; i < size / 8 && *candidates < 2; i++) {
		if (!data[i] || data[i] % 8 || remote_read(p->tgid, data[i] + 8, &type, 8) ||
		    type != p->dict_type)
			continue;
		hit = from + i * 8;
		++*candidates;
	}
out:
	free(data);
	return *candidates == 1 ? hit : 0;
}

/* What was sent while the recorder waited for this answer has no owner. */
static void count_late(struct runtimes *r, struct runtime *p)
{
	struct proc_rt seen;

	if (r->s && !session_proc_get(r->s, p->tgid, &seen))
		r->late += seen.late;
}

static void blind(struct runtimes *r, struct runtime *p, const char *why)
{
	snprintf(p->note, sizeof(p->note), "%s", why);
	count_late(r, p);
	set_state(r, p, RT_BLIND);
	report(r, p);
}

/*
 * The layout is not known, or not believed: probes on cancellations, on every step and on ends of
 * tasks tell what memory does not. It costs the process more, and is worth it only here.
 */
static void probe_steps(struct runtimes *r, struct runtime *p, const char *why)
{
	const struct pyfind_result *f = &p->module->found;

	if (!f->task_cancel_offset || !f->task_finalize_offset || !f->task_step_offset ||
	    !f->task_wakeup_offset || r->o.precise == PRECISE_NEVER) {
		blind(r, p, why);
		return;
	}
	snprintf(p->note, sizeof(p->note), "%s; every step is probed", why);
	count_late(r, p);
	p->rt.probe_budget = 0;
	p->rt.validated = 0;
	/* What may be attached already is not all that is needed now. */
	session_unprobe(p->module->probe);
	session_unprobe(p->probe);
	p->module->probe = p->probe = NULL;
	set_state(r, p, RT_PROBED);
	probe(r, p, 0);
	report(r, p);
}

/* Finds current_tasks; RT_READY, RT_WAITING (not initialised yet) or RT_BLIND. */
static void find_tasks(struct runtimes *r, struct runtime *p)
{
	struct pyfind_result *f = &p->module->found;
	int candidates = 0;
	uint64_t at = 0;

	if (f->current_tasks_vaddr) {
		at = p->bias + f->current_tasks_vaddr;
	} else if (!p->dict_type) {
		probe_steps(r, p, "the interpreter's dict type was not found");
		return;
	} else {
		at = scan_for_dict(p, &candidates);
	}
	if (candidates > 1) {
		probe_steps(r, p, "several dictionaries could hold the current tasks");
		return;
	}
	if (!at) {
		if (p->state != RT_WAITING)
			set_state(r, p, RT_WAITING);
		return;
	}
	/* Learned for every later process that maps the same file. */
	f->current_tasks_vaddr = at - p->bias;
	count_late(r, p);
	p->rt.dict_ptr = at;
	p->rt.task_type = f->task_type_vaddr ? p->bias + f->task_type_vaddr : 0;
	p->rt.probe_budget = r->o.precise == PRECISE_AUTO ? BUDGET_YOUNG : 0;
	p->rt.uv = pyuv_running(p->tgid, p->bias + f->bss_vaddr, f->bss_size);
	set_state(r, p, RT_READY);
	probe(r, p, BUDGET_YOUNG);
	report(r, p);
}

/* The module is mapped: which version, which layout? */
static void settle(struct runtimes *r, struct runtime *p)
{
	const struct pyfind_result *f = &p->module->found;
	const struct task_layout *layout = pylayout_find(p->version);

	if (r->o.no_memory) {
		probe_steps(r, p, "memory is not read, as was asked");
		return;
	}
	if (!layout) {
		probe_steps(r, p, "no layout for this version of CPython yet");
		return;
	}
	if (f->task_basicsize && f->task_basicsize != layout->size) {
		probe_steps(r, p, "Task has another size than this version's");
		return;
	}
	p->rt.layout = *layout;
	find_tasks(r, p);
}

/* Python without asyncio so far: threads own requests; the next connections ask again. */
static void no_asyncio(struct runtimes *r, struct runtime *p, bool python)
{
	p->rt.inherited = python && ++p->looks < LOOKS_MAX;
	set_state(r, p, RT_NONE);
}

/* A program of Go: its goroutines own requests, where it is known how to tell them. */
static bool look_at_go(struct runtimes *r, struct runtime *p, const struct mapping *first)
{
	if (!first->start || !golang_find(p->tgid, first, &p->go))
		return false;
	p->at = *first;
	p->rt.go_id = p->go.id;
	p->rt.inherited = 0;
	if (!p->go.id)
		snprintf(p->note, sizeof(p->note),
			 "no layout for this version of Go: threads own requests");
	if (p->go.id)
		count_late(r, p);
	set_state(r, p, p->go.id ? RT_GO : RT_NONE);
	report(r, p);
	return true;
}

/* The running goroutine does not look like one there: is its id where other versions have it? */
static void go_layout(struct runtimes *r, struct runtime *p)
{
	p->rt.go_id = golang_other_offset(p->go.id);
	p->rt.validated = p->rt.mismatches = 0;
	if (p->go_tried) {
		snprintf(p->note, sizeof(p->note),
			 "goroutines do not look as this version's do: threads own requests");
		p->reported = false;
		set_state(r, p, RT_NONE);
		report(r, p);
		return;
	}
	p->go_tried = true;
	set_state(r, p, RT_GO);
}

/* The interpreter: where PyDict_Type is, and which version it is where the module does not say. */
static struct pyimage *look_at_interpreter(struct runtimes *r, struct runtime *p,
					   const struct mapping *m)
{
	struct pyimage *i = m->start ? pyimages_get(r->images, p->tgid, m) : NULL;
	uint64_t bias;

	if (!i || i->error)
		return i;
	if (!p->version)
		p->version = i->found.py_version;
	if (i->found.dict_type_vaddr && pyimage_bias(i, m, &bias))
		p->dict_type = bias + i->found.dict_type_vaddr;
	return i;
}

/*
 * What P has mapped, and the image of its module. A loader at work maps one segment over another:
 * what was listed may have other bounds by the time that it is opened, and is listed again.
 */
static int list(struct runtimes *r, struct runtime *p, struct pymappings *w)
{
	int tries = LISTINGS_MAX, e;

	do {
		e = pymappings_find(p->tgid, w);
		if (e)
			return e;
		p->module = w->module.start ? pyimages_get(r->images, p->tgid, &w->module) : NULL;
	} while (w->module.start && !p->module && --tries);
	return 0;
}

static void look(struct runtimes *r, struct runtime *p)
{
	struct pymappings w;
	struct pyimage *interpreter = NULL;
	struct pyfind_result *f;

	if (list(r, p, &w) || !(w.module.start || w.interpreter.start)) {
		if (!look_at_go(r, p, &w.first))
			no_asyncio(r, p, false);
		return;
	}
	p->version = pyfind_version_from_path(w.module.path);
	f = p->module ? &p->module->found : NULL;
	/* An interpreter can be 30 MB: not read where the module tells all there is to know. */
	if (!f || !f->current_tasks_vaddr || !p->version)
		interpreter = look_at_interpreter(r, p, &w.interpreter);
	p->at = w.module.start ? w.module : w.interpreter;
	if (!w.module.start)
		p->module = interpreter;
	if (!p->version)
		p->version = pyfind_version_from_path(w.interpreter.path);
	if (!p->module || p->module->error || !p->module->found.has_asyncio ||
	    !pyimage_bias(p->module, &p->at, &p->bias)) {
		if (w.module.start)
			blind(r, p,
			      p->module && p->module->error
				      ? p->module->why
				      : "asyncio's module was not understood");
		else
			no_asyncio(r, p, true);
		return;
	}
	settle(r, p);
}

void runtimes_look(struct runtimes *r, uint32_t tgid)
{
	struct runtime *p = find(r, tgid);

	if (p && (p->state == RT_READY || p->state == RT_PROBED || p->state == RT_GO)) {
		if (p->state != RT_GO)
			probe(r, p, p->state == RT_READY ? BUDGET_YOUNG : 0);
		return;
	}
	if (!p) {
		p = calloc(1, sizeof(*p));
		if (!p)
			return;
		p->tgid = tgid;
		HASH_ADD(hh, r->procs, tgid, sizeof(p->tgid), p);
	}
	p->retries = 0;
	look(r, p);
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
			p->rt.inherited = 1;
			r->waiting--;
			p->state = RT_ASKED;
			p->rt.state = RT_WAITING;
			session_proc_set(r->s, p->tgid, &p->rt);
		} else {
			find_tasks(r, p);
		}
	}
	return r->waiting > 0;
}

void runtimes_exit(struct runtimes *r, uint32_t tgid)
{
	struct runtime *p = find(r, tgid);

	if (p)
		forget(r, p);
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
bool runtimes_exec(struct runtimes *r, uint32_t tgid)
{
	struct pymappings w;
	struct runtime *p;

	runtimes_exit(r, tgid);
	if (pymappings_find(tgid, &w))
		return false;
	if (w.module.start || w.interpreter.start) {
		expect(r, tgid, &w);
		return false;
	}
	p = calloc(1, sizeof(*p));
	if (!p)
		return false;
	p->tgid = tgid;
	if (!look_at_go(r, p, &w.first)) {
		free(p);
		return false;
	}
	HASH_ADD(hh, r->procs, tgid, sizeof(p->tgid), p);
	return true;
}

/* ---- what the recorder asks ---- */

void runtimes_loop(struct runtimes *r, const struct ev_loop *e)
{
	struct runtime *p = find(r, e->head.tgid);
	uint64_t self = 0;

	if (!p || pyloop_thread(p->tgid, e->loop, p->version, &self))
		return; /* stays "asked": its owners are unverified */
	session_loop_set(r->s, p->tgid, e->loop, self);
	if (p->n_loops < LOOPS_MAX)
		p->loops[p->n_loops++] = e->loop;
}

void runtimes_budget(struct runtimes *r, uint32_t tgid)
{
	struct runtime *p = find(r, tgid);

	if (!p || !is_probed(p) || session_proc_get(r->s, tgid, &p->rt))
		return;
	/* Raised by a finding since. */
	if (p->rt.probe_budget && p->rt.probe_budget <= PROBE_BUDGET_MAX)
		return;
	if (r->o.by_file) {
		session_unprobe(p->module->probe);
		p->module->probe = NULL;
		p->module->too_hot = true;
	}
	session_unprobe(p->probe);
	p->probe = NULL;
	/* With nothing probed the recorder need not look cancellations up. */
	p->rt.probe_seq = 0;
	publish(r, p);
}

void runtimes_layout(struct runtimes *r, uint32_t tgid)
{
	struct runtime *p = find(r, tgid);

	if (p && p->state == RT_GO) {
		go_layout(r, p);
	} else if (p && p->state == RT_READY) {
		p->reported = false;
		probe_steps(r, p, "live tasks do not look as this version's layout says");
	}
}

void runtimes_finding(struct runtimes *r, uint32_t tgid)
{
	struct runtime *p = find(r, tgid);

	if (!p || p->state != RT_READY || r->o.precise != PRECISE_AUTO ||
	    (is_probed(p) && p->generous) || session_proc_get(r->s, tgid, &p->rt))
		return;
	p->module->too_hot = false;
	if (!is_probed(p)) {
		probe(r, p, BUDGET_FOUND);
	} else if (p->rt.probe_budget) {
		/* A young one's budget would end just when the probe is wanted. */
		p->rt.probe_budget = BUDGET_FOUND;
		p->generous = true;
		publish(r, p);
	}
}

void runtimes_refresh(struct runtimes *r)
{
	struct runtime *p, *tmp;
	uint64_t self;
	int i;

	HASH_ITER (hh, r->procs, p, tmp) {
		/* Given up, while a busy host had not let it initialise: its one connection may be
		 * open already. */
		if (p->state == RT_ASKED && p->rt.state == RT_WAITING && p->module)
			find_tasks(r, p);
		for (i = 0; i < p->n_loops; i++) {
			if (!pyloop_thread(p->tgid, p->loops[i], p->version, &self)) {
				session_loop_set(r->s, p->tgid, p->loops[i], self);
				continue;
			}
			/* It has ended, or its memory is another loop's: ask when it is seen again.
			 */
			session_loop_forget(r->s, p->tgid, p->loops[i]);
			p->loops[i--] = p->loops[--p->n_loops];
		}
	}
}

uint64_t runtimes_late(const struct runtimes *r)
{
	return r->late;
}

uint8_t runtimes_judge(struct runtimes *r, const struct ledger_row *row)
{
	const struct owner *o = &row->l.owner;
	struct runtime *p = find(r, o->tgid);
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
	struct runtime *p = find(r, row->l.owner.tgid);

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
		runtimes_look(r, pid);
		p = find(r, pid);
		if (p)
			describe(p, out);
		if (p && p->state == RT_NONE && !p->go.version[0])
			memset(out->runtime, 0, sizeof(out->runtime));
	}
	runtimes_free(r);
	return e;
}
