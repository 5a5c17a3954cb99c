// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Loads and attaches the BPF programs, and talks to them.
 *
 * Everything that is attached is held by file descriptors of this process and nothing is pinned,
 * so that however the process ends the kernel is left as it was.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "session_int.h"
#include "uprobemulti.h"
#include "walk.h"

static bool libbpf_verbose;

/* One level down: what libbpf calls a warning is often just a feature that it tries. */
static int on_libbpf_log(enum libbpf_print_level level, const char *fmt, va_list args)
{
	(void)level;
	return libbpf_verbose ? vfprintf(stderr, fmt, args) : 0;
}

static int on_record(void *ctx, void *data, size_t size)
{
	struct session *s = ctx;
	const struct ev_head *h = data;
	size_t want;

	if (size < sizeof(*h))
		goto bad;
	switch (h->kind) {
	case EV_STEP:
	case EV_LEDGER:
		want = sizeof(struct ev_step);
		break;
	case EV_LOOP:
		want = sizeof(struct ev_loop);
		break;
	case EV_FORK:
		want = sizeof(struct ev_fork);
		break;
	default:
		want = sizeof(struct ev_head);
	}
	if (h->size != want || size < want)
		goto bad;
	s->fn(s->ctx, h);
	return 0;
bad:
	s->bad_records++;
	return 0;
}

static size_t ring_bytes(size_t want)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), n = page;

	while (n < want && n < (256u << 20))
		n <<= 1;
	return n;
}

static void load_programs(struct session *s, const char *const *names)
{
	for (; *names; names++)
		bpf_program__set_autoload(bpf_object__find_program_by_name(s->skel->obj, *names),
					  true);
}

static bool is_user_probe(const char *section)
{
	return !strcmp(section, "uprobe") || !strcmp(section, "?uprobe") ||
	       !strcmp(section, "?usdt");
}

/* Iterators and the uprobes are attached when they are needed. */
static void choose_programs(struct session *s, const struct session_opts *opts, bool unix_works)
{
	struct bpf_program *prog;
	struct bpf_map *map;
	unsigned int i;

	load_programs(s, s->tier->programs);
	if (unix_works)
		load_programs(s, s->tier->unix_programs);
	bpf_object__for_each_program(prog, s->skel->obj)
	{
		if (!is_user_probe(bpf_program__section_name(prog)))
			continue;
		bpf_program__set_autoattach(prog, false);
		if (s->multi && prog != s->skel->progs.cancel_usdt)
			bpf_program__set_expected_attach_type(
				prog, (enum bpf_attach_type)UPROBE_MULTI_ATTACH);
	}
	for (i = 0; i < CANCEL_PROGRAMS; i++)
		bpf_program__set_autoload(session_cancel_program(s, ADAPTER_USER, i),
					  s->args & 1u << i);
	bpf_program__set_autoload(s->skel->progs.cancel_usdt, s->usdt);
	if (!s->usdt) {
		bpf_map__set_autocreate(s->skel->maps.__bpf_usdt_specs, false);
		bpf_map__set_autocreate(s->skel->maps.__bpf_usdt_ip_to_spec_id, false);
	}
	bpf_program__set_autoattach(s->skel->progs.adopt, false);
	bpf_program__set_autoattach(s->skel->progs.on_sleep, opts->note_sleeps);
	bpf_program__set_autoload(s->skel->progs.on_timer, !(opts->without & SPARE_TIMER_EXPIRES));
	bpf_program__set_autoload(s->skel->progs.on_sleep, !(opts->without & SPARE_TIMER_STARTS));
	bpf_program__set_autoload(s->skel->progs.on_signal, !(opts->without & SPARE_SIGNAL));
	bpf_program__set_autoattach(s->skel->progs.pass, false);
	s->skel->rodata->opt_kprobe = s->tier->keyed;
	s->skel->rodata->opt_skips = tiers_skip(s->tier);
	if (!s->tier->keyed)
		bpf_map__set_max_entries(s->skel->maps.keyed_ledgers, 1);
	if (s->tier == &tiers[0])
		return;
	/* Before 6.1 (34dd3bad1a6f) a probe may not allocate: WARN_ONCE() in the kernel's log. */
	bpf_object__for_each_map(map, s->skel->obj) if (bpf_map__type(map) == BPF_MAP_TYPE_HASH)
		bpf_map__set_map_flags(map, bpf_map__map_flags(map) & ~(__u32)BPF_F_NO_PREALLOC);
}

static void list_hooks(struct session *s)
{
	struct bpf_program *prog;
	int n = 0;

	bpf_object__for_each_program(prog, s->skel->obj)
	{
		const char *section = bpf_program__section_name(prog);
		const char *slash = strchr(section, '/');

		/* An entry and its return are one hook. */
		if (slash && bpf_program__autoload(prog) && bpf_program__autoattach(prog) &&
		    n < HOOKS_MAX && strncmp(section, "kretprobe", 9) &&
		    strncmp(section, "?kretprobe", 10))
			s->hooks[n++] = slash + 1;
	}
	s->hooks[n] = NULL;
}

/*
 * Room for the sockets that matter at a time, some 150 bytes each when they are there. The tiers
 * without a lock-free allocator take all of it at the start: room for what the host has now, and
 * for no fewer than come and go between two passes of a busy one.
 */
#define SOCKETS_MIN 16384
#define SOCKETS_MAX (1u << 18)

static uint32_t sockets_max(const struct tier *tier)
{
	size_t used = 0, room = SOCKETS_MIN;
	FILE *f;

	if (tier == &tiers[0])
		return SOCKETS_MAX;
	f = fopen("/proc/net/sockstat", "re");
	if (f) {
		if (fscanf(f, "sockets: used %zu", &used) != 1)
			used = 0;
		fclose(f);
	}
	while (room < 4 * used && room < SOCKETS_MAX)
		room *= 2;
	return (uint32_t)room;
}

/*
 * Room for the processes that a host has at a time: no more than it may have, and no more than some
 * 0.4 % of its memory, of which the tiers without a lock-free allocator take all at the start.
 */
#define PROCESS_BYTES (sizeof(struct proc) + sizeof(struct proc_rt) + 3 * 64)
#define MEMORY_PART   256
#define PROCESSES_MIN 4096

static uint32_t processes_max(void)
{
	uint64_t most = 32768, memory;
	long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
	FILE *f = fopen("/proc/sys/kernel/pid_max", "re");

	if (f) {
		if (fscanf(f, "%" SCNu64, &most) != 1 || !most || most > 1u << 22)
			most = 1u << 22;
		fclose(f);
	}
	if (pages > 0 && page > 0) {
		memory = (uint64_t)pages * (uint64_t)page / MEMORY_PART / PROCESS_BYTES;
		if (memory < PROCESSES_MIN)
			memory = PROCESSES_MIN;
		if (memory < most)
			most = memory;
	}
	return (uint32_t)most;
}

static int check_host(char *err, size_t errlen)
{
	if (!access("/sys/kernel/btf/vmlinux", R_OK))
		return 0;
	snprintf(err, errlen,
		 "this kernel offers no BTF (/sys/kernel/btf/vmlinux: %s); mispair needs a "
		 "kernel built with CONFIG_DEBUG_INFO_BTF",
		 strerror(errno));
	return -EOPNOTSUPP;
}

/*
 * As kernel code sees us, so that what we send to a collector is not taken for somebody's traffic;
 * 0 if -p asks for us. In a namespace of its own a process does not know its number.
 */
static uint32_t own_tgid(const struct filters *f)
{
	uint32_t self = (uint32_t)getpid(), i;

	if (!session_in_first_pid_namespace())
		return 0;
	for (i = 0; i < f->n_pids; i++)
		if (f->pids[i] == self)
			return 0;
	return self;
}

/* Everything of one tier: opened, loaded and attached, or nothing. */
static int open_tier(struct session *s, const struct session_opts *opts, char *err, size_t errlen)
{
	struct tier_report can;
	int e, args;

	tier_try(s->tier, &can);
	if (!can.works) {
		snprintf(err, errlen, "%s", can.why);
		return -EOPNOTSUPP;
	}
	s->no_unix = !can.unix_works;
	if (!can.unix_works)
		snprintf(s->degraded, sizeof(s->degraded), "Unix sockets are not followed: %s",
			 can.why);
	else if (s->tier->keyed)
		snprintf(s->degraded, sizeof(s->degraded),
			 "in this tier receives that end by a timeout or a signal are not seen");
	s->skel = mispair_bpf__open();
	if (!s->skel) {
		e = -errno;
		snprintf(err, errlen, "cannot open the BPF object: %s", strerror(-e));
		return e;
	}
	memcpy((void *)&s->skel->rodata->filters, &opts->filters, sizeof(opts->filters));
	s->skel->rodata->opt_ledgers = opts->ledgers;
	s->skel->rodata->opt_self = own_tgid(&opts->filters);
	args = tier_args_of("tcp_recvmsg");
	if (args > 0)
		s->skel->rodata->opt_recv_args = (__u32)args;
	s->skel->rodata->opt_hz = tiers_ticks();
	s->skel->rodata->opt_walked = tiers_hand_on();
	s->multi = uprobemulti_works();
	bpf_map__set_max_entries(s->skel->maps.ring, ring_bytes(opts->ring_size));
	bpf_map__set_max_entries(s->skel->maps.socket_index, sockets_max(s->tier));
	s->processes_max = processes_max();
	session_size_maps(s, opts->room);
	choose_programs(s, opts, can.unix_works);
	list_hooks(s);
	e = mispair_bpf__load(s->skel);
	if (e) {
		snprintf(err, errlen,
			 "the kernel refused the BPF programs: %s (--verbose prints its log)",
			 strerror(-e));
		goto fail;
	}
	s->ring = ring_buffer__new(bpf_map__fd(s->skel->maps.ring), on_record, s, NULL);
	if (!s->ring) {
		e = -errno;
		snprintf(err, errlen, "cannot map the ring buffer: %s", strerror(-e));
		goto fail;
	}
	e = mispair_bpf__attach(s->skel);
	if (e) {
		snprintf(err, errlen, "cannot attach the BPF programs: %s", strerror(-e));
		goto fail;
	}
	return 0;
fail:
	ring_buffer__free(s->ring);
	s->ring = NULL;
	mispair_bpf__destroy(s->skel);
	s->skel = NULL;
	return e;
}

/* The best tier that works, or the one that was asked for. */
static int open_best(struct session *s, const struct session_opts *opts, char *err, size_t errlen)
{
	char why[256], all[700] = "";
	const struct tier *t;
	size_t used = 0;
	int e = 0;

	for (t = tiers; t < tiers + TIER_COUNT; t++) {
		if (opts->tier && strcmp(opts->tier, t->name))
			continue;
		s->tier = t;
		s->degraded[0] = '\0';
		e = open_tier(s, opts, why, sizeof(why));
		if (!e)
			return 0;
		if (used < sizeof(all))
			used += (size_t)snprintf(all + used, sizeof(all) - used, "%s%s: %s",
						 used ? "; " : "", t->name, why);
	}
	if (opts->tier) /* the reason alone is the answer */
		snprintf(err, errlen, "this kernel does not offer the hook tier %s", all);
	else
		snprintf(err, errlen, "this kernel offers no hook that mispair can use: %s", all);
	return -EOPNOTSUPP;
}

int session_try(const char *tier, char *why, size_t len)
{
	struct session_opts opts = {.ring_size = 65536};
	struct session *s = calloc(1, sizeof(*s));
	int e;

	if (!s)
		return -ENOMEM;
	libbpf_set_print(on_libbpf_log);
	s->tier = tier_named(tier);
	e = s->tier ? open_tier(s, &opts, why, len) : -EINVAL;
	if (!e)
		snprintf(why, len, "%s", s->degraded);
	session_close(s);
	return e;
}

/* As many descriptors as we may have; how many that is. */
#define DESCRIPTORS_MAX 65536

static uint64_t raise_descriptors(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l))
		return 0;
	if (l.rlim_cur < DESCRIPTORS_MAX && l.rlim_cur < l.rlim_max) {
		l.rlim_cur = l.rlim_max < DESCRIPTORS_MAX ? l.rlim_max : DESCRIPTORS_MAX;
		setrlimit(RLIMIT_NOFILE, &l);
		getrlimit(RLIMIT_NOFILE, &l);
	}
	return l.rlim_cur;
}

int session_open(const struct session_opts *opts, session_event_fn fn, void *ctx,
		 struct session **out, char *err, size_t errlen)
{
	struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
	struct session *s;
	int e;

	libbpf_verbose = opts->verbose;
	libbpf_set_print(on_libbpf_log);
	if (opts->tier && !tier_named(opts->tier)) {
		snprintf(err, errlen, "there is no hook tier '%s'; there are: %s, %s, %s",
			 opts->tier, tiers[0].name, tiers[1].name, tiers[2].name);
		return -EINVAL;
	}
	e = check_host(err, errlen);
	if (e)
		return e;
	setrlimit(RLIMIT_MEMLOCK, &unlimited); /* kernels before 5.11 charge maps to it */

	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	session_probes_limit(s, raise_descriptors());
	s->fn = fn;
	s->ctx = ctx;
	s->usdt = opts->usdt;
	s->args = opts->args;
	s->n_cpus = libbpf_num_possible_cpus();
	e = open_best(s, opts, err, errlen);
	if (e)
		goto fail;
	s->worker = worker_new();
	if (!s->worker) {
		e = -ENOMEM;
		snprintf(err, errlen, "cannot start a thread");
		goto fail;
	}
	*out = s;
	return 0;
fail:
	session_close(s);
	return e;
}

void session_close(struct session *s)
{
	if (!s)
		return;
	worker_free(s->worker);
	walk_free(s->walk);
	ring_buffer__free(s->ring);
	mispair_bpf__destroy(s->skel);
	free(s);
}

int session_ring_fd(const struct session *s)
{
	return ring_buffer__epoll_fd(s->ring);
}

int session_consume(struct session *s)
{
	int n = ring_buffer__consume(s->ring);

	/* It is empty: shares of it begin anew. */
	__atomic_fetch_add(&s->skel->bss->ring_epoch, 1, __ATOMIC_SEQ_CST);
	return n < 0 ? n : 0;
}

const char *session_tier(const struct session *s)
{
	return s->tier->name;
}

void session_facts(const struct session *s, struct host_facts *f)
{
	f->no_unix = s->no_unix;
	f->receives_unseen = s->tier->keyed;
}

const char *const *session_hooks(const struct session *s)
{
	return s->hooks;
}

uint64_t session_bad_records(const struct session *s)
{
	return s->bad_records;
}

uint64_t session_skipped(const struct session *s)
{
	struct bpf_program *prog;
	uint64_t n = 0;

	bpf_object__for_each_program(prog, s->skel->obj)
	{
		struct bpf_prog_info info = {0};
		__u32 len = sizeof(info);

		if (bpf_program__fd(prog) >= 0 &&
		    !bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info, &len))
			n += info.recursion_misses;
	}
	return n;
}

void session_programs(const struct session *s,
		      void (*fn)(void *ctx, const char *name, uint64_t value), void *ctx)
{
	struct bpf_program *prog;

	bpf_object__for_each_program(prog, s->skel->obj)
	{
		struct bpf_prog_info info = {0};
		__u32 len = sizeof(info);

		if (bpf_program__fd(prog) >= 0 &&
		    !bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info, &len) && info.run_time_ns)
			fn(ctx, bpf_program__name(prog), info.run_time_ns);
	}
}

/* A map that is changed meanwhile may send a walk back to its beginning: it ends all the same. */
static uint64_t count_entries(const struct bpf_map *map)
{
	char key[2][256];
	uint64_t n = 0, max = bpf_map__max_entries(map);
	int e, fd = bpf_map__fd(map);

	if (bpf_map__key_size(map) > sizeof(key[0]))
		return 0;
	for (e = bpf_map_get_next_key(fd, NULL, key[0]); !e && n < max; n++)
		e = bpf_map_get_next_key(fd, key[n % 2], key[(n + 1) % 2]);
	return n;
}

void session_maps(const struct session *s, void (*fn)(void *ctx, const char *name, uint64_t value),
		  void *ctx)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, s->skel->obj)
	{
		enum bpf_map_type type = bpf_map__type(map);

		if (bpf_map__fd(map) >= 0 &&
		    (type == BPF_MAP_TYPE_HASH || type == BPF_MAP_TYPE_LRU_HASH))
			fn(ctx, bpf_map__name(map), count_entries(map));
	}
}

/* Runs an iterator to its end; its output is thrown away. */
static int run_iterator(struct bpf_program *prog)
{
	struct bpf_link *link = bpf_program__attach_iter(prog, NULL);
	char buf[4096];
	ssize_t n;
	int fd, e = 0;

	if (!link)
		return -errno;
	fd = bpf_iter_create(bpf_link__fd(link));
	if (fd < 0) {
		e = -errno;
		goto out;
	}
	do {
		n = read(fd, buf, sizeof(buf));
	} while (n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN)));
	if (n < 0)
		e = -errno;
	close(fd);
out:
	bpf_link__destroy(link);
	return e;
}

int session_adopt(struct session *s)
{
	int phase, e = 0;

	for (phase = 0; phase < 2 && !e; phase++) {
		s->skel->bss->adopt_phase = (__u32)phase;
		e = run_iterator(s->skel->progs.adopt);
	}
	return e;
}

static int open_walk(struct session *s)
{
	struct mispair_bpf *skel = s->skel;
	const struct walk_opts o = {
		.index_fd = bpf_map__fd(skel->maps.socket_index),
		.adoptables_fd = bpf_map__fd(skel->maps.adoptables),
		.asked_fd = bpf_map__fd(skel->maps.asked),
		.rows_fd = bpf_map__fd(skel->maps.rows),
		.pass_fd = bpf_program__fd(skel->progs.pass),
		.number = &skel->data->pass_number,
		.adoptables = &skel->bss->pass_adoptables,
		.asked_n = &skel->bss->pass_asked,
		.filled = &skel->bss->pass_filled,
		.unmet = &skel->bss->pass_unmet,
	};

	return walk_new(&o, &s->walk);
}

int session_walk(struct session *s, const struct walk_told *told, struct walk_kept *kept)
{
	int e = s->walk ? 0 : open_walk(s);

	return e ? e : walk_run(s->walk, told, kept);
}

static int sum_percpu(struct session *s, int fd, uint64_t *out, __u32 n)
{
	uint64_t *v = calloc((size_t)s->n_cpus, sizeof(*v));
	__u32 i;
	int cpu, e = 0;

	if (!v)
		return -ENOMEM;
	for (i = 0; i < n && !e; i++) {
		out[i] = 0;
		if (bpf_map_lookup_elem(fd, &i, v))
			e = -errno;
		for (cpu = 0; cpu < s->n_cpus && !e; cpu++)
			out[i] += v[cpu];
	}
	free(v);
	return e;
}

int session_losses(struct session *s, uint64_t out[KLOSS_MAX])
{
	return sum_percpu(s, bpf_map__fd(s->skel->maps.losses), out, KLOSS_MAX);
}

int session_added(struct session *s, uint64_t out[ADDED_MAX])
{
	return sum_percpu(s, bpf_map__fd(s->skel->maps.added), out, ADDED_MAX);
}

int session_counters(struct session *s, uint64_t out[CNT_MAX])
{
	return sum_percpu(s, bpf_map__fd(s->skel->maps.counters), out, CNT_MAX);
}

int session_adapter_calls(struct session *s, uint64_t out[ADAPTER_MAX])
{
	return sum_percpu(s, bpf_map__fd(s->skel->maps.adapter_calls), out, ADAPTER_MAX);
}
