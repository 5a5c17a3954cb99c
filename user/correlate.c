// SPDX-License-Identifier: GPL-2.0-or-later
/* The correlator: what each step of a suspicious connection means for its track. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "track.h"

#define SPAN_MIN_NS (1000 * NS_PER_MS)

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

/* What had been asked for and what had come before the reply that was abandoned. */
static void note_base(struct track *t, const struct ev_step *e)
{
	bool came = e->in.what & LE_REUSED_RESIDUE;

	t->base_sends = e->l.tx_seq;
	t->base_reads = e->l.reads - (came ? 1 : 0);
	t->base_rx_bytes = e->l.rx_bytes - (came ? e->l.residue_bytes : 0);
}

/* One more, if the replies to those before are not known to have come. */
static void note_overtaken(struct track *t, const struct ev_step *e)
{
	bool unread = (e->in.what & LE_UNREAD) && e->in.unread_exact;

	t->overtaken = e->l.watch ? t->overtaken + 1 : 1;
	t->old_unread = unread && t->overtaken == 1 ? e->in.unread : 0;
	t->base_rx_bytes = e->l.rx_bytes;
	t->lag_ns = t->lags = 0;
	t->patient = false;
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
		track_lag_seen(c, t, e->in.unread, e->head.ts);
	/* The one who took the connection over left without its own reply: it had another's. */
	if (answered_early(e, LE_REUSED))
		track_release(c, t, verdict_answered(&e->l, &t->victim),
			      "the next owner was answered before its own reply came");

	if (what & reuse) {
		t->victim = e->l.owner;
		t->status = what & LE_REUSED_RESIDUE ? e->l.abandoned : e->in.prior;
		t->unread = what & LE_UNREAD ? e->in.unread : 0;
		track_tell_request(t, &e->l);
		if (t->status && (what & named))
			track_tell_cancel(t, &t->cancel, &t->victim, e->head.ts);
		if ((what & LE_REUSED_RESIDUE) &&
		    !story_has_since(&t->story, TL_RESIDUE, e->l.req_ns))
			story_add(&t->story, e->l.reply_ns, TL_RESIDUE, e->l.residue_bytes, NULL);
		if (what & LE_UNREAD)
			story_add(&t->story, e->head.ts, TL_UNREAD, e->in.unread, NULL);
	}
	story_add(&t->story, e->head.ts, TL_REQUEST, e->in.bytes, &e->who);
	if (!(what & reuse)) {
		if (what & LE_REQUEST) /* it is in use again */
			track_ends(t);
		return;
	}
	if (track_gap(c, t, e->head.ts)) {
		track_ends(t);
		return;
	}
	in.what = what;
	verdict_reuse(&e->l, &in, &e->who, t->status, &t->cancel, &v);
	track_finding(t, &f, VERDICT_REUSED, e->head.ts);
	f.reuse = v.kind;
	f.confidence = v.confidence;
	f.swallowed = (what & LE_SWALLOWED) && !e->in.reader_running;
	if (!(what & named)) {
		f.cancel = CANCEL_UNSEEN;
		f.evidence = EVIDENCE_NONE;
		f.has_cancel_age = false;
		f.cancel_age_ns = 0;
		f.cancel_by[0] = 0;
	}
	describe_owner(&e->who, f.owner_next, sizeof(f.owner_next));
	snprintf(f.reason, sizeof(f.reason), "%s", v.reason);
	if (v.hold && t->parting) {
		track_ends(t);
		return;
	}
	if (v.hold) {
		track_release(c, t, CONF_NONE, "");
		t->pending = f;
		t->held = true;
		t->watching = (what & (LE_OVERTAKEN | LE_SWALLOWED)) != 0;
		t->watched = t->status;
		t->swallowed = (what & LE_SWALLOWED) != 0;
		if (t->swallowed)
			note_base(t, e);
		else
			note_overtaken(t, e);
		t->quiet = v.quiet;
		t->rest_ns = 0;
		t->span_ns = span_of(e);
		track_ends(t);
		t->held_due_ns = e->head.ts + 2 * c->o.grace_ns;
		return;
	}
	/* What lies unread is read at once; for what has not come one may wait long. */
	track_hold_parting(c, t, &f, v.kind == REUSE_UNREAD ? 0 : e->head.ts + 2 * c->o.grace_ns);
	track_ends(t);
}

static void on_recv(struct correlator *c, struct track *t, const struct ev_step *e)
{
	uint32_t what = meaning(e);
	struct finding f;

	t->unread = e->in.unread;
	track_no_farewell(c, t);
	if (answered_early(e, LE_REPLY))
		track_release(c, t, verdict_answered(&e->l, &t->victim),
			      "the next owner was answered before its own reply came");
	if (what & LE_RESIDUE) {
		track_tell_request(t, &e->l);
		track_tell_cancel(t, &t->cancel, &e->l.owner, e->head.ts);
		story_add(&t->story, e->head.ts, TL_RESIDUE, e->in.bytes, NULL);
		track_opens(c, t, e->l.abandoned, &e->l.owner, e->head.ts, true);
	} else if (what & LE_DRAINED) {
		t->victim = e->l.owner;
		t->status = e->in.prior;
		track_tell_request(t, &e->l);
		track_tell_cancel(t, &t->cancel, &e->l.owner, e->head.ts);
		story_add(&t->story, e->head.ts, TL_REPLY, e->in.bytes, NULL);
		if (!track_gap(c, t, e->head.ts)) {
			track_finding(t, &f, VERDICT_DRAINED, e->head.ts);
			track_say(c, t, &f);
		}
		track_ends(t);
	} else {
		story_add(&t->story, e->head.ts, TL_REPLY, e->in.bytes, &e->l.owner);
		if (what & LE_LAGGED)
			track_lag_stays(
				c, t, verdict_lag(&t->l, t->watched), e->head.ts,
				t->watched == WAIT_PROBED
					? "its wait was cancelled; the next request was sent, "
					  "and took what came next"
					: "a signal had ended its wait; it asked again, and took "
					  "what came next");
	}
}

static void on_close(struct correlator *c, struct track *t, const struct ev_step *e)
{
	unsigned int closed;
	struct finding f;

	if ((e->in.what & LE_LAGGED) && track_lag_at_end(t, &e->l, e->in.unread))
		track_lag_seen(c, t, e->in.unread, e->head.ts);
	else if (t->lag_ns == track_rests_since(&e->l))
		track_lag_last(c, t, e->head.ts);
	/* A last word on the way out: nothing was read after it. */
	track_farewell(c, t);
	if (t->watching && t->held && ledger_owed(&e->l)) {
		t->held = false;
		if (!t->quiet)
			t->open_ns = t->pending.time_ns;
	}
	track_release(c, t, CONF_NONE, "");
	if (t->l.flags & LEDGER_GAP)
		track_gap(c, t, e->head.ts);
	if (!e->exiting && ((e->in.what & LE_CLOSED_OWED) || t->open_ns)) {
		if (!t->open_ns) {
			t->victim = e->l.owner;
			t->status = e->l.abandoned ? e->l.abandoned : e->in.prior;
		}
		track_tell_request(t, &e->l);
		track_tell_cancel(t, &t->cancel, &t->victim, e->head.ts);
		story_add(&t->story, e->head.ts, TL_CLOSE, 0, NULL);
		if (!track_gap(c, t, e->head.ts)) {
			track_finding(t, &f, VERDICT_CLOSED, e->head.ts);
			track_say(c, t, &f);
			closed = ledger_multiplexed(&t->l)
					 ? 0
					 : pools_closed(&c->pools, t->tgid, t->id, &t->sock, &t->l,
							&f, c->round);
			if (closed)
				track_pool_leaks(c, &f, closed);
		}
	}
	track_end(c, t);
}

void correlate_step(struct correlator *c, const struct ev_step *e)
{
	/* The process that owns the exchange, not the one in whose context a reset arrives. */
	uint32_t tgid = e->l.owner.tgid ? e->l.owner.tgid : e->head.tgid;
	uint32_t id = e->l.owner.tgid ? e->l.owner.id : e->head.id;
	struct track *t;

	if (e->in.step < STEP_SEND || e->in.step > STEP_CLOSE)
		return;
	t = track_get(c, e->cookie, &e->addr, tgid, id);
	if (!t)
		return;
	t->l = e->l;
	t->unwatched = false;
	t->tgid = tgid;
	t->id = id;
	t->tid = e->l.owner.tid ? e->l.owner.tid : e->head.tid;
	if (!t->comm[0] || (t->tgid == e->head.tgid && t->id == e->head.id))
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
