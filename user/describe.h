/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owners and addresses as text; nothing here is escaped, sinks do that. Pure. */
#ifndef MISPAIR_DESCRIBE_H
#define MISPAIR_DESCRIBE_H

#include <stddef.h>
#include <stdint.h>
#include "finding.h"
#include "../bpf/events.h"

/* "signal SIGALRM from process 42"; SENDER 0: the kernel or a timer. "" for signal 0. */
void describe_signal(uint32_t signal, uint32_t sender, char *dst, size_t len);

/* Who called the function that an adapter has probed: "thread 4242", "goroutine 18". */
void describe_caller(const struct cancel_info *ci, char *dst, size_t len);

/* "Task-7 0x7fe446ff3880", "thread 4242", "goroutine 18", or "" if unknown. */
void describe_owner(const struct owner *o, char *dst, size_t len);
/* The same for a task that is known by its address and the first bytes of its name. */
void describe_task(uint64_t task, const uint64_t name[2], char *dst, size_t len);

/* Fills transport, addresses and ports. */
struct described_addr {
	enum transport transport;
	char local[PEER_TEXT], peer[PEER_TEXT];
	uint16_t local_port, peer_port;
};
void describe_addr(const struct sock_addr *a, struct described_addr *out);

#endif
