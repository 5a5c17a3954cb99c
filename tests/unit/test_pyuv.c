// SPDX-License-Identifier: GPL-2.0-or-later
/* The loop that a process of uvloop runs, as its _asyncio module remembers it. */
#include <fcntl.h>
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
	uint64_t data[WORDS], holder[4], loop[8], uv[4];
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
	return pyuv_running((uint32_t)getpid(), address_of(p->data), sizeof(p->data));
}

static void the_running_loop_is_found(void **state)
{
	struct process p = running();
	uint64_t uv = link_up(&p);

	(void)state;
	assert_true(found_in(&p) == uv);
	/* Data need not begin at a word. */
	assert_true(pyuv_running((uint32_t)getpid(), address_of(p.data) + 4, sizeof(p.data) - 8) ==
		    uv);
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

	(void)state;
	link_up(&p);
	assert_true(pyuv_running(self, 0x1000, 64) == 0);
	assert_true(pyuv_running(self, UINT64_MAX - 15, 64) == 0);
	assert_true(pyuv_running(self, address_of(p.data), 0) == 0);
	assert_true(pyuv_running(self, address_of(p.data), 7) == 0);
	assert_true(pyuv_running(self, address_of(p.data), UINT64_MAX) == 0);
	assert_true(pyuv_running(UINT32_MAX, address_of(p.data), sizeof(p.data)) == 0);
}

static void a_process_without_uvloop_is_not_searched(void **state)
{
	struct process p = running();

	link_up(&p);
	assert_int_equal(munmap(*state, PAGE), 0);
	assert_true(found_in(&p) == 0);
	*state = NULL;
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
