// SPDX-License-Identifier: GPL-2.0-or-later
/* What hostcheck.c decides on, read from the kernel's own files and tried where none says it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <linux/perf_event.h>
#include <cap-ng.h>

#include "hostcheck.h"
#include "procinfo.h"
#include "remote.h"
#include "uprobemulti.h"

/* Inodes of the namespaces that a kernel begins with (PROC_PID_INIT_INO, PROC_USER_INIT_INO). */
#define FIRST_PID_SPACE	 0xeffffffcU
#define FIRST_USER_SPACE 0xeffffffdU

#define CAPS_LAST 40 /* CAP_CHECKPOINT_RESTORE */

/* The maps of a run, by far. */
#define MAPS_BYTES (512u << 20)

/* The text of a small file below ROOT, "" if it cannot be read. */
static void read_below(const char *root, const char *name, char *text, size_t len)
{
	char path[512];

	snprintf(path, sizeof(path), "%s%s", root, name);
	if (procinfo_read_text(AT_FDCWD, path, text, len) < 0)
		text[0] = '\0';
}

static enum lockdown read_lockdown(const char *root)
{
	char text[128];

	read_below(root, "/sys/kernel/security/lockdown", text, sizeof(text));
	if (strstr(text, "[confidentiality]"))
		return LOCKDOWN_CONFIDENTIALITY;
	if (strstr(text, "[integrity]"))
		return LOCKDOWN_INTEGRITY;
	return strstr(text, "[none]") ? LOCKDOWN_NONE : LOCKDOWN_UNKNOWN;
}

static int read_yama(const char *root)
{
	char text[32], *end;
	long scope;

	read_below(root, "/proc/sys/kernel/yama/ptrace_scope", text, sizeof(text));
	scope = strtol(text, &end, 10);
	return end == text || scope < 0 || scope > 9 ? -1 : (int)scope;
}

static enum fact is_first(const char *root, const char *name, ino_t first)
{
	char path[512];
	struct stat st;

	snprintf(path, sizeof(path), "%s%s", root, name);
	if (stat(path, &st))
		return FACT_UNKNOWN;
	return st.st_ino == first ? FACT_YES : FACT_NO;
}

static uint64_t read_caps(void)
{
	uint64_t caps = 0;
	unsigned int i;

	capng_clear(CAPNG_SELECT_BOTH);
	if (capng_get_caps_process())
		return ~0ULL; /* not known: a trial will tell */
	for (i = 0; i <= CAPS_LAST; i++)
		if (capng_have_capability(CAPNG_EFFECTIVE, i) > 0)
			caps |= 1ULL << i;
	return caps;
}

/* Since 5.11 (80ee81e0403c and the like) maps are charged to the memory cgroup. */
static bool memory_is_charged(void)
{
	unsigned int major, minor;
	struct utsname name;
	struct rlimit l;

	if (uname(&name) || sscanf(name.release, "%u.%u", &major, &minor) != 2 ||
	    getrlimit(RLIMIT_MEMLOCK, &l))
		return false;
	return (major < 5 || (major == 5 && minor < 11)) && l.rlim_max < MAPS_BYTES;
}

void hostfacts_read(const char *root, struct host_facts *f)
{
	memset(f, 0, sizeof(*f));
	f->lockdown = read_lockdown(root);
	f->first_pid_space = is_first(root, "/proc/self/ns/pid", FIRST_PID_SPACE);
	f->first_user_space = is_first(root, "/proc/self/ns/user", FIRST_USER_SPACE);
	f->yama = read_yama(root);
	f->caps = read_caps();
	f->memory_charged = memory_is_charged();
}

/* ---- a probe on ourselves ---- */

/* What is probed; nobody calls it. */
__attribute__((noinline, noclone, used)) static int target(int n)
{
	return n + 1;
}

static bool has_target(void *ctx, const struct mapping *m)
{
	struct mapping *found = ctx;
	uint64_t at = (uintptr_t)target;

	if (!m->exec || at < m->start || at >= m->end)
		return false;
	*found = *m;
	return true;
}

enum fact hostfacts_try_uprobe(void)
{
	struct perf_event_attr attr = {.size = sizeof(attr)};
	struct mapping m = {0};
	char text[32];
	int fd;

	if (uprobemulti_works())
		return FACT_YES;
	read_below("", "/sys/bus/event_source/devices/uprobe/type", text, sizeof(text));
	if (sscanf(text, "%u", &attr.type) != 1)
		return FACT_NO;
	if (remote_mappings((uint32_t)getpid(), has_target, &m) || !m.start)
		return FACT_UNKNOWN;
	attr.config1 = (uintptr_t) "/proc/self/exe";
	attr.config2 = (uintptr_t)target - m.start + m.offset;
	fd = (int)syscall(SYS_perf_event_open, &attr, getpid(), -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd >= 0)
		close(fd);
	return fd >= 0 ? FACT_YES : errno == EACCES || errno == EPERM ? FACT_NO : FACT_UNKNOWN;
}
