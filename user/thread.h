/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Threads beside the loop's. */
#ifndef MISPAIR_THREAD_H
#define MISPAIR_THREAD_H

#include <pthread.h>
#include <signal.h>
#include <stddef.h>

/*
 * Starts one that leaves signals to the loop, but for those of a crash: were these blocked, the
 * kernel would end the program without asking the handler that gives the terminal back. 0 or an
 * errno value.
 */
static inline int thread_start(pthread_t *thread, void *(*fn)(void *), void *arg)
{
	static const int crashes[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
	sigset_t set, old;
	size_t i;
	int e;

	sigfillset(&set);
	for (i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
		sigdelset(&set, crashes[i]);
	pthread_sigmask(SIG_SETMASK, &set, &old);
	e = pthread_create(thread, NULL, fn, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return e;
}

#endif
