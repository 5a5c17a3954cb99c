// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One connection's page: what happened, in words that need no manual, the drawing that proves it,
 * what a correct client does, and the connection's numbers.
 *
 * The words claim no more than the finding does: "will be handed" only when it is certain.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "view_page.h"

#define WORDS_MAX 2048

struct words {
	char text[WORDS_MAX];
	size_t len;
};

__attribute__((format(printf, 2, 3))) static void say(struct words *w, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(w->text + w->len, sizeof(w->text) - w->len, fmt, ap);
	va_end(ap);
	if (n > 0)
		w->len = w->len + (size_t)n < sizeof(w->text) ? w->len + (size_t)n
							      : sizeof(w->text) - 1;
}

/* ---- what happened ---- */

static void how_the_wait_ended(const struct view *v, struct words *w, const struct finding *f)
{
	const char *whose = strncmp(f->owner_prev, "thread ", 7) ? "Its task" : "Its wait";
	char by[VIEW_TEXT_MAX(OWNER_TEXT)], age[24] = "";

	view_owner(v, f->cancel_by, f->owner_prev, "", by, sizeof(by));
	view_time(age, sizeof(age), f->cancel_age_ns);
	switch (f->cancel) {
	case CANCEL_NONE:
	case CANCEL_UNSEEN:
		say(w, "Nothing was seen that ended its wait, but its reply was not read to its "
		       "end. ");
		return;
	case CANCEL_ASYNCIO:
		say(w, "%s was cancelled%s%s before the reply was read", whose, by[0] ? " by " : "",
		    by);
		break;
	case CANCEL_ASYNCIO_DESTROYED:
		say(w, "%s was destroyed while it still waited for the reply", whose);
		break;
	case CANCEL_ASYNCIO_FINISHED:
		say(w, "%s ended without reading the reply", whose);
		break;
	case CANCEL_ASYNCIO_GONE:
		say(w, "%s was gone before the reply was read", whose);
		break;
	default:
		say(w, "Its wait was ended (%s) before the reply was read",
		    f->cancel < CANCEL_MAX ? cancel_names[f->cancel] : "unknown");
	}
	if (f->has_cancel_age && f->verdict == VERDICT_REUSED)
		say(w, ", %s before the connection was used again", age);
	say(w, ". ");
}

static void reused(struct words *w, const struct finding *f, const char *prev, const char *next)
{
	const char *modal = f->confidence == CONF_CERTAIN ? "will" : "may";
	bool own = f->owner_prev[0] && !strncmp(f->owner_prev, f->owner_next, OWNER_TEXT);
	char bytes[24];

	say(w, "The client kept the connection open, and %s sent the next request on it ",
	    own ? "it" : next);
	switch (f->reuse) {
	case REUSE_UNREAD:
		view_bytes(bytes, sizeof(bytes), f->unread_bytes);
		say(w, "while the old reply lay unread in the socket (%s). ", bytes);
		break;
	case REUSE_RESIDUE:
		view_bytes(bytes, sizeof(bytes), f->residue_bytes);
		say(w, "after the old reply had been read into a buffer with nobody waiting (%s). ",
		    bytes);
		break;
	default:
		say(w, "while the old reply was still on its way. ");
	}
	if (own)
		say(w,
		    "Replies come in the order of their requests: it %s take the reply to its "
		    "earlier request for the reply to this one, and so on with each request after "
		    "it.",
		    modal);
	else
		say(w,
		    "Replies come in the order of their requests: %s %s be handed the reply that "
		    "belongs to %s, and each request after it the reply of the one before.",
		    next, modal, prev);
	if (f->swallowed)
		say(w, " Here the cancelled owner itself sent again: it may be cleaning up.");
}

static void tell(const struct view *v, struct words *w, const struct finding *f)
{
	char prev[VIEW_TEXT_MAX(OWNER_TEXT)], next[VIEW_TEXT_MAX(OWNER_TEXT)], bytes[24];
	uint64_t there = f->unread_bytes ? f->unread_bytes : f->residue_bytes;

	view_owner(v, f->owner_prev, f->owner_next, "the owner before", prev, sizeof(prev));
	view_owner(v, f->owner_next, f->owner_prev, "the next user", next, sizeof(next));
	view_bytes(bytes, sizeof(bytes), there);
	if (f->verdict == VERDICT_UNOBSERVED) {
		view_text(prev, sizeof(prev), f->reason, OWNER_TEXT, v->o.ascii);
		say(w, "Nothing is said about this connection: %s.", prev);
		return;
	}
	say(w, "%s sent a request. ", prev);
	how_the_wait_ended(v, w, f);
	switch (f->verdict) {
	case VERDICT_REUSED:
		reused(w, f, prev, next);
		break;
	case VERDICT_DIRTY:
		say(w, "The reply has come since with nobody waiting for it, and the connection is "
		       "still open. ");
		if (there)
			say(w, "%s of it lie %s. ", bytes,
			    f->unread_bytes ? "unread in the socket" : "in the program's buffer");
		say(w, "Whoever sends on it next may be handed that reply.");
		break;
	case VERDICT_LEAKED:
		say(w, "Since then the connection was neither closed nor used again, while others "
		       "of this process to the same server are in use: its pool has a slot less, "
		       "and when the last one is lost, callers wait for ever.");
		break;
	case VERDICT_ABANDONED:
		say(w, "The reply is still owed, and the connection is still open. If it is used "
		       "again before it is closed, its next user may be handed that reply.");
		break;
	case VERDICT_CLOSED:
		say(w, "The client closed the connection: nobody can be handed that reply. This is "
		       "what a correct client does.");
		break;
	case VERDICT_DRAINED:
		say(w, "The old reply was read, on purpose, before the connection was used again: "
		       "nobody was handed it.");
		break;
	default:
		break;
	}
}

/* What a correct client would have done. */
static const char *lesson(const struct finding *f)
{
	/* A suspect may be a correct client. */
	if (f->confidence == CONF_SUSPECT)
		return NULL;
	switch (f->verdict) {
	case VERDICT_REUSED:
		return "Close the connection when the wait for its reply ends, and never put it "
		       "back into the pool with a reply owed. In Python: close it in `except "
		       "BaseException`, since a cancellation is not an Exception.";
	case VERDICT_DIRTY:
	case VERDICT_ABANDONED:
		return "Close the connection as soon as the wait for its reply ends, or read that "
		       "reply to its end before anybody else sends on it.";
	case VERDICT_LEAKED:
		return "Give the connection back to its pool, closed, in a `finally` that a second "
		       "cancellation cannot skip.";
	default:
		return NULL;
	}
}

/* ---- the connection itself ---- */

static void headline(struct view_page *p, const struct view_row *row)
{
	struct view_line *l = view_page_line(p);
	char process[VIEW_TEXT_MAX(64)], text[sizeof(process) + 64];
	const struct view_item item = {(struct view_row *)row, NULL};

	view_line_style(l, view_row_style(row));
	if (row->verdict)
		view_cell(p->v, l, COL_VERDICT, &item, 10);
	else
		view_line_put(l, "connection");
	if (row->verdict == VERDICT_REUSED && row->reuse && row->reuse < REUSE_MAX)
		view_line_fmt(l, " %s", reuse_names[row->reuse]);
	if (row->confidence && row->confidence < CONF_MAX)
		view_line_fmt(l, ", %s", confidence_names[row->confidence]);
	view_line_style(l, STYLE_BOLD);
	view_process(row, process, sizeof(process), l->ascii);
	snprintf(text, sizeof(text), "%s[%u]", process, row->pid);
	view_line_put(l, "   ");
	view_line_user(l, text, strlen(text), 28);
	/* Where there is no room for it, it stands further down. */
	if (l->width - l->col < 24)
		return;
	view_line_put(l, l->ascii ? " -> " : " → ");
	view_put_peer(l, row, l->width - l->col);
}

__attribute__((format(printf, 3, 4))) static void fact(struct view_page *p, const char *name,
						       const char *fmt, ...)
{
	struct view_line *l = view_page_line(p);
	char text[VIEW_LINE_CELLS];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	view_line_style(l, STYLE_DIM);
	view_line_fmt(l, "   %s", name);
	view_line_style(l, STYLE_PLAIN);
	view_line_pad(l, 16);
	view_line_user(l, text, strlen(text), l->width - l->col);
}

static void numbers(struct view_page *p, const struct view_row *row)
{
	char a[24], b[24], c[24];
	struct view *v = p->v;

	fact(p, "exchanges", "%" PRIu64 " requests, %" PRIu64 " replies, %u owed", row->requests,
	     row->replies, row->owed);
	if (row->tx_bytes || row->rx_bytes) {
		view_bytes(a, sizeof(a), row->tx_bytes);
		view_bytes(b, sizeof(b), row->rx_bytes);
		fact(p, "bytes", "%s sent, %s received", a, b);
	}
	if (row->unread || row->residue) {
		view_bytes(a, sizeof(a), row->unread);
		view_bytes(b, sizeof(b), row->residue);
		fact(p, "left over", "%s unread in the socket, %s in a buffer", a, b);
	}
	if (row->cancels || row->lag)
		fact(p, "cancelled", "%u wait%s; used again with a reply owed: %u time%s",
		     row->cancels, row->cancels == 1 ? "" : "s", row->lag,
		     row->lag == 1 ? "" : "s");
	view_time(a, sizeof(a), v->now > row->last_ns ? v->now - row->last_ns : 0);
	view_time(b, sizeof(b), v->now > row->birth_ns ? v->now - row->birth_ns : 0);
	view_time(c, sizeof(c), v->now > row->ended_ns ? v->now - row->ended_ns : 0);
	if (row->ended)
		fact(p, "state", "gone; the last look at it was %s ago", c);
	else
		fact(p, "state", "open%s%s, last used %s ago",
		     row->birth_ns ? (row->adopted ? ", watched for " : " for ") : "",
		     row->birth_ns ? b : "", a);
}

/* How far its process is watched, and why not farther. */
static void watched(struct view_page *p, const struct view_row *row)
{
	static const char *const words[COVERAGE_MAX] = {[COVERAGE_FULL] = "in full",
							[COVERAGE_THREAD] = "by thread only",
							[COVERAGE_BLIND] = "blind"};
	const struct coverage_verdict v = {row->coverage, row->covered_by};
	const struct coverage_facts none = {0};
	char why[COVERAGE_TEXT], text[COVERAGE_TEXT + 64];

	if (!row->coverage || row->coverage >= COVERAGE_MAX)
		return;
	fact(p, "watched", "%s", words[row->coverage]);
	if (row->coverage == COVERAGE_FULL)
		return;
	coverage_sentence(v, &none, why, sizeof(why));
	snprintf(text, sizeof(text), "Why: %s.", why);
	view_page_words(p, 16, STYLE_WARN, text);
}

static void connection(struct view_page *p, const struct view_row *row)
{
	const struct view_item item = {(struct view_row *)row, NULL};
	char container[VIEW_TEXT_MAX(72)];
	struct view_line *l;

	view_page_heading(p, "The connection");
	l = view_page_line(p);
	view_line_style(l, STYLE_DIM);
	view_line_put(l, "   path");
	view_line_style(l, STYLE_PLAIN);
	view_line_pad(l, 16);
	view_cell(p->v, l, COL_TRANSPORT, &item, 4);
	view_line_put(l, " ");
	if (row->family != AF_UNIX) {
		view_cell(p->v, l, COL_LOCAL, &item, l->width - l->col);
		view_line_put(l, l->ascii ? " -> " : " → ");
	}
	view_put_peer(l, row, l->width - l->col);
	if (row->name && row->name->container[0]) {
		view_text(container, sizeof(container), row->name->container, 72, p->v->o.ascii);
		fact(p, "container", "%s", container);
	}
	watched(p, row);
	numbers(p, row);
	if (row->shared)
		view_page_words(p, 3, STYLE_PLAIN,
				"Its owners' requests overlap: it is shared, a reader may sort its "
				"replies, and it is not judged.");
	if (row->unobserved)
		view_page_words(p, 3, STYLE_PLAIN,
				row->adopted ? "It was open before mispair started and has not "
					       "been seen at rest since: it is not judged yet."
					     : "Events about it were lost: it is not judged.");
}

static void sample(struct view_page *p, const struct view_sample *s)
{
	char age[24], out[24], in[24], took[24], owner[VIEW_TEXT_MAX(OWNER_TEXT)];
	struct view_line *l = view_page_line(p);
	struct view *v = p->v;

	view_time(age, sizeof(age), v->now > s->time_ns ? v->now - s->time_ns : 0);
	view_bytes(out, sizeof(out), s->req_bytes);
	view_bytes(in, sizeof(in), s->reply_bytes);
	view_time(took, sizeof(took), s->latency_ns);
	view_owner(v, s->owner, "", "somebody", owner, sizeof(owner));
	view_line_fmt(l, "   %7s ago  ", age);
	view_line_user(l, owner, strlen(owner), 20);
	view_line_pad(l, 36);
	if (s->answered)
		view_line_fmt(l, "%s %s %s in %s", out, l->ascii ? "->" : "→", in, took);
	else
		view_line_fmt(l, "%s %s no reply yet", out, l->ascii ? "->" : "→");
	if (s->more) {
		view_number(took, sizeof(took), s->more);
		snprintf(owner, sizeof(owner), "%s more before", took);
		view_line_field(l, 3, STYLE_DIM, owner);
	}
}

static void recent(struct view_page *p, const struct view_row *row)
{
	size_t i;

	if (!row->trail || !row->trail->n)
		return;
	view_page_heading(p, "Recent exchanges, the last one at each refresh");
	for (i = row->trail->n; i-- > 0;)
		sample(p, &row->trail->samples[i]);
}

static void because(struct view_page *p, const struct finding *f)
{
	char reason[VIEW_TEXT_MAX(sizeof(f->reason))];
	struct words w = {.len = 0};

	if (f->confidence == CONF_NONE || f->confidence >= CONF_MAX || !f->reason[0])
		return;
	view_text(reason, sizeof(reason), f->reason, sizeof(f->reason), p->v->o.ascii);
	say(&w, "Why %s: %s.", confidence_names[f->confidence], reason);
	if (f->evidence == EVIDENCE_MEMORY)
		say(&w, " The task itself was looked at, in its process's memory.");
	else if (f->evidence == EVIDENCE_PROBE)
		say(&w, " The call that cancelled it was seen.");
	view_page_line(p);
	view_page_words(p, 3, STYLE_PLAIN, w.text);
}

static void body(struct view_page *p, const struct view_row *row)
{
	struct words w = {.len = 0};

	headline(p, row);
	view_page_heading(p, "What happened");
	if (!row->story) {
		view_page_words(p, 3, STYLE_PLAIN,
				row->verdict >= VERDICT_ABANDONED
					? "The story of this finding was not kept: there were too "
					  "many."
				: row->unobserved
					? "Nothing is said about this connection; the reason is "
					  "below."
				: row->coverage == COVERAGE_BLIND
					? "Nothing could be seen on this connection; the reason is "
					  "below."
					: "Nothing suspicious has been seen on this connection.");
	} else {
		const struct finding *f = &row->story->f;
		const char *advice = lesson(f);

		tell(p->v, &w, f);
		view_page_words(p, 3, STYLE_PLAIN, w.text);
		if (row->verdict == VERDICT_NONE && f->verdict >= VERDICT_ABANDONED)
			view_page_words(p, 3, STYLE_GOOD,
					"That is over: the connection went on and no wrong "
					"answer was seen.");
		if (f->n_timeline) {
			view_page_line(p);
			view_chart(p, f);
		}
		because(p, f);
		if (advice) {
			view_page_heading(p, "What a correct client does");
			view_page_words(p, 3, STYLE_PLAIN, advice);
		}
	}
	connection(p, row);
	recent(p, row);
}

void view_details(struct view *v, int height)
{
	struct view_row *row = view_find(v, v->detail_cookie);
	struct view_page p = {.v = v, .height = height};

	do {
		p.at = 0;
		v->n_lines = 0;
		if (row)
			body(&p, row);
		else
			view_page_words(
				&p, 1, STYLE_PLAIN,
				"This connection is gone, and nothing bad was said about it.");
	} while (view_page_end(&p));
}
