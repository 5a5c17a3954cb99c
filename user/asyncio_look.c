// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What one process runs: its modules and their images, where asyncio keeps the current tasks, the
 * layout that its tasks have, or that a program is Go's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "asyncio_int.h"
#include "procinfo.h"
#include "pylayout.h"
#include "pyuv.h"
#include "remote.h"

#define LISTINGS_MAX 16		/* of mappings, while a loader changes them */
#define LOOKS_MAX    32		/* into a Python that has not loaded asyncio */
#define BSS_SCAN_MAX (1u << 20) /* of zero-initialised data; an interpreter has 300 KB */

int runtime_publish(struct runtimes *r, struct runtime *p)
{
	struct proc_rt seen;

	/* The recorder may have met it since. */
	if (!p->rt.uv && !session_proc_get(r->s, p->tgid, &seen))
		p->rt.uv = seen.uv;
	p->rt.state = p->state;
	return session_proc_set(r->s, p->tgid, &p->rt);
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

static const char *evidence_of(const struct runtime *p)
{
	if (p->state == RT_PROBED)
		return "probe";
	if (p->state == RT_GO)
		return "memory";
	if (p->state != RT_READY)
		return "none";
	return runtime_is_probed(p) ? "memory+probe" : "memory";
}

void runtime_describe(const struct runtime *p, struct runtime_report *out)
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

void runtime_report_once(struct runtimes *r, struct runtime *p)
{
	struct runtime_report out;

	if (p->reported || !r->fn)
		return;
	p->reported = true;
	runtime_describe(p, &out);
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

void runtime_probe(struct runtimes *r, struct runtime *p, uint32_t budget)
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
	if (runtime_is_probed(p) || !r->s || !f->task_cancel_offset ||
	    r->o.precise == PRECISE_NEVER || (r->o.by_file && p->module->too_hot))
		return;
	p->rt.probe_budget = r->o.precise == PRECISE_ALWAYS ? 0 : budget;
	p->generous = budget == BUDGET_FOUND;
	runtime_publish(r, p);
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
	/* Learned for every later process that maps the same file. */
	f->current_tasks_vaddr = at - p->bias;
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
	p->rt.inherited = ++p->looks < LOOKS_MAX;
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
		if (e)
			return e;
		p->module = w->module.start ? pyimages_get(r->images, p->tgid, &w->module) : NULL;
	} while (w->module.start && !p->module && --tries);
	return 0;
}

void runtime_look(struct runtimes *r, struct runtime *p)
{
	struct pymappings w;
	struct pyimage *interpreter = NULL;
	struct pyfind_result *f;

	p->rt.inherited = 0;
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
		p->module = interpreter;
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
