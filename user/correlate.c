// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The correlator: one track a suspicious connection, fed with its steps.
 *
 * Invariants: a track has at most one open abandonment; what it says about it grows (abandoned,
 * dirty, reused) and is said once. A track whose evidence has a gap says `unobserved` once and
 * then nothing: a false accusation is our worst bug.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "correlate.h"
#include "describe.h"
#include "pools.h"
#include "story.h"
#include "verdict.h"

#define NS_PER_MS   1000000ULL
#define SPAN_MIN_NS (1000 * NS_PER_MS)

struct track {
	uint64_t cookie;
	uint32_t tgid, tid;
	char comm[16];
	struct sock_addr sock;
	struct described_addr addr;
	struct ledger l;     /* as the last step left it */
	struct owner victim; /* owner of the abandoned exchange */
	struct cancel_info cancel;
	uint8_t status; /* enum wait_status of the victim */
	uint32_t unread;
	uint64_t open_ns;  /* the abandonment was noticed, 0: none open */
	uint64_t due_ns;   /* when time alone decides, 0: never */
	enum verdict said; /* the worst that was said about the open abandonment */
	bool arrived;	   /* bytes of the abandoned reply have arrived */
	bool gap_said, leaked;
	bool held; /* `pending` waits for evidence that raises it */
	/* `pending` is about an overtaken request, whether it was said by now or not: a lag that
	 * stays raises it. */
	bool watching;
	bool quiet;	  /* `pending` is worth no word unless something raises it */
	uint8_t watched;  /* enum wait_status of the request that was overtaken */
	uint64_t span_ns; /* how long after a request its reply may take */
	uint64_t rest_ns; /* it rests since then, and a look has found it so */
	uint32_t rest_unread;
	uint64_t held_due_ns;
	struct finding pending;
	uint64_t round;
	struct story story;
	UT_hash_handle hh;
};

struct correlator {
	struct correlate_opts o;
	correlate_fn fn;
	void *ctx;
	struct track *tracks;
	struct pool *pools;
	size_t n_tracks;
	uint64_t lost, round;
	uint64_t totals[VERDICT_MAX][CONF_MAX];
};

struct correlator *correlator_new(const struct correlate_opts *o, correlate_fn fn, void *ctx)
{
	struct correlator *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->o = *o;
	if (!c->o.grace_ns)
		c->o.grace_ns = 100 * NS_PER_MS;
	if (!c->o.leak_ns)
		c->o.leak_ns = 30000 * NS_PER_MS;
	if (!c->o.max_tracks)
		c->o.max_tracks = 8192;
	c->fn = fn;
	c->ctx = ctx;
	return c;
}

static void track_end(struct correlator *c, struct track *t)
{
	HASH_DEL(c->tracks, t);
	c->n_tracks--;
	free(t);
}

void correlator_free(struct correlator *c)
{
	struct track *t, *tmp;

	if (!c)
		return;
	HASH_ITER (hh, c->tracks, t, tmp)
		track_end(c, t);
	pools_clear(&c->pools);
	free(c);
}

uint64_t correlate_lost(const struct correlator *c)
{
	return c->lost;
}

void correlate_totals(const struct correlator *c, uint64_t out[VERDICT_MAX][CONF_MAX])
{
	memcpy(out, c->totals, sizeof(c->totals));
}

static struct track *track_find(struct correlator *c, uint64_t cookie)
{
	struct track *t;

	HASH_FIND(hh, c->tracks, &cookie, sizeof(cookie), t);
	return t;
}

static struct track *track_get(struct correlator *c, uint64_t cookie, const struct sock_addr *a)
{
	struct track *t = track_find(c, cookie);

	if (t)
		return t;
	if (c->n_tracks >= c->o.max_tracks || !(t = calloc(1, sizeof(*t)))) {
		c->lost++;
		return NULL;
	}
	t->cookie = cookie;
	t->round = c->round;
	t->sock = *a;
	describe_addr(a, &t->addr);
	HASH_ADD(hh, c->tracks, cookie, sizeof(t->cookie), t);
	c->n_tracks++;
	return t;
}

/* ---- the story that proves a finding ---- */

/* The request that the ledger still shows, as the beginning of the story. */
static void tell_request(struct track *t, const struct ledger *l)
{
	if (!story_has(&t->story, l->req_ns, TL_REQUEST))
		story_add(&t->story, l->req_ns, TL_REQUEST, l->req_bytes, &l->owner);
}

static void tell_cancel(struct track *t, const struct cancel_info *ci, const struct owner *victim,
			uint64_t now)
{
	struct story_entry *e;

	if (ci->ts) {
		if (story_has(&t->story, ci->ts, TL_CANCEL))
			return;
		e = story_add(&t->story, ci->ts, TL_CANCEL, 0, victim);
		if (ci->adapter)
			describe_caller(ci, e->by, sizeof(e->by));
		else if (wait_in_vain(t->status) || wait_perhaps(t->status))
			describe_signal(ci->signal, ci->by_tid, e->by, sizeof(e->by));
		else if (ci->by_task)
			describe_task(ci->by_task, (const uint64_t *)ci->by_name, e->by,
				      sizeof(e->by));
		else
			snprintf(e->by, sizeof(e->by), "thread %u, no task", ci->by_tid);
	} else if (!story_has_since(&t->story, TL_CANCEL_SEEN, t->l.req_ns) &&
		   !story_has_since(&t->story, TL_CANCEL, t->l.req_ns)) {
		story_add(&t->story, now, TL_CANCEL_SEEN, 0, victim);
	}
}

/* ---- findings ---- */

static enum cancel_kind cancel_kind(const struct track *t)
{
	if (t->cancel.adapter)
		return verdict_adapter_kind(t->cancel.adapter);
	if (t->victim.kind == OWNER_GOROUTINE)
		return wait_left(t->status) ? CANCEL_GO_ENDED : CANCEL_UNSEEN;
	return verdict_cancel_kind(t->status);
}

static void finding_begin(struct track *t, struct finding *f, enum verdict v, uint64_t now)
{
	const struct cancel_info *ci = &t->cancel;

	memset(f, 0, sizeof(*f));
	f->verdict = v;
	f->time_ns = now;
	f->pid = t->tgid;
	f->tid = t->tid;
	memcpy(f->comm, t->comm, sizeof(f->comm));
	f->transport = t->addr.transport;
	memcpy(f->local_addr, t->addr.local, sizeof(f->local_addr));
	memcpy(f->peer_addr, t->addr.peer, sizeof(f->peer_addr));
	f->local_port = t->addr.local_port;
	f->peer_port = t->addr.peer_port;
	f->cookie = t->cookie;
	f->requests = t->l.requests;
	f->replies = t->l.replies;
	f->owed = t->l.requests > t->l.replies ? t->l.requests - t->l.replies : 0;
	f->unread_bytes = t->unread;
	f->residue_bytes = t->l.abandoned ? t->l.residue_bytes : 0;
	f->cancel = cancel_kind(t);
	f->evidence = ci->adapter		? EVIDENCE_PROBE
		      : wait_perhaps(t->status) ? EVIDENCE_THREAD
		      : wait_in_vain(t->status) ? EVIDENCE_SOCKET
		      : ci->ts			? EVIDENCE_PROBE
		      : t->status		? EVIDENCE_MEMORY
						: EVIDENCE_NONE;
	if (ci->ts && ci->ts <= now) {
		f->cancel_age_ns = now - ci->ts;
		f->has_cancel_age = true;
	}
	if (ci->adapter)
		describe_caller(ci, f->cancel_by, sizeof(f->cancel_by));
	else if (ci->by_task)
		describe_task(ci->by_task, (const uint64_t *)ci->by_name, f->cancel_by,
			      sizeof(f->cancel_by));
	if (ci->signal)
		describe_signal(ci->signal, ci->by_tid, f->cancel_by, sizeof(f->cancel_by));
	describe_owner(&t->victim, f->owner_prev, sizeof(f->owner_prev));
}

static void say(struct correlator *c, struct track *t, struct finding *f)
{
	story_to_timeline(&t->story, f);
	c->totals[f->verdict][f->confidence]++;
	if (f->verdict > t->said)
		t->said = f->verdict;
	c->fn(c->ctx, f);
}

/* Says a finding that was held back for evidence that did not come, or has come. */
static void release(struct correlator *c, struct track *t, enum confidence conf, const char *why)
{
	enum verdict said = t->said;

	if (!t->held)
		return;
	t->held = false;
	if (conf > t->pending.confidence) {
		t->pending.confidence = conf;
		snprintf(t->pending.reason, sizeof(t->pending.reason), "%s", why);
	} else if (t->quiet) {
		return;
	}
	say(c, t, &t->pending);
	t->said = said; /* it was about an abandonment that is over */
}

static bool gap(struct correlator *c, struct track *t, uint64_t now);

/*
 * A request had been overtaken, and by NOW the client has shown that it takes replies for others':
 * WHY says how.
 */
static void lag_stays(struct correlator *c, struct track *t, uint64_t now, const char *why)
{
	struct finding *f = &t->pending;
	enum confidence conf = verdict_lag(&t->l, t->watched);

	if (!t->watching)
		return;
	t->watching = false;
	if (conf <= f->confidence || gap(c, t, now)) {
		release(c, t, CONF_NONE, "");
		return;
	}
	f->time_ns = now;
	f->requests = t->l.requests;
	f->replies = t->l.replies;
	t->held = true;
	release(c, t, conf, why);
}

/* UNREAD bytes, owed before, lie there after the client has read. */
static void lag_seen(struct correlator *c, struct track *t, uint32_t unread, uint64_t now)
{
	if (!t->watching)
		return;
	if (wait_perhaps(t->watched) && verdict_lag(&t->l, t->watched) <= CONF_SUSPECT) {
		t->watching = t->held = false;
		return;
	}
	story_add(&t->story, now, TL_BEHIND, unread, NULL);
	if (unread)
		t->pending.unread_bytes = unread;
	lag_stays(c, t, now,
		  "its wait had ended, it asked again, and replies have been one behind since");
}

/* One word about a socket whose evidence has a gap. True: there is one, say no more. */
static bool gap(struct correlator *c, struct track *t, uint64_t now)
{
	struct finding f;

	if (!(t->l.flags & LEDGER_GAP) && !ledger_blind(&t->l))
		return false;
	if (!t->gap_said) {
		t->gap_said = true;
		finding_begin(t, &f, VERDICT_UNOBSERVED, now);
		snprintf(f.reason, sizeof(f.reason), "%s",
			 t->l.flags & LEDGER_GAP ? "events about this connection were lost"
						 : "the connection was open before tracing began");
		say(c, t, &f);
	}
	return true;
}

static void abandonment_opens(struct correlator *c, struct track *t, uint8_t status,
			      const struct owner *victim, uint64_t now, bool arrived)
{
	if (!t->open_ns) {
		t->open_ns = now;
		t->due_ns = now + c->o.grace_ns;
		t->said = VERDICT_NONE;
	}
	t->victim = *victim;
	t->status = status;
	t->arrived |= arrived;
}

static void abandonment_ends(struct track *t)
{
	t->open_ns = t->due_ns = 0;
	t->arrived = t->leaked = false;
	t->said = VERDICT_NONE;
	memset(&t->cancel, 0, sizeof(t->cancel));
}

/* ---- steps ---- */

/* The next owner ended without a reply of its own: that means something only where owners wait. */
static bool answered_early(const struct ev_step *e, uint32_t on)
{
	const struct ledger *l = &e->l;

	return (e->in.what & on) && e->in.prior == WAIT_FINISHED && l->waits &&
	       ledger_owners_wait(l) && !ledger_multiplexed(l) && !(l->flags & LEDGER_GAP) &&
	       !ledger_blind(l);
}

/* On a connection that is shared, nothing is suspicious: a reader may sort the replies. */
static uint32_t meaning(const struct ev_step *e)
{
	const uint32_t suspicious = LE_REUSED | LE_REUSED_RESIDUE | LE_SWALLOWED | LE_UNREAD |
				    LE_RESIDUE | LE_DRAINED | LE_OVERTAKEN | LE_LAGGED;

	return ledger_multiplexed(&e->l) ? e->in.what & ~suspicious : e->in.what;
}

/*
 * How long the reply to a request may take, if the one that was overtaken tells: what comes later
 * is no reply to it.
 */
static uint64_t span_of(const struct ev_step *e)
{
	uint64_t span = 4 * (e->head.ts - e->l.req_ns);

	return span > SPAN_MIN_NS ? span : SPAN_MIN_NS;
}

static void on_send(struct correlator *c, struct track *t, const struct ev_step *e)
{
	const uint32_t named = LE_REUSED | LE_REUSED_RESIDUE | LE_SWALLOWED | LE_OVERTAKEN;
	const uint32_t reuse = named | LE_UNREAD;
	uint32_t what = meaning(e);
	struct ledger_in in = e->in;
	struct verdict_view v;
	struct finding f;

	/* A connection that runs behind shows it at every send: the same fault, not a new one. */
	if ((e->l.lag || e->l.watch) && !(what & (LE_REUSED | LE_SWALLOWED | LE_OVERTAKEN)))
		what &= ~(uint32_t)LE_UNREAD;
	if (what & LE_LAGGED)
		lag_seen(c, t, e->in.unread, e->head.ts);
	/* The one who took the connection over left without its own reply: it had another's. */
	if (answered_early(e, LE_REUSED))
		release(c, t, CONF_LIKELY, "the next owner was answered before its own reply came");

	if (what & reuse) {
		t->victim = e->l.owner;
		t->status = what & LE_REUSED_RESIDUE ? e->l.abandoned : e->in.prior;
		t->unread = what & LE_UNREAD ? e->in.unread : 0;
		tell_request(t, &e->l);
		if (t->status && (what & named))
			tell_cancel(t, &t->cancel, &t->victim, e->head.ts);
		if ((what & LE_REUSED_RESIDUE) &&
		    !story_has_since(&t->story, TL_RESIDUE, e->l.req_ns))
			story_add(&t->story, e->l.reply_ns, TL_RESIDUE, e->l.residue_bytes, NULL);
		if (what & LE_UNREAD)
			story_add(&t->story, e->head.ts, TL_UNREAD, e->in.unread, NULL);
	}
	story_add(&t->story, e->head.ts, TL_REQUEST, e->in.bytes, &e->who);
	if (!(what & reuse)) {
		if (what & LE_REQUEST) /* it is in use again */
			abandonment_ends(t);
		return;
	}
	if (gap(c, t, e->head.ts)) {
		abandonment_ends(t);
		return;
	}
	in.what = what;
	verdict_reuse(&e->l, &in, &e->who, t->status, &t->cancel, &v);
	finding_begin(t, &f, VERDICT_REUSED, e->head.ts);
	f.reuse = v.kind;
	f.confidence = v.confidence;
	f.swallowed = (what & LE_SWALLOWED) != 0;
	if (!(what & named)) {
		f.cancel = CANCEL_UNSEEN;
		f.evidence = EVIDENCE_NONE;
		f.has_cancel_age = false;
		f.cancel_age_ns = 0;
		f.cancel_by[0] = 0;
	}
	describe_owner(&e->who, f.owner_next, sizeof(f.owner_next));
	snprintf(f.reason, sizeof(f.reason), "%s", v.reason);
	if (v.hold) {
		release(c, t, CONF_NONE, "");
		t->pending = f;
		t->held = true;
		t->watching = (what & LE_OVERTAKEN) != 0;
		t->watched = e->in.prior;
		t->quiet = v.quiet;
		t->rest_ns = 0;
		t->span_ns = span_of(e);
		abandonment_ends(t);
		t->held_due_ns = e->head.ts + 2 * c->o.grace_ns;
		return;
	}
	say(c, t, &f);
	abandonment_ends(t);
}

static void on_recv(struct correlator *c, struct track *t, const struct ev_step *e)
{
	uint32_t what = meaning(e);
	struct finding f;

	t->unread = e->in.unread;
	if (answered_early(e, LE_REPLY))
		release(c, t, CONF_LIKELY, "the next owner was answered before its own reply came");
	if (what & LE_RESIDUE) {
		tell_request(t, &e->l);
		tell_cancel(t, &t->cancel, &e->l.owner, e->head.ts);
		story_add(&t->story, e->head.ts, TL_RESIDUE, e->in.bytes, NULL);
		abandonment_opens(c, t, e->l.abandoned, &e->l.owner, e->head.ts, true);
	} else if (what & LE_DRAINED) {
		t->victim = e->l.owner;
		t->status = e->in.prior;
		tell_request(t, &e->l);
		tell_cancel(t, &t->cancel, &e->l.owner, e->head.ts);
		story_add(&t->story, e->head.ts, TL_REPLY, e->in.bytes, NULL);
		if (!gap(c, t, e->head.ts)) {
			finding_begin(t, &f, VERDICT_DRAINED, e->head.ts);
			say(c, t, &f);
		}
		abandonment_ends(t);
	} else {
		story_add(&t->story, e->head.ts, TL_REPLY, e->in.bytes, &e->l.owner);
		if (what & LE_LAGGED)
			lag_stays(c, t, e->head.ts,
				  t->watched == WAIT_PROBED
					  ? "its wait was cancelled; the next request was sent, "
					    "and took what came next"
					  : "a signal had ended its wait; it asked again, and took "
					    "what came next");
	}
}

/* One connection after another was closed, and none took its place: slots of a pool may be lost. */
static void pool_leaks(void *ctx, const struct finding *last, unsigned int closed)
{
	struct correlator *c = ctx;
	struct finding f = *last;

	f.verdict = VERDICT_LEAKED;
	f.confidence = CONF_SUSPECT;
	snprintf(f.reason, sizeof(f.reason),
		 "%u connections of this pool were closed after cancellations, and no new one was "
		 "made since",
		 closed);
	c->totals[f.verdict][f.confidence]++;
	c->fn(c->ctx, &f);
}

static void on_close(struct correlator *c, struct track *t, const struct ev_step *e)
{
	unsigned int closed;
	struct finding f;

	if (e->in.what & LE_LAGGED)
		lag_seen(c, t, e->in.unread, e->head.ts);
	/* A last word on the way out: nothing was read after it. */
	if (t->watching && t->held && ledger_owed(&e->l)) {
		t->held = false;
		if (!t->quiet)
			t->open_ns = t->pending.time_ns;
	}
	release(c, t, CONF_NONE, "");
	if (t->l.flags & LEDGER_GAP)
		gap(c, t, e->head.ts);
	if (!e->exiting && ((e->in.what & LE_CLOSED_OWED) || t->open_ns)) {
		if (!t->open_ns) {
			t->victim = e->l.owner;
			t->status = e->l.abandoned ? e->l.abandoned : e->in.prior;
		}
		tell_request(t, &e->l);
		tell_cancel(t, &t->cancel, &t->victim, e->head.ts);
		story_add(&t->story, e->head.ts, TL_CLOSE, 0, NULL);
		if (!gap(c, t, e->head.ts)) {
			finding_begin(t, &f, VERDICT_CLOSED, e->head.ts);
			say(c, t, &f);
			closed = ledger_multiplexed(&t->l)
					 ? 0
					 : pools_closed(&c->pools, t->tgid, &t->sock, &t->l, &f,
							c->round);
			if (closed)
				pool_leaks(c, &f, closed);
		}
	}
	track_end(c, t);
}

void correlate_step(struct correlator *c, const struct ev_step *e)
{
	struct track *t;

	if (e->in.step < STEP_SEND || e->in.step > STEP_CLOSE)
		return;
	t = track_get(c, e->cookie, &e->addr);
	if (!t)
		return;
	t->l = e->l;
	/* The process that owns the exchange, not the one in whose context a reset arrives. */
	t->tgid = e->l.owner.tgid ? e->l.owner.tgid : e->head.tgid;
	t->tid = e->l.owner.tid ? e->l.owner.tid : e->head.tid;
	if (!t->comm[0] || t->tgid == e->head.tgid)
		memcpy(t->comm, e->head.comm, sizeof(t->comm));
	t->comm[sizeof(t->comm) - 1] = 0;
	if (t->cancel.ts < e->l.req_ns) /* of an earlier exchange */
		memset(&t->cancel, 0, sizeof(t->cancel));
	if (e->cancel.ts)
		t->cancel = e->cancel;
	if (e->in.step == STEP_SEND)
		on_send(c, t, e);
	else if (e->in.step == STEP_RECV)
		on_recv(c, t, e);
	else
		on_close(c, t, e);
}

/* ---- what lies idle ---- */

void correlate_idle(struct correlator *c, const struct ledger_row *row, uint8_t status,
		    const char *comm, uint64_t now)
{
	const struct ledger *l = &row->l;
	struct track *t;

	if (l->flags & LEDGER_CLOSED)
		return; /* it lingers in the kernel; its close was told */
	if (ledger_multiplexed(l) || (ledger_blind(l) && !(l->flags & LEDGER_GAP)))
		return;
	if (!ledger_abandoned_by(l, status) || (!ledger_owed(l) && !l->abandoned))
		return;
	t = track_get(c, row->cookie, &row->addr);
	if (!t)
		return;
	t->l = *l;
	t->tgid = l->owner.tgid;
	t->tid = l->owner.tid;
	if (comm)
		snprintf(t->comm, sizeof(t->comm), "%s", comm);
	t->unread = row->unread;
	tell_request(t, l);
	tell_cancel(t, &t->cancel, &l->owner, now);
	if (row->unread && !t->arrived)
		story_add(&t->story, now, TL_UNREAD, row->unread, NULL);
	abandonment_opens(c, t, status, &l->owner, now, row->unread || l->abandoned);
	if (t->said == VERDICT_ABANDONED && t->arrived && !t->due_ns)
		t->due_ns = now;
}

/*
 * Two looks at a connection that nobody has used in between: whoever reads replies as they come has
 * read what the first one found. What comes later than a reply may is a push, or a goodbye.
 */
void correlate_rest(struct correlator *c, const struct ledger_row *row, uint64_t now)
{
	struct track *t = track_find(c, row->cookie);
	const struct ledger *l = &row->l;
	uint64_t since = l->last_rx_ns > l->last_tx_ns ? l->last_rx_ns : l->last_tx_ns;
	uint32_t unread;

	if (!t || !t->watching)
		return;
	unread = ledger_lags(l, row->unread) ? row->unread : 0;
	if (unread && t->rest_ns == since && t->rest_unread) {
		t->l = row->l;
		lag_seen(c, t, unread, now);
		return;
	}
	if (t->rest_ns != since || now <= since + t->span_ns)
		t->rest_unread = unread;
	t->rest_ns = since;
}

bool correlate_watching(const struct correlator *c)
{
	const struct track *t;

	for (t = c->tracks; t; t = t->hh.next)
		if (t->watching)
			return true;
	return pools_losing(c->pools);
}

/* Time has passed and the connection is still open. */
static void on_due(struct correlator *c, struct track *t, uint64_t now)
{
	struct finding f;
	bool named = verdict_named(t->status, t->cancel.ts != 0, &t->l);

	if (t->held && t->held_due_ns <= now)
		release(c, t, CONF_NONE, "");
	if (!t->due_ns || t->due_ns > now)
		return;
	t->due_ns = 0;
	if (!t->open_ns || ledger_multiplexed(&t->l))
		return;
	/* A cancelled owner that still runs may be cleaning up: the next look decides. */
	if (t->status == WAIT_RISEN) {
		t->due_ns = now + c->o.grace_ns;
		return;
	}
	if (gap(c, t, now))
		return;
	if (t->arrived && t->said < VERDICT_DIRTY) {
		finding_begin(t, &f, VERDICT_DIRTY, now);
		f.confidence = verdict_idle(&t->l, named);
		snprintf(f.reason, sizeof(f.reason),
			 "its reply came with nobody waiting, and the connection is still open");
		say(c, t, &f);
	} else if (!t->arrived && t->said < VERDICT_ABANDONED) {
		finding_begin(t, &f, VERDICT_ABANDONED, now);
		f.confidence = verdict_idle(&t->l, named);
		snprintf(f.reason, sizeof(f.reason),
			 "its owner stopped waiting, and the connection is still open");
		say(c, t, &f);
	}
}

void correlate_tick(struct correlator *c, uint64_t now)
{
	struct track *t, *tmp;

	HASH_ITER (hh, c->tracks, t, tmp) {
		on_due(c, t, now);
	}
}

/* ---- pools: connections of one process to one peer ---- */

void correlate_seen(struct correlator *c, const struct ledger_row *row)
{
	struct track *t = track_find(c, row->cookie);

	if (t)
		t->round = c->round + 1;
	/* What a look had found abandoned was answered or used since, by steps that were not told.
	 */
	if (t && t->open_ns &&
	    (row->l.requests != t->l.requests || (!ledger_owed(&row->l) && !row->l.abandoned)))
		abandonment_ends(t);
	if ((!c->n_tracks && !c->pools) || (t && t->open_ns))
		return; /* nothing is abandoned, or this is the one that lies there */
	pools_seen(&c->pools, row->l.owner.tgid, &row->addr, &row->l, c->round);
}

/* Abandoned for long, neither closed nor used, while a sibling was used: its slot is lost. */
static void check_leak(struct correlator *c, struct track *t)
{
	struct finding f;
	uint64_t last;

	if (!t->open_ns || t->leaked || t->status == WAIT_RISEN)
		return;
	last = pools_last(c->pools, t->tgid, &t->sock, c->round - 1);
	if (last < t->open_ns + c->o.leak_ns || gap(c, t, last))
		return;
	t->leaked = true;
	finding_begin(t, &f, VERDICT_LEAKED, last);
	f.confidence = verdict_idle(&t->l, verdict_named(t->status, t->cancel.ts != 0, &t->l));
	snprintf(f.reason, sizeof(f.reason),
		 "abandoned, and never used again while its siblings to the same peer are");
	say(c, t, &f);
}

void correlate_round(struct correlator *c, uint64_t now)
{
	struct track *t, *tmp;
	struct finding f;

	c->round++;
	HASH_ITER (hh, c->tracks, t, tmp) {
		check_leak(c, t);
		/* A track made since the round began was not in it yet. */
		if (t->round + 1 >= c->round)
			continue;
		release(c, t, CONF_NONE, "");
		if (t->open_ns && !gap(c, t, now)) {
			story_add(&t->story, now, TL_CLOSE, 0, NULL);
			finding_begin(t, &f, VERDICT_CLOSED, now);
			say(c, t, &f);
		}
		track_end(c, t);
	}
	pools_round(&c->pools, c->round - 1, now, pool_leaks, c);
}

void correlate_exit(struct correlator *c, uint32_t tgid, uint64_t now)
{
	struct track *t, *tmp;

	(void)now;
	HASH_ITER (hh, c->tracks, t, tmp) {
		if (t->tgid != tgid || t->watching) /* its close comes, and may tell */
			continue;
		release(c, t, CONF_NONE, "");
		track_end(c, t);
	}
}

void correlate_finish(struct correlator *c, uint64_t now)
{
	struct track *t, *tmp;

	HASH_ITER (hh, c->tracks, t, tmp) {
		release(c, t, CONF_NONE, "");
		if (t->due_ns && t->due_ns <= now)
			on_due(c, t, now);
	}
}
