// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A table of analysed files, by device, inode, size and times of change of the descriptor that was
 * read. In order of use: of those that no process uses any more, the ones that were asked for
 * longest ago go first.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "coverage.h"
#include "pyimage.h"
#include "session.h"

struct pyimages {
	struct pyimage *table;
};

struct pyimages *pyimages_new(void)
{
	return calloc(1, sizeof(struct pyimages));
}

void pyimages_free(struct pyimages *s)
{
	struct pyimage *i, *tmp;

	if (!s)
		return;
	HASH_ITER (hh, s->table, i, tmp) {
		session_unprobe(i->probe);
		HASH_DEL(s->table, i);
		free(i);
	}
	free(s);
}

#define EXPECT_MAX (16u << 20)
#define UNUSED_MAX 32 /* a kilobyte each */

static void make_room(struct pyimages *s)
{
	struct pyimage *i, *tmp;
	unsigned int unused = 0;

	HASH_ITER (hh, s->table, i, tmp)
		unused += !i->users;
	HASH_ITER (hh, s->table, i, tmp) {
		if (unused < UNUSED_MAX)
			break;
		if (i->users)
			continue;
		session_unprobe(i->probe);
		HASH_DEL(s->table, i);
		free(i);
		unused--;
	}
}

/* Files of up to MOST bytes. */
static struct pyimage *get(struct pyimages *s, uint32_t pid, const struct mapping *m, uint64_t most)
{
	struct pyimage *i = NULL;
	struct filetrust t;
	int fd = remote_open_mapping(pid, m);

	if (fd < 0)
		return NULL;
	if (filetrust_of(fd, &t) || t.key.size > most)
		goto out;
	HASH_FIND(hh, s->table, &t.key, sizeof(t.key), i);
	if (i) {
		HASH_DEL(s->table, i);
		HASH_ADD(hh, s->table, key, sizeof(i->key), i); /* behind all others */
		goto out;
	}
	make_room(s);
	i = calloc(1, sizeof(*i));
	if (!i)
		goto out;
	i->key = t.key;
	i->writer = t.writer;
	i->uid = t.uid;
	i->error = pyfind_analyse_fd(fd, &i->found, i->why, sizeof(i->why));
	HASH_ADD(hh, s->table, key, sizeof(i->key), i);
out:
	close(fd);
	return i;
}

struct pyimage *pyimages_get(struct pyimages *s, uint32_t pid, const struct mapping *m)
{
	return get(s, pid, m, UINT64_MAX);
}

void pyimages_expect(struct pyimages *s, uint32_t pid, const struct mapping *m)
{
	get(s, pid, m, EXPECT_MAX);
}

void pyimage_use(struct pyimage *i)
{
	i->users++;
}

void pyimage_leave(struct pyimage *i)
{
	if (i)
		i->users--;
}

size_t pyimages_count(const struct pyimages *s)
{
	return HASH_COUNT(s->table);
}

int pyimage_open(const struct pyimage *i, uint32_t pid, const struct mapping *m)
{
	int fd = remote_open_mapping(pid, m);
	struct filetrust t;

	if (fd < 0)
		return fd;
	if (!filetrust_of(fd, &t) && filetrust_same(&t.key, &i->key))
		return fd;
	close(fd);
	return -ESTALE;
}

bool pyimage_bias(const struct pyimage *i, const struct mapping *m, uint64_t *bias)
{
	uint32_t n;

	for (n = 0; n < i->found.n_segments; n++) {
		const struct pyfind_segment *s = &i->found.segments[n];

		if ((s->offset & ~4095ULL) == m->offset) {
			*bias = m->start - (s->vaddr & ~4095ULL);
			return true;
		}
	}
	return false;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool pick(void *ctx, const struct mapping *m)
{
	struct pymappings *w = ctx;
	const char *base = base_name(m->path);

	if (!w->first.start)
		w->first = *m;
	if (!w->no_owners && m->exec)
		w->no_owners = coverage_runtime_of(m->path);
	if (!w->module.start && !strncmp(base, "_asyncio.", 9))
		w->module = *m;
	if (!strncmp(base, "libpython", 9)) {
		if (strncmp(base_name(w->interpreter.path), "libpython", 9))
			w->interpreter = *m;
	} else if (!w->interpreter.start &&
		   (!strncmp(base, "python", 6) || !strncmp(base, "uwsgi", 5))) {
		w->interpreter = *m;
	}
	return false;
}

int pymappings_find(uint32_t pid, struct pymappings *out)
{
	memset(out, 0, sizeof(*out));
	return remote_mappings(pid, pick, out);
}
