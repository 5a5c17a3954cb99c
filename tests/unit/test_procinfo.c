// SPDX-License-Identifier: GPL-2.0-or-later
/* Labels of a process from /proc, and the label of a port. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "procinfo.h"
#include "protocol.h"

#define ID  "88df0123456789abcdef0123456789abcdef0123456789abcdef0123456789ab"
#define ID2 "1111111111111111111111111111111111111111111111111111111111111111"
#define POD "kubepods-burstable-pod6f5902ac_237e_11e8_8c41_f4ce46f0e2a1"

struct cgroup_case {
	const char *name;
	const char *text;
	const char *id; /* NULL: none */
};

/* clang-format off */
static const struct cgroup_case cgroups[] = {
	{ "docker, cgroup v1", "12:memory:/docker/" ID "\n11:cpu,cpuacct:/docker/" ID "\n", ID },
	{ "docker under systemd, v2", "0::/system.slice/docker-" ID ".scope\n", ID },
	{ "containerd under kubernetes, systemd",
	  "0::/kubepods.slice/kubepods-burstable.slice/" POD ".slice/cri-containerd-" ID ".scope\n", ID },
	{ "containerd under kubernetes, cgroupfs",
	  "4:pids:/kubepods/burstable/pod6f5902ac-237e-11e8-8c41-f4ce46f0e2a1/" ID "\n", ID },
	{ "containerd with colons", "0::/system.slice/x.service:cri-containerd:" ID "\n", ID },
	{ "cri-o", "0::/kubepods.slice/" POD ".slice/crio-" ID ".scope\n", ID },
	{ "cri-o, a folder inside", "0::/kubepods.slice/" POD ".slice/crio-" ID ".scope/container\n", ID },
	{ "podman", "0::/machine.slice/libpod-" ID ".scope/container\n", ID },
	{ "podman of a user", "0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-"
	  ID ".scope\n", ID },
	{ "the first of two", "2:cpu:/docker/" ID "\n1:pids:/docker/" ID2 "\n", ID },
	{ "an outer before an inner", "0::/docker/" ID "/docker/" ID2 "\n", ID },
	{ "after lines without", "3:cpu:/\n2:pids:/user.slice\n1:name=systemd:/docker/" ID, ID },
	{ "a cgroup that was removed", "0::/docker/" ID " (deleted)\n", ID },
	{ "no newline at the end", "0::/docker/" ID, ID },
	{ "the host", "0::/init.scope\n", NULL },
	{ "the root", "0::/\n", NULL },
	{ "nothing", "", NULL },
	{ "only newlines", "\n\n\n", NULL },
	{ "no path", "0:\n" ID "\n", NULL },
	{ "an id where a controller is", "0:" ID ":/\n", NULL },
	{ "a monitor of cri-o", "0::/system.slice/crio-conmon-" ID ".scope\n", NULL },
	{ "a monitor of podman", "0::/machine.slice/libpod-conmon-" ID ".scope\n", NULL },
	{ "a digit too many", "0::/docker/" ID "0\n", NULL },
	{ "a digit too few", "0::/docker/1234567\n", NULL },
	{ "capital letters", "0::/docker/A8DF0123456789abcdef0123456789abcdef0123456789abcdef0123456789ab\n", NULL },
	{ "a longer name before", "0::/xyz" ID "\n", NULL },
	{ "a longer name after", "0::/docker/" ID "xyz\n", NULL },
};
/* clang-format on */

static void container_ids_are_found_in_every_known_form(void **state)
{
	char out[72];
	size_t i;
	int ret;

	(void)state;
	for (i = 0; i < sizeof(cgroups) / sizeof(cgroups[0]); i++) {
		const struct cgroup_case *c = &cgroups[i];

		memset(out, 'x', sizeof(out));
		ret = procinfo_container_from_cgroup(c->text, out, sizeof(out));
		if (ret != (c->id ? 0 : -ENOENT) || strcmp(out, c->id ? c->id : ""))
			print_error("case %s\n", c->name);
		assert_int_equal(ret, c->id ? 0 : -ENOENT);
		assert_string_equal(out, c->id ? c->id : "");
	}
}

static void an_id_that_does_not_fit_is_not_cut(void **state)
{
	char out[65];

	(void)state;
	assert_int_equal(procinfo_container_from_cgroup("0::/docker/" ID, out, 64), -ENOSPC);
	assert_string_equal(out, "");
	assert_int_equal(procinfo_container_from_cgroup("0::/docker/" ID, out, 65), 0);
	assert_string_equal(out, ID);
	assert_int_equal(procinfo_container_from_cgroup("0::/docker/" ID, out, 0), -ENOSPC);
}

static void our_own_process_is_described(void **state)
{
	char path[4096] = "", old[16] = "";
	struct procinfo info;
	const char *base;

	(void)state;
	assert_true(readlink("/proc/self/exe", path, sizeof(path) - 1) > 0);
	base = strrchr(path, '/') + 1;
	assert_int_equal(prctl(PR_GET_NAME, old), 0);
	assert_int_equal(prctl(PR_SET_NAME, "two\nlines \x1b"), 0);
	memset(&info, 'x', sizeof(info));
	assert_int_equal(procinfo_read((uint32_t)getpid(), &info), 0);
	assert_int_equal(prctl(PR_SET_NAME, old), 0);
	/* The kernel writes comm as it is but for the newline at its end. */
	assert_memory_equal(info.comm, "two\nlines", 9);
	assert_int_equal(strncmp(info.exe_name, base, sizeof(info.exe_name) - 1), 0);
	assert_true(strlen(info.container_id) == 0 || strlen(info.container_id) == 64);
}

static void a_process_that_is_gone_is_esrch_and_zeroed(void **state)
{
	static const struct procinfo zero;
	struct procinfo info;
	pid_t pid;

	(void)state;
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		_exit(0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	memset(&info, 'x', sizeof(info));
	assert_int_equal(procinfo_read((uint32_t)pid, &info), -ESRCH);
	assert_memory_equal(&info, &zero, sizeof(zero));
	assert_int_equal(procinfo_read(UINT32_MAX, &info), -ESRCH);
	assert_int_equal(procinfo_read(0, &info), -ESRCH);
}

static void a_zombie_still_has_its_name(void **state)
{
	struct procinfo info;
	siginfo_t si;
	pid_t pid;

	(void)state;
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		_exit(0);
	/* Wait for its end and leave it. */
	assert_int_equal(waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT), 0);
	assert_int_equal(procinfo_read((uint32_t)pid, &info), 0);
	assert_true(info.comm[0] != '\0');
	assert_string_equal(info.exe_name, "");
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void a_process_that_ends_while_it_is_read_is_whole_or_zeroed(void **state)
{
	static const struct procinfo zero;
	struct procinfo info;
	int i, ret;
	pid_t pid;

	(void)state;
	for (i = 0; i < 300; i++) {
		/* Children that nobody waits for vanish as soon as they end. */
		signal(SIGCHLD, SIG_IGN);
		pid = fork();
		assert_true(pid >= 0);
		if (!pid)
			_exit(0);
		do {
			ret = procinfo_read((uint32_t)pid, &info);
			if (!ret)
				assert_true(info.comm[0] != '\0');
		} while (!ret);
		assert_int_equal(ret, -ESRCH);
		assert_memory_equal(&info, &zero, sizeof(zero));
	}
	signal(SIGCHLD, SIG_DFL);
}

/* A name that looks like the numbers behind it; the time is of the clock that start_boottime is. */
static void a_process_began_when_its_stat_says(void **state)
{
	uint64_t tick = 1000000000ULL / (uint64_t)sysconf(_SC_CLK_TCK), begun = 0, now;
	struct timespec t;
	int status;
	pid_t pid;

	(void)state;
	clock_gettime(CLOCK_BOOTTIME, &t);
	now = (uint64_t)t.tv_sec * 1000000000ULL + (uint64_t)t.tv_nsec;
	pid = fork();
	if (!pid) {
		prctl(PR_SET_NAME, ") R 1 2 (3) 4 5");
		pause();
		_exit(0);
	}
	assert_true(pid > 0);
	/* Within ten seconds of now there is one tick in which it began. */
	for (uint64_t at = now / tick; at < now / tick + 10000; at++)
		begun += procinfo_began_at((uint32_t)pid, at * tick);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	assert_int_equal(begun, 1);
	assert_false(procinfo_began_at((uint32_t)pid, now));
}

/* A shell as FILE, which waits: its name for us. */
static void name_of_shell(const char *file, const char *comm, char *name, size_t len)
{
	int begun[2], waits[2];
	struct procinfo p;
	char byte;
	pid_t pid;

	assert_return_code(pipe2(begun, O_CLOEXEC), errno);
	assert_return_code(pipe2(waits, O_CLOEXEC), errno);
	pid = fork();
	if (!pid) {
		dup2(waits[0], STDIN_FILENO);
		if (comm)
			execl(file, file, "-c", "printf %s \"$0\" >/proc/$$/comm; echo; read x",
			      comm, NULL);
		else
			execl(file, file, "-c", "read x", NULL);
		_exit(1);
	}
	close(begun[1]);
	assert_int_equal(read(begun[0], &byte, 1), 0); /* closed by the exec */
	do {
		assert_int_equal(procinfo_read((uint32_t)pid, &p), 0);
	} while (comm && strcmp(p.comm, comm));
	/* It may have changed between two looks at it. */
	assert_int_equal(procinfo_read((uint32_t)pid, &p), 0);
	snprintf(name, len, "%s", p.exe_name);
	close(begun[0]);
	close(waits[0]);
	close(waits[1]);
	waitpid(pid, NULL, 0);
}

static void a_program_is_called_what_it_was_started_as(void **state)
{
	char own[PATH_MAX] = "", name[64];
	const char *base;
	ssize_t n = readlink("/usr/bin/sh", own, sizeof(own) - 1);

	(void)state;
	base = strrchr(own, '/') ? strrchr(own, '/') + 1 : own;
	if (n <= 0 || !strncmp(base, "sh", 2))
		skip();
	name_of_shell("/usr/bin/sh", NULL, name, sizeof(name));
	assert_string_equal(name, "sh");
	/* A name of its own choice is no link to it, though there may be a program of that name. */
	name_of_shell("/usr/bin/sh", "ls", name, sizeof(name));
	assert_string_equal(name, base);
	name_of_shell("/usr/bin/sh", "../bin/sh", name, sizeof(name));
	assert_string_equal(name, base);
}

static void ports_have_the_names_of_opentelemetry(void **state)
{
	(void)state;
	assert_string_equal(protocol_from_port(6379), "redis");
	assert_string_equal(protocol_from_port(5432), "postgresql");
	assert_string_equal(protocol_from_port(3306), "mysql");
	assert_string_equal(protocol_from_port(11211), "memcached");
	assert_string_equal(protocol_from_port(27017), "mongodb");
	assert_string_equal(protocol_from_port(80), "http");
	assert_string_equal(protocol_from_port(8080), "http");
	assert_string_equal(protocol_from_port(443), "http");
	assert_string_equal(protocol_from_port(5672), "amqp");
	assert_string_equal(protocol_from_port(9042), "cassandra");
	assert_string_equal(protocol_from_port(4222), "nats");
	assert_string_equal(protocol_from_port(9092), "kafka");
	assert_null(protocol_from_port(0));
	assert_null(protocol_from_port(6380));
	assert_null(protocol_from_port(65535));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(container_ids_are_found_in_every_known_form),
		cmocka_unit_test(an_id_that_does_not_fit_is_not_cut),
		cmocka_unit_test(our_own_process_is_described),
		cmocka_unit_test(a_process_that_is_gone_is_esrch_and_zeroed),
		cmocka_unit_test(a_zombie_still_has_its_name),
		cmocka_unit_test(a_process_that_ends_while_it_is_read_is_whole_or_zeroed),
		cmocka_unit_test(a_process_began_when_its_stat_says),
		cmocka_unit_test(a_program_is_called_what_it_was_started_as),
		cmocka_unit_test(ports_have_the_names_of_opentelemetry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
