// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Correct synchronous clients whose connections go from hand to hand, are given up, or are never
 * answered at all. Whoever asks on a connection finds nothing left on it of those before.
 */
#include <getopt.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>

#include "tag.h"

static struct {
	int port;
	int operations;
	int threads;
	const char *before; /* between the two parts of a request */
} args = {.operations = 400, .threads = 4, .before = "pause"};

static int shared_fd;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local struct reply reply;

static void start(pthread_t *thread, void *(*fn)(void *), void *arg)
{
	errno = pthread_create(thread, NULL, fn, arg);
	if (errno)
		client_die("pthread_create");
}

static void in_a_thread(void *(*fn)(void *), void *arg)
{
	pthread_t thread;

	start(&thread, fn, arg);
	pthread_join(thread, NULL);
}

/* The rest of a reply, however long it takes. */
static void await_reply(int fd)
{
	for (;;) {
		ssize_t n = recv(fd, reply.text + reply.have, sizeof(reply.text) - reply.have, 0);

		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			client_die("recv");
		if (reply_add(&reply, n))
			return;
	}
}

static bool poll_times_out(int fd, int ms)
{
	struct pollfd one = {.fd = fd, .events = POLLIN};

	return poll(&one, 1, ms) == 0;
}

/* ---- one connection, many threads: each asks, reads its answer whole, and ends ---- */

static void *some_exchanges(void *arg)
{
	int i, n = 1 + varied(4);

	for (i = 0; i < n; i++) {
		pthread_mutex_lock(&lock);
		exchange(shared_fd, varied(1000));
		pthread_mutex_unlock(&lock);
	}
	return arg;
}

static void hand_over(void)
{
	pthread_t threads[64];
	int i;

	shared_fd = tag_connect(args.port);
	while (truth.operations < (uint64_t)args.operations) {
		for (i = 0; i < args.threads; i++)
			start(&threads[i], some_exchanges, NULL);
		for (i = 0; i < args.threads; i++)
			pthread_join(threads[i], NULL);
	}
	close(shared_fd);
}

/* ---- one thread sends and is gone, another reads the reply, a third goes on ---- */

static void *send_and_end(void *arg)
{
	request_send(shared_fd, arg);
	return NULL;
}

static void *read_and_end(void *arg)
{
	await_reply(shared_fd);
	reply_judge(&reply, arg);
	return NULL;
}

static void sender_ends(void)
{
	int i;

	shared_fd = tag_connect(args.port);
	for (i = 0; i < args.operations; i++) {
		/* Some are slower than any grace for a reply that nobody seems to wait for. */
		struct request r = request_of(i % 50 == 25 ? 150000 : varied(3000));
		pthread_t reader;

		start(&reader, read_and_end, &r);
		in_a_thread(send_and_end, &r);
		truth.cancelled++;
		pthread_join(reader, NULL);
	}
	close(shared_fd);
}

/* ---- the wait times out, the connection is drained before it is used again ---- */

static void *drain(void *arg)
{
	await_reply(shared_fd);
	reply_judge(&reply, arg);
	return NULL;
}

static void drained(bool by_another)
{
	int i;

	shared_fd = tag_connect(args.port);
	for (i = 0; i < args.operations; i++) {
		struct request r = request_of(2000 + varied(6000));

		request_send(shared_fd, &r);
		if (poll_times_out(shared_fd, 1 + varied(3))) {
			truth.cancelled++;
			truth.owed++;
		}
		if (by_another)
			in_a_thread(drain, &r);
		else
			drain(&r);
		exchange(shared_fd, 0);
	}
	close(shared_fd);
}

/* ---- the wait ends and the connection is closed; the next one gets the same descriptor ---- */

static _Thread_local sigjmp_buf give_up;

static void jump(int signal)
{
	(void)signal;
	siglongjmp(give_up, 1);
}

static void arm(long us)
{
	struct itimerspec when = {.it_value.tv_nsec = us * 1000};
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
	static timer_t timer;
	static bool made;

	if (!made && timer_create(CLOCK_MONOTONIC, &event, &timer))
		client_die("timer_create");
	made = true;
	if (timer_settime(timer, 0, &when, NULL))
		client_die("timer_settime");
}

/* True when the reply came in time. */
static bool wait_briefly(int fd, const char *how)
{
	struct timeval limit = {.tv_usec = 1000 + varied(2000)};
	ssize_t n;

	if (!strcmp(how, "poll"))
		return !poll_times_out(fd, 1 + varied(2));
	if (!strcmp(how, "rcvtimeo")) {
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
		n = recv(fd, reply.text, sizeof(reply.text), MSG_PEEK);
		return n > 0;
	}
	if (sigsetjmp(give_up, 1))
		return false;
	arm(limit.tv_usec);
	n = recv(fd, reply.text, sizeof(reply.text), MSG_PEEK);
	arm(0);
	return n > 0;
}

static void closed(const char *how)
{
	struct sigaction action = {.sa_handler = jump};
	int fd = tag_connect(args.port), first = fd, i;

	sigaction(SIGALRM, &action, NULL);
	for (i = 0; i < args.operations; i++) {
		struct request r = request_of(varied(strcmp(how, "rcvtimeo") ? 8000 : 20000));

		request_send(fd, &r);
		if (wait_briefly(fd, how)) {
			await_reply(fd);
			reply_judge(&reply, &r);
			continue;
		}
		truth.operations++;
		truth.cancelled++;
		truth.owed++;
		close(fd);
		fd = tag_connect(args.port);
		if (fd != first) {
			errno = EBADF;
			client_die("the descriptor is another");
		}
		exchange(fd, 0);
	}
	close(fd);
}

/* ---- a thread that waits is cancelled, and its clean-up closes the connection ---- */

static void close_it(void *fd)
{
	close(*(int *)fd);
}

static void *wait_for_ever(void *arg)
{
	struct request r = request_of(1000000);
	int fd = tag_connect(args.port);

	pthread_cleanup_push(close_it, &fd);
	exchange(fd, 0);
	request_send(fd, &r);
	*(_Atomic bool *)arg = true;
	await_reply(fd);
	pthread_cleanup_pop(1);
	return NULL;
}

static void thread_cancelled(void)
{
	int i;

	for (i = 0; i < args.operations; i++) {
		_Atomic bool asked = false;
		pthread_t thread;

		start(&thread, wait_for_ever, &asked);
		while (!asked)
			usleep(50);
		usleep(varied(500));
		pthread_cancel(thread);
		pthread_join(thread, NULL);
		truth.operations++;
		truth.cancelled++;
		truth.owed++;
	}
}

/* ---- requests that are never answered, as statsd's; whoever sends them comes and goes ---- */

static void *forget_some(void *arg)
{
	int i;

	for (i = 0; i < 10; i++) {
		char text[64];

		client_send(shared_fd, text,
			    snprintf(text, sizeof(text), "!count:%d|c\n", ++last_tag));
		truth.operations++;
		if (varied(3) == 0 && poll_times_out(shared_fd, 1))
			truth.cancelled++;
	}
	return arg;
}

static void forget(void)
{
	shared_fd = tag_connect(args.port);
	while (truth.operations < (uint64_t)args.operations) {
		if (varied(2))
			in_a_thread(forget_some, NULL);
		else
			forget_some(NULL);
	}
	close(shared_fd);
}

/* ---- memcached's noreply: some requests are answered and some never ---- */

static void *noreply(void *arg)
{
	int i, n = 1 + varied(3);

	for (i = 0; i < n; i++) {
		char text[64];

		client_send(shared_fd, text, snprintf(text, sizeof(text), "!set%d\n", ++last_tag));
		truth.operations++;
	}
	return arg;
}

static void unanswered(bool dying)
{
	int i;

	shared_fd = tag_connect(args.port);
	for (i = 0; i < args.operations; i++) {
		if (dying)
			in_a_thread(noreply, NULL);
		else
			noreply(NULL);
		/* Whoever looks here for an early error waits in vain. */
		truth.cancelled += poll_times_out(shared_fd, 1);
		exchange(shared_fd, varied(500));
	}
	close(shared_fd);
}

/* ---- a request in two parts, and something between them ---- */

struct parts {
	struct request r;
	char text[128];
	size_t len;
};

static void *first_part(void *arg)
{
	const struct parts *parts = arg;

	client_send(shared_fd, parts->text, 1);
	return NULL;
}

static void ignore(int signal)
{
	(void)signal;
}

static void between(void)
{
	struct timeval limit = {.tv_usec = 1000};
	char byte;

	if (!strcmp(args.before, "poll")) {
		truth.cancelled += poll_times_out(shared_fd, 1);
	} else if (!strcmp(args.before, "rcvtimeo")) {
		setsockopt(shared_fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
		truth.cancelled += recv(shared_fd, &byte, 1, MSG_PEEK) < 0;
	} else if (!strcmp(args.before, "probe")) {
		truth.cancelled += recv(shared_fd, &byte, 1, MSG_DONTWAIT) < 0;
	} else if (!strcmp(args.before, "signal")) {
		struct pollfd one = {.fd = shared_fd, .events = POLLIN};

		arm(500 + varied(500));
		truth.cancelled += poll(&one, 1, 20) < 0;
	} else {
		usleep(varied(2000));
	}
}

static void two_parts(void)
{
	struct sigaction action = {.sa_handler = ignore};
	int i;

	sigaction(SIGALRM, &action, NULL);
	shared_fd = tag_connect(args.port);
	for (i = 0; i < args.operations; i++) {
		struct parts parts = {.r = request_of(varied(300))};

		parts.len = request_text(parts.text, &parts.r);
		if (!strcmp(args.before, "thread")) {
			in_a_thread(first_part, &parts);
			truth.cancelled++;
		} else {
			first_part(&parts);
			between();
		}
		client_send(shared_fd, parts.text + 1, parts.len - 1);
		await_reply(shared_fd);
		reply_judge(&reply, &parts.r);
	}
	close(shared_fd);
}

/* ---- */

static void run(const char *way)
{
	if (!strcmp(way, "hand-over"))
		hand_over();
	else if (!strcmp(way, "sender-ends"))
		sender_ends();
	else if (!strcmp(way, "drained"))
		drained(false);
	else if (!strcmp(way, "drained-by-another"))
		drained(true);
	else if (!strncmp(way, "closed-", 7))
		closed(way + 7);
	else if (!strcmp(way, "thread-cancelled"))
		thread_cancelled();
	else if (!strcmp(way, "forget"))
		forget();
	else if (!strcmp(way, "unanswered"))
		unanswered(false);
	else if (!strcmp(way, "unanswered-thread-ends"))
		unanswered(true);
	else if (!strcmp(way, "two-parts"))
		two_parts();
	else
		exit(2);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"port", required_argument, NULL, 'p'},
		{"way", required_argument, NULL, 'w'},
		{"operations", required_argument, NULL, 'n'},
		{"threads", required_argument, NULL, 't'},
		{"between", required_argument, NULL, 'b'},
		{0},
	};
	const char *way = "";
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case 'p':
			args.port = atoi(optarg);
			break;
		case 'w':
			way = optarg;
			break;
		case 'n':
			args.operations = atoi(optarg);
			break;
		case 't':
			args.threads = atoi(optarg);
			break;
		case 'b':
			args.before = optarg;
			break;
		default:
			return 2;
		}
	}
	if (args.threads < 1 || args.threads > 64)
		return 2;
	run(way);
	truth_print("hands");
	return 0;
}
