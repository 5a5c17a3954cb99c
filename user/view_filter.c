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

/* "10.0.0.9:6379" and its NUL, as fast as it can be: it is done for every row at each letter. */
static void text_v4(char *at, const uint8_t *addr, uint16_t port)
{
	uint32_t parts[5] = {addr[0], addr[1], addr[2], addr[3], port}, i, unit;

	for (i = 0; i < 5; i++) {
		for (unit = 10000; unit > 1 && unit > parts[i];)
			unit /= 10;
		for (; unit; unit /= 10)
			*at++ = (char)('0' + parts[i] / unit % 10);
		*at++ = i < 3 ? '.' : i == 3 ? ':' : '\0';
	}
}

static bool address_contains(const struct view_row *row, const char *what)
{
	char addr[INET6_ADDRSTRLEN] = "", text[INET6_ADDRSTRLEN + 16];
	bool v6 = row->family == AF_INET6;

	if (row->family == AF_UNIX)
		return contains("unix", what) || (row->path && contains(row->path, what));
	if (v6) {
		inet_ntop(row->family, row->peer, addr, sizeof(addr));
		snprintf(text, sizeof(text), "[%s]:%u", addr, row->peer_port);
	} else {
		text_v4(text, row->peer, row->peer_port);
	}
	if (contains(text, what))
		return true;
	text_v4(text, row->local, row->local_port);
	return contains(strchr(text, ':'), what);
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
	if (!row->verdict && row->coverage > COVERAGE_FULL &&
	    contains(view_nothing(row), v->filter))
		return;
	if (row->confidence && contains(confidence_names[row->confidence], v->filter))
		return;
	if (service && contains(service, v->filter))
		return;
	if (address_contains(row, v->filter))
		return;
	row->passes = false;
	if (v->filter[0] < '0' || v->filter[0] > '9')
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
