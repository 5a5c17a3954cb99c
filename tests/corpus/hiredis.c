// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libhiredis, and a caller that leaves redisCommand before its reply has come:
 *
 * --way longjmp          a SIGALRM handler that jumps out
 * --way pthread-cancel   the thread is cancelled; another thread goes on with the connection
 *
 * The server is a redis behind a relay that hands marked requests on late.
 */
// link: -lhiredis
#include <hiredis/hiredis.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/time.h>

#include "truth.h"

struct call {
	redisContext *context;
	struct truth *truth;
	int lag;
	bool sent;
};

static sigjmp_buf out;
static unsigned int tag;

static void on_alarm(int signal)
{
	(void)signal;
	siglongjmp(out, 1);
}

static void *exchange(void *arg)
{
	struct call *call = arg;
	char request[64];
	redisReply *reply = NULL;
	int sent = 0;

	snprintf(request, sizeof(request), "tag-%u~%d~",
		 __atomic_add_fetch(&tag, 1, __ATOMIC_SEQ_CST), call->lag);
	truth_before_send(call->truth);
	if (redisAppendCommand(call->context, "ECHO %s", request))
		client_die("redisAppendCommand");
	while (!sent)
		if (redisBufferWrite(call->context, &sent))
			client_die("redisBufferWrite");
	__atomic_store_n(&call->sent, true, __ATOMIC_SEQ_CST);
	if (redisGetReply(call->context, (void **)&reply))
		client_die("redisGetReply");
	if (!reply || reply->type != REDIS_REPLY_STRING)
		client_die("redisCommand");
	truth_judge(call->truth, !strcmp(reply->str, request));
	freeReplyObject(reply);
	return NULL;
}

static void left_by_longjmp(struct call *call, int limit)
{
	struct itimerval timer = {.it_value.tv_usec = limit * 1000};

	if (sigsetjmp(out, 1)) {
		truth_abandoned(call->truth);
		return;
	}
	if (setitimer(ITIMER_REAL, &timer, NULL))
		client_die("setitimer");
	exchange(call);
	/* The machine was slow, and the reply came first. */
	timer.it_value.tv_usec = 0;
	if (setitimer(ITIMER_REAL, &timer, NULL))
		client_die("setitimer");
}

static void left_by_cancel(struct call *call, int limit)
{
	pthread_t thread;
	void *result;

	if (pthread_create(&thread, NULL, exchange, call))
		client_die("pthread_create");
	/* Cancelled before it has sent, its request would be the first half of the next one. */
	while (!__atomic_load_n(&call->sent, __ATOMIC_SEQ_CST))
		truth_sleep(1);
	truth_sleep(limit);
	pthread_cancel(thread);
	pthread_join(thread, &result);
	if (result == PTHREAD_CANCELED)
		truth_abandoned(call->truth);
}

static struct call open_call(const struct options *o)
{
	struct call call = {.context = redisConnect("127.0.0.1", o->port)};

	if (!call.context || call.context->err)
		client_die("redisConnect");
	call.truth = truth_about(call.context->fd);
	return call;
}

static void one_round(const struct options *o, unsigned int *seed)
{
	struct timing timing = truth_timing(o, seed);
	struct call wronged = open_call(o), clean = open_call(o);
	int i, followers = truth_between(seed, 1, 3);

	for (i = 0; i < timing.clean; i++)
		exchange(&wronged);
	exchange(&clean);
	wronged.lag = timing.lag;
	wronged.sent = false;
	if (!strcmp(o->way, "longjmp"))
		left_by_longjmp(&wronged, timing.limit);
	else
		left_by_cancel(&wronged, timing.limit);
	wronged.lag = 0;
	truth_sleep(timing.gap);
	for (i = 0; i < followers; i++)
		exchange(&wronged);
	exchange(&clean);
}

int main(int argc, char **argv)
{
	struct sigaction alarm = {.sa_handler = on_alarm};
	struct options o = truth_options(argc, argv);
	unsigned int seed = o.seed;
	int i;

	if (sigaction(SIGALRM, &alarm, NULL))
		client_die("sigaction");
	for (i = 0; i < o.timings; i++)
		one_round(&o, &seed);
	truth_print("hiredis");
	return 0;
}
