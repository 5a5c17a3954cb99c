// SPDX-License-Identifier: GPL-2.0-or-later
/* mispair probe: what this kernel and a process offer, what was chosen, why the rest was not. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <json-c/json.h>

#include "adapters.h"
#include "admit.h"
#include "asyncio.h"
#include "commands.h"
#include "escape.h"
#include "numparse.h"
#include "options.h"
#include "session.h"
#include "tiers.h"
#include "traffic.h"
#include "version.h"

static void no_event(void *ctx, const struct ev_head *h)
{
	(void)ctx;
	(void)h;
}

/* Attaches everything for a moment, so that what is printed is what happened. */
static int show_attached(void)
{
	struct session_opts o = {.ring_size = 65536};
	struct session *s = NULL;
	const char *const *hook;
	char err[1024] = "";
	int e = session_open(&o, no_event, NULL, &s, err, sizeof(err));

	if (e) {
		fprintf(stderr, "mispair: %s\n", err[0] ? err : strerror(-e));
		return errno_to_exit(e);
	}
	printf("chosen    %s, attached:\n", session_tier(s));
	for (hook = session_hooks(s); *hook; hook++)
		printf("          %s\n", *hook);
	session_close(s);
	return EXIT_NOTHING;
}

/* Each tier is opened as a run would open it: nothing less proves that it works. */
static void show_tiers(void)
{
	int i;

	for (i = 0; i < TIER_COUNT; i++) {
		char why[256];
		int e = session_try(tiers[i].name, why, sizeof(why));

		printf("%-9s %s%s%s\n", tiers[i].name, e ? "no" : "works on this kernel",
		       *why ? ": " : "", why);
	}
}

static void show_kernel(void)
{
	struct utsname u;

	if (!uname(&u))
		printf("mispair   %s\nkernel    %s %s\n", MISPAIR_VERSION, u.release, u.machine);
	printf("BTF       %s\n", access("/sys/kernel/btf/vmlinux", R_OK) ? strerror(errno) : "yes");
	show_tiers();
}

static void show_adapter(void *ctx, const char *name, const char *file, size_t functions)
{
	char text[512];

	(void)ctx;
	escape_text(text, sizeof(text), file, strlen(file));
	printf("adapter   %-14s %zu function%s in %s\n", name, functions, functions == 1 ? "" : "s",
	       text);
}

static void show_runtime(const struct runtime_report *r)
{
	char module[256];

	if (!r->runtime[0]) {
		printf("runtime   none that mispair knows: threads own requests\n");
		return;
	}
	escape_text(module, sizeof(module), r->module, sizeof(r->module));
	printf("runtime   %s %s\nmodule    %s\nevidence  %s%s\n", r->runtime, r->version, module,
	       r->evidence, strcmp(r->evidence, "none") ? ", once a live task has proved it" : "");
	if (r->note[0])
		printf("note      %s\n", r->note);
}

static int show_process(uint32_t pid)
{
	struct runtime_report r = {0};
	char name[64];
	int e = runtimes_inspect(pid, &r);

	if (e) {
		fprintf(stderr, "mispair: process %u: %s\n", pid,
			e == -ESRCH ? "no such process" : strerror(-e));
		return e == -ESRCH ? EXIT_FAILED : errno_to_exit(e);
	}
	escape_text(name, sizeof(name), r.comm, sizeof(r.comm));
	printf("process   %u %s\n", pid, name);
	show_runtime(&r);
	adapters_inspect(pid, show_adapter, NULL);
	return EXIT_NOTHING;
}

/* What works in part or not at all, a line each. */
static size_t show_host(void)
{
	struct host_finding found[HOST_FINDINGS_MAX];
	struct host_facts f;
	char text[2048];
	size_t i, n;

	admit_facts(&f, true);
	n = hostcheck(&f, found);
	for (i = 0; i < n; i++)
		if (found[i].level == HOST_PARTIAL)
			printf("in part   %s\n", found[i].text);
	n = hostcheck_text(found, n, HOST_REFUSED, text, sizeof(text), NULL);
	if (n)
		printf("refused   %s\n", text);
	return n;
}

static void show_traffic(void)
{
	size_t i;

	for (i = 0; i < traffic_rows; i++) {
		const struct traffic *t = &traffic[i];

		printf("%s%-10s  %s%s%s%s%s%s\n", i ? "          " : "traffic   ",
		       traffic_names[t->state], t->what, t->lost ? ", lost as " : "",
		       t->lost ? t->lost : "", *t->note ? " (" : "", t->note, *t->note ? ")" : "");
	}
}

static int add(struct json_object *to, const char *key, struct json_object *value)
{
	return value && !json_object_object_add(to, key, value) ? 0 : -ENOMEM;
}

static int add_row(struct json_object *rows, const struct traffic *t)
{
	struct json_object *row = json_object_new_object();
	int e = row && !json_object_array_add(rows, row) ? 0 : -ENOMEM;

	if (!e)
		e = add(row, "name", json_object_new_string(t->name));
	if (!e)
		e = add(row, "state", json_object_new_string(traffic_names[t->state]));
	if (!e && t->lost)
		e = add(row, "lost", json_object_new_string(t->lost));
	if (!e)
		e = add(row, "what", json_object_new_string(t->what));
	return e ? e : add(row, "note", json_object_new_string(t->note));
}

static int add_findings(struct json_object *to)
{
	static const char *const keys[] = {[HOST_PARTIAL] = "degraded", [HOST_REFUSED] = "refused"};
	struct host_finding found[HOST_FINDINGS_MAX];
	struct json_object *lists[2], *text;
	struct host_facts f;
	size_t i, n;
	int e = 0, k;

	for (k = 0; k < 2 && !e; k++) {
		lists[k] = json_object_new_array();
		e = add(to, keys[k], lists[k]);
	}
	admit_facts(&f, true);
	n = hostcheck(&f, found);
	for (i = 0; i < n && !e; i++) {
		text = json_object_new_string(found[i].text);
		e = text && !json_object_array_add(lists[found[i].level], text) ? 0 : -ENOMEM;
	}
	return e;
}

/* One object: what does not depend on which hooks are open. */
static int show_json(void)
{
	struct json_object *all = json_object_new_object(), *rows = json_object_new_array();
	int e = all ? add(all, "mispair.version", json_object_new_string(MISPAIR_VERSION))
		    : -ENOMEM;
	const char *text;
	size_t i;

	if (!e)
		e = add_findings(all);
	if (!e)
		e = add(all, "traffic", rows);
	for (i = 0; i < traffic_rows && !e; i++)
		e = add_row(rows, &traffic[i]);
	text = e ? NULL : json_object_to_json_string_ext(all, JSON_C_TO_STRING_PLAIN);
	if (text)
		puts(text);
	else
		fprintf(stderr, "mispair: out of memory\n");
	json_object_put(all);
	return text ? EXIT_NOTHING : EXIT_FAILED;
}

int cmd_probe(int argc, char **argv)
{
	uint64_t pid = 0;
	int e;

	if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		puts("usage: mispair probe [PID]\n       mispair probe --json\n\nWhat this kernel "
		     "offers, which hooks were chosen and why the others were not, and "
		     "what\ntraffic "
		     "is seen; with PID, which runtime was found in that process, and which\n"
		     "functions tell of cancellations there. --json: the host and the traffic as "
		     "JSON.");
		return EXIT_NOTHING;
	}
	if (argc == 2 && !strcmp(argv[1], "--json"))
		return show_json();
	if (argc > 2 || (argc == 2 && parse_u64(argv[1], 1, 1u << 22, &pid))) {
		fprintf(stderr, "mispair: usage: mispair probe [PID | --json]\n");
		return EXIT_USAGE;
	}
	show_kernel();
	if (show_host()) {
		struct host_facts f;
		uint32_t degraded;

		admit_facts(&f, false);
		return admit(&f, false, false, &degraded);
	}
	e = show_attached();
	if (!e && !pid)
		show_traffic();
	if (!e && pid)
		e = show_process((uint32_t)pid);
	return e;
}
