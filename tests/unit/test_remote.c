// SPDX-License-Identifier: GPL-2.0-or-later
/* Reading processes that may be gone, unmapped or hostile: ours, a child, and none. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "remote.h"

/* Above the kernel's largest process ID. */
#define NOBODY ((1u << 22) + 1)

static uint64_t at(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

static void our_own_memory_can_be_read(void **state)
{
	static const char there[] = "thirty-seven bytes of somebody else's";
	char here[sizeof(there)] = "";

	(void)state;
	assert_int_equal(remote_read((uint32_t)getpid(), at(there), here, sizeof(there)), 0);
	assert_string_equal(here, there);
}

static void a_read_of_nothing_succeeds(void **state)
{
	char c = 'x';

	(void)state;
	assert_int_equal(remote_read((uint32_t)getpid(), at(&c), &c, 0), 0);
	assert_int_equal(c, 'x');
}

static void a_process_that_does_not_exist_is_gone(void **state)
{
	char c;

	(void)state;
	assert_int_equal(remote_read(NOBODY, at(&c), &c, 1), -ESRCH);
}

static void many_words_are_read_and_those_that_cannot_be_are_zero(void **state)
{
	enum { N = 3000 };
	static uint64_t there[N], words[N];
	size_t i, bad = 0;

	(void)state;
	for (i = 0; i < N; i++) {
		there[i] = i + 1;
		words[i] = at(&there[i]);
		if (i % 500 == 7 || i == N - 1) {
			words[i] = 0xdead00000000beef;
			bad++;
		} else if (i % 500 == 8) {
			words[i] = 0;
		}
	}
	assert_int_equal(remote_read_words((uint32_t)getpid(), words, N, bad), 0);
	for (i = 0; i < N; i++) {
		if (i % 500 == 7 || i % 500 == 8 || i == N - 1)
			assert_int_equal(words[i], 0);
		else
			assert_int_equal(words[i], i + 1);
	}
}

static void words_that_lead_nowhere_are_given_up_after_so_many(void **state)
{
	uint64_t words[8];
	size_t i;

	(void)state;
	for (i = 0; i < 8; i++)
		words[i] = 8 + i;
	assert_int_equal(remote_read_words((uint32_t)getpid(), words, 8, 7), -E2BIG);
	assert_int_equal(remote_read_words((uint32_t)getpid(), words, 8, 8), 0);
	words[0] = 8;
	assert_int_equal(remote_read_words(NOBODY, words, 1, 8), -ESRCH);
	assert_int_equal(remote_read_words((uint32_t)getpid(), words, 0, 0), 0);
}

static void an_address_that_is_not_mapped_is_a_fault(void **state)
{
	static const uint64_t bad[] = {0, 1, 0xdead00000000beef, UINT64_MAX - 3, UINT64_MAX};
	char buf[8];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(remote_read((uint32_t)getpid(), bad[i], buf, sizeof(buf)),
				 -EFAULT);
}

static void a_read_that_runs_into_a_hole_is_all_or_nothing(void **state)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *two =
		mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char buf[8];

	(void)state;
	assert_true(two != MAP_FAILED);
	memset(two, 'a', page);
	assert_int_equal(munmap(two + page, page), 0);
	assert_int_equal(remote_read((uint32_t)getpid(), at(two + page - 8), buf, 8), 0);
	assert_int_equal(remote_read((uint32_t)getpid(), at(two + page - 7), buf, 8), -EFAULT);
	munmap(two, page);
}

static void a_child_can_be_read_until_it_has_exited(void **state)
{
	static volatile uint64_t value = 1;
	int fds[2], status;
	uint64_t got = 0;
	char ready;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		value = 37;
		status = write(fds[1], "r", 1) == 1 ? 0 : 1;
		pause();
		_exit(status);
	}
	assert_int_equal(read(fds[0], &ready, 1), 1);
	assert_int_equal(remote_read((uint32_t)pid, at((const void *)&value), &got, 8), 0);
	assert_int_equal(got, 37);
	assert_int_equal(value, 1);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(remote_read((uint32_t)pid, at((const void *)&value), &got, 8), -ESRCH);
	assert_int_equal(remote_mappings((uint32_t)pid, NULL, NULL), -ESRCH);
	close(fds[0]);
	close(fds[1]);
}

static void a_child_that_waits_to_be_reaped_has_no_memory(void **state)
{
	siginfo_t si;
	char c;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (!pid)
		_exit(0);
	assert_int_equal(waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT), 0);
	assert_int_equal(remote_read((uint32_t)pid, at(&c), &c, 1), -ESRCH);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* ---- mappings ---- */

struct looker {
	const char *path;
	uint64_t addr, last_start;
	int calls, hits, stop_after;
	struct mapping hit;
};

static bool look(void *ctx, const struct mapping *m)
{
	struct looker *l = ctx;

	l->calls++;
	assert_true(m->end > m->start);
	assert_true(m->start >= l->last_start);
	assert_true(m->inode != 0);
	assert_int_equal(m->path[0], '/');
	assert_non_null(memchr(m->path, 0, sizeof(m->path)));
	l->last_start = m->start;
	if (l->addr >= m->start && l->addr < m->end) {
		l->hits++;
		l->hit = *m;
	}
	return l->stop_after && l->calls >= l->stop_after;
}

static void the_mapping_of_our_own_code_is_found_in_order(void **state)
{
	struct looker l = {.addr = (uint64_t)(uintptr_t)look};
	char exe[256] = "";
	struct stat st;

	(void)state;
	assert_true(readlink("/proc/self/exe", exe, sizeof(exe) - 1) > 0);
	assert_int_equal(stat(exe, &st), 0);
	assert_int_equal(remote_mappings((uint32_t)getpid(), look, &l), 0);
	assert_int_equal(l.hits, 1);
	assert_string_equal(l.hit.path, exe);
	assert_int_equal(l.hit.inode, st.st_ino);
}

static void the_walk_ends_when_it_is_told_to(void **state)
{
	struct looker l = {.stop_after = 2};

	(void)state;
	assert_int_equal(remote_mappings((uint32_t)getpid(), look, &l), 0);
	assert_int_equal(l.calls, 2);
}

static void mappings_of_no_process_are_an_error(void **state)
{
	struct looker l = {0};

	(void)state;
	assert_int_equal(remote_mappings(NOBODY, look, &l), -ESRCH);
	assert_int_equal(l.calls, 0);
}

/* Blanks belong to a name; it ends at the line's end, and is cut where it is too long. */
static void a_mapped_file_keeps_its_strange_name_and_offset(void **state)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char dir[] = "/tmp/remote.XXXXXX", path[300];
	struct looker l = {0};
	void *p;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/a name  with blanks (deleted)%0200d", dir, 7);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)(3 * page)), 0);
	p = mmap(NULL, page, PROT_READ, MAP_PRIVATE, fd, (off_t)(2 * page));
	assert_true(p != MAP_FAILED);
	l.addr = at(p);
	assert_int_equal(remote_mappings((uint32_t)getpid(), look, &l), 0);
	assert_int_equal(l.hits, 1);
	assert_int_equal(l.hit.start, at(p));
	assert_int_equal(l.hit.end, at(p) + page);
	assert_int_equal(l.hit.offset, 2 * page);
	assert_memory_equal(l.hit.path, path, strlen(l.hit.path));
	assert_true(strlen(l.hit.path) == strlen(path) ||
		    strlen(l.hit.path) == sizeof(l.hit.path) - 1);
	munmap(p, page);
	close(fd);
	unlink(path);
	rmdir(dir);
}

/* The name may mean another file by now: it is the mapping that is opened. */
static void the_very_file_that_is_mapped_is_opened(void **state)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char path[] = "/tmp/remote.XXXXXX";
	int fd = mkstemp(path), again;
	struct looker l = {0};
	struct stat a, b;
	void *p;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)page), 0);
	assert_int_equal(fstat(fd, &a), 0);
	p = mmap(NULL, page, PROT_READ, MAP_PRIVATE, fd, 0);
	assert_true(p != MAP_FAILED);
	unlink(path);
	l.addr = at(p);
	assert_int_equal(remote_mappings((uint32_t)getpid(), look, &l), 0);
	assert_int_equal(l.hits, 1);
	again = remote_open_mapping((uint32_t)getpid(), &l.hit);
	if (again == -EPERM) {
		print_message("map_files cannot be opened without privilege\n");
		skip();
	}
	assert_true(again >= 0);
	assert_int_equal(fstat(again, &b), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	assert_int_equal(a.st_dev, b.st_dev);
	close(again);
	munmap(p, page);
	assert_int_equal(remote_open_mapping((uint32_t)getpid(), &l.hit), -ENOENT);
	close(fd);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(our_own_memory_can_be_read),
		cmocka_unit_test(a_read_of_nothing_succeeds),
		cmocka_unit_test(a_process_that_does_not_exist_is_gone),
		cmocka_unit_test(an_address_that_is_not_mapped_is_a_fault),
		cmocka_unit_test(a_read_that_runs_into_a_hole_is_all_or_nothing),
		cmocka_unit_test(a_child_can_be_read_until_it_has_exited),
		cmocka_unit_test(a_child_that_waits_to_be_reaped_has_no_memory),
		cmocka_unit_test(the_mapping_of_our_own_code_is_found_in_order),
		cmocka_unit_test(the_walk_ends_when_it_is_told_to),
		cmocka_unit_test(mappings_of_no_process_are_an_error),
		cmocka_unit_test(a_mapped_file_keeps_its_strange_name_and_offset),
		cmocka_unit_test(the_very_file_that_is_mapped_is_opened),
		cmocka_unit_test(many_words_are_read_and_those_that_cannot_be_are_zero),
		cmocka_unit_test(words_that_lead_nowhere_are_given_up_after_so_many),
	};

	return cmocka_run_group_tests_name("remote", tests, NULL, NULL);
}
