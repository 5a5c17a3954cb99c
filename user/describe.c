// SPDX-License-Identifier: GPL-2.0-or-later
/* Owners and addresses as text. Input is what the kernel side copied; lengths are not trusted. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "describe.h"

void describe_task(uint64_t task, const uint64_t name[2], char *dst, size_t len)
{
	char text[17] = "";

	memcpy(text, name, 16);
	/* A name begins with text; what does not is a count (describe_owner()). */
	if ((unsigned char)text[0] < 0x20)
		text[0] = 0;
	/* Sixteen bytes were kept; a longer name shows that it goes on. */
	if (strnlen(text, 16) == 16)
		snprintf(dst, len, "%.16s... 0x%llx", text, (unsigned long long)task);
	else
		snprintf(dst, len, "%s%s0x%llx", text, *text ? " " : "task ",
			 (unsigned long long)task);
}

void describe_signal(uint32_t signal, uint32_t sender, char *dst, size_t len)
{
	const char *name = signal ? sigabbrev_np((int)signal) : NULL;
	char from[24];

	snprintf(from, sizeof(from), " from process %u", sender);
	if (!signal)
		snprintf(dst, len, "%s", "");
	else if (name)
		snprintf(dst, len, "signal SIG%s%s", name, sender ? from : "");
	else
		snprintf(dst, len, "signal %u%s", signal, sender ? from : "");
}

void describe_caller(const struct cancel_info *ci, char *dst, size_t len)
{
	if (ci->adapter == ADAPTER_GO && ci->by_task)
		snprintf(dst, len, "goroutine %llu", (unsigned long long)ci->by_task);
	else
		snprintf(dst, len, "thread %u", ci->by_tid);
}

void describe_owner(const struct owner *o, char *dst, size_t len)
{
	/*
	 * Where tasks are known by probes alone, how often one has ended at this address stands in
	 * place of a name, which lies nowhere (owner_stepping()).
	 */
	bool counted = !o->name_ptr && !o->name[1] && o->name[0] && o->name[0] <= UINT32_MAX;

	if (o->kind == OWNER_TASK && counted)
		snprintf(dst, len, "task 0x%llx#%llu", (unsigned long long)o->task,
			 (unsigned long long)o->name[0] + 1);
	else if (o->kind == OWNER_TASK)
		describe_task(o->task, (const uint64_t *)o->name, dst, len);
	else if (o->kind == OWNER_GOROUTINE)
		snprintf(dst, len, "goroutine %llu", (unsigned long long)o->name[0]);
	else if (o->kind == OWNER_THREAD)
		snprintf(dst, len, "thread %u", o->tid);
	else if (len)
		*dst = 0;
}

void describe_addr(const struct sock_addr *a, struct described_addr *out)
{
	size_t n;

	memset(out, 0, sizeof(*out));
	out->transport = a->family == AF_UNIX ? TRANSPORT_UNIX : TRANSPORT_TCP;
	out->local_port = a->local_port;
	out->peer_port = a->peer_port;
	if (a->family == AF_INET || a->family == AF_INET6) {
		inet_ntop(a->family, a->local, out->local, sizeof(out->local));
		inet_ntop(a->family, a->peer, out->peer, sizeof(out->peer));
		return;
	}
	n = a->unix_len > ADDR_LEN ? ADDR_LEN : a->unix_len;
	if (!n)
		return;
	memcpy(out->peer, a->peer, n);
	if (!out->peer[0]) /* abstract */
		out->peer[0] = '@';
	out->peer[n] = 0;
}
