// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What one process runs: its modules and their images, where asyncio keeps the current tasks, the
 * layout that its tasks have, or that a program is Go's.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "asyncio_int.h"
#include "neverprobe.h"
#include "procinfo.h"
#include "pylayout.h"
#include "pyuv.h"
#include "remote.h"
#include "wallclock.h"

#define LISTINGS_MAX 16		/* of mappings, while a loader changes them */
#define LOOKS_MAX    32		/* into a Python that has not loaded asyncio */
#define BSS_SCAN_MAX (1u << 20) /* of zero-initialised data; an interpreter has 300 KB */
#define STRANGE_MAX  4096	/* words in it that look like pointers and lead nowhere */

#define PROOF_NS 1000000000ULL

#define LOWEST_OBJECT 65536 /* vm.mmap_min_addr */

int runtime_publish(struct runtimes *r, struct runtime *p)
{
	struct proc_rt seen;
	int e;

	/* The recorder may have met it since. */
	if (!p->rt.uv && !session_runtime_get(r->s, p->tgid, p->id, &seen))
		p->rt.uv = seen.uv;
	p->rt.id = p->id;
	p->rt.state = p->state;
	e = session_runtime_set(r->s, p->tgid, &p->rt);
	p->no_room = e && e != -ESRCH;
	r->full += p->no_room;
	return e;
}

void runtime_set_state(struct runtimes *r, struct runtime *p, enum rt_state state)
{
	if (p->state == RT_WAITING)
		r->waiting--;
	p->state = state;
	if (state == RT_WAITING)
		r->waiting++;
	if (r->s)
		runtime_publish(r, p);
}

bool runtime_is_probed(const struct runtime *p)
{
	return p->probe || (p->module && p->module->probe);
}

static enum probe_state probe_of(const struct runtime *p)
{
	if (p->probe)
		return session_probe_state(p->probe);
	return p->module && p->module->probe ? session_probe_state(p->module->probe) : PROBE_FAILED;
}

static bool by_memory(const struct runtime *p)
{
	return p->state == RT_READY || p->state == RT_GO;
}

/* What is said of P has to be true of P: a live task of its own has shown that memory tells. */
static const char *evidence_of(const struct runtime *p)
{
	bool probed = probe_of(p) == PROBE_THERE;

	if (p->state == RT_PROBED)
		return probed ? "probe" : "none";
	if (!by_memory(p) || !p->proved)
		return "none";
	return probed ? "memory+probe" : "memory";
}

void runtime_describe(const struct runtime *p, struct runtime_report *out)
{
	memset(out, 0, sizeof(*out));
	out->pid = p->tgid;
	out->proc_id = p->id;
	memcpy(out->comm, p->comm, sizeof(out->comm));
	snprintf(out->runtime, sizeof(out->runtime), "%s", p->go.version[0] ? "go" : "cpython");
	memcpy(out->version, p->go.version, sizeof(out->version));
	if (p->version)
		snprintf(out->version, sizeof(out->version), "%u.%u", p->version >> 8,
			 p->version & 0xff);
	snprintf(out->module, sizeof(out->module), "%.127s", p->at.path);
	snprintf(out->evidence, sizeof(out->evidence), "%s", evidence_of(p));
	snprintf(out->note, sizeof(out->note), "%s",
		 by_memory(p) && !p->proved && !p->note[0]
			 ? "no live task was seen to send yet: threads own requests until then"
			 : p->note);
}

void runtime_cover(struct runtimes *r, struct runtime *p)
{
	struct runtime_report is;
	struct coverage_facts f;

	if (!r->o.cover || !p->covered)
		return;
	runtime_describe(p, &is);
	memset(&f, 0, sizeof(f));
	f.state = p->state;
	if (p->proved)
		f.bits |= FACT_PROVED;
	if (probe_of(p) == PROBE_THERE)
		f.bits |= FACT_PROBED;
	if (p->go.version[0])
		f.bits |= FACT_GO;
	if (p->unreadable)
		f.bits |= FACT_UNREADABLE;
	if (p->gone)
		f.bits |= FACT_GONE;
	if (p->no_room)
		f.bits |= FACT_NO_ROOM;
	if (p->no_owners)
		f.bits |= FACT_NO_OWNERS;
	if (p->module || p->version || p->go.version[0]) {
		memcpy(f.runtime, is.runtime, sizeof(f.runtime));
		memcpy(f.version, is.version, sizeof(f.version));
		memcpy(f.note, p->note, sizeof(f.note));
	}
	/* Not that of CPython which has no loop of its own. */
	if (p->no_owners && !(p->proved || by_memory(p) || p->state == RT_PROBED)) {
		snprintf(f.runtime, sizeof(f.runtime), "%s", p->no_owners);
		f.version[0] = 0;
	}
	r->o.cover(r->ctx, p->tgid, p->id, &f, &p->told);
}

void runtime_report_once(struct runtimes *r, struct runtime *p)
{
	struct procinfo info;

	if (!p->comm[0] && !procinfo_read(p->tgid, &info))
		memcpy(p->comm, info.comm, sizeof(p->comm));
	p->to_report = true;
	runtime_try_report(r, p, false);
}

void runtime_try_report(struct runtimes *r, struct runtime *p, bool last)
{
	struct runtime_report out;

	if (!p->to_report || p->reported || !r->fn)
		return;
	if (!last && probe_of(p) == PROBE_COMING)
		return;
	if (by_memory(p) && !p->proved) {
		uint64_t now = wallclock_read_ns(CLOCK_MONOTONIC);

		/* It is told for a first time where the proof does not come soon. */
		if (!p->found_ns)
			p->found_ns = now;
		if (p->told_unproved || (!last && now - p->found_ns < PROOF_NS))
			return;
		p->told_unproved = true;
	} else {
		p->reported = true;
	}
	runtime_describe(p, &out);
	r->fn(r->ctx, &out);
}

/* An executable mapping of the file with this inode in which the code at OFFSET lies. */
struct code_search {
	uint64_t inode, offset;
	struct mapping found; /* start 0: none */
};

static bool has_code(void *ctx, const struct mapping *m)
{
	struct code_search *s = ctx;

	if (!m->exec || m->inode != s->inode || s->offset < m->offset ||
	    s->offset - m->offset >= m->end - m->start)
		return false;
	s->found = *m;
	return true;
}

/*
 * A descriptor of P's module, by the mapping in which its code runs: the very file that was
 * analysed, or there is none (-errno). What of AT lies outside that mapping is left out.
 */
static int open_code(struct runtime *p, struct session_task_probes *at)
{
	uint64_t *const offsets[] = {&at->finalize, &at->step_call, &at->step_wakeup};
	struct code_search s = {.inode = p->module->key.ino, .offset = at->cancel};
	size_t i;

	if (remote_mappings(p->tgid, has_code, &s) || !s.found.start)
		return -ENOENT;
	for (i = 0; i < sizeof(offsets) / sizeof(*offsets); i++)
		if (*offsets[i] < s.found.offset ||
		    *offsets[i] - s.found.offset >= s.found.end - s.found.start)
			*offsets[i] = 0;
	return pyimage_open(p->module, p->tgid, &s.found);
}

/*
 * May P be probed, and all who map its module with it? A file that only root can write tells no
 * lies about where its functions are. What a user can write is probed only in processes of that
 * user: who lies breaks what is his.
 */
static bool may_probe(const struct runtimes *r, const struct runtime *p, bool *by_file)
{
	const struct pyimage *i = p->module;

	*by_file = r->o.by_file && i->writer == WRITER_ROOT && !neverprobe_asked(r->o.never);
	if (neverprobe_is(r->o.never, p->tgid))
		return false;
	return i->writer == WRITER_ROOT ||
	       (i->writer == WRITER_USER && filetrust_process_is(p->tgid, i->uid) == 1);
}

void runtime_probe(struct runtimes *r, struct runtime *p, uint32_t budget)
{
	struct pyfind_result *f = &p->module->found;
	struct session_task_probes at = {.cancel = f->task_cancel_offset,
					 .finalize = f->task_finalize_offset};
	struct session_probe *probe;
	bool by_file;
	int fd;

	if (p->module->probe && session_probe_state(p->module->probe) == PROBE_FAILED) {
		session_unprobe(p->module->probe);
		p->module->probe = NULL;
	}
	if (runtime_is_probed(p) || !r->s || !f->task_cancel_offset ||
	    r->o.precise == PRECISE_NEVER || !may_probe(r, p, &by_file) ||
	    (by_file && p->module->too_hot))
		return;
	if (p->state == RT_PROBED) {
		at.step_call = f->task_step_offset;
		at.step_wakeup = f->task_wakeup_offset;
	}
	fd = open_code(p, &at);
	if (fd < 0)
		return;
	p->rt.probe_budget = r->o.precise == PRECISE_ALWAYS ? 0 : budget;
	p->generous = budget == BUDGET_FOUND;
	runtime_publish(r, p);
	probe = session_probe_task(r->s, by_file ? -1 : (int)p->tgid, fd, &at);
	if (by_file)
		p->module->probe = probe;
	else
		p->probe = probe;
}

/* The one pointer in the module's zero-initialised data to an object of type dict. */
static uint64_t scan_for_dict(struct runtime *p, int *candidates)
{
	const struct pyfind_result *f = &p->module->found;
	uint64_t size = f->bss_size > BSS_SCAN_MAX ? BSS_SCAN_MAX : f->bss_size;
	uint64_t from = p->bias + ((f->bss_vaddr + 7) & ~7ULL), hit = 0;
	uint64_t *data, *types;
	size_t i, n = size / 8;

	*candidates = 0;
	data = malloc(size);
	types = calloc(n + 1, sizeof(*types));
	if (!data || !types || !n || remote_read(p->tgid, from, data, n * 8))
		goto out;
	for (i = 0; i < n; i++)
		types[i] = data[i] >= LOWEST_OBJECT && data[i] % 8 == 0 ? data[i] + 8 : 0;
	if (remote_read_words(p->tgid, types, n, STRANGE_MAX))
		goto out;
	for (i = 0; i < n && *candidates < 2; i++) {
		if (!types[i] || types[i] != p->dict_type)
			continue;
		hit = from + i * 8;
		++*candidates;
	}
out:
	free(data);
	free(types);
	return *candidates == 1 ? hit : 0;
}

/* What was sent while the recorder waited for this answer has no owner. */
static void count_late(struct runtimes *r, struct runtime *p)
{
	struct proc seen;

	if (!r->s || session_proc_get(r->s, p->tgid, &seen) || seen.id != p->id)
		return;
	r->late += seen.late - p->late;
	p->late = seen.late;
}

static void blind(struct runtimes *r, struct runtime *p, const char *why)
{
	snprintf(p->note, sizeof(p->note), "%s", why);
	count_late(r, p);
	runtime_set_state(r, p, RT_BLIND);
	runtime_report_once(r, p);
}

void runtime_probe_steps(struct runtimes *r, struct runtime *p, const char *why)
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
	p->proved = false;
	runtime_set_state(r, p, RT_PROBED);
	runtime_probe(r, p, 0);
	runtime_report_once(r, p);
}

void runtime_find_tasks(struct runtimes *r, struct runtime *p)
{
	struct pyfind_result *f = &p->module->found;
	int candidates = 0;
	uint64_t at = 0, loop;

	if (f->current_tasks_vaddr) {
		at = p->bias + f->current_tasks_vaddr;
	} else if (!p->dict_type) {
		runtime_probe_steps(r, p, "the interpreter's dict type was not found");
		return;
	} else {
		at = scan_for_dict(p, &candidates);
	}
	if (candidates > 1) {
		runtime_probe_steps(r, p, "several dictionaries could hold the current tasks");
		return;
	}
	if (!at) {
		if (p->state != RT_WAITING)
			runtime_set_state(r, p, RT_WAITING);
		return;
	}
	/* What this process's memory says is believed of this process, and of no other one. */
	count_late(r, p);
	p->rt.dict_ptr = at;
	p->rt.task_type = f->task_type_vaddr ? p->bias + f->task_type_vaddr : 0;
	p->rt.probe_budget = r->o.precise == PRECISE_AUTO ? BUDGET_YOUNG : 0;
	p->rt.uv = pyuv_running(p->tgid, p->bias + f->bss_vaddr, f->bss_size, &loop);
	if (p->rt.uv)
		runtime_tell_loop(r, p, loop, 0);
	runtime_set_state(r, p, RT_READY);
	runtime_probe(r, p, BUDGET_YOUNG);
	runtime_report_once(r, p);
}

/* The module is mapped: which version, which layout? */
static void settle(struct runtimes *r, struct runtime *p)
{
	const struct pyfind_result *f = &p->module->found;
	const struct task_layout *layout = pylayout_find(p->version);

	if (r->o.no_memory) {
		runtime_probe_steps(r, p, "memory is not read, as was asked");
		return;
	}
	if (!layout) {
		runtime_probe_steps(r, p, "no layout for this version of CPython yet");
		return;
	}
	if (f->task_basicsize && f->task_basicsize != layout->size) {
		runtime_probe_steps(r, p, "Task has another size than this version's");
		return;
	}
	p->rt.layout = *layout;
	runtime_find_tasks(r, p);
}

/* The next connections ask again: what could not be seen now may be seen then. */
static void look_again(struct runtime *p)
{
	p->rt.again = ++p->looks < LOOKS_MAX;
}

static void take_module(struct runtime *p, struct pyimage *module)
{
	if (module)
		pyimage_use(module);
	pyimage_leave(p->module);
	p->module = module;
}

bool runtime_look_at_go(struct runtimes *r, struct runtime *p, const struct mapping *first)
{
	if (!first->start || !golang_find(p->tgid, first, &p->go))
		return false;
	p->at = *first;
	p->rt.go_id = p->go.id;
	if (!p->go.id)
		snprintf(p->note, sizeof(p->note),
			 "no layout for this version of Go: threads own requests");
	if (p->go.id)
		count_late(r, p);
	runtime_set_state(r, p, p->go.id ? RT_GO : RT_NONE);
	runtime_report_once(r, p);
	return true;
}

void runtime_go_layout(struct runtimes *r, struct runtime *p)
{
	p->rt.go_id = golang_other_offset(p->go.id);
	p->rt.validated = p->rt.mismatches = 0;
	if (p->go_tried) {
		snprintf(p->note, sizeof(p->note),
			 "goroutines do not look as this version's do: threads own requests");
		p->reported = false;
		runtime_set_state(r, p, RT_NONE);
		runtime_report_once(r, p);
		return;
	}
	p->go_tried = true;
	runtime_set_state(r, p, RT_GO);
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
		p->gone = e == -ESRCH;
		/* Of a process whose first thread has ended, nothing is seen under its number. */
		p->unreadable = !p->gone && (e || !w->first.start);
		if (e)
			return e;
		p->no_owners = w->no_owners;
		take_module(p,
			    w->module.start ? pyimages_get(r->images, p->tgid, &w->module) : NULL);
	} while (w->module.start && !p->module && --tries);
	return 0;
}

void runtime_look(struct runtimes *r, struct runtime *p)
{
	struct pymappings w;
	struct pyimage *interpreter = NULL;
	struct pyfind_result *f;

	p->rt.again = 0;
	if (list(r, p, &w)) {
		look_again(p);
		runtime_set_state(r, p, RT_NONE);
		return;
	}
	if (!w.module.start && !w.interpreter.start) {
		if (!runtime_look_at_go(r, p, &w.first))
			runtime_set_state(r, p, RT_NONE);
		return;
	}
	p->version = pyfind_version_from_path(w.module.path);
	f = p->module ? &p->module->found : NULL;
	/* An interpreter can be 30 MB: not read where the module tells all there is to know. */
	if (!f || !f->current_tasks_vaddr || !p->version)
		interpreter = look_at_interpreter(r, p, &w.interpreter);
	p->at = w.module.start ? w.module : w.interpreter;
	if (!w.module.start)
		take_module(p, interpreter);
	if (!p->version)
		p->version = pyfind_version_from_path(w.interpreter.path);
	if (!p->module || p->module->error || !p->module->found.has_asyncio ||
	    !pyimage_bias(p->module, &p->at, &p->bias)) {
		if (!w.module.start || !p->module)
			look_again(p);
		if (!w.module.start)
			runtime_set_state(r, p, RT_NONE);
		else
			blind(r, p,
			      p->module && p->module->error
				      ? p->module->why
				      : "asyncio's module was not understood");
		return;
	}
	if (p->state == RT_BLIND) /* it was not ready to be looked into, and that was reported */
		p->reported = false;
	settle(r, p);
}
