// SPDX-License-Identifier: GPL-2.0-or-later
/* One perf event a CPU: an event that is inherited may only be mapped when it is bound to a CPU. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/perf_event.h>

#include "mmapwatch.h"

#define DATA_PAGES 16 /* a power of two; a record is some 100 bytes */
#define RECORD_MAX 4096
#define CPUS_MAX   1024

struct mmapwatch {
	mmapwatch_fn fn;
	void *ctx;
	size_t page;
	int n;
	int *fds;
	struct perf_event_mmap_page **rings;
};

/* PERF_RECORD_MMAP2 up to its file name, include/uapi/linux/perf_event.h. */
struct mmap2_record {
	struct perf_event_header header;
	uint32_t pid, tid;
	uint64_t addr, len, pgoff;
	uint32_t maj, min;
	uint64_t ino, ino_generation;
	uint32_t prot, flags;
	char file[];
};

static int open_on(struct mmapwatch *w, uint32_t pid, int cpu)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_DUMMY,
		.mmap = 1,
		.mmap2 = 1,
		.inherit = 1,
		/* Side-band records do not count as events: only a watermark wakes for them. */
		.watermark = 1,
		.wakeup_watermark = 1,
	};
	void *ring;
	int fd =
		(int)syscall(SYS_perf_event_open, &attr, (pid_t)pid, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd < 0)
		return -errno;
	ring = mmap(NULL, (1 + DATA_PAGES) * w->page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (ring == MAP_FAILED) {
		int e = -errno;

		close(fd);
		return e;
	}
	w->fds[w->n] = fd;
	w->rings[w->n++] = ring;
	return 0;
}

int mmapwatch_new(uint32_t pid, mmapwatch_fn fn, void *ctx, struct mmapwatch **out)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF);
	struct mmapwatch *w = calloc(1, sizeof(*w));
	int cpu, e = -ENOMEM;

	if (!w)
		return -ENOMEM;
	if (cpus < 1 || cpus > CPUS_MAX)
		cpus = CPUS_MAX;
	w->fn = fn;
	w->ctx = ctx;
	w->page = (size_t)sysconf(_SC_PAGESIZE);
	w->fds = calloc((size_t)cpus, sizeof(*w->fds));
	w->rings = calloc((size_t)cpus, sizeof(*w->rings));
	if (!w->fds || !w->rings)
		goto fail;
	for (cpu = 0; cpu < cpus; cpu++) {
		e = open_on(w, pid, cpu);
		if (e && e != -ENODEV) /* a CPU that is offline */
			goto fail;
	}
	*out = w;
	return 0;
fail:
	mmapwatch_free(w);
	return e;
}

void mmapwatch_free(struct mmapwatch *w)
{
	int i;

	if (!w)
		return;
	for (i = 0; i < w->n; i++) {
		munmap(w->rings[i], (1 + DATA_PAGES) * w->page);
		close(w->fds[i]);
	}
	free(w->fds);
	free(w->rings);
	free(w);
}

int mmapwatch_fds(const struct mmapwatch *w, const int **fds)
{
	*fds = w->fds;
	return w->n;
}

/* Copies LEN bytes at position AT of a ring of SIZE bytes that may wrap. */
static void copy_out(const char *data, size_t size, uint64_t at, void *dst, size_t len)
{
	size_t from = at % size, first = size - from < len ? size - from : len;

	memcpy(dst, data + from, first);
	memcpy((char *)dst + first, data, len - first);
}

static void drain_one(struct mmapwatch *w, struct perf_event_mmap_page *ring)
{
	uint64_t head = __atomic_load_n(&ring->data_head, __ATOMIC_ACQUIRE);
	const char *data = (const char *)ring + w->page;
	size_t size = DATA_PAGES * w->page;
	union {
		struct perf_event_header header;
		struct mmap2_record rec;
		char bytes[RECORD_MAX + 1];
	} u;
	uint64_t tail = ring->data_tail;

	while (head - tail >= sizeof(u.header)) {
		copy_out(data, size, tail, &u.header, sizeof(u.header));
		if (u.header.size < sizeof(u.header) || u.header.size > head - tail)
			break;
		if (u.header.type == PERF_RECORD_MMAP2 && u.header.size > sizeof(u.rec) &&
		    u.header.size <= RECORD_MAX) {
			size_t len = u.header.size;

			copy_out(data, size, tail, &u, len);
			u.bytes[len] = 0;
			w->fn(w->ctx, u.rec.pid, u.rec.file);
			tail += len;
			continue;
		}
		tail += u.header.size;
	}
	__atomic_store_n(&ring->data_tail, head, __ATOMIC_RELEASE);
}

void mmapwatch_drain(struct mmapwatch *w)
{
	int i;

	for (i = 0; i < w->n; i++)
		drain_one(w, w->rings[i]);
}
