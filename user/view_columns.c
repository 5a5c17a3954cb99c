// SPDX-License-Identifier: GPL-2.0-or-later
/* Columns, and which of them fit into a line. */
#include <string.h>
#include <strings.h>

#include "view_columns.h"

/* clang-format off */
const struct view_column_def view_columns[COL_MAX] = {
	[COL_VERDICT] = {"verdict", "VERDICT", "event.name", 10, 10, false, false, 0,
		SORT_SEVERITY, true, "the worst that was said about the connection"},
	[COL_KIND] = {"kind", "KIND", "mispair.reuse.kind", 11, 11, false, false, 9,
		SORT_TEXT, false, "how it was reused: unread, outstanding, residue"},
	[COL_CONFIDENCE] = {"confidence", "CONF", "mispair.confidence", 7, 7, false, false, 2,
		SORT_NUMBER, true, "certain, likely or suspect"},
	[COL_PROCESS] = {"process", "PROCESS", "process.executable.name", 12, 18, false, false, 0,
		SORT_TEXT, false, "the client's program"},
	[COL_PID] = {"pid", "PID", "process.pid", 7, 7, true, false, 3,
		SORT_NUMBER, false, "its process"},
	[COL_CONTAINER] = {"container", "CONTAINER", "container.id", 12, 12, false, false, 12,
		SORT_TEXT, false, "the container that the process runs in"},
	[COL_TRANSPORT] = {"transport", "NET", "network.transport", 4, 4, false, false, 11,
		SORT_TEXT, false, "tcp, tcp6 or unix"},
	[COL_CONNS] = {"conns", "CONNS", "mispair.pool.connections", 6, 6, true, true, 1,
		SORT_NUMBER, true, "open connections of the pool"},
	[COL_SLOTS] = {"lost", "LOST", "mispair.pool.slots_lost", 4, 4, true, true, 1,
		SORT_NUMBER, true, "slots of the pool that do not come back (leaked)"},
	[COL_REQUESTS] = {"requests", "REQS", "mispair.requests", 6, 8, true, false, 7,
		SORT_NUMBER, true, "requests sent"},
	[COL_REPLIES] = {"replies", "REPLIES", "mispair.replies", 7, 8, true, false, 8,
		SORT_NUMBER, true, "replies received"},
	[COL_OWED] = {"owed", "OWED", "mispair.owed", 4, 4, true, false, 4,
		SORT_NUMBER, true, "requests whose reply has not been read"},
	[COL_UNREAD] = {"unread", "UNREAD", "mispair.unread_bytes", 6, 7, true, false, 5,
		SORT_NUMBER, true, "bytes that lie in the receive queue"},
	[COL_RESIDUE] = {"residue", "RESIDUE", "mispair.residue_bytes", 7, 7, true, false, 10,
		SORT_NUMBER, true, "bytes of an abandoned reply, read with nobody waiting"},
	[COL_CANCELS] = {"cancels", "CANCELS", "mispair.cancellations", 7, 7, true, false, 7,
		SORT_NUMBER, true, "waits on this connection that were seen to be cancelled"},
	[COL_AGE] = {"age", "AGE", "mispair.exchange.age_ns", 6, 6, true, false, 6,
		SORT_NUMBER, false, "time since the last send or receive"},
	[COL_LATENCY] = {"latency", "LATENCY", "mispair.reply.latency_ns", 7, 7, true, false, 7,
		SORT_NUMBER, true, "how long the last reply took"},
	[COL_LOCAL] = {"local", "LOCAL", "network.local.address", 15, 21, false, false, 13,
		SORT_ADDRESS, false, "the connection's own address and port"},
	[COL_PEER] = {"peer", "PEER", "network.peer.address", 20, 46, false, false, 0,
		SORT_ADDRESS, false, "the server: address, port, its usual service"},
};
/* clang-format on */

enum view_column view_column_find(const char *word)
{
	int i;

	for (i = 0; i < COL_MAX; i++) {
		const struct view_column_def *d = &view_columns[i];

		if (!strcasecmp(word, d->name) || !strcasecmp(word, d->title) ||
		    !strcmp(word, d->json))
			return (enum view_column)i;
	}
	return COL_MAX;
}

static size_t collect(int most, bool pools, struct view_place out[COL_MAX], int *used)
{
	size_t n = 0;
	int i;

	*used = 0;
	for (i = 0; i < COL_MAX; i++) {
		const struct view_column_def *d = &view_columns[i];

		if (d->order > most || (d->pools && !pools))
			continue;
		out[n].column = (enum view_column)i;
		out[n++].width = d->min;
		*used += d->min + (n > 1);
	}
	return n;
}

size_t view_layout(int width, bool pools, struct view_place out[COL_MAX])
{
	int most, used, order, left;
	size_t i, n;

	for (most = 13; most > 0; most--) {
		n = collect(most, pools, out, &used);
		if (used <= width)
			break;
	}
	if (!most) {
		n = collect(0, pools, out, &used);
		/* Not even these: the peer gives way, then the process. */
		for (i = n; i-- > 1 && used > width;) {
			int less = used - width, spare = out[i].width - 6;

			less = less < spare ? less : spare;
			out[i].width -= less;
			used -= less;
		}
		while (n > 1 && used > width)
			used -= out[--n].width + 1;
		if (used > width)
			out[0].width = width > 0 ? width : 0;
	}
	left = width - used;
	for (order = 0; order <= most && left > 0; order++) {
		for (i = 0; i < n && left > 0; i++) {
			const struct view_column_def *d = &view_columns[out[i].column];
			int more = d->pref - out[i].width;

			if (d->order != order)
				continue;
			more = more < left ? more : left;
			out[i].width += more;
			left -= more;
		}
	}
	if (n && left > 0)
		out[n - 1].width += left;
	return n;
}
