// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What tracing costs where nothing is sent: a client with an open connection whose polls time out
 * all the time (--what timeouts), or that handles one signal after another (--what signals).
 * With --threads each has a connection of its own: while one sleeps another runs, and the CPU is
 * not put to sleep in between. Prints how many of them it did in a second of its own CPU time, and
 * how many by the clock.
 */
// link: -lpthread
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
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

static struct {
	const char *what;
	long count; /* of each thread */
} storm = {.what = "", .count = 200000};

static void *rage(void *arg)
{
	struct timespec soon = {.tv_nsec = 1000};
	struct pollfd input = {.fd = *(int *)arg, .events = POLLIN};
	long i;

	if (prctl(PR_SET_TIMERSLACK, 1))
		die("prctl");
	for (i = 0; i < storm.count; i++) {
		if (*storm.what == 's' ? raise(SIGUSR1) : ppoll(&input, 1, &soon, NULL))
			die(storm.what);
	}
	return NULL;
}

#define THREADS_MAX 64

int main(int argc, char **argv)
{
	static const struct option known[] = {{"what", required_argument, NULL, 'w'},
					      {"count", required_argument, NULL, 'n'},
					      {"threads", required_argument, NULL, 't'},
					      {NULL, 0, NULL, 0}};
	struct sigaction action = {.sa_handler = on_signal};
	pthread_t threads[THREADS_MAX];
	int sockets[THREADS_MAX];
	long n = 1, total = storm.count, i;
	double cpu, wall;
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (c == 'w')
			storm.what = optarg;
		else if (c == 'n')
			total = atol(optarg);
		else if (c == 't')
			n = atol(optarg);
		else
			return 2;
	}
	if ((strcmp(storm.what, "timeouts") && strcmp(storm.what, "signals")) || n < 1 ||
	    n > THREADS_MAX || (n > 1 && *storm.what == 's') || total < n) {
		fprintf(stderr, "usage: storm --what timeouts|signals [--count N] [--threads N, "
				"of timeouts]\n");
		return 2;
	}
	storm.count = total / n;
	for (i = 0; i < n; i++)
		sockets[i] = connected();
	if (sigaction(SIGUSR1, &action, NULL))
		die("sigaction");
	usleep(200000); /* whoever traces has looked at this process by then */
	cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
	wall = seconds(CLOCK_MONOTONIC);
	for (i = 1; i < n; i++) {
		errno = pthread_create(&threads[i], NULL, rage, &sockets[i]);
		if (errno)
			die("pthread_create");
	}
	rage(&sockets[0]);
	for (i = 1; i < n; i++)
		pthread_join(threads[i], NULL);
	if (*storm.what == 's' && handled != storm.count)
		die("signals were lost");
	total = storm.count * n;
	cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	wall = seconds(CLOCK_MONOTONIC) - wall;
	printf("%.1f %.1f\n", (double)total / cpu, (double)total / wall);
	return 0;
}
