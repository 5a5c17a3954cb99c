// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * NDJSON when things fail: a line is whole or missing, what is missing is counted, nothing else
 * suffers.
 *
 * The json-c functions that the sink calls are defined here too, in front of the library's, so
 * that each of them can be made to fail. That needs json-c as a shared library.
 */
#include <dlfcn.h>
#include <errno.h>
#include <sys/resource.h>

#include "sink_ndjson_fixture.h"

/* ---- json-c that fails on demand ---- */

static int fail_at; /* the how manieth call from now fails; 0: none */

static bool must_fail(void)
{
	return fail_at && !--fail_at;
}

#define REAL(name) ((__typeof__(&(name)))dlsym(RTLD_NEXT, #name))

struct json_object *json_object_new_object(void)
{
	return must_fail() ? NULL : REAL(json_object_new_object)();
}

struct json_object *json_object_new_array(void)
{
	return must_fail() ? NULL : REAL(json_object_new_array)();
}

struct json_object *json_object_new_string_len(const char *s, const int len)
{
	return must_fail() ? NULL : REAL(json_object_new_string_len)(s, len);
}

struct json_object *json_object_new_uint64(uint64_t i)
{
	return must_fail() ? NULL : REAL(json_object_new_uint64)(i);
}

struct json_object *json_object_new_boolean(json_bool b)
{
	return must_fail() ? NULL : REAL(json_object_new_boolean)(b);
}

int json_object_object_add(struct json_object *obj, const char *const key,
			   struct json_object *const val)
{
	return must_fail() ? -1 : REAL(json_object_object_add)(obj, key, val);
}

int json_object_array_add(struct json_object *obj, struct json_object *val)
{
	return must_fail() ? -1 : REAL(json_object_array_add)(obj, val);
}

const char *json_object_to_json_string_length(struct json_object *obj, int flags, size_t *length)
{
	return must_fail() ? NULL : REAL(json_object_to_json_string_length)(obj, flags, length);
}

/* ---- devices that fail ---- */

static void a_full_device_costs_lines_and_nothing_else(void **state)
{
	struct fixture *x = *state;
	struct finding f;

	full_finding(&f);
	assert_int_equal(sink_ndjson_new("/dev/full", &x->sink, x->err, sizeof(x->err)), 0);
	x->sink->finding(x->sink->ctx, &f);
	x->sink->finding(x->sink->ctx, &f);
	x->sink->lost(x->sink->ctx, MONO, LOSS_SINK, 2, 2);
	assert_int_equal(x->sink->failures(x->sink->ctx), 3);
	assert_false(sink_ndjson_closed(x->sink));
}

static void a_torn_line_does_not_spoil_the_next(void **state)
{
	struct rlimit old, small;
	struct fixture *x = *state;
	struct json_object *obj;
	char *text, *nl;

	open_sink(x);
	x->sink->lost(x->sink->ctx, MONO, LOSS_RING_FULL, 1, 1);
	x->tears = true;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	text = contents(x->path);
	small = old;
	small.rlim_cur = strlen(text) + 10;
	free(text);
	/* The file may grow by ten bytes: the second line is torn, the third not begun. */
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	x->sink->lost(x->sink->ctx, MONO, LOSS_RING_FULL, 2, 3);
	x->sink->lost(x->sink->ctx, MONO, LOSS_RING_FULL, 3, 6);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(x->sink->failures(x->sink->ctx), 2);
	x->sink->lost(x->sink->ctx, MONO, LOSS_RING_FULL, 4, 10);
	x->sink->lost(x->sink->ctx, MONO, LOSS_RING_FULL, 5, 15);
	assert_int_equal(x->sink->failures(x->sink->ctx), 2);
	close_sink(x);

	text = contents(x->path);
	nl = strchr(text, '\n');
	assert_non_null(nl);
	assert_memory_equal(nl + 1, "{\"schema\":\n", 11);
	obj = json_tokener_parse(nl + 12);
	assert_non_null(obj);
	assert_string_equal(str_of(obj, "mispair.lost.count"), "4");
	json_object_put(obj);
	nl = strchr(nl + 12, '\n');
	obj = json_tokener_parse(nl + 1);
	assert_non_null(obj);
	assert_string_equal(str_of(obj, "mispair.lost.count"), "5");
	json_object_put(obj);
	assert_int_equal(text[strlen(text) - 1], '\n');
	free(text);
}

static void a_reader_that_leaves_ends_the_output_quietly(void **state)
{
	struct fixture *x = *state;
	char buf[4096];
	int reader;

	assert_int_equal(mkfifo(x->path, 0600), 0);
	reader = open(x->path, O_RDONLY | O_NONBLOCK);
	assert_true(reader >= 0);
	open_sink(x);
	x->sink->lost(x->sink->ctx, MONO, LOSS_RING_FULL, 1, 1);
	assert_true(read(reader, buf, sizeof(buf)) > 0);
	assert_false(sink_ndjson_closed(x->sink));
	close(reader);
	x->sink->lost(x->sink->ctx, MONO, LOSS_RING_FULL, 2, 3);
	assert_true(sink_ndjson_closed(x->sink));
	/* Nothing is tried any more, even if another reader comes. */
	reader = open(x->path, O_RDONLY | O_NONBLOCK);
	assert_true(reader >= 0);
	x->sink->lost(x->sink->ctx, MONO, LOSS_RING_FULL, 3, 6);
	assert_true(read(reader, buf, sizeof(buf)) <= 0);
	assert_int_equal(x->sink->failures(x->sink->ctx), 0);
	close_sink(x);
	close(reader);
}

static void a_dash_is_stdout_and_stays_open(void **state)
{
	struct fixture *x = *state;
	struct json_object *obj;
	int saved, fd;

	fflush(stdout);
	saved = dup(STDOUT_FILENO);
	fd = open(x->path, O_CREAT | O_WRONLY, 0600);
	assert_true(saved >= 0 && fd >= 0);
	assert_int_equal(dup2(fd, STDOUT_FILENO), STDOUT_FILENO);
	close(fd);
	assert_int_equal(sink_ndjson_new("-", &x->sink, x->err, sizeof(x->err)), 0);
	x->sink->lost(x->sink->ctx, MONO, LOSS_RING_FULL, 1, 1);
	close_sink(x);
	assert_true(fcntl(STDOUT_FILENO, F_GETFD) >= 0);
	assert_int_equal(dup2(saved, STDOUT_FILENO), STDOUT_FILENO);
	close(saved);
	obj = only_line(x);
	assert_string_equal(str_of(obj, "event.name"), "mispair.lost");
	json_object_put(obj);
}

static void a_symbolic_link_is_refused_with_a_reason(void **state)
{
	struct fixture *x = *state;
	char target[80];
	struct stat st;

	snprintf(target, sizeof(target), "%s/target", x->dir);
	assert_int_equal(symlink(target, x->path), 0);
	assert_int_equal(sink_ndjson_new(x->path, &x->sink, x->err, sizeof(x->err)), -ELOOP);
	assert_null(x->sink);
	assert_non_null(strstr(x->err, x->path));
	assert_non_null(strstr(x->err, "symbolic link"));
	assert_int_equal(stat(target, &st), -1);
}

static void a_path_that_cannot_be_opened_is_named_with_the_cause(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(sink_ndjson_new(x->dir, &x->sink, x->err, sizeof(x->err)), -EISDIR);
	assert_null(x->sink);
	assert_non_null(strstr(x->err, x->dir));
	assert_non_null(strstr(x->err, strerror(EISDIR)));
	assert_int_equal(sink_ndjson_new("/nonexistent/x", &x->sink, x->err, sizeof(x->err)),
			 -ENOENT);
}

static void a_file_is_private_and_starts_empty(void **state)
{
	struct fixture *x = *state;
	struct stat st;
	mode_t old = umask(0);

	open_sink(x);
	umask(old);
	assert_int_equal(stat(x->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	x->sink->lost(x->sink->ctx, MONO, LOSS_RING_FULL, 1, 1);
	close_sink(x);
	open_sink(x);
	assert_int_equal(stat(x->path, &st), 0);
	assert_int_equal(st.st_size, 0);
}

/* ---- memory that runs out ---- */

static void any_failed_allocation_costs_one_line_and_is_counted(void **state)
{
	static const char *const hooks[] = {"sock_send_length", NULL};
	const struct start_info start = {.time_ns = MONO,
					 .version = "0.1",
					 .kernel = "6.18.0",
					 .tier = "tp_btf",
					 .hooks = hooks,
					 .filters = "",
					 .command = "cmd"};
	struct fixture *x = *state;
	struct finding f;
	char *text;
	int n, which;

	full_finding(&f);
	for (which = 0; which < 2; which++) {
		for (n = 1;; n++) {
			uint64_t failures;
			bool done;

			open_sink(x);
			fail_at = n;
			if (which)
				x->sink->finding(x->sink->ctx, &f);
			else
				x->sink->start(x->sink->ctx, &start);
			done = fail_at != 0;
			fail_at = 0;
			failures = x->sink->failures(x->sink->ctx);
			text = contents(x->path);
			assert_int_equal(failures, done ? 0 : 1);
			assert_int_equal(strlen(text) != 0, done);
			free(text);
			x->sink->lost(x->sink->ctx, MONO, LOSS_SINK, 1, 1);
			assert_int_equal(x->sink->failures(x->sink->ctx), failures);
			close_sink(x);
			if (done)
				break;
		}
		/* The loop did meet every step of building a line. */
		assert_true(n > 20);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_full_device_costs_lines_and_nothing_else),
		TEST(a_torn_line_does_not_spoil_the_next),
		TEST(a_reader_that_leaves_ends_the_output_quietly),
		TEST(a_dash_is_stdout_and_stays_open),
		TEST(a_symbolic_link_is_refused_with_a_reason),
		TEST(a_path_that_cannot_be_opened_is_named_with_the_cause),
		TEST(a_file_is_private_and_starts_empty),
		TEST(any_failed_allocation_costs_one_line_and_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
