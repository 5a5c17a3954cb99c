// SPDX-License-Identifier: GPL-2.0-or-later
/* Nothing here blocks. A line is sent whole or in part; the part that is left goes out first. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "outlet_socket.h"

#define READERS_MAX 32
#define SEND_BUFFER (1 << 20) /* what a reader may lag behind, roughly; the kernel caps it */

struct reader {
	int fd; /* -1: free */
	char *rest;
	size_t len, at;
};

struct server {
	struct outlet outlet;
	int fd;
	struct sockaddr_un addr;
	struct stat made; /* the socket's file, so that no other's is removed at the end */
	struct reader readers[READERS_MAX];
	char *start; /* the start line, for whoever comes later */
	size_t start_len;
	uint64_t failures;
};

static void hang_up(struct reader *r)
{
	close(r->fd);
	free(r->rest);
	*r = (struct reader){.fd = -1};
}

/* True when nothing is left over from an earlier line. */
static bool send_rest(struct reader *r)
{
	ssize_t n;

	while (r->rest) {
		n = send(r->fd, r->rest + r->at, r->len - r->at, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n <= 0) {
			if (n < 0 && errno != EAGAIN && errno != EINTR)
				hang_up(r);
			return false;
		}
		r->at += (size_t)n;
		if (r->at == r->len) {
			free(r->rest);
			r->rest = NULL;
		}
	}
	return true;
}

static void send_line(struct server *s, struct reader *r, const char *text, size_t len)
{
	ssize_t n;

	if (r->fd < 0)
		return;
	if (!send_rest(r)) {
		s->failures += r->fd >= 0;
		return;
	}
	n = send(r->fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		hang_up(r);
		return;
	}
	if (n <= 0) {
		s->failures++;
		return;
	}
	if ((size_t)n == len)
		return;
	r->len = len - (size_t)n;
	r->at = 0;
	r->rest = malloc(r->len);
	if (!r->rest) {
		/* Half a line must not be continued by another. */
		s->failures++;
		hang_up(r);
		return;
	}
	memcpy(r->rest, text + n, r->len);
}

static void welcome(struct server *s)
{
	int i, fd, size = SEND_BUFFER;

	while ((fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
		for (i = 0; i < READERS_MAX && s->readers[i].fd >= 0; i++)
			;
		if (i == READERS_MAX) {
			s->failures++; /* it gets no events */
			close(fd);
			continue;
		}
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
		s->readers[i].fd = fd;
		if (s->start)
			send_line(s, &s->readers[i], s->start, s->start_len);
	}
}

static void on_tick(void *ctx)
{
	struct server *s = ctx;
	char byte;
	int i;

	welcome(s);
	for (i = 0; i < READERS_MAX; i++) {
		struct reader *r = &s->readers[i];

		if (r->fd >= 0)
			send_rest(r);
		/* Whoever hung up is noticed without a line for it. */
		if (r->fd >= 0 && !recv(r->fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK))
			hang_up(r);
	}
}

static void on_line(void *ctx, const struct event_line *e)
{
	struct server *s = ctx;
	int i;

	welcome(s);
	for (i = 0; i < READERS_MAX; i++)
		send_line(s, &s->readers[i], e->text, e->len);
	if (!s->start && !strcmp(e->name, "mispair.start")) {
		s->start = malloc(e->len);
		if (s->start)
			memcpy(s->start, e->text, e->len);
		s->start_len = s->start ? e->len : 0;
	}
}

static uint64_t get_failures(void *ctx)
{
	return ((struct server *)ctx)->failures;
}

static void on_finish(void *ctx)
{
	struct server *s = ctx;
	struct stat st;
	int i;

	for (i = 0; i < READERS_MAX; i++)
		if (s->readers[i].fd >= 0)
			hang_up(&s->readers[i]);
	if (s->fd >= 0)
		close(s->fd);
	if (s->made.st_ino && !lstat(s->addr.sun_path, &st) && st.st_ino == s->made.st_ino &&
	    st.st_dev == s->made.st_dev)
		unlink(s->addr.sun_path);
	free(s->start);
	free(s);
}

/* A socket's file that nobody listens on is left over from a run that was killed. */
static void remove_dead(const struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat st;

	if (fd < 0)
		return;
	if (!lstat(addr->sun_path, &st) && S_ISSOCK(st.st_mode) &&
	    connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) && errno == ECONNREFUSED)
		unlink(addr->sun_path);
	close(fd);
}

int outlet_socket_new(const char *path, struct outlet **out, char *err, size_t errlen)
{
	struct server *s = calloc(1, sizeof(*s));
	mode_t old;
	int i, e;

	if (!s) {
		snprintf(err, errlen, "out of memory");
		return -ENOMEM;
	}
	for (i = 0; i < READERS_MAX; i++)
		s->readers[i].fd = -1;
	s->fd = -1;
	s->addr.sun_family = AF_UNIX;
	if (strlen(path) >= sizeof(s->addr.sun_path)) {
		e = -ENAMETOOLONG;
		goto fail;
	}
	memcpy(s->addr.sun_path, path, strlen(path));
	remove_dead(&s->addr);
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	old = umask(0177);
	e = s->fd < 0 || bind(s->fd, (struct sockaddr *)&s->addr, sizeof(s->addr)) ? -errno : 0;
	umask(old);
	if (!e && (lstat(path, &s->made) || listen(s->fd, READERS_MAX)))
		e = -errno;
	if (e)
		goto fail;
	s->outlet = (struct outlet){.ctx = s,
				    .line = on_line,
				    .tick = on_tick,
				    .failures = get_failures,
				    .finish = on_finish};
	*out = &s->outlet;
	return 0;
fail:
	snprintf(err, errlen, "cannot listen on %s: %s", path, strerror(-e));
	on_finish(s);
	return e;
}
