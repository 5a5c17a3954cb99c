// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mispair run: one command and all its descendants, from before their first instruction. The child
 * waits on a pipe until it is followed, then becomes the command.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collector.h"
#include "commands.h"
#include "options.h"

struct child {
	pid_t pid;
	int pidfd;
	int go;	    /* write end: one byte lets it run */
	int failed; /* read end: errno of a failed exec, or the end of the file */
};

/* What this process raises for itself is not the command's. */
static const int raised[] = {RLIMIT_NOFILE, RLIMIT_MEMLOCK};
#define N_RAISED (sizeof(raised) / sizeof(*raised))

static struct rlimit limits[N_RAISED];

static void remember_limits(void)
{
	size_t i;

	for (i = 0; i < N_RAISED; i++)
		if (getrlimit((__rlimit_resource_t)raised[i], &limits[i]))
			limits[i] = (struct rlimit){RLIM_INFINITY, RLIM_INFINITY};
}

static void be_child(const struct options *o, int go, int failed)
{
	size_t i;

	sigset_t none;
	char byte;
	int e;

	if (read(go, &byte, 1) != 1)
		_exit(127);
	/* Standard output belongs to the events; the command keeps its own elsewhere. */
	if (o->json && !strcmp(o->json, "-"))
		dup2(STDERR_FILENO, STDOUT_FILENO);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	for (i = 0; i < N_RAISED; i++)
		setrlimit((__rlimit_resource_t)raised[i], &limits[i]);
	execvp(o->command[0], o->command);
	e = errno;
	if (write(failed, &e, sizeof(e)) < 0)
		_exit(126);
	_exit(e == ENOENT ? 127 : 126);
}

static int start_child(const struct options *o, struct child *ch)
{
	int go[2], failed[2];

	if (pipe2(go, O_CLOEXEC))
		return -errno;
	if (pipe2(failed, O_CLOEXEC)) {
		close(go[0]);
		close(go[1]);
		return -errno;
	}
	ch->pid = fork();
	if (!ch->pid) {
		close(go[1]);
		be_child(o, go[0], failed[1]);
	}
	close(go[0]);
	close(failed[1]);
	ch->go = go[1];
	ch->failed = failed[0];
	if (ch->pid < 0)
		return -errno;
	ch->pidfd = (int)syscall(SYS_pidfd_open, ch->pid, 0);
	return ch->pidfd < 0 ? -errno : 0;
}

/* The command line as one string, for `start`. */
static char *join(char **words)
{
	size_t len = 1;
	char *text;
	int i;

	for (i = 0; words[i]; i++)
		len += strlen(words[i]) + 1;
	text = calloc(1, len);
	for (i = 0; text && words[i]; i++) {
		if (i)
			strcat(text, " ");
		strcat(text, words[i]);
	}
	return text;
}

static int run(const struct options *o, struct collector *c)
{
	struct child ch = {.pid = -1};
	int e, exec_error = 0, status = 0;

	e = start_child(o, &ch);
	if (!e)
		e = collector_follow(c, (uint32_t)ch.pid);
	if (e) {
		fprintf(stderr, "mispair: cannot start the command: %s\n", strerror(-e));
		if (ch.pid > 0) {
			kill(ch.pid, SIGKILL);
			waitpid(ch.pid, NULL, 0);
		}
		collector_close(c, -1);
		return EXIT_FAILED;
	}
	collector_start(c);
	if (write(ch.go, "", 1) != 1)
		kill(ch.pid, SIGKILL);
	close(ch.go);
	if (read(ch.failed, &exec_error, sizeof(exec_error)) != sizeof(exec_error))
		exec_error = 0;
	close(ch.failed);
	if (exec_error)
		fprintf(stderr, "mispair: cannot run '%s': %s\n", o->command[0],
			strerror(exec_error));
	e = collector_run(c, ch.pidfd, (uint32_t)ch.pid);
	if (e)
		fprintf(stderr, "mispair: the event loop failed: %s\n", strerror(-e));
	close(ch.pidfd);
	/* A second signal ended us first: the command goes on without us. */
	if (waitpid(ch.pid, &status, WNOHANG) != ch.pid)
		status = -1;
	return collector_close(c, status);
}

int run_command(const struct options *o)
{
	struct options mine = *o;
	struct collector *c;
	char *command = join(o->command);
	int e;

	mine.filters.follow = 1;
	remember_limits();
	e = collector_open(&mine, command, &c);
	if (!e)
		e = run(&mine, c);
	free(command);
	return e;
}

int cmd_run(int argc, char **argv)
{
	struct options o;
	int e = options_parse(&o, FOR_RUN, argc, argv);

	if (e > 0) {
		puts("usage: mispair run [OPTION...] -- CMD [ARG...]\n");
		options_help(stdout, FOR_RUN);
		return EXIT_NOTHING;
	}
	return e ? EXIT_USAGE : run_command(&o);
}
