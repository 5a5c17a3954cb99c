/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside the correlator: one track a suspicious connection, the story that proves what is said
 * about it, and how it is said. correlate.c feeds it with steps, correlate_rest.c with time and
 * with what lies idle.
 *
 * Invariants: a track has at most one open abandonment; what it says about it grows (abandoned,
 * dirty, reused) and is said once. A track whose evidence has a gap says `unobserved` once and
 * then nothing: a false accusation is our worst bug.
 */
#ifndef MISPAIR_TRACK_H
#define MISPAIR_TRACK_H

#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#include "correlate.h"
#include "describe.h"
#include "pools.h"
#include "story.h"
#include "verdict.h"

#define NS_PER_MS 1000000ULL

struct track {
	uint64_t cookie;
	uint32_t tgid, id, tid; /* `id` is the process's */
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
	/* `pending` is true unless the request that it speaks of was a farewell: the next event on
	 * the socket tells. */
	bool parting;
	/* `pending` is about an overtaken request, whether it was said by now or not: a lag that
	 * stays raises it. */
	bool watching;
	bool unwatched;	  /* ... and a pass has found that the recorder watches no more */
	bool swallowed;	  /* ... by the cancelled owner itself: its stream's buffer may tell */
	bool quiet;	  /* `pending` is worth no word unless something raises it */
	uint8_t watched;  /* enum wait_status of the request that was overtaken */
	uint64_t span_ns; /* how long after a request its reply may take */
	uint64_t rest_ns; /* it rests since then, and a look has found it so */
	uint32_t rest_unread;
	bool prompt; /* ... and so had the first look at this rest */
	/*
	 * Since when it rested with a lag that may yet be none: of a server that answers out of
	 * order, to a client that knows replies by a number. 0: there was none. Then, when it was
	 * seen, and what the ledger counted.
	 */
	uint64_t lag_ns, lag_seen_ns;
	uint32_t lag_requests, lag_continued;
	uint32_t lags;	     /* rests with a lag, one after the other */
	uint32_t overtaken;  /* requests, whose late replies may come one at a time */
	uint32_t old_unread; /* the only one's reply, all of it, lay there as it was overtaken */
	bool patient;	     /* only what is asked next can tell: no need to look often */
	/* Before the first byte of the reply that was abandoned. */
	uint64_t base_rx_bytes;
	uint32_t base_reads, base_sends;
	uint64_t held_due_ns;
	struct finding pending;
	uint64_t round; /* the last that has seen it; of one that is gone, that said so */
	bool gone;
	struct story story;
	struct holder *holder;
	struct track *prev, *next; /* of the same holder, the least recently used first */
	UT_hash_handle hh;
};

/* The process for which tracks were made, and how many it has. */
struct holder {
	struct holder_key {
		uint32_t tgid, id;
	} key;
	size_t n;
	struct track *tracks;
	UT_hash_handle hh;
};

struct correlator {
	struct correlate_opts o;
	correlate_fn fn;
	void *ctx;
	struct track *tracks;
	struct holder *holders;
	struct pool *pools;
	size_t n_tracks;
	uint64_t lost, round;
	bool kept; /* passes leave out what lies still, and say what is gone */
	uint64_t totals[VERDICT_MAX][CONF_MAX];
};

/* NULL: there is none. */
struct track *track_find(const struct correlator *c, uint64_t cookie);
/*
 * Makes one for process TGID, ID where there is none. A process has at most half of what others
 * leave; one more takes the place of a track of its own on which nothing is open. Where the table
 * is full nevertheless, the process that has most gives one. Each that had to go is one more lost.
 * NULL, and one more lost, if there is no place.
 */
struct track *track_get(struct correlator *c, uint64_t cookie, const struct sock_addr *a,
			uint32_t tgid, uint32_t id);
void track_end(struct correlator *c, struct track *t);

/* The request that the ledger still shows, as the beginning of the story. */
void track_tell_request(struct track *t, const struct ledger *l);
void track_tell_cancel(struct track *t, const struct cancel_info *ci, const struct owner *victim,
		       uint64_t now);

/* Fills F with what every finding about T has; its reason and more are the caller's. */
void track_finding(struct track *t, struct finding *f, enum verdict v, uint64_t now);
void track_say(struct correlator *c, struct track *t, struct finding *f);

/*
 * A request went out over an old reply, as F says. It was a farewell (COM_QUIT, Terminate, QUIT) if
 * the connection is closed before anything more is read, so F is held until then; DUE: or until
 * that time, 0: for ever.
 */
void track_hold_parting(struct correlator *c, struct track *t, const struct finding *f,
			uint64_t due);
/* Something was read after it: it was none. */
void track_no_farewell(struct correlator *c, struct track *t);
/* It was one. */
void track_farewell(struct correlator *c, struct track *t);

/*
 * Says what was held back for evidence that did not come (CONF_NONE), or that has come: CONF, and
 * WHY. Nothing if nothing is held.
 */
void track_release(struct correlator *c, struct track *t, enum confidence conf, const char *why);

/*
 * A request had been overtaken, and by NOW the client has shown that it takes replies for others':
 * WHY says how, CONF how sure that is.
 */
void track_lag_stays(struct correlator *c, struct track *t, enum confidence conf, uint64_t now,
		     const char *why);
/* ... by UNREAD bytes, owed before, which lie there after it has read. */
void track_lag_seen(struct correlator *c, struct track *t, uint32_t unread, uint64_t now);

/*
 * Are the bytes that lie unread, with the ledger at L, certainly no late reply to the request that
 * was overtaken, and no rest that its reader has yet to take?
 */
bool track_lag_certain(const struct track *t, const struct ledger *l);
/*
 * The same at the end, with UNREAD bytes there, when no request will make it certain. What came
 * later than replies do is a late one, to a client that may know it by a number.
 */
bool track_lag_at_end(const struct track *t, const struct ledger *l, uint32_t unread);
/* Nothing more will be heard of it: a lag that came as soon as a reply does is told now. */
void track_lag_last(struct correlator *c, struct track *t, uint64_t now);

/* Since when nobody has used a connection. */
static inline uint64_t track_rests_since(const struct ledger *l)
{
	return l->last_rx_ns > l->last_tx_ns ? l->last_rx_ns : l->last_tx_ns;
}

/* One word about a socket whose evidence has a gap. True: there is one, say no more. */
bool track_gap(struct correlator *c, struct track *t, uint64_t now);

/* One connection after another was closed, as LAST says, and none took its place. CTX: correlator.
 */
void track_pool_leaks(void *ctx, const struct finding *last, unsigned int closed);

/* An exchange of VICTIM was abandoned; ARRIVED: bytes of its reply are here. */
void track_opens(struct correlator *c, struct track *t, uint8_t status, const struct owner *victim,
		 uint64_t now, bool arrived);
void track_ends(struct track *t);

#endif
