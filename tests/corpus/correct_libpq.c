// SPDX-License-Identifier: GPL-2.0-or-later
// link: -lpq
/*
 * libpq used as it should be: pipeline mode, and a wait that times out, then CancelRequest on a
 * second connection, then all results of the first one read to the end.
 */
#include <getopt.h>
#include <poll.h>
#include <postgresql/libpq-fe.h>

#include "tag.h"

#define DEPTH 8

static void judge(const PGresult *result, uint32_t tag)
{
	char text[32];

	snprintf(text, sizeof(text), "t%u", tag);
	truth.operations++;
	truth.wrong += PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1 ||
		       strcmp(PQgetvalue(result, 0, 0), text) != 0;
}

static void fail(PGconn *c)
{
	fprintf(stderr, "correct_libpq: %s", PQerrorMessage(c));
	exit(1);
}

static void await(PGconn *c)
{
	struct pollfd one = {.fd = PQsocket(c), .events = POLLIN};

	while (PQisBusy(c)) {
		if (poll(&one, 1, 1) == 0)
			truth.cancelled++;
		else if (!PQconsumeInput(c))
			fail(c);
	}
}

static void pipelines(PGconn *c, int operations)
{
	int round, i;

	if (!PQenterPipelineMode(c))
		fail(c);
	for (round = 0; round * DEPTH < operations; round++) {
		uint32_t tags[DEPTH];

		for (i = 0; i < DEPTH; i++) {
			char text[64];

			tags[i] = ++last_tag;
			snprintf(text, sizeof(text), "SELECT 't%u'%s", tags[i],
				 i == 3 ? ", pg_sleep(0.002)" : "");
			if (!PQsendQueryParams(c, text, 0, NULL, NULL, NULL, NULL, 0) || PQflush(c))
				fail(c);
		}
		if (!PQpipelineSync(c))
			fail(c);
		for (i = 0; i <= DEPTH; i++) {
			PGresult *result;

			await(c);
			result = PQgetResult(c);
			if (i < DEPTH) {
				judge(result, tags[i]);
				PQclear(result);
				result = PQgetResult(c); /* the end of this one */
			}
			PQclear(result);
		}
	}
}

/* CancelRequest can come too late: then there is a good answer, or the next statement fails. */
static void finish(PGconn *c, uint32_t tag, bool was_cancelled)
{
	PGresult *result;

	while ((result = PQgetResult(c))) {
		const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

		if (!was_cancelled || !state || strcmp(state, "57014") != 0)
			judge(result, tag);
		else
			truth.operations++;
		PQclear(result);
	}
}

static void cancels(PGconn *c, int operations)
{
	struct pollfd one = {.fd = PQsocket(c), .events = POLLIN};
	char text[64], why[256];
	int i;

	for (i = 0; i < operations; i++) {
		PGcancel *cancel = PQgetCancel(c);
		bool late;

		snprintf(text, sizeof(text), "SELECT 't%u', pg_sleep(%f)", ++last_tag,
			 varied(8000) / 1e6);
		if (!PQsendQuery(c, text))
			fail(c);
		late = poll(&one, 1, 1 + varied(3)) == 0;
		if (late) {
			truth.cancelled++;
			truth.owed++;
			if (!PQcancel(cancel, why, sizeof(why)))
				client_die(why);
		}
		PQfreeCancel(cancel);
		finish(c, last_tag, late);
		snprintf(text, sizeof(text), "SELECT 't%u'", ++last_tag);
		if (!PQsendQuery(c, text))
			fail(c);
		finish(c, last_tag, late);
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"port", required_argument, NULL, 'p'},
		{"way", required_argument, NULL, 'w'},
		{"operations", required_argument, NULL, 'n'},
		{0},
	};
	const char *way = "", *port = "";
	int operations = 400, opt;
	char where[128];
	PGconn *c;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 'p')
			port = optarg;
		else if (opt == 'w')
			way = optarg;
		else if (opt == 'n')
			operations = atoi(optarg);
		else
			return 2;
	}
	snprintf(where, sizeof(where), "host=127.0.0.1 port=%s user=corpus dbname=postgres", port);
	c = PQconnectdb(where);
	if (PQstatus(c) != CONNECTION_OK)
		fail(c);
	if (!strcmp(way, "pipelines"))
		pipelines(c, operations);
	else
		cancels(c, operations);
	PQfinish(c);
	truth_print("correct_libpq");
	return 0;
}
