// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * flood CONNECTIONS: a client that asks and asks over answers that it has read in part, of a server
 * in the same process. Each request is suspicious, and nobody is harmed. It prints "ready" and its
 * port, waits for a byte on standard input, and goes on until standard input ends; "going" comes
 * when it has asked a hundred thousand times. It ends with how often it has asked.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define ASKED_EACH 500 /* before a connection is made anew */
#define GOING	   100000
#define MANY	   64

static struct sockaddr_in address = {.sin_family = AF_INET};

struct pair {
	int client, server;
	int asked;
};

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static int listen_somewhere(void)
{
	socklen_t len = sizeof(address);
	int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (s < 0 || bind(s, (struct sockaddr *)&address, len) || listen(s, MANY) ||
	    getsockname(s, (struct sockaddr *)&address, &len))
		fail("listen");
	return s;
}

static void begin(struct pair *p, int listener)
{
	struct linger reset = {.l_onoff = 1};
	int one = 1;

	p->client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (p->client < 0 || connect(p->client, (struct sockaddr *)&address, sizeof(address)))
		fail("connect");
	p->server = accept(listener, NULL, NULL);
	if (p->server < 0)
		fail("accept");
	/* Ends by a reset: TIME_WAIT would use up all ports. */
	setsockopt(p->client, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	setsockopt(p->client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(p->server, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	p->asked = 0;
}

static void ask(struct pair *p, int listener)
{
	char b[2] = "q";

	if (p->asked++ == ASKED_EACH) {
		close(p->client);
		close(p->server);
		begin(p, listener);
	}
	/* Two bytes answer one, and one is read. */
	if (send(p->client, b, 1, MSG_NOSIGNAL) != 1 || recv(p->server, b, 1, 0) != 1 ||
	    send(p->server, b, 2, MSG_NOSIGNAL) != 2 || recv(p->client, b, 1, 0) != 1)
		fail("ask");
}

static int ends(void)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	char byte;

	return poll(&in, 1, 0) == 1 && read(STDIN_FILENO, &byte, 1) <= 0;
}

int main(int argc, char **argv)
{
	int listener, i, n = argc == 2 ? atoi(argv[1]) : 0;
	struct pair pairs[MANY];
	unsigned long asked;
	char byte;

	if (n < 1 || n > MANY)
		return 2;
	listener = listen_somewhere();
	for (i = 0; i < n; i++)
		begin(&pairs[i], listener);
	printf("ready %u\n", ntohs(address.sin_port));
	fflush(stdout);
	if (read(STDIN_FILENO, &byte, 1) != 1)
		return 1;
	for (asked = 0; asked % 64 || !ends(); asked++) {
		ask(&pairs[asked % (unsigned int)n], listener);
		if (asked == GOING) {
			puts("going");
			fflush(stdout);
		}
	}
	printf("asked %lu\n", asked);
	return 0;
}
