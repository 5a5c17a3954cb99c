// SPDX-License-Identifier: GPL-2.0-or-later
/* A queue under a lock, one thread that empties it, and more of them for the end. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "thread.h"
#include "worker.h"

#define HELPERS_MAX 16

struct job {
	struct job *next;
	worker_fn fn;
	void *arg;
};

struct worker {
	pthread_mutex_t lock;
	pthread_cond_t more, idle;
	pthread_t thread;
	struct job *first, **last;
	int n, unaware; /* jobs; those that run and were not told of the end */
	bool ending;
};

static void *work(void *arg)
{
	struct worker *w = arg;
	struct job *j;
	bool ending;

	pthread_mutex_lock(&w->lock);
	for (;;) {
		while (!w->first && !w->ending)
			pthread_cond_wait(&w->more, &w->lock);
		j = w->first;
		if (!j)
			break;
		w->first = j->next;
		if (!w->first)
			w->last = &w->first;
		w->n--;
		ending = w->ending;
		w->unaware += !ending;
		pthread_mutex_unlock(&w->lock);
		j->fn(j->arg, ending);
		free(j);
		pthread_mutex_lock(&w->lock);
		w->unaware -= !ending;
		pthread_cond_broadcast(&w->idle);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

struct worker *worker_new(void)
{
	struct worker *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->more, NULL);
	pthread_cond_init(&w->idle, NULL);
	w->last = &w->first;
	if (thread_start(&w->thread, work, w)) {
		free(w);
		return NULL;
	}
	return w;
}

int worker_give(struct worker *w, worker_fn fn, void *arg)
{
	struct job *j = calloc(1, sizeof(*j));

	if (!j)
		return -ENOMEM;
	j->fn = fn;
	j->arg = arg;
	pthread_mutex_lock(&w->lock);
	*w->last = j;
	w->last = &j->next;
	w->n++;
	pthread_cond_signal(&w->more);
	pthread_mutex_unlock(&w->lock);
	return 0;
}

void worker_free(struct worker *w)
{
	pthread_t helpers[HELPERS_MAX];
	int i, n;

	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->ending = true;
	/* What a job has begun to make, a later one takes down: not both at a time. */
	while (w->unaware)
		pthread_cond_wait(&w->idle, &w->lock);
	n = w->n - 1;
	pthread_cond_signal(&w->more);
	pthread_mutex_unlock(&w->lock);
	n = n > HELPERS_MAX ? HELPERS_MAX : n;
	for (i = 0; i < n && !thread_start(&helpers[i], work, w); i++)
		;
	n = i;
	for (i = 0; i < n; i++)
		pthread_join(helpers[i], NULL);
	pthread_join(w->thread, NULL);
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->more);
	pthread_cond_destroy(&w->idle);
	free(w);
}
