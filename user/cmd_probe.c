// SPDX-License-Identifier: GPL-2.0-or-later
/* mispair probe: what this kernel and a process offer, what was chosen, why the rest was not. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "adapters.h"
#include "asyncio.h"
#include "commands.h"
#include "escape.h"
#include "numparse.h"
#include "options.h"
#include "session.h"
#include "tiers.h"
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

int cmd_probe(int argc, char **argv)
{
	uint64_t pid = 0;
	int e;

	if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		puts("usage: mispair probe [PID]\n\nWhat this kernel offers, which hooks were "
		     "chosen "
		     "and why the others were not;\nwith PID, which runtime was found in that "
		     "process,\nand which functions tell of cancellations there.");
		return EXIT_NOTHING;
	}
	if (argc > 2 || (argc == 2 && parse_u64(argv[1], 1, 1u << 22, &pid))) {
		fprintf(stderr, "mispair: usage: mispair probe [PID]\n");
		return EXIT_USAGE;
	}
	show_kernel();
	e = show_attached();
	if (!e && pid)
		e = show_process((uint32_t)pid);
	return e;
}
