// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Names of a process from /proc.
 *
 * Invariants: all three files are read through one descriptor of /proc/PID, which belongs to that
 * process and not to its number, so a reused pid cannot mix two processes. comm is read last: if
 * that works, the process was there for the other two. cmdline and environ are never opened: they
 * take the target's mmap lock, and a stuck process would hold us up with it.
 */
#include "procinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONTAINER_ID_LEN 64

ssize_t procinfo_read_text(int dirfd, const char *name, char *buf, size_t len)
{
	size_t used = 0;
	ssize_t n = 0;
	int fd, err = 0;

	fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	while (used < len - 1) {
		n = read(fd, buf + used, len - 1 - used);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		used += (size_t)n;
	}
	if (n < 0)
		err = -errno;
	close(fd);
	buf[used] = '\0';
	return err ? err : (ssize_t)used;
}

/*
 * Where a program of the system has several names by links (redis-server is one of
 * redis-check-rdb), the kernel knows it by the file's own, and a thread begins with the one it was
 * started as. COMM, which a process may change, is believed only if there is a link of that name
 * beside the file at PATH that leads to BASE; only in folders that no process of others' can make a
 * look-up wait in. A name that only says less (python3 of python3.11) is not taken.
 */
static bool is_other_name(const char *path, const char *base, const char *comm)
{
	static const char *const folders[] = {"/usr/bin/",	  "/usr/sbin/", "/usr/local/bin/",
					      "/usr/local/sbin/", "/bin/",	"/sbin/"};
	char link[64], target[NAME_MAX + 1];
	size_t i, dir = (size_t)(base - path);
	const char *last;
	ssize_t n;

	if (!*comm || strchr(comm, '/') || !strncmp(comm, base, strlen(comm)) || *comm == '.')
		return false;
	for (i = 0; i < sizeof(folders) / sizeof(*folders); i++)
		if (strlen(folders[i]) == dir && !memcmp(path, folders[i], dir))
			break;
	if (i == sizeof(folders) / sizeof(*folders))
		return false;
	snprintf(link, sizeof(link), "%s%s", folders[i], comm);
	n = readlink(link, target, sizeof(target) - 1);
	if (n <= 0)
		return false;
	target[n] = '\0';
	last = strrchr(target, '/');
	return !strcmp(last ? last + 1 : target, base);
}

/* COMM: what its first thread is called. */
static void read_exe_name(int dirfd, const char *comm, char *out, size_t outlen)
{
	static const char deleted[] = " (deleted)";
	char path[PATH_MAX];
	const char *base;
	ssize_t n;

	n = readlinkat(dirfd, "exe", path, sizeof(path) - 1);
	if (n <= 0)
		return;
	path[n] = '\0';
	/* The kernel marks a file that was replaced while it ran, as every upgrade does. */
	if ((size_t)n >= sizeof(deleted) && !strcmp(path + n - (sizeof(deleted) - 1), deleted))
		path[n - (ssize_t)(sizeof(deleted) - 1)] = '\0';
	base = strrchr(path, '/');
	base = base ? base + 1 : path;
	snprintf(out, outlen, "%.*s", (int)(outlen - 1),
		 is_other_name(path, base, comm) ? comm : base);
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/*
 * Is [p, p + 64) a whole id? It starts a path component, or follows the runtime's name and a dash
 * ("docker-", "crio-", "libpod-") or a colon ("...:cri-containerd:"), and ends the component but
 * for ".scope". conmon, the monitor that podman and cri-o keep beside a container, is not in it.
 */
static bool is_container_id(const char *line, const char *p, const char *end)
{
	static const char conmon[] = "conmon-";
	const size_t conmon_len = sizeof(conmon) - 1;
	const char *after = p + CONTAINER_ID_LEN;

	if (p == line || !strchr("/-:", p[-1]))
		return false;
	if (after < end && !strchr("/. ", *after))
		return false;
	return (size_t)(p - line) < conmon_len || memcmp(p - conmon_len, conmon, conmon_len);
}

/* line is one line of the file, "hierarchy:controllers:path", that ends before end. */
static const char *find_container_id(const char *line, const char *end)
{
	const char *p = line, *run;
	int colons = 0;

	while (p < end && colons < 2)
		colons += *p++ == ':';
	while (p < end) {
		for (run = p; p < end && is_hex(*p); p++)
			;
		if (p - run == CONTAINER_ID_LEN && is_container_id(line, run, end))
			return run;
		if (p == run)
			p++;
	}
	return NULL;
}

int procinfo_container_from_cgroup(const char *text, char *out, size_t outlen)
{
	const char *end, *id;

	if (!outlen)
		return -ENOSPC;
	out[0] = '\0';
	for (; *text; text = *end ? end + 1 : end) {
		end = strchrnul(text, '\n');
		id = find_container_id(text, end);
		if (!id)
			continue;
		if (outlen <= CONTAINER_ID_LEN)
			return -ENOSPC;
		memcpy(out, id, CONTAINER_ID_LEN);
		out[CONTAINER_ID_LEN] = '\0';
		return 0;
	}
	return -ENOENT;
}

static void read_container(int dirfd, char *out, size_t outlen)
{
	char text[8192], *last;
	ssize_t n;

	n = procinfo_read_text(dirfd, "cgroup", text, sizeof(text));
	if (n <= 0)
		return;
	if ((size_t)n == sizeof(text) - 1) {
		/* There is more: do not take an id out of a line that was cut. */
		last = strrchr(text, '\n');
		if (!last)
			return;
		*last = '\0';
	}
	procinfo_container_from_cgroup(text, out, outlen);
}

/* 0 or -errno, -ESRCH where the process is gone. */
static int read_comm(int dirfd, char *out, size_t outlen)
{
	char comm[80];
	ssize_t n = procinfo_read_text(dirfd, "comm", comm, sizeof(comm));

	if (n < 0)
		return n == -ENOENT ? -ESRCH : (int)n;
	/* Only the last newline is the file's own: a name may hold one too. */
	if (n && comm[n - 1] == '\n')
		comm[n - 1] = '\0';
	snprintf(out, outlen, "%.15s", comm);
	return 0;
}

int procinfo_read(uint32_t pid, struct procinfo *out)
{
	char path[32];
	int dirfd, err;

	memset(out, 0, sizeof(*out));
	snprintf(path, sizeof(path), "/proc/%" PRIu32, pid);
	dirfd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0)
		return errno == ENOENT ? -ESRCH : -errno;

	read_comm(dirfd, out->comm, sizeof(out->comm));
	read_exe_name(dirfd, out->comm, out->exe_name, sizeof(out->exe_name));
	read_container(dirfd, out->container_id, sizeof(out->container_id));
	/* Again, and last: it was there for all of them. */
	err = read_comm(dirfd, out->comm, sizeof(out->comm));
	if (err)
		memset(out, 0, sizeof(*out));
	close(dirfd);
	return err;
}

/* Time namespaces shift what a reader of /proc sees (timens_add_boottime_ns()). */
static bool in_first_time_namespace(void)
{
	const ino_t first = 0xeffffffa; /* PROC_TIME_INIT_INO */
	struct stat st;

	return !stat("/proc/self/ns/time", &st) && st.st_ino == first;
}

bool procinfo_began_at(uint32_t pid, uint64_t start_ns)
{
	/* 52 numbers, and a name of up to 64 bytes that may hold anything. */
	char path[32], text[2048], *at;
	unsigned long long ticks = 0;
	long hz = sysconf(_SC_CLK_TCK);
	int n;

	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/stat", pid);
	if (procinfo_read_text(AT_FDCWD, path, text, sizeof(text)) <= 0)
		return false;
	at = strrchr(text, ')');
	/* starttime is the 22nd, and the second ends there. */
	for (n = 2; at && n < 22; n++)
		at = strchr(at + 1, ' ');
	if (!at || sscanf(at, "%llu", &ticks) != 1 || hz <= 0)
		return false;
	return ticks == start_ns / (1000000000ULL / (uint64_t)hz) || !in_first_time_namespace();
}

uint64_t procinfo_own_memory(void)
{
	char text[128];
	uint64_t pages;

	if (procinfo_read_text(AT_FDCWD, "/proc/self/statm", text, sizeof(text)) <= 0 ||
	    sscanf(text, "%*u %" SCNu64, &pages) != 1)
		return 0;
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}
