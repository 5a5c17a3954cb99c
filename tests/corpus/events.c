// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Correct clients that never wait for one reply alone: event loops with a tick, and connections on
 * which many requests are in flight.
 *
 *   tick         one thread, many connections, one request at a time on each; edge-triggered
 *   multiplexed  one thread, one connection, a queue of who waits; some of them stop waiting, and
 *                their replies are thrown away in their turn
 *   duplex       one connection, a reader thread for good, and writer threads that come and go
 */
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <sys/epoll.h>

#include "tag.h"

#define TICK_MS	    1
#define CONNECTIONS 6
#define IN_FLIGHT   8

struct slot {
	int fd;
	struct request r;
	bool waiting;
	bool ticked; /* a tick came while it waited */
	struct reply reply;
};

static struct {
	int port;
	int operations;
} args = {.operations = 1000};

static int watch(int fd)
{
	static int poll_fd = -1;
	struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.fd = fd};

	if (poll_fd < 0)
		poll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (fcntl(fd, F_SETFL, O_NONBLOCK) || epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event))
		client_die("epoll");
	return poll_fd;
}

/* Bytes that are there, 0 if there are none now. */
static size_t receive(int fd, void *to, size_t len)
{
	ssize_t n = recv(fd, to, len, 0);

	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n <= 0)
		client_die("recv");
	return n;
}

/* ---- tick ---- */

/* Edge-triggered: until there is no more. */
static void read_all(struct slot *slot)
{
	size_t n;

	while ((n = receive(slot->fd, slot->reply.text + slot->reply.have,
			    sizeof(slot->reply.text) - slot->reply.have))) {
		if (!reply_add(&slot->reply, n))
			continue;
		truth.cancelled += slot->ticked;
		reply_judge(&slot->reply, &slot->r);
		slot->waiting = false;
	}
}

static void ask(struct slot *slot)
{
	slot->r = request_of(varied(4000));
	request_send(slot->fd, &slot->r);
	slot->waiting = true;
	slot->ticked = false;
	/* As some runtimes do: try first, wait later. */
	read_all(slot);
}

static void tick(void)
{
	static struct slot slots[CONNECTIONS];
	int poll_fd = -1, left = args.operations, busy = 0, i;

	for (i = 0; i < CONNECTIONS; i++) {
		slots[i].fd = tag_connect(args.port);
		poll_fd = watch(slots[i].fd);
	}
	while (left > 0 || busy) {
		struct epoll_event events[CONNECTIONS];
		int n = epoll_wait(poll_fd, events, CONNECTIONS, TICK_MS), k;

		for (i = 0; n == 0 && i < CONNECTIONS; i++)
			slots[i].ticked |= slots[i].waiting;
		for (k = 0; k < n; k++)
			for (i = 0; i < CONNECTIONS; i++)
				if (slots[i].fd == events[k].data.fd)
					read_all(&slots[i]);
		for (busy = i = 0; i < CONNECTIONS; i++) {
			/* Some rest for a while. */
			if (!slots[i].waiting && left > 0 && varied(8) == 0) {
				ask(&slots[i]);
				left--;
			}
			busy += slots[i].waiting;
		}
	}
	for (i = 0; i < CONNECTIONS; i++)
		close(slots[i].fd);
}

/* ---- a queue of who waits ---- */

static struct {
	struct request waiting[IN_FLIGHT];
	unsigned int begin, end;
	char text[1 << 16];
	size_t have;
} queue;

static void answered(const char *line, size_t len)
{
	struct request *r = &queue.waiting[queue.begin++ % IN_FLIGHT];
	char tag[32];
	size_t want = snprintf(tag, sizeof(tag), "t%u", r->tag);

	truth.operations++;
	truth.wrong += len != want || memcmp(line, tag, len) != 0;
}

static void take(size_t n)
{
	char *begin = queue.text, *end;

	queue.have += n;
	while ((end = memchr(begin, '\n', queue.text + queue.have - begin))) {
		answered(begin, end - begin);
		begin = end + 1;
	}
	queue.have -= begin - queue.text;
	memmove(queue.text, begin, queue.have);
}

static void enqueue(int fd)
{
	struct request *r = &queue.waiting[queue.end++ % IN_FLIGHT];

	*r = request_of(varied(3000));
	request_send(fd, r);
}

static void multiplexed(void)
{
	int fd = tag_connect(args.port), poll_fd = watch(fd), left = args.operations;
	struct epoll_event event;

	while (left > 0 || queue.begin != queue.end) {
		size_t n;

		/* Now and then nobody wants anything, and the first of all finds nobody else here.
		 */
		if (left > 0 && queue.end - queue.begin < IN_FLIGHT && varied(3) == 0) {
			enqueue(fd);
			left--;
		}
		if (epoll_wait(poll_fd, &event, 1, TICK_MS) == 0 && queue.begin != queue.end) {
			/* Whoever asked first gives up; its place in the queue stays. */
			truth.cancelled++;
			truth.owed++;
		}
		while ((n = receive(fd, queue.text + queue.have, sizeof(queue.text) - queue.have)))
			take(n);
	}
	close(fd);
}

/* ---- a reader thread, and writers that come and go ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t room = PTHREAD_COND_INITIALIZER;
static int duplex_fd;

static void *reader(void *arg)
{
	while (truth.operations < (uint64_t)args.operations) {
		ssize_t n = recv(duplex_fd, queue.text + queue.have,
				 sizeof(queue.text) - queue.have, 0);

		if (n <= 0)
			client_die("recv");
		pthread_mutex_lock(&lock);
		take(n);
		pthread_cond_broadcast(&room);
		pthread_mutex_unlock(&lock);
	}
	return arg;
}

static void *writer(void *arg)
{
	pthread_mutex_lock(&lock);
	while (queue.end - queue.begin == IN_FLIGHT)
		pthread_cond_wait(&room, &lock);
	enqueue(duplex_fd);
	truth.cancelled++;
	pthread_mutex_unlock(&lock);
	return arg;
}

static void duplex(void)
{
	pthread_t reading, writing;
	int i;

	duplex_fd = tag_connect(args.port);
	if (pthread_create(&reading, NULL, reader, NULL))
		client_die("pthread_create");
	for (i = 0; i < args.operations; i++) {
		if (pthread_create(&writing, NULL, writer, NULL))
			client_die("pthread_create");
		pthread_join(writing, NULL);
		usleep(varied(2000));
	}
	pthread_join(reading, NULL);
	close(duplex_fd);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"port", required_argument, NULL, 'p'},
		{"way", required_argument, NULL, 'w'},
		{"operations", required_argument, NULL, 'n'},
		{0},
	};
	const char *way = "";
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 'p')
			args.port = atoi(optarg);
		else if (opt == 'w')
			way = optarg;
		else if (opt == 'n')
			args.operations = atoi(optarg);
		else
			return 2;
	}
	if (!strcmp(way, "tick"))
		tick();
	else if (!strcmp(way, "multiplexed"))
		multiplexed();
	else if (!strcmp(way, "duplex"))
		duplex();
	else
		return 2;
	truth_print("events");
	return 0;
}
