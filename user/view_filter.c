// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The filter: a piece of text, case ignored, anywhere in process, pid, container, addresses,
 * service or verdict. A row remembers whether it passes; it is asked again when the text, its name
 * or its verdict changes.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "protocol.h"
#include "view_int.h"

/* Both are short; bytes of UTF-8 letters are compared as they are. */
static bool contains(const char *text, const char *what)
{
	size_t i;

	for (; *text; text++) {
		for (i = 0; what[i]; i++) {
			if (!text[i])
				return false;
			if (tolower((unsigned char)text[i]) != tolower((unsigned char)what[i]))
				break;
		}
		if (!what[i])
			return true;
	}
	return false;
}

static bool address_contains(const struct view_row *row, const char *what)
{
	char addr[INET6_ADDRSTRLEN] = "", text[INET6_ADDRSTRLEN + 16];
	bool v6 = row->family == AF_INET6;

	if (row->family == AF_UNIX)
		return contains("unix", what) || (row->path && contains(row->path, what));
	inet_ntop(row->family, row->peer, addr, sizeof(addr));
	snprintf(text, sizeof(text), "%s%s%s:%u", v6 ? "[" : "", addr, v6 ? "]" : "",
		 row->peer_port);
	if (contains(text, what))
		return true;
	snprintf(text, sizeof(text), ":%u", row->local_port);
	return contains(text, what);
}

void view_filter_row(const struct view *v, struct view_row *row)
{
	const char *service = protocol_from_port(row->peer_port);
	char pid[16];

	row->passes = true;
	if (!v->filter[0])
		return;
	if (row->name &&
	    (contains(row->name->text, v->filter) || contains(row->name->container, v->filter)))
		return;
	if (row->verdict && contains(verdict_names[row->verdict], v->filter))
		return;
	if (row->confidence && contains(confidence_names[row->confidence], v->filter))
		return;
	if (service && contains(service, v->filter))
		return;
	if (address_contains(row, v->filter))
		return;
	snprintf(pid, sizeof(pid), "%u", row->pid);
	row->passes = !strcmp(pid, v->filter);
}

void view_filter_all(struct view *v)
{
	size_t i;

	for (i = 0; i < v->n_rows; i++)
		view_filter_row(v, v->rows[i]);
}
