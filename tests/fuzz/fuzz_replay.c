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

/* A recording of one block that is not compressed. NULL when it would be none. */
static uint8_t *wrap(const uint8_t *data, size_t size, size_t *len)
{
	struct rec_header h;
	struct rec_block b;
	uint8_t *file;

	if (!size || size > REC_BLOCK_MAX)
		return NULL;
	*len = sizeof(h) + sizeof(b) + size;
	file = malloc(*len);
	if (!file)
		abort();
	rec_header_fill(&h);
	/* A block is begun as any block; then its lengths are put right. */
	{
		char some[256], packed[1024];

		memset(some, 0, sizeof(some));
		if (!rec_block_write(packed, some, sizeof(some), 0, 0))
			abort();
		memcpy(&b, packed, sizeof(b));
	}
	b.stored = b.raw = (uint32_t)size;
	memcpy(file, &h, sizeof(h));
	memcpy(file + sizeof(h), &b, sizeof(b));
	memcpy(file + sizeof(h) + sizeof(b), data, size);
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
	uint8_t *file = NULL;

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
