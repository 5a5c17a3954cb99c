// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The queue and its thread. The collector's side locks for as long as it takes to link a record;
 * everything that can wait is on the other side.
 *
 * What is sent again: a request that got no answer, 429, and any 5xx. OTLP would have 500 given up
 * at once, but a proxy in front of a collector that restarts answers so, and a record that arrives
 * twice does less harm than one that does not. Other answers mean that it will never be taken.
 */
#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dynlib.h"
#include "outlet_otlp.h"
#include "version.h"
#include "wallclock.h"

#define QUEUE_RECORDS 8192
#define QUEUE_BYTES   (16u << 20)
#define BATCH_RECORDS 512
#define BATCH_BYTES   (1u << 20)
#define GATHER_NS     200000000ULL /* a batch waits so long for company */
#define BACKOFF_MIN   250000000ULL
#define BACKOFF_MAX   30000000000ULL
#define TIMEOUT_MS    5000L
#define LAST_NS	      3000000000ULL /* what is left at the end may take so long */

struct record {
	struct record *next;
	char *text;
	size_t len;
};

static struct {
	__typeof__(&curl_global_init) global_init;
	__typeof__(&curl_easy_init) init;
	__typeof__(&curl_easy_setopt) setopt;
	__typeof__(&curl_easy_perform) perform;
	__typeof__(&curl_easy_getinfo) getinfo;
	__typeof__(&curl_easy_strerror) strerror;
	__typeof__(&curl_easy_cleanup) cleanup;
	__typeof__(&curl_slist_append) append;
	__typeof__(&curl_slist_free_all) free_all;
} lib;

struct otlp {
	struct outlet outlet;
	char *url;
	pthread_t thread;
	pthread_mutex_t lock; /* everything below, but what is the thread's own */
	pthread_cond_t changed;
	struct record *first, *last;
	size_t n, bytes;
	uint64_t failures, stop_by_ns; /* 0: run on */
	char *prefix;
	/* the thread's */
	CURL *curl;
	struct curl_slist *headers;
	bool failing;
};

static uint64_t now_ns(void)
{
	return wallclock_read_ns(CLOCK_MONOTONIC);
}

static uint64_t stop_by(struct otlp *o)
{
	uint64_t t;

	pthread_mutex_lock(&o->lock);
	t = o->stop_by_ns;
	pthread_mutex_unlock(&o->lock);
	return t;
}

/* ---- the thread ---- */

static size_t ignore(char *data, size_t size, size_t n, void *ctx)
{
	(void)data;
	(void)ctx;
	return size * n;
}

/* Not 0 ends the transfer: the program wants to end. */
static int on_progress(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	uint64_t t = stop_by(ctx);

	(void)a;
	(void)b;
	(void)c;
	(void)d;
	return t && now_ns() > t;
}

static void sleep_until(struct otlp *o, uint64_t until)
{
	struct timespec ts = {.tv_sec = (time_t)(until / WALLCLOCK_NS_PER_SEC),
			      .tv_nsec = (long)(until % WALLCLOCK_NS_PER_SEC)};

	pthread_cond_timedwait(&o->changed, &o->lock, &ts);
}

/* The oldest records, taken off the queue; NULL when there are none and it is time to end. */
static struct record *take(struct otlp *o, size_t *n)
{
	struct record *batch, *r, *prev = NULL;
	uint64_t until = 0;
	size_t bytes = 0;

	pthread_mutex_lock(&o->lock);
	while (!o->stop_by_ns && (!o->first || (o->n < BATCH_RECORDS && now_ns() < until))) {
		if (!o->first) {
			pthread_cond_wait(&o->changed, &o->lock);
			until = now_ns() + GATHER_NS;
		} else {
			sleep_until(o, until);
		}
	}
	batch = r = o->first;
	for (*n = 0; r && *n < BATCH_RECORDS && bytes < BATCH_BYTES; ++*n) {
		bytes += r->len;
		prev = r;
		r = r->next;
	}
	if (prev)
		prev->next = NULL;
	o->first = r;
	if (!r)
		o->last = NULL;
	o->n -= *n;
	o->bytes -= bytes;
	pthread_mutex_unlock(&o->lock);
	return batch;
}

static char *join(struct otlp *o, const struct record *batch, size_t *len)
{
	size_t need = strlen(o->prefix) + sizeof(OTLP_SUFFIX);
	const struct record *r;
	char *text, *at;

	for (r = batch; r; r = r->next)
		need += r->len + 1;
	text = malloc(need);
	if (!text)
		return NULL;
	at = stpcpy(text, o->prefix);
	for (r = batch; r; r = r->next) {
		at = mempcpy(at, r->text, r->len);
		if (r->next)
			*at++ = ',';
	}
	at = stpcpy(at, OTLP_SUFFIX);
	*len = (size_t)(at - text);
	return text;
}

/* 0: taken. 1: try again, after *WAIT if that is not 0. -1: it will never be taken. */
static int post(struct otlp *o, const char *text, size_t len, uint64_t *wait, char *why,
		size_t whylen)
{
	curl_off_t after = 0;
	long status = 0;
	CURLcode code;

	*wait = 0;
	lib.setopt(o->curl, CURLOPT_POSTFIELDS, text);
	lib.setopt(o->curl, CURLOPT_POSTFIELDSIZE, (long)len);
	code = lib.perform(o->curl);
	if (code != CURLE_OK) {
		snprintf(why, whylen, "%s", lib.strerror(code));
		return 1;
	}
	lib.getinfo(o->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status >= 200 && status < 300)
		return 0;
	snprintf(why, whylen, "it answers %ld", status);
	if (status != 429 && status < 500)
		return -1;
	if (!lib.getinfo(o->curl, CURLINFO_RETRY_AFTER, &after) && after > 0)
		*wait = (uint64_t)after * WALLCLOCK_NS_PER_SEC;
	if (*wait > BACKOFF_MAX)
		*wait = BACKOFF_MAX;
	return 1;
}

/* Said once for each time that it stops working, and once when it works again. */
static void say(struct otlp *o, bool ok, const char *why)
{
	if (ok && o->failing)
		fprintf(stderr, "mispair: %s takes log records again\n", o->url);
	else if (!ok && !o->failing)
		fprintf(stderr,
			"mispair: cannot send to %s: %s; records wait and are tried again\n",
			o->url, why);
	o->failing = !ok;
}

/* True if the batch was taken. */
static bool deliver(struct otlp *o, const char *text, size_t len)
{
	uint64_t backoff = BACKOFF_MIN, wait, end;
	char why[128];
	int ret;

	for (;;) {
		ret = post(o, text, len, &wait, why, sizeof(why));
		if (!ret) {
			say(o, true, NULL);
			return true;
		}
		if (ret < 0) {
			fprintf(stderr, "mispair: %s refused log records: %s\n", o->url, why);
			return false;
		}
		say(o, false, why);
		/* Up to a quarter more, so that many hosts do not come back as one. */
		if (!wait)
			wait = backoff + backoff / 1024 * ((unsigned long)random() % 256);
		backoff = backoff * 2 > BACKOFF_MAX ? BACKOFF_MAX : backoff * 2;
		end = now_ns() + wait;
		pthread_mutex_lock(&o->lock);
		while (now_ns() < end && (!o->stop_by_ns || now_ns() < o->stop_by_ns))
			sleep_until(o, o->stop_by_ns && o->stop_by_ns < end ? o->stop_by_ns : end);
		wait = o->stop_by_ns;
		pthread_mutex_unlock(&o->lock);
		if (wait && now_ns() >= wait)
			return false;
	}
}

static void free_records(struct record *r)
{
	struct record *next;

	for (; r; r = next) {
		next = r->next;
		free(r->text);
		free(r);
	}
}

static void *run(void *arg)
{
	struct otlp *o = arg;
	struct record *batch;
	size_t n, len;
	char *text;
	bool ok;

	while ((batch = take(o, &n))) {
		text = join(o, batch, &len);
		ok = text && deliver(o, text, len);
		free(text);
		free_records(batch);
		if (ok)
			continue;
		pthread_mutex_lock(&o->lock);
		o->failures += n;
		pthread_mutex_unlock(&o->lock);
	}
	return NULL;
}

/* ---- the collector's side ---- */

static void on_line(void *ctx, const struct event_line *e)
{
	struct record *r = NULL;
	struct otlp *o = ctx;
	char *text, *prefix = NULL;

	if (!e->finding && strcmp(e->name, "mispair.lost") && strcmp(e->name, "mispair.coverage"))
		return;
	text = otlp_record(e);
	if (!o->prefix)
		prefix = otlp_prefix(event_string(e, "host.name"), MISPAIR_VERSION);
	if (text)
		r = calloc(1, sizeof(*r));
	pthread_mutex_lock(&o->lock);
	if (!o->prefix)
		o->prefix = prefix;
	if (!r || !o->prefix || o->n >= QUEUE_RECORDS || o->bytes >= QUEUE_BYTES) {
		o->failures++;
		free(text);
		free(r);
	} else {
		r->text = text;
		r->len = strlen(text);
		if (o->last)
			o->last->next = r;
		else
			o->first = r;
		o->last = r;
		o->n++;
		o->bytes += r->len;
		pthread_cond_signal(&o->changed);
	}
	pthread_mutex_unlock(&o->lock);
}

static uint64_t get_failures(void *ctx)
{
	struct otlp *o = ctx;
	uint64_t n;

	pthread_mutex_lock(&o->lock);
	n = o->failures;
	pthread_mutex_unlock(&o->lock);
	return n;
}

static void free_otlp(struct otlp *o)
{
	free_records(o->first);
	if (o->curl)
		lib.cleanup(o->curl);
	if (o->headers)
		lib.free_all(o->headers);
	pthread_cond_destroy(&o->changed);
	pthread_mutex_destroy(&o->lock);
	free(o->prefix);
	free(o->url);
	free(o);
}

static void on_finish(void *ctx)
{
	struct otlp *o = ctx;

	pthread_mutex_lock(&o->lock);
	o->stop_by_ns = now_ns() + LAST_NS;
	pthread_cond_signal(&o->changed);
	pthread_mutex_unlock(&o->lock);
	pthread_join(o->thread, NULL);
	if (o->failures)
		fprintf(stderr, "mispair: %llu log records did not reach %s\n",
			(unsigned long long)o->failures, o->url);
	free_otlp(o);
}

static int load(char *err, size_t errlen)
{
	static const char *const names[] = {"libcurl-gnutls.so.4", "libcurl.so.4", NULL};
	const struct dynlib_symbol symbols[] = {
		{"curl_global_init", &lib.global_init}, {"curl_easy_init", &lib.init},
		{"curl_easy_setopt", &lib.setopt},	{"curl_easy_perform", &lib.perform},
		{"curl_easy_getinfo", &lib.getinfo},	{"curl_easy_strerror", &lib.strerror},
		{"curl_easy_cleanup", &lib.cleanup},	{"curl_slist_append", &lib.append},
		{"curl_slist_free_all", &lib.free_all},
	};

	return dynlib_load(names, "libcurl3-gnutls", symbols, sizeof(symbols) / sizeof(symbols[0]),
			   err, errlen);
}

static int set_up_curl(struct otlp *o)
{
	if (lib.global_init(CURL_GLOBAL_DEFAULT))
		return -EIO;
	o->curl = lib.init();
	o->headers = lib.append(NULL, "Content-Type: application/json");
	if (!o->curl || !o->headers)
		return -ENOMEM;
	lib.setopt(o->curl, CURLOPT_URL, o->url);
	lib.setopt(o->curl, CURLOPT_HTTPHEADER, o->headers);
	lib.setopt(o->curl, CURLOPT_USERAGENT, "mispair/" MISPAIR_VERSION);
	lib.setopt(o->curl, CURLOPT_NOSIGNAL, 1L);
	lib.setopt(o->curl, CURLOPT_TIMEOUT_MS, TIMEOUT_MS);
	lib.setopt(o->curl, CURLOPT_WRITEFUNCTION, ignore);
	lib.setopt(o->curl, CURLOPT_NOPROGRESS, 0L);
	lib.setopt(o->curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	lib.setopt(o->curl, CURLOPT_XFERINFODATA, o);
	/* Only what was asked for: no file:, and no redirect to somewhere else. */
	lib.setopt(o->curl, CURLOPT_PROTOCOLS_STR, "http,https");
	return 0;
}

int outlet_otlp_new(const char *url, struct outlet **out, char *err, size_t errlen)
{
	pthread_condattr_t attr;
	struct otlp *o;
	int e = load(err, errlen);

	if (e)
		return e;
	o = calloc(1, sizeof(*o));
	if (!o)
		return -ENOMEM;
	pthread_mutex_init(&o->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&o->changed, &attr);
	pthread_condattr_destroy(&attr);
	o->url = strdup(url);
	e = o->url ? set_up_curl(o) : -ENOMEM;
	if (!e)
		e = -pthread_create(&o->thread, NULL, run, o);
	if (e) {
		snprintf(err, errlen, "cannot send to %s: %s", url, strerror(-e));
		free_otlp(o);
		return e;
	}
	o->outlet = (struct outlet){
		.ctx = o, .line = on_line, .failures = get_failures, .finish = on_finish};
	*out = &o->outlet;
	return 0;
}
