// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A pool whose callers are told by a function of the program itself that their wait is over. The
 * kernel sees nothing of it: the thread waits on a semaphore and lives on.
 *
 * --way keep       the caller puts the connection back, and another thread uses it
 * --way close      the caller closes the connection
 * --way goes-on    the caller is told, reads its reply all the same, then puts the connection back
 * --way interrupt  as keep, after a poll that times out; with --library its JVM_Interrupt() is
 * called in the function's place
 *
 * The function has the thread's number and its pthread_t, and two USDT probes. The server is
 * tag_server.
 */
// link: -ldl
#include <dlfcn.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/sdt.h>

#include "truth.h"

enum { CALLERS = 2 };

struct caller {
	pthread_t thread;
	pid_t tid;
	sem_t work, begun, over, done;
	struct connection *connection;
	int lag_ms;	 /* of the reply */
	bool given_up;	 /* it will be told to stop waiting */
	bool reads_late; /* ... and does not */
};

struct connection {
	int fd;
	struct truth *truth;
};

static struct caller callers[CALLERS];
static struct options options;
static void (*interrupt)(void *env, void *thread);
static unsigned int tag;

/* What a library would have for this: somebody ends the wait of a thread. */
__attribute__((noinline)) void give_up(int tid, pthread_t thread)
{
	DTRACE_PROBE2(giveup, told, tid, thread);
	__asm__ volatile("" : : "r"(tid), "r"(thread) : "memory");
}

/* The thread itself ends its wait. */
__attribute__((noinline)) void abandon(void)
{
	DTRACE_PROBE(giveup, abandon);
	__asm__ volatile("" : : : "memory");
}

static void ask(const struct connection *c, char request[64], int lag_ms)
{
	char line[96];

	snprintf(request, 64, "tag-%u", ++tag);
	snprintf(line, sizeof(line), "%s %d\n", request, lag_ms * 1000);
	client_send(c->fd, line, strlen(line));
}

static void read_answer(const struct connection *c, const char *request)
{
	char line[128];
	size_t have = 0;

	do {
		if (have == sizeof(line) || recv(c->fd, line + have, 1, 0) != 1)
			client_die("recv");
	} while (line[have++] != '\n');
	line[have - 1] = 0;
	truth_judge(c->truth, !strcmp(line, request));
}

static void exchange(struct caller *me)
{
	struct connection *c = me->connection;
	char request[64];

	truth_before_send(c->truth);
	ask(c, request, me->lag_ms);
	if (!me->given_up) {
		read_answer(c, request);
		return;
	}
	sem_post(&me->begun);
	while (sem_wait(&me->over) && errno == EINTR)
		;
	/* Shorter than any lag that is left; on a slow machine the reply may come first. */
	if (!strcmp(options.way, "interrupt"))
		me->reads_late = poll(&(struct pollfd){.fd = c->fd, .events = POLLIN}, 1, 5) == 1;
	if (me->reads_late) {
		read_answer(c, request);
		return;
	}
	abandon();
	truth_abandoned(c->truth);
	if (!strcmp(options.way, "close")) {
		c->truth->owed = false;
		c->truth->closed = true;
		close(c->fd);
	}
}

static void *call(void *arg)
{
	struct caller *me = arg;

	me->tid = gettid();
	sem_post(&me->begun);
	for (;;) {
		while (sem_wait(&me->work) && errno == EINTR)
			;
		if (!me->connection)
			return NULL;
		exchange(me);
		sem_post(&me->done);
	}
}

static void start(struct caller *c, struct connection *on, int lag_ms, bool given_up)
{
	c->connection = on;
	c->lag_ms = lag_ms;
	c->given_up = given_up;
	c->reads_late = !strcmp(options.way, "goes-on");
	sem_post(&c->work);
}

static void finish(struct caller *c)
{
	while (sem_wait(&c->done) && errno == EINTR)
		;
}

static void whole(struct caller *c, struct connection *on)
{
	start(c, on, 0, false);
	finish(c);
}

static struct connection open_connection(void)
{
	struct where where = {.v4_port = options.port};
	struct connection c = {.fd = client_connect(AF_INET, &where)};

	c.truth = truth_about(c.fd);
	return c;
}

static void one_round(unsigned int *seed)
{
	struct timing t = truth_timing(&options, seed);
	struct connection wronged = open_connection(), clean = open_connection();
	int i, followers = truth_between(seed, 1, 3);

	for (i = 0; i < t.clean; i++)
		whole(&callers[0], &wronged);
	whole(&callers[1], &clean);
	start(&callers[0], &wronged, t.lag, true);
	while (sem_wait(&callers[0].begun) && errno == EINTR)
		;
	truth_sleep(t.limit);
	if (interrupt)
		interrupt(NULL, &callers[0]);
	else
		give_up(callers[0].tid, callers[0].thread);
	sem_post(&callers[0].over);
	finish(&callers[0]);
	truth_sleep(t.gap);
	if (wronged.truth->closed)
		wronged = open_connection();
	for (i = 0; i < followers; i++)
		whole(&callers[1], &wronged);
	whole(&callers[1], &clean);
}

static void load(const char *library)
{
	void *handle = dlopen(library, RTLD_NOW);

	interrupt = handle ? (void (*)(void *, void *))dlsym(handle, "JVM_Interrupt") : NULL;
	if (!interrupt) {
		fprintf(stderr, "giveup: %s\n", dlerror());
		exit(1);
	}
}

int main(int argc, char **argv)
{
	unsigned int seed;
	int i;

	/* The other options are every C workload's. */
	if (argc > 2 && !strcmp(argv[1], "--library")) {
		load(argv[2]);
		argv[2] = argv[0];
		argv += 2;
		argc -= 2;
	}
	options = truth_options(argc, argv);
	seed = options.seed;
	for (i = 0; i < CALLERS; i++) {
		struct caller *c = &callers[i];

		sem_init(&c->work, 0, 0);
		sem_init(&c->begun, 0, 0);
		sem_init(&c->over, 0, 0);
		sem_init(&c->done, 0, 0);
		if (pthread_create(&c->thread, NULL, call, c))
			client_die("pthread_create");
		while (sem_wait(&c->begun) && errno == EINTR)
			;
	}
	for (i = 0; i < options.timings; i++)
		one_round(&seed);
	truth_sleep(500); /* as pools rest */
	truth_print("giveup");
	return 0;
}
