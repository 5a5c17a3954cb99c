// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The rules of confidence. They err on the side of silence: what has an innocent reading that was
 * not ruled out is `suspect`, and suspect alone never raises an alarm.
 */
#include <string.h>

#include "verdict.h"

enum cancel_kind verdict_cancel_kind(uint8_t status)
{
	switch (status) {
	case WAIT_RISEN:
	case WAIT_CANCELLED:
	case WAIT_FREED_CANCELLED:
		return CANCEL_ASYNCIO;
	case WAIT_DESTROYED:
		return CANCEL_ASYNCIO_DESTROYED;
	case WAIT_FINISHED:
	case WAIT_FAILED:
		return CANCEL_ASYNCIO_FINISHED;
	case WAIT_GONE:
		return CANCEL_ASYNCIO_GONE;
	case WAIT_TIMED_OUT:
		return CANCEL_RECV_TIMEOUT;
	case WAIT_INTERRUPTED:
	case WAIT_POLL_INTERRUPTED:
		return CANCEL_SIGNAL;
	case WAIT_POLL_TIMED_OUT:
	case WAIT_LOOP_TIMED_OUT:
		return CANCEL_POLL_TIMEOUT;
	case WAIT_EXITED:
		return CANCEL_THREAD_EXIT;
	default:
		return CANCEL_UNSEEN;
	}
}

enum cancel_kind verdict_adapter_kind(uint32_t adapter)
{
	static const enum cancel_kind of[ADAPTER_MAX] = {
		[ADAPTER_PTHREAD] = CANCEL_PTHREAD, [ADAPTER_RUBY] = CANCEL_RUBY,
		[ADAPTER_JVM] = CANCEL_JVM,	    [ADAPTER_TOKIO] = CANCEL_TOKIO,
		[ADAPTER_GO] = CANCEL_GO,	    [ADAPTER_USER] = CANCEL_PROBE,
	};

	return adapter < ADAPTER_MAX ? of[adapter] : CANCEL_NONE;
}

bool verdict_named(uint8_t status, bool probed, const struct ledger *l)
{
	if (probed || status == WAIT_RISEN || status == WAIT_CANCELLED)
		return true;
	/* What freed memory says is believed where owners are known to wait. */
	return (status == WAIT_FREED_CANCELLED || status == WAIT_DESTROYED) && l->waits > 0;
}

/*
 * Does this client take a reply by more than one receive, as TLS does, which asks for a record's
 * head and then for its body? To such a one a push that came in the same segment as the end of the
 * reply is the unread rest of what it has read from. Large replies come in parts to everybody.
 */
static bool reads_in_parts(const struct ledger *l)
{
	return 4 * (uint64_t)l->reads > 5 * (uint64_t)l->replies;
}

/* Bytes of the old reply lay unread, and nothing was seen that ended a wait. */
static void unread_without_cancel(const struct ledger *l, const struct ledger_in *in,
				  struct verdict_view *v)
{
	v->kind = REUSE_UNREAD;
	v->confidence = CONF_SUSPECT;
	if (!in->unread_exact) {
		v->reason = "bytes were queued at the send, some may have come after it";
	} else if (in->what & LE_CONTINUED) {
		v->reason = "unread bytes at the send; it may be a pipeline, nobody tried to read";
	} else if (l->unread_sends > 1) {
		v->reason =
			"unread bytes at the send, as before: this client may leave some by habit";
	} else if (!ledger_exclusive(l) || l->continued) {
		v->reason =
			"unread bytes at the send, on a connection too young to know its habits";
	} else if (!in->unread_part) {
		v->reason = "bytes lay unread at the send; they may have come as the reply was "
			    "read, and be a push";
	} else if (ledger_stopped_reader(l->reply_bytes, in->unread)) {
		v->reason = "so much was unread at the send that its reader may have been made to "
			    "wait, as a relay is";
	} else if (reads_in_parts(l)) {
		v->reason = "unread bytes at the send; this client reads replies in parts, and the "
			    "rest may be a push";
	} else {
		v->confidence = CONF_LIKELY;
		v->reason =
			"the reply was read in part, its rest lay unread when the next went out";
	}
}

static bool task_verified(const struct owner *o)
{
	return o->kind != OWNER_TASK || o->verified;
}

static bool both_verified(const struct owner *a, const struct owner *b)
{
	return task_verified(a) && task_verified(b);
}

/* Is it certain enough whose request was L's, and VICTIM's, to accuse somebody? */
static bool owners_known(const struct ledger *l, const struct owner *victim)
{
	return !l->takeovers && both_verified(victim, &l->owner);
}

void verdict_reuse(const struct ledger *l, const struct ledger_in *in, const struct owner *who,
		   uint8_t status, const struct cancel_info *ci, struct verdict_view *v)
{
	bool probed = ci->ts != 0, self_read = ledger_self_read(l) || (probed && ci->self_read);
	bool named = verdict_named(status, probed, l);

	memset(v, 0, sizeof(*v));
	if (in->what & LE_OVERTAKEN) {
		v->kind = (in->what & LE_UNREAD) && in->unread_exact ? REUSE_UNREAD
								     : REUSE_OUTSTANDING;
		v->confidence = CONF_SUSPECT;
		v->hold = true;
		v->quiet = (wait_perhaps(in->prior) || l->owner.kind == OWNER_GOROUTINE) &&
			   !ledger_exclusive(l);
		v->reason = l->owner.kind == OWNER_GOROUTINE
				    ? "another goroutine used it while the reply was owed; it may "
				      "yet read both"
			    : wait_perhaps(in->prior)
				    ? "its thread had stopped waiting, then the next request went "
				      "out; both replies may yet be read"
				    : "its receive had ended in vain, then it asked again; it may "
				      "yet read both";
		return;
	}
	if (!(in->what & (LE_REUSED | LE_REUSED_RESIDUE | LE_SWALLOWED))) {
		unread_without_cancel(l, in, v);
		return;
	}
	v->kind = in->what & LE_REUSED_RESIDUE ? REUSE_RESIDUE : REUSE_OUTSTANDING;
	if ((in->what & LE_UNREAD) && in->unread_exact)
		v->kind = REUSE_UNREAD;

	if (in->what & LE_SWALLOWED) {
		/* It may be cleaning up. What lies in its buffer when all is over tells. */
		v->confidence = CONF_SUSPECT;
		v->hold = true;
		v->reason = in->reader_running
				    ? "the old reply was taken just before the next request went "
				      "out; it may have been read on purpose"
				    : "the cancelled owner itself sent again; it may know what it "
				      "does";
	} else if (!self_read && v->kind != REUSE_UNREAD) {
		/* A reader task could sort the replies, as aioredis 1.3 does; what follows may
		 * tell. */
		v->confidence = CONF_SUSPECT;
		v->hold = true;
		v->reason =
			"abandoned and reused, but its owners were not seen reading for themselves";
	} else if (v->kind == REUSE_UNREAD) {
		v->confidence = named ? CONF_CERTAIN : CONF_LIKELY;
		v->reason = "the old reply lay unread in the socket when the next request went out";
	} else if (v->kind == REUSE_RESIDUE) {
		v->confidence = CONF_LIKELY;
		v->reason = "the old reply was read with nobody waiting, then the connection was "
			    "reused";
	} else if (named && ledger_exclusive(l)) {
		v->confidence = CONF_CERTAIN;
		v->reason =
			"the owner was cancelled and the next request left before its reply came";
	} else {
		v->confidence = CONF_LIKELY;
		v->reason =
			named ? "cancelled and reused before the reply came; a young connection"
			      : "the owner left without its reply and the connection was reused";
	}
	/* Where it is not known yet whose thread a loop runs on, the wrong task may be named. */
	if (v->confidence > CONF_SUSPECT && !both_verified(&l->owner, who)) {
		v->confidence = CONF_SUSPECT;
		v->reason = "abandoned and reused, but the loop's thread was not known yet";
	}
	if (l->takeovers && v->confidence > CONF_SUSPECT) {
		v->confidence = CONF_SUSPECT;
		v->reason = "abandoned and reused, on a connection that several owners have shared";
	}
}

enum confidence verdict_lag(const struct ledger *l, uint8_t status)
{
	/* Bytes left unread before anything had ended a wait: this client does so by habit. */
	if (l->unread_sends || l->takeovers || ledger_multiplexed(l))
		return CONF_SUSPECT;
	if (wait_perhaps(status))
		return l->pushes < LEDGER_PUSHES_MAX ? CONF_LIKELY : CONF_SUSPECT;
	return ledger_exclusive(l) && !l->continued ? CONF_CERTAIN : CONF_LIKELY;
}

enum confidence verdict_buffered(const struct ledger *l, const struct owner *victim)
{
	if (!ledger_self_read(l) || ledger_multiplexed(l) || !owners_known(l, victim))
		return CONF_SUSPECT;
	return CONF_LIKELY;
}

enum confidence verdict_answered(const struct ledger *l, const struct owner *victim)
{
	return owners_known(l, victim) ? CONF_LIKELY : CONF_SUSPECT;
}

enum confidence verdict_idle(const struct ledger *l, bool named)
{
	if (!ledger_self_read(l) || l->takeovers || !task_verified(&l->owner))
		return CONF_SUSPECT;
	return named && ledger_exclusive(l) ? CONF_CERTAIN : CONF_LIKELY;
}
