// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The loop. Everything that happens comes through one epoll: the ring, mapped runtimes, timers,
 * signals, the end of the command. Records are copied out of the ring first and worked on after,
 * so that a slow sink never holds the ring.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <uthash.h>

#include "asyncio.h"
#include "collector.h"
#include "correlate.h"
#include "ledgers.h"
#include "mmapwatch.h"
#include "procinfo.h"
#include "protocol.h"
#include "queue.h"
#include "session.h"
#include "sink_batch.h"
#include "sink_ndjson.h"
#include "sink_text.h"
#include "tui.h"
#include "version.h"
#include "view_source.h"

#define TICK_NS	      50000000ULL
/* The refresh pass: every 500 ms, over sockets that have rested for 100 ms. */
#define REFRESH_TICKS 10
#define IDLE_NS	      100000000ULL
#define SINKS_MAX     2
#define KEEP_NAME_NS  5000000000ULL

/* What a process was called, kept because it may be gone when its finding is said. */
struct known {
	uint32_t pid;
	uint64_t gone_ns; /* it has exited; its sockets may still have something to say */
	struct procinfo info;
	UT_hash_handle hh;
};

struct collector {
	const struct options *o;
	const char *command;
	struct session *session;
	struct runtimes *runtimes;
	struct correlator *correlator;
	struct ledgers *ledgers; /* NULL unless --ledgers */
	struct mmapwatch *mmaps;
	struct queue queue;
	struct known *known;
	struct sink *sinks[SINKS_MAX];
	struct sink *json, *text;
	int n_sinks;
	int epoll, signals, tick, retry, view; /* view: -1 if no sink has a terminal */
	uint64_t rounds_ns;		       /* when sinks last had rows */
	sigset_t old_mask;
	bool stopping, failed_on;
	unsigned int ticks;
	uint64_t started_ns, next_stats_ns, events, rows;
	uint64_t lost[LOSS_MAX], open_requests, open_replies;
	const char *reason;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

#define SINKS(c, call, ...)                                                                        \
	do {                                                                                       \
		for (int sink_ = 0; sink_ < (c)->n_sinks; sink_++)                                 \
			if ((c)->sinks[sink_]->call)                                               \
				(c)->sinks[sink_]->call((c)->sinks[sink_]->ctx, __VA_ARGS__);      \
	} while (0)

/* ---- names ---- */

static struct known *know(struct collector *c, uint32_t pid)
{
	struct procinfo fresh;
	struct known *k;

	HASH_FIND(hh, c->known, &pid, sizeof(pid), k);
	if (k) {
		/* Has the number been given to another process since? */
		if (k->gone_ns && !procinfo_read(pid, &fresh)) {
			k->info = fresh;
			k->gone_ns = 0;
		}
		return k;
	}
	k = calloc(1, sizeof(*k));
	if (!k)
		return NULL;
	k->pid = pid;
	procinfo_read(pid, &k->info);
	HASH_ADD(hh, c->known, pid, sizeof(k->pid), k);
	return k;
}

/* Sockets are closed after the process has exited: its name is kept for a while. */
static void unknow_later(struct collector *c, uint32_t pid, uint64_t now)
{
	struct known *k;

	HASH_FIND(hh, c->known, &pid, sizeof(pid), k);
	if (k)
		k->gone_ns = now;
}

/* Another program: what it was called is known no more. */
static void unknow_now(struct collector *c, uint32_t pid)
{
	struct known *k;

	HASH_FIND(hh, c->known, &pid, sizeof(pid), k);
	if (k)
		procinfo_read(pid, &k->info);
}

static void unknow_gone(struct collector *c, uint64_t now)
{
	struct known *k, *tmp;

	HASH_ITER (hh, c->known, k, tmp) {
		if (!k->gone_ns || k->gone_ns + KEEP_NAME_NS > now)
			continue;
		HASH_DEL(c->known, k);
		free(k);
	}
}

/* ---- what the parts tell ---- */

static void on_finding(void *ctx, struct finding *f)
{
	struct collector *c = ctx;
	struct known *k = know(c, f->pid);

	if (k) {
		memcpy(f->exe_name, k->info.exe_name, sizeof(f->exe_name));
		memcpy(f->container_id, k->info.container_id, sizeof(f->container_id));
	}
	if (f->transport == TRANSPORT_TCP)
		f->protocol = protocol_from_port(f->peer_port);
	if (c->o->fail_on != VERDICT_NONE && f->verdict >= c->o->fail_on &&
	    f->confidence >= CONF_LIKELY)
		c->failed_on = true;
	SINKS(c, finding, f);
	if (f->verdict >= VERDICT_ABANDONED)
		runtimes_finding(c->runtimes, f->pid);
}

static void on_runtime(void *ctx, const struct runtime_report *r)
{
	struct collector *c = ctx;
	struct runtime_report copy = *r;

	copy.time_ns = now_ns();
	SINKS(c, runtime, &copy);
}

static void on_socket(void *ctx, struct socket_report *r)
{
	struct collector *c = ctx;
	struct known *k = know(c, r->pid);

	if (k)
		memcpy(r->comm, k->info.comm, sizeof(r->comm));
	SINKS(c, socket, r);
}

static void on_event(void *ctx, const struct ev_head *h)
{
	struct collector *c = ctx;

	c->events++;
	switch (h->kind) {
	case EV_STEP:
		correlate_step(c->correlator, (const struct ev_step *)h);
		break;
	case EV_LEDGER:
		if (c->ledgers)
			ledgers_end(c->ledgers, (const struct ev_step *)h);
		break;
	case EV_PROCESS:
		runtimes_look(c->runtimes, h->tgid);
		know(c, h->tgid);
		break;
	case EV_EXEC:
		runtimes_exec(c->runtimes, h->tgid);
		unknow_now(c, h->tgid);
		break;
	case EV_EXIT:
		runtimes_exit(c->runtimes, h->tgid);
		correlate_exit(c->correlator, h->tgid, h->ts);
		unknow_later(c, h->tgid, h->ts);
		break;
	case EV_LOOP:
		runtimes_loop(c->runtimes, (const struct ev_loop *)h);
		break;
	case EV_BUDGET:
		runtimes_budget(c->runtimes, h->tgid);
		break;
	case EV_LAYOUT:
		runtimes_layout(c->runtimes, h->tgid);
		break;
	}
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

	if (!strncmp(base, "_asyncio.", 9))
		runtimes_look(c->runtimes, pid);
}

static void arm_retry(struct collector *c, bool on)
{
	struct itimerspec t = {.it_value = {0, on ? 1000000 : 0}};

	timerfd_settime(c->retry, 0, &t, NULL);
}

static void pump(struct collector *c)
{
	if (c->mmaps)
		mmapwatch_drain(c->mmaps);
	session_consume(c->session);
	queue_run(&c->queue, on_event, c);
	arm_retry(c, runtimes_retry(c->runtimes));
}

/* ---- losses and stats ---- */

static void check_losses(struct collector *c)
{
	uint64_t total[LOSS_MAX] = {0}, kernel[KLOSS_MAX] = {0}, now = now_ns();
	int i;

	_Static_assert((int)LOSS_RING_FULL == KLOSS_RING_FULL && (int)LOSS_RETURN == KLOSS_RETURN,
		       "kernel causes are a prefix");
	session_losses(c->session, kernel);
	for (i = 0; i < KLOSS_MAX; i++)
		total[i] = kernel[i];
	total[LOSS_LATE_ATTACH] += runtimes_late(c->runtimes);
	total[LOSS_SKIPPED] = session_skipped(c->session);
	total[LOSS_TRACK_FULL] = correlate_lost(c->correlator) + c->queue.dropped;
	total[LOSS_BAD_RECORD] = session_bad_records(c->session);
	for (i = 0; i < c->n_sinks; i++)
		if (c->sinks[i]->failures)
			total[LOSS_SINK] += c->sinks[i]->failures(c->sinks[i]->ctx);
	for (i = 0; i < LOSS_MAX; i++) {
		uint64_t more = total[i] - c->lost[i];

		if (!more)
			continue;
		c->lost[i] = total[i];
		SINKS(c, lost, now, (enum loss)i, more, total[i]);
	}
}

static void fill_stats(struct collector *c, struct run_stats *s)
{
	uint64_t n[CNT_MAX] = {0};
	struct rusage ru;

	memset(s, 0, sizeof(*s));
	s->time_ns = now_ns();
	session_counters(c->session, n);
	s->sockets_total = n[CNT_SOCKETS];
	s->sockets_tracked = c->rows;
	s->sockets_adopted = n[CNT_ADOPTED];
	s->requests = n[CNT_REQUESTS] + c->open_requests;
	s->replies = n[CNT_REPLIES] + c->open_replies;
	s->cancellations = n[CNT_CANCELS];
	correlate_totals(c->correlator, s->findings);
	memcpy(s->lost, c->lost, sizeof(s->lost));
	s->events = c->events;
	getrusage(RUSAGE_SELF, &ru);
	s->rss_bytes = procinfo_own_memory();
	s->cpu_ns = (uint64_t)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000000000ULL +
		    (uint64_t)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) * 1000ULL;
}

/* ---- the refresh pass ---- */

struct refresh {
	struct collector *c;
	uint64_t now;
	bool rows;	    /* for sinks that show connections */
	struct known *last; /* many rows in turn are of one process */
};

/* Is it time for a sink that shows connections? Half a tick early is better than a tick late. */
static bool rows_due(const struct collector *c, uint64_t now)
{
	int i;

	for (i = 0; i < c->n_sinks; i++) {
		const struct sink *s = c->sinks[i];
		uint64_t every = s->refresh_ns ? s->refresh_ns(s->ctx) : 0;

		if (s->row && now + TICK_NS / 2 >= c->rounds_ns + every)
			return !c->stopping;
	}
	return false;
}

static void tell_row(struct refresh *r, const struct ledger_row *row)
{
	struct view_source_row v = {.ledger = row, .comm = "", .exe_name = "", .container_id = ""};
	uint32_t pid = row->l.owner.tgid;

	if (pid && (!r->last || r->last->pid != pid))
		r->last = know(r->c, pid);
	if (pid && r->last) {
		v.comm = r->last->info.comm;
		v.exe_name = r->last->info.exe_name;
		v.container_id = r->last->info.container_id;
	}
	SINKS(r->c, row, &v);
}

static void on_row(void *ctx, const struct ledger_row *row)
{
	struct refresh *r = ctx;
	struct collector *c = r->c;
	const struct ledger *l = &row->l;
	struct known *k;

	c->rows++;
	c->open_requests += l->requests;
	c->open_replies += l->replies;
	correlate_seen(c->correlator, row);
	if (c->ledgers)
		ledgers_row(c->ledgers, row);
	if (r->rows)
		tell_row(r, row);
	if (l->last_tx_ns + IDLE_NS > r->now || l->last_rx_ns + IDLE_NS > r->now)
		return;
	if (l->watch)
		correlate_rest(c->correlator, row, r->now);
	if ((!ledger_owed(l) && !l->abandoned) || (l->owner.kind != OWNER_TASK && !l->gave_up))
		return;
	k = know(c, l->owner.tgid);
	correlate_idle(c->correlator, row,
		       l->gave_up ? l->gave_up : runtimes_judge(c->runtimes, row),
		       k ? k->info.comm : NULL, r->now);
}

static void refresh(struct collector *c)
{
	struct refresh r = {.c = c, .now = now_ns()};
	struct run_stats s;

	r.rows = rows_due(c, r.now);
	if (r.rows)
		SINKS(c, round_begin, r.now);
	c->rows = c->open_requests = c->open_replies = 0;
	session_rows(c->session, on_row, &r);
	correlate_round(c->correlator, r.now);
	if (c->ledgers)
		ledgers_round(c->ledgers, r.now);
	unknow_gone(c, r.now);
	runtimes_refresh(c->runtimes);
	check_losses(c);
	if (!r.rows)
		return;
	c->rounds_ns = r.now;
	fill_stats(c, &s);
	SINKS(c, round_end, &s);
}

/* A sink may want to end the run: its user has pressed q, or it has shown what it was to show. */
static void ask_sinks(struct collector *c)
{
	const char *why;
	int i;

	for (i = 0; i < c->n_sinks && !c->stopping; i++) {
		why = c->sinks[i]->done ? c->sinks[i]->done(c->sinks[i]->ctx) : NULL;
		if (!why)
			continue;
		c->stopping = true;
		c->reason = why;
	}
}

static void tell_ready(struct collector *c)
{
	int i;

	for (i = 0; i < c->n_sinks; i++)
		if (c->sinks[i]->ready)
			c->sinks[i]->ready(c->sinks[i]->ctx);
}

static void on_tick(struct collector *c)
{
	uint64_t now = now_ns(), expired;
	struct run_stats s;

	if (read(c->tick, &expired, sizeof(expired)) < 0)
		return;
	correlate_tick(c->correlator, now);
	if (++c->ticks >= REFRESH_TICKS || rows_due(c, now)) {
		c->ticks = 0;
		refresh(c);
	}
	if (c->o->stats_ns && now >= c->next_stats_ns) {
		c->next_stats_ns = now + c->o->stats_ns;
		fill_stats(c, &s);
		SINKS(c, stats, &s);
	}
	if (c->o->duration_ns && now - c->started_ns >= c->o->duration_ns) {
		c->stopping = true;
		c->reason = "duration reached";
	}
	/* Nobody reads what we say: `mispair trace --json - | head` ends here. */
	if ((c->json && sink_ndjson_closed(c->json)) || (c->text && sink_text_closed(c->text))) {
		c->stopping = true;
		c->reason = "output closed";
	}
}

/* ---- open, run, close ---- */

static int open_sinks(struct collector *c)
{
	const struct options *o = c->o;
	bool json_stdout = o->json && !strcmp(o->json, "-");
	/* run: the command owns stdout. */
	FILE *out = o->command && *o->command ? stderr : stdout;
	struct sink_text_opts t = {
		.ascii = o->ascii, .quiet = o->quiet, .show_timeline = !o->no_timeline};
	const char *no_color = getenv("NO_COLOR");
	char err[256];
	int e;

	if (o->json) {
		e = sink_ndjson_new(o->json, &c->json, err, sizeof(err));
		if (e) {
			fprintf(stderr, "mispair: %s\n", err);
			return e;
		}
		c->sinks[c->n_sinks++] = c->json;
	}
	if (json_stdout && out == stdout)
		return 0;
	if (o->show != SHOW_LINES) {
		struct sink *view = o->show == SHOW_BATCH ? sink_batch_new(out, o) : tui_new(o);

		if (!view)
			return -ENOMEM;
		c->sinks[c->n_sinks++] = view;
		return 0;
	}
	t.color = o->color >= 0 ? o->color
				: isatty(fileno(out)) && !(no_color && *no_color) &&
					  !(getenv("TERM") && !strcmp(getenv("TERM"), "dumb"));
	c->text = sink_text_new(out, &t);
	if (!c->text)
		return -ENOMEM;
	c->sinks[c->n_sinks++] = c->text;
	return 0;
}

static int watch(struct collector *c, int fd)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};

	return epoll_ctl(c->epoll, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

static int open_loop(struct collector *c)
{
	struct itimerspec every = {{0, TICK_NS}, {0, TICK_NS}};
	sigset_t set;
	int e, i;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, &c->old_mask);
	signal(SIGPIPE, SIG_IGN);
	c->epoll = epoll_create1(EPOLL_CLOEXEC);
	c->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
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
	for (i = 0; i < c->n_sinks && c->view < 0; i++)
		if (c->sinks[i]->poll_fd)
			c->view = c->sinks[i]->poll_fd(c->sinks[i]->ctx);
	if (!e && c->view >= 0)
		e = watch(c, c->view);
	return e ? e : watch(c, session_ring_fd(c->session));
}

static void free_collector(struct collector *c)
{
	struct known *k, *tmp;
	int i;

	for (i = 0; i < c->n_sinks; i++)
		c->sinks[i]->finish(c->sinks[i]->ctx);
	runtimes_free(c->runtimes);
	mmapwatch_free(c->mmaps);
	correlator_free(c->correlator);
	ledgers_free(c->ledgers);
	session_close(c->session);
	queue_free(&c->queue);
	HASH_ITER (hh, c->known, k, tmp) {
		HASH_DEL(c->known, k);
		free(k);
	}
	if (c->epoll > 0) {
		close(c->epoll);
		close(c->signals);
		close(c->tick);
		close(c->retry);
	}
	free(c);
}

int collector_open(const struct options *o, const char *command, struct collector **out)
{
	struct session_opts so = {.ring_size = o->ring_size,
				  .filters = o->filters,
				  .ledgers = o->ledgers,
				  .verbose = o->verbose,
				  .tier = o->tier};
	struct runtimes_opts ro = {
		.precise = o->precise, .by_file = command != NULL, .no_memory = o->no_memory};
	struct correlate_opts co = {0};
	struct collector *c = calloc(1, sizeof(*c));
	char err[512] = "";
	uint32_t i;
	int e;

	if (!c)
		return EXIT_FAILED;
	c->o = o;
	c->command = command;
	c->view = -1;
	e = session_open(&so, on_record, c, &c->session, err, sizeof(err));
	if (e) {
		fprintf(stderr, "mispair: %s\n", err[0] ? err : strerror(-e));
		goto fail;
	}
	if (*session_degraded(c->session))
		fprintf(stderr, "mispair: %s\n", session_degraded(c->session));
	e = open_sinks(c);
	if (e)
		goto fail;
	c->runtimes = runtimes_new(c->session, &ro, on_runtime, c);
	c->correlator = correlator_new(&co, on_finding, c);
	if (o->ledgers)
		c->ledgers = ledgers_new(on_socket, c);
	e = c->runtimes && c->correlator && (c->ledgers || !o->ledgers) ? open_loop(c) : -ENOMEM;
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
	struct start_info info = {.time_ns = now_ns(),
				  .version = MISPAIR_VERSION,
				  .tier = session_tier(c->session),
				  .hooks = session_hooks(c->session),
				  .filters = c->o->filter_text,
				  .command = c->command};
	struct utsname u;

	c->started_ns = info.time_ns;
	c->next_stats_ns = c->started_ns + c->o->stats_ns;
	if (!uname(&u)) {
		snprintf(info.kernel, sizeof(info.kernel), "%s", u.release);
		snprintf(info.host, sizeof(info.host), "%s", u.nodename);
	}
	SINKS(c, start, &info);
}

/* A first signal is passed on to the command, which then ends by itself; a second one ends us. */
static void on_signal(struct collector *c, uint32_t child)
{
	struct signalfd_siginfo si;
	static const char *const names[] = {
		[SIGHUP] = "SIGHUP", [SIGINT] = "SIGINT", [SIGTERM] = "SIGTERM"};

	if (read(c->signals, &si, sizeof(si)) != sizeof(si))
		return;
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
		pump(c);
		/* A key is answered before a tick's work. */
		if (view)
			tell_ready(c);
		/* After the ring: a close that waits there must not be overtaken by its grace. */
		if (tick)
			on_tick(c);
		ask_sinks(c);
	}
	return e;
}

int collector_close(struct collector *c, int status)
{
	struct stop_info stop = {.command_status = status};
	bool lost = false, failed_on;
	int i, code;

	pump(c);
	refresh(c);
	pump(c);
	if (c->ledgers)
		ledgers_finish(c->ledgers, now_ns());
	correlate_finish(c->correlator, now_ns());
	check_losses(c);
	fill_stats(c, &stop.stats);
	stop.time_ns = stop.stats.time_ns;
	stop.reason = c->reason ? c->reason : status >= 0 ? "command exited" : "end";
	SINKS(c, stop, &stop);
	for (i = 0; i < LOSS_MAX; i++)
		lost |= c->lost[i] != 0;
	failed_on = c->failed_on;
	code = EXIT_NOTHING;
	if (failed_on)
		code = EXIT_FOUND;
	else if (c->o->strict && lost)
		code = EXIT_LOST;
	else if (status >= 0)
		code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	free_collector(c);
	return code;
}
