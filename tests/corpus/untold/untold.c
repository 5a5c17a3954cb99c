// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Of polls that time out, how many does no program hear of? On the kernels that we know a timer
 * ends each of them. But a host may keep programs from running while some task of its own has the
 * CPU, and then nobody can tell what its timers end. Prints "POLLS UNTOLD".
 */
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "untold.h"
#include "untold.skel.h"

#define TIMEOUT_MS 2

static struct untold_bpf *untold;
static unsigned int polls, missed[UNTOLD_THREADS];

static void *waits(void *arg)
{
	unsigned int i, me = (unsigned int)(uintptr_t)arg;
	volatile struct told_thread *t = &untold->bss->threads[me];

	t->tid = (unsigned int)gettid();
	for (i = 0; i < polls; i++) {
		unsigned int before = t->told;

		if (poll(NULL, 0, TIMEOUT_MS)) {
			perror("untold: poll");
			exit(1);
		}
		missed[me] += t->told == before;
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[UNTOLD_THREADS];
	unsigned int i, all = 0;

	polls = argc == 2 ? (unsigned int)strtoul(argv[1], NULL, 10) : 0;
	if (!polls) {
		fprintf(stderr, "usage: untold POLLS (of each of %d threads)\n", UNTOLD_THREADS);
		return 2;
	}
	untold = untold_bpf__open_and_load();
	if (!untold || untold_bpf__attach(untold)) {
		fprintf(stderr, "untold: this kernel does not take a program on its timers\n");
		untold_bpf__destroy(untold);
		return 1;
	}
	for (i = 0; i < UNTOLD_THREADS; i++)
		if (pthread_create(&threads[i], NULL, waits, (void *)(uintptr_t)i)) {
			fprintf(stderr, "untold: no thread\n");
			return 1;
		}
	for (i = 0; i < UNTOLD_THREADS; i++) {
		pthread_join(threads[i], NULL);
		all += missed[i];
	}
	printf("%u %u\n", polls * UNTOLD_THREADS, all);
	untold_bpf__destroy(untold);
	return 0;
}
