/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the C clients of tag_server share: tagged requests, their check, and the counts of truth.
 * The counts are shared by threads.
 */
#ifndef TAG_H
#define TAG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

#include "client.h"

struct truth {
	_Atomic uint64_t operations;
	_Atomic uint64_t cancelled; /* operations whose wait was given up or interrupted */
	_Atomic uint64_t owed;	    /* of these, how many were given up with their reply owed */
	_Atomic uint64_t wrong;
};

static struct truth truth;
static _Atomic uint32_t last_tag;

struct request {
	uint32_t tag;
	uint32_t delay_us;
	uint32_t size;
	uint32_t pieces;
	uint32_t gap_us;
};

/* Different on each thread, the same in each run. */
static inline uint32_t varied(uint32_t below)
{
	static _Thread_local uint64_t state;
	static _Atomic uint32_t seeds;

	if (!state)
		state = ++seeds * 0x9e3779b97f4a7c15u;
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(state >> 33) % below;
}

static inline struct request request_of(uint32_t delay_us)
{
	return (struct request){.tag = ++last_tag, .delay_us = delay_us, .pieces = 1};
}

static inline size_t request_text(char to[128], const struct request *r)
{
	return snprintf(to, 128, "t%u %u %u %u %u\n", r->tag, r->delay_us, r->size, r->pieces,
			r->gap_us);
}

static inline void request_send(int fd, const struct request *r)
{
	char text[128];

	client_send(fd, text, request_text(text, r));
}

/* A reply as it grows. */
struct reply {
	size_t have;
	char text[1 << 16];
};

/* Adds what recv() gave. Is the reply whole? More than one reply in it would be a mix-up. */
static inline bool reply_add(struct reply *reply, size_t n)
{
	reply->have += n;
	if (reply->have >= sizeof(reply->text)) {
		errno = EMSGSIZE;
		client_die("reply");
	}
	return reply->text[reply->have - 1] == '\n';
}

static inline void reply_judge(struct reply *reply, const struct request *r)
{
	char tag[32];
	size_t len = snprintf(tag, sizeof(tag), "t%u", r->tag);
	bool good = reply->have > len && !memcmp(reply->text, tag, len) &&
		    (reply->text[len] == '.' || reply->text[len] == '\n') &&
		    memchr(reply->text, '\n', reply->have) == reply->text + reply->have - 1;

	truth.wrong += !good;
	truth.operations++;
	reply->have = 0;
}

/* An operation of which nothing special is expected. */
static inline void exchange(int fd, uint32_t delay_us)
{
	struct request r = request_of(delay_us);
	static _Thread_local struct reply reply;

	request_send(fd, &r);
	for (;;) {
		ssize_t n = recv(fd, reply.text + reply.have, sizeof(reply.text) - reply.have, 0);

		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			client_die("recv");
		if (reply_add(&reply, n))
			break;
	}
	reply_judge(&reply, &r);
}

static inline int tag_connect(int port)
{
	struct where where = {.v4_port = port};

	return client_connect(AF_INET, &where);
}

static inline void truth_print(const char *workload)
{
	printf("{\"workload\": \"%s\", \"pid\": %d, \"operations\": %ju, \"cancelled\": %ju, "
	       "\"cancelled_owed\": %ju, \"wrong\": %ju, \"connections\": {}}\n",
	       workload, getpid(), (uintmax_t)truth.operations, (uintmax_t)truth.cancelled,
	       (uintmax_t)truth.owed, (uintmax_t)truth.wrong);
	fflush(stdout);
}

#endif
