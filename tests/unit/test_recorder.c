// SPDX-License-Identifier: GPL-2.0-or-later
/* The flight recorder when its file is full: the newest stays, whole, and the rest is counted. */
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "core.h"
#include "recfile.h"
#include "recorder.h"

#define SECOND 1000000000ULL

/* No process has a name here. */
void core_processes(const struct core *c, void (*fn)(void *ctx, const struct item_process *p),
		    void *ctx)
{
	(void)c;
	(void)fn;
	(void)ctx;
}

void core_coverage(const struct core *c, void (*fn)(void *ctx, const struct item_coverage *i),
		   void *ctx)
{
	(void)c;
	(void)fn;
	(void)ctx;
}

struct flight {
	char dir[32], file[64], old[80];
	struct recorder *r;
	uint64_t now;
	uint32_t random;
};

static int begin(void **state)
{
	struct flight *f = calloc(1, sizeof(*f));
	struct recorder_opts o = {.max_size = RECORDER_SIZE_MIN, .keep_ns = 60 * SECOND};
	char err[128];

	assert_non_null(f);
	strcpy(f->dir, "/tmp/mispair-unit-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->file, sizeof(f->file), "%s/f.rec", f->dir);
	snprintf(f->old, sizeof(f->old), "%s.1", f->file);
	o.path = f->file;
	f->now = 1000 * SECOND;
	f->random = 1;
	assert_int_equal(recorder_new(&o, &f->r, err, sizeof(err)), 0);
	*state = f;
	return 0;
}

static int finish(void **state)
{
	struct flight *f = *state;

	recorder_close(f->r, NULL);
	unlink(f->file);
	unlink(f->old);
	assert_int_equal(rmdir(f->dir), 0);
	free(f);
	return 0;
}

/* Rows of noise, of KIB in all: nothing makes that smaller. The cookie of each is MARK. */
static void happens(struct flight *f, uint64_t mark, size_t kib)
{
	struct item_row row;
	size_t i, k;

	for (i = 0; i < kib * 1024 / sizeof(row); i++) {
		for (k = 0; k < sizeof(row); k++) {
			f->random = f->random * 1103515245u + 12345u;
			((unsigned char *)&row)[k] = (unsigned char)(f->random >> 16);
		}
		row.row.cookie = mark;
		f->now += 1000;
		recorder_item(f->r, ITEM_ROW, f->now, &row, sizeof(row));
	}
}

static void is_found(struct flight *f)
{
	recorder_finding(f->r, f->now);
	f->now += 3 * SECOND;
	recorder_tick(f->r, (const struct core *)f, f->now);
}

static ssize_t read_fd(void *ctx, void *buf, size_t len)
{
	return read(*(int *)ctx, buf, len);
}

/* Rows with MARK in PATH, which is a whole recording. */
static size_t rows_of(const char *path, uint64_t mark)
{
	int fd = open(path, O_RDONLY);
	struct rec_reader *r;
	struct rec_view v;
	char err[128];
	size_t n = 0;

	assert_true(fd >= 0);
	assert_int_equal(rec_open(read_fd, &fd, &r, err, sizeof(err)), 0);
	while (rec_next(r, &v))
		n += v.kind == ITEM_ROW && ((const struct item_row *)v.body)->row.cookie == mark;
	if (rec_problem(r))
		fail_msg("%s: %s", path, rec_problem(r));
	rec_close(r);
	close(fd);
	return n;
}

static off_t size_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

static void what_is_newest_is_in_the_file_and_what_was_before_in_the_other(void **state)
{
	struct flight *f = *state;
	uint64_t mark;

	for (mark = 1; mark <= 9; mark++) {
		happens(f, mark, 100);
		is_found(f);
		assert_true(rows_of(f->file, mark) > 50);
	}
	assert_true(rows_of(f->old, 8) + rows_of(f->file, 8) > 50);
	assert_true(rows_of(f->old, 7) + rows_of(f->file, 7) > 50);
	assert_true(size_of(f->file) + size_of(f->old) <= (off_t)RECORDER_SIZE_MIN);
	assert_int_equal(recorder_missing(f->r), 0);
	assert_int_equal(recorder_failures(f->r), 0);
}

static void of_a_finding_that_does_not_fit_the_end_is_kept_and_the_rest_is_counted(void **state)
{
	struct flight *f = *state;

	happens(f, 1, 400);
	happens(f, 2, 100);
	is_found(f);
	assert_true(rows_of(f->file, 2) > 50);
	assert_true(recorder_missing(f->r) > 0);
	assert_true(size_of(f->file) <= (off_t)RECORDER_SIZE_MIN / 2);
	/* That is over with the next one. */
	happens(f, 3, 50);
	is_found(f);
	assert_true(rows_of(f->file, 3) > 20);
}

static void a_file_that_cannot_be_begun_leaves_the_one_that_is_there(void **state)
{
	struct flight *f = *state;
	char fresh[96];
	int fd;

	happens(f, 1, 150);
	is_found(f);
	/* Somebody else's file is not written to. */
	snprintf(fresh, sizeof(fresh), "%s.new", f->file);
	fd = open(fresh, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
	happens(f, 2, 150);
	is_found(f);
	assert_true(recorder_missing(f->r) > 0);
	assert_true(rows_of(f->file, 1) > 50);
	assert_int_equal(access(f->old, F_OK), -1);
	unlink(fresh);
	happens(f, 3, 100);
	is_found(f);
	assert_true(rows_of(f->file, 3) > 50);
	assert_true(rows_of(f->old, 1) > 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			what_is_newest_is_in_the_file_and_what_was_before_in_the_other, begin,
			finish),
		cmocka_unit_test_setup_teardown(
			of_a_finding_that_does_not_fit_the_end_is_kept_and_the_rest_is_counted,
			begin, finish),
		cmocka_unit_test_setup_teardown(
			a_file_that_cannot_be_begun_leaves_the_one_that_is_there, begin, finish),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
