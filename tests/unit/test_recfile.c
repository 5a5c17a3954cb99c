// SPDX-License-Identifier: GPL-2.0-or-later
/* Recordings: what is written is read again, and what is damaged is read up to the damage. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <cmocka.h>

#include "recfile.h"

#define BLOCKS 3
#define ITEMS  40 /* in each block */

struct file {
	size_t len, at, step;
	size_t begins[BLOCKS + 1]; /* of each block, and the end */
	char bytes[65536];
};

static ssize_t read_file(void *ctx, void *buf, size_t len)
{
	struct file *f = ctx;
	size_t n = f->len - f->at < len ? f->len - f->at : len;

	/* Short reads, as a pipe gives them. */
	if (f->step && n > f->step)
		n = f->step;
	memcpy(buf, f->bytes + f->at, n);
	f->at += n;
	return (ssize_t)n;
}

static size_t put_item(char *dst, uint32_t kind, uint64_t now, const void *body, uint32_t len)
{
	struct rec_item head = {.kind = kind, .len = len, .time_ns = now};

	memcpy(dst, &head, sizeof(head));
	if (len)
		memcpy(dst + sizeof(head), body, len);
	memset(dst + sizeof(head) + len, 0, (8 - len % 8) % 8);
	return sizeof(head) + ((len + 7u) & ~7u);
}

static void add_block(struct file *f, const char *raw, size_t len, uint64_t seq)
{
	size_t n = rec_block_write(f->bytes + f->len, raw, len, seq, seq);

	assert_true(n > 0);
	f->len += n;
}

/* Ticks and processes, so that bodies of two lengths follow each other. */
static void build(struct file *f)
{
	struct item_process p = {.info.comm = "python3"};
	uint32_t block, i;
	char raw[16384];

	memset(f, 0, sizeof(*f));
	rec_header_fill((struct rec_header *)(void *)f->bytes);
	f->len = sizeof(struct rec_header);
	for (block = 0; block < BLOCKS; block++) {
		size_t used = 0;

		for (i = 0; i < ITEMS; i += 2) {
			p.pid = block * ITEMS + i;
			used += put_item(raw + used, ITEM_TICK, p.pid, NULL, 0);
			used += put_item(raw + used, ITEM_PROCESS, p.pid + 1, &p, sizeof(p));
		}
		f->begins[block] = f->len;
		add_block(f, raw, used, block);
	}
	f->begins[BLOCKS] = f->len;
}

/* How many items can be read; each is the one that was written. -1: not a recording. */
static int count(struct file *f, char *problem, size_t len)
{
	struct rec_reader *r;
	struct rec_view v;
	char err[256];
	int n = 0;

	f->at = 0;
	if (rec_open(read_file, f, &r, err, sizeof(err))) {
		assert_true(strlen(err) > 0);
		snprintf(problem, len, "%s", err);
		return -1;
	}
	while (rec_next(r, &v)) {
		assert_int_equal(v.kind, n % 2 ? ITEM_PROCESS : ITEM_TICK);
		assert_int_equal(v.time_ns, n);
		assert_int_equal((uintptr_t)v.body % 8, 0);
		if (n % 2)
			assert_int_equal(((const struct item_process *)v.body)->pid, n - 1);
		n++;
	}
	assert_int_equal(rec_next(r, &v), 0);
	snprintf(problem, len, "%s", rec_problem(r) ? rec_problem(r) : "");
	rec_close(r);
	return n;
}

static void what_was_written_is_read_in_pieces_of_any_size(void **state)
{
	static const size_t steps[] = {0, 1, 7, 4096};
	char problem[256];
	struct file f;
	size_t i;

	(void)state;
	build(&f);
	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		f.step = steps[i];
		assert_int_equal(count(&f, problem, sizeof(problem)), BLOCKS * ITEMS);
		assert_string_equal(problem, "");
	}
}

static void a_torn_tail_costs_no_more_than_its_block(void **state)
{
	char problem[256];
	size_t whole, len;
	struct file f;

	(void)state;
	build(&f);
	whole = f.len;
	for (len = sizeof(struct rec_header); len < whole; len++) {
		int block = 0;

		f.len = len;
		while (f.begins[block + 1] <= len)
			block++;
		assert_int_equal(count(&f, problem, sizeof(problem)), block * ITEMS);
		/* Between two blocks nothing shows that there were more. */
		assert_int_equal(problem[0] != 0, len != f.begins[block]);
	}
}

static void every_flipped_bit_is_noticed(void **state)
{
	char problem[256];
	size_t bit;
	struct file f;

	(void)state;
	build(&f);
	for (bit = 0; bit < f.len * 8; bit++) {
		size_t byte = bit / 8;
		int n, block = 0;

		f.bytes[byte] ^= (char)(1 << bit % 8);
		n = count(&f, problem, sizeof(problem));
		assert_true(problem[0]);
		if (byte < sizeof(struct rec_header)) {
			assert_int_equal(n, -1);
		} else {
			while (f.begins[block + 1] <= byte)
				block++;
			assert_int_equal(n, block * ITEMS);
		}
		f.bytes[byte] ^= (char)(1 << bit % 8);
	}
}

static void another_layout_is_refused_with_the_reason(void **state)
{
	struct rec_header *h;
	char problem[256];
	struct file f;

	(void)state;
	build(&f);
	h = (struct rec_header *)(void *)f.bytes;
	h->layout[1] += 8;
	/* Its own checksum is right: it was written so. */
	h->crc = (uint32_t)crc32(0, (void *)h, offsetof(struct rec_header, crc));
	assert_int_equal(count(&f, problem, sizeof(problem)), -1);
	assert_non_null(strstr(problem, "version that recorded it"));
	rec_header_fill(h);
	h->version++;
	assert_int_equal(count(&f, problem, sizeof(problem)), -1);
	assert_non_null(strstr(problem, "format"));
}

/* Losses are appended to; a sample of an older writer has fewer, and all else is as it was. */
static void a_sample_of_fewer_losses_is_read_as_the_same(void **state)
{
	enum { FEWER = 12 };
	const size_t gone = (LOSS_MAX - FEWER) * sizeof(uint64_t);
	struct item_sample s, *got;
	char raw[sizeof(s) + 64], body[sizeof(s)], err[256];
	struct rec_header *h;
	struct rec_reader *r;
	struct rec_view v;
	struct file f;
	size_t i, head;

	(void)state;
	memset(&s, 0, sizeof(s));
	for (i = 0; i < FEWER; i++)
		s.lost[i] = 100 + i;
	s.counters[CNT_MAX - 1] = 7;
	s.cpu_ns = 8;
	s.rss_bytes = 9;
	memset(&f, 0, sizeof(f));
	h = (struct rec_header *)(void *)f.bytes;
	rec_header_fill(h);
	for (i = 0; i < REC_LAYOUT_MAX; i++) {
		if (h->layout[i] == sizeof(s))
			h->layout[i] -= (uint32_t)gone;
		else if (h->layout[i] == LOSS_MAX)
			h->layout[i] = FEWER;
	}
	h->crc = (uint32_t)crc32(0, (void *)h, offsetof(struct rec_header, crc));
	f.len = sizeof(*h);
	head = offsetof(struct item_sample, lost) + FEWER * sizeof(uint64_t);
	memcpy(body, &s, head);
	memcpy(body + head, (char *)&s + head + gone, sizeof(s) - head - gone);
	add_block(&f, raw, put_item(raw, ITEM_SAMPLE, 1, body, (uint32_t)(sizeof(s) - gone)), 0);

	assert_int_equal(rec_open(read_file, &f, &r, err, sizeof(err)), 0);
	assert_int_equal(rec_next(r, &v), 1);
	assert_int_equal(v.kind, ITEM_SAMPLE);
	assert_int_equal(v.len, sizeof(s));
	got = (struct item_sample *)(uintptr_t)v.body;
	assert_memory_equal(got, &s, sizeof(s));
	assert_int_equal(rec_next(r, &v), 0);
	assert_null(rec_problem(r));
	rec_close(r);
	/* One that knows more has counted what we could not tell. */
	h->layout[21] = LOSS_MAX + 1;
	h->layout[22] = (uint32_t)sizeof(s) + 8;
	h->crc = (uint32_t)crc32(0, (void *)h, offsetof(struct rec_header, crc));
	f.at = 0;
	assert_int_equal(rec_open(read_file, &f, &r, err, sizeof(err)), -EBADMSG);
}

static void a_missing_block_is_noticed(void **state)
{
	char problem[256];
	struct file f;

	(void)state;
	build(&f);
	memmove(f.bytes + f.begins[1], f.bytes + f.begins[2], f.len - f.begins[2]);
	f.len -= f.begins[2] - f.begins[1];
	assert_int_equal(count(&f, problem, sizeof(problem)), ITEMS);
	assert_non_null(strstr(problem, "missing"));
	/* The flight recorder closes such holes. */
	rec_block_renumber(f.bytes + f.begins[1], 1);
	f.at = 0;
	{
		struct rec_reader *r;
		struct rec_view v;
		int n = 0;

		assert_int_equal(rec_open(read_file, &f, &r, problem, sizeof(problem)), 0);
		while (rec_next(r, &v))
			n++;
		assert_null(rec_problem(r));
		assert_int_equal(n, 2 * ITEMS);
		rec_close(r);
	}
}

/* Blocks whose checksums are right and whose items are not: a hostile hand. */
static void items_that_lie_are_not_handed_out(void **state)
{
	struct ev_head head = {.kind = EV_EXIT, .size = sizeof(head)};
	struct ev_head step = {.kind = EV_STEP, .size = sizeof(step)};
	struct item_start start = {.n_hooks = START_HOOKS + 1};
	static const char text[256];
	const struct {
		uint32_t kind, len, claimed;
		const void *body;
	} lies[] = {
		{0, 0, 0, NULL},
		{ITEM_MAX, 0, 0, NULL},
		{0xffffffff, 0, 0, NULL},
		{ITEM_TICK, 8, 8, text},
		{ITEM_TICK, 0, 1, NULL},
		{ITEM_TICK, 0, 0xffffffff, NULL},
		{ITEM_PROCESS, 8, 8, text},
		{ITEM_SAMPLE, 8, 8, text},
		{ITEM_ROW, 0, 0, NULL},
		{ITEM_EVENT, 8, 8, &head},
		{ITEM_EVENT, sizeof(head), sizeof(head), &step},
		{ITEM_START, sizeof(start), sizeof(start), &start},
		{ITEM_START, 8, 8, text},
	};
	char raw[1024], problem[256];
	struct file f;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		size_t used = put_item(raw, ITEM_TICK, 0, NULL, 0), at = used;

		used += put_item(raw + used, lies[i].kind, 1, lies[i].body, lies[i].len);
		memcpy(raw + at + 4, &lies[i].claimed, 4);
		build(&f);
		f.len = sizeof(struct rec_header);
		add_block(&f, raw, used, 0);
		assert_int_equal(count(&f, problem, sizeof(problem)), 1);
		assert_true(problem[0]);
	}
}

static void a_start_is_read_as_it_was_written(void **state)
{
	static const char *const names[] = {"sock_send_length", "sock_recv_length", NULL};
	const char *hooks[START_HOOKS + 1];
	struct item_start fixed = {.wall_offset_ns = 77, .ledgers = 1};
	struct start_info in = {.version = "0.1.0",
				.kernel = "6.18",
				.tier = "tp_btf",
				.hooks = names,
				.filters = "--port 1",
				.host = "h1",
				.degraded = 1u << (DEGRADED_MAX - 1) | 1},
			  out;
	char *body = malloc(ITEM_BODY_MAX), *words = malloc(2 * ITEM_BODY_MAX);
	size_t len, cut;

	(void)state;
	assert_true(body && words);
	len = item_start_write(body, ITEM_BODY_MAX, &fixed, &in);
	assert_int_equal(item_check(ITEM_START, body, len), 0);
	for (cut = 0; cut < len; cut++)
		assert_int_equal(item_check(ITEM_START, body, cut), -EBADMSG);
	item_start_read(body, &out, hooks);
	assert_string_equal(out.version, "0.1.0");
	assert_string_equal(out.kernel, "6.18");
	assert_string_equal(out.tier, "tp_btf");
	assert_string_equal(out.filters, "--port 1");
	assert_string_equal(out.host, "h1");
	assert_null(out.command);
	assert_int_equal(out.degraded, in.degraded);
	assert_string_equal(out.hooks[1], "sock_recv_length");
	assert_null(out.hooks[2]);
	assert_int_equal(out.wall_offset_ns, 77);
	/* A command line of any length leaves room for the rest. */
	memset(words, 'x', 2 * ITEM_BODY_MAX - 1);
	words[2 * ITEM_BODY_MAX - 1] = 0;
	in.command = words;
	len = item_start_write(body, ITEM_BODY_MAX, &fixed, &in);
	assert_int_equal(item_check(ITEM_START, body, len), 0);
	item_start_read(body, &out, hooks);
	assert_true(strlen(out.command) > ITEM_BODY_MAX / 2);
	assert_string_equal(out.hooks[1], "sock_recv_length");
	free(body);
	free(words);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_written_is_read_in_pieces_of_any_size),
		cmocka_unit_test(a_torn_tail_costs_no_more_than_its_block),
		cmocka_unit_test(every_flipped_bit_is_noticed),
		cmocka_unit_test(another_layout_is_refused_with_the_reason),
		cmocka_unit_test(a_sample_of_fewer_losses_is_read_as_the_same),
		cmocka_unit_test(a_missing_block_is_noticed),
		cmocka_unit_test(items_that_lie_are_not_handed_out),
		cmocka_unit_test(a_start_is_read_as_it_was_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
