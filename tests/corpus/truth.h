/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the C workloads with a pool of their own share: options, varied timings, what is true about
 * each connection, and the line of JSON that tells it (judge.py reads it).
 */
#ifndef TRUTH_H
#define TRUTH_H

#include <getopt.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <time.h>

#include "client.h"

#define TRUTH_MAX 1024

struct truth {
	int fd;
	int port; /* 0 for a Unix socket, which has a cookie instead */
	uint64_t cookie;
	unsigned int operations, wrong, abandoned;
	unsigned int unread, outstanding; /* reuses, by where the old reply was */
	unsigned int merged; /* reads that took more than one reply: the rest lies in our buffer */
	bool owed;
	bool closed;
};

static struct truth truth_all[TRUTH_MAX];
static int truth_count;

struct options {
	int port;
	const char *unix_path;
	const char *way;
	bool late;
	unsigned int seed;
	int timings;
	int threads; /* at most 64 */
	bool merged; /* the late reply and the next one are to come together */
};

static inline struct options truth_options(int argc, char **argv)
{
	static const struct option known[] = {
		{"port", required_argument, NULL, 'p'},
		{"unix", required_argument, NULL, 'u'},
		{"way", required_argument, NULL, 'w'},
		{"order", required_argument, NULL, 'o'},
		{"seed", required_argument, NULL, 's'},
		{"timings", required_argument, NULL, 't'},
		{"threads", required_argument, NULL, 'n'},
		{"merged", no_argument, NULL, 'm'},
		{NULL, 0, NULL, 0},
	};
	struct options o = {.way = "", .seed = 1, .timings = 20};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (c == 'p')
			o.port = atoi(optarg);
		else if (c == 'u')
			o.unix_path = optarg;
		else if (c == 'w')
			o.way = optarg;
		else if (c == 'o')
			o.late = !strcmp(optarg, "late");
		else if (c == 's')
			o.seed = atoi(optarg);
		else if (c == 't')
			o.timings = atoi(optarg);
		else if (c == 'n')
			o.threads = atoi(optarg);
		else if (c == 'm')
			o.merged = true;
		else
			exit(2);
	}
	if (o.threads > 64 || (!o.port && !o.unix_path) || optind != argc) {
		fprintf(stderr, "usage: %s --port N | --unix PATH [--way W] [--order early|late]\n",
			program_invocation_short_name);
		exit(2);
	}
	return o;
}

static inline void truth_sleep(int ms)
{
	struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

	while (ms > 0 && nanosleep(&left, &left) && errno == EINTR)
		;
}

static inline struct truth *truth_about(int fd)
{
	struct truth *t = &truth_all[truth_count++];
	socklen_t len = sizeof(t->cookie);

	if (truth_count == TRUTH_MAX) {
		fprintf(stderr, "%s: too many connections\n", program_invocation_short_name);
		exit(1);
	}
	t->fd = fd;
	t->port = client_port(fd);
	if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &t->cookie, &len))
		client_die("SO_COOKIE");
	return t;
}

/* Before each request. Was a reply owed, and where is it now? */
static inline void truth_before_send(struct truth *t)
{
	int queued = 0;

	t->operations++;
	if (!t->owed)
		return;
	t->owed = false;
	if (ioctl(t->fd, FIONREAD, &queued))
		client_die("FIONREAD");
	if (queued)
		t->unread++;
	else
		t->outstanding++;
}

static inline void truth_abandoned(struct truth *t)
{
	t->abandoned++;
	t->owed = true;
}

static inline void truth_judge(struct truth *t, bool right)
{
	t->wrong += !right;
}

/* A pool outlives its last call: what its connections hold has the time to arrive, and rests. */
#define TRUTH_REST_MS 500

static inline void truth_print(const char *workload)
{
	unsigned int operations = 0, abandoned = 0, wrong = 0;
	int i;

	truth_sleep(TRUTH_REST_MS);

	for (i = 0; i < truth_count; i++) {
		operations += truth_all[i].operations;
		abandoned += truth_all[i].abandoned;
		wrong += truth_all[i].wrong;
	}
	printf("{\"workload\": \"%s\", \"pid\": %d, \"operations\": %u, \"cancelled\": %u, "
	       "\"cancelled_owed\": %u, \"wrong\": %u, \"connections\": {",
	       workload, getpid(), operations, abandoned, abandoned, wrong);
	for (i = 0; i < truth_count; i++) {
		const struct truth *t = &truth_all[i];

		printf(i ? ", \"" : "\"");
		if (t->port)
			printf("%d", t->port);
		else
			printf("cookie:%llx", (unsigned long long)t->cookie);
		printf("\": {\"wrong\": %u, \"closed\": %s, \"abandoned\": %u, "
		       "\"merged\": %u, \"reuse\": {\"unread\": %u, \"outstanding\": %u}}",
		       t->wrong, t->closed ? "true" : "false", t->abandoned, t->merged, t->unread,
		       t->outstanding);
	}
	printf("}}\n");
	fflush(stdout);
}

/* The timings of one round, varied by the seed; all in milliseconds. */
struct timing {
	int clean; /* exchanges before */
	int lag;   /* of the reply that is given up */
	int limit; /* how long its owner waits */
	int gap;   /* from the giving up to the reuse */
};

static inline int truth_between(unsigned int *seed, int low, int high)
{
	return low + (int)(rand_r(seed) % (unsigned int)(high - low + 1));
}

static inline struct timing truth_timing(const struct options *o, unsigned int *seed)
{
	struct timing t = {
		.clean = truth_between(seed, 0, 3),
		.lag = truth_between(seed, 30, 60),
		.limit = truth_between(seed, 2, 10),
	};

	t.gap = o->late ? t.lag - t.limit + truth_between(seed, 10, 30)
			: truth_between(seed, 0, t.lag / 3);
	return t;
}

#endif
