// SPDX-License-Identifier: GPL-2.0-or-later
/* The refresh pass: what lies in the kernel's ledgers, its counters, and what ends with a run. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "collector_int.h"
#include "procinfo.h"

/* Passes at the end of a run, while sockets end during each. */
#define LAST_PASSES 3
/* A connection rests that nobody has used for this long. */
#define IDLE_NS	    100000000ULL

/* ---- losses and counters ---- */

/* Whose losses these are is told once a second. */
#define THROTTLED_NS 1000000000ULL

static void on_throttled(void *ctx, const struct throttled_key *of, const struct throttled *what)
{
	struct item_throttled t = {
		.pid = of->tgid, .id = of->id, .uid = what->uid, .count = what->count};
	struct collector *c = ctx;

	memcpy(t.comm, what->comm, sizeof(t.comm));
	collector_tell_process(c, t.pid, t.id, t.comm);
	collector_feed(c, ITEM_THROTTLED, collector_now(), &t, sizeof(t));
}

/*
 * SUM was read before: what the processes have lost is at least as much, unless some were not
 * noted. The sample has the sum as it was then, or it would tell what is told of processes later.
 */
static uint64_t tell_throttled(struct collector *c, uint64_t now, uint64_t sum)
{
	if (!c->stopping && now - c->throttled_ns < THROTTLED_NS)
		return c->throttled;
	c->throttled_ns = now;
	c->throttled = sum;
	session_throttled(c->session, on_throttled, c);
	return sum;
}

void collector_sample(struct collector *c, uint64_t now)
{
	uint64_t kernel[KLOSS_MAX] = {0};
	struct item_sample s;
	struct rusage ru;
	int i;

	memset(&s, 0, sizeof(s));
	session_counters(c->session, s.counters);
	s.counters[CNT_REQUESTS] = c->before_pass[CNT_REQUESTS];
	s.counters[CNT_REPLIES] = c->before_pass[CNT_REPLIES];
	session_losses(c->session, kernel);
	for (i = 0; i < KLOSS_MAX; i++)
		s.lost[i] = kernel[i];
	s.lost[LOSS_THROTTLED] = tell_throttled(c, now, kernel[KLOSS_THROTTLED]);
	session_pushed_out(c->session, now, s.lost);
	s.lost[LOSS_LATE_ATTACH] += runtimes_late(c->runtimes);
	s.lost[LOSS_RUNTIMES_FULL] += runtimes_full(c->runtimes);
	s.lost[LOSS_ADAPTER_HOT] = adapters_hot(c->adapters);
	s.lost[LOSS_RECORDING_FULL] = recorder_missing(c->recorder);
	s.lost[LOSS_RECORDING_SHORT] = recorder_short(c->recorder);
	s.lost[LOSS_PROBES] =
		session_unprobed(c->session) + adapters_unopened(c->adapters) + c->unopened;
	s.lost[LOSS_SKIPPED] = session_skipped(c->session);
	s.lost[LOSS_QUEUE_FULL] = c->queue.dropped;
	s.lost[LOSS_BAD_RECORD] = session_bad_records(c->session);
	s.lost[LOSS_SINK] = sinks_failures(&c->sinks) + recorder_failures(c->recorder) +
			    meter_failures(c->meter);
	s.rss_bytes = procinfo_own_memory();
	getrusage(RUSAGE_SELF, &ru);
	s.cpu_ns = (uint64_t)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000000000ULL +
		   (uint64_t)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) * 1000ULL;
	collector_feed(c, ITEM_SAMPLE, now, &s, sizeof(s));
}

/* ---- the refresh pass ---- */

/* One that was not told is enough: it happens on no host that tells them all. */
static void listen_for_timers(struct collector *c)
{
	int e;

	if (c->listened || session_hears_timers(c->session))
		return;
	c->listened = true;
	e = session_note_sleeps(c->session);
	if (e)
		fprintf(stderr,
			"mispair: not told of all timers, and what they end may go unseen: waits "
			"cannot be followed from their beginning: %s\n",
			strerror(-e));
	else if (c->view < 0)
		fprintf(stderr, "mispair: not told of all timers on this host: waits that may time "
				"out are followed from their beginning from now on\n");
}

void collector_tell_ready(struct collector *c)
{
	int i;

	for (i = 0; i < c->sinks.n; i++)
		if (c->sinks.list[i]->ready)
			c->sinks.list[i]->ready(c->sinks.list[i]->ctx);
}

/*
 * Whose end nobody has told, since the ring was full or a program did not run: that is found by
 * looking. To the core an end is an event like any other, so that a replay knows it too.
 */
#define SWEEP_NS	2000000000ULL
#define SWEEP_PROCESSES 4096

struct gone {
	struct collector *c;
	struct gone_process {
		uint32_t pid, id;
	} list[SWEEP_PROCESSES];
	size_t n;
};

static void on_known(void *ctx, uint32_t pid, uint32_t id)
{
	struct gone *e = ctx;

	if (!session_proc_is(e->c->session, pid, id))
		e->list[e->n++] = (struct gone_process){pid, id};
}

static void sweep(struct collector *c, uint64_t now)
{
	struct gone *e;
	size_t i;

	if (now - c->swept_ns < SWEEP_NS)
		return;
	c->swept_ns = now;
	session_sweep(c->session, now);
	runtimes_sweep(c->runtimes);
	adapters_sweep(c->adapters);
	e = malloc(sizeof(*e));
	if (!e)
		return; /* the next one looks */
	e->c = c;
	e->n = 0;
	core_sweep(c->core, SWEEP_PROCESSES, on_known, e);
	for (i = 0; i < e->n; i++) {
		struct ev_head h = {.kind = EV_EXIT,
				    .size = sizeof(h),
				    .ts = collector_now(),
				    .tgid = e->list[i].pid,
				    .tid = e->list[i].pid,
				    .id = e->list[i].id};

		collector_feed(c, ITEM_EVENT, h.ts, &h, sizeof(h));
	}
	free(e);
}

struct refresh {
	struct collector *c;
	uint64_t now;
	bool rows; /* a sink shows connections: it wants their processes' names */
	uint64_t told;
};

static void on_row(void *ctx, const struct ledger_row *row)
{
	struct refresh *r = ctx;
	struct collector *c = r->c;
	const struct ledger *l = &row->l;
	struct item_row item;

	r->told++;
	memset(&item, 0, sizeof(item));
	memcpy(&item.row, row, sizeof(*row));
	item.rested = l->last_tx_ns + IDLE_NS <= r->now && l->last_rx_ns + IDLE_NS <= r->now;
	item.looked = item.rested && (ledger_owed(l) || l->abandoned) &&
		      (l->owner.kind == OWNER_TASK || l->gave_up);
	if (item.rested && l->lag && core_wants_buffer(c->core, row->cookie))
		item.buffered = runtimes_buffered(c->runtimes, row);
	if (item.looked)
		item.status = l->gave_up ? l->gave_up : runtimes_judge(c->runtimes, row);
	if (l->owner.tgid && (item.looked || l->watch || c->o->ledgers || r->rows || c->recorder))
		collector_tell_process(c, l->owner.tgid, l->owner.id, NULL);
	collector_feed(c, ITEM_ROW, r->now, &item, sizeof(item));
}

static void on_waiting(void *ctx, const struct ledger_row *row)
{
	struct refresh *r = ctx;
	struct item_row item;

	memset(&item, 0, sizeof(item));
	memcpy(&item.row, row, sizeof(*row));
	collector_tell_process(r->c, row->l.owner.tgid, row->l.owner.id, NULL);
	collector_feed(r->c, ITEM_ROW, r->now, &item, sizeof(item));
}

static void on_gone(void *ctx, uint64_t cookie)
{
	struct refresh *r = ctx;
	const struct item_gone gone = {.cookie = cookie};

	collector_feed(r->c, ITEM_GONE, r->now, &gone, sizeof(gone));
}

void collector_refresh(struct collector *c)
{
	struct refresh r = {.c = c, .now = collector_now(), .rows = core_rows_shown(c->core)};
	const struct walk_told told = {.row = on_row,
				       .waiting = on_waiting,
				       .follow_waiting = r.rows,
				       .gone = on_gone,
				       .ctx = &r};
	struct walk_kept kept = {0};
	struct item_kept item;
	uint64_t began;
	int e;

	collector_feed(c, ITEM_ROUND, r.now, NULL, 0);
	session_counters(c->session, c->before_pass);
	began = collector_now();
	e = session_walk(c->session, &told, &kept);
	if (e && !c->pass_failed)
		fprintf(stderr,
			"mispair: a pass over the sockets broke off: %s; what only time tells of a "
			"connection goes untold as long as this lasts\n",
			strerror(-e));
	c->pass_failed = e != 0;
	meter_pass(c->meter, collector_now() - began);
	meter_table(c->meter, "index", kept.indexed);
	c->met = r.told + kept.sockets;
	item = (struct item_kept){kept.sockets + kept.waiting, kept.requests, kept.replies};
	collector_feed(c, ITEM_KEPT, r.now, &item, sizeof(item));
	collector_feed(c, ITEM_ROUND_END, r.now, NULL, 0);
	listen_for_timers(c);
	runtimes_refresh(c->runtimes);
	adapters_refresh(c->adapters, r.now);
	sweep(c, r.now);
	collector_sample(c, collector_now());
	meter_table(c->meter, "processes", core_process_count(c->core));
	meter_table(c->meter, "runtimes", runtimes_count(c->runtimes));
	meter_table(c->meter, "images", runtimes_images(c->runtimes));
	meter_table(c->meter, "targets", adapters_count(c->adapters));
	meter_table(c->meter, "files", adapters_files(c->adapters));
	meter_update(c->meter, c->core, r.now, false);
}

/* How long closed sockets may take to end before a run does. */
#define ENDS_NS 300000000ULL

/*
 * A pass does not meet a Unix socket that was closed, which ends when the kernel has done with it:
 * as a rule when its peer has read the end of the file. Waits for those that the
 * last pass did not meet, 300 ms at most, so that a command's connections have their last words;
 * true if there were any.
 */
static bool await_ends(struct collector *c)
{
	uint64_t counters[CNT_MAX], until = collector_now() + ENDS_NS;
	struct pollfd ring = {.fd = session_ring_fd(c->session), .events = POLLIN};
	bool waited = false;

	while (!session_counters(c->session, counters) &&
	       collector_ends_due(c->before_pass, counters, c->met) && collector_now() < until) {
		waited = true;
		poll(&ring, 1, 10);
		collector_pump(c);
	}
	/* A socket counts as ended just before its last words are in the ring. */
	if (waited)
		poll(&ring, 1, 1);
	/* Before the next pass, which would take what it does not meet for lost. */
	collector_pump(c);
	return waited;
}

/* Has a socket ended since the last pass began? It may be neither in its rows nor in its counts. */
static bool ended_meanwhile(struct collector *c)
{
	uint64_t now[CNT_MAX];

	return !session_counters(c->session, now) && now[CNT_ENDED] != c->before_pass[CNT_ENDED];
}

void collector_last_refresh(struct collector *c)
{
	bool again;
	int i;

	for (i = 0; i < LAST_PASSES; i++) {
		collector_refresh(c);
		again = ended_meanwhile(c);
		if (await_ends(c))
			again = true;
		if (!again)
			break;
	}
}
