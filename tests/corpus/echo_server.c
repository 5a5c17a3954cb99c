// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A server for the tests: one thread, epoll, the protocol of echo.h, on 127.0.0.1, ::1, a Unix
 * path and an abstract Unix name at once. Prints one JSON line with its ports when it is ready.
 *
 * It answers a request only when the whole of it has come, and never drops a connection itself.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "echo.h"

#define BUFFER (1 << 17)

struct peer {
	int fd;
	struct echo_head head;
	uint32_t have;	/* bytes of the request that have come, at most 1 + head's */
	uint32_t reply; /* bytes of the reply, 0: no reply is under way */
	uint32_t sent;
	uint8_t single; /* the reply of a one-byte request */
};

static uint8_t buffer[BUFFER];

static void die(const char *what)
{
	fprintf(stderr, "echo_server: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int listen_on(const struct sockaddr *addr, socklen_t len)
{
	int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, addr, len) || listen(fd, 512))
		die("listen");
	return fd;
}

static int listen_inet(int family, int *port)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
	socklen_t len = sizeof(v6);
	int fd;

	v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (family == AF_INET)
		fd = listen_on((struct sockaddr *)&v4, sizeof(v4));
	else
		fd = listen_on((struct sockaddr *)&v6, sizeof(v6));
	/* The port is at the same place in both families. */
	if (getsockname(fd, (struct sockaddr *)&v6, &len))
		die("getsockname");
	*port = ntohs(v6.sin6_port);
	return fd;
}

/* A name that begins with '@' is abstract. */
static int listen_unix(const char *name)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	size_t len = strlen(name);

	if (len >= sizeof(addr.sun_path)) {
		errno = ENAMETOOLONG;
		die(name);
	}
	memcpy(addr.sun_path, name, len);
	if (*name == '@')
		addr.sun_path[0] = '\0';
	else
		unlink(name);
	return listen_on((struct sockaddr *)&addr, offsetof(struct sockaddr_un, sun_path) + len);
}

static void watch(int poll_fd, int op, int fd, uint32_t events, void *data)
{
	struct epoll_event event = {.events = events, .data.ptr = data};

	if (epoll_ctl(poll_fd, op, fd, &event))
		die("epoll_ctl");
}

static void welcome(int poll_fd, int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct peer *peer;
	int on = 1;

	if (fd < 0)
		return;
	peer = calloc(1, sizeof(*peer));
	if (!peer)
		die("calloc");
	peer->fd = fd;
	/* Not for Unix sockets, which is no error that matters. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	watch(poll_fd, EPOLL_CTL_ADD, fd, EPOLLIN, peer);
}

/* 1: the whole reply is sent, 0: the socket is full, -1: the connection is gone. */
static int answer(struct peer *peer)
{
	while (peer->sent < peer->reply) {
		uint32_t n = peer->reply - peer->sent;
		ssize_t done;
		uint32_t i;

		if (n > BUFFER)
			n = BUFFER;
		for (i = 0; i < n; i++)
			buffer[i] = echo_byte(peer->head.tag, peer->sent + i);
		if (peer->head.kind < ECHO_HEAD)
			buffer[0] = peer->single;
		done = send(peer->fd, buffer, n, MSG_NOSIGNAL);
		if (done < 0)
			return errno == EAGAIN ? 0 : -1;
		peer->sent += done;
	}
	peer->reply = 0;
	peer->sent = 0;
	peer->have = 0;
	return 1;
}

/* Reads at most to the end of one request. 1: it is whole, 0: more is to come, -1: gone. */
static int listen_to(struct peer *peer)
{
	for (;;) {
		uint8_t *to = buffer;
		uint32_t want = BUFFER;
		ssize_t done;

		if (peer->have < 1) {
			to = &peer->head.kind;
			want = 1;
		} else if (peer->have < sizeof(peer->head)) {
			to = (uint8_t *)&peer->head + peer->have;
			want = sizeof(peer->head) - peer->have;
		} else if (peer->head.request - peer->have < want) {
			want = peer->head.request - peer->have;
		}
		if (want) {
			done = recv(peer->fd, to, want, 0);
			if (done == 0 || (done < 0 && errno != EAGAIN))
				return -1;
			if (done < 0)
				return 0;
			peer->have += done;
		}
		if (peer->have == 1 && peer->head.kind < ECHO_HEAD) {
			peer->single = peer->head.kind;
			peer->reply = 1;
			return 1;
		}
		if (peer->have >= sizeof(peer->head)) {
			if (peer->head.request < sizeof(peer->head) || !peer->head.reply)
				return -1;
			if (peer->have == peer->head.request) {
				peer->reply = peer->head.reply;
				return 1;
			}
		}
	}
}

static void serve(int poll_fd, struct peer *peer)
{
	int state = 1;

	while (state > 0) {
		state = peer->reply ? 1 : listen_to(peer);
		if (state > 0)
			state = answer(peer);
	}
	if (state < 0) {
		close(peer->fd);
		free(peer);
		return;
	}
	watch(poll_fd, EPOLL_CTL_MOD, peer->fd, peer->reply ? EPOLLOUT : EPOLLIN, peer);
}

int main(int argc, char **argv)
{
	int listeners[4], count = 2, v4, v6, i;
	int poll_fd = epoll_create1(EPOLL_CLOEXEC);

	if (argc > 3) {
		fprintf(stderr, "usage: echo_server [PATH] [@ABSTRACT]\n");
		return 2;
	}
	if (poll_fd < 0)
		die("epoll_create1");
	listeners[0] = listen_inet(AF_INET, &v4);
	listeners[1] = listen_inet(AF_INET6, &v6);
	for (i = 1; i < argc; i++)
		listeners[count++] = listen_unix(argv[i]);
	for (i = 0; i < count; i++)
		watch(poll_fd, EPOLL_CTL_ADD, listeners[i], EPOLLIN, &listeners[i]);
	printf("{\"pid\": %d, \"v4\": %d, \"v6\": %d}\n", getpid(), v4, v6);
	fflush(stdout);

	for (;;) {
		struct epoll_event events[64];
		int n = epoll_wait(poll_fd, events, 64, -1);

		for (i = 0; i < n; i++) {
			int *listener = events[i].data.ptr;

			if (listener >= listeners && listener < listeners + 4)
				welcome(poll_fd, *listener);
			else
				serve(poll_fd, events[i].data.ptr);
		}
	}
}
