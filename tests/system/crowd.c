// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * crowd connect|exit NUMBER TOGETHER: NUMBER children, TOGETHER of them at a time. "connect": each
 * connects to a listener of the parent's and exits. "exit": the parent has a connection, and each
 * child exits at once. It prints "ready", waits for a byte on standard input, has its children,
 * prints "done" and their time in milliseconds, and waits for a byte again.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct sockaddr_in listener = {.sin_family = AF_INET};

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static int listen_somewhere(void)
{
	socklen_t len = sizeof(listener);
	int s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	listener.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (s < 0 || bind(s, (struct sockaddr *)&listener, len) || listen(s, 4096) ||
	    getsockname(s, (struct sockaddr *)&listener, &len))
		fail("listen");
	return s;
}

/* Ends by a reset: a hundred thousand connections in TIME_WAIT would use up all ports. */
static int connect_there(void)
{
	struct linger reset = {.l_onoff = 1};
	int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (s < 0 || setsockopt(s, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) ||
	    connect(s, (struct sockaddr *)&listener, sizeof(listener)))
		fail("connect");
	return s;
}

static void take_connections(int server)
{
	int s;

	while ((s = accept(server, NULL, NULL)) >= 0)
		close(s);
}

/* One child has ended, and has done what it is for. */
static void reap(void)
{
	int status;

	if (wait(&status) < 0 || status)
		fail("a child");
}

static void have_children(int server, int connecting, long number, long together)
{
	long running = 0;

	for (; number; number--) {
		pid_t pid = fork();

		if (pid < 0)
			fail("fork");
		if (!pid) {
			if (connecting)
				connect_there();
			_exit(0);
		}
		if (++running == together) {
			reap();
			running--;
		}
		take_connections(server);
	}
	for (; running; running--)
		reap();
	take_connections(server);
}

static void wait_for_a_byte(void)
{
	char go;

	if (read(STDIN_FILENO, &go, 1) < 0)
		fail("standard input");
}

int main(int argc, char **argv)
{
	struct timespec from, to;
	int server, connecting;

	if (argc != 4)
		return 2;
	connecting = !strcmp(argv[1], "connect");
	server = listen_somewhere();
	if (!connecting)
		connect_there();
	puts("ready");
	fflush(stdout);
	wait_for_a_byte();
	clock_gettime(CLOCK_MONOTONIC, &from);
	have_children(server, connecting, atol(argv[2]), atol(argv[3]));
	clock_gettime(CLOCK_MONOTONIC, &to);
	printf("done %ld\n",
	       (to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000);
	fflush(stdout);
	wait_for_a_byte();
	return 0;
}
