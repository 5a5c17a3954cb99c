// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Whoever shares the descriptor (a shell its terminal, a command its output) must not find it
 * changed: a pipe or a terminal is opened once more for writing without waiting, and a socket has a
 * flag for it. Where that is refused, only as much is written as a pipe that poll(2) calls writable
 * takes at once.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "outlet_stream.h"

#define RESERVE	    65536
#define PATIENCE_MS 3000 /* for a reader that takes nothing, at the end */

struct stream {
	struct outlet outlet;
	int fd;
	bool own;    /* fd is ours and does not wait */
	bool socket; /* the same by a flag of each call */
	bool dead;   /* the reader has gone */
	bool failing;
	char *buf; /* what waits: LEN bytes from HEAD on */
	size_t room, head, len;
	uint64_t failures, failed_before;
};

bool outlet_stream_wanted(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode) || isatty(fd));
}

/* Bytes that went out, 0 if the reader takes none now. */
static size_t put(struct stream *s, const char *text, size_t len)
{
	struct pollfd can = {.fd = s->fd, .events = POLLOUT};
	ssize_t n;

	do {
		if (s->socket)
			n = send(s->fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		else if (s->own)
			n = write(s->fd, text, len);
		else if (poll(&can, 1, 0) > 0)
			n = write(s->fd, text, len < PIPE_BUF ? len : PIPE_BUF);
		else
			return 0;
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EAGAIN)
		s->dead = true;
	return n < 0 ? 0 : (size_t)n;
}

static void say(struct stream *s, bool ok)
{
	if (ok && s->failing)
		fprintf(stderr, "mispair: standard output is read again; %llu events were lost\n",
			(unsigned long long)(s->failures - s->failed_before));
	else if (!ok && !s->failing)
		fprintf(stderr, "mispair: standard output is read too slowly: events are lost and "
				"counted until there is room again\n");
	if (!ok && !s->failing)
		s->failed_before = s->failures - 1;
	s->failing = !ok;
}

static void drain(struct stream *s)
{
	size_t n;

	while (s->len && !s->dead) {
		n = put(s, s->buf + s->head, s->len);
		if (!n)
			return;
		s->head += n;
		s->len -= n;
	}
	s->head = 0;
}

static void keep(struct stream *s, const char *text, size_t len)
{
	if (s->head + s->len + len > s->room + RESERVE) {
		memmove(s->buf, s->buf + s->head, s->len);
		s->head = 0;
	}
	memcpy(s->buf + s->head + s->len, text, len);
	s->len += len;
}

/* Gives the reader some time to take something, again and again while it does. */
static void drain_patiently(struct stream *s, size_t until)
{
	struct pollfd can = {.fd = s->fd, .events = POLLOUT};

	while (s->len > until && !s->dead && poll(&can, 1, PATIENCE_MS) > 0)
		drain(s);
}

/*
 * What says that events were lost must not be lost with them, and has some room to itself; the last
 * word waits.
 */
static bool fits(struct stream *s, const struct event_line *e)
{
	bool last = e->name && !strcmp(e->name, "mispair.stop");
	bool loss = e->name && !strcmp(e->name, "mispair.lost");
	size_t room = last || loss ? s->room + RESERVE : s->room;

	if (last && s->len + e->len > room)
		drain_patiently(s, room - e->len);
	return s->len + e->len <= room;
}

static void on_line(void *ctx, const struct event_line *e)
{
	struct stream *s = ctx;
	size_t done = 0;

	drain(s);
	if (!s->dead && !fits(s, e)) {
		s->failures++;
		say(s, false);
		return;
	}
	if (s->dead)
		return;
	if (!s->len)
		done = put(s, e->text, e->len);
	if (s->dead)
		return;
	keep(s, e->text + done, e->len - done);
	say(s, true);
}

static void on_tick(void *ctx)
{
	drain(ctx);
}

static bool is_closed(void *ctx)
{
	return ((struct stream *)ctx)->dead;
}

static uint64_t get_failures(void *ctx)
{
	return ((struct stream *)ctx)->failures;
}

static uint64_t lines_in(const struct stream *s)
{
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < s->len; i++)
		n += s->buf[s->head + i] == '\n';
	return n;
}

static void on_finish(void *ctx)
{
	struct stream *s = ctx;

	drain(s);
	drain_patiently(s, 0);
	if (s->len && !s->dead)
		fprintf(stderr,
			"mispair: standard output is not read: the last %llu events are lost\n",
			(unsigned long long)lines_in(s));
	if (s->own)
		close(s->fd);
	free(s->buf);
	free(s);
}

int outlet_stream_new(int fd, size_t room, struct outlet **out)
{
	struct stream *s = calloc(1, sizeof(*s));
	char path[32];
	struct stat st;

	if (!s)
		return -ENOMEM;
	s->fd = -1;
	s->room = room;
	s->buf = malloc(room + RESERVE);
	if (!s->buf || fstat(fd, &st)) {
		int e = s->buf ? -errno : -ENOMEM;

		free(s->buf);
		free(s);
		return e;
	}
	s->socket = S_ISSOCK(st.st_mode);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (!s->socket)
		s->fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	s->own = s->fd >= 0;
	if (!s->own)
		s->fd = fd;
	s->outlet = (struct outlet){.ctx = s,
				    .line = on_line,
				    .tick = on_tick,
				    .closed = is_closed,
				    .failures = get_failures,
				    .finish = on_finish};
	*out = &s->outlet;
	return 0;
}
