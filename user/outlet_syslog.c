// SPDX-License-Identifier: GPL-2.0-or-later
/* One datagram an event, never waiting; the log's socket is looked up again when it is new. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "outlet_syslog.h"
#include "wallclock.h"

struct logger {
	struct outlet outlet;
	struct sockaddr_un addr;
	int fd;
	uint64_t failures;
	char *text;
	size_t room;
};

static int priority(const struct event_line *e)
{
	if (!strcmp(e->severity, "ERROR"))
		return LOG_DAEMON | LOG_ERR;
	return LOG_DAEMON | (strcmp(e->severity, "WARN") ? LOG_INFO : LOG_WARNING);
}

/* Of processes only those that are not watched: of the others there may be many. */
static bool wanted(const struct event_line *e)
{
	if (!strcmp(e->name, "mispair.coverage"))
		return !strcmp(e->severity, "WARN");
	return strcmp(e->name, "mispair.stats") && strcmp(e->name, "mispair.connection.ledger");
}

static bool send_text(struct logger *g, const char *text, size_t len)
{
	return sendto(g->fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&g->addr,
		      sizeof(g->addr)) == (ssize_t)len;
}

static void on_line(void *ctx, const struct event_line *e)
{
	time_t now = (time_t)(e->wall_ns / WALLCLOCK_NS_PER_SEC);
	struct logger *g = ctx;
	char date[32] = "";
	struct tm tm;
	int n;

	if (!wanted(e))
		return;
	if (g->room < e->len + 128) {
		char *text = realloc(g->text, e->len + 128);

		if (!text) {
			g->failures++;
			return;
		}
		g->text = text;
		g->room = e->len + 128;
	}
	if (localtime_r(&now, &tm))
		strftime(date, sizeof(date), "%b %e %H:%M:%S", &tm);
	n = snprintf(g->text, g->room, "<%d>%s mispair[%d]: @cee: %.*s", priority(e), date,
		     (int)getpid(), (int)e->len - 1, e->text);
	if (!send_text(g, g->text, (size_t)n))
		g->failures++;
}

static uint64_t get_failures(void *ctx)
{
	return ((struct logger *)ctx)->failures;
}

static void on_finish(void *ctx)
{
	struct logger *g = ctx;

	if (g->fd >= 0)
		close(g->fd);
	free(g->text);
	free(g);
}

int outlet_syslog_new(const char *path, struct outlet **out, char *err, size_t errlen)
{
	struct logger *g = calloc(1, sizeof(*g));
	int e = -ENOMEM;

	if (!path)
		path = "/dev/log";
	if (!g)
		goto fail;
	g->addr.sun_family = AF_UNIX;
	e = -ENAMETOOLONG;
	if (strlen(path) >= sizeof(g->addr.sun_path))
		goto fail;
	memcpy(g->addr.sun_path, path, strlen(path));
	g->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	/* Is there a log at all? Later it may come and go: each line asks again. */
	if (g->fd < 0 || connect(g->fd, (struct sockaddr *)&g->addr, sizeof(g->addr))) {
		e = -errno;
		goto fail;
	}
	close(g->fd);
	g->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	g->outlet = (struct outlet){
		.ctx = g, .line = on_line, .failures = get_failures, .finish = on_finish};
	*out = &g->outlet;
	return 0;
fail:
	snprintf(err, errlen, "cannot reach the system's log at %s: %s", path, strerror(-e));
	if (g)
		on_finish(g);
	return e;
}
