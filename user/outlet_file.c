// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A line is handed to write(2) at once, so that a reader never sees half of it, unless the device
 * itself took only a part. Then the next line starts with a newline, and only the torn line is
 * lost. A file that cannot be changed for another stays open: no line waits for a name.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "outlet_file.h"

struct file {
	struct outlet outlet;
	struct outlet_file_opts o;
	char *path;
	int fd;
	bool own_fd;
	bool dead;	/* EPIPE: the reader has gone */
	bool torn;	/* the last byte written was not the end of a line */
	bool failing;	/* said already */
	bool no_rotate; /* said already */
	uint64_t written, failures, failed_before;
};

const char *event_string(const struct event_line *e, const char *key)
{
	struct json_object *v;

	return json_object_object_get_ex(e->obj, key, &v) ? json_object_get_string(v) : NULL;
}

static int open_path(const char *path, int how, char *err, size_t errlen)
{
	int code, fd = open(path, O_CREAT | O_WRONLY | how | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd >= 0)
		return fd;
	code = errno;
	if (code == ELOOP)
		snprintf(err, errlen,
			 "cannot write to %s: it is a symbolic link, and following one as root is "
			 "not safe; name the file itself",
			 path);
	else
		snprintf(err, errlen, "cannot open %s for writing: %s", path, strerror(code));
	return -code;
}

static void say(struct file *f, int code, bool ok)
{
	if (ok && f->failing)
		fprintf(stderr, "mispair: %s is written to again; %llu events were lost\n", f->path,
			(unsigned long long)(f->failures - f->failed_before));
	else if (!ok && !f->failing)
		fprintf(stderr,
			"mispair: cannot write to %s: %s; events are lost and counted until it "
			"works again\n",
			f->path, strerror(code));
	if (!ok && !f->failing)
		f->failed_before = f->failures - 1;
	f->failing = !ok;
}

/* Another file under the same name; the old one stays in use if there is none. */
static bool change_file(struct file *f, int how)
{
	char err[512];
	struct stat st;
	int fd = open_path(f->path, how, err, sizeof(err));

	if (fd < 0) {
		fprintf(stderr, "mispair: %s; the old file stays in use\n", err);
		return false;
	}
	/* Whoever appends to the old one later must not continue our torn line. */
	if (f->torn && write(f->fd, "\n", 1) < 0)
		f->failures++;
	close(f->fd);
	f->fd = fd;
	f->torn = false;
	f->written = fstat(fd, &st) ? 0 : (uint64_t)st.st_size;
	return true;
}

/* PATH.1 becomes PATH.2 and so on; what would be more than are kept is gone. */
static bool shift_names(const struct file *f)
{
	size_t room = strlen(f->path) + 16;
	char *from = malloc(room), *to = malloc(room);
	bool ok = from && to;
	unsigned int i;

	for (i = f->o.rotate_count; ok && i; i--) {
		snprintf(to, room, "%s.%u", f->path, i);
		if (i > 1)
			snprintf(from, room, "%s.%u", f->path, i - 1);
		else
			snprintf(from, room, "%s", f->path);
		ok = !rename(from, to) || errno == ENOENT;
	}
	free(from);
	free(to);
	return ok;
}

static void rotate(struct file *f)
{
	if (f->no_rotate)
		return;
	if (!shift_names(f)) {
		fprintf(stderr, "mispair: cannot rotate %s: %s; it grows\n", f->path,
			strerror(errno));
		f->no_rotate = true;
		return;
	}
	change_file(f, f->o.rotate_count ? 0 : O_TRUNC);
}

static bool write_all(struct file *f, const char *buf, size_t len)
{
	size_t done = 0;
	ssize_t ret;

	while (done < len) {
		ret = write(f->fd, buf + done, len - done);
		if (ret < 0 && errno == EINTR)
			continue;
		if (ret <= 0)
			break;
		done += (size_t)ret;
	}
	f->written += done;
	if (done)
		f->torn = buf[done - 1] != '\n';
	return done == len;
}

static void on_line(void *ctx, const struct event_line *e)
{
	struct file *f = ctx;
	bool ok;

	if (f->dead)
		return;
	if (f->o.rotate_size && f->written && f->written + e->len > f->o.rotate_size)
		rotate(f);
	/* After a torn line; alone, because the line is not ours to put it in front of. */
	ok = (!f->torn || write_all(f, "\n", 1)) && write_all(f, e->text, e->len);
	if (ok) {
		say(f, 0, true);
	} else if (errno == EPIPE) {
		f->dead = true; /* "| head" has seen enough: not an error of ours */
	} else {
		f->failures++;
		say(f, errno, false);
	}
}

static void on_reopen(void *ctx)
{
	struct file *f = ctx;

	if (f->own_fd && change_file(f, O_APPEND))
		f->no_rotate = false;
}

static bool is_closed(void *ctx)
{
	return ((struct file *)ctx)->dead;
}

static uint64_t get_failures(void *ctx)
{
	return ((struct file *)ctx)->failures;
}

static void on_finish(void *ctx)
{
	struct file *f = ctx;

	if (f->torn && !f->dead)
		write_all(f, "\n", 1);
	if (f->own_fd)
		close(f->fd);
	free(f->path);
	free(f);
}

int outlet_file_new(const struct outlet_file_opts *o, struct outlet **out, char *err, size_t errlen)
{
	struct file *f = calloc(1, sizeof(*f));
	int ret = -ENOMEM;

	*out = NULL;
	if (f) {
		f->o = *o;
		f->path = strdup(strcmp(o->path, "-") ? o->path : "standard output");
	}
	if (!f || !f->path) {
		snprintf(err, errlen, "cannot write to %s: out of memory", o->path);
		goto fail;
	}
	if (!strcmp(o->path, "-")) {
		f->fd = STDOUT_FILENO;
		f->o.rotate_size = 0;
		if (fcntl(f->fd, F_GETFD) < 0) {
			ret = -errno;
			snprintf(err, errlen, "cannot write to stdout: %s", strerror(-ret));
			goto fail;
		}
	} else {
		ret = open_path(o->path, O_TRUNC, err, errlen);
		if (ret < 0)
			goto fail;
		f->fd = ret;
		f->own_fd = true;
	}
	f->outlet = (struct outlet){.ctx = f,
				    .line = on_line,
				    .reopen = on_reopen,
				    .closed = is_closed,
				    .failures = get_failures,
				    .finish = on_finish};
	*out = &f->outlet;
	return 0;
fail:
	if (f)
		free(f->path);
	free(f);
	return ret;
}
