// SPDX-License-Identifier: GPL-2.0-or-later
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "connkey.h"

static bool is_local(const char *addr)
{
	struct in6_addr six;

	if (!strncmp(addr, "127.", 4) || !strncmp(addr, "::ffff:127.", 11))
		return true;
	return inet_pton(AF_INET6, addr, &six) == 1 &&
	       (IN6_IS_ADDR_LOOPBACK(&six) || IN6_IS_ADDR_LINKLOCAL(&six));
}

static long port_of(const struct event_line *e, const char *key)
{
	struct json_object *v;

	return json_object_object_get_ex(e->obj, key, &v) ? (long)json_object_get_int64(v) : 0;
}

/* One address has several spellings at the two ends: IPv4 over an IPv6 socket. */
static const char *plain(const char *addr)
{
	return !strncmp(addr, "::ffff:", 7) && strchr(addr, '.') ? addr + 7 : addr;
}

void connection_key(const struct event_line *e, char *dst, size_t len)
{
	const char *host = event_string(e, "host.name"), *peer, *local, *cookie;
	const char *transport = event_string(e, "network.transport");
	char a[128], b[128];
	bool swap;

	host = host ? host : "";
	if (!transport) {
		snprintf(dst, len, "%s", host);
		return;
	}
	local = event_string(e, "network.local.address");
	peer = event_string(e, "network.peer.address");
	if (strcmp(transport, "tcp") || !local || !peer) {
		/* A Unix socket's two ends share no name that both events could tell. */
		cookie = event_string(e, "mispair.socket.cookie");
		snprintf(dst, len, "%s %s %s", host, transport, cookie ? cookie : "");
		return;
	}
	snprintf(a, sizeof(a), "%s %ld", plain(local), port_of(e, "network.local.port"));
	snprintf(b, sizeof(b), "%s %ld", plain(peer), port_of(e, "network.peer.port"));
	swap = strcmp(a, b) > 0;
	snprintf(dst, len, "%s%stcp %s %s", is_local(local) ? host : "", is_local(local) ? " " : "",
		 swap ? b : a, swap ? a : b);
}
