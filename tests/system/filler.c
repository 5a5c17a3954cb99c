// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * filler WHAT NUMBER: fills one of mispair's limits. It makes itself known by a connection to a
 * listener of its own, prints "ready", waits for a line on standard input, fills, prints "full",
 * and keeps what it has until standard input ends. "stranger" has no connection.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct sockaddr_in there = {.sin_family = AF_INET};
static int server, number;
static pthread_barrier_t begun;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void listen_somewhere(void)
{
	socklen_t len = sizeof(there);

	server = socket(AF_INET, SOCK_STREAM, 0);
	there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (server < 0 || bind(server, (struct sockaddr *)&there, len) || listen(server, 4096) ||
	    getsockname(server, (struct sockaddr *)&there, &len))
		fail("listen");
}

/* A connection of ours and its other end. */
static void connect_there(int ends[2])
{
	struct linger reset = {.l_onoff = 1};

	ends[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (ends[0] < 0 || setsockopt(ends[0], SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) ||
	    connect(ends[0], (struct sockaddr *)&there, sizeof(there)))
		fail("connect");
	ends[1] = accept(server, NULL, NULL);
	if (ends[1] < 0)
		fail("accept");
}

static void say(int s, const char *text)
{
	if (send(s, text, strlen(text), MSG_NOSIGNAL) < 0)
		fail("send");
}

/* ---- threads ---- */

static void do_nothing(int number_of)
{
	(void)number_of;
}

static void *wait_in_vain(void *arg)
{
	poll(NULL, 0, 5);
	pthread_barrier_wait(&begun);
	pause();
	return arg;
}

static void *end_at_once(void *arg)
{
	poll(NULL, 0, 1);
	return arg;
}

static void *be_signalled(void *arg)
{
	pthread_kill(pthread_self(), SIGUSR1);
	pthread_barrier_wait(&begun);
	pause();
	return arg;
}

static void *live_on(void *arg)
{
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	pthread_barrier_wait(&begun);
	for (;;)
		pause();
	return arg;
}

static void *send_one(void *arg)
{
	int ends[2];

	connect_there(ends);
	say(ends[0], "q");
	pthread_barrier_wait(&begun);
	pause();
	return arg;
}

/* NUMBER threads; all have begun, and done what they do, when this returns. */
static pthread_t *threads(void *(*fn)(void *arg))
{
	pthread_t *t = calloc((size_t)number, sizeof(*t));
	pthread_attr_t small;
	int i;

	pthread_barrier_init(&begun, NULL, (unsigned int)number + 1);
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 65536);
	for (i = 0; t && i < number; i++)
		if (pthread_create(&t[i], &small, fn, NULL))
			fail("pthread_create");
	pthread_barrier_wait(&begun);
	return t;
}

static bool over(int ms)
{
	struct pollfd in = {.fd = 0, .events = POLLIN};

	return poll(&in, 1, ms) > 0;
}

/* Far fewer than what is too often. */
static void cancel_all(void)
{
	pthread_t *t = threads(live_on);
	int i;

	while (!over(300))
		for (i = 0; i < number; i++)
			pthread_cancel(t[i]);
}

static void cancel_all_the_time(void)
{
	pthread_t *t;
	int i;

	number = 1;
	t = threads(live_on);
	while (!over(0))
		for (i = 0; i < 10000; i++)
			pthread_cancel(t[0]);
}

static void churn_threads(void)
{
	pthread_attr_t small;
	pthread_t t[64];
	int i, k;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 65536);
	for (i = 0; i < number; i += 64) {
		for (k = 0; k < 64; k++)
			if (pthread_create(&t[k], &small, end_at_once, NULL))
				fail("pthread_create");
		for (k = 0; k < 64; k++)
			pthread_join(t[k], NULL);
	}
}

/* ---- processes ---- */

static void children(bool connecting)
{
	int i, ends[2], told[2];
	char byte;

	if (pipe(told))
		fail("pipe");
	for (i = 0; i < number; i++) {
		pid_t pid = fork();

		if (pid < 0)
			fail("fork");
		if (pid)
			continue;
		if (connecting)
			connect_there(ends);
		if (write(told[1], "x", 1) != 1)
			_exit(1);
		/* Until the parent has gone. */
		close(told[1]);
		while (!over(-1))
			;
		_exit(0);
	}
	for (i = 0; i < number; i++)
		if (read(told[0], &byte, 1) != 1)
			fail("a child");
}

/* ---- connections ---- */

static void connections(void)
{
	int i, ends[2];

	for (i = 0; i < number; i++) {
		connect_there(ends);
		say(ends[0], "q");
	}
}

/* A reply of two bytes, of which one is read before the next request. */
static void ask_over_unread(const int ends[2])
{
	char byte;

	say(ends[0], "q");
	say(ends[1], "xx");
	if (recv(ends[0], &byte, 1, 0) != 1)
		fail("recv");
	say(ends[0], "q");
}

static void suspects(void)
{
	int i, ends[2];

	for (i = 0; i < number; i++) {
		connect_there(ends);
		ask_over_unread(ends);
	}
}

static void flood(void)
{
	int i, ends[2];

	while (!over(0)) {
		connect_there(ends);
		for (i = 0; i < 1000; i++)
			ask_over_unread(ends);
		close(ends[0]);
		close(ends[1]);
	}
}

static void unix_clients(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int i, client, local = socket(AF_UNIX, SOCK_STREAM, 0);
	socklen_t len = offsetof(struct sockaddr_un, sun_path) +
			(socklen_t)snprintf(a.sun_path + 1, 64, "mispair-filler-%d", getpid()) + 1;

	if (local < 0 || bind(local, (struct sockaddr *)&a, len) || listen(local, 64))
		fail("listen");
	for (i = 0; i < number; i++) {
		client = socket(AF_UNIX, SOCK_STREAM, 0);
		if (client < 0 || connect(client, (struct sockaddr *)&a, len) ||
		    accept(local, NULL, NULL) < 0)
			fail("connect");
		say(client, "q");
	}
}

static void fill(const char *what)
{
	if (!strcmp(what, "waits"))
		threads(wait_in_vain);
	else if (!strcmp(what, "ends"))
		churn_threads();
	else if (!strcmp(what, "signals"))
		threads(be_signalled);
	else if (!strcmp(what, "calls"))
		threads(send_one);
	else if (!strcmp(what, "cancels"))
		cancel_all();
	else if (!strcmp(what, "storm") || !strcmp(what, "stranger"))
		cancel_all_the_time();
	else if (!strcmp(what, "processes"))
		children(true);
	else if (!strcmp(what, "children"))
		children(false);
	else if (!strcmp(what, "connections"))
		connections();
	else if (!strcmp(what, "suspects"))
		suspects();
	else if (!strcmp(what, "flood"))
		flood();
	else if (!strcmp(what, "unix"))
		unix_clients();
	else
		exit(2);
}

int main(int argc, char **argv)
{
	struct rlimit files;
	int ends[2];
	char line[16];

	if (argc != 3)
		return 2;
	number = atoi(argv[2]);
	signal(SIGUSR1, do_nothing);
	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	listen_somewhere();
	if (strcmp(argv[1], "stranger") != 0) {
		connect_there(ends);
		say(ends[0], "q");
	}
	puts("ready");
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		return 1;
	fill(argv[1]);
	puts("full");
	fflush(stdout);
	while (getchar() != EOF)
		;
	return 0;
}
