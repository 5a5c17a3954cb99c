// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The chart under a finding. A newcomer has ten seconds for it: one line an event, time on the
 * left, who did it, an arrow, what it was; beside the one request that matters, what it means.
 *
 * The words claim no more than the finding does: "will be handed" only when it is certain.
 */
#include "text_chart.h"

#include <inttypes.h>
#include <string.h>

#include "story.h"
#include "text_row.h"

struct chart_word {
	const char *mark, *ascii_mark;
	const char *sgr;
};

/* The client is on the left: what it sends goes right, what it gets comes from the right. */
static const struct chart_word chart_words[TL_MAX] = {
	[TL_REQUEST] = {"──▶", "-->", SGR_BOLD},      [TL_CANCEL] = {" ✗ ", " x ", SGR_ALARM},
	[TL_CANCEL_SEEN] = {" ✗ ", " x ", SGR_ALARM}, [TL_REPLY] = {"◀──", "<--", SGR_BOLD},
	[TL_RESIDUE] = {"◀──", "<--", SGR_WARN},      [TL_UNREAD] = {" ● ", " o ", SGR_WARN},
	[TL_CLOSE] = {" ■ ", " # ", SGR_BOLD},	      [TL_BEHIND] = {" ● ", " o ", SGR_ALARM},
};

static const struct chart_word unknown_word = {" ? ", " ? ", SGR_BOLD};

/* What a look at the task's memory found. */
static const char *const cancel_words[CANCEL_MAX] = {
	[CANCEL_NONE] = "had stopped waiting by now",
	[CANCEL_ASYNCIO] = "had been cancelled by now",
	[CANCEL_ASYNCIO_DESTROYED] = "had been destroyed by now",
	[CANCEL_ASYNCIO_FINISHED] = "had ended by now, without its reply",
	[CANCEL_ASYNCIO_GONE] = "was gone by now",
	[CANCEL_RECV_TIMEOUT] = "its receive had timed out by now",
	[CANCEL_SIGNAL] = "its wait had been interrupted by now",
	[CANCEL_POLL_TIMEOUT] = "its wait had timed out by now",
	[CANCEL_THREAD_EXIT] = "its thread had ended by now",
	[CANCEL_PTHREAD] = "its thread had been cancelled by now",
	[CANCEL_RUBY] = "had been interrupted by now",
	[CANCEL_JVM] = "had been interrupted by now",
	[CANCEL_TOKIO] = "had been aborted by now",
	[CANCEL_GO] = "its context had been cancelled by now",
	[CANCEL_GO_ENDED] = "had ended by now, without its reply",
	[CANCEL_PROBE] = "had been cancelled by now",
	[CANCEL_UNSEEN] = "had stopped waiting by now",
};

static void put_name_or(struct row *r, const char *owner, const char *other, const char *fallback)
{
	if (owner[0])
		row_user(r, owner, owner_telling_len(owner, other));
	else
		row_put(r, fallback);
}

/* What the reuse means, beside the request that did it. */
static void put_reuse_note(struct row *r, const struct finding *f)
{
	const char *modal = f->confidence == CONF_CERTAIN ? "will" : "may";
	bool in_flight = f->reuse != REUSE_UNREAD && f->reuse != REUSE_RESIDUE;
	uint64_t bytes = f->reuse == REUSE_UNREAD ? f->unread_bytes : f->residue_bytes;

	if (in_flight)
		row_put(r, "the reply to ");
	else
		row_fmt(r, "%" PRIu64 " B for ", bytes);
	put_name_or(r, f->owner_prev, f->owner_next, "an earlier request");
	if (in_flight)
		row_put(r, " is still on its way: ");
	else
		row_put(r, f->reuse == REUSE_UNREAD ? " lie unread: " : " lie in a buffer: ");
	/* Its own earlier reply: nobody else's, and still the wrong one. */
	if (f->owner_prev[0] && same_owner(f->owner_prev, f->owner_next)) {
		row_fmt(r, "it %s take %s for the reply to this request", modal,
			in_flight ? "that" : "them");
		return;
	}
	put_name_or(r, f->owner_next, f->owner_prev, "this request");
	row_fmt(r, " %s be handed %s", modal, in_flight ? "it" : "them");
}

static void put_what(struct row *r, const struct finding *f, const struct timeline_entry *e)
{
	switch (e->what) {
	case TL_REQUEST:
		row_fmt(r, "request %" PRIu64 " B", e->bytes);
		break;
	case TL_CANCEL:
		row_put(r, f->cancel == CANCEL_RECV_TIMEOUT   ? "its receive timed out"
			   : f->cancel == CANCEL_POLL_TIMEOUT ? "its wait timed out"
			   : f->cancel == CANCEL_THREAD_EXIT  ? "its thread ended"
			   : f->cancel == CANCEL_SIGNAL	      ? "its wait was interrupted"
							      : "cancelled");
		if (e->by[0]) {
			row_put(r, " (by ");
			row_user(r, e->by, owner_telling_len(e->by, e->owner));
			row_put(r, ")");
		}
		break;
	case TL_CANCEL_SEEN:
		row_put(r, cancel_words[f->cancel < CANCEL_MAX ? f->cancel : CANCEL_NONE]);
		break;
	case TL_REPLY:
		row_fmt(r, "%" PRIu64 " B", e->bytes);
		break;
	case TL_RESIDUE:
		row_fmt(r, "%" PRIu64 " B, and nobody waits for them", e->bytes);
		break;
	case TL_UNREAD:
		row_fmt(r, "%" PRIu64 " B lie unread in the socket", e->bytes);
		break;
	case TL_CLOSE:
		row_put(r, "connection closed");
		break;
	case TL_BEHIND:
		if (e->bytes)
			row_fmt(r, "one reply was taken, and %" PRIu64 " B of another lie there",
				e->bytes);
		else
			row_put(r, "no more was taken than had been there before it asked");
		break;
	default:
		row_put(r, "unknown");
	}
}

/* An owner is named in full where it first appears, and by its short name from then on. */
static size_t name_len(const struct finding *f, size_t i)
{
	const char *owner = f->timeline[i].owner;
	bool seen = false;
	size_t j;

	for (j = 0; j < i; j++) {
		const char *before = f->timeline[j].owner;

		if (same_owner(before, owner))
			seen = true;
		else if (owner_telling_len(owner, before) != owner_short_len(owner))
			return strnlen(owner, OWNER_TEXT);
	}
	return seen ? owner_short_len(owner) : strnlen(owner, OWNER_TEXT);
}

static int draw_entry(FILE *out, struct row *r, const struct finding *f, size_t i,
		      size_t name_width, size_t note_col, bool note)
{
	const struct timeline_entry *e = &f->timeline[i];
	const struct chart_word *w = e->what < TL_MAX ? &chart_words[e->what] : &unknown_word;
	size_t start;

	row_start(r, r->ascii, r->color);
	row_fmt(r, "%6" PRIu64 ".%03u ms  ", e->at_ns / 1000000,
		(unsigned int)(e->at_ns / 1000 % 1000));
	start = r->col;
	row_user(r, e->owner, name_len(f, i));
	row_pad(r, start + name_width);
	row_color(r, w->sgr);
	row_put(r, r->ascii ? w->ascii_mark : w->mark);
	row_color(r, NULL);
	row_put(r, " ");
	start = r->col;
	put_what(r, f, e);
	if (note) {
		row_pad(r, start + note_col);
		row_color(r, SGR_ALARM);
		put_reuse_note(r, f);
		row_color(r, NULL);
	}
	return row_write(r, out);
}

static int draw_timeline(FILE *out, struct row *r, const struct finding *f)
{
	size_t n = f->n_timeline < TIMELINE_MAX ? f->n_timeline : TIMELINE_MAX;
	size_t reuse = story_reuse_at(f, n), name_width = 0, what_width = 0, i;
	int ret, err = 0;

	for (i = 0; i < n; i++) {
		row_start(r, r->ascii, r->color);
		row_user(r, f->timeline[i].owner, name_len(f, i));
		if (r->col > name_width)
			name_width = r->col;
		/* Only a request carries the note: it stands off from requests, not from all. */
		if (f->timeline[i].what != TL_REQUEST)
			continue;
		row_start(r, r->ascii, r->color);
		put_what(r, f, &f->timeline[i]);
		if (r->col > what_width)
			what_width = r->col;
	}
	if (name_width)
		name_width += 2;
	for (i = 0; i < n; i++) {
		ret = draw_entry(out, r, f, i, name_width, what_width + 3, i == reuse);
		if (ret && !err)
			err = ret;
	}
	return err;
}

/*
 * One sentence: what a correct client does, and what this one did. Not of a suspect, which may be
 * one.
 */
static const char *lesson(const struct finding *f)
{
	if (f->confidence == CONF_SUSPECT)
		return NULL;
	switch (f->verdict) {
	case VERDICT_REUSED:
		return "A correct client would have closed this connection when the wait for its "
		       "reply ended; this one sent the next request on it.";
	case VERDICT_DIRTY:
		return "A correct client would have closed this connection; this one keeps it, and "
		       "whoever sends on it next may be handed the old reply.";
	case VERDICT_LEAKED:
		return "A correct client would have closed this connection; this one neither "
		       "closed it nor used it again: its pool has a slot less.";
	case VERDICT_ABANDONED:
		return "A correct client closes this connection now, or reads the reply before it "
		       "sends again.";
	default:
		return NULL;
	}
}

int text_chart_draw(FILE *out, const struct finding *f, bool ascii, bool color)
{
	bool known = f->confidence > CONF_NONE && f->confidence < CONF_MAX;
	const char *text = lesson(f);
	struct row r;
	int ret, err;

	row_start(&r, ascii, color);
	err = draw_timeline(out, &r, f);
	if (f->reason[0]) {
		row_start(&r, ascii, color);
		row_fmt(&r, "   Why %s: ", known ? confidence_names[f->confidence] : "so");
		row_user(&r, f->reason, sizeof(f->reason));
		ret = row_write(&r, out);
		err = err ? err : ret;
	}
	if (text) {
		row_start(&r, ascii, color);
		row_fmt(&r, "   %s", text);
		ret = row_write(&r, out);
		err = err ? err : ret;
	}
	/* Without an empty line the chart and the next finding run into each other. */
	row_start(&r, ascii, color);
	ret = row_write(&r, out);
	return err ? err : ret;
}
