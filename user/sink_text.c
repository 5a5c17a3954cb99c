// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Text sink: one line a finding, its chart under it if asked for, a summary at the end.
 *
 * Invariants: strings of other processes only pass through row_user(); colour repeats what a word
 * already says; what was lost is said even when quiet.
 */
#include "sink_text.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "text_chart.h"
#include "text_row.h"
#include "wallclock.h"

/* Columns of a finding's line. The label's is as wide as "REUSED outstanding". */
#define W_LABEL	      18
#define W_CONFIDENCE  7
/* These two grow with what was seen, up to a point, so that lines stay below each other. */
#define W_PROCESS_MIN 16
#define W_PROCESS_MAX 28
#define W_PEER_MIN    21
#define W_PEER_MAX    44

/* Kinds of runtimes that are remembered under `run`. */
#define RUNTIMES_SAID 64

struct text {
	struct sink sink;
	FILE *out;
	struct sink_text_opts o;
	uint64_t wall_offset;
	uint64_t failures;
	int err; /* of the event in hand: 0 or -errno */
	bool dead;
	bool gap;     /* the last line written is empty */
	bool command; /* mispair run: a runtime is said once, not for each process */
	uint32_t said[RUNTIMES_SAID];
	size_t n_said;
	size_t w_process, w_peer;
};

/* Why a process is not watched in full, in a few words (coverage_sentence() has all of them). */
static const char *const coverage_reason_words[COVERED_REASONS] = {
	[COVERED_NOT_KNOWN] = "not known",
	[COVERED_TASKS] = "tasks",
	[COVERED_GOROUTINES] = "goroutines",
	[COVERED_THREADS] = "threads",
	[COVERED_UNPROVED] = "no live task was seen to send",
	[COVERED_LAYOUT] = "this version's tasks cannot be read",
	[COVERED_PROBED] = "tasks are known by probes alone",
	[COVERED_NO_OWNERS] = "its tasks are not known as owners",
	[COVERED_LOOP] = "an event loop may work for many",
	[COVERED_RUNTIME] = "its runtime is neither readable nor probed",
	[COVERED_STARTING] = "its runtime had not begun",
	[COVERED_UNREADABLE] = "its mappings could not be read",
	[COVERED_GONE] = "ended before it could be looked into",
	[COVERED_NO_ROOM] = "no room for it",
	[COVERED_ADOPTED] = "older than the run, never at rest",
	[COVERED_GAP] = "evidence was lost on all connections",
};

/* ---- pieces of lines ---- */

static void begin(const struct text *t, struct row *r)
{
	row_start(r, t->o.ascii, t->o.color);
}

static void end(struct text *t, const struct row *r)
{
	int ret = row_write(r, t->out);

	t->gap = !r->len;
	if (!t->err)
		t->err = ret;
}

/* Ends an event: people watch live, so it is flushed; a failure counts once for all its lines. */
static void flush(struct text *t)
{
	if (fflush(t->out) && !t->err)
		t->err = -errno;
	if (t->err == -EPIPE)
		t->dead = true;
	else if (t->err)
		t->failures++;
	if (t->err)
		clearerr(t->out);
	t->err = 0;
}

static void put_time(const struct text *t, struct row *r, uint64_t time_ns)
{
	uint64_t wall = time_ns + t->wall_offset;
	time_t sec = (time_t)(wall / WALLCLOCK_NS_PER_SEC);
	char hms[16] = "--:--:--";
	struct tm tm;

	if (localtime_r(&sec, &tm))
		strftime(hms, sizeof(hms), "%H:%M:%S", &tm);
	row_fmt(r, "%s.%03u ", hms, (unsigned int)(wall % WALLCLOCK_NS_PER_SEC / 1000000));
}

static void put_upper(struct row *r, const char *word)
{
	char letter[2] = "";

	for (; *word; word++) {
		letter[0] = (char)toupper((unsigned char)*word);
		row_put(r, letter);
	}
}

static void put_process(struct row *r, const char *name, size_t max, uint32_t pid)
{
	if (name[0])
		row_user(r, name, max);
	else
		row_put(r, "?");
	row_fmt(r, "[%" PRIu32 "]", pid);
}

static void put_peer(struct row *r, enum transport transport, const char *addr, uint16_t port,
		     const char *protocol)
{
	bool v6 = memchr(addr, ':', strnlen(addr, PEER_TEXT));

	if (transport == TRANSPORT_UNIX)
		row_put(r, "unix:");
	else if (v6)
		row_put(r, "[");
	if (addr[0])
		row_user(r, addr, PEER_TEXT);
	else
		row_put(r, "?");
	if (transport != TRANSPORT_UNIX)
		row_fmt(r, "%s:%u", v6 ? "]" : "", port);
	if (protocol) {
		row_put(r, " (");
		row_user(r, protocol, SIZE_MAX);
		row_put(r, ")");
	}
}

/* Ends a column. The widest so far, within its limit, sets the width of the lines to come. */
static void end_column(struct row *r, size_t start, size_t *width, size_t max)
{
	size_t used = r->col - start;

	if (used > *width && used <= max)
		*width = used;
	row_pad(r, start + *width);
	row_put(r, "  ");
}

static void put_owners(struct row *r, const struct finding *f)
{
	const char *prev = f->owner_prev, *next = f->owner_next;

	if (!prev[0] && !next[0])
		return;
	if (prev[0])
		row_user(r, prev, owner_telling_len(prev, next));
	else
		row_put(r, "?");
	if (next[0]) {
		row_put(r, r->ascii ? " -> " : " → ");
		row_user(r, next, owner_telling_len(next, prev));
	}
	row_put(r, "  ");
}

/* "REUSED outstanding certain", in its own columns. */
static void put_label(struct row *r, enum verdict verdict, enum reuse_kind reuse,
		      enum confidence confidence)
{
	bool alarm = verdict == VERDICT_REUSED && confidence >= CONF_LIKELY;
	bool graded = verdict >= VERDICT_ABANDONED;
	size_t start = r->col;

	if (graded) {
		row_color(r, alarm ? SGR_ALARM : SGR_WARN);
		put_upper(r, verdict_names[verdict]);
	} else {
		row_put(r, verdict_names[verdict]);
	}
	if (reuse > REUSE_NONE && reuse < REUSE_MAX)
		row_fmt(r, " %s", reuse_names[reuse]);
	row_pad(r, start + W_LABEL + 1);
	if (confidence > CONF_NONE && confidence < CONF_MAX)
		row_put(r, confidence_names[confidence]);
	if (graded)
		row_color(r, NULL);
	row_pad(r, start + W_LABEL + 1 + W_CONFIDENCE + 2);
}

/* ---- events ---- */

static void on_finding(void *ctx, const struct finding *f)
{
	bool graded = f->verdict >= VERDICT_ABANDONED;
	struct text *t = ctx;
	size_t start;
	struct row r;

	if (t->dead || f->verdict == VERDICT_NONE || f->verdict >= VERDICT_MAX ||
	    (t->o.quiet && !graded))
		return;
	begin(t, &r);
	if (!graded)
		row_color(&r, SGR_DIM);
	put_time(t, &r, f->time_ns);
	put_label(&r, f->verdict, f->reuse, f->confidence);
	start = r.col;
	if (f->exe_name[0])
		put_process(&r, f->exe_name, sizeof(f->exe_name), f->pid);
	else
		put_process(&r, f->comm, sizeof(f->comm), f->pid);
	end_column(&r, start, &t->w_process, W_PROCESS_MAX);
	start = r.col;
	put_peer(&r, f->transport, f->peer_addr, f->peer_port, f->protocol);
	end_column(&r, start, &t->w_peer, W_PEER_MAX);
	put_owners(&r, f);
	if (f->owed)
		row_fmt(&r, "owed %" PRIu64 "  ", f->owed);
	if (f->unread_bytes)
		row_fmt(&r, "unread %" PRIu64 " B  ", f->unread_bytes);
	if (f->residue_bytes)
		row_fmt(&r, "residue %" PRIu64 " B  ", f->residue_bytes);
	row_fmt(&r, "asked %" PRIu64 " got %" PRIu64, f->requests, f->replies);
	if (f->verdict == VERDICT_UNOBSERVED && f->reason[0]) {
		row_put(&r, "  ");
		row_user(&r, f->reason, sizeof(f->reason));
	}
	if (f->update)
		row_fmt(&r, "  %" PRIu64 " more, %" PRIu64 " so far", f->count, f->total);
	if (!graded)
		row_color(&r, NULL);
	end(t, &r);
	if (graded && t->o.show_timeline && !f->update) {
		int ret = text_chart_draw(t->out, f, t->o.ascii, t->o.color);

		t->gap = true;
		if (!t->err)
			t->err = ret;
	}
	flush(t);
}

/* So many of a second that they are not told one by one. */
static void on_finding_sum(void *ctx, const struct finding_sum *s)
{
	bool graded = s->verdict >= VERDICT_ABANDONED;
	struct text *t = ctx;
	size_t start;
	struct row r;

	if (t->dead || s->verdict == VERDICT_NONE || s->verdict >= VERDICT_MAX ||
	    (t->o.quiet && !graded))
		return;
	begin(t, &r);
	if (!graded)
		row_color(&r, SGR_DIM);
	put_time(t, &r, s->time_ns);
	put_label(&r, s->verdict, s->reuse, s->confidence);
	start = r.col;
	if (s->exe_name[0])
		put_process(&r, s->exe_name, sizeof(s->exe_name), s->pid);
	else
		put_process(&r, s->comm, sizeof(s->comm), s->pid);
	end_column(&r, start, &t->w_process, W_PROCESS_MAX);
	row_fmt(&r, "%" PRIu64 " more, on %" PRIu64 " connections not told one by one", s->count,
		s->connections);
	if (!graded)
		row_color(&r, NULL);
	end(t, &r);
	flush(t);
}

static void on_start(void *ctx, const struct start_info *info)
{
	struct text *t = ctx;
	size_t hooks = 0;
	struct row r;
	int i;

	if (info->has_wall_offset)
		t->wall_offset = info->wall_offset_ns;
	t->command = info->command != NULL;
	if (t->dead || t->o.quiet)
		return;
	while (info->hooks && info->hooks[hooks])
		hooks++;
	begin(t, &r);
	row_put(&r, "mispair ");
	row_user(&r, info->version ? info->version : "?", SIZE_MAX);
	row_put(&r, " on Linux ");
	row_user(&r, info->kernel, sizeof(info->kernel));
	row_put(&r, ", ");
	row_user(&r, info->tier ? info->tier : "no", SIZE_MAX);
	row_fmt(&r, " hooks (%zu)", hooks);
	if (info->filters && info->filters[0]) {
		row_put(&r, ", only ");
		row_user(&r, info->filters, SIZE_MAX);
	}
	for (i = 0; i < DEGRADED_MAX; i++) {
		if (!(info->degraded & 1u << i))
			continue;
		row_put(&r, info->degraded & ((1u << i) - 1) ? " " : ", in part: ");
		row_put(&r, degraded_names[i]);
	}
	if (info->command) {
		row_put(&r, ", running ");
		row_user(&r, info->command, SIZE_MAX);
	}
	end(t, &r);
	flush(t);
}

static uint32_t mixed(uint32_t hash, const char *s, size_t len)
{
	for (; len && *s; s++, len--)
		hash = (hash ^ (unsigned char)*s) * 16777619; /* FNV-1a */
	return (hash ^ 0xff) * 16777619;
}

/*
 * A command may start the same compiler a hundred times: what runs it, which version, and what is
 * known of it is a line the first time.
 */
static bool said_before(struct text *t, const struct runtime_report *rt)
{
	uint32_t hash = 2166136261;
	size_t i;

	hash = mixed(hash, rt->runtime, sizeof(rt->runtime));
	hash = mixed(hash, rt->version, sizeof(rt->version));
	hash = mixed(hash, rt->evidence, sizeof(rt->evidence));
	hash = mixed(hash, rt->note, sizeof(rt->note));
	for (i = 0; i < t->n_said; i++)
		if (t->said[i] == hash)
			return true;
	if (t->n_said < RUNTIMES_SAID)
		t->said[t->n_said++] = hash;
	return false;
}

static void on_runtime(void *ctx, const struct runtime_report *rt)
{
	struct text *t = ctx;
	size_t start;
	struct row r;

	if (t->dead || t->o.quiet || (t->command && said_before(t, rt)))
		return;
	begin(t, &r);
	row_color(&r, SGR_DIM);
	put_time(t, &r, rt->time_ns);
	start = r.col;
	row_put(&r, "runtime");
	row_pad(&r, start + W_LABEL + 1 + W_CONFIDENCE + 2);
	start = r.col;
	put_process(&r, rt->comm, sizeof(rt->comm), rt->pid);
	end_column(&r, start, &t->w_process, W_PROCESS_MAX);
	row_user(&r, rt->runtime, sizeof(rt->runtime));
	row_put(&r, " ");
	row_user(&r, rt->version, sizeof(rt->version));
	if (rt->evidence[0]) {
		row_put(&r, "  evidence: ");
		row_user(&r, rt->evidence, sizeof(rt->evidence));
	}
	if (rt->note[0]) {
		row_put(&r, "  (");
		row_user(&r, rt->note, sizeof(rt->note));
		row_put(&r, ")");
	}
	row_color(&r, NULL);
	end(t, &r);
	flush(t);
}

static void on_socket(void *ctx, const struct socket_report *s)
{
	struct text *t = ctx;
	size_t start;
	struct row r;

	if (t->dead || t->o.quiet)
		return;
	begin(t, &r);
	put_time(t, &r, s->time_ns);
	start = r.col;
	row_fmt(&r, "ledger %s", s->open ? "open" : "ended");
	row_pad(&r, start + W_LABEL + 1 + W_CONFIDENCE + 2);
	start = r.col;
	put_process(&r, s->comm, sizeof(s->comm), s->pid);
	end_column(&r, start, &t->w_process, W_PROCESS_MAX);
	start = r.col;
	put_peer(&r, s->transport, s->peer_addr, s->peer_port, NULL);
	end_column(&r, start, &t->w_peer, W_PEER_MAX);
	row_fmt(&r, "asked %" PRIu64 " got %" PRIu64, s->requests, s->replies);
	row_fmt(&r, "  sent %" PRIu64 " B received %" PRIu64 " B", s->tx_bytes, s->rx_bytes);
	row_put(&r, s->adopted ? "  adopted" : "");
	row_put(&r, s->multiplexed ? "  multiplexed" : "");
	row_put(&r, s->unobserved ? "  unobserved" : "");
	end(t, &r);
	flush(t);
}

static void on_lost(void *ctx, uint64_t time_ns, enum loss cause, uint64_t count, uint64_t total)
{
	struct text *t = ctx;
	size_t start;
	struct row r;

	if (t->dead)
		return;
	begin(t, &r);
	put_time(t, &r, time_ns);
	start = r.col;
	row_color(&r, SGR_ALARM);
	row_fmt(&r, "LOST %s", cause < LOSS_MAX ? loss_names[cause] : "unknown");
	row_color(&r, NULL);
	row_pad(&r, start + W_LABEL + 1 + W_CONFIDENCE + 2);
	row_fmt(&r, "%" PRIu64 " now, %" PRIu64 " in all", count, total);
	if (cause < LOSS_MAX)
		row_fmt(&r, ": %s", loss_words[cause]);
	if (cause < LOSS_MAX && *loss_hides[cause])
		row_fmt(&r, "; this hides %s", loss_hides[cause]);
	end(t, &r);
	flush(t);
}

static void on_throttled(void *ctx, const struct throttled_report *r)
{
	struct text *t = ctx;
	struct row row;
	size_t start;

	if (t->dead)
		return;
	begin(t, &row);
	put_time(t, &row, r->time_ns);
	start = row.col;
	row_color(&row, SGR_ALARM);
	row_fmt(&row, "LOST %s", loss_names[LOSS_THROTTLED]);
	row_color(&row, NULL);
	row_pad(&row, start + W_LABEL + 1 + W_CONFIDENCE + 2);
	row_fmt(&row, "%" PRIu64 " now, %" PRIu64 " in all: of ", r->count, r->total);
	if (r->exe_name[0])
		put_process(&row, r->exe_name, sizeof(r->exe_name), r->pid);
	else
		put_process(&row, r->comm, sizeof(r->comm), r->pid);
	row_fmt(&row, ", user %" PRIu32, r->uid);
	end(t, &row);
	flush(t);
}

/* ---- the summary ---- */

#define W_SUMMARY 17

__attribute__((format(printf, 3, 4))) static void summary_line(struct text *t, const char *what,
							       const char *fmt, ...)
{
	char words[192];
	struct row r;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	begin(t, &r);
	row_fmt(&r, "  %s", what);
	row_pad(&r, W_SUMMARY);
	row_put(&r, words);
	end(t, &r);
}

/* That there is nothing, and that nobody could look, are two answers. */
static const char *nothing_found(const struct coverage_counts *c)
{
	if (c->all[COVERAGE_BLIND])
		return "none where it could look: see `watched`";
	if (c->all[COVERAGE_THREAD])
		return "none; where only threads are watched, tasks may hide some";
	return "none";
}

static void summary_findings(struct text *t, const struct run_stats *s)
{
	static const enum confidence order[] = {CONF_CERTAIN, CONF_LIKELY, CONF_SUSPECT};
	uint64_t total = 0;
	struct row r;
	size_t i;
	int v, c;

	for (v = VERDICT_ABANDONED; v < VERDICT_MAX; v++) {
		for (c = CONF_NONE; c < CONF_MAX; c++)
			total += s->findings[v][c];
	}
	if (!total) {
		summary_line(t, "findings", "%s", nothing_found(&s->coverage));
		return;
	}
	begin(t, &r);
	row_put(&r, "  findings");
	row_pad(&r, W_SUMMARY);
	for (i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		row_fmt(&r, "%12s", confidence_names[order[i]]);
	end(t, &r);
	/* Worst first. */
	for (v = VERDICT_MAX - 1; v >= VERDICT_ABANDONED; v--) {
		bool any = false;

		for (c = CONF_NONE; c < CONF_MAX; c++)
			any |= s->findings[v][c] != 0;
		if (!any)
			continue;
		begin(t, &r);
		row_put(&r, "    ");
		row_color(&r, v == VERDICT_REUSED ? SGR_ALARM : SGR_WARN);
		put_upper(&r, verdict_names[v]);
		row_color(&r, NULL);
		row_pad(&r, W_SUMMARY);
		for (i = 0; i < sizeof(order) / sizeof(order[0]); i++)
			row_fmt(&r, "%12" PRIu64, s->findings[v][order[i]]);
		if (s->findings[v][CONF_NONE])
			row_fmt(&r, "  and %" PRIu64 " ungraded", s->findings[v][CONF_NONE]);
		end(t, &r);
	}
}

/* Returns false if nothing was lost. */
static bool summary_losses(struct text *t, const struct run_stats *s)
{
	bool any = false, evidence = false;
	struct row r;
	int c;

	for (c = 0; c < LOSS_MAX; c++) {
		if (!s->lost[c])
			continue;
		/* A line that was not written is no gap in what we know. */
		evidence |= c != LOSS_SINK && strncmp(loss_hides[c], "nobody", 6) != 0;
		begin(t, &r);
		row_put(&r, "  ");
		row_color(&r, SGR_ALARM);
		row_put(&r, any ? "" : "LOST");
		row_pad(&r, W_SUMMARY);
		row_fmt(&r, "%12" PRIu64 "  %s", s->lost[c], loss_names[c]);
		row_color(&r, NULL);
		row_fmt(&r, ": %s", loss_words[c]);
		if (*loss_hides[c])
			row_fmt(&r, "; this hides %s", loss_hides[c]);
		end(t, &r);
		any = true;
	}
	if (evidence)
		summary_line(t, "",
			     "Sockets that this concerns are called unobserved; findings on them "
			     "may be missing.");
	return any;
}

#define GROUPS_SHOWN 3

/* "by thread   2 node (no_owners), 1 ..." */
static void summary_groups(struct text *t, const struct stop_info *stop, enum coverage_level level,
			   const char *what)
{
	const struct coverage_counts *c = &stop->stats.coverage;
	size_t i, shown = 0;
	uint64_t left = c->all[level];
	struct row r;

	if (!left)
		return;
	begin(t, &r);
	row_pad(&r, W_SUMMARY);
	row_put(&r, what);
	for (i = 0; i < stop->n_groups && shown < GROUPS_SHOWN; i++) {
		const struct coverage_group *g = &stop->groups[i];

		if (g->v.level != level || !g->name[0])
			continue;
		row_put(&r, shown++ ? ", " : " ");
		row_user(&r, g->name, sizeof(g->name));
		if (g->processes > 1)
			row_fmt(&r, " x%" PRIu64, g->processes);
		row_fmt(&r, " (%s)", coverage_reason_words[g->v.reason]);
		left -= g->processes < left ? g->processes : left;
	}
	if (left)
		row_fmt(&r, "%s%" PRIu64 " more", shown ? ", " : " ", left);
	end(t, &r);
}

static void summary_watched(struct text *t, const struct stop_info *stop)
{
	const struct coverage_counts *c = &stop->stats.coverage;

	if (!c->all[COVERAGE_FULL] && !c->all[COVERAGE_THREAD] && !c->all[COVERAGE_BLIND])
		return;
	summary_line(t, "watched",
		     "%" PRIu64 " process%s in full, %" PRIu64 " by thread only, %" PRIu64 " blind",
		     c->all[COVERAGE_FULL], c->all[COVERAGE_FULL] == 1 ? "" : "es",
		     c->all[COVERAGE_THREAD], c->all[COVERAGE_BLIND]);
	summary_groups(t, stop, COVERAGE_BLIND, "blind:");
	summary_groups(t, stop, COVERAGE_THREAD, "by thread only:");
}

static uint64_t all_of(const struct run_stats *s, enum verdict v)
{
	uint64_t sum = 0;
	int c;

	for (c = CONF_NONE; c < CONF_MAX; c++)
		sum += s->findings[v][c];
	return sum;
}

static void on_stop(void *ctx, const struct stop_info *stop)
{
	const struct run_stats *s = &stop->stats;
	int status = stop->command_status;
	struct text *t = ctx;
	struct row r;

	if (t->dead)
		return;
	if (t->o.quiet) {
		summary_losses(t, s);
		flush(t);
		return;
	}
	begin(t, &r);
	if (!t->gap)
		end(t, &r);
	row_color(&r, SGR_BOLD);
	row_put(&r, "mispair summary");
	row_color(&r, NULL);
	if (stop->reason && stop->reason[0]) {
		row_put(&r, ", ended: ");
		row_user(&r, stop->reason, SIZE_MAX);
	}
	end(t, &r);
	if (status != -1 && WIFEXITED(status))
		summary_line(t, "command", "exited with status %d", WEXITSTATUS(status));
	if (status != -1 && WIFSIGNALED(status))
		summary_line(t, "command", "was killed by signal %d", WTERMSIG(status));
	summary_line(t, "sockets",
		     "%" PRIu64 " seen, %" PRIu64 " still tracked, %" PRIu64
		     " were open before the start",
		     s->sockets_total, s->sockets_tracked, s->sockets_adopted);
	summary_line(t, "exchanges", "%" PRIu64 " requests, %" PRIu64 " replies", s->requests,
		     s->replies);
	summary_line(t, "cancellations", "%" PRIu64, s->cancellations);
	summary_findings(t, s);
	summary_line(t, "good endings", "%" PRIu64 " closed, %" PRIu64 " drained",
		     all_of(s, VERDICT_CLOSED), all_of(s, VERDICT_DRAINED));
	summary_line(t, "unobserved", "%" PRIu64, all_of(s, VERDICT_UNOBSERVED));
	summary_watched(t, stop);
	if (!summary_losses(t, s))
		summary_line(t, "lost", "nothing");
	flush(t);
}

/* ---- life ---- */

static uint64_t get_failures(void *ctx)
{
	struct text *t = ctx;

	return t->failures;
}

static void on_finish(void *ctx)
{
	free(ctx);
}

struct sink *sink_text_new(FILE *out, const struct sink_text_opts *o)
{
	struct text *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->out = out;
	t->o = *o;
	t->wall_offset = wallclock_offset_ns();
	t->w_process = W_PROCESS_MIN;
	t->w_peer = W_PEER_MIN;
	t->sink = (struct sink){
		.ctx = t,
		.start = on_start,
		.runtime = on_runtime,
		.finding = on_finding,
		.finding_sum = on_finding_sum,
		.socket = on_socket,
		/* No .stats: the live view shows them better than a line would. */
		.lost = on_lost,
		.throttled = on_throttled,
		.stop = on_stop,
		.failures = get_failures,
		.finish = on_finish,
	};
	return &t->sink;
}

bool sink_text_closed(const struct sink *sink)
{
	const struct text *t = sink->ctx;

	return t->dead;
}

void sink_text_set_wall_offset(struct sink *sink, uint64_t offset_ns)
{
	struct text *t = sink->ctx;

	t->wall_offset = offset_ns;
}
