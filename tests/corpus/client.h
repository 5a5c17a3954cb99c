/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the C clients of the echo server share: connect over any family, send and receive whole. */
#ifndef CLIENT_H
#define CLIENT_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "echo.h"

struct where {
	int v4_port;
	int v6_port;
	const char *unix_name; /* a leading '@' means an abstract name */
};

static inline void client_die(const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
	exit(1);
}

static inline int client_connect(int family, const struct where *where)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(where->v4_port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
				  .sin6_addr = in6addr_loopback,
				  .sin6_port = htons(where->v6_port)};
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	struct sockaddr *addr = (struct sockaddr *)&v4;
	socklen_t len = sizeof(v4);
	int fd, on = 1;

	v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (family == AF_INET6) {
		addr = (struct sockaddr *)&v6;
		len = sizeof(v6);
	} else if (family == AF_UNIX) {
		size_t name = strlen(where->unix_name);

		if (name >= sizeof(un.sun_path)) {
			errno = ENAMETOOLONG;
			client_die(where->unix_name);
		}
		memcpy(un.sun_path, where->unix_name, name);
		if (un.sun_path[0] == '@')
			un.sun_path[0] = '\0';
		addr = (struct sockaddr *)&un;
		len = offsetof(struct sockaddr_un, sun_path) + name;
	}
	fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, addr, len))
		client_die("connect");
	if (family != AF_UNIX && setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)))
		client_die("TCP_NODELAY");
	return fd;
}

/* 0 for a Unix socket, which has no port. */
static inline int client_port(int fd)
{
	struct sockaddr_in6 addr = {0};
	socklen_t len = sizeof(addr);

	if (getsockname(fd, (struct sockaddr *)&addr, &len))
		client_die("getsockname");
	return addr.sin6_family == AF_UNIX ? 0 : ntohs(addr.sin6_port);
}

static inline void client_send(int fd, const void *data, size_t len)
{
	if (send(fd, data, len, MSG_NOSIGNAL) != (ssize_t)len)
		client_die("send");
}

/* Returns the number of receive calls it took. */
static inline int client_recv(int fd, uint8_t *to, size_t len, size_t at_most)
{
	int calls = 0;

	while (len) {
		ssize_t n = recv(fd, to, len < at_most ? len : at_most, 0);

		if (n <= 0)
			client_die("recv");
		to += n;
		len -= n;
		calls++;
	}
	return calls;
}

/* Writes a request of `len` bytes, one or at least a head, and returns its reply's first byte. */
static inline uint8_t client_request(uint8_t *to, uint32_t len, uint32_t reply, uint32_t tag)
{
	struct echo_head head = {.kind = ECHO_HEAD, .request = len, .reply = reply, .tag = tag};

	if (len == 1) {
		to[0] = tag % ECHO_HEAD;
		return to[0];
	}
	memcpy(to, &head, sizeof(head));
	memset(to + sizeof(head), 'x', len - sizeof(head));
	return echo_byte(tag, 0);
}

/* Does the reply belong to the request with this tag? */
static inline int client_is_answer(const uint8_t *reply, uint32_t len, uint32_t tag)
{
	uint32_t i;

	for (i = 0; i < len; i++)
		if (reply[i] != echo_byte(tag, i))
			return 0;
	return 1;
}

#endif
