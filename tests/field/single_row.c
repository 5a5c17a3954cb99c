// SPDX-License-Identifier: GPL-2.0-or-later
// link: -lpq
/*
 * libpq in single-row mode, left early: each connection makes small queries, takes a few rows of a
 * large result, waits until more of it lies in the socket, and closes. The last line of output is
 * what farewell.py's is.
 */
#include <getopt.h>
#include <postgresql/libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define WARM	   12
#define TAKEN	   3
#define ARRIVES_MS 5000
#define STILL_MS   5

static struct {
	int exchanges, failed, asked, unread;
} count;

static int fail(PGconn *c, const char *where)
{
	fprintf(stderr, "single_row: %s: %s\n", where, PQerrorMessage(c));
	count.failed++;
	PQfinish(c);
	return -1;
}

static int small(PGconn *c, int number)
{
	char text[32];
	PGresult *result;
	int right;

	snprintf(text, sizeof(text), "SELECT 'tag%d'", number);
	result = PQexec(c, text);
	snprintf(text, sizeof(text), "tag%d", number);
	right = PQresultStatus(result) == PGRES_TUPLES_OK &&
		strcmp(PQgetvalue(result, 0, 0), text) == 0;
	PQclear(result);
	count.asked++;
	return right ? 0 : -1;
}

/* Does some of the result lie in the socket? Waits until no more comes. */
static int lies_unread(PGconn *c)
{
	int size = 0, before = 0, ms;

	for (ms = 0; ms < ARRIVES_MS; ms += STILL_MS) {
		if (ioctl(PQsocket(c), FIONREAD, &size) < 0)
			return 0;
		if (size && size == before)
			return 1;
		before = size;
		usleep(STILL_MS * 1000);
	}
	return before > 0;
}

static int farewell(const char *where)
{
	PGconn *c = PQconnectdb(where);
	int i;

	if (PQstatus(c) != CONNECTION_OK)
		return fail(c, "connect");
	for (i = 0; i < WARM; i++)
		if (small(c, i) < 0)
			return fail(c, "a small query");
	count.asked++;
	if (!PQsendQuery(c, "SELECT repeat('x', 1000) FROM generate_series(1, 5000)") ||
	    !PQsetSingleRowMode(c))
		return fail(c, "the large query");
	for (i = 0; i < TAKEN; i++) {
		PGresult *result = PQgetResult(c);
		int one_row = PQresultStatus(result) == PGRES_SINGLE_TUPLE;

		PQclear(result);
		if (!one_row)
			return fail(c, "a row");
	}
	count.unread += lies_unread(c);
	PQfinish(c);
	count.exchanges++;
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"port", 1, NULL, 'p'},
						{"connections", 1, NULL, 'n'},
						{"parallel", 1, NULL, 'j'},
						{NULL, 0, NULL, 0}};
	int connections = 20, port = 0, opt;
	char where[128];

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 'p')
			port = atoi(optarg);
		else if (opt == 'n')
			connections = atoi(optarg);
		else if (opt != 'j') /* one after the other */
			return 2;
	}
	snprintf(where, sizeof(where),
		 "host=127.0.0.1 port=%d user=corpus dbname=postgres sslmode=disable "
		 "gssencmode=disable",
		 port);
	while (connections-- > 0)
		farewell(where);
	printf("{\"workload\": \"single_row\", \"pid\": %d, \"exchanges\": %d, \"ended_early\": "
	       "%d, "
	       "\"failed\": %d, \"asked\": %d, \"unread\": %d}\n",
	       getpid(), count.exchanges, count.exchanges, count.failed, count.asked, count.unread);
	return 0;
}
