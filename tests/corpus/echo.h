/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The echo protocol of the test server: a request says how long it is and how long its reply is
 * to be, so that a client can leave an exact part of a reply unread.
 *
 *   one byte below 0x80    the whole request; the reply is the same byte
 *   struct echo_head       a request of .request bytes, the head among them; the reply is .reply
 *                          bytes, each of them echo_byte(.tag, its position)
 */
#ifndef ECHO_H
#define ECHO_H

#include <stdint.h>

#define ECHO_HEAD 0x80

struct echo_head {
	uint8_t kind;
	uint8_t pad[3];
	uint32_t request;
	uint32_t reply;
	uint32_t tag;
};

_Static_assert(sizeof(struct echo_head) == 16, "the head has no padding of the compiler's");

/* Two tags differ in most bytes, so that an answer that is shifted by any amount is seen. */
static inline uint8_t echo_byte(uint32_t tag, uint32_t position)
{
	uint32_t x = tag * 2654435761u + position * 40503u;

	return (x ^ (x >> 15)) >> 8;
}

#endif
