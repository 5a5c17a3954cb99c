// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "track.h"

/* Of a holder's oldest tracks so many are looked at for one on which nothing is open. */
#define LOOK_AT 32

void track_end(struct correlator *c, struct track *t)
{
	struct holder *h = t->holder;

	DL_DELETE(h->tracks, t);
	if (!--h->n) {
		HASH_DEL(c->holders, h);
		free(h);
	}
	HASH_DEL(c->tracks, t);
	c->n_tracks--;
	free(t);
}

struct track *track_find(const struct correlator *c, uint64_t cookie)
{
	struct track *t;

	HASH_FIND(hh, c->tracks, &cookie, sizeof(cookie), t);
	return t;
}

static struct holder *holder_of(const struct correlator *c, uint32_t tgid, uint32_t id)
{
	const struct holder_key key = {.tgid = tgid, .id = id};
	struct holder *h;

	HASH_FIND(hh, c->holders, &key, sizeof(key), h);
	return h;
}

static bool is_quiet(const struct track *t)
{
	return !t->open_ns && !t->held && !t->watching;
}

/* The oldest of its tracks on which nothing is open; NULL: none of the oldest. */
static struct track *least_of(const struct holder *h)
{
	struct track *t = h->tracks;
	int i;

	for (i = 0; t && i < LOOK_AT; t = t->next, i++)
		if (is_quiet(t))
			return t;
	return NULL;
}

static struct holder *largest(const struct correlator *c)
{
	struct holder *h, *most = c->holders;

	for (h = c->holders; h; h = h->hh.next)
		if (h->n > most->n)
			most = h;
	return most;
}

/* Room for one more of H, which may be NULL: it has none yet. */
static bool make_room(struct correlator *c, const struct holder *h)
{
	size_t has = h ? h->n : 0, others = c->n_tracks - has;
	size_t share = c->o.max_tracks > others ? (c->o.max_tracks - others + 1) / 2 : 0;
	struct holder *most;
	struct track *t;

	if (has < share && c->n_tracks < c->o.max_tracks)
		return true;
	c->lost++;
	if (has && has >= share) {
		t = least_of(h);
	} else {
		most = largest(c);
		if (most->n <= has + 1)
			return false;
		t = least_of(most);
		if (!t)
			t = most->tracks;
	}
	if (!t)
		return false;
	track_release(c, t, CONF_NONE, "");
	track_end(c, t);
	return true;
}

static struct holder *make_holder(struct correlator *c, uint32_t tgid, uint32_t id)
{
	struct holder *h = holder_of(c, tgid, id);

	if (!h && (h = calloc(1, sizeof(*h)))) {
		h->key = (struct holder_key){.tgid = tgid, .id = id};
		HASH_ADD(hh, c->holders, key, sizeof(h->key), h);
	}
	return h;
}

struct track *track_get(struct correlator *c, uint64_t cookie, const struct sock_addr *a,
			uint32_t tgid, uint32_t id)
{
	struct track *t = track_find(c, cookie);
	struct holder *h;

	if (t) {
		DL_DELETE(t->holder->tracks, t);
		DL_APPEND(t->holder->tracks, t);
		return t;
	}
	if (!make_room(c, holder_of(c, tgid, id)))
		return NULL;
	t = calloc(1, sizeof(*t));
	h = t ? make_holder(c, tgid, id) : NULL;
	if (!h) {
		c->lost++;
		free(t);
		return NULL;
	}
	t->holder = h;
	DL_APPEND(h->tracks, t);
	h->n++;
	t->cookie = cookie;
	t->round = c->round;
	t->sock = *a;
	describe_addr(a, &t->addr);
	HASH_ADD(hh, c->tracks, cookie, sizeof(t->cookie), t);
	c->n_tracks++;
	return t;
}

/* ---- the story that proves a finding ---- */

void track_tell_request(struct track *t, const struct ledger *l)
{
	if (!story_has(&t->story, l->req_ns, TL_REQUEST))
		story_add(&t->story, l->req_ns, TL_REQUEST, l->req_bytes, &l->owner);
}

void track_tell_cancel(struct track *t, const struct cancel_info *ci, const struct owner *victim,
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

void track_finding(struct track *t, struct finding *f, enum verdict v, uint64_t now)
{
	const struct cancel_info *ci = &t->cancel;

	memset(f, 0, sizeof(*f));
	f->verdict = v;
	f->time_ns = now;
	f->pid = t->tgid;
	f->tid = t->tid;
	f->proc_id = t->id;
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

void track_say(struct correlator *c, struct track *t, struct finding *f)
{
	story_to_timeline(&t->story, f);
	c->totals[f->verdict][f->confidence]++;
	if (f->verdict > t->said)
		t->said = f->verdict;
	c->fn(c->ctx, f);
}

void track_hold_parting(struct correlator *c, struct track *t, const struct finding *f,
			uint64_t due)
{
	struct finding now = *f;

	/* One that waits is of an earlier request, which nobody has read for either. */
	if (t->parting && f->confidence <= t->pending.confidence)
		return;
	/* What is watched may yet be more than this. */
	if (t->watching && f->confidence <= CONF_SUSPECT) {
		track_say(c, t, &now);
		return;
	}
	if (!t->parting)
		track_release(c, t, CONF_NONE, "");
	t->pending = *f;
	t->held = t->parting = true;
	t->watching = t->quiet = false;
	t->held_due_ns = due ? due : UINT64_MAX;
}

void track_no_farewell(struct correlator *c, struct track *t)
{
	if (t->parting)
		track_release(c, t, CONF_NONE, "");
}

void track_farewell(struct correlator *c, struct track *t)
{
	(void)c;
	if (!t->parting)
		return;
	t->held = t->parting = false;
	/* Whose wait had ended has ended well. */
	if (t->pending.cancel != CANCEL_UNSEEN && !t->open_ns)
		t->open_ns = t->pending.time_ns;
}

void track_release(struct correlator *c, struct track *t, enum confidence conf, const char *why)
{
	enum verdict said = t->said;

	if (!t->held)
		return;
	t->held = t->parting = false;
	if (conf > t->pending.confidence) {
		t->pending.confidence = conf;
		snprintf(t->pending.reason, sizeof(t->pending.reason), "%s", why);
	} else if (t->quiet) {
		return;
	}
	track_say(c, t, &t->pending);
	t->said = said; /* it was about an abandonment that is over */
}

void track_lag_stays(struct correlator *c, struct track *t, enum confidence conf, uint64_t now,
		     const char *why)
{
	struct finding *f = &t->pending;

	if (!t->watching)
		return;
	t->watching = false;
	if (conf <= f->confidence || track_gap(c, t, now)) {
		track_release(c, t, CONF_NONE, "");
		return;
	}
	f->time_ns = now;
	f->requests = t->l.requests;
	f->replies = t->l.replies;
	t->held = true;
	track_release(c, t, conf, why);
}

void track_lag_seen(struct correlator *c, struct track *t, uint32_t unread, uint64_t now)
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
	track_lag_stays(
		c, t, verdict_lag(&t->l, t->watched), now,
		"its wait had ended, it asked again, and replies have been one behind since");
}

bool track_lag_certain(const struct track *t, const struct ledger *l)
{
	if (ledger_stopped_reader(l->watch_rx, t->rest_unread))
		return false;
	if (!wait_perhaps(t->watched))
		return true;
	/* That one was taken. (In frames, more of it could come, but not at once.) */
	if (t->old_unread && t->prompt && l->rx_bytes - t->base_rx_bytes >= t->old_unread)
		return true;
	/* Who knows replies by a number has thrown one away by the end of his next exchange; who
	 * reads late has taken all of it before that. */
	return t->lag_ns && !(l->flags & LEDGER_TAKEN) && l->requests != t->lag_requests &&
	       l->continued == t->lag_continued && t->lags >= t->overtaken;
}

bool track_lag_at_end(const struct track *t, const struct ledger *l, uint32_t unread)
{
	if (ledger_stopped_reader(l->watch_rx, unread))
		return false;
	return track_lag_certain(t, l) || t->rest_ns != track_rests_since(l) || t->prompt;
}

void track_lag_last(struct correlator *c, struct track *t, uint64_t now)
{
	if (t->watching && !t->swallowed && t->lag_ns && t->lag_ns == t->rest_ns &&
	    track_lag_at_end(t, &t->l, t->rest_unread))
		track_lag_seen(c, t, t->rest_unread, now);
}

bool track_gap(struct correlator *c, struct track *t, uint64_t now)
{
	struct finding f;

	if (!(t->l.flags & LEDGER_GAP) && !ledger_blind(&t->l))
		return false;
	if (!t->gap_said) {
		t->gap_said = true;
		track_finding(t, &f, VERDICT_UNOBSERVED, now);
		snprintf(f.reason, sizeof(f.reason), "%s",
			 t->l.flags & LEDGER_GAP ? "events about this connection were lost"
						 : "the connection was open before tracing began");
		track_say(c, t, &f);
	}
	return true;
}

void track_opens(struct correlator *c, struct track *t, uint8_t status, const struct owner *victim,
		 uint64_t now, bool arrived)
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

void track_ends(struct track *t)
{
	t->open_ns = t->due_ns = 0;
	t->arrived = t->leaked = false;
	t->said = VERDICT_NONE;
	memset(&t->cancel, 0, sizeof(t->cancel));
}

void track_pool_leaks(void *ctx, const struct finding *last, unsigned int closed)
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
