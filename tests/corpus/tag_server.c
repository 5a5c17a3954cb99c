// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A server whose replies are late on demand. A request is a line, and says how it is answered:
 *
 *   TAG [DELAY_US [SIZE [PIECES [GAP_US]]]]
 *
 * The reply is the tag and filling, SIZE bytes with the newline, sent in PIECES pieces with a gap
 * between them, DELAY_US after the request. One thread a connection, answers in order. A request
 * whose tag begins with '!' is never answered. One whose tag begins with '+' is answered, and
 * GAP_US later comes a line "push", for which nobody has asked; a gap of a few us is one.
 *
 * With --goodbye MS a connection that is idle for so long is told "goodbye" and closed, as some
 * servers do. Prints one JSON line with its port when it is ready.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LINE	4096
#define REPLY	(1 << 16)
#define GOODBYE "goodbye\n"
#define PUSH	"push\n"

static int goodbye_ms = -1;

struct peer {
	int fd;
	size_t have;
	char line[LINE];
	char reply[REPLY];
};

static void die(const char *what)
{
	fprintf(stderr, "tag_server: %s: %s\n", what, strerror(errno));
	exit(1);
}

static bool send_all(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		data += n;
		len -= n;
	}
	return true;
}

/* usleep() is not that exact. */
static void spin(unsigned long us)
{
	struct timespec from, now;

	clock_gettime(CLOCK_MONOTONIC, &from);
	do {
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((now.tv_sec - from.tv_sec) * 1000000L + (now.tv_nsec - from.tv_nsec) / 1000 <
		 (long)us);
}

static bool answer(struct peer *peer, const char *line)
{
	unsigned long delay = 0, size = 0, pieces = 1, gap = 0, sent = 0, i;
	char tag[128];
	size_t len;

	if (sscanf(line, "%127s %lu %lu %lu %lu", tag, &delay, &size, &pieces, &gap) < 1)
		return false;
	if (tag[0] == '!')
		return true;
	if (delay)
		usleep(delay);
	len = strlen(tag);
	if (size < len + 1)
		size = len + 1;
	if (size > REPLY)
		size = REPLY;
	if (pieces < 1 || pieces > size)
		pieces = 1;
	memset(peer->reply, '.', size);
	memcpy(peer->reply, tag, len);
	peer->reply[size - 1] = '\n';
	for (i = 1; i <= pieces; i++) {
		unsigned long until = size * i / pieces;

		if (!send_all(peer->fd, peer->reply + sent, until - sent))
			return false;
		sent = until;
		if (gap && i < pieces)
			usleep(gap);
	}
	if (tag[0] != '+')
		return true;
	spin(gap);
	return send_all(peer->fd, PUSH, strlen(PUSH));
}

static bool answer_lines(struct peer *peer)
{
	char *begin = peer->line, *end;
	size_t left = peer->have;

	while ((end = memchr(begin, '\n', left))) {
		*end = '\0';
		if (!answer(peer, begin))
			return false;
		left -= end + 1 - begin;
		begin = end + 1;
	}
	memmove(peer->line, begin, left);
	peer->have = left;
	return left < LINE;
}

static void *serve(void *arg)
{
	struct peer *peer = arg;

	for (;;) {
		struct pollfd wait = {.fd = peer->fd, .events = POLLIN};
		ssize_t n;

		if (poll(&wait, 1, goodbye_ms) == 0) {
			send_all(peer->fd, GOODBYE, strlen(GOODBYE));
			break;
		}
		n = recv(peer->fd, peer->line + peer->have, LINE - peer->have, 0);
		if (n <= 0)
			break;
		peer->have += n;
		if (!answer_lines(peer))
			break;
	}
	close(peer->fd);
	free(peer);
	return NULL;
}

static void welcome(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC), on = 1;
	struct peer *peer;
	pthread_t thread;

	if (fd < 0)
		return;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	peer = calloc(1, sizeof(*peer));
	if (!peer)
		die("calloc");
	peer->fd = fd;
	errno = pthread_create(&thread, NULL, serve, peer);
	if (errno)
		die("pthread_create");
	pthread_detach(thread);
}

int main(int argc, char **argv)
{
	struct sockaddr_in addr = {.sin_family = AF_INET};
	socklen_t len = sizeof(addr);
	int listener;

	if (argc == 3 && !strcmp(argv[1], "--goodbye")) {
		goodbye_ms = atoi(argv[2]);
	} else if (argc != 1) {
		fprintf(stderr, "usage: tag_server [--goodbye MS]\n");
		return 2;
	}
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&addr, len) ||
	    listen(listener, 512) || getsockname(listener, (struct sockaddr *)&addr, &len))
		die("listen");
	printf("{\"pid\": %d, \"port\": %d}\n", getpid(), ntohs(addr.sin_port));
	fflush(stdout);
	for (;;)
		welcome(listener);
}
