/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The per-socket ledger and its transitions, as one pure header: it is compiled into the BPF
 * object, into the unit tests and into a SEC("syscall") twin that must give the same answers.
 * No helper calls, no clock, no pointers that outlive a call.
 *
 * Two phases at a send. ledger_send() says what the send means and touches no field that an
 * observer of the *previous* request needs (owner, req_ns, ...), so the shim can copy ledger and
 * verdict flags into an event; ledger_commit() then makes the sender the owner.
 *
 * Concurrency: the application serialises its senders and, separately, its receivers, or its own
 * stream would be garbage. One sender and one receiver may run at the same time, so every field
 * has one writing side, and "is a reply owed" compares tx_seq (send side) with rx_seen (receive
 * side). The exceptions, `abandoned` and `residue_bytes`, are set by receives and cleared by the
 * send that ends their story; the worst that a race can do there is to repeat an event.
 */
#ifndef MISPAIR_LEDGER_H
#define MISPAIR_LEDGER_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#define LEDGER_INLINE static inline __attribute__((always_inline))

enum owner_kind {
	OWNER_NONE,    /* bytes left outside any task: a loop flushing its write buffer */
	OWNER_UNKNOWN, /* a task may have sent, but we could not tell which: a gap */
	OWNER_THREAD,
	OWNER_TASK,	 /* an asyncio task */
	OWNER_GOROUTINE, /* `task` is its g, name[0] its id, which is nobody else's ever */
};

struct owner {
	__u32 tgid;
	__u32 tid;
	__u64 task; /* address of the task object, 0 unless OWNER_TASK */
	__u64 coro;
	__u64 name_ptr;
	__u64 name[2]; /* first 16 bytes of the task's name: "Task-12" tells reused addresses apart
			*/
	__u64 waiter;  /* what the task waited for when its reply came, 0 before */
	__u32 id;      /* of the process: a number alone may be another's; 0: not known */
	__u16 cancels; /* the low half of its count of cancellation requests at the send */
	__u8 kind;     /* enum owner_kind */
	__u8 verified; /* 1: the task's loop is known to run on this thread */
};

/* What became of an owner's wait, asked at the next event on its socket. */
enum wait_status {
	WAIT_UNKNOWN,	/* memory not readable, or not a task: never "not cancelled" */
	WAIT_PENDING,	/* the same task, untouched */
	WAIT_RISEN,	/* pending, with more cancellation requests than at the send */
	WAIT_CANCELLED, /* ended by its cancellation */
	WAIT_DESTROYED, /* freed while pending (as weak as WAIT_FREED_CANCELLED) */
	WAIT_FINISHED,	/* ended in its own way */
	WAIT_GONE,	/* freed, and its memory reused */
	/* Freed, its memory not reused, its state says cancelled. Weaker than WAIT_CANCELLED: the
	 * block may have housed another task in between. */
	WAIT_FREED_CANCELLED,
	WAIT_FAILED,	  /* ended with an exception */
	WAIT_TIMED_OUT,	  /* its blocking receive on the socket ended by SO_RCVTIMEO */
	WAIT_INTERRUPTED, /* ... by a signal */
	WAIT_PROBED,	  /* a probe saw that the thread's wait was ended */
	/* Of a thread, and perhaps about something else than this reply: see wait_perhaps(). */
	WAIT_POLL_TIMED_OUT,   /* its poll, select or epoll ended by its timeout */
	WAIT_POLL_INTERRUPTED, /* it handled a signal */
	WAIT_EXITED,	       /* it has ended */
	WAIT_LOOP_TIMED_OUT,   /* another thread of its process had an epoll end by its timeout */
	/* A goroutine that lives, and another one sends on its connection. */
	WAIT_REPLACED,
	WAIT_MAX,
};

enum ledger_flags {
	LEDGER_ADOPTED = 1 << 0, /* open before we started */
	LEDGER_SYNCED = 1 << 1,	 /* adopted, and since seen in a state that is known for certain */
	LEDGER_GAP = 1 << 2,	 /* evidence about this socket was lost */
	LEDGER_UNIX = 1 << 3,
	LEDGER_CLOSED = 1 << 4, /* the client's close was told */
	/* An owner was seen inside StreamReader's wait for data: owners read for themselves, there
	 * is no reader task that could sort replies. */
	LEDGER_SELF_READ = 1 << 5,
	LEDGER_MARKED = 1 << 6, /* it is known where the last call on it ended (missed.h) */
	/* While a request is watched: nothing lay unread when the last send began. */
	LEDGER_TAKEN = 1 << 7,
};

/* What a transition means; several may be set. */
enum ledger_event {
	LE_REQUEST = 1 << 0,	    /* a new request begins */
	LE_CONTINUED = 1 << 1,	    /* more of the request that is on its way */
	LE_OVERLAP = 1 << 2,	    /* another owner still waits: multiplexed */
	LE_REUSED = 1 << 3,	    /* reply owed to an owner who no longer waits */
	LE_REUSED_RESIDUE = 1 << 4, /* that reply was read earlier with nobody waiting */
	LE_UNREAD = 1 << 5,	    /* bytes of the old reply lay in the queue at this send */
	LE_TAKEOVER = 1 << 6,	    /* another owner, and we cannot tell if the first still waits */
	LE_SWALLOWED = 1 << 7,	    /* the cancelled owner itself sends again */
	LE_REPLY = 1 << 8,	    /* the first bytes after a request */
	LE_RESIDUE = 1 << 9,	    /* bytes of a reply whose owner no longer waits */
	LE_DRAINED = 1 << 10,	    /* such bytes, read by somebody on purpose */
	LE_CLOSED_OWED = 1 << 11,   /* closed, with an abandoned exchange on it: a good ending */
	LE_CLOSED = 1 << 12,
	LE_CANCELLED = 1 << 13, /* the probe saw the owner's cancellation */
	/* The owner's own receive had ended without the reply, and the next request goes out. It
	 * may know what it does: what follows tells. */
	LE_OVERTAKEN = 1 << 14,
	LE_LAGGED = 1 << 15, /* ... and it did not: replies stay one behind */
};

/* Requests for which an overtaken one is remembered: a lag that has not shown by then is none. */
#define LEDGER_WATCH 16

/* What a thread's waits say is not asked any more on a connection where it said nothing so often.
 */
#define LEDGER_PERHAPS_MAX 4
/* ... and where so often something came that had not been asked for, this long after the last. */
#define LEDGER_PUSHES_MAX  3
#define LEDGER_PUSH_NS	   10000000ULL

/* The first requests of a connection are its handshake: what lies unread then is no habit. */
#define LEDGER_HANDSHAKE 3
/* Living goroutines that ask one after the other before any reply is read: that is a queue. */
#define LEDGER_QUEUE	 3

/* Exchanges in strict alternation before a connection counts as learned-exclusive. */
#define LEDGER_EXCLUSIVE_MIN 8

/* An adopted socket is synchronised by this long without traffic and with nothing in its queue. */
#define LEDGER_SYNC_IDLE_NS 1000000000ULL
/* ... or by this many exchanges in strict alternation. */
#define LEDGER_SYNC_CLEAN   4

/*
 * In the order of use. The refresh pass reads the first 56 bytes of each ledger and, of one that
 * lies still, nothing else: with the word that the kernel keeps before it that is one cache line.
 */
struct ledger {
	__u64 requests;
	__u64 replies;
	__u64 last_tx_ns; /* last send */
	__u64 last_rx_ns;
	__u32 tx_seq;	 /* sends so far: owed while it differs from rx_seen */
	__u32 rx_seen;	 /* tx_seq at the last receive */
	__u8 abandoned;	 /* enum wait_status of an abandoned exchange, 0 if none is open */
	__u8 flags;	 /* enum ledger_flags */
	__u8 gave_up;	 /* enum wait_status: how the last receive for this reply ended in vain */
	__u8 watch;	 /* the same, of a request that was overtaken: does a lag stay? */
	__u32 clean;	 /* requests sent when the one before had been answered */
	__u32 plain_gen; /* generation of process knowledge in which its owner was a thread */
	__u32 hot;	 /* further steps to report in full */

	/* sends */
	__u64 tx_bytes;
	__u64 req_ns; /* first send of the current request */
	__u32 req_bytes;
	__u32 continued; /* sends that continued a request: pipelining or parts */

	/* receives */
	__u64 rx_bytes;
	__u64 reply_ns; /* first receive after the current request */
	__u32 reply_bytes;
	__u32 residue_bytes;
	__u32 emptied_at; /* tx_seq when a receive last left the queue empty */
	__u32 probe_seq;  /* the process's count of probed cancellations at the reply */
	__u32 reads;	  /* receives */
	__u32 read_bytes; /* of the last of them */
	__u32 waits;	  /* first reply bytes that found their owner waiting */
	__u32 leaves;	  /* ... that found the owner finished or gone */

	struct owner owner; /* of the current request */

	/* rare */
	__u64 birth_ns;
	__u64 abandoned_ns; /* when the abandonment was noticed */
	__u32 takeovers;
	__u32 unread_sends; /* sends over bytes of the reply before: for some clients a habit */
	__u32 steps;	    /* events emitted about this socket */
	__u32 queued;	    /* bytes that the last receive left in the queue */
	__u64 gave_up_ns;
	__u32 lag;	 /* abandoned replies that the connection was reused over */
	__u32 overlaps;	 /* sends while another owner still waited */
	__u32 watch_rx;	 /* bytes read since the last request, while one is watched */
	__u8 watch_left; /* requests until the watch ends */
	__u8 doubt;	 /* enum wait_status: a drain that the next send makes sure of */
	__u8 perhaps;	 /* requests overtaken by what a thread's waits say */
	__u8 pushes;	 /* receives of what had not been asked for, to LEDGER_PUSHES_MAX */
	__u64 stream;	 /* the StreamReader that its owners read from, 0 or 1: not known */
};

/* One send, receive or close, as a shim saw it. */
struct ledger_in {
	__u64 now;
	__u32 bytes;
	__u32 unread;	       /* send: queued before it; receive: still queued after it */
	__u8 unread_exact : 1; /* 0: some of `unread` may have come after the send */
	/* What lies there first was read in part: it had come before that receive. Else it may have
	 * come while the receive returned, and be a push. */
	__u8 unread_part : 1;
	__u8 prior; /* enum wait_status of the ledger's owner, WAIT_UNKNOWN if not asked */
	/* receive: a task, not the loop, called it; send: whoever sends had taken the abandoned
	 * reply out of its stream before this went out (uvloop sends late) */
	__u8 reader_running;
	__u8 step; /* enum step_kind, for the event */
	__u32 probe_seq;
	__u32 what;   /* what the transition returned, for the event */
	__u32 reader; /* receive: the thread, where an overtaken request is watched */
};

LEDGER_INLINE int ledger_owed(const struct ledger *l)
{
	return l->tx_seq != l->rx_seen;
}

LEDGER_INLINE int ledger_multiplexed(const struct ledger *l)
{
	return l->overlaps != 0;
}

LEDGER_INLINE int ledger_exclusive(const struct ledger *l)
{
	return l->clean >= LEDGER_EXCLUSIVE_MIN && !l->overlaps && !l->takeovers;
}

/* Do owners read their replies themselves? Then a reply is read by whoever comes next. */
LEDGER_INLINE int ledger_self_read(const struct ledger *l)
{
	return (l->flags & LEDGER_SELF_READ) != 0;
}

/* An adopted socket of which we do not know yet what it is owed. */
LEDGER_INLINE int ledger_blind(const struct ledger *l)
{
	return (l->flags & LEDGER_ADOPTED) && !(l->flags & LEDGER_SYNCED);
}

/* Do this connection's owners wait for their replies themselves, as a habit? */
LEDGER_INLINE int ledger_owners_wait(const struct ledger *l)
{
	return l->leaves == 0 || l->waits >= 8 * l->leaves;
}

/* Two records of the same incarnation of the same owner? */
LEDGER_INLINE int owner_same(const struct owner *a, const struct owner *b)
{
	if (a->kind != b->kind || a->tgid != b->tgid || a->id != b->id)
		return 0;
	if (a->kind == OWNER_GOROUTINE)
		return a->name[0] == b->name[0];
	if (a->kind == OWNER_TASK)
		return a->task == b->task && a->coro == b->coro && a->name_ptr == b->name_ptr &&
		       a->name[0] == b->name[0] && a->name[1] == b->name[1];
	return a->tid == b->tid;
}

/* The owner has left; on its own this is no cancellation (aiohttp's writer task ends at once). */
LEDGER_INLINE int wait_left(__u8 status)
{
	return status == WAIT_FINISHED || status == WAIT_FAILED || status == WAIT_GONE ||
	       status == WAIT_DESTROYED || status == WAIT_FREED_CANCELLED;
}

/* Did the owner's own receive end in vain? A thread that reads its replies for itself. */
LEDGER_INLINE int wait_in_vain(__u8 status)
{
	return status == WAIT_TIMED_OUT || status == WAIT_INTERRUPTED || status == WAIT_PROBED;
}

/*
 * Did the owner's thread stop waiting, perhaps for this reply and perhaps for something else? Every
 * event loop's waits time out now and then, so this accuses nobody: it only says that from now on
 * it is worth to look whether replies lie unread where the connection rests.
 */
LEDGER_INLINE int wait_perhaps(__u8 status)
{
	return status >= WAIT_POLL_TIMED_OUT && status <= WAIT_LOOP_TIMED_OUT;
}

/* Was the wait abandoned? Having left counts only where owners wait as a habit. */
LEDGER_INLINE int ledger_abandoned_by(const struct ledger *l, __u8 status)
{
	if (status == WAIT_RISEN || status == WAIT_CANCELLED || wait_in_vain(status))
		return 1;
	return wait_left(status) && ledger_owners_wait(l);
}

/* Is it worth to ask how the waits of its owner's thread ended? */
LEDGER_INLINE int ledger_asks(const struct ledger *l)
{
	return l->perhaps < LEDGER_PERHAPS_MAX && l->pushes < LEDGER_PUSHES_MAX && !l->overlaps;
}

/*
 * A relay reads no more of an answer once whoever it is for has stopped reading: then the rest lies
 * there, until it is read without another request. Before that it has read what the other side's
 * buffers hold, at least: the kernel gives a socket some 16 KiB to send from before it asks for
 * more (net.ipv4.tcp_wmem). TAKEN bytes were read since the request, UNREAD lie there.
 */
#define LEDGER_PIPE 16384
LEDGER_INLINE int ledger_stopped_reader(__u32 taken, __u32 unread)
{
	return taken >= LEDGER_PIPE || unread >= LEDGER_PIPE;
}

/* A blocking receive of the current request's reply ended without a byte: STATUS says by what. */
LEDGER_INLINE void ledger_gave_up(struct ledger *l, __u8 status, __u64 now)
{
	if (!ledger_owed(l))
		return;
	l->gave_up = status;
	l->gave_up_ns = now;
}

/*
 * Replies stay one behind a request that was overtaken: after the client has read, more lies in the
 * queue than it took (UNREAD bytes, of which none came later). That it took no more than had been
 * there before it asked would say the same of a client that reads a "100 Continue" late and goes on
 * with its request.
 */
LEDGER_INLINE int ledger_lags(const struct ledger *l, __u32 unread)
{
	return !ledger_owed(l) && l->watch_rx && unread;
}

LEDGER_INLINE void ledger_try_sync(struct ledger *l, const struct ledger_in *in)
{
	__u64 last = l->last_rx_ns > l->last_tx_ns ? l->last_rx_ns : l->last_tx_ns;

	if (in->unread || ledger_owed(l))
		return;
	if (last && in->now - last >= LEDGER_SYNC_IDLE_NS)
		l->flags |= LEDGER_SYNCED;
	else if (l->clean >= LEDGER_SYNC_CLEAN)
		l->flags |= LEDGER_SYNCED;
}

/*
 * A send of in->bytes by WHO. Returns enum ledger_event bits. Updates counters and history, but
 * leaves the previous request's fields for the event; call ledger_commit() next.
 */
LEDGER_INLINE __u32 ledger_send(struct ledger *l, const struct ledger_in *in,
				const struct owner *who)
{
	__u32 ev = LE_REQUEST;
	int same = owner_same(&l->owner, who);

	if (ledger_blind(l))
		ledger_try_sync(l, in);
	if (l->watch && in->unread)
		l->flags &= ~LEDGER_TAKEN;
	else if (l->watch)
		l->flags |= LEDGER_TAKEN;

	if (ledger_owed(l)) {
		if (who->kind == OWNER_NONE || who->kind == OWNER_UNKNOWN ||
		    l->owner.kind == OWNER_NONE || l->owner.kind == OWNER_UNKNOWN) {
			ev = LE_CONTINUED;
		} else if (wait_in_vain(in->prior) || wait_perhaps(in->prior)) {
			ev |= LE_OVERTAKEN;
		} else if (same) {
			if (in->prior == WAIT_RISEN || in->prior == WAIT_CANCELLED)
				ev |= LE_SWALLOWED;
			else
				ev = LE_CONTINUED;
		} else if (in->prior == WAIT_REPLACED && l->requests - l->replies >= LEDGER_QUEUE) {
			ev |= LE_OVERLAP;
			l->overlaps++;
		} else if (who->kind == OWNER_GOROUTINE && in->prior && !l->leaves) {
			/* They may take turns, or another one reads: who reads next tells. */
			ev |= LE_OVERTAKEN;
		} else if (in->prior == WAIT_PENDING) {
			ev |= LE_OVERLAP;
			l->overlaps++;
		} else if (ledger_abandoned_by(l, in->prior)) {
			ev |= LE_REUSED;
		} else {
			ev |= LE_TAKEOVER;
			if (in->prior == WAIT_UNKNOWN)
				l->takeovers++;
		}
	} else if (l->abandoned && in->reader_running && who->kind != OWNER_UNKNOWN) {
		/* On purpose, or for its answer: what comes for this request tells. */
		ev |= LE_REUSED_RESIDUE | LE_SWALLOWED;
	} else if (l->abandoned && (who->kind == OWNER_NONE || who->kind == OWNER_UNKNOWN)) {
		/* Somebody uses it again, but nobody who could be named. */
		ev |= LE_TAKEOVER;
		l->takeovers++;
	} else if (l->abandoned) {
		ev |= LE_REUSED_RESIDUE | (same ? LE_SWALLOWED : 0);
	} else if (l->watch) {
		/* A busy event loop may send before it reads what has just come. */
		if (!wait_perhaps(l->watch) && ledger_lags(l, in->unread_exact ? in->unread : 0))
			ev |= LE_LAGGED;
	} else if (l->requests) {
		l->clean++;
	}
	/* Bytes that came after a receive had emptied the queue were not owed: a push, a goodbye.
	 */
	if (in->unread && l->requests && l->emptied_at != l->tx_seq) {
		ev |= LE_UNREAD;
		if (!(ev & LE_OVERTAKEN) && !l->watch && l->requests > LEDGER_HANDSHAKE)
			l->unread_sends++;
	}
	if (ev & LE_CONTINUED)
		l->continued++;
	return ev;
}

/* Second phase of a send: WHO owns the request that ledger_send() described with EV. */
LEDGER_INLINE void ledger_commit(struct ledger *l, const struct ledger_in *in,
				 const struct owner *who, __u32 ev)
{
	int watched = l->watch != 0;

	if (ev & LE_REQUEST) {
		if (ev & (LE_REUSED | LE_REUSED_RESIDUE | LE_SWALLOWED))
			l->lag++;
		if (ev & LE_OVERTAKEN) {
			l->watch = in->prior;
			l->watch_left = LEDGER_WATCH;
			if (wait_perhaps(in->prior) && !watched)
				l->perhaps++;
		} else if (l->watch &&
			   (ev & LE_LAGGED || (!(ev & LE_UNREAD) && !l->watch_left--))) {
			l->watch = 0;
		}
		if (l->watch)
			l->watch_rx = 0;
		l->requests++;
		l->req_ns = in->now;
		l->req_bytes = in->bytes;
		/* The thread that owned the last request is the rule: nothing to copy. */
		if (who->kind != OWNER_THREAD || !owner_same(&l->owner, who))
			l->owner = *who;
		l->abandoned = 0;
		l->gave_up = 0;
	} else {
		l->req_bytes += in->bytes;
	}
	l->tx_bytes += in->bytes;
	l->last_tx_ns = in->now;
	l->tx_seq++;
}

/*
 * The plainest send there is, and the most frequent: the thread that owned the last request sends
 * the next one, everything is answered and nothing is suspicious. True if this is one; then
 * ledger_plain_send() does what ledger_send() and ledger_commit() would do.
 */
LEDGER_INLINE int ledger_plain(const struct ledger *l, __u32 tgid, __u32 tid)
{
	return l->owner.kind == OWNER_THREAD && l->owner.tid == tid && l->owner.tgid == tgid &&
	       l->tx_seq == l->rx_seen && !l->abandoned && !l->watch && !l->hot && !ledger_blind(l);
}

LEDGER_INLINE void ledger_plain_send(struct ledger *l, __u64 now, __u32 bytes)
{
	if (l->requests)
		l->clean++;
	l->requests++;
	l->req_ns = now;
	l->req_bytes = bytes;
	l->tx_bytes += bytes;
	l->last_tx_ns = now;
	l->tx_seq++;
}

/* A receive of in->bytes (more than 0, and not a peek). Returns enum ledger_event bits. */
LEDGER_INLINE __u32 ledger_recv(struct ledger *l, const struct ledger_in *in)
{
	__u32 ev = 0;

	if (ledger_owed(l)) {
		ev = LE_REPLY;
		l->replies++;
		l->reply_ns = in->now;
		l->reply_bytes = in->bytes;
		l->residue_bytes = 0;
		if (ledger_abandoned_by(l, in->prior)) {
			if (in->reader_running) {
				ev |= LE_DRAINED;
			} else {
				ev |= LE_RESIDUE;
				l->abandoned = in->prior;
				l->abandoned_ns = in->now;
				l->residue_bytes = in->bytes;
			}
		}
		if (in->prior == WAIT_PENDING)
			l->waits++;
		else if (wait_left(in->prior))
			l->leaves++;
	} else {
		l->reply_bytes += in->bytes;
		if (!l->queued && in->now - l->last_rx_ns >= LEDGER_PUSH_NS &&
		    l->pushes < LEDGER_PUSHES_MAX)
			l->pushes++;
		if (l->abandoned) {
			ev |= LE_RESIDUE;
			l->residue_bytes += in->bytes;
		}
	}
	l->gave_up = 0;
	/* Somebody else reads for the one who asks: what he takes, and when, tells nothing. */
	if (wait_in_vain(l->watch) && in->reader != l->owner.tid)
		l->watch = 0;
	/*
	 * A receive that a signal ends is retried at once or never. Who asks again instead takes
	 * what comes next for his answer. (A timeout is not that clear: a client may tick.)
	 */
	if ((l->watch == WAIT_INTERRUPTED || l->watch == WAIT_PROBED) && !l->watch_rx)
		ev |= LE_LAGGED;
	l->watch_rx += in->bytes;
	l->rx_bytes += in->bytes;
	l->reads++;
	l->read_bytes = in->bytes;
	l->last_rx_ns = in->now;
	l->probe_seq = in->probe_seq;
	l->rx_seen = l->tx_seq;
	l->queued = in->unread;
	if (!in->unread)
		l->emptied_at = l->tx_seq;
	return ev;
}

/*
 * The plainest receive, once its queue is empty again: a thread's reply, and nothing suspicious.
 * True if this is one; then ledger_plain_recv() does what ledger_recv() would do.
 */
LEDGER_INLINE int ledger_plain_reply(const struct ledger *l)
{
	return l->owner.kind == OWNER_THREAD && ledger_owed(l) && !l->abandoned && !l->watch &&
	       !l->hot;
}

LEDGER_INLINE void ledger_plain_recv(struct ledger *l, __u64 now, __u32 bytes)
{
	l->replies++;
	l->reply_ns = now;
	l->reply_bytes = bytes;
	l->residue_bytes = 0;
	l->gave_up = 0;
	l->watch_rx += bytes;
	l->rx_bytes += bytes;
	l->reads++;
	l->read_bytes = bytes;
	l->last_rx_ns = now;
	l->probe_seq = 0;
	l->queued = 0;
	l->rx_seen = l->emptied_at = l->tx_seq;
}

/*
 * A probed cancellation, at TS, of the owner of a reply that had been read already: if the owner
 * had not run since, the reply lies in a buffer and nobody will take it out. The caller has made
 * sure that it is the same owner, still waiting for the future that the reply completed. 1: so it
 * is. The time bound keeps a coincidence of addresses from ever mattering: such a task runs again
 * within the same turn of its loop.
 */
#define LEDGER_LATE_CANCEL_NS 100000000ULL
LEDGER_INLINE int ledger_late_cancel(struct ledger *l, __u64 ts)
{
	if (ledger_owed(l) || l->abandoned || !l->requests || ts < l->reply_ns ||
	    ts - l->reply_ns > LEDGER_LATE_CANCEL_NS)
		return 0;
	l->abandoned = WAIT_CANCELLED;
	l->abandoned_ns = ts;
	l->residue_bytes = l->reply_bytes;
	return 1;
}

/*
 * A receive on a connection of goroutines, before ledger_recv(): by the owner itself (OWN)? Where
 * others read, they sort the replies, and nothing can be said of who overtakes whom.
 */
LEDGER_INLINE void ledger_goroutine_reads(struct ledger *l, struct ledger_in *in, int own)
{
	in->reader = own ? l->owner.tid : 0;
	if (own && ledger_owed(l))
		l->waits++;
	if (own)
		return;
	l->leaves++;
	if (l->watch)
		l->overlaps++;
	l->watch = 0;
}

/* The client closed the connection, or shut its sending side. */
LEDGER_INLINE __u32 ledger_close(struct ledger *l, const struct ledger_in *in)
{
	__u32 lagged = l->watch && ledger_lags(l, in->unread) ? LE_LAGGED : 0;

	if (l->abandoned)
		return LE_CLOSED | LE_CLOSED_OWED;
	if (ledger_owed(l) && (l->gave_up || ledger_abandoned_by(l, in->prior)))
		return LE_CLOSED | LE_CLOSED_OWED;
	return LE_CLOSED | lagged;
}

#endif
