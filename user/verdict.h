/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How sure we are, and why (DESIGN: confidence). Pure. */
#ifndef MISPAIR_VERDICT_H
#define MISPAIR_VERDICT_H

#include <stdbool.h>
#include "finding.h"
#include "../bpf/events.h"

struct verdict_view {
	enum reuse_kind kind;
	enum confidence confidence;
	bool hold;  /* what the connection does next may raise this soon */
	bool quiet; /* ... and unless it does, this is worth no word */
	const char *reason;
};

enum cancel_kind verdict_cancel_kind(uint8_t status);
enum cancel_kind verdict_adapter_kind(uint32_t adapter); /* enum adapter */

/* Was the owner cancelled by name, as opposed to having merely left? */
bool verdict_named(uint8_t status, bool probed, const struct ledger *l);

/*
 * A reuse: ledger and input of the send, its sender, the status of the abandoned owner and its
 * probed cancellation (ts 0: none).
 */
void verdict_reuse(const struct ledger *l, const struct ledger_in *in, const struct owner *who,
		   uint8_t status, const struct cancel_info *ci, struct verdict_view *v);

/* A request that was overtaken when its owner's wait had ended by STATUS, and replies that stayed
 * one behind since. */
enum confidence verdict_lag(const struct ledger *l, uint8_t status);

/* A cancelled owner, VICTIM, sent again, took the reply that it was owed, and left its last one
 * behind. */
enum confidence verdict_buffered(const struct ledger *l, const struct owner *victim);

/* Who sent on what VICTIM had abandoned ended without a reply of its own. */
enum confidence verdict_answered(const struct ledger *l, const struct owner *victim);

/* An abandoned exchange on a connection that lies idle. */
enum confidence verdict_idle(const struct ledger *l, bool named);

#endif
