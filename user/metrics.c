// SPDX-License-Identifier: GPL-2.0-or-later
/* The endpoint and the file. The one thing that two threads share is the copy, under its lock. */
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dynlib.h"
#include "metrics.h"

#define FILE_NS	    5000000000ULL
#define CONNECTIONS 16 /* at once; more are turned away */
#define IDLE_S	    10

static struct {
	__typeof__(&MHD_start_daemon) start;
	__typeof__(&MHD_stop_daemon) stop;
	__typeof__(&MHD_create_response_from_buffer) respond;
	__typeof__(&MHD_add_response_header) header;
	__typeof__(&MHD_queue_response) queue;
	__typeof__(&MHD_destroy_response) destroy;
} lib;

struct metrics {
	pthread_mutex_t lock;
	struct metrics_numbers numbers; /* under the lock */
	bool ready;			/* the same */
	struct metrics_clamp clamp;
	struct MHD_Daemon *daemon;
	char *file, *temporary;
	uint64_t file_ns, failures;
	bool failing;
};

static char *render(const struct metrics_numbers *n, size_t *len)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, len);

	if (!out)
		return NULL;
	metrics_write(out, n);
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}

static enum MHD_Result answer(void *ctx, struct MHD_Connection *conn, const char *url,
			      const char *method, const char *version, const char *upload,
			      size_t *upload_len, void **state)
{
	static const char type[] = "text/plain; version=0.0.4; charset=utf-8";
	struct metrics *m = ctx;
	struct metrics_numbers *copy = NULL;
	unsigned int status = MHD_HTTP_OK;
	struct MHD_Response *r;
	enum MHD_Result ret;
	char *text = NULL;
	size_t len = 0;

	(void)version;
	(void)upload;
	(void)state;
	*upload_len = 0;
	if (strcmp(method, "GET") && strcmp(method, "HEAD"))
		status = MHD_HTTP_METHOD_NOT_ALLOWED;
	else if (strcmp(url, "/metrics"))
		status = MHD_HTTP_NOT_FOUND;
	else
		copy = malloc(sizeof(*copy));
	if (copy) {
		pthread_mutex_lock(&m->lock);
		*copy = m->numbers;
		status = m->ready ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
		pthread_mutex_unlock(&m->lock);
		if (status == MHD_HTTP_OK)
			text = render(copy, &len);
		free(copy);
	}
	if (!text && status == MHD_HTTP_OK)
		status = MHD_HTTP_INTERNAL_SERVER_ERROR;
	if (text)
		r = lib.respond(len, text, MHD_RESPMEM_MUST_FREE);
	else
		r = lib.respond(12, (void *)"see /metrics", MHD_RESPMEM_PERSISTENT);
	if (!r) {
		free(text);
		return MHD_NO;
	}
	lib.header(r, "Content-Type", text ? type : "text/plain");
	ret = lib.queue(conn, status, r);
	lib.destroy(r);
	return ret;
}

static int load(char *err, size_t errlen)
{
	static const char *const names[] = {"libmicrohttpd.so.12", NULL};
	const struct dynlib_symbol symbols[] = {
		{"MHD_start_daemon", &lib.start},
		{"MHD_stop_daemon", &lib.stop},
		{"MHD_create_response_from_buffer", &lib.respond},
		{"MHD_add_response_header", &lib.header},
		{"MHD_queue_response", &lib.queue},
		{"MHD_destroy_response", &lib.destroy},
	};

	return dynlib_load(names, "libmicrohttpd12", symbols, sizeof(symbols) / sizeof(symbols[0]),
			   err, errlen);
}

static int listen_at(struct metrics *m, const char *address, char *err, size_t errlen)
{
	unsigned int flags = MHD_USE_INTERNAL_POLLING_THREAD;
	union metrics_address a;
	char why[200];
	int e = metrics_parse_address(address, &a);

	if (!e)
		e = load(why, sizeof(why));
	if (e) {
		snprintf(err, errlen, "--metrics: %s", e == -ENOENT ? why : strerror(-e));
		return e;
	}
	if (a.any.sa_family == AF_INET6)
		flags |= MHD_USE_IPv6;
	errno = 0;
	m->daemon = lib.start(flags, 0, NULL, NULL, answer, m, MHD_OPTION_SOCK_ADDR, &a.any,
			      MHD_OPTION_CONNECTION_LIMIT, (unsigned int)CONNECTIONS,
			      MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)IDLE_S, MHD_OPTION_END);
	if (m->daemon)
		return 0;
	e = errno ? -errno : -EIO;
	snprintf(err, errlen, "cannot listen on %s for --metrics: %s", address, strerror(-e));
	return e;
}

/* Whoever reads the file finds the old one or the new one, whole. */
static bool write_file(struct metrics *m)
{
	int fd;
	FILE *out;
	bool ok;

	unlink(m->temporary);
	fd = open(m->temporary, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return false;
	out = fdopen(fd, "w");
	if (!out) {
		close(fd);
		return false;
	}
	metrics_write(out, &m->numbers);
	/* node_exporter is another user; nothing in it is secret. */
	ok = !fflush(out) && !ferror(out) && !fchmod(fd, 0644);
	ok = !fclose(out) && ok;
	if (ok && !rename(m->temporary, m->file))
		return true;
	unlink(m->temporary);
	return false;
}

void metrics_update(struct metrics *m, const struct metrics_numbers *n, bool now_or_never)
{
	if (!m)
		return;
	pthread_mutex_lock(&m->lock);
	m->numbers = *n;
	metrics_clamp(&m->clamp, &m->numbers);
	m->ready = true;
	pthread_mutex_unlock(&m->lock);
	if (!m->file || (!now_or_never && n->stats.time_ns < m->file_ns + FILE_NS))
		return;
	m->file_ns = n->stats.time_ns;
	if (write_file(m)) {
		m->failing = false;
		return;
	}
	if (!m->failing)
		fprintf(stderr, "mispair: cannot write %s: %s\n", m->file, strerror(errno));
	m->failing = true;
	m->failures++;
}

uint64_t metrics_failures(const struct metrics *m)
{
	return m ? m->failures : 0;
}

void metrics_free(struct metrics *m)
{
	if (!m)
		return;
	if (m->daemon)
		lib.stop(m->daemon);
	pthread_mutex_destroy(&m->lock);
	free(m->file);
	free(m->temporary);
	free(m);
}

int metrics_new(const char *address, const char *file, struct metrics **out, char *err,
		size_t errlen)
{
	struct metrics *m = calloc(1, sizeof(*m));
	int e = -ENOMEM;

	snprintf(err, errlen, "out of memory");
	if (!m)
		return e;
	pthread_mutex_init(&m->lock, NULL);
	if (file) {
		m->file = strdup(file);
		if (!m->file || asprintf(&m->temporary, "%s.%d.tmp", file, (int)getpid()) < 0) {
			m->temporary = NULL;
			goto fail;
		}
	}
	e = address ? listen_at(m, address, err, errlen) : 0;
	if (!e) {
		*out = m;
		return 0;
	}
fail:
	metrics_free(m);
	return e;
}
