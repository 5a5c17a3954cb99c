// SPDX-License-Identifier: GPL-2.0-or-later
// link: -lhiredis
/*
 * hiredis used as it should be: after a time-out the context has an error that stays, so it is
 * freed and a new one is made; and pipelines of several commands, appended first and read later.
 */
#include <getopt.h>
#include <hiredis/hiredis.h>
#include <poll.h>

#include "tag.h"

#define DEPTH 8

static int port;

static redisContext *contact(bool hurried)
{
	struct timeval limit = {.tv_usec = hurried ? 4000 : 0, .tv_sec = hurried ? 0 : 5};
	redisContext *c = redisConnect("127.0.0.1", port);

	if (!c || c->err || redisSetTimeout(c, limit))
		client_die("redisConnect");
	return c;
}

static void judge(const redisReply *reply, uint32_t tag)
{
	char text[32];

	snprintf(text, sizeof(text), "t%u", tag);
	truth.operations++;
	truth.wrong += !reply || reply->type != REDIS_REPLY_STRING || strcmp(reply->str, text);
}

static void give_up(void)
{
	truth.operations++;
	truth.cancelled++;
	truth.owed++;
}

static void timeouts(int operations)
{
	redisContext *c = contact(true);
	int i;

	for (i = 0; i < operations; i++) {
		uint32_t tag = ++last_tag;
		redisReply *reply = redisCommand(c, "ECHO t%u", tag);

		if (reply) {
			judge(reply, tag);
			freeReplyObject(reply);
			/* Some are answered too late, and some never. */
			reply = redisCommand(c, "BLPOP never-%u %s", tag, i % 2 ? "0.01" : "0");
		}
		if (reply) {
			freeReplyObject(reply);
			continue;
		}
		give_up();
		/* Whatever is asked now fails: the error stays. */
		if (redisCommand(c, "ECHO t%u", ++last_tag))
			truth.wrong++;
		redisFree(c);
		c = contact(true);
	}
	redisFree(c);
}

static void pipelines(int operations, bool impatient)
{
	redisContext *c = contact(false);
	struct pollfd one = {.fd = c->fd, .events = POLLIN};
	int round, i;

	for (round = 0; round * DEPTH < operations; round++) {
		uint32_t tags[DEPTH];
		int done = 0;

		if (impatient)
			redisAppendCommand(c, "DEBUG SLEEP 0.003");
		for (i = 0; i < DEPTH; i++) {
			tags[i] = ++last_tag;
			redisAppendCommand(c, "ECHO t%u", tags[i]);
		}
		while (!done)
			if (redisBufferWrite(c, &done))
				client_die("redisBufferWrite");
		while (impatient && poll(&one, 1, 1) == 0)
			truth.cancelled++;
		for (i = impatient ? -1 : 0; i < DEPTH; i++) {
			redisReply *reply;

			if (redisGetReply(c, (void **)&reply))
				client_die("redisGetReply");
			if (i >= 0)
				judge(reply, tags[i]);
			freeReplyObject(reply);
		}
	}
	redisFree(c);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"port", required_argument, NULL, 'p'},
		{"way", required_argument, NULL, 'w'},
		{"operations", required_argument, NULL, 'n'},
		{0},
	};
	const char *way = "timeouts";
	int operations = 400, opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 'p')
			port = atoi(optarg);
		else if (opt == 'w')
			way = optarg;
		else if (opt == 'n')
			operations = atoi(optarg);
		else
			return 2;
	}
	if (!strcmp(way, "timeouts"))
		timeouts(operations);
	else
		pipelines(operations, !strcmp(way, "impatient"));
	truth_print("correct_hiredis");
	return 0;
}
