/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Calls that no program has seen. Where programs can be preempted, one that would run on a CPU
 * where it is running already for another task is skipped (bpf_prog_run's recursion counters): the
 * kernel counts it, and does not say whose it was. TCP's own numbers do: a call begins where the
 * last one ended. Two calls at the same time on one socket may look like a gap as well; there
 * nothing can be said for certain either.
 */
#ifndef MISPAIR_MISSED_H
#define MISPAIR_MISSED_H

/* Programs of this tier can be skipped on this kernel; set before load. */
const volatile __u8 opt_skips;

/* With a protocol of its own above it (kTLS) TCP's bytes are not the application's. */
static __always_inline bool has_ulp(bool kp, struct tcp_sock *tp)
{
	return FIELD(kp, tp, inet_conn.icsk_ulp_ops) != 0;
}

/*
 * A call from BEGIN to END, where the last one ended at *MARK. SLACK: numbers that are no bytes:
 * the peer's FIN takes one as it is read. The client's own is sent after all that is looked at
 * here.
 */
static __always_inline void reaches(struct tracked *t, __u32 *mark, __u32 begin, __u32 end,
				    __u32 slack)
{
	if (begin - *mark > slack)
		t->l.flags |= LEDGER_GAP;
	*mark = end;
}

/*
 * The peer's FIN takes a number as it is read. (The client's own is sent after all that is looked
 * at here.)
 */
static __always_inline __u32 fin_of_peer(bool kp, struct tcp_sock *tp)
{
	struct sock *sk = (struct sock *)tp; /* its first member */
	__u8 state = FIELD(kp, sk, __sk_common.skc_state);

	return state != TCP_ESTABLISHED && state != TCP_FIN_WAIT1 && state != TCP_FIN_WAIT2;
}

/* From now on nothing is missed. */
static __always_inline void mark_both(bool kp, struct tracked *t, struct tcp_sock *tp)
{
	t->sent = FIELD(kp, tp, write_seq);
	t->copied = FIELD(kp, tp, copied_seq);
	t->l.flags |= LEDGER_MARKED;
}

/*
 * A send of SENT bytes, a receive of TAKEN, or a close, has ended. The kprobe tier counts what is
 * received by copied_seq itself.
 */
static __always_inline void look_for_missed(bool kp, struct tracked *t, struct tcp_sock *tp,
					    __u32 sent, __u32 taken)
{
	__u32 at;

	if (!opt_skips || has_ulp(kp, tp))
		return;
	if (!(t->l.flags & LEDGER_MARKED)) {
		mark_both(kp, t, tp);
		return;
	}
	if (!taken) {
		at = FIELD(kp, tp, write_seq);
		reaches(t, &t->sent, at - sent, at, 0);
	}
	if (!sent && !kp) {
		at = FIELD(kp, tp, copied_seq);
		reaches(t, &t->copied, at - taken, at, fin_of_peer(kp, tp));
	}
}

/*
 * Receives that pass no hook: splice(), TCP_ZEROCOPY_RECEIVE. TCP counts what came, and the ledger
 * what was seen to be taken; what neither holds nor lies in the queue was taken unseen. A receive
 * that another thread is in has moved its bytes already and is seen a little later, and for a
 * socket that was adopted the difference begins anywhere. So only one that grows counts, the third
 * time in a row: bytes in the upper 24 bits, times in the lower 8. Asked at sends while a reply is
 * owed, as it is for ever then. Of TCP's own bytes only, and not in the kprobe tier, which counts
 * by copied_seq.
 */
#define UNSEEN_TIMES 3

static __noinline int look_for_unseen(struct tracked *t, struct tcp_sock *tp)
{
	__u32 taken, unseen, grown;

	if (opt_kprobe || has_ulp(false, tp))
		return 0;
	taken = (__u32)tp->bytes_received - (tp->rcv_nxt - tp->copied_seq);
	unseen = (taken - (__u32)t->l.rx_bytes) << 8;
	grown = unseen - (t->unseen & ~0xffU);
	if (!grown)
		return 0;
	if (grown >> 31) {
		t->unseen = unseen;
		return 0;
	}
	t->unseen = unseen | ((t->unseen + 1) & 0xff);
	if ((t->unseen & 0xff) == UNSEEN_TIMES && !(t->l.flags & LEDGER_GAP)) {
		t->l.flags |= LEDGER_GAP;
		count_loss(KLOSS_UNSEEN);
	}
	return 0;
}

#endif
