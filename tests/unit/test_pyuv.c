// SPDX-License-Identifier: GPL-2.0-or-later
/* The loop that a process of uvloop runs, as its _asyncio module remembers it, and its thread. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "pyuv.h"

#define PAGE  4096
#define WORDS 64

/* What CPython and uvloop have in memory; `loop` holds its uv_loop_t in word 3 (uvloop 0.17). */
struct process {
	uint64_t data[WORDS], holder[4], loop[WORDS], uv[4];
};

static uint64_t address_of(const void *at)
{
	return (uint64_t)(uintptr_t)at;
}

static struct process running(void)
{
	return (struct process){.data = {[3] = 0x31, [5] = 0x1000, [9] = UINT64_MAX - 7}};
}

static uint64_t link_up(struct process *p)
{
	p->data[40] = address_of(p->holder);
	p->holder[2] = address_of(p->loop);
	p->loop[3] = address_of(p->uv);
	p->uv[0] = address_of(p->loop);
	return address_of(p->uv);
}

static uint64_t found_in(const struct process *p)
{
	uint64_t loop = 0, uv;

	uv = pyuv_running((uint32_t)getpid(), address_of(p->data), sizeof(p->data), &loop);
	assert_true(!uv || loop == address_of(p->loop));
	return uv;
}

static void the_running_loop_is_found(void **state)
{
	struct process p = running();
	uint64_t uv = link_up(&p), loop;

	(void)state;
	assert_true(found_in(&p) == uv);
	/* Data need not begin at a word. */
	assert_true(pyuv_running((uint32_t)getpid(), address_of(p.data) + 4, sizeof(p.data) - 8,
				 &loop) == uv);
}

static void a_loop_of_another_kind_is_none(void **state)
{
	struct process p = running();

	(void)state;
	link_up(&p);
	p.uv[0] = address_of(p.holder);
	assert_true(found_in(&p) == 0);
	link_up(&p);
	p.loop[3] = 0;
	assert_true(found_in(&p) == 0);
}

static void no_loop_runs(void **state)
{
	struct process p = running();

	(void)state;
	link_up(&p);
	p.holder[2] = 0;
	assert_true(found_in(&p) == 0);
	p.data[40] = 0;
	assert_true(found_in(&p) == 0);
}

static void data_that_cannot_be_read_holds_none(void **state)
{
	struct process p = running();
	uint32_t self = (uint32_t)getpid();
	uint64_t loop;

	(void)state;
	link_up(&p);
	assert_true(pyuv_running(self, 0x1000, 64, &loop) == 0);
	assert_true(pyuv_running(self, UINT64_MAX - 15, 64, &loop) == 0);
	assert_true(pyuv_running(self, address_of(p.data), 0, &loop) == 0);
	assert_true(pyuv_running(self, address_of(p.data), 7, &loop) == 0);
	assert_true(pyuv_running(self, address_of(p.data), UINT64_MAX, &loop) == 0);
	assert_true(pyuv_running(UINT32_MAX, address_of(p.data), sizeof(p.data), &loop) == 0);
}

static void a_process_without_uvloop_is_not_searched(void **state)
{
	struct process p = running();

	link_up(&p);
	assert_int_equal(munmap(*state, PAGE), 0);
	assert_true(found_in(&p) == 0);
	*state = NULL;
}

/* ---- the thread that runs a loop ---- */

static int thread_of(const struct process *p, uint64_t tp, struct loop_val *val)
{
	*val = (struct loop_val){0};
	return pyuv_thread((uint32_t)getpid(), address_of(p->loop), tp, val);
}

static void a_loops_thread_is_the_word_that_points_to_a_thread(void **state)
{
	struct process p = running();
	struct loop_val val;
	uint64_t own[2] = {address_of(own)};

	(void)state;
	link_up(&p);
	p.loop[2] = address_of(p.holder); /* a vtable, and an object */
	p.loop[5] = address_of(p.data);
	p.loop[8] = own[0];
	assert_int_equal(thread_of(&p, 0, &val), 0);
	assert_true(val.thread_self == own[0]);
	assert_true(val.at == address_of(&p.loop[8]));
	assert_false(val.pylong);
}

#if defined(__x86_64__)
static void a_thread_of_this_process_is_made_out(void **state)
{
	struct process p = running();
	struct loop_val val;

	(void)state;
	link_up(&p);
	p.loop[8] = (uint64_t)pthread_self();
	assert_int_equal(thread_of(&p, 0, &val), 0);
	assert_true(val.thread_self == (uint64_t)pthread_self());
}
#endif

static void where_nothing_points_to_itself_the_asker_tells(void **state)
{
	struct process p = running();
	uint64_t other[400] = {0}, tp;
	struct loop_val val;

	(void)state;
	link_up(&p);
	p.loop[8] = address_of(other);
#if defined(__aarch64__)
	tp = p.loop[8] + 1800;
#else
	tp = p.loop[8];
#endif
	assert_int_equal(thread_of(&p, tp, &val), 0);
	assert_true(val.thread_self == p.loop[8]);
	assert_int_equal(thread_of(&p, address_of(p.data), &val), -ENOENT);
	assert_int_equal(thread_of(&p, 0, &val), -ENOENT);
}

static void a_loop_that_is_not_uvloops_has_no_such_thread(void **state)
{
	struct process p = running();
	struct loop_val val;
	uint64_t own[2] = {address_of(own)};

	(void)state;
	link_up(&p);
	p.loop[8] = own[0];
	p.uv[0] = 0;
	assert_int_equal(thread_of(&p, own[0], &val), -ENOENT);
	assert_true(val.thread_self == 0);
	assert_int_equal(pyuv_thread((uint32_t)getpid(), 0x1000, 0, &val), -ENOENT);
}

static void a_loop_that_does_not_run_has_none(void **state)
{
	struct process p = running();
	struct loop_val val;

	(void)state;
	link_up(&p);
	assert_int_equal(thread_of(&p, (uint64_t)pthread_self(), &val), -ENOENT);
}

/* A mapping of a file that is named as uvloop's module. */
static int map_module(void **state)
{
	static const char name[] = "uvloop/loop.cpython-311-x86_64-linux-gnu.so";
	char root[] = "/tmp/mispair-unit-XXXXXX";
	int at, fd;

	if (!mkdtemp(root))
		return -1;
	at = open(root, O_RDONLY | O_DIRECTORY);
	if (at < 0 || mkdirat(at, "uvloop", 0700))
		return -1;
	fd = openat(at, name, O_RDWR | O_CREAT | O_EXCL, 0600);
	if (fd < 0 || ftruncate(fd, PAGE))
		return -1;
	*state = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	unlinkat(at, name, 0);
	unlinkat(at, "uvloop", AT_REMOVEDIR);
	close(at);
	rmdir(root);
	return *state == MAP_FAILED ? -1 : 0;
}

static int unmap_module(void **state)
{
	return *state ? munmap(*state, PAGE) : 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, map_module, unmap_module)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_running_loop_is_found),
		TEST(a_loop_of_another_kind_is_none),
		TEST(no_loop_runs),
		TEST(data_that_cannot_be_read_holds_none),
		TEST(a_process_without_uvloop_is_not_searched),
		cmocka_unit_test(a_loops_thread_is_the_word_that_points_to_a_thread),
#if defined(__x86_64__)
		cmocka_unit_test(a_thread_of_this_process_is_made_out),
#endif
		cmocka_unit_test(where_nothing_points_to_itself_the_asker_tells),
		cmocka_unit_test(a_loop_that_is_not_uvloops_has_no_such_thread),
		cmocka_unit_test(a_loop_that_does_not_run_has_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
