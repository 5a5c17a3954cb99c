// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mispair replay: the items of a recording instead of a kernel. The sinks cannot tell the
 * difference, so what they say is what they said, byte for byte.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "core.h"
#include "options.h"
#include "recfile.h"
#include "sinks.h"
#include "wallclock.h"

static ssize_t read_fd(void *ctx, void *buf, size_t len)
{
	ssize_t n;

	do {
		n = read(*(int *)ctx, buf, len);
	} while (n < 0 && errno == EINTR);
	return n;
}

/* A recording without its end: what is known so far is decided, and the last line says so. */
static void end_torn(struct core *core, uint64_t last_ns)
{
	struct item_stop stop = {.command_status = -1, .reason = "recording ended"};

	core_input(core, ITEM_FINISH, last_ns, NULL, 0);
	core_input(core, ITEM_STOP, last_ns, &stop, sizeof(stop));
}

/* ---- sinks with a terminal: what happened takes the time that it took ---- */

/* Why a sink wants to end, NULL: go on. */
static const char *done(const struct sinks *s)
{
	const char *why = NULL;
	int i;

	for (i = 0; i < s->n && !why; i++)
		why = s->list[i]->done ? s->list[i]->done(s->list[i]->ctx) : NULL;
	return why;
}

static struct sink *with_terminal(const struct sinks *s)
{
	int i;

	for (i = 0; i < s->n; i++)
		if (s->list[i]->poll_fd && s->list[i]->poll_fd(s->list[i]->ctx) >= 0)
			return s->list[i];
	return NULL;
}

/* Answers keys until it is UNTIL on our own clock; 0: until a sink wants to end. */
static void answer_keys(const struct sinks *sinks, struct sink *s, uint64_t until)
{
	struct pollfd fd = {.fd = s->poll_fd(s->ctx), .events = POLLIN};
	uint64_t now;

	while (!done(sinks)) {
		now = wallclock_read_ns(CLOCK_MONOTONIC);
		if (until && now >= until)
			return;
		if (poll(&fd, 1, until ? (int)((until - now) / 1000000) + 1 : -1) > 0)
			s->ready(s->ctx);
	}
}

static void replay(struct rec_reader *r, struct core *core, const struct sinks *sinks,
		   const char *path)
{
	struct sink *terminal = with_terminal(sinks);
	struct rec_view item;
	uint64_t n = 0, last_ns = 0, ahead = 0;
	bool started = false;

	while (!done(sinks) && rec_next(r, &item)) {
		/* Nothing means anything before the first line, or after the last. */
		if (!started && item.kind != ITEM_START)
			continue;
		if (core_stopped(core))
			break;
		if (terminal && !started)
			ahead = wallclock_read_ns(CLOCK_MONOTONIC) - item.time_ns;
		started = true;
		if (terminal && item.kind == ITEM_TICK)
			answer_keys(sinks, terminal, item.time_ns + ahead);
		/* The stop gives the terminal back: the last picture stays until it was seen. */
		if (terminal && item.kind == ITEM_FINISH)
			answer_keys(sinks, terminal, 0);
		core_input(core, (enum item_kind)item.kind, item.time_ns, item.body, item.len);
		last_ns = item.time_ns;
		n++;
	}
	if (terminal && started && !core_stopped(core))
		answer_keys(sinks, terminal, 0);
	if (rec_problem(r))
		fprintf(stderr, "mispair: %s: %s; what came before it is replayed (%llu items)\n",
			path, rec_problem(r), (unsigned long long)n);
	if (started && !core_stopped(core)) {
		if (!done(sinks))
			fprintf(stderr, "mispair: %s: the recording has no end\n", path);
		end_torn(core, last_ns);
	} else if (!started) {
		fprintf(stderr, "mispair: %s: nothing was recorded\n", path);
	}
}

static int replay_file(const struct options *o, const char *path)
{
	struct sinks sinks = {0};
	struct core_opts co = {.fail_on = o->fail_on, .sinks = &sinks};
	struct rec_reader *r = NULL;
	struct core *core = NULL;
	char err[256];
	int code = EXIT_FAILED, fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		fprintf(stderr, "mispair: cannot open %s: %s\n", path, strerror(errno));
		return EXIT_FAILED;
	}
	if (rec_open(read_fd, &fd, &r, err, sizeof(err))) {
		fprintf(stderr, "mispair: %s: %s\n", path, err);
		goto out;
	}
	if (sinks_open(&sinks, o))
		goto out;
	core = core_new(&co);
	if (!core) {
		fprintf(stderr, "mispair: out of memory\n");
		goto out;
	}
	replay(r, core, &sinks, path);
	code = EXIT_NOTHING;
	if (core_failed_on(core))
		code = o->found_status;
	else if (o->strict && (core_lost(core) || core_blind(core) || rec_problem(r)))
		code = EXIT_LOST;
	if (sinks_failures(&sinks)) {
		fprintf(stderr, "mispair: output was lost\n");
		code = EXIT_FAILED;
	}
out:
	sinks_finish(&sinks);
	core_free(core);
	rec_close(r);
	close(fd);
	return code;
}

int cmd_replay(int argc, char **argv)
{
	struct options o;
	char **word, *none = NULL;
	const char *file;
	int e = options_parse(&o, FOR_REPLAY, argc, argv);

	if (e > 0) {
		puts("usage: mispair replay FILE [top] [OPTION...]\n");
		options_help(stdout, FOR_REPLAY);
		return EXIT_NOTHING;
	}
	if (e)
		return EXIT_USAGE;
	word = o.command;
	o.command = &none;
	if (!word[0]) {
		fprintf(stderr, "mispair: what? try: mispair replay FILE\n");
		return EXIT_USAGE;
	}
	file = word[0];
	if (word[1] && !strcmp(word[1], "top")) {
		top_choose(&o);
		word++;
	}
	if (o.count && !o.batch) {
		fprintf(stderr, "mispair: --count is for batch mode: add -b\n");
		return EXIT_USAGE;
	}
	o.patient = true;
	if (word[1]) {
		fprintf(stderr, "mispair: unexpected word '%s'\n", word[1]);
		return EXIT_USAGE;
	}
	signal(SIGPIPE, SIG_IGN);
	return replay_file(&o, file);
}
