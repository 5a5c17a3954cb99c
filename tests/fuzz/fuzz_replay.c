// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libFuzzer target for `mispair replay`: the reader, the core, the correlator behind it and both
 * sinks. An input that begins as a recording does is read as one; any other is the items of a
 * block, so that mutations need not get past lengths and compression. Checksums are not looked at.
 *
 * With MISPAIR_FUZZ_SEEDS=DIR and recordings as arguments it writes their items to DIR instead, as
 * inputs to begin with, and ends.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core.h"
#include "recfile.h"
#include "sink_ndjson.h"
#include "sink_text.h"

struct input {
	const uint8_t *data;
	size_t len, at;
};

static struct sinks sinks;

static ssize_t read_input(void *ctx, void *buf, size_t len)
{
	struct input *in = ctx;
	size_t n = in->len - in->at < len ? in->len - in->at : len;

	memcpy(buf, in->data + in->at, n);
	in->at += n;
	return (ssize_t)n;
}

static bool is_recording(const uint8_t *data, size_t size)
{
	return size >= 8 && !memcmp(data, "MISPAIR\x1a", 8);
}

/* What stands before the items of the first block, but for their length. */
static struct {
	struct rec_header h;
	struct rec_block b;
} front;

static void make_front(void)
{
	char some[256] = {0}, packed[1024];

	rec_header_fill(&front.h);
	if (!rec_block_write(packed, some, sizeof(some), 0, 0))
		abort();
	memcpy(&front.b, packed, sizeof(front.b));
}

/* A recording of one block that is not compressed. NULL when it would be none. */
static uint8_t *wrap(const uint8_t *data, size_t size, size_t *len)
{
	uint8_t *file;

	if (!size || size > REC_BLOCK_MAX)
		return NULL;
	*len = sizeof(front) + size;
	file = malloc(*len);
	if (!file)
		abort();
	front.b.stored = front.b.raw = (uint32_t)size;
	memcpy(file, &front, sizeof(front));
	memcpy(file + sizeof(front), data, size);
	return file;
}

static void replay(struct input *in)
{
	struct item_stop stop = {.command_status = -1, .reason = "end"};
	struct core_opts co = {.fail_on = VERDICT_REUSED, .sinks = &sinks};
	struct rec_reader *r;
	struct rec_view v;
	struct core *core;
	char err[256];

	if (rec_open(read_input, in, &r, err, sizeof(err)))
		return;
	core = core_new(&co);
	if (!core)
		abort();
	while (rec_next(r, &v))
		core_input(core, (enum item_kind)v.kind, v.time_ns, v.body, v.len);
	core_input(core, ITEM_FINISH, 0, NULL, 0);
	core_input(core, ITEM_STOP, 0, &stop, sizeof(stop));
	core_free(core);
	rec_close(r);
}

/* Pieces of a few items: small inputs mutate faster. */
static void write_seeds(const char *dir, const char *path)
{
	static int number;
	struct rec_reader *r;
	struct rec_view v;
	struct input in = {0};
	char err[256], name[512];
	uint8_t *data = malloc(1 << 20), *items = malloc(1 << 20);
	size_t used = 0;
	FILE *f = fopen(path, "rb");

	if (!f || !data || !items)
		abort();
	in.data = data;
	in.len = fread(data, 1, 1 << 20, f);
	fclose(f);
	if (rec_open(read_input, &in, &r, err, sizeof(err))) {
		fprintf(stderr, "%s: %s\n", path, err);
		exit(1);
	}
	for (bool more = true; more;) {
		more = rec_next(r, &v) == 1;
		if (used && (!more || used + v.len + 24 > 4096)) {
			snprintf(name, sizeof(name), "%s/seed-%d", dir, number++);
			f = fopen(name, "wb");
			if (!f || fwrite(items, 1, used, f) != used || fclose(f))
				abort();
			used = 0;
		}
		if (more) {
			struct rec_item head = {.kind = v.kind, .len = v.len, .time_ns = v.time_ns};

			memcpy(items + used, &head, sizeof(head));
			memcpy(items + used + sizeof(head), v.body, v.len);
			used += sizeof(head) + ((v.len + 7u) & ~7u);
		}
	}
	rec_close(r);
	free(data);
	free(items);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct sink_text_opts t = {.show_timeline = true};
	const char *seeds = getenv("MISPAIR_FUZZ_SEEDS");
	char err[256];
	int i;

	if (seeds) {
		for (i = 1; i < *argc; i++)
			write_seeds(seeds, (*argv)[i]);
		exit(0);
	}
	make_front();
	if (sink_ndjson_new("/dev/null", &sinks.json, err, sizeof(err)))
		abort();
	sinks.text = sink_text_new(fopen("/dev/null", "w"), &t);
	sinks.list[sinks.n++] = sinks.json;
	sinks.list[sinks.n++] = sinks.text;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {.data = data, .len = size};
	uint8_t *file = NULL, sum = 0;

	/* Sinks are nine tenths of the time: one input in eight speaks. */
	for (size_t i = 0; i < size; i++)
		sum += data[i];
	sinks.n = sum % 8 == 0 ? 2 : 0;
	if (!is_recording(data, size)) {
		file = wrap(data, size, &in.len);
		if (!file)
			return 0;
		in.data = file;
	}
	replay(&in);
	free(file);
	return 0;
}

/* ---- mutations that keep items whole: most others end at the first item's length ---- */

/* Where items begin, as far as DATA has whole ones. */
static size_t find_items(const uint8_t *data, size_t size, size_t *begins, size_t max)
{
	struct rec_item head;
	size_t at = 0, n = 0, len;

	while (n + 1 < max && size - at >= sizeof(head)) {
		memcpy(&head, data + at, sizeof(head));
		len = sizeof(head) + (((size_t)head.len + 7) & ~(size_t)7);
		if (len > size - at)
			break;
		begins[n++] = at;
		at += len;
	}
	begins[n] = at;
	return n;
}

/* Bytes of a body or its time; its kind and length stay. */
static void mutate_body(uint8_t *item, size_t len)
{
	size_t skip = 8, n = len - skip, from = skip, some;

	/* A few bytes of a record of hundreds: else nothing that means anything is left of it. */
	if (n > 16) {
		from += (size_t)rand() % (n - 8);
		n = len - from < 8 ? len - from : 8;
	}
	some = LLVMFuzzerMutate(item + from, n, n);
	(void)some;
}

/* An item of any kind, of the length that its kind has, with nothing in it. */
static size_t new_item(uint8_t *dst)
{
	static const size_t sizes[ITEM_MAX] = {
		[ITEM_EVENT] = sizeof(struct ev_step),
		[ITEM_PROCESS] = sizeof(struct item_process),
		[ITEM_RUNTIME] = sizeof(struct runtime_report),
		[ITEM_SAMPLE] = sizeof(struct item_sample),
		[ITEM_ROW] = sizeof(struct item_row),
		[ITEM_STOP] = sizeof(struct item_stop),
		[ITEM_COVERAGE] = sizeof(struct item_coverage),
	};
	struct rec_item head = {.kind = ITEM_EVENT + (uint32_t)rand() % (ITEM_MAX - ITEM_EVENT)};
	struct ev_head ev = {.kind = rand() % 2 ? EV_STEP : EV_LEDGER};

	if (rand() % 2)
		head.kind = rand() % 2 ? ITEM_EVENT : ITEM_ROW;
	head.len = (uint32_t)sizes[head.kind];
	ev.size = head.len;
	memcpy(dst, &head, sizeof(head));
	memset(dst + sizeof(head), 0, (head.len + 7u) & ~7u);
	if (head.kind == ITEM_EVENT)
		memcpy(dst + sizeof(head), &ev, sizeof(ev));
	return sizeof(head) + ((head.len + 7u) & ~7u);
}

static size_t insert(uint8_t *data, size_t size, size_t max, size_t at, const uint8_t *item,
		     size_t len)
{
	if (size + len > max)
		return size;
	memmove(data + at + len, data + at, size - at);
	memcpy(data + at, item, len);
	return size + len;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	static uint8_t item[REC_BLOCK_MAX];
	size_t begins[256], n, i, j, len;

	srand(seed);
	n = is_recording(data, size) ? 0 : find_items(data, size, begins, 256);
	if (!n || rand() % 16 == 0)
		return LLVMFuzzerMutate(data, size, max);
	i = (size_t)rand() % n;
	j = begins[(size_t)rand() % (n + 1)];
	len = begins[i + 1] - begins[i];
	switch (rand() % 6) {
	case 0:
		memcpy(item, data + begins[i], len);
		return insert(data, size, max, j, item, len);
	case 1:
		len = new_item(item);
		return insert(data, size, max, j, item, len);
	case 2: /* gone */
		if (n == 1)
			break;
		memmove(data + begins[i], data + begins[i + 1], size - begins[i + 1]);
		return size - len;
	}
	mutate_body(data + begins[i], len);
	return size;
}
