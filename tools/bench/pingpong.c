// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The least work that a traced message can do: two processes, one TCP connection over loopback,
 * one byte there and one byte back. Prints the nanoseconds of a round, which is two sends and two
 * receives. Both processes share one CPU, or have one each with --two-cpus: then most of a round,
 * and of its noise, is the wake-up of an idle CPU, which in a virtual machine is expensive.
 *
 * With --rate so many rounds a second are done, ten at a time, and what is printed is the CPU time
 * of a round, of both processes: what others do on the machine matters less to it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void die(const char *what)
{
	fprintf(stderr, "pingpong: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void stay_on(int nth, bool same)
{
	cpu_set_t allowed, one;
	int cpu, found = -1;

	if (sched_getaffinity(0, sizeof(allowed), &allowed))
		die("sched_getaffinity");
	if (same || CPU_COUNT(&allowed) <= nth)
		nth = 0;
	for (cpu = 0; cpu < CPU_SETSIZE && found < 0; cpu++)
		if (CPU_ISSET(cpu, &allowed) && nth-- == 0)
			found = cpu;
	CPU_ZERO(&one);
	CPU_SET(found, &one);
	if (sched_setaffinity(0, sizeof(one), &one))
		die("sched_setaffinity");
}

static int tcp_socket(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	/* An accepted socket inherits it from its listener. */
	if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)))
		die("socket");
	return fd;
}

static void echo(int listener)
{
	int fd = accept(listener, NULL, NULL);
	char byte;

	if (fd < 0)
		die("accept");
	while (recv(fd, &byte, 1, 0) == 1)
		if (send(fd, &byte, 1, MSG_NOSIGNAL) != 1)
			die("send");
	_exit(0);
}

static void rounds(int fd, long count)
{
	char byte = 'x';

	while (count--) {
		if (send(fd, &byte, 1, MSG_NOSIGNAL) != 1)
			die("send");
		if (recv(fd, &byte, 1, 0) != 1)
			die("recv");
	}
}

/* The CPU time of this process and of the child it has waited for. */
static double cpu_ns(void)
{
	struct rusage self, child;

	getrusage(RUSAGE_SELF, &self);
	getrusage(RUSAGE_CHILDREN, &child);
	return 1e9 * (self.ru_utime.tv_sec + self.ru_stime.tv_sec + child.ru_utime.tv_sec +
		      child.ru_stime.tv_sec) +
	       1e3 * (self.ru_utime.tv_usec + self.ru_stime.tv_usec + child.ru_utime.tv_usec +
		      child.ru_stime.tv_usec);
}

static void paced_rounds(int fd, long count, long rate)
{
	long pause = 10 * 1000000000L / rate;
	struct timespec next;

	clock_gettime(CLOCK_MONOTONIC, &next);
	for (; count > 0; count -= 10) {
		rounds(fd, count < 10 ? count : 10);
		next.tv_nsec += pause;
		next.tv_sec += next.tv_nsec / 1000000000L;
		next.tv_nsec %= 1000000000L;
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
	}
}

static double now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e9 + ts.tv_nsec;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"rounds", required_argument, NULL, 'n'},
		{"two-cpus", no_argument, NULL, 't'},
		{"rate", required_argument, NULL, 'r'},
		{"warm-ms", required_argument, NULL, 'w'},
		{0},
	};
	struct sockaddr_in addr = {.sin_family = AF_INET};
	socklen_t len = sizeof(addr);
	long count = 200000, rate = 0, warm_ms = 0;
	bool same = true;
	int listener, fd, opt;
	double began;
	pid_t child;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 'n')
			count = atol(optarg);
		else if (opt == 't')
			same = false;
		else if (opt == 'r')
			rate = atol(optarg);
		else if (opt == 'w')
			warm_ms = atol(optarg);
		if (opt == '?' || count < 1 || rate < 0) {
			fprintf(stderr,
				"usage: pingpong [--rounds N] [--two-cpus] [--rate PER_SECOND] "
				"[--warm-ms N]\n");
			return 2;
		}
	}
	listener = tcp_socket();
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(listener, (struct sockaddr *)&addr, len) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&addr, &len))
		die("listen");
	child = fork();
	if (child < 0)
		die("fork");
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		stay_on(1, same);
		echo(listener);
	}
	stay_on(0, same);
	fd = tcp_socket();
	if (connect(fd, (struct sockaddr *)&addr, len))
		die("connect");
	began = now_ns();
	do
		rounds(fd, count / 20 + 1);
	while (now_ns() - began < 1e6 * warm_ms);
	began = now_ns();
	if (rate) {
		paced_rounds(fd, count, rate);
	} else {
		rounds(fd, count);
		printf("%.1f\n", (now_ns() - began) / count);
	}
	close(fd);
	waitpid(child, NULL, 0);
	if (rate)
		printf("%.1f\n", cpu_ns() / count);
	return 0;
}
