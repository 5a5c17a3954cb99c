// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The words of the program: one table per enum, used by NDJSON, text, metrics and help alike.
 *
 * These words are an interface. A test holds them; adding one is fine, changing one is not.
 */
#include "finding.h"

/* clang-format off */
const char *const verdict_names[VERDICT_MAX] = {
	[VERDICT_NONE] = "none",
	[VERDICT_CLOSED] = "closed",
	[VERDICT_DRAINED] = "drained",
	[VERDICT_UNOBSERVED] = "unobserved",
	[VERDICT_ABANDONED] = "abandoned",
	[VERDICT_LEAKED] = "leaked",
	[VERDICT_DIRTY] = "dirty",
	[VERDICT_REUSED] = "reused",
};

const char *const confidence_names[CONF_MAX] = {
	[CONF_NONE] = "none",
	[CONF_SUSPECT] = "suspect",
	[CONF_LIKELY] = "likely",
	[CONF_CERTAIN] = "certain",
};

const char *const reuse_names[REUSE_MAX] = {
	[REUSE_NONE] = "none",
	[REUSE_UNREAD] = "unread",
	[REUSE_OUTSTANDING] = "outstanding",
	[REUSE_RESIDUE] = "residue",
};

const char *const cancel_names[CANCEL_MAX] = {
	[CANCEL_NONE] = "none",
	[CANCEL_ASYNCIO] = "asyncio.cancel",
	[CANCEL_ASYNCIO_DESTROYED] = "asyncio.destroyed",
	[CANCEL_ASYNCIO_FINISHED] = "asyncio.finished",
	[CANCEL_ASYNCIO_GONE] = "asyncio.gone",
	[CANCEL_RECV_TIMEOUT] = "recv.timeout",
	[CANCEL_SIGNAL] = "signal",
	[CANCEL_POLL_TIMEOUT] = "poll.timeout",
	[CANCEL_THREAD_EXIT] = "thread.exit",
	[CANCEL_PTHREAD] = "pthread.cancel",
	[CANCEL_RUBY] = "ruby.interrupt",
	[CANCEL_JVM] = "jvm.interrupt",
	[CANCEL_TOKIO] = "tokio.abort",
	[CANCEL_GO] = "go.context",
	[CANCEL_GO_ENDED] = "go.ended",
	[CANCEL_PROBE] = "probe",
	[CANCEL_UNSEEN] = "unseen",
};

const char *const evidence_names[EVIDENCE_MAX] = {
	[EVIDENCE_NONE] = "none",
	[EVIDENCE_MEMORY] = "memory",
	[EVIDENCE_SOCKET] = "socket",
	[EVIDENCE_THREAD] = "thread",
	[EVIDENCE_PROBE] = "probe",
};

const char *const timeline_names[TL_MAX] = {
	[TL_REQUEST] = "request",
	[TL_CANCEL] = "cancel",
	[TL_CANCEL_SEEN] = "cancel_seen",
	[TL_REPLY] = "reply",
	[TL_RESIDUE] = "residue",
	[TL_UNREAD] = "unread",
	[TL_CLOSE] = "close",
	[TL_BEHIND] = "behind",
};

#define LOSS_NAME(id, name, what, whom, lifts) [LOSS_##id] = name,

const char *const loss_names[LOSS_MAX] = {LOSSES(LOSS_NAME)};

#define LOSS_WORDS(id, name, what, whom, lifts) [LOSS_##id] = what,

const char *const loss_words[LOSS_MAX] = {LOSSES(LOSS_WORDS)};

#define LOSS_HIDES(id, name, what, whom, lifts) [LOSS_##id] = whom,

const char *const loss_hides[LOSS_MAX] = {LOSSES(LOSS_HIDES)};

#define LOSS_LIFTS(id, name, what, whom, lifts) [LOSS_##id] = lifts,

const char *const loss_lifts[LOSS_MAX] = {LOSSES(LOSS_LIFTS)};

const char *const degraded_names[DEGRADED_MAX] = {
	[DEGRADED_LOCKDOWN] = "lockdown",
	[DEGRADED_YAMA] = "yama",
	[DEGRADED_UPROBES] = "uprobes",
	[DEGRADED_UNIX] = "unix",
	[DEGRADED_RECEIVES] = "receives",
};

const char *const coverage_names[COVERAGE_MAX] = {
	[COVERAGE_NONE] = "none",
	[COVERAGE_FULL] = "full",
	[COVERAGE_THREAD] = "thread",
	[COVERAGE_BLIND] = "blind",
};

const char *const coverage_reason_names[COVERED_REASONS] = {
	[COVERED_NOT_KNOWN] = "none",
	[COVERED_TASKS] = "tasks",
	[COVERED_GOROUTINES] = "goroutines",
	[COVERED_THREADS] = "threads",
	[COVERED_UNPROVED] = "unproved",
	[COVERED_LAYOUT] = "layout",
	[COVERED_PROBED] = "probed",
	[COVERED_NO_OWNERS] = "no_owners",
	[COVERED_LOOP] = "event_loop",
	[COVERED_RUNTIME] = "runtime",
	[COVERED_STARTING] = "starting",
	[COVERED_UNREADABLE] = "unreadable",
	[COVERED_GONE] = "gone",
	[COVERED_NO_ROOM] = "no_room",
	[COVERED_ADOPTED] = "adopted",
	[COVERED_GAP] = "gap",
};
/* clang-format on */
