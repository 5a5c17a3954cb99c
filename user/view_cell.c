// SPDX-License-Identifier: GPL-2.0-or-later
/* What a column shows of a connection, or of a pool: the same table cell for both. */
#include <arpa/inet.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "protocol.h"
#include "view_int.h"

bool view_alarm(const struct view_row *row)
{
	return row->verdict >= VERDICT_ABANDONED && row->confidence >= CONF_LIKELY;
}

enum view_style view_row_style(const struct view_row *row)
{
	if (row->verdict == VERDICT_CLOSED || row->verdict == VERDICT_DRAINED)
		return STYLE_GOOD;
	if (row->verdict < VERDICT_ABANDONED)
		return STYLE_PLAIN;
	if (!view_alarm(row))
		return STYLE_WARN;
	return row->verdict == VERDICT_REUSED ? STYLE_ALARM : STYLE_WARN;
}

/* ---- numbers, in at most six characters ---- */

void view_number(char *dst, size_t len, uint64_t n)
{
	static const char units[] = "kMGTPE";
	double x = (double)n;
	int u = -1;

	if (n < 100000) {
		snprintf(dst, len, "%" PRIu64, n);
		return;
	}
	while (x >= 999.5 && u < 5) {
		x /= 1000;
		u++;
	}
	snprintf(dst, len, x < 99.95 ? "%.1f%c" : "%.0f%c", x, units[u]);
}

void view_bytes(char *dst, size_t len, uint64_t n)
{
	static const char units[] = "kMGTPE";
	double x = (double)n;
	int u = -1;

	if (n < 1000) {
		snprintf(dst, len, "%" PRIu64 " B", n);
		return;
	}
	while (x >= 999.5 && u < 5) {
		x /= 1000;
		u++;
	}
	snprintf(dst, len, x < 9.95 ? "%.1f %cB" : "%.0f %cB", x, units[u]);
}

void view_time(char *dst, size_t len, uint64_t ns)
{
	uint64_t s = ns / 1000000000;

	if (ns < 1000000)
		snprintf(dst, len, "%" PRIu64 " us", ns / 1000);
	else if (ns < 10000000)
		snprintf(dst, len, "%.1f ms", (double)(ns / 100000) / 10);
	else if (s < 1)
		snprintf(dst, len, "%" PRIu64 " ms", ns / 1000000);
	else if (s < 10)
		snprintf(dst, len, "%.1f s", (double)(ns / 100000000) / 10);
	else if (s < 120)
		snprintf(dst, len, "%" PRIu64 " s", s);
	else if (s < 7200)
		snprintf(dst, len, "%" PRIu64 " m", s / 60);
	else if (s < 172800)
		snprintf(dst, len, "%" PRIu64 " h", s / 3600);
	else
		snprintf(dst, len, "%" PRIu64 " d", s / 86400);
}

/* ---- text ---- */

static void upper(char *dst, size_t len, const char *word)
{
	size_t i;

	for (i = 0; word[i] && i + 1 < len; i++)
		dst[i] = (char)toupper((unsigned char)word[i]);
	dst[i] = '\0';
}

const char *view_nothing(const struct view_row *row)
{
	if (row->coverage == COVERAGE_BLIND)
		return "blind";
	return row->coverage == COVERAGE_THREAD ? "by thread" : "-";
}

static void verdict_text(const struct view_row *row, char *dst, size_t len)
{
	dst[0] = '\0';
	/* Nothing was seen: how far has it been looked for? */
	if (row->verdict == VERDICT_NONE || row->verdict >= VERDICT_MAX)
		snprintf(dst, len, "%s", view_nothing(row));
	else if (row->verdict >= VERDICT_ABANDONED)
		upper(dst, len, verdict_names[row->verdict]);
	else
		snprintf(dst, len, "%s", verdict_names[row->verdict]);
}

static void address_text(const struct view_row *row, bool local, char *dst, size_t len)
{
	char addr[INET6_ADDRSTRLEN] = "?";
	uint16_t port = local ? row->local_port : row->peer_port;

	if (row->family != AF_INET && row->family != AF_INET6) {
		snprintf(dst, len, "?");
		return;
	}
	inet_ntop(row->family, local ? row->local : row->peer, addr, sizeof(addr));
	snprintf(dst, len, row->family == AF_INET6 ? "[%s]:%u" : "%s:%u", addr, port);
}

/*
 * The ends of an address tell more than its middle: the network, and host and port. Of a path
 * (HEADLESS) the end tells most.
 */
static void put_middle_cut(struct view_line *l, const char *text, int width, bool headless)
{
	const char *mark = l->ascii ? "~" : "…";
	int cells = view_text_width(text), head, tail, got;
	char part[VIEW_TEXT_MAX(PEER_TEXT)];
	const char *end;

	if (cells <= width || width < 5) {
		view_line_user(l, text, strlen(text), width);
		return;
	}
	head = headless ? 0 : (width - 1) / 3;
	tail = width - 1 - head;
	snprintf(part, sizeof(part), "%.*s", (int)view_text_fit(text, head, &got), text);
	view_line_user(l, part, strlen(part), head);
	view_line_put(l, mark);
	/* As many characters from the end as fit. */
	end = text + view_text_fit(text, cells - tail, &got);
	while (*end && view_text_width(end) > tail)
		end += view_text_fit(end, 2, &got);
	view_line_user(l, end, strlen(end), tail);
}

void view_put_peer(struct view_line *l, const struct view_row *row, int width)
{
	char text[VIEW_TEXT_MAX(PEER_TEXT)], with[sizeof(text) + 64];
	const char *service = row->path ? NULL : protocol_from_port(row->peer_port);

	if (row->family == AF_UNIX)
		view_text(text, sizeof(text), row->path ? row->path : "(unnamed)", PEER_TEXT,
			  l->ascii);
	else
		address_text(row, false, text, sizeof(text));
	if (service) {
		snprintf(with, sizeof(with), "%s %s", text, service);
		if (view_text_width(with) <= width) {
			view_line_put(l, with);
			return;
		}
	}
	put_middle_cut(l, text, width, row->family == AF_UNIX);
}

void view_process(const struct view_row *row, char *dst, size_t len, bool ascii)
{
	if (row->name && row->name->text[0])
		view_text(dst, len, row->name->text, sizeof(row->name->text), ascii);
	else
		snprintf(dst, len, "?");
}

/* ---- cells ---- */

/* The text of all cells whose text is our own. */
static void cell_text(const struct view *v, enum view_column c, const struct view_row *row,
		      const struct view_pool *pool, char *dst, size_t len)
{
	switch (c) {
	case COL_VERDICT:
		verdict_text(row, dst, len);
		break;
	case COL_KIND:
		if (row->reuse && row->reuse < REUSE_MAX && row->verdict == VERDICT_REUSED)
			snprintf(dst, len, "%s", reuse_names[row->reuse]);
		break;
	case COL_CONFIDENCE:
		if (row->confidence && row->confidence < CONF_MAX)
			snprintf(dst, len, "%s", confidence_names[row->confidence]);
		break;
	case COL_PID:
		snprintf(dst, len, "%u", row->pid);
		break;
	case COL_TRANSPORT:
		snprintf(dst, len, "%s",
			 row->family == AF_UNIX	   ? "unix"
			 : row->family == AF_INET6 ? "tcp6"
						   : "tcp");
		break;
	case COL_CONNS:
		if (pool)
			view_number(dst, len, pool->conns);
		break;
	case COL_SLOTS:
		if (pool)
			view_number(dst, len, pool->slots);
		break;
	case COL_REQUESTS:
		view_number(dst, len, row->requests);
		break;
	case COL_REPLIES:
		view_number(dst, len, row->replies);
		break;
	case COL_OWED:
		view_number(dst, len, row->owed);
		break;
	case COL_UNREAD:
	case COL_RESIDUE:
		/* Nearly always nothing: it should not look like something. */
		if (c == COL_UNREAD ? row->unread : row->residue)
			view_bytes(dst, len, c == COL_UNREAD ? row->unread : row->residue);
		else
			snprintf(dst, len, "0");
		break;
	case COL_CANCELS:
		view_number(dst, len, row->cancels);
		break;
	case COL_AGE:
		if (row->ended)
			snprintf(dst, len, "gone");
		else
			view_time(dst, len, v->now > row->last_ns ? v->now - row->last_ns : 0);
		break;
	case COL_LATENCY:
		if (row->latency_ns)
			view_time(dst, len, row->latency_ns);
		break;
	case COL_LOCAL:
		if (row->family != AF_UNIX && !pool)
			address_text(row, true, dst, len);
		break;
	default:
		break;
	}
}

void view_cell(const struct view *v, struct view_line *l, enum view_column c,
	       const struct view_item *item, int width)
{
	const struct view_row *row = item->row ? item->row : &item->pool->sum;
	const struct view_pool *pool = item->row ? NULL : item->pool;
	int start = l->col;
	char text[96] = "";

	switch (c) {
	case COL_PROCESS:
		/* A connection under its pool stands in a step. */
		if (item->row && item->pool)
			view_line_put(l, "  ");
		width -= l->col - start;
		if (row->name && row->name->text[0])
			view_line_user(l, row->name->text, sizeof(row->name->text), width);
		else
			view_line_put(l, "?");
		return;
	case COL_CONTAINER:
		/* The first twelve digits, as docker and kubectl show it. */
		if (row->name)
			view_line_user(l, row->name->container, 12, width);
		return;
	case COL_PEER:
		view_put_peer(l, row, width);
		return;
	default:
		break;
	}
	cell_text(v, c, row, pool, text, sizeof(text));
	if (view_columns[c].right)
		view_line_pad(l, l->col + width - view_text_width(text));
	if (view_text_width(text) > width)
		put_middle_cut(l, text, width, false);
	else
		view_line_put(l, text);
}
