/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A NDJSON sink on a file in a folder of its own, and a look at what it wrote. */
#ifndef MISPAIR_TEST_SINK_NDJSON_H
#define MISPAIR_TEST_SINK_NDJSON_H

#include <fcntl.h>
#include <json-c/json.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "sink_ndjson.h"

#define MONO 1000000ULL
/* 2026-11-21T08:30:00.123456789Z, the example of the conventions. */
#define WALL 1795249800123456789ULL

struct fixture {
	char dir[32], path[64];
	struct sink *sink;
	char err[256];
	bool tears;   /* a line was torn on purpose */
	bool made_up; /* no program of ours could say that */
};

/*
 * Where MISPAIR_TEST_LINES names a folder, every line that a test wrote is kept there, in a file
 * for each process: the check validates them against the schema.
 */
static inline void keep_lines(const struct fixture *x)
{
	const char *folder = getenv("MISPAIR_TEST_LINES");
	char path[256], *line = NULL;
	size_t room = 0;
	FILE *from, *to;
	struct stat st;
	ssize_t n;

	if (!folder || x->made_up || lstat(x->path, &st) || !S_ISREG(st.st_mode))
		return;
	from = fopen(x->path, "r");
	if (!from)
		return;
	snprintf(path, sizeof(path), "%s/%d.json", folder, (int)getpid());
	to = fopen(path, "a");
	while (to && (n = getline(&line, &room, from)) > 0)
		if (!x->tears || (n > 2 && !strcmp(line + n - 2, "}\n")))
			fputs(line, to);
	free(line);
	if (to)
		fclose(to);
	fclose(from);
}

static inline int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	if (!x)
		return -1;
	strcpy(x->dir, "/tmp/sink_ndjson.XXXXXX");
	if (!mkdtemp(x->dir))
		return -1;
	snprintf(x->path, sizeof(x->path), "%s/out", x->dir);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	*state = x;
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *x = *state;

	if (x->sink)
		x->sink->finish(x->sink->ctx);
	keep_lines(x);
	unlink(x->path);
	rmdir(x->dir);
	free(x);
	return 0;
}

static inline void open_sink(struct fixture *x)
{
	assert_int_equal(sink_ndjson_new(x->path, &x->sink, x->err, sizeof(x->err)), 0);
	sink_ndjson_set_wall_offset(x->sink, WALL - MONO);
}

static inline void close_sink(struct fixture *x)
{
	x->sink->finish(x->sink->ctx);
	x->sink = NULL;
}

/* The whole file, NUL-terminated; the caller frees it. */
static inline char *contents(const char *path)
{
	char *buf = calloc(1, 65536);
	ssize_t n;
	int fd;

	assert_non_null(buf);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	n = read(fd, buf, 65535);
	assert_true(n >= 0);
	close(fd);
	return buf;
}

/* The only line of the file, parsed. */
static inline struct json_object *only_line(struct fixture *x)
{
	char *text = contents(x->path);
	size_t len = strlen(text);
	struct json_object *obj;

	assert_true(len > 1);
	assert_ptr_equal(strchr(text, '\n'), text + len - 1);
	obj = json_tokener_parse(text);
	assert_non_null(obj);
	free(text);
	return obj;
}

static inline const char *str_of(struct json_object *obj, const char *key)
{
	struct json_object *v;

	if (!json_object_object_get_ex(obj, key, &v))
		return NULL;
	return json_object_get_string(v);
}

static inline void full_finding(struct finding *f)
{
	*f = (struct finding){
		.verdict = VERDICT_REUSED,
		.confidence = CONF_CERTAIN,
		.reuse = REUSE_OUTSTANDING,
		.time_ns = MONO,
		.pid = 4242,
		.tid = 4243,
		.comm = "python3",
		.exe_name = "python3.11",
		.container_id = "88df",
		.local_addr = "10.0.0.5",
		.local_port = 41464,
		.peer_addr = "10.0.0.9",
		.peer_port = 6379,
		.protocol = "redis",
		.cookie = 0x7f3a,
		.requests = 812,
		.replies = 811,
		.owed = 1,
		.unread_bytes = 9,
		.cancel = CANCEL_ASYNCIO,
		.evidence = EVIDENCE_PROBE,
		.has_cancel_age = true,
		.cancel_age_ns = 812345,
		.cancel_by = "Task-1",
		.owner_prev = "task 0x7fe446ff3880",
		.owner_next = "task 0x7fe446ff37c0",
		.reason = "because",
		.n_timeline = 2,
		.timeline = {{.what = TL_REQUEST, .bytes = 22, .owner = "a"},
			     {.at_ns = 30100, .what = TL_CANCEL, .owner = "a", .by = "b"}},
	};
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
