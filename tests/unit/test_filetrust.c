// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Who can change a file, by owner, mode, ACL and file system, and whose a process is. Files are
 * made as root in a directory for temporary ones; what is asked of the kernel besides can be
 * answered otherwise here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "filetrust.h"

#define TMPFS 0x01021994
#define USER  12345

/* Not 0: the file system that every file is on. */
static uint32_t filesystem = TMPFS;
/* The ACL that every file has; a size of -1: the file's own; below that, -errno. */
static uint8_t acl[9000];
static ssize_t acl_size = -1;

int fstatfs(int fd, struct statfs *out)
{
	int ret = (int)syscall(SYS_fstatfs, fd, out);

	if (!ret && filesystem)
		out->f_type = filesystem;
	return ret;
}

ssize_t fgetxattr(int fd, const char *name, void *to, size_t len)
{
	if (acl_size == -1)
		return syscall(SYS_fgetxattr, fd, name, to, len);
	if (acl_size < 0 || (size_t)acl_size > len) {
		errno = acl_size < 0 ? (int)-acl_size : ERANGE;
		return -1;
	}
	memcpy(to, acl, (size_t)acl_size);
	return acl_size;
}

static int begin(void **state)
{
	(void)state;
	filesystem = TMPFS;
	acl_size = -1;
	return 0;
}

static int make_file(uid_t uid, gid_t gid, mode_t mode)
{
	char path[] = "/tmp/filetrust.XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(fchown(fd, uid, gid), 0);
	assert_int_equal(fchmod(fd, mode), 0);
	return fd;
}

static struct filetrust trust_of(int fd)
{
	struct filetrust t;

	assert_int_equal(filetrust_of(fd, &t), 0);
	return t;
}

static void expect(uid_t uid, gid_t gid, mode_t mode, enum file_writer writer)
{
	int fd = make_file(uid, gid, mode);
	struct filetrust t = trust_of(fd);

	print_message("    %u:%u %o\n", uid, gid, mode);
	assert_int_equal(t.writer, writer);
	assert_int_equal(t.uid, writer == WRITER_ROOT	? 0
				: writer == WRITER_USER ? uid
							: (uid_t)-1);
	close(fd);
}

static void skip_unless_root(void)
{
	if (!geteuid())
		return;
	print_message("    only root can give files away\n");
	skip();
}

static void owner_and_mode_tell_who_can_write(void **state)
{
	(void)state;
	skip_unless_root();
	expect(0, 0, 0755, WRITER_ROOT);
	expect(0, 0, 0444, WRITER_ROOT);
	expect(0, USER, 0755, WRITER_ROOT);
	expect(0, 0, 0775, WRITER_ROOT);
	expect(0, USER, 0775, WRITER_ANYBODY);
	expect(0, 0, 0757, WRITER_ANYBODY);
	expect(0, 0, 0602, WRITER_ANYBODY);
	expect(USER, USER, 0755, WRITER_USER);
	expect(USER, 0, 0700, WRITER_USER);
	/* The owner of a file can make it writable. */
	expect(USER, 0, 0444, WRITER_USER);
	expect(USER, USER, 0775, WRITER_ANYBODY);
	expect(USER, 0, 0775, WRITER_ANYBODY);
	expect(USER, USER, 0757, WRITER_ANYBODY);
}

static void a_user_without_a_number_of_its_own_is_anybody(void **state)
{
	(void)state;
	skip_unless_root();
	expect(65534, 0, 0755, WRITER_ANYBODY);
	expect(65533, 0, 0755, WRITER_USER);
}

static void only_file_systems_with_owners_of_their_own_are_trusted(void **state)
{
	static const uint32_t local[] = {0xef53,     0x58465342, 0x9123683e, 0xf2f52010,
					 0x01021994, 0x858458f6, 0x73717368, 0xe0f5e1e2,
					 0x2fc12fc1, 0xca451a4e};
	/* FUSE, NFS, 9p, CIFS, SMB2, vfat, iso9660, ecryptfs, and one that nobody knows. */
	static const uint32_t other[] = {0x65735546, 0x6969, 0x01021997, 0xff534d42, 0xfe534d42,
					 0x4d44,     0x9660, 0xf15f,	 0x12345678};

	(void)state;
	skip_unless_root();
	for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++) {
		filesystem = local[i];
		expect(0, 0, 0755, WRITER_ROOT);
		expect(USER, 0, 0755, WRITER_USER);
	}
	for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
		filesystem = other[i];
		expect(0, 0, 0755, WRITER_ANYBODY);
		expect(USER, 0, 0755, WRITER_ANYBODY);
	}
}

static void of_overlays_only_the_one_at_the_root_is_trusted(void **state)
{
	struct stat root, st;
	struct filetrust t;
	int fd;

	(void)state;
	skip_unless_root();
	filesystem = 0x794c7630;
	assert_int_equal(stat("/", &root), 0);
	fd = make_file(0, 0, 0755);
	assert_int_equal(fstat(fd, &st), 0);
	t = trust_of(fd);
	assert_int_equal(t.writer, st.st_dev == root.st_dev ? WRITER_ROOT : WRITER_ANYBODY);
	close(fd);
	fd = memfd_create("elsewhere", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, 0755), 0);
	t = trust_of(fd);
	assert_int_equal(t.writer, WRITER_ANYBODY);
	filesystem = TMPFS;
	t = trust_of(fd);
	assert_int_equal(t.writer, WRITER_ROOT);
	close(fd);
}

/* An ACL of N entries, three numbers each: tag, rights, id. */
static size_t make_acl(uint8_t *to, const uint32_t *entries, size_t n)
{
	uint32_t version = htole32(2), id;
	uint16_t pair[2];

	memcpy(to, &version, sizeof(version));
	for (size_t i = 0; i < n; i++) {
		pair[0] = htole16((uint16_t)entries[3 * i]);
		pair[1] = htole16((uint16_t)entries[3 * i + 1]);
		id = htole32(entries[3 * i + 2]);
		memcpy(to + 4 + 8 * i, pair, sizeof(pair));
		memcpy(to + 8 + 8 * i, &id, sizeof(id));
	}
	return 4 + 8 * n;
}

#define OBJECTS 0x01, 6, UINT32_MAX, 0x04, 4, UINT32_MAX, 0x20, 4, UINT32_MAX

static void an_acl_may_let_others_write(void **state)
{
	static const struct {
		const char *name;
		uint32_t entries[5 * 3];
		size_t n;
		bool grants;
	} cases[] = {
		{"only the mode", {OBJECTS}, 3, false},
		{"a user reads", {OBJECTS, 0x02, 5, USER, 0x10, 7, UINT32_MAX}, 5, false},
		{"a user writes", {OBJECTS, 0x02, 6, USER, 0x10, 7, UINT32_MAX}, 5, true},
		{"a group writes", {OBJECTS, 0x08, 2, USER, 0x10, 2, UINT32_MAX}, 5, true},
		{"the mask forbids it", {OBJECTS, 0x02, 7, USER, 0x10, 5, UINT32_MAX}, 5, false},
		{"the mask comes first", {OBJECTS, 0x10, 5, UINT32_MAX, 0x02, 7, USER}, 5, false},
		{"no mask", {OBJECTS, 0x02, 2, USER}, 4, true},
		{"an entry of another kind", {OBJECTS, 0x40, 0, 0}, 4, true},
	};

	(void)state;
	skip_unless_root();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("  %s\n", cases[i].name);
		acl_size = (ssize_t)make_acl(acl, cases[i].entries, cases[i].n);
		expect(0, 0, 0755, cases[i].grants ? WRITER_ANYBODY : WRITER_ROOT);
		expect(USER, 0, 0755, cases[i].grants ? WRITER_ANYBODY : WRITER_USER);
	}
}

static void an_acl_that_is_not_understood_lets_anybody_write(void **state)
{
	static const uint32_t entries[] = {OBJECTS};
	size_t size = make_acl(acl, entries, 3);

	(void)state;
	skip_unless_root();
	for (acl_size = 0; acl_size < (ssize_t)size; acl_size++)
		expect(0, 0, 0755, acl_size % 8 == 4 ? WRITER_ROOT : WRITER_ANYBODY);
	acl[0] = 3;
	expect(0, 0, 0755, WRITER_ANYBODY);
	acl_size = sizeof(acl);
	expect(0, 0, 0755, WRITER_ANYBODY);
	acl_size = -EIO;
	expect(0, 0, 0755, WRITER_ANYBODY);
	acl_size = -ENODATA;
	expect(0, 0, 0755, WRITER_ROOT);
	acl_size = -EOPNOTSUPP;
	expect(0, 0, 0755, WRITER_ROOT);
}

static void the_acl_of_a_real_file_is_found(void **state)
{
	static const uint32_t entries[] = {0x01, 6,	     UINT32_MAX, 0x02,	     6,
					   USER, 0x04,	     4,		 UINT32_MAX, 0x10,
					   6,	 UINT32_MAX, 0x20,	 4,	     UINT32_MAX};
	int fd, ret;

	(void)state;
	skip_unless_root();
	fd = make_file(0, 0, 0755);
	assert_int_equal(trust_of(fd).writer, WRITER_ROOT);
	make_acl(acl, entries, 5);
	ret = fsetxattr(fd, "system.posix_acl_access", acl, 4 + 8 * 5, 0);
	if (!ret)
		assert_int_equal(trust_of(fd).writer, WRITER_ANYBODY);
	close(fd);
	if (ret) {
		print_message("    no ACLs here: %s\n", strerror(errno));
		skip();
	}
}

static void what_is_no_regular_file_is_refused(void **state)
{
	struct filetrust t;
	int fd, ends[2];

	(void)state;
	fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(filetrust_of(fd, &t), -EINVAL);
	close(fd);
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(filetrust_of(fd, &t), -EINVAL);
	close(fd);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(filetrust_of(ends[0], &t), -EINVAL);
	close(ends[0]);
	close(ends[1]);
	assert_int_equal(filetrust_of(-1, &t), -EBADF);
}

static void a_file_is_the_same_until_it_is_changed(void **state)
{
	const struct timespec times[2] = {{1000, 1}, {1000, 1}}, later[2] = {{1000, 2}, {1000, 2}};
	struct filetrust a, b;
	int fd, other;

	(void)state;
	fd = make_file(geteuid(), getegid(), 0755);
	other = make_file(geteuid(), getegid(), 0755);
	assert_int_equal(futimens(fd, times), 0);
	a = trust_of(fd);
	b = trust_of(fd);
	assert_true(filetrust_same(&a.key, &b.key));
	assert_true(a.key.mtime_ns == UINT64_C(1000000000001));
	assert_int_equal(a.key.size, 0);
	b = trust_of(other);
	assert_false(filetrust_same(&a.key, &b.key));
	assert_int_equal(futimens(fd, later), 0);
	b = trust_of(fd);
	assert_false(filetrust_same(&a.key, &b.key));
	assert_true(b.key.mtime_ns == a.key.mtime_ns + 1);
	assert_int_equal(write(fd, "x", 1), 1);
	b = trust_of(fd);
	assert_int_equal(b.key.size, 1);
	close(fd);
	close(other);
}

/* Each part of the key, one at a time. */
static void keys_differ_by_any_of_their_parts(void **state)
{
	const struct file_key key = {1, 2, 3, 4, 5};
	struct file_key other;

	(void)state;
	for (size_t i = 0; i < sizeof(key); i++) {
		other = key;
		((uint8_t *)&other)[i] ^= 0x80;
		assert_false(filetrust_same(&key, &other));
	}
	other = key;
	assert_true(filetrust_same(&key, &other));
}

/* A child with these users that waits for its end. */
static pid_t start(uid_t real, uid_t effective, uid_t saved, uid_t fs)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	if (!pid) {
		if (!syscall(SYS_setresuid, real, effective, saved)) {
			syscall(SYS_setfsuid, fs);
			if (write(ready[1], "x", 1) == 1)
				pause();
		}
		_exit(1);
	}
	assert_true(pid > 0);
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static int is_of(uid_t real, uid_t effective, uid_t saved, uid_t fs, uid_t asked)
{
	pid_t pid = start(real, effective, saved, fs);
	int ret = filetrust_process_is((uint32_t)pid, asked);

	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return ret;
}

static void a_process_is_a_users_if_all_four_of_its_users_are(void **state)
{
	(void)state;
	skip_unless_root();
	assert_int_equal(is_of(USER, USER, USER, USER, USER), 1);
	assert_int_equal(is_of(USER, USER, USER, USER, 0), 0);
	assert_int_equal(is_of(USER, USER, USER, USER, USER / 10), 0);
	assert_int_equal(is_of(0, USER, USER, USER, USER), 0);
	assert_int_equal(is_of(USER, 0, USER, USER, USER), 0);
	assert_int_equal(is_of(USER, USER, 0, USER, USER), 0);
	assert_int_equal(is_of(USER, 0, USER, 0, USER), 0);
	assert_int_equal(is_of(0, 0, 0, USER, 0), 0);
	assert_int_equal(is_of(0, 0, 0, 0, 0), 1);
	assert_int_equal(is_of(4294967294u, 4294967294u, 4294967294u, 4294967294u, 4294967294u), 1);
	assert_int_equal(is_of(USER, USER, USER, USER, (uid_t)-1), 0);
}

static void a_process_that_has_ended_is_nobodys(void **state)
{
	pid_t pid = fork();

	(void)state;
	if (!pid)
		_exit(0);
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(filetrust_process_is((uint32_t)pid, geteuid()), -ESRCH);
	assert_int_equal(filetrust_process_is(0, 0), -ESRCH);
	assert_int_equal(filetrust_process_is(UINT32_MAX, 0), -ESRCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(owner_and_mode_tell_who_can_write, begin),
		cmocka_unit_test_setup(a_user_without_a_number_of_its_own_is_anybody, begin),
		cmocka_unit_test_setup(only_file_systems_with_owners_of_their_own_are_trusted,
				       begin),
		cmocka_unit_test_setup(of_overlays_only_the_one_at_the_root_is_trusted, begin),
		cmocka_unit_test_setup(an_acl_may_let_others_write, begin),
		cmocka_unit_test_setup(an_acl_that_is_not_understood_lets_anybody_write, begin),
		cmocka_unit_test_setup(the_acl_of_a_real_file_is_found, begin),
		cmocka_unit_test_setup(what_is_no_regular_file_is_refused, begin),
		cmocka_unit_test_setup(a_file_is_the_same_until_it_is_changed, begin),
		cmocka_unit_test_setup(keys_differ_by_any_of_their_parts, begin),
		cmocka_unit_test_setup(a_process_is_a_users_if_all_four_of_its_users_are, begin),
		cmocka_unit_test_setup(a_process_that_has_ended_is_nobodys, begin),
	};

	return cmocka_run_group_tests_name("filetrust", tests, NULL, NULL);
}
