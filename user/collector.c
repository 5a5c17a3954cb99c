// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The live half of the collector. Everything that happens comes through one epoll: the ring, mapped
 * runtimes, timers, signals, the end of the command. Records are copied out of the ring first and
 * worked on after, so that a slow sink never holds the ring.
 *
 * Nothing is decided here: what was seen becomes an item (item.h) and goes through collector_feed()
 * to the recorder, if there is one, and to the core. Whatever the core is to know has to go that
 * way, or a replay would not know it.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "admit.h"
#include "collector_int.h"
#include "procinfo.h"
#include "version.h"

#define TICK_NS	      50000000ULL
/* The refresh pass: every 500 ms, over sockets that have rested for 100 ms. */
#define REFRESH_TICKS 10
#define WATCH_TICKS   1 /* ... while one of few connections is watched */

void collector_feed(struct collector *c, enum item_kind kind, uint64_t now, const void *body,
		    size_t len)
{
	recorder_item(c->recorder, kind, now, body, len);
	core_input(c->core, kind, now, body, len);
}

/* ---- what the core is to know of a process before something is said of it ---- */

bool collector_is_there(struct collector *c, uint32_t pid, uint32_t id)
{
	struct proc p;

	return id && !session_proc_get(c->session, pid, &p) && p.id == id &&
	       procinfo_began_at(pid, p.start);
}

/*
 * What /proc says is of this process if it was there before and after: its number was not another's
 * meanwhile, and it has not become another program. Else the name of its thread, COMM, has to do.
 */
void collector_tell_process(struct collector *c, uint32_t pid, uint32_t id, const char *comm)
{
	struct item_process p;

	if (!id || core_knows(c->core, pid, id))
		return;
	memset(&p, 0, sizeof(p));
	p.pid = pid;
	p.id = id;
	if (!collector_is_there(c, pid, id) || procinfo_read(pid, &p.info) ||
	    !session_proc_is(c->session, pid, id)) {
		memset(&p.info, 0, sizeof(p.info));
		if (comm)
			memcpy(p.info.comm, comm, sizeof(p.info.comm) - 1);
	}
	collector_feed(c, ITEM_PROCESS, collector_now(), &p, sizeof(p));
}

/* Whose sockets and requests an event is about, which need not be who caused it. */
static void tell_owner(struct collector *c, const struct ev_step *e)
{
	const struct owner *o = &e->l.owner;
	const struct ev_head *h = &e->head;
	bool same = !o->tgid || (o->tgid == h->tgid && o->id == h->id);

	if (same)
		collector_tell_process(c, h->tgid, h->id, h->comm);
	else
		collector_tell_process(c, o->tgid, o->id, NULL);
}

/* ---- what the parts tell ---- */

/* The core has said it; nothing here may come back to it. */
static void on_finding(void *ctx, const struct finding *f)
{
	struct collector *c = ctx;

	if (f->verdict >= VERDICT_ABANDONED)
		runtimes_finding(c->runtimes, f->pid, f->proc_id);
	if (f->verdict >= VERDICT_ABANDONED && f->confidence >= CONF_LIKELY)
		recorder_finding(c->recorder, collector_now());
}

static void on_runtime(void *ctx, const struct runtime_report *r)
{
	collector_feed(ctx, ITEM_RUNTIME, collector_now(), r, sizeof(*r));
}

/* To look into a process takes up to so many descriptors at a time; with fewer it finds nothing. */
#define LOOK_FDS 4

static bool may_open(const struct collector *c)
{
	int fds[LOOK_FDS], n = 0, i;

	while (n < LOOK_FDS && (fds[n] = fcntl(c->epoll, F_DUPFD_CLOEXEC, 0)) >= 0)
		n++;
	for (i = 0; i < n; i++)
		close(fds[i]);
	return n == LOOK_FDS;
}

/* The recorder has met a process: it is looked into, if it is still the one. */
static void meet(struct collector *c, const struct ev_head *h)
{
	bool there;

	c->unopened += !may_open(c);
	there = collector_is_there(c, h->tgid, h->id);
	if (there) {
		runtimes_look(c->runtimes, h->tgid, h->id);
		adapters_look(c->adapters, h->tgid, h->id, collector_now());
	}
	collector_tell_process(c, h->tgid, h->id, h->comm);
	if (!runtimes_cover(c->runtimes, h->tgid, h->id, there))
		collector_cover_gone(c, h->tgid, h->id);
}

/*
 * Another program: what was known of the one before is true no more. It is looked into when it
 * connects, or, where a command is followed, at once.
 */
static void became_another(struct collector *c, const struct ev_head *h)
{
	bool early = c->mmaps && collector_is_there(c, h->tgid, h->id);

	adapters_exec(c->adapters, h->tgid, h->id);
	if (runtimes_exec(c->runtimes, h->tgid, h->id, early))
		adapters_look(c->adapters, h->tgid, h->id, collector_now());
	collector_tell_process(c, h->tgid, h->id, h->comm);
}

static void on_event(void *ctx, const struct ev_head *h)
{
	const struct ev_step *e = (const struct ev_step *)h;
	struct collector *c = ctx;

	switch (h->kind) {
	case EV_STEP:
	case EV_LEDGER:
		tell_owner(c, e);
		break;
	case EV_PROCESS:
		meet(c, h);
		break;
	case EV_EXEC:
		became_another(c, h);
		break;
	case EV_EXIT:
		runtimes_exit(c->runtimes, h->tgid, h->id);
		adapters_exit(c->adapters, h->tgid, h->id);
		break;
	case EV_LOOP:
		runtimes_loop(c->runtimes, (const struct ev_loop *)h);
		break;
	case EV_BUDGET:
		runtimes_budget(c->runtimes, h->tgid, h->id);
		break;
	case EV_LAYOUT:
		runtimes_layout(c->runtimes, h->tgid, h->id);
		break;
	case EV_PROVED:
		runtimes_proved(c->runtimes, h->tgid, h->id);
		break;
	}
	collector_feed(c, ITEM_EVENT, h->ts, h, h->size);
}

/* In the ring's callback: copy and return. */
static void on_record(void *ctx, const struct ev_head *h)
{
	queue_push(&((struct collector *)ctx)->queue, h);
}

/* A followed process maps a file: could it be a runtime? */
static void on_mmap(void *ctx, uint32_t pid, const char *file)
{
	struct collector *c = ctx;
	const char *slash = strrchr(file, '/'), *base = slash ? slash + 1 : file;
	struct proc p;

	if (!strncmp(base, "_asyncio.", 9) && !session_proc_get(c->session, pid, &p))
		runtimes_look(c->runtimes, pid, p.id);
	else if (!strncmp(base, "libpython", 9))
		runtimes_expect(c->runtimes, pid);
}

static void arm_retry(struct collector *c, bool on)
{
	struct itimerspec t = {.it_value = {0, on ? 1000000 : 0}};

	timerfd_settime(c->retry, 0, &t, NULL);
}

void collector_pump(struct collector *c)
{
	if (c->mmaps)
		mmapwatch_drain(c->mmaps);
	session_consume(c->session);
	queue_run(&c->queue, on_event, c);
	arm_retry(c, runtimes_retry(c->runtimes));
}

static void stop_for(struct collector *c, const char *reason)
{
	c->stopping = true;
	c->reason = reason;
}

/* A sink may want to end the run: its user has pressed q, or it has shown what it was to show. */
static void ask_sinks(struct collector *c)
{
	const char *why;
	int i;

	for (i = 0; i < c->sinks.n && !c->stopping; i++) {
		why = c->sinks.list[i]->done ? c->sinks.list[i]->done(c->sinks.list[i]->ctx) : NULL;
		if (why)
			stop_for(c, why);
	}
}

static void on_tick(struct collector *c)
{
	uint64_t now = collector_now(), expired;

	if (read(c->tick, &expired, sizeof(expired)) < 0)
		return;
	collector_feed(c, ITEM_TICK, now, NULL, 0);
	adapters_tick(c->adapters, now);
	if (++c->ticks >= (core_wants_look(c->core) ? WATCH_TICKS : REFRESH_TICKS) ||
	    core_rows_due(c->core, now)) {
		c->ticks = 0;
		collector_refresh(c);
	}
	if (c->o->stats_ns && now >= c->next_stats_ns) {
		c->next_stats_ns = now + c->o->stats_ns;
		collector_sample(c, now);
		collector_feed(c, ITEM_STATS, now, NULL, 0);
	}
	recorder_tick(c->recorder, c->core, now);
	sinks_tick(&c->sinks);
	if (c->o->duration_ns && now - c->started_ns >= c->o->duration_ns)
		stop_for(c, "duration reached");
	if (recorder_full(c->recorder))
		stop_for(c, "recording full");
	/* Nobody reads what we say: `mispair trace --json - | head` ends here. */
	if (sinks_closed(&c->sinks))
		stop_for(c, "output closed");
}

/* ---- open, run, close ---- */

static int open_recorder(struct collector *c)
{
	struct recorder_opts ro = {
		.path = c->o->record, .max_size = c->o->max_size, .keep_ns = c->o->keep_ns};
	char err[256];
	int e;

	if (!c->o->record)
		return 0;
	e = recorder_new(&ro, &c->recorder, err, sizeof(err));
	if (e)
		fprintf(stderr, "mispair: %s\n", err);
	return e;
}

static int open_adapters(struct collector *c)
{
	struct adapters_opts ao = {.never_runtimes = c->o->precise == PRECISE_NEVER,
				   .by_file = c->command != NULL,
				   .never = &c->o->never_probe,
				   .always = c->o->precise == PRECISE_ALWAYS,
				   .silent = c->o->show == SHOW_VIEW};
	char err[512] = "";
	int e;

	c->adapters = adapters_new(c->session, &ao);
	if (!c->adapters)
		return -ENOMEM;
	e = adapters_attach(c->adapters, c->o->cancels, c->o->n_cancels, err, sizeof(err));
	if (e)
		fprintf(stderr, "mispair: %s\n", err);
	return e;
}

static int watch(struct collector *c, int fd)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};

	return epoll_ctl(c->epoll, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

/*
 * Before any thread is made: one that does not block them would die of them for all. Who started us
 * with one of them ignored (nohup, a shell's background job) wants it to stay so; blocked, it would
 * be taken all the same.
 */
static void block_signals(sigset_t *set)
{
	static const int ends[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction now;
	size_t i;

	sigemptyset(set);
	for (i = 0; i < sizeof(ends) / sizeof(*ends); i++)
		if (sigaction(ends[i], NULL, &now) || now.sa_handler != SIG_IGN)
			sigaddset(set, ends[i]);
	sigprocmask(SIG_BLOCK, set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static int open_loop(struct collector *c)
{
	struct itimerspec every = {{0, TICK_NS}, {0, TICK_NS}};
	int e, i;

	c->epoll = epoll_create1(EPOLL_CLOEXEC);
	c->signals = signalfd(-1, &c->mask, SFD_CLOEXEC | SFD_NONBLOCK);
	c->tick = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	c->retry = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (c->epoll < 0 || c->signals < 0 || c->tick < 0 || c->retry < 0 ||
	    timerfd_settime(c->tick, 0, &every, NULL))
		return -errno;
	e = watch(c, c->signals);
	if (!e)
		e = watch(c, c->tick);
	if (!e)
		e = watch(c, c->retry);
	for (i = 0; i < c->sinks.n && c->view < 0; i++)
		if (c->sinks.list[i]->poll_fd)
			c->view = c->sinks.list[i]->poll_fd(c->sinks.list[i]->ctx);
	if (!e && c->view >= 0)
		e = watch(c, c->view);
	return e ? e : watch(c, session_ring_fd(c->session));
}

static void free_collector(struct collector *c)
{
	meter_free(c->meter);
	recorder_close(c->recorder, c->core);
	sinks_finish(&c->sinks);
	adapters_free(c->adapters);
	runtimes_free(c->runtimes);
	mmapwatch_free(c->mmaps);
	core_free(c->core);
	session_close(c->session);
	queue_free(&c->queue);
	if (c->epoll > 0) {
		close(c->epoll);
		close(c->signals);
		close(c->tick);
		close(c->retry);
	}
	free(c);
}

/* Which programs for probes that a user names have to be loaded. */
static void want_named(const struct options *o, struct session_opts *so)
{
	uint32_t i;

	for (i = 0; i < o->n_cancels; i++) {
		if (o->cancels[i].usdt)
			so->usdt = true;
		else
			so->args |= 1u << o->cancels[i].arg;
	}
}

int collector_open(const struct options *o, const char *command, struct collector **out)
{
	struct session_opts so = {.ring_size = o->ring_size,
				  .room = (uint32_t)o->room,
				  .filters = o->filters,
				  .ledgers = o->ledgers,
				  .verbose = o->verbose,
				  .tier = o->tier,
				  .without = o->without};
	struct runtimes_opts ro = {.precise = o->precise,
				   .by_file = command != NULL,
				   .never = &o->never_probe,
				   .no_memory = o->no_memory,
				   .cover = collector_cover};
	struct collector *c = calloc(1, sizeof(*c));
	struct core_opts co = {.fail_on = o->fail_on, .finding = on_finding, .ctx = c};
	struct host_facts facts;
	char err[512] = "";
	uint32_t i;
	int e, code;

	if (!c)
		return EXIT_FAILED;
	c->o = o;
	c->command = command;
	c->view = -1;
	block_signals(&c->mask);
	want_named(o, &so);
	so.note_sleeps =
		o->precise == PRECISE_ALWAYS || (o->precise == PRECISE_AUTO && o->filters.follow);
	/* Nothing to find out where waits are noted already, or are never to be. */
	c->listened =
		so.note_sleeps || o->without & SPARE_TIMER_STARTS || o->precise == PRECISE_NEVER;
	admit_facts(&facts, o->precise != PRECISE_NEVER);
	code = admit(&facts, o->strict, false, &c->degraded);
	if (code) {
		free_collector(c);
		return code;
	}
	e = session_open(&so, on_record, c, &c->session, err, sizeof(err));
	if (e) {
		fprintf(stderr, "mispair: %s\n", err[0] ? err : strerror(-e));
		goto fail;
	}
	session_facts(c->session, &facts);
	code = admit(&facts, o->strict, true, &c->degraded);
	if (code) {
		free_collector(c);
		return code;
	}
	e = sinks_open(&c->sinks, o);
	if (!e)
		e = open_recorder(c);
	if (!e)
		e = meter_open(c->o, c->session, &c->meter);
	if (!e)
		e = open_adapters(c);
	if (e)
		goto fail;
	co.sinks = &c->sinks;
	c->runtimes = runtimes_new(c->session, &ro, on_runtime, c);
	c->core = core_new(&co);
	e = c->runtimes && c->core ? open_loop(c) : -ENOMEM;
	if (e) {
		fprintf(stderr, "mispair: cannot set up: %s\n", strerror(-e));
		goto fail;
	}
	for (i = 0; i < o->filters.n_pids; i++)
		session_follow(c->session, o->filters.pids[i]);
	*out = c;
	return 0;
fail:
	free_collector(c);
	return errno_to_exit(e);
}

int collector_follow(struct collector *c, uint32_t pid)
{
	const int *fds;
	int i, n, e = session_follow(c->session, pid);

	if (e)
		return e;
	e = mmapwatch_new(pid, on_mmap, c, &c->mmaps);
	if (e) {
		fprintf(stderr,
			"mispair: cannot watch what the command maps (%s): its runtime is looked "
			"for "
			"at its first connection\n",
			strerror(-e));
		return 0;
	}
	n = mmapwatch_fds(c->mmaps, &fds);
	for (i = 0; i < n && !e; i++)
		e = watch(c, fds[i]);
	return e;
}

void collector_adopt(struct collector *c)
{
	int e = session_adopt(c->session);

	if (e)
		fprintf(stderr, "mispair: open connections could not be adopted: %s\n",
			strerror(-e));
}

void collector_start(struct collector *c)
{
	struct item_start fixed = {.wall_offset_ns = wallclock_offset_ns(),
				   .ledgers = c->o->ledgers};
	struct start_info info = {.version = MISPAIR_VERSION,
				  .tier = session_tier(c->session),
				  .hooks = session_hooks(c->session),
				  .filters = c->o->filter_text,
				  .command = c->command,
				  .degraded = c->degraded};
	char *body = malloc(ITEM_BODY_MAX);
	struct utsname u;
	size_t len;

	c->started_ns = collector_now();
	c->next_stats_ns = c->started_ns + c->o->stats_ns;
	if (!uname(&u))
		snprintf(info.kernel, sizeof(info.kernel), "%s", u.release);
	/* A name that does not fit, or that we may not ask for, is unknown. */
	if (gethostname(info.host, sizeof(info.host) - 1))
		info.host[0] = 0;
	len = body ? item_start_write(body, ITEM_BODY_MAX, &fixed, &info) : 0;
	if (len)
		collector_feed(c, ITEM_START, c->started_ns, body, len);
	free(body);
}

/*
 * With --json FILE a SIGHUP that somebody sent means: open the file anew. One from the kernel means
 * that the terminal has gone, and is an end as any other.
 */
static bool means_reopen(const struct collector *c, const struct signalfd_siginfo *si)
{
	return si->ssi_signo == SIGHUP && si->ssi_code != SI_KERNEL && c->o->json &&
	       strcmp(c->o->json, "-");
}

/* A first signal is passed on to the command, which then ends by itself; a second one ends us. */
static void on_signal(struct collector *c, uint32_t child)
{
	struct signalfd_siginfo si;
	static const char *const names[] = {
		[SIGHUP] = "SIGHUP", [SIGINT] = "SIGINT", [SIGTERM] = "SIGTERM"};

	if (read(c->signals, &si, sizeof(si)) != sizeof(si))
		return;
	if (means_reopen(c, &si)) {
		sinks_reopen(&c->sinks);
		return;
	}
	if (child && !c->reason) {
		c->reason = names[si.ssi_signo];
		/* A terminal has sent it to the whole foreground group already. */
		if (si.ssi_code != SI_KERNEL)
			kill((pid_t)child, (int)si.ssi_signo);
		return;
	}
	c->reason = names[si.ssi_signo];
	c->stopping = true;
}

int collector_run(struct collector *c, int pidfd, uint32_t child)
{
	struct epoll_event ev[16];
	int i, n, e = pidfd >= 0 ? watch(c, pidfd) : 0;

	while (!c->stopping && !e) {
		bool tick = false, view = false;

		n = epoll_wait(c->epoll, ev, 16, -1);
		if (n < 0 && errno != EINTR)
			return -errno;
		for (i = 0; i < n; i++) {
			if (ev[i].data.fd == c->signals)
				on_signal(c, child);
			else if (ev[i].data.fd == c->tick)
				tick = true;
			else if (ev[i].data.fd == pidfd)
				c->stopping = true;
			else if (ev[i].data.fd == c->view)
				view = true;
		}
		collector_pump(c);
		/* A key is answered before a tick's work. */
		if (view)
			collector_tell_ready(c);
		/* After the ring: a close that waits there must not be overtaken by its grace. */
		if (tick)
			on_tick(c);
		ask_sinks(c);
	}
	return e;
}

int collector_close(struct collector *c, int status)
{
	struct item_stop stop = {.command_status = status};
	int code = EXIT_NOTHING;
	uint64_t now;

	collector_pump(c);
	collector_last_refresh(c);
	collector_pump(c);
	runtimes_finish(c->runtimes);
	now = collector_now();
	collector_feed(c, ITEM_FINISH, now, NULL, 0);
	collector_sample(c, now);
	meter_update(c->meter, c->core, now, true);
	snprintf(stop.reason, sizeof(stop.reason), "%s",
		 c->reason     ? c->reason
		 : status >= 0 ? "command exited"
			       : "end");
	collector_feed(c, ITEM_STOP, now, &stop, sizeof(stop));
	if (core_failed_on(c->core))
		code = c->o->found_status;
	else if (c->o->strict && (core_lost(c->core) || core_blind(c->core)))
		code = EXIT_LOST;
	else if (status >= 0)
		code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	free_collector(c);
	return code;
}
