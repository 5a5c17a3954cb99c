// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Very many connections on loopback, some of them in use, for a look at what looking at them costs.
 *
 *   manyconn CONNECTIONS [EXCHANGES_PER_SECOND [DOUBTED]]
 *
 * DOUBTED of them have given up waiting for a reply that is owed.
 *
 * Pairs of a server and a client process, as many as the limit of open files asks for. Each client
 * has an address 127.0.0.x of its own, since one has no more than some 28,000 ports. Prints "ready"
 * when all are open, and goes on until its standard input is closed.
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PER_PAIR   18000
#define SPARE	   100 /* descriptors for other things */
/* A request to which no reply comes. */
#define UNANSWERED 'u'

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* Connections that one process may have. */
static int per_pair(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl))
		die("manyconn: getrlimit");
	rl.rlim_cur = rl.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &rl))
		die("manyconn: setrlimit");
	return rl.rlim_cur > PER_PAIR + SPARE ? PER_PAIR : (int)rl.rlim_cur - SPARE;
}

static int listener(struct sockaddr_in *sa)
{
	socklen_t len = sizeof(*sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	sa->sin_family = AF_INET;
	sa->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	sa->sin_port = 0;
	if (fd < 0 || bind(fd, (struct sockaddr *)sa, len) || listen(fd, 4096) ||
	    getsockname(fd, (struct sockaddr *)sa, &len))
		die("manyconn: listen");
	return fd;
}

/* Accepts, and answers each byte. Ends with its parent. */
static void serve(int fd)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd}, got[256];
	int ep = epoll_create1(0), i, n, one;
	char byte;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
	for (;;) {
		n = epoll_wait(ep, got, 256, -1);
		for (i = 0; i < n; i++) {
			if (got[i].data.fd == fd) {
				one = accept4(fd, NULL, NULL, SOCK_NONBLOCK);
				ev.data.fd = one;
				if (one >= 0)
					epoll_ctl(ep, EPOLL_CTL_ADD, one, &ev);
			} else if (read(got[i].data.fd, &byte, 1) == 1) {
				if (byte == UNANSWERED)
					continue;
				if (write(got[i].data.fd, &byte, 1) != 1)
					close(got[i].data.fd);
			} else {
				close(got[i].data.fd);
			}
		}
	}
}

static int one_connection(const struct sockaddr_in *to, int pair)
{
	struct sockaddr_in from = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;

	from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + (uint32_t)pair);
	setsockopt(fd, IPPROTO_IP, 24 /* IP_BIND_ADDRESS_NO_PORT */, &yes, sizeof(yes));
	if (fd < 0 || bind(fd, (struct sockaddr *)&from, sizeof(from)) ||
	    connect(fd, (const struct sockaddr *)to, sizeof(*to)))
		die("manyconn: connect");
	return fd;
}

static void exchange(int fd)
{
	char byte = 'x';

	if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
		die("manyconn: exchange");
}

/* Asks, waits for a millisecond, and gives up. */
static void give_up(int fd)
{
	struct timeval soon = {0, 1000};
	char byte = UNANSWERED;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon)) ||
	    write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != -1)
		die("manyconn: give up");
}

/* RATE exchanges a second over all connections in turn, until it is killed. */
static void use(const int *fds, int n, long rate)
{
	struct timespec slice = {0, 10000000};
	int at = 0;
	long i;

	for (;;) {
		nanosleep(&slice, NULL);
		for (i = 0; i < rate / 100; i++) {
			exchange(fds[at]);
			at = (at + 1) % n;
		}
	}
}

static void be_client(int pair, int n, long rate, int doubted, int ready)
{
	int *fds = calloc((size_t)n, sizeof(*fds)), fd, i;
	struct sockaddr_in sa = {0};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fd = listener(&sa);
	if (!fds)
		die("manyconn");
	if (!fork())
		serve(fd);
	close(fd);
	for (i = 0; i < n; i++) {
		fds[i] = one_connection(&sa, pair);
		exchange(fds[i]);
	}
	for (i = 0; i < doubted && i < n; i++)
		give_up(fds[i]);
	if (write(ready, "r", 1) != 1)
		exit(1);
	use(fds + doubted, n - doubted, rate);
}

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 0, most = per_pair(), pairs, i, ready[2];
	long rate = argc > 2 ? atol(argv[2]) : 0;
	int doubted = argc > 3 ? atoi(argv[3]) : 0;
	char byte;

	if (n < 1 || doubted < 0 || doubted > n / 2) {
		fprintf(stderr, "usage: manyconn CONNECTIONS [EXCHANGES_PER_SECOND [DOUBTED]]\n");
		return 2;
	}
	pairs = (n + most - 1) / most;
	if (pipe(ready))
		die("manyconn: pipe");
	for (i = 0; i < pairs; i++) {
		int share = n / pairs + (i < n % pairs);

		if (!fork())
			be_client(i, share, rate / pairs, doubted / pairs + (i < doubted % pairs),
				  ready[1]);
	}
	close(ready[1]);
	for (i = 0; i < pairs; i++)
		if (read(ready[0], &byte, 1) != 1)
			return 1;
	puts("ready");
	fflush(stdout);
	/* The children end with us, and their servers with them. */
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	return 0;
}
