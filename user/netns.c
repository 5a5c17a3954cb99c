// SPDX-License-Identifier: GPL-2.0-or-later
/* A namespace is kept by a descriptor of its own while some process is in it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "netns.h"

#define LOOK_SECONDS 2

struct space {
	dev_t dev;
	ino_t ino;
	int fd;
	unsigned int seen; /* the look that saw it last */
};

struct netns {
	struct space *spaces; /* the first is ours */
	size_t n;
	unsigned int looks;
	time_t looked;
};

static int open_space(const char *path, struct space *out)
{
	struct stat st;

	out->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (out->fd < 0)
		return -errno;
	if (fstat(out->fd, &st)) {
		close(out->fd);
		return -errno;
	}
	out->dev = st.st_dev;
	out->ino = st.st_ino;
	return 0;
}

struct netns *netns_new(void)
{
	struct netns *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->spaces = calloc(1, sizeof(*n->spaces));
	if (!n->spaces || open_space("/proc/self/ns/net", &n->spaces[0])) {
		free(n->spaces);
		free(n);
		return NULL;
	}
	n->n = 1;
	return n;
}

void netns_free(struct netns *n)
{
	size_t i;

	if (!n)
		return;
	for (i = 0; i < n->n; i++)
		close(n->spaces[i].fd);
	free(n->spaces);
	free(n);
}

static struct space *find(struct netns *n, dev_t dev, ino_t ino)
{
	size_t i;

	for (i = 0; i < n->n; i++)
		if (n->spaces[i].ino == ino && n->spaces[i].dev == dev)
			return &n->spaces[i];
	return NULL;
}

/* The namespace of the process that a directory of /proc is called after. */
static void look_at(struct netns *n, const char *pid)
{
	struct space s, *more, *known;
	struct stat st;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%.20s/ns/net", pid);
	if (stat(path, &st))
		return; /* it has ended */
	known = find(n, st.st_dev, st.st_ino);
	if (known) {
		known->seen = n->looks;
		return;
	}
	if (open_space(path, &s))
		return;
	more = realloc(n->spaces, (n->n + 1) * sizeof(*more));
	if (!more) {
		close(s.fd);
		return;
	}
	n->spaces = more;
	s.seen = n->looks;
	n->spaces[n->n++] = s;
}

static void look(struct netns *n)
{
	DIR *proc = opendir("/proc");
	struct dirent *e;
	size_t i;

	if (!proc)
		return;
	n->looks++;
	while ((e = readdir(proc)))
		if (e->d_name[0] >= '1' && e->d_name[0] <= '9')
			look_at(n, e->d_name);
	closedir(proc);
	for (i = 1; i < n->n; i++) {
		if (n->spaces[i].seen == n->looks)
			continue;
		close(n->spaces[i].fd);
		n->spaces[i--] = n->spaces[--n->n];
	}
}

size_t netns_count(struct netns *n)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!n->looks || now.tv_sec >= n->looked + LOOK_SECONDS) {
		n->looked = now.tv_sec;
		look(n);
	}
	return n->n;
}

int netns_in(const struct netns *n, size_t number, int (*fn)(void *arg), void *arg)
{
	int r;

	if (!number)
		return fn(arg);
	if (number >= n->n)
		return -ENOENT;
	if (setns(n->spaces[number].fd, CLONE_NEWNET))
		return -errno;
	r = fn(arg);
	/* Somewhere else our own sinks would speak to other hosts. */
	if (setns(n->spaces[0].fd, CLONE_NEWNET))
		abort();
	return r;
}
