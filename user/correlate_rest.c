// SPDX-License-Identifier: GPL-2.0-or-later
/* What time and the refresh pass say: of connections that lie idle, and of those that are gone. */
#include <stdio.h>
#include <string.h>

#include "track.h"

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
	t = track_get(c, row->cookie, &row->addr, l->owner.tgid, l->owner.id);
	if (!t)
		return;
	t->l = *l;
	t->tgid = l->owner.tgid;
	t->id = l->owner.id;
	t->tid = l->owner.tid;
	if (comm)
		snprintf(t->comm, sizeof(t->comm), "%s", comm);
	t->unread = row->unread;
	track_tell_request(t, l);
	track_tell_cancel(t, &t->cancel, &l->owner, now);
	if (row->unread && !t->arrived)
		story_add(&t->story, now, TL_UNREAD, row->unread, NULL);
	track_opens(c, t, status, &l->owner, now, row->unread || l->abandoned);
	if (t->said == VERDICT_ABANDONED && t->arrived && !t->due_ns)
		t->due_ns = now;
}

/* The watch has found nothing. */
static void watch_ends(struct correlator *c, struct track *t)
{
	t->watching = t->swallowed = false;
	if (t->quiet)
		t->held = false;
	if (!t->held && !t->open_ns)
		track_end(c, t);
}

/* How long it is worth to look often: who asks again does so soon, or later. */
#define OFTEN_NS (2000 * NS_PER_MS)

/*
 * The same lag was found twice at this rest. A server may answer out of order, and a client that
 * knows replies by a number looks just like that when it gives one up, until its next exchange,
 * which takes the late reply too. A relay looks like that as long as whoever its answer is for does
 * not read, and takes the rest before it asks again. So only what is asked next makes it certain.
 */
static bool lag_told(struct track *t, const struct ledger *l, uint64_t since, uint64_t now)
{
	if (track_lag_certain(t, l))
		return true;
	if (t->lag_ns != since) {
		bool again =
			t->lag_ns && l->continued == t->lag_continued && !(l->flags & LEDGER_TAKEN);

		t->lags = again ? t->lags + 1 : 1;
		t->lag_ns = since;
		t->lag_seen_ns = now;
		t->lag_requests = l->requests;
		t->lag_continued = l->continued;
	}
	t->patient = now >= t->lag_seen_ns + OFTEN_NS;
	return false;
}

/* A look at T, which rests SINCE then, is the first one at this rest. */
static void new_rest(struct track *t, uint64_t since, uint32_t unread)
{
	if (!t->rest_unread) /* nothing lay there by the end of the rest before */
		t->lag_ns = t->lags = 0;
	t->rest_ns = since;
	t->rest_unread = unread;
	t->prompt = unread != 0;
	t->patient = false;
}

/*
 * Two looks at a connection that nobody has used in between: whoever reads replies as they come has
 * read what the first one found. What comes later than a reply may is a push, or a goodbye.
 */
void correlate_rest(struct correlator *c, const struct ledger_row *row, uint64_t now)
{
	struct track *t = track_find(c, row->cookie);
	const struct ledger *l = &row->l;
	uint64_t since = track_rests_since(l);
	uint32_t unread;

	if (!t || !t->watching || t->swallowed)
		return;
	unread = ledger_lags(l, row->unread) ? row->unread : 0;
	if (t->rest_ns != since) {
		new_rest(t, since, unread);
	} else if (unread && t->rest_unread) {
		t->l = row->l;
		if (lag_told(t, l, since, now))
			track_lag_seen(c, t, unread, now);
		return;
	} else if (now <= since + t->span_ns) {
		t->rest_unread = unread;
	}
	/* A lag shows at each rest, and what comes later than a reply could is none. */
	if (!ledger_owed(l) && !t->rest_unread && now > since + t->span_ns)
		watch_ends(c, t);
}

/*
 * A farewell sends and reads nothing more: all that came lies there. A client that took care has
 * taken everything out. Where more came than was asked for, where what came last answers no
 * request, or where only the rest of a read lies there, it may be a push, or what this protocol
 * leaves by habit.
 */
static bool is_behind(const struct track *t, const struct ledger_row *row, uint32_t bytes)
{
	const struct ledger *l = &row->l;
	/* Who takes old replies does not wait: to the kernel his requests may look like one. */
	uint32_t asked = 1 + l->tx_seq - t->base_sends;

	return bytes && bytes == l->read_bytes && !row->unread && !ledger_owed(l) &&
	       l->reply_ns == l->last_rx_ns && l->rx_bytes - t->base_rx_bytes > bytes &&
	       l->reads - t->base_reads <= asked;
}

bool correlate_wants_buffer(const struct correlator *c, uint64_t cookie)
{
	const struct track *t = track_find(c, cookie);

	return t && t->watching && t->swallowed;
}

void correlate_buffered(struct correlator *c, const struct ledger_row *row, uint32_t bytes,
			uint64_t now)
{
	struct track *t = track_find(c, row->cookie);
	const struct ledger *l = &row->l;

	if (!t || !t->watching || !t->swallowed)
		return;
	if (!is_behind(t, row, bytes)) {
		t->rest_unread = 0;
		if (!ledger_owed(l) && now > l->last_rx_ns + t->span_ns) {
			watch_ends(c, t);
			return;
		}
	} else if (t->rest_ns == l->last_rx_ns && t->rest_unread) {
		t->l = *l;
		story_add(&t->story, now, TL_BEHIND, bytes, NULL);
		t->pending.residue_bytes = bytes;
		track_lag_stays(c, t, verdict_buffered(l, &t->victim), now,
				t->pending.swallowed
					? "the cancelled owner sent again and took the old reply: "
					  "its own lies in the buffer, and nobody waits for it"
					: "whoever asked next took the old reply: its own lies in "
					  "the buffer, and nobody waits for it");
	} else {
		t->rest_unread = bytes;
	}
	t->rest_ns = l->last_rx_ns;
}

bool correlate_watching(const struct correlator *c)
{
	const struct track *t;

	for (t = c->tracks; t; t = t->hh.next)
		if (t->watching && !t->patient)
			return true;
	return pools_losing(c->pools);
}

/* Time has passed and the connection is still open. */
static void on_due(struct correlator *c, struct track *t, uint64_t now)
{
	struct finding f;
	bool named = verdict_named(t->status, t->cancel.ts != 0, &t->l);

	if (t->held && t->held_due_ns <= now)
		track_release(c, t, CONF_NONE, "");
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
	if (track_gap(c, t, now))
		return;
	if (t->arrived && t->said < VERDICT_DIRTY) {
		track_finding(t, &f, VERDICT_DIRTY, now);
		f.confidence = verdict_idle(&t->l, named);
		snprintf(f.reason, sizeof(f.reason),
			 "its reply came with nobody waiting, and the connection is still open");
		track_say(c, t, &f);
	} else if (!t->arrived && t->said < VERDICT_ABANDONED) {
		track_finding(t, &f, VERDICT_ABANDONED, now);
		f.confidence = verdict_idle(&t->l, named);
		snprintf(f.reason, sizeof(f.reason),
			 "its owner stopped waiting, and the connection is still open");
		track_say(c, t, &f);
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

/*
 * Has the recorder seen so many requests in step that it watches T no more? A row is newer than the
 * steps that are still on their way, and one of them may say why: two passes have to find it so.
 */
static bool recorder_gave_up(struct track *t, const struct ledger *l)
{
	bool before = t->unwatched;

	t->unwatched = t->watching && !t->swallowed && !l->watch && l->requests > t->l.requests + 1;
	return before && t->unwatched;
}

void correlate_seen(struct correlator *c, const struct ledger_row *row)
{
	struct track *t = track_find(c, row->cookie);

	if (t && recorder_gave_up(t, &row->l)) {
		watch_ends(c, t);
		t = track_find(c, row->cookie);
	}
	if (t)
		t->round = c->round + 1;
	/* What a look had found abandoned was answered or used since, by steps that were not told.
	 */
	if (t && t->open_ns &&
	    (row->l.requests != t->l.requests || (!ledger_owed(&row->l) && !row->l.abandoned)))
		track_ends(t);
	if ((!c->n_tracks && !c->pools) || (t && t->open_ns))
		return; /* nothing is abandoned, or this is the one that lies there */
	pools_seen(&c->pools, row->l.owner.tgid, row->l.owner.id, &row->addr, &row->l, c->round);
}

void correlate_kept(struct correlator *c)
{
	c->kept = true;
}

void correlate_gone(struct correlator *c, uint64_t cookie)
{
	struct track *t = track_find(c, cookie);

	if (!t)
		return;
	t->gone = true;
	t->round = c->round + 1;
}

/* Abandoned for long, neither closed nor used, while a sibling was used: its slot is lost. */
static void check_leak(struct correlator *c, struct track *t)
{
	struct finding f;
	uint64_t last;

	if (!t->open_ns || t->leaked || t->status == WAIT_RISEN)
		return;
	last = pools_last(c->pools, t->tgid, t->id, &t->sock, c->round - 1);
	if (last < t->open_ns + c->o.leak_ns || track_gap(c, t, last))
		return;
	t->leaked = true;
	track_finding(t, &f, VERDICT_LEAKED, last);
	f.confidence = verdict_idle(&t->l, verdict_named(t->status, t->cancel.ts != 0, &t->l));
	snprintf(f.reason, sizeof(f.reason),
		 "abandoned, and never used again while its siblings to the same peer are");
	track_say(c, t, &f);
}

void correlate_round(struct correlator *c, uint64_t now)
{
	struct track *t, *tmp;
	struct finding f;

	c->round++;
	HASH_ITER (hh, c->tracks, t, tmp) {
		check_leak(c, t);
		/* A track made since the round began was not in it yet. */
		if (t->round + 1 >= c->round || (c->kept && !t->gone))
			continue;
		track_lag_last(c, t, now);
		track_farewell(c, t);
		track_release(c, t, CONF_NONE, "");
		if (t->open_ns && !track_gap(c, t, now)) {
			story_add(&t->story, now, TL_CLOSE, 0, NULL);
			track_finding(t, &f, VERDICT_CLOSED, now);
			track_say(c, t, &f);
		}
		track_end(c, t);
	}
	pools_round(&c->pools, c->round - 1, now, track_pool_leaks, c);
}

void correlate_exit(struct correlator *c, uint32_t tgid, uint32_t id, uint64_t now)
{
	struct track *t, *tmp;

	(void)now;
	HASH_ITER (hh, c->tracks, t, tmp) {
		if (t->tgid != tgid || t->id != id ||
		    t->watching) /* its close comes, and may tell */
			continue;
		track_farewell(c, t);
		track_release(c, t, CONF_NONE, "");
		track_end(c, t);
	}
}

void correlate_finish(struct correlator *c, uint64_t now)
{
	struct track *t, *tmp;

	HASH_ITER (hh, c->tracks, t, tmp) {
		track_lag_last(c, t, now);
		if (t->parting && t->pending.confidence > CONF_SUSPECT) {
			t->pending.confidence = CONF_SUSPECT;
			snprintf(t->pending.reason, sizeof(t->pending.reason),
				 "tracing ended before it was known whether the request was a "
				 "farewell");
		}
		track_release(c, t, CONF_NONE, "");
		if (t->due_ns && t->due_ns <= now)
			on_due(c, t, now);
	}
}
