// SPDX-License-Identifier: GPL-2.0-or-later
/* A reader of events who sleeps, comes back, or leaves: nobody waits, and every line is counted. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "outlet_stream.h"

#define ROOM 8192
#define LINE 1000

struct fixture {
	int fds[2]; /* read, write */
	struct outlet *out;
	int sent;
};

static void open_out(struct fixture *x)
{
	assert_true(outlet_stream_wanted(x->fds[1]));
	assert_int_equal(outlet_stream_new(x->fds[1], ROOM, &x->out), 0);
}

static void open_pipe(struct fixture *x)
{
	assert_int_equal(pipe2(x->fds, O_CLOEXEC), 0);
	assert_int_equal(fcntl(x->fds[1], F_SETPIPE_SZ, 4096), 4096);
	open_out(x);
}

/* Line number N: its number, filled up to LINE bytes. */
static void say(struct fixture *x)
{
	struct event_line e = {.len = LINE};
	char text[LINE + 1];

	snprintf(text, sizeof(text), "%06d%*s\n", x->sent++, LINE - 7, "");
	e.text = text;
	x->out->line(x->out->ctx, &e);
}

/* Everything that comes out, until nothing does; the number of lines, which are whole. */
static int read_all(struct fixture *x, int *first, int *last)
{
	char buf[LINE];
	size_t at = 0;
	int n = 0;

	assert_int_equal(fcntl(x->fds[0], F_SETFL, O_NONBLOCK), 0);
	for (;;) {
		ssize_t got = read(x->fds[0], buf + at, sizeof(buf) - at);

		if (got <= 0) {
			x->out->tick(x->out->ctx);
			got = read(x->fds[0], buf + at, sizeof(buf) - at);
		}
		if (got <= 0)
			break;
		at += (size_t)got;
		if (at < sizeof(buf))
			continue;
		assert_int_equal(buf[LINE - 1], '\n');
		assert_int_equal(strspn(buf, "0123456789"), 6);
		*last = atoi(buf);
		if (!n++)
			*first = *last;
		at = 0;
	}
	assert_int_equal(at, 0); /* no half of a line */
	return n;
}

static void close_all(struct fixture *x)
{
	if (x->fds[0] >= 0)
		close(x->fds[0]);
	x->out->finish(x->out->ctx);
	close(x->fds[1]);
}

static void sleeper(struct fixture *x)
{
	int i, n, first = -1, last = -1;
	uint64_t lost;

	for (i = 0; i < 1000; i++)
		say(x);
	lost = x->out->failures(x->out->ctx);
	assert_true(lost > 0);
	n = read_all(x, &first, &last);
	/* The room and what the kernel holds, in order and from the first on. */
	assert_true(n >= ROOM / LINE);
	assert_int_equal(first, 0);
	assert_int_equal(last, n - 1);
	assert_int_equal((uint64_t)n + lost, 1000);
	/* It is awake again. */
	say(x);
	assert_int_equal(read_all(x, &first, &last), 1);
	assert_int_equal(first, 1000);
	assert_int_equal(x->out->failures(x->out->ctx), lost);
	close_all(x);
}

static void a_reader_of_a_pipe_that_sleeps_costs_whole_lines_that_are_counted(void **state)
{
	struct fixture x = {0};

	(void)state;
	open_pipe(&x);
	sleeper(&x);
}

static void a_reader_of_a_socket_that_sleeps_costs_whole_lines_that_are_counted(void **state)
{
	int small = 4096;
	struct fixture x = {0};

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, x.fds), 0);
	setsockopt(x.fds[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	open_out(&x);
	sleeper(&x);
}

static void whoever_shares_the_pipe_finds_it_unchanged(void **state)
{
	struct fixture x = {0};

	(void)state;
	open_pipe(&x);
	say(&x);
	assert_false(fcntl(x.fds[1], F_GETFL) & O_NONBLOCK);
	close_all(&x);
}

static void a_reader_that_has_left_is_an_end_and_no_loss(void **state)
{
	struct fixture x = {0};

	(void)state;
	open_pipe(&x);
	say(&x);
	assert_false(x.out->closed(x.out->ctx));
	close(x.fds[0]);
	x.fds[0] = -1;
	say(&x);
	assert_true(x.out->closed(x.out->ctx));
	assert_int_equal(x.out->failures(x.out->ctx), 0);
	close_all(&x);
}

static void a_file_is_no_stream(void **state)
{
	FILE *f = tmpfile();

	(void)state;
	assert_non_null(f);
	assert_false(outlet_stream_wanted(fileno(f)));
	fclose(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reader_of_a_pipe_that_sleeps_costs_whole_lines_that_are_counted),
		cmocka_unit_test(
			a_reader_of_a_socket_that_sleeps_costs_whole_lines_that_are_counted),
		cmocka_unit_test(whoever_shares_the_pipe_finds_it_unchanged),
		cmocka_unit_test(a_reader_that_has_left_is_an_end_and_no_loss),
		cmocka_unit_test(a_file_is_no_stream),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
