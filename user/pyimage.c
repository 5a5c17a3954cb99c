// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A table of analysed files by device, inode, size and time of change. Kept for the whole run:
 * hosts have few interpreters.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* Files of up to MOST bytes. */
static struct pyimage *get(struct pyimages *s, uint32_t pid, const struct mapping *m, uint64_t most)
{
	struct pyimage_key key = {0};
	struct pyimage *i = NULL;
	struct stat st;
	int fd = remote_open_mapping(pid, m);

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) || (uint64_t)st.st_size > most)
		goto out;
	key.dev = st.st_dev;
	key.ino = st.st_ino;
	key.size = (uint64_t)st.st_size;
	key.mtime_ns = (uint64_t)st.st_mtim.tv_sec * 1000000000ULL + (uint64_t)st.st_mtim.tv_nsec;
	HASH_FIND(hh, s->table, &key, sizeof(key), i);
	if (i || !(i = calloc(1, sizeof(*i))))
		goto out;
	i->key = key;
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
