// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Recordings come in bug reports: a reader trusts no length, no checksum and no string. A block is
 * read whole into a buffer of fixed size, unpacked into another, and every item is checked before
 * it is handed out. Pure but for the caller's read function.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "recfile.h"

#define BLOCK_MAGIC 0x4b4c424du /* "MBLK" */
#define LEVEL	    1		/* of a few: rows of two rounds differ little, any level sees it */

static const char file_magic[8] = "MISPAIR\x1a";

/*
 * Sizes, and places of fields, of everything that is written as it lies in memory. A change in any
 * makes recordings of before unreadable, loudly: `make recordings` makes those of the tests anew.
 */
static const uint32_t layout[REC_LAYOUT_MAX] = {
	sizeof(struct ev_head),
	sizeof(struct ev_step),
	sizeof(struct ev_loop),
	sizeof(struct ledger),
	sizeof(struct ledger_in),
	sizeof(struct ledger_row),
	sizeof(struct owner),
	sizeof(struct cancel_info),
	sizeof(struct sock_addr),
	sizeof(struct procinfo),
	sizeof(struct runtime_report),
	offsetof(struct ev_step, in),
	offsetof(struct ev_step, who),
	offsetof(struct ev_step, addr),
	offsetof(struct ledger, tx_bytes),
	offsetof(struct ledger, owner),
	offsetof(struct ledger, req_ns),
	offsetof(struct ledger, flags),
	offsetof(struct ledger, abandoned),
	offsetof(struct ledger_in, what),
	CNT_MAX,
	LOSS_MAX,
	sizeof(struct item_sample),
	WAIT_MAX,
};

/* Losses are appended to, and nothing else in a recording depends on how many there are. */
#define LAYOUT_LOSSES 21
#define LAYOUT_SAMPLE 22

static uint32_t checksum(uint32_t crc, const void *data, size_t len)
{
	return (uint32_t)crc32(crc, data, (uInt)len);
}

static uint32_t block_checksum(const struct rec_block *b, const void *stored)
{
	struct rec_block zeroed = *b;

	zeroed.crc = 0;
	return checksum(checksum(0, &zeroed, sizeof(zeroed)), stored, b->stored);
}

/* Mutated checksums teach a fuzzer nothing. */
static bool same(uint32_t a, uint32_t b)
{
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
	(void)a;
	(void)b;
	return true;
#else
	return a == b;
#endif
}

void rec_header_fill(struct rec_header *h)
{
	memset(h, 0, sizeof(*h));
	memcpy(h->magic, file_magic, sizeof(h->magic));
	h->version = REC_VERSION;
	h->size = sizeof(*h);
	memcpy(h->layout, layout, sizeof(h->layout));
	h->crc = checksum(0, h, offsetof(struct rec_header, crc));
}

size_t rec_stored_max(size_t raw)
{
	return sizeof(struct rec_block) + ZSTD_compressBound(raw);
}

size_t rec_block_write(void *dst, const void *raw, size_t len, uint64_t first_ns, uint64_t seq)
{
	struct rec_block b = {
		.magic = BLOCK_MAGIC, .raw = (uint32_t)len, .first_ns = first_ns, .seq = seq};
	char *stored = (char *)dst + sizeof(b);
	size_t n = ZSTD_compress(stored, ZSTD_compressBound(len), raw, len, LEVEL);

	if (ZSTD_isError(n))
		return 0;
	if (n >= len) {
		memcpy(stored, raw, len);
		n = len;
	}
	b.stored = (uint32_t)n;
	b.crc = block_checksum(&b, stored);
	memcpy(dst, &b, sizeof(b));
	return sizeof(b) + n;
}

void rec_block_renumber(void *block, uint64_t seq)
{
	struct rec_block b;

	memcpy(&b, block, sizeof(b));
	b.seq = seq;
	b.crc = block_checksum(&b, (char *)block + sizeof(b));
	memcpy(block, &b, sizeof(b));
}

/* ---- reading ---- */

struct rec_reader {
	rec_read_fn read;
	void *ctx;
	uint64_t offset; /* of what was read so far */
	uint64_t seq;
	size_t used, at; /* of raw */
	uint32_t losses; /* that its writer knew */
	struct item_sample sample;
	bool done;
	char problem[160];
	char *stored, *raw; /* they grow with the blocks, to REC_BLOCK_MAX at most */
	size_t room;
};

/* Returns LEN, less at the end of the file, -1 on error. */
static ssize_t fill(struct rec_reader *r, void *dst, size_t len)
{
	size_t have = 0;
	ssize_t n;

	while (have < len) {
		n = r->read(r->ctx, (char *)dst + have, len - have);
		if (n < 0)
			return -1;
		if (!n)
			break;
		have += (size_t)n;
	}
	r->offset += have;
	return (ssize_t)have;
}

/* Was it written with our layout, but perhaps by one that knew fewer losses? */
static bool layout_fits(const struct rec_header *h)
{
	uint32_t of[REC_LAYOUT_MAX], fewer = LOSS_MAX - h->layout[LAYOUT_LOSSES];

	memcpy(of, h->layout, sizeof(of));
	if (of[LAYOUT_LOSSES] > LOSS_MAX)
		return false;
	of[LAYOUT_LOSSES] = LOSS_MAX;
	of[LAYOUT_SAMPLE] += fewer * (uint32_t)sizeof(uint64_t);
	return !memcmp(of, layout, sizeof(layout));
}

static int check_header(const struct rec_header *h, char *err, size_t errlen)
{
	if (memcmp(h->magic, file_magic, sizeof(h->magic))) {
		snprintf(err, errlen, "this is not a mispair recording");
	} else if (h->version != REC_VERSION) {
		snprintf(err, errlen,
			 "it is a recording of format %u; this mispair reads format %u", h->version,
			 REC_VERSION);
	} else if (h->size != sizeof(*h) ||
		   !same(h->crc, checksum(0, h, offsetof(struct rec_header, crc)))) {
		snprintf(err, errlen, "its header is damaged");
	} else if (!layout_fits(h)) {
		snprintf(err, errlen,
			 "it was recorded by a mispair with other kernel records; replay it with "
			 "the version that recorded it");
	} else {
		return 0;
	}
	return -EBADMSG;
}

int rec_open(rec_read_fn read, void *ctx, struct rec_reader **out, char *err, size_t errlen)
{
	struct rec_header h;
	struct rec_reader *r = calloc(1, sizeof(*r));
	ssize_t n;
	int e;

	*out = NULL;
	if (!r) {
		snprintf(err, errlen, "out of memory");
		return -ENOMEM;
	}
	r->read = read;
	r->ctx = ctx;
	n = fill(r, &h, sizeof(h));
	if (n < 0) {
		e = -EIO;
		snprintf(err, errlen, "it cannot be read: %s", strerror(errno));
	} else if ((size_t)n < sizeof(h)) {
		e = -EBADMSG;
		snprintf(err, errlen, "it is too short for a mispair recording");
	} else {
		e = check_header(&h, err, errlen);
	}
	if (e) {
		free(r);
		return e;
	}
	r->losses = h.layout[LAYOUT_LOSSES];
	*out = r;
	return 0;
}

void rec_close(struct rec_reader *r)
{
	if (!r)
		return;
	free(r->stored);
	free(r->raw);
	free(r);
}

static int tear(struct rec_reader *r, uint64_t at, const char *how)
{
	snprintf(r->problem, sizeof(r->problem), "torn at byte %llu: %s", (unsigned long long)at,
		 how);
	r->done = true;
	return 0;
}

/* A block's raw size is at least what is stored of it. */
static bool make_room(struct rec_reader *r, size_t raw)
{
	if (raw <= r->room)
		return true;
	free(r->stored);
	free(r->raw);
	r->stored = malloc(raw);
	r->raw = malloc(raw);
	r->room = r->stored && r->raw ? raw : 0;
	return r->room != 0;
}

/* 1: raw holds a block. 0: there is none. */
static int next_block(struct rec_reader *r)
{
	uint64_t at = r->offset;
	struct rec_block b;
	ssize_t n = fill(r, &b, sizeof(b));
	size_t unpacked;

	if (!n) {
		r->done = true;
		return 0;
	}
	if (n < 0)
		return tear(r, at, "it cannot be read on");
	if ((size_t)n < sizeof(b))
		return tear(r, at, "the file ends within a block");
	if (b.magic != BLOCK_MAGIC || !b.raw || b.raw > REC_BLOCK_MAX || !b.stored ||
	    b.stored > b.raw)
		return tear(r, at, "no block begins here");
	if (!make_room(r, b.raw))
		return tear(r, at, "out of memory");
	if (fill(r, r->stored, b.stored) != (ssize_t)b.stored)
		return tear(r, at, "the file ends within a block");
	if (!same(b.crc, block_checksum(&b, r->stored)))
		return tear(r, at, "a block's checksum is wrong");
	if (!same((uint32_t)b.seq, (uint32_t)r->seq))
		return tear(r, at, "blocks are missing");
	r->seq++;
	if (b.stored == b.raw) {
		memcpy(r->raw, r->stored, b.raw);
	} else {
		unpacked = ZSTD_decompress(r->raw, b.raw, r->stored, b.stored);
		if (ZSTD_isError(unpacked) || unpacked != b.raw)
			return tear(r, at, "a block cannot be unpacked");
	}
	r->used = b.raw;
	r->at = 0;
	return 1;
}

/* A sample of one that knew fewer losses: those that it did not know were not counted. */
static void widen(struct rec_reader *r, struct rec_view *item)
{
	const size_t head = offsetof(struct item_sample, lost) + r->losses * sizeof(uint64_t);
	const size_t tail = offsetof(struct item_sample, lost) + sizeof(r->sample.lost);

	if (item->kind != ITEM_SAMPLE || r->losses == LOSS_MAX ||
	    item->len != head + sizeof(r->sample) - tail)
		return;
	memset(&r->sample, 0, sizeof(r->sample));
	memcpy(&r->sample, item->body, head);
	memcpy((char *)&r->sample + tail, (const char *)item->body + head, item->len - head);
	item->body = &r->sample;
	item->len = sizeof(r->sample);
}

int rec_next(struct rec_reader *r, struct rec_view *item)
{
	struct rec_item head;

	if (r->done || (r->at >= r->used && !next_block(r)))
		return 0;
	if (r->used - r->at < sizeof(head))
		return tear(r, r->offset, "a block ends within an item");
	memcpy(&head, r->raw + r->at, sizeof(head));
	r->at += sizeof(head);
	if (head.len > r->used - r->at)
		return tear(r, r->offset, "a block ends within an item");
	item->kind = head.kind;
	item->len = head.len;
	item->time_ns = head.time_ns;
	item->body = r->raw + r->at;
	widen(r, item);
	if (item_check(item->kind, item->body, item->len))
		return tear(r, r->offset, "an item is not what it says");
	r->at += (head.len + 7u) & ~7u;
	if (r->at > r->used)
		r->at = r->used;
	return 1;
}

const char *rec_problem(const struct rec_reader *r)
{
	return r->problem[0] ? r->problem : NULL;
}
