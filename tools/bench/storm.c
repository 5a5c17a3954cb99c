// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What tracing costs where nothing is sent: a client with an open connection whose polls time out
 * all the time (--what timeouts), or that handles one signal after another (--what signals).
 * Prints how many of them it did in a second of its own CPU time, and how many by the clock.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t handled;

static void die(const char *what)
{
	fprintf(stderr, "storm: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A connection to itself, with one exchange on it: then the process is known as a client. */
static int connected(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t len = sizeof(a);
	int server;
	char c = 0;

	if (listener < 0 || client < 0 || bind(listener, (struct sockaddr *)&a, len) ||
	    listen(listener, 1) || getsockname(listener, (struct sockaddr *)&a, &len) ||
	    connect(client, (struct sockaddr *)&a, len))
		die("connect");
	server = accept(listener, NULL, NULL);
	if (server < 0 || send(client, &c, 1, 0) != 1 || recv(server, &c, 1, 0) != 1 ||
	    send(server, &c, 1, 0) != 1 || recv(client, &c, 1, 0) != 1)
		die("exchange");
	return client;
}

static void on_signal(int number)
{
	(void)number;
	handled = handled + 1;
}

int main(int argc, char **argv)
{
	static const struct option known[] = {{"what", required_argument, NULL, 'w'},
					      {"count", required_argument, NULL, 'n'},
					      {NULL, 0, NULL, 0}};
	struct sigaction action = {.sa_handler = on_signal};
	struct timespec soon = {.tv_nsec = 1000};
	const char *what = "";
	double cpu, wall;
	long count = 200000, i;
	struct pollfd input = {.events = POLLIN};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (c == 'w')
			what = optarg;
		else if (c == 'n')
			count = atol(optarg);
		else
			return 2;
	}
	if ((strcmp(what, "timeouts") && strcmp(what, "signals")) || count < 1) {
		fprintf(stderr, "usage: storm --what timeouts|signals [--count N]\n");
		return 2;
	}
	input.fd = connected();
	if (prctl(PR_SET_TIMERSLACK, 1) || sigaction(SIGUSR1, &action, NULL))
		die("prctl");
	usleep(200000); /* whoever traces has looked at this process by then */
	cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
	wall = seconds(CLOCK_MONOTONIC);
	for (i = 0; i < count; i++) {
		if (*what == 's' ? raise(SIGUSR1) : ppoll(&input, 1, &soon, NULL))
			die(what);
	}
	if (*what == 's' && handled != count)
		die("signals were lost");
	cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	wall = seconds(CLOCK_MONOTONIC) - wall;
	printf("%.1f %.1f\n", (double)count / cpu, (double)count / wall);
	return 0;
}
