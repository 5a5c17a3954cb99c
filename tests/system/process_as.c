// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * process_as PID CMD...: runs CMD as a process of that number, which nobody may have. The kernel
 * gives the number itself (clone3 with set_tid, 5.5), so no other fork can be faster. The status
 * is CMD's, or 75 if the number is taken.
 */
#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define TAKEN 75 /* EX_TEMPFAIL */

int main(int argc, char **argv)
{
	pid_t wanted = argc > 2 ? atoi(argv[1]) : 0, pid;
	struct clone_args how = {
		.exit_signal = SIGCHLD, .set_tid = (uint64_t)(uintptr_t)&wanted, .set_tid_size = 1};
	int status;

	if (!wanted)
		return 2;
	pid = (pid_t)syscall(SYS_clone3, &how, sizeof(how));
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execv(argv[2], argv + 2);
		perror(argv[2]);
		_exit(1);
	}
	if (pid < 0) {
		perror("clone3");
		return errno == EEXIST ? TAKEN : 1;
	}
	if (waitpid(pid, &status, 0) < 0)
		return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
