// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One function an item. What is kept here besides the correlator: what processes are called, the
 * last sample, and the counts that stats tell.
 */
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "core.h"
#include "correlate.h"
#include "ledgers.h"
#include "protocol.h"
#include "tally.h"
#include "view_source.h"

#define KEEP_NAME_NS  3000000000ULL
#define ROWS_EARLY_NS 25000000ULL
#define CHEAP_ROWS    2000   /* a refresh pass over so many takes a millisecond or two */
#define KNOWN_MAX     262144 /* pid_max is 4 million, a recording may claim more */

/*
 * What a process was called, kept because it may be gone when its finding is said. After an exec it
 * is another one, with another name.
 */
struct known {
	struct known_key {
		uint32_t pid, id;
	} key;
	uint64_t gone_ns; /* it has ended; its sockets may still have something to say */
	struct known *next_gone;
	struct procinfo info;
	uint32_t uid; /* as its last event said */
	UT_hash_handle hh;
	UT_hash_handle by_pid; /* the one that has this pid now */
};

struct core {
	struct core_opts o;
	struct correlator *correlator;
	struct tally *tally;
	struct ledgers *ledgers; /* NULL unless --ledgers */
	struct coverage *coverage;
	struct known *known, *current;
	struct known *first_gone, *last_gone; /* in order of their ends */
	struct known *swept;		      /* the next that core_sweep() tells */
	bool failed_on, stopped, baseline;
	bool rows_told, round_over; /* of the pass in hand, to sinks that show connections */
	uint64_t rows_ns;	    /* when they last had rows */
	struct known *last_owner;   /* many rows in turn are of one process */
	uint64_t events, rows, open_requests, open_replies, round_ns;
	uint64_t lost[LOSS_MAX], before_gap;
	uint64_t unnamed;			/* processes that found no room */
	uint64_t totals[VERDICT_MAX][CONF_MAX]; /* of correlators before a gap */
	struct item_sample sample;
};

static struct known *find(const struct core *c, uint32_t pid, uint32_t id)
{
	const struct known_key key = {.pid = pid, .id = id};
	struct known *k;

	HASH_FIND(hh, c->known, &key, sizeof(key), k);
	return k;
}

static struct known *now_numbered(const struct core *c, uint32_t pid)
{
	struct known *k;

	HASH_FIND(by_pid, c->current, &pid, sizeof(pid), k);
	return k;
}

bool core_knows(const struct core *c, uint32_t pid, uint32_t id)
{
	return find(c, pid, id) != NULL;
}

static void forget_later(struct core *c, struct known *k, uint64_t now)
{
	k->gone_ns = now ? now : 1;
	if (c->last_gone)
		c->last_gone->next_gone = k;
	else
		c->first_gone = k;
	c->last_gone = k;
}

/* It has ended. Sockets are closed after that: its name is kept for a while. */
static void retire(struct core *c, struct known *k, uint64_t now)
{
	if (k->gone_ns)
		return;
	HASH_DELETE(by_pid, c->current, k);
	forget_later(c, k, now);
}

/*
 * A record of this process, which has this pid now, in place of any other one: ids are given in
 * turn, so a lower one is of a process that has ended. NULL: no room.
 */
static struct known *make(struct core *c, uint32_t pid, uint32_t id, uint64_t now)
{
	struct known *k = find(c, pid, id), *other = now_numbered(c, pid);
	bool ended = other && (int32_t)(id - other->key.id) < 0;

	if (k)
		return k;
	if (other && !ended)
		retire(c, other, now);
	if (HASH_COUNT(c->known) >= KNOWN_MAX || !(k = calloc(1, sizeof(*k)))) {
		c->unnamed++;
		return NULL;
	}
	k->key.pid = pid;
	k->key.id = id;
	HASH_ADD(hh, c->known, key, sizeof(k->key), k);
	if (ended)
		forget_later(c, k, now);
	else
		HASH_ADD(by_pid, c->current, key.pid, sizeof(k->key.pid), k);
	return k;
}

void core_sweep(struct core *c, size_t n, void (*fn)(void *ctx, uint32_t pid, uint32_t id),
		void *ctx)
{
	struct known *k = c->swept ? c->swept : c->known;

	for (; k && n; k = k->hh.next, n--)
		if (!k->gone_ns)
			fn(ctx, k->key.pid, k->key.id);
	c->swept = k;
}

size_t core_process_count(const struct core *c)
{
	return HASH_COUNT(c->known);
}

void core_processes(const struct core *c, void (*fn)(void *ctx, const struct item_process *p),
		    void *ctx)
{
	struct item_process p;
	struct known *k, *tmp;

	HASH_ITER (hh, c->known, k, tmp) {
		memset(&p, 0, sizeof(p));
		p.pid = k->key.pid;
		p.id = k->key.id;
		p.info = k->info;
		fn(ctx, &p);
	}
}

struct covered {
	void (*fn)(void *ctx, const struct item_coverage *i);
	void *ctx;
};

static void tell_facts(void *ctx, uint32_t pid, uint32_t id, const struct coverage_facts *f)
{
	const struct item_coverage i = {.pid = pid, .id = id, .facts = *f};
	const struct covered *to = ctx;

	to->fn(to->ctx, &i);
}

void core_coverage(const struct core *c, void (*fn)(void *ctx, const struct item_coverage *i),
		   void *ctx)
{
	struct covered to = {fn, ctx};

	coverage_each(c->coverage, tell_facts, &to);
}

static void forget_gone(struct core *c, uint64_t now)
{
	struct known *k;

	while ((k = c->first_gone) && k->gone_ns + KEEP_NAME_NS <= now) {
		c->first_gone = k->next_gone;
		if (!c->first_gone)
			c->last_gone = NULL;
		if (c->swept == k)
			c->swept = k->hh.next;
		if (c->last_owner == k)
			c->last_owner = NULL;
		HASH_DEL(c->known, k);
		free(k);
	}
}

/* ---- what the parts tell ---- */

static void on_finding(void *ctx, struct finding *f)
{
	struct core *c = ctx;
	const struct known *k = find(c, f->pid, f->proc_id);

	if (k) {
		memcpy(f->exe_name, k->info.exe_name, sizeof(f->exe_name));
		memcpy(f->container_id, k->info.container_id, sizeof(f->container_id));
	}
	if (f->transport == TRANSPORT_TCP)
		f->protocol = protocol_from_port(f->peer_port);
	if (c->o.fail_on != VERDICT_NONE && f->verdict >= c->o.fail_on &&
	    f->confidence >= CONF_LIKELY)
		c->failed_on = true;
	SINKS(c->o.sinks, each_finding, f);
	tally_finding(c->tally, f, k ? k->uid : 0);
	if (c->o.finding)
		c->o.finding(c->o.ctx, f);
}

static void on_told(void *ctx, const struct finding *f)
{
	SINKS(((struct core *)ctx)->o.sinks, finding, f);
}

static void on_sum(void *ctx, const struct finding_sum *s)
{
	SINKS(((struct core *)ctx)->o.sinks, finding_sum, s);
}

static struct tally *new_tally(struct core *c)
{
	const struct tally_opts to = {0};
	struct tally_told told = {.finding = on_told, .sum = on_sum, .ctx = c};

	return tally_new(&to, &told);
}

static void on_socket(void *ctx, struct socket_report *r)
{
	struct core *c = ctx;
	const struct known *k = find(c, r->pid, r->proc_id);

	if (k)
		memcpy(r->comm, k->info.comm, sizeof(r->comm));
	SINKS(c->o.sinks, socket, r);
}

static void on_coverage(void *ctx, const struct coverage_report *r)
{
	struct core *c = ctx;

	SINKS(c->o.sinks, coverage, r);
}

/* ---- items ---- */

static void take_start(struct core *c, uint64_t now, const void *body)
{
	const char *hooks[START_HOOKS + 1];
	struct item_start fixed;
	struct start_info info;

	memcpy(&fixed, body, sizeof(fixed));
	item_start_read(body, &info, hooks);
	info.time_ns = now;
	c->baseline = fixed.continued;
	if (fixed.ledgers && !c->ledgers)
		c->ledgers = ledgers_new(on_socket, c);
	SINKS(c->o.sinks, start, &info);
}

/* The child is called what its parent is, until it becomes another program. */
static void take_fork(struct core *c, const struct ev_fork *f)
{
	const struct known *parent = find(c, f->head.tgid, f->head.id);
	struct known *k = parent ? make(c, f->child, f->child_id, f->head.ts) : NULL;

	if (k)
		k->info = parent->info;
}

static void take_step(struct core *c, const struct ev_step *e)
{
	struct known *k = find(c, e->head.tgid, e->head.id);

	if (k)
		k->uid = e->head.uid;
	correlate_step(c->correlator, e);
	if (e->in.step == STEP_CLOSE)
		tally_closed(c->tally, e->cookie);
}

static void take_event(struct core *c, const struct ev_head *h)
{
	struct known *k;

	c->events++;
	switch (h->kind) {
	case EV_STEP:
		take_step(c, (const struct ev_step *)h);
		break;
	case EV_LEDGER:
		if (c->ledgers)
			ledgers_end(c->ledgers, (const struct ev_step *)h);
		break;
	case EV_FORK:
		take_fork(c, (const struct ev_fork *)h);
		break;
	case EV_PROCESS:
	case EV_EXEC:
		k = now_numbered(c, h->tgid);
		if (k && (int32_t)(h->id - k->key.id) > 0) {
			coverage_end(c->coverage, h->ts, k->key.pid, k->key.id);
			retire(c, k, h->ts);
		}
		break;
	case EV_EXIT:
		coverage_end(c->coverage, h->ts, h->tgid, h->id);
		correlate_exit(c->correlator, h->tgid, h->id, h->ts);
		k = find(c, h->tgid, h->id);
		if (k)
			retire(c, k, h->ts);
		break;
	}
}

static void take_process(struct core *c, uint64_t now, const struct item_process *p)
{
	struct known *k = make(c, p->pid, p->id, now);

	if (!k)
		return;
	k->info = p->info;
	k->info.comm[sizeof(k->info.comm) - 1] = 0;
	k->info.exe_name[sizeof(k->info.exe_name) - 1] = 0;
	k->info.container_id[sizeof(k->info.container_id) - 1] = 0;
}

static void take_runtime(struct core *c, uint64_t now, const struct runtime_report *from)
{
	struct runtime_report r = *from;

	r.time_ns = now;
	r.comm[sizeof(r.comm) - 1] = 0;
	r.runtime[sizeof(r.runtime) - 1] = 0;
	r.version[sizeof(r.version) - 1] = 0;
	r.module[sizeof(r.module) - 1] = 0;
	r.evidence[sizeof(r.evidence) - 1] = 0;
	r.note[sizeof(r.note) - 1] = 0;
	SINKS(c->o.sinks, runtime, &r);
}

static void take_throttled(struct core *c, uint64_t now, const struct item_throttled *t)
{
	const struct known *k = find(c, t->pid, t->id);
	struct throttled_report r = {
		.time_ns = now, .pid = t->pid, .proc_id = t->id, .uid = t->uid, .count = t->count};

	c->lost[LOSS_THROTTLED] += t->count;
	r.total = c->lost[LOSS_THROTTLED];
	memcpy(r.comm, t->comm, sizeof(r.comm) - 1);
	if (k) {
		memcpy(r.comm, k->info.comm, sizeof(r.comm));
		memcpy(r.exe_name, k->info.exe_name, sizeof(r.exe_name));
		memcpy(r.container_id, k->info.container_id, sizeof(r.container_id));
	}
	SINKS(c->o.sinks, throttled, &r);
}

static void take_coverage(struct core *c, uint64_t now, const struct item_coverage *i)
{
	const struct known *k = find(c, i->pid, i->id);
	const char *name = k ? k->info.exe_name : NULL;

	coverage_take(c->coverage, now, i->pid, i->id,
		      name && *name ? name
		      : k	    ? k->info.comm
				    : "",
		      &i->facts);
}

/* What was lost more since the last sample is told. */
static void take_sample(struct core *c, uint64_t now, const struct item_sample *s)
{
	struct run_stats stats;
	uint64_t total, more;
	int i;

	c->sample = *s;
	for (i = 0; i < LOSS_MAX; i++) {
		total = s->lost[i];
		if (i == LOSS_TRACK_FULL)
			total += c->before_gap + correlate_lost(c->correlator);
		if (i == LOSS_NAMES_FULL)
			total += c->unnamed;
		/* What was told with its process may be newer than the sum. */
		more = total > c->lost[i] ? total - c->lost[i] : 0;
		c->lost[i] += more;
		if (more && !c->baseline)
			SINKS(c->o.sinks, lost, now, (enum loss)i, more, total);
	}
	c->baseline = false;
	/* A pass ends for those who show it with its counts, and these have just come. */
	if (c->rows_told && c->round_over) {
		core_stats(c, now, &stats);
		SINKS(c->o.sinks, round_end, &stats);
		c->rows_told = false;
	}
	c->round_over = false;
}

bool core_wants_look(const struct core *c)
{
	return c->rows <= CHEAP_ROWS && correlate_watching(c->correlator);
}

bool core_wants_buffer(const struct core *c, uint64_t cookie)
{
	return correlate_wants_buffer(c->correlator, cookie);
}

bool core_rows_due(const struct core *c, uint64_t now)
{
	int i;

	for (i = 0; i < c->o.sinks->n; i++) {
		const struct sink *s = c->o.sinks->list[i];
		uint64_t every = s->row && s->refresh_ns ? s->refresh_ns(s->ctx) : 0;

		/* Half a tick early is better than a tick late. */
		if (s->row && now + ROWS_EARLY_NS >= c->rows_ns + every)
			return true;
	}
	return false;
}

bool core_rows_shown(const struct core *c)
{
	int i;

	for (i = 0; i < c->o.sinks->n; i++)
		if (c->o.sinks->list[i]->row)
			return true;
	return false;
}

static void take_round(struct core *c, uint64_t now)
{
	c->rows = c->open_requests = c->open_replies = 0;
	c->round_ns = now;
	c->last_owner = NULL;
	c->rows_told = core_rows_due(c, now);
	if (!c->rows_told)
		return;
	c->rows_ns = now;
	SINKS(c->o.sinks, round_begin, now);
}

static void tell_row(struct core *c, const struct ledger_row *row)
{
	struct view_source_row v = {.ledger = row, .comm = "", .exe_name = "", .container_id = ""};
	uint32_t pid = row->l.owner.tgid, id = row->l.owner.id;
	int i;

	if (pid && (!c->last_owner || c->last_owner->key.pid != pid || c->last_owner->key.id != id))
		c->last_owner = find(c, pid, id);
	if (pid && c->last_owner) {
		v.comm = c->last_owner->info.comm;
		v.exe_name = c->last_owner->info.exe_name;
		v.container_id = c->last_owner->info.container_id;
		v.coverage = coverage_of(c->coverage, pid, id);
	}
	for (i = 0; i < c->o.sinks->n; i++) {
		const struct sink *s = c->o.sinks->list[i];

		if (s->row)
			s->row(s->ctx, &v);
	}
}

static void take_row(struct core *c, const struct item_row *r)
{
	const struct known *k;

	c->rows++;
	c->open_requests += r->row.l.requests;
	c->open_replies += r->row.l.replies;
	correlate_seen(c->correlator, &r->row);
	if (c->ledgers)
		ledgers_row(c->ledgers, &r->row);
	if (r->row.l.owner.tgid)
		coverage_connection(c->coverage, c->round_ns, r->row.l.owner.tgid,
				    r->row.l.owner.id,
				    !(r->row.l.flags & LEDGER_GAP) && !ledger_blind(&r->row.l),
				    r->row.l.flags & LEDGER_ADOPTED);
	tell_row(c, &r->row);
	if (r->rested && r->row.l.watch)
		correlate_rest(c->correlator, &r->row, c->round_ns);
	if (r->rested && r->row.l.lag)
		correlate_buffered(c->correlator, &r->row, r->buffered, c->round_ns);
	if (!r->looked)
		return;
	k = find(c, r->row.l.owner.tgid, r->row.l.owner.id);
	correlate_idle(c->correlator, &r->row, (uint8_t)r->status, k ? k->info.comm : NULL,
		       c->round_ns);
}

static void take_kept(struct core *c, const struct item_kept *k)
{
	int i;

	c->rows += k->sockets;
	c->open_requests += k->requests;
	c->open_replies += k->replies;
	correlate_kept(c->correlator);
	if (c->ledgers)
		ledgers_kept(c->ledgers);
	for (i = 0; i < c->o.sinks->n; i++)
		if (c->o.sinks->list[i]->rows_kept)
			c->o.sinks->list[i]->rows_kept(c->o.sinks->list[i]->ctx);
}

static void take_gone(struct core *c, uint64_t cookie)
{
	correlate_gone(c->correlator, cookie);
	if (c->ledgers)
		ledgers_gone(c->ledgers, cookie);
	SINKS(c->o.sinks, row_gone, cookie);
}

static void take_round_end(struct core *c)
{
	correlate_round(c->correlator, c->round_ns);
	if (c->ledgers)
		ledgers_round(c->ledgers, c->round_ns);
	c->last_owner = NULL;
	forget_gone(c, c->round_ns);
	c->round_over = true;
}

static void take_stop(struct core *c, uint64_t now, const struct item_stop *s)
{
	struct stop_info stop = {.time_ns = now, .command_status = s->command_status};
	struct coverage_group groups[STOP_GROUPS];
	char reason[sizeof(s->reason)];

	memcpy(reason, s->reason, sizeof(reason));
	reason[sizeof(reason) - 1] = 0;
	core_stats(c, now, &stop.stats);
	stop.reason = reason;
	stop.groups = groups;
	stop.n_groups = coverage_groups(c->coverage, groups, STOP_GROUPS);
	c->stopped = true;
	SINKS(c->o.sinks, stop, &stop);
}

/* Steps are missing: what was suspected before can neither be proved nor cleared. */
static void take_gap(struct core *c)
{
	const struct correlate_opts co = {0};
	struct correlator *fresh = correlator_new(&co, on_finding, c);
	struct tally *anew = new_tally(c);
	uint64_t totals[VERDICT_MAX][CONF_MAX];
	int v, k;

	if (!fresh || !anew) {
		correlator_free(fresh);
		tally_free(anew);
		return;
	}
	tally_finish(c->tally);
	tally_free(c->tally);
	c->tally = anew;
	correlate_totals(c->correlator, totals);
	for (v = 0; v < VERDICT_MAX; v++)
		for (k = 0; k < CONF_MAX; k++)
			c->totals[v][k] += totals[v][k];
	c->before_gap += correlate_lost(c->correlator);
	correlator_free(c->correlator);
	c->correlator = fresh;
}

/* Nothing more will come: what only waited is decided. Before the last sample. */
static void finish(struct core *c, uint64_t now)
{
	if (c->ledgers)
		ledgers_finish(c->ledgers, now);
	correlate_finish(c->correlator, now);
	tally_finish(c->tally);
	coverage_finish(c->coverage, now);
}

void core_input(struct core *c, enum item_kind kind, uint64_t now, const void *body, size_t len)
{
	struct run_stats stats;

	(void)len;
	switch (kind) {
	case ITEM_START:
		take_start(c, now, body);
		break;
	case ITEM_EVENT:
		take_event(c, body);
		break;
	case ITEM_PROCESS:
		take_process(c, now, body);
		break;
	case ITEM_RUNTIME:
		take_runtime(c, now, body);
		break;
	case ITEM_COVERAGE:
		take_coverage(c, now, body);
		break;
	case ITEM_SAMPLE:
		take_sample(c, now, body);
		break;
	case ITEM_THROTTLED:
		take_throttled(c, now, body);
		break;
	case ITEM_TICK:
		correlate_tick(c->correlator, now);
		tally_tick(c->tally, now);
		coverage_tick(c->coverage, now);
		break;
	case ITEM_ROUND:
		take_round(c, now);
		break;
	case ITEM_ROW:
		take_row(c, body);
		break;
	case ITEM_GONE:
		take_gone(c, ((const struct item_gone *)body)->cookie);
		break;
	case ITEM_KEPT:
		take_kept(c, body);
		break;
	case ITEM_ROUND_END:
		take_round_end(c);
		break;
	case ITEM_STATS:
		core_stats(c, now, &stats);
		SINKS(c->o.sinks, stats, &stats);
		break;
	case ITEM_FINISH:
		finish(c, now);
		break;
	case ITEM_STOP:
		take_stop(c, now, body);
		break;
	case ITEM_GAP:
		take_gap(c);
		break;
	case ITEM_MAX:
		break;
	}
}

/* ---- life ---- */

struct core *core_new(const struct core_opts *o)
{
	const struct correlate_opts co = {0};
	struct core *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->o = *o;
	c->correlator = correlator_new(&co, on_finding, c);
	c->tally = new_tally(c);
	c->coverage = coverage_new(on_coverage, c);
	if (!c->correlator || !c->tally || !c->coverage) {
		core_free(c);
		return NULL;
	}
	return c;
}

void core_free(struct core *c)
{
	struct known *k, *tmp;

	if (!c)
		return;
	HASH_CLEAR(by_pid, c->current);
	HASH_ITER (hh, c->known, k, tmp) {
		HASH_DEL(c->known, k);
		free(k);
	}
	correlator_free(c->correlator);
	tally_free(c->tally);
	coverage_free(c->coverage);
	ledgers_free(c->ledgers);
	free(c);
}

bool core_failed_on(const struct core *c)
{
	return c->failed_on;
}

bool core_lost(const struct core *c)
{
	int i;

	for (i = 0; i < LOSS_MAX; i++)
		if (c->lost[i])
			return true;
	return false;
}

bool core_blind(const struct core *c)
{
	struct coverage_counts counts;

	coverage_count(c->coverage, &counts);
	return counts.all[COVERAGE_BLIND] != 0;
}

bool core_stopped(const struct core *c)
{
	return c->stopped;
}

void core_stats(const struct core *c, uint64_t now, struct run_stats *s)
{
	const uint64_t *n = c->sample.counters;
	int v, k;

	memset(s, 0, sizeof(*s));
	s->time_ns = now;
	s->sockets_total = n[CNT_SOCKETS];
	s->sockets_tracked = c->rows;
	s->sockets_adopted = n[CNT_ADOPTED];
	s->requests = n[CNT_REQUESTS] + c->open_requests;
	s->replies = n[CNT_REPLIES] + c->open_replies;
	s->cancellations = n[CNT_CANCELS];
	correlate_totals(c->correlator, s->findings);
	for (v = 0; v < VERDICT_MAX; v++)
		for (k = 0; k < CONF_MAX; k++)
			s->findings[v][k] += c->totals[v][k];
	memcpy(s->lost, c->lost, sizeof(s->lost));
	s->events = c->events;
	s->cpu_ns = c->sample.cpu_ns;
	s->rss_bytes = c->sample.rss_bytes;
	coverage_count(c->coverage, &s->coverage);
}
