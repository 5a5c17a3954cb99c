// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Correct synchronous clients whose wait for a reply is interrupted again and again, and who go on
 * waiting: poll, select and epoll time-outs, receive time-outs, signals, probes. Each thread has a
 * connection of its own and reads each reply whole before it asks again.
 */
#include <getopt.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "tag.h"

#define TIMEOUT_MS 1

enum way {
	WAY_POLL,
	WAY_SELECT,
	WAY_EPOLL,
	WAY_RCVTIMEO,
	WAY_SIGNAL,	/* recv ends in EINTR and is called again */
	WAY_SIGNAL_POLL /* so does poll */
};

static const char *const way_names[] = {"poll",	    "select", "epoll",
					"rcvtimeo", "signal", "signal-poll"};

static struct {
	enum way way;
	int port;
	int operations; /* of each thread */
	int threads;
	int latest_us; /* that a reply comes */
	int flags;     /* SA_RESTART or none */
	bool children;
	bool streaming; /* replies in many pieces */
	bool peek;	/* look before sending, and before reading */
	bool quiet;	/* wait until nothing more comes, for want of a better end of the reply */
} args = {.operations = 400, .threads = 4, .latest_us = 3500};

static _Thread_local int epoll_fd = -1;

static void nothing(int signal)
{
	(void)signal;
}

/* Aims a signal at this thread every so often, whatever it does. */
static timer_t storm(int signal, long every_us)
{
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = signal};
	struct itimerspec when = {.it_interval.tv_nsec = every_us * 1000,
				  .it_value.tv_nsec = every_us * 1000};
	timer_t timer;

	event._sigev_un._tid = syscall(SYS_gettid);
	if (timer_create(CLOCK_MONOTONIC, &event, &timer) || timer_settime(timer, 0, &when, NULL))
		client_die("timer");
	return timer;
}

/* One wait for the socket. False when it ended without a reply. */
static bool readable(int fd)
{
	struct pollfd one = {.fd = fd, .events = POLLIN};
	struct timeval limit = {.tv_usec = TIMEOUT_MS * 1000};
	struct epoll_event event;
	fd_set set;
	int n;

	switch (args.way) {
	case WAY_POLL:
		n = poll(&one, 1, TIMEOUT_MS);
		break;
	case WAY_SELECT:
		FD_ZERO(&set);
		FD_SET(fd, &set);
		n = select(fd + 1, &set, NULL, NULL, &limit);
		break;
	case WAY_EPOLL:
		n = epoll_wait(epoll_fd, &event, 1, TIMEOUT_MS);
		break;
	case WAY_SIGNAL_POLL:
		n = poll(&one, 1, -1);
		break;
	default:
		return true;
	}
	if (n < 0 && errno != EINTR)
		client_die("wait");
	return n > 0;
}

static ssize_t receive(int fd, void *to, size_t len)
{
	if (args.peek) {
		ssize_t n = recv(fd, to, len, MSG_PEEK);

		if (n <= 0)
			return n;
		len = n;
	}
	return recv(fd, to, len, 0);
}

static void operation(int fd)
{
	static _Thread_local struct reply reply;
	struct request r = request_of(varied(args.latest_us));
	uint64_t interrupted = 0;
	char byte;

	if (args.streaming) {
		r.size = 2000 + varied(20000);
		r.pieces = 2 + varied(8);
		r.gap_us = varied(1500);
	}
	if (args.peek && (recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) != -1 || errno != EAGAIN))
		client_die("a probe before the request found something");
	request_send(fd, &r);
	for (;;) {
		ssize_t n;

		if (!readable(fd)) {
			interrupted++;
			continue;
		}
		n = receive(fd, reply.text + reply.have, sizeof(reply.text) - reply.have);
		if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
			interrupted++;
			continue;
		}
		if (n <= 0)
			client_die("recv");
		if (reply_add(&reply, n))
			break;
	}
	reply_judge(&reply, &r);
	if (args.quiet) {
		if (readable(fd) && recv(fd, &byte, 1, 0) >= 0)
			client_die("more than the reply");
		interrupted++;
	}
	truth.cancelled += interrupted > 0;
}

static void *client(void *arg)
{
	int fd = tag_connect(args.port), i;
	timer_t timer = NULL;

	if (args.way == WAY_EPOLL) {
		struct epoll_event event = {.events = EPOLLIN};

		epoll_fd = epoll_create1(EPOLL_CLOEXEC);
		if (epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event))
			client_die("epoll");
	}
	if (args.way == WAY_RCVTIMEO) {
		struct timeval limit = {.tv_usec = TIMEOUT_MS * 1000};

		if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)))
			client_die("SO_RCVTIMEO");
	}
	if (args.way >= WAY_SIGNAL)
		timer = storm(SIGPROF, 700 + varied(600));
	for (i = 0; i < args.operations; i++)
		operation(fd);
	if (args.way >= WAY_SIGNAL)
		timer_delete(timer);
	close(fd);
	if (epoll_fd >= 0)
		close(epoll_fd);
	return arg;
}

/* Children that end at once: SIGCHLD lands on whichever thread the kernel likes. */
static void *parent(void *arg)
{
	const _Atomic bool *ended = arg;

	while (!*ended) {
		pid_t pid = fork();

		if (!pid)
			_exit(0);
		usleep(2000);
		if (pid > 0)
			while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
				;
	}
	return NULL;
}

static void run(void)
{
	struct sigaction action = {.sa_handler = nothing, .sa_flags = args.flags};
	pthread_t threads[64], forks;
	_Atomic bool ended = false;
	int i;

	if (args.threads < 1 || args.threads > 64)
		exit(2);
	sigaction(SIGPROF, &action, NULL);
	sigaction(SIGCHLD, &action, NULL);
	if (args.children && pthread_create(&forks, NULL, parent, &ended))
		client_die("pthread_create");
	for (i = 0; i < args.threads; i++)
		if (pthread_create(&threads[i], NULL, client, NULL))
			client_die("pthread_create");
	for (i = 0; i < args.threads; i++)
		pthread_join(threads[i], NULL);
	ended = true;
	if (args.children)
		pthread_join(forks, NULL);
}

static enum way way_of(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(way_names) / sizeof(*way_names); i++)
		if (!strcmp(name, way_names[i]))
			return i;
	fprintf(stderr, "waits: no such way: %s\n", name);
	exit(2);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"port", required_argument, NULL, 'p'},
		{"way", required_argument, NULL, 'w'},
		{"operations", required_argument, NULL, 'n'},
		{"threads", required_argument, NULL, 't'},
		{"latest", required_argument, NULL, 'l'},
		{"restart", no_argument, &args.flags, SA_RESTART},
		{"children", no_argument, NULL, 'c'},
		{"streaming", no_argument, NULL, 's'},
		{"peek", no_argument, NULL, 'k'},
		{"until-quiet", no_argument, NULL, 'q'},
		{0},
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case 0:
			break;
		case 'p':
			args.port = atoi(optarg);
			break;
		case 'w':
			args.way = way_of(optarg);
			break;
		case 'n':
			args.operations = atoi(optarg);
			break;
		case 't':
			args.threads = atoi(optarg);
			break;
		case 'l':
			args.latest_us = atoi(optarg);
			break;
		case 'c':
			args.children = true;
			break;
		case 's':
			args.streaming = true;
			break;
		case 'k':
			args.peek = true;
			break;
		case 'q':
			args.quiet = true;
			break;
		default:
			fprintf(stderr, "usage: waits --port N --way poll|select|epoll|rcvtimeo|"
					"signal|signal-poll\n       [--operations N] [--threads N] "
					"[--latest US]"
					" [--restart] [--children] [--streaming] [--peek]"
					" [--until-quiet]\n");
			return 2;
		}
	}
	run();
	truth_print("waits");
	return 0;
}
