/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The file format of recordings: a header, then blocks of items.
 *
 * The header says with which layout of the records (bpf/events.h and friends) the file was
 * written: items are structs as they lay in memory, and a reader with another layout refuses the
 * file instead of guessing. A block has a checksum of its own and is compressed by itself, so that
 * blocks can be dropped (the flight recorder does) and a torn tail costs no more than itself.
 * Little-endian, as every machine that mispair runs on.
 */
#ifndef MISPAIR_RECFILE_H
#define MISPAIR_RECFILE_H

#include <stdint.h>
#include <sys/types.h>
#include "item.h"

#define REC_VERSION    1
#define REC_LAYOUT_MAX 24
/* What a block holds before compression: cut at this, and one item of any size fits. */
#define REC_BLOCK_CUT  (64u << 10)
#define REC_BLOCK_MAX  (REC_BLOCK_CUT + ITEM_BODY_MAX + 64)

struct rec_header {
	char magic[8];
	uint32_t version;
	uint32_t size; /* of this header */
	uint32_t layout[REC_LAYOUT_MAX];
	uint32_t pad;
	uint32_t crc; /* of all before it */
};

struct rec_block {
	uint32_t magic;
	uint32_t stored; /* bytes that follow; as large as raw: not compressed */
	uint32_t raw;
	uint32_t crc; /* of the rest of this header, then of what is stored */
	uint64_t first_ns;
	uint64_t seq; /* 0, 1, 2...: a hole is a block that is gone */
};

struct rec_item {
	uint32_t kind;
	uint32_t len; /* of the body; the next item begins at a multiple of 8 */
	uint64_t time_ns;
};

void rec_header_fill(struct rec_header *h);

/* Compresses RAW into DST (rec_stored_max() bytes) behind its header. Returns the length of both,
 * 0 on failure. */
size_t rec_stored_max(size_t raw);
size_t rec_block_write(void *dst, const void *raw, size_t len, uint64_t first_ns, uint64_t seq);
/* Gives a written block another number. */
void rec_block_renumber(void *block, uint64_t seq);

/* ---- reading ---- */

struct rec_reader;

/* Like read(2): bytes, 0 at the end, -1. */
typedef ssize_t (*rec_read_fn)(void *ctx, void *buf, size_t len);

struct rec_view {
	uint32_t kind, len;
	uint64_t time_ns;
	const void *body; /* until the next call; aligned; has passed item_check() */
};

/* 0; -EBADMSG: not a recording that can be read, *ERR says why; -ENOMEM. */
int rec_open(rec_read_fn read, void *ctx, struct rec_reader **out, char *err, size_t errlen);
void rec_close(struct rec_reader *r);

/* 1: *ITEM is filled. 0: the end, or the place from which nothing can be read: rec_problem(). */
int rec_next(struct rec_reader *r, struct rec_view *item);

/* NULL at a clean end, else a sentence: where the recording tears and how. */
const char *rec_problem(const struct rec_reader *r);

#endif
