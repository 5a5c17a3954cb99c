// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What follows from the facts about one process: how far it is watched, and in which words. The
 * rules are ordered: what hides everything comes before what hides something.
 */
#include <stdio.h>
#include <string.h>

#include "coverage.h"
#include "../bpf/events.h"

static struct coverage_verdict of(enum coverage_reason reason)
{
	enum coverage_level level = COVERAGE_BLIND;

	if (reason <= COVERED_THREADS)
		level = COVERAGE_FULL;
	else if (reason <= COVERED_LOOP)
		level = COVERAGE_THREAD;
	return (struct coverage_verdict){level, reason};
}

/* Owners are threads: is that all there is? */
static enum coverage_reason by_threads(const struct coverage_facts *f)
{
	if (f->bits & FACT_GO)
		return COVERED_LAYOUT;
	if (f->bits & FACT_NO_OWNERS)
		return COVERED_NO_OWNERS;
	return f->bits & FACT_EVENT_LOOP ? COVERED_LOOP : COVERED_THREADS;
}

struct coverage_verdict coverage_judge(const struct coverage_facts *f, bool connections,
				       bool judged, bool adopted)
{
	if (f->bits & FACT_GONE)
		return of(COVERED_GONE);
	if (f->bits & FACT_UNREADABLE)
		return of(COVERED_UNREADABLE);
	if (f->bits & FACT_NO_ROOM)
		return of(COVERED_NO_ROOM);
	if (f->state == RT_BLIND || (f->state == RT_PROBED && !(f->bits & FACT_PROBED)))
		return of(COVERED_RUNTIME);
	if (f->state == RT_WAITING || f->state == RT_UNKNOWN)
		return of(COVERED_STARTING);
	if (connections && !judged)
		return of(adopted ? COVERED_ADOPTED : COVERED_GAP);
	if (f->state == RT_PROBED)
		return of(COVERED_PROBED);
	if (f->state == RT_READY || f->state == RT_GO) {
		if (f->bits & FACT_PROVED)
			return of(f->state == RT_GO ? COVERED_GOROUTINES : COVERED_TASKS);
		/* Threads own requests until then; it may have greenlets instead. */
		return of(f->bits & FACT_NO_OWNERS ? COVERED_NO_OWNERS : COVERED_UNPROVED);
	}
	return of(by_threads(f));
}

/* clang-format off */
static const char *const sentences[COVERED_REASONS] = {
	[COVERED_NOT_KNOWN] = "not known yet",
	[COVERED_TASKS] = "live tasks were seen as owners",
	[COVERED_GOROUTINES] = "live goroutines were seen as owners",
	[COVERED_THREADS] = "no runtime with tasks was found, so threads are owners",
	[COVERED_UNPROVED] =
		"a runtime with tasks was found, and no live task was seen to send: threads are owners "
		"until then",
	[COVERED_LAYOUT] = "the tasks of this version cannot be read: threads are owners",
	[COVERED_PROBED] =
		"tasks cannot be read: probes tell who runs and who was cancelled, and how other waits "
		"end is not seen",
	[COVERED_NO_OWNERS] = "its tasks are not known as owners, threads are",
	[COVERED_LOOP] = "a thread waits in epoll: for whom it works is not seen",
	[COVERED_RUNTIME] =
		"a runtime with tasks was found, which is neither readable nor probed: owners are unknown",
	[COVERED_STARTING] =
		"a runtime with tasks was mapped and had not begun when it was looked at: owners are "
		"unknown",
	[COVERED_UNREADABLE] = "what it has mapped could not be read: it may have any runtime",
	[COVERED_GONE] = "it had ended before it could be looked into",
	[COVERED_NO_ROOM] = "the recorder had no room for what is known of it: owners are unknown",
	[COVERED_ADOPTED] =
		"its connections are older than the run, and none has been seen at rest since",
	[COVERED_GAP] = "of each of its connections evidence was lost",
};

/* What is run, by the beginning of the file's name, and whether that is all of the name. */
static const struct {
	const char *begins, *runtime;
	bool whole;
} runtimes[] = {
	{"node", "node", true},		{"nodejs", "node", true},
	{"libnode.so", "node", false},	{"bun", "bun", true},
	{"deno", "deno", true},		{"electron", "node", true},
	{"libruby", "ruby", false},	{"ruby", "ruby", false},
	{"libjvm.so", "jvm", true},	{"php", "php", false},
	{"libphp", "php", false},	{"beam.smp", "erlang", true},
	{"beam", "erlang", true},	{"_greenlet.", "greenlet", false},
	{"libluajit", "luajit", false},	{"libuv.so", "libuv", false},
	{"libcoreclr.so", "dotnet", true}, {"libmonosgen", "mono", false},
};
/* clang-format on */

const char *coverage_runtime_of(const char *path)
{
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
	size_t i;

	for (i = 0; i < sizeof(runtimes) / sizeof(*runtimes); i++)
		if (runtimes[i].whole
			    ? !strcmp(base, runtimes[i].begins)
			    : !strncmp(base, runtimes[i].begins, strlen(runtimes[i].begins)))
			return runtimes[i].runtime;
	return NULL;
}

void coverage_sentence(struct coverage_verdict v, const struct coverage_facts *f, char *dst,
		       size_t len)
{
	const char *why = sentences[v.reason < COVERED_REASONS ? v.reason : COVERED_NOT_KNOWN];
	char what[sizeof(f->runtime) + sizeof(f->version) + 4] = "", note[sizeof(f->note) + 4] = "";

	/* Where threads are all there is, a runtime that was found has not been loaded. */
	if (f->runtime[0] && v.reason != COVERED_THREADS)
		snprintf(what, sizeof(what), "%s%s%s: ", f->runtime, f->version[0] ? " " : "",
			 f->version);
	/* What the runtime's adapter has to say is about its tasks. */
	if (f->note[0] && (v.reason == COVERED_LAYOUT || v.reason == COVERED_PROBED ||
			   v.reason == COVERED_RUNTIME))
		snprintf(note, sizeof(note), " (%s)", f->note);
	snprintf(dst, len, "%s%s%s", what, why, note);
}
