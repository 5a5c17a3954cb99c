// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How large the recorder's maps are, and what was lost since they are no larger.
 *
 * Where a full map refuses, the recorder counts that (bpf/limit_table.h). An LRU map never refuses:
 * what it has pushed out is found by what was added. Its entries are asked for within a pass or
 * two, so as long as no more are added in two seconds than fit, nothing was lost that anybody
 * waited for.
 */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>
#include <bpf/libbpf.h>

#include "session_int.h"

/* A thread's entry takes so much, and no map of them more than this part of the memory. */
#define THREAD_BYTES  128
#define THREAD_PART   1024
#define THREADS_LEAST 4096
#define THREADS_MOST  65536

/* An LRU map keeps so many entries for each processor that others cannot have. */
#define LRU_HOARD 256

/* No more threads than the host may have at a time. */
static uint32_t threads_room(void)
{
	uint64_t most = THREADS_MOST, numbers, memory;
	long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
	FILE *f = fopen("/proc/sys/kernel/pid_max", "re");

	if (f) {
		if (fscanf(f, "%" SCNu64, &numbers) == 1 && numbers && numbers < most)
			most = numbers;
		fclose(f);
	}
	if (pages > 0 && page > 0) {
		memory = (uint64_t)pages * (uint64_t)page / THREAD_PART / THREAD_BYTES;
		if (memory < most)
			most = memory;
	}
	return most < THREADS_LEAST ? THREADS_LEAST : (uint32_t)most;
}

static void shrink(struct session *s, uint32_t most)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, s->skel->obj)
	{
		enum bpf_map_type type = bpf_map__type(map);

		if ((type == BPF_MAP_TYPE_HASH || type == BPF_MAP_TYPE_LRU_HASH) &&
		    bpf_map__max_entries(map) > most)
			bpf_map__set_max_entries(map, most);
	}
}

static void enlarge_lru(struct session *s, struct bpf_map *map)
{
	bpf_map__set_max_entries(map, bpf_map__max_entries(map) + LRU_HOARD * (uint32_t)s->n_cpus);
}

void session_size_maps(struct session *s, uint32_t most)
{
	uint32_t threads = threads_room();

	bpf_map__set_max_entries(s->skel->maps.procs, s->processes_max);
	bpf_map__set_max_entries(s->skel->maps.runtimes, s->processes_max);
	bpf_map__set_max_entries(s->skel->maps.tree, s->processes_max);
	bpf_map__set_max_entries(s->skel->maps.hints, s->processes_max);
	bpf_map__set_max_entries(s->skel->maps.callers, s->processes_max);
	bpf_map__set_max_entries(s->skel->maps.waits, threads);
	bpf_map__set_max_entries(s->skel->maps.signals, threads);
	bpf_map__set_max_entries(s->skel->maps.stepping, threads);
	bpf_map__set_max_entries(s->skel->maps.calls, s->tier->keyed ? threads : 1);
	if (most)
		shrink(s, most);
	enlarge_lru(s, s->skel->maps.cancelled);
	enlarge_lru(s, s->skel->maps.ended);
	enlarge_lru(s, s->skel->maps.unix_clients);
}

int session_pushed_out(struct session *s, uint64_t now_ns, uint64_t lost[LOSS_MAX])
{
	static const enum loss told[ADDED_MAX] = {
		[ADDED_CANCELLED] = LOSS_CANCELLED_FULL,
		[ADDED_ENDED] = LOSS_ENDED_FULL,
		[ADDED_UNIX_CLIENTS] = LOSS_UNIX_CLIENTS_FULL,
	};
	const struct bpf_map *of[ADDED_MAX] = {
		[ADDED_CANCELLED] = s->skel->maps.cancelled,
		[ADDED_ENDED] = s->skel->maps.ended,
		[ADDED_UNIX_CLIENTS] = s->skel->maps.unix_clients,
	};
	uint64_t added[ADDED_MAX];
	int i, e = session_added(s, added);

	for (i = 0; i < ADDED_MAX && !e; i++) {
		uint64_t hoarded = LRU_HOARD * (uint64_t)s->n_cpus;

		pushed_take(&s->pushed[i], now_ns, added[i], bpf_map__max_entries(of[i]) - hoarded);
		lost[told[i]] += s->pushed[i].out;
	}
	for (i = 0; i < LOSS_MAX; i++)
		lost[i] += s->forgotten[i];
	return e;
}
