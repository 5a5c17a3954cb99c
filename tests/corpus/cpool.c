// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A C client with a pool of its own, over TCP or a Unix socket. Its wait for a reply ends by a
 * timeout, and the connection goes back to the pool all the same.
 *
 * --way rcvtimeo             a blocking recv with SO_RCVTIMEO
 * --way poll, ppoll, select, pselect, epoll     a wait for input, then recv
 * --way eintr, poll-eintr    a recv or poll that a signal interrupts, and that is not tried again
 *
 * With --threads several callers share the pool and run freely: what goes wrong is left to the
 * race.
 *
 * The server is the line server: a request is a line with a tag, and the same line comes back.
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/time.h>

#include "truth.h"

/* Milliseconds that a caller waits who is not going to give up. */
#define PATIENT 1000

struct connection {
	int fd;
	int epoll_fd;
	size_t have;
	char buffer[512];
	struct truth *truth;
	struct connection *next;
};

static const struct options *options;
static struct connection *pool;
static unsigned int tag;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct connection *open_connection(void)
{
	struct where where = {.v4_port = options->port, .unix_name = options->unix_path};
	struct connection *c = calloc(1, sizeof(*c));
	struct epoll_event input = {.events = EPOLLIN};

	if (!c)
		client_die("calloc");
	c->fd = client_connect(options->unix_path ? AF_UNIX : AF_INET, &where);
	c->epoll_fd = -1;
	if (!strcmp(options->way, "epoll")) {
		c->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
		if (c->epoll_fd < 0 || epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, c->fd, &input))
			client_die("epoll");
	}
	c->truth = truth_about(c->fd);
	return c;
}

static struct connection *checkout(void)
{
	struct connection *c;

	pthread_mutex_lock(&lock);
	c = pool;
	if (c)
		pool = c->next;
	else
		c = open_connection();
	pthread_mutex_unlock(&lock);
	return c;
}

static void put_back(struct connection *c)
{
	pthread_mutex_lock(&lock);
	c->next = pool;
	pool = c;
	pthread_mutex_unlock(&lock);
}

/* Only there to interrupt. */
static void on_alarm(int number)
{
	(void)number;
}

static void set_alarm(int ms)
{
	struct itimerval timer = {.it_value = {ms / 1000, ms % 1000 * 1000}};

	if (setitimer(ITIMER_REAL, &timer, NULL))
		client_die("setitimer");
}

/* 1: there is something to read, 0: the time is over. */
static int wait_for_input(const struct connection *c, int ms)
{
	struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
	struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
	struct pollfd input = {.fd = c->fd, .events = POLLIN};
	struct epoll_event event;
	fd_set set;

	FD_ZERO(&set);
	FD_SET(c->fd, &set);
	if (!strcmp(options->way, "poll"))
		return poll(&input, 1, ms);
	if (!strcmp(options->way, "poll-eintr"))
		return poll(&input, 1, -1) < 0 && errno == EINTR ? 0 : 1;
	if (!strcmp(options->way, "ppoll"))
		return ppoll(&input, 1, &ts, NULL);
	if (!strcmp(options->way, "select"))
		return select(c->fd + 1, &set, NULL, NULL, &tv);
	if (!strcmp(options->way, "pselect"))
		return pselect(c->fd + 1, &set, NULL, NULL, &ts, NULL);
	if (!strcmp(options->way, "epoll"))
		return epoll_wait(c->epoll_fd, &event, 1, ms);
	if (strstr(options->way, "eintr"))
		return 1;
	return setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) ? -1 : 1;
}

/* Reads one line into `reply`. False: the time was over first. */
static bool read_line(struct connection *c, int ms, char *reply, size_t size)
{
	char *end;

	while (!(end = memchr(c->buffer, '\n', c->have))) {
		int ready = wait_for_input(c, ms);
		ssize_t n;

		if (ready < 0)
			client_die(options->way);
		if (!ready)
			return false;
		n = recv(c->fd, c->buffer + c->have, sizeof(c->buffer) - c->have, 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return false;
		if (n <= 0)
			client_die("recv");
		c->have += n;
		end = memchr(c->buffer, '\n', c->have);
		if (end && memchr(end + 1, '\n', c->buffer + c->have - end - 1))
			c->truth->merged++;
	}
	snprintf(reply, size, "%.*s", (int)(end - c->buffer), c->buffer);
	c->have -= end + 1 - c->buffer;
	memmove(c->buffer, end + 1, c->have);
	return true;
}

/* What a caller of the pool does: it does not know which connection it has, or what came before. */
static void exchange(int lag, int limit)
{
	struct connection *c = checkout();
	char request[64], reply[512];
	int len = snprintf(request, sizeof(request), "tag-%u",
			   __atomic_add_fetch(&tag, 1, __ATOMIC_RELAXED));
	bool interrupted = strstr(options->way, "eintr");

	if (lag)
		len += snprintf(request + len, sizeof(request) - len,
				options->merged && limit < PATIENT ? "~%d+~" : "~%d~", lag);
	truth_before_send(c->truth);
	request[len] = '\n';
	client_send(c->fd, request, len + 1);
	request[len] = '\0';
	if (interrupted)
		set_alarm(limit);
	if (read_line(c, limit, reply, sizeof(reply)))
		truth_judge(c->truth, !strcmp(reply, request));
	else
		truth_abandoned(c->truth);
	if (interrupted)
		set_alarm(0);
	put_back(c);
}

static void one_round(unsigned int *seed)
{
	struct timing timing = truth_timing(options, seed);
	int i, followers = truth_between(seed, 1, 3);

	/* A connection that was wrong once is wrong for the rest of its life: each round has its
	 * own pool, and the old ones stay open. */
	pool = NULL;
	for (i = 0; i < timing.clean; i++)
		exchange(0, PATIENT);
	exchange(timing.lag, timing.limit);
	truth_sleep(timing.gap);
	for (i = 0; i < followers; i++)
		exchange(0, PATIENT);

	/* Another one beside it, on which nothing is given up. */
	pool = NULL;
	for (i = 0; i < 3; i++)
		exchange(i == 1 ? 2 : 0, PATIENT);
}

/* One of several callers of one pool: some of its calls are given up, or nearly. */
static void *free_running(void *arg)
{
	unsigned int seed = options->seed + (unsigned int)(uintptr_t)arg;
	int i;

	for (i = 0; i < options->timings; i++) {
		exchange(0, PATIENT);
		if (i % 5 == 4)
			exchange(truth_between(&seed, 5, 12), truth_between(&seed, 4, 12));
		truth_sleep(truth_between(&seed, 0, 2));
	}
	return NULL;
}

static void run_threads(int count)
{
	pthread_t threads[64];
	int i;

	for (i = 0; i < count; i++)
		if (pthread_create(&threads[i], NULL, free_running, (void *)(uintptr_t)i))
			client_die("pthread_create");
	for (i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
}

int main(int argc, char **argv)
{
	struct options o = truth_options(argc, argv);
	struct sigaction interrupt = {.sa_handler = on_alarm};
	unsigned int seed = o.seed;
	int i;

	options = &o;
	if (sigaction(SIGALRM, &interrupt, NULL))
		client_die("sigaction");
	if (o.threads)
		run_threads(o.threads);
	else
		for (i = 0; i < o.timings; i++)
			one_round(&seed);
	truth_print("cpool");
	return 0;
}
