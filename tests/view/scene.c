// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A fixed recording for the golden screens: hand-written rounds and findings go through the same
 * calls that the collector makes into the real view and the real painter. Keys come from the
 * terminal; each SIGUSR1 plays one round more.
 *
 *   view_scene [--ascii] SCENE      busy, calm, losing, empty, behind, covered
 */
#include <arpa/inet.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tui.h"
#include "view_source.h"

#define MS    1000000ULL
#define S     1000000000ULL
#define BEGIN ((11 * 86400 + 3 * 3600 + 22 * 60 + 40) * S)
#define BOX   "3f9d1b7c2a54e8f0916d3f9d1b7c2a54e8f0916d3f9d1b7c2a54e8f0916d77aa"

struct conn {
	uint64_t cookie;
	uint32_t pid;
	const char *exe, *container, *peer;
	uint16_t port, local_port;
	uint64_t requests, replies;
	uint32_t per_round; /* exchanges that each round adds */
	uint32_t unread, residue, idle_ms, latency_us, overlaps, flags;
	const char *task;
};

/* A web application with a pool that has the bug, one that is right, and their neighbours. */
static const struct conn busy[] = {
	{11, 4242, "python3.11", BOX, "10.0.0.9", 6379, 41464, 812, 811, 0, 0, 0, 420, 380, 0, 0,
	 "get-title:Bob"},
	{12, 4242, "python3.11", BOX, "10.0.0.9", 6379, 41466, 640, 639, 0, 52, 0, 1700, 410, 0, 0,
	 "get-cart:91"},
	{13, 4242, "python3.11", BOX, "10.0.0.9", 6379, 41470, 398, 398, 0, 0, 31, 9300, 0, 0, 0,
	 "Task-7"},
	{14, 4242, "python3.11", BOX, "10.0.0.9", 6379, 41472, 77, 76, 0, 0, 0, 64000, 0, 0, 0,
	 "Task-19"},
	{15, 4242, "python3.11", BOX, "10.0.0.9", 6379, 41480, 12044, 12044, 310, 0, 0, 3, 350, 0,
	 0, "Task-2208"},
	{16, 4242, "python3.11", BOX, "10.0.0.9", 6379, 41482, 11870, 11870, 290, 0, 0, 8, 365, 0,
	 0, "Task-2209"},
	{17, 4242, "python3.11", BOX, "10.0.0.21", 5432, 50112, 301, 300, 0, 0, 0, 2600, 0, 0, 0,
	 "Task-31"},
	{18, 4242, "python3.11", BOX, "10.0.0.21", 5432, 50114, 288, 288, 4, 0, 0, 120, 5100, 0, 0,
	 "Task-33"},
	{21, 907, "ruby", "", "2001:db8:85a3::8a2e:370:7334", 5432, 38822, 55, 54, 0, 120, 0, 15000,
	 0, 0, 0, ""},
	{22, 907, "ruby", "", "2001:db8:85a3::8a2e:370:7334", 5432, 38824, 5120, 5120, 12, 0, 0, 45,
	 2900, 0, 0, ""},
	{31, 1312, "php-fpm8.2", "", "/run/redis/redis-server.sock", 0, 0, 90210, 90210, 44, 0, 0,
	 12, 85, 0, 0, ""},
	{32, 1313, "php-fpm8.2", "", "/run/redis/redis-server.sock", 0, 0, 88001, 88001, 40, 0, 0,
	 19, 90, 0, 0, ""},
	{41, 2771, "node", "", "127.0.0.1", 6379, 60122, 1400233, 1400230, 900, 0, 0, 1, 210, 9, 0,
	 ""},
	{42, 2771, "node", "", "127.0.0.1", 9092, 60124, 7012, 7012, 3, 0, 0, 300, 12000, 0, 0, ""},
	{51, 655, "curl", "", "93.184.216.34", 443, 55550, 3, 3, 0, 0, 0, 41000, 88000, 0,
	 LEDGER_ADOPTED, ""},
	{52, 3301, "go-worker", "", "10.0.0.33", 3306, 47712, 2210, 2210, 0, 0, 0, 5200, 0, 0, 0,
	 ""},
	{53, 3301, "go-worker", "", "10.0.0.33", 3306, 47714, 2304, 2304, 6, 0, 0, 77, 1900, 0, 0,
	 ""},
};

#define N_BUSY (sizeof(busy) / sizeof(busy[0]))

static struct timeline_entry entry(uint64_t us, enum timeline_what what, uint64_t bytes,
				   const char *owner, const char *by)
{
	struct timeline_entry e = {.at_ns = us * 1000, .what = what, .bytes = bytes};

	snprintf(e.owner, sizeof(e.owner), "%s", owner);
	snprintf(e.by, sizeof(e.by), "%s", by);
	return e;
}

static struct finding about(const struct conn *c, enum verdict verdict, enum confidence confidence,
			    const char *prev, const char *next, const char *reason)
{
	bool local = c->peer[0] == '/';
	struct finding f = {.verdict = verdict,
			    .confidence = confidence,
			    .time_ns = BEGIN + 70 * S,
			    .pid = c->pid,
			    .cookie = c->cookie,
			    .transport = local ? TRANSPORT_UNIX : TRANSPORT_TCP,
			    .local_port = c->local_port,
			    .peer_port = c->port,
			    .requests = c->requests,
			    .replies = c->replies,
			    .owed = c->requests - c->replies,
			    .unread_bytes = c->unread,
			    .residue_bytes = c->residue,
			    .cancel = CANCEL_ASYNCIO,
			    .evidence = EVIDENCE_MEMORY};

	snprintf(f.exe_name, sizeof(f.exe_name), "%s", c->exe);
	snprintf(f.peer_addr, sizeof(f.peer_addr), "%s", c->peer);
	snprintf(f.owner_prev, sizeof(f.owner_prev), "%s", prev);
	snprintf(f.owner_next, sizeof(f.owner_next), "%s", next);
	snprintf(f.reason, sizeof(f.reason), "%s", reason);
	return f;
}

static void tell(struct sink *sink, struct finding *f, size_t n, const struct timeline_entry *e)
{
	f->n_timeline = n;
	memcpy(f->timeline, e, n * sizeof(*e));
	sink->each_finding(sink->ctx, f);
}

#define ALICE "get-title:Alice 0x7f21ff6347c0"
#define BOB   "get-title:Bob 0x7f21ff634c40"

static void reuses(struct sink *sink)
{
	struct finding f;

	f = about(&busy[0], VERDICT_REUSED, CONF_CERTAIN, ALICE, BOB,
		  "the owner was cancelled and the next request left before its reply came");
	f.reuse = REUSE_OUTSTANDING;
	f.evidence = EVIDENCE_PROBE;
	f.has_cancel_age = true;
	f.cancel_age_ns = 302000;
	snprintf(f.cancel_by, sizeof(f.cancel_by), "%s", "http-server");
	tell(sink, &f, 3,
	     (struct timeline_entry[]){entry(0, TL_REQUEST, 31, ALICE, ""),
				       entry(50303, TL_CANCEL, 0, ALICE, "http-server"),
				       entry(50605, TL_REQUEST, 28, BOB, "")});
	f = about(&busy[1], VERDICT_REUSED, CONF_LIKELY, "get-cart:90 0x7f21ff6340c0",
		  "get-cart:91 0x7f21ff634d00",
		  "the old reply lay unread in the socket when the next request went out");
	f.reuse = REUSE_UNREAD;
	f.cancel = CANCEL_ASYNCIO_GONE;
	tell(sink, &f, 4,
	     (struct timeline_entry[]){
		     entry(0, TL_REQUEST, 40, "get-cart:90 0x7f21ff6340c0", ""),
		     entry(8120, TL_CANCEL_SEEN, 0, "get-cart:90 0x7f21ff6340c0", ""),
		     entry(8120, TL_UNREAD, 52, "", ""),
		     entry(8120, TL_REQUEST, 40, "get-cart:91 0x7f21ff634d00", "")});
	f = about(&busy[13], VERDICT_REUSED, CONF_SUSPECT, "thread 2771", "thread 2779",
		  "unread bytes at the send; it may be a pipeline, nobody tried to read");
	f.reuse = REUSE_RESIDUE;
	f.cancel = CANCEL_UNSEEN;
	f.evidence = EVIDENCE_NONE;
	f.residue_bytes = 18;
	tell(sink, &f, 3,
	     (struct timeline_entry[]){entry(0, TL_REQUEST, 90, "thread 2771", ""),
				       entry(310, TL_RESIDUE, 18, "", ""),
				       entry(1500, TL_REQUEST, 90, "thread 2779", "")});
}

static void idle(struct sink *sink)
{
	struct finding f;

	f = about(&busy[2], VERDICT_DIRTY, CONF_CERTAIN, "Task-7 0x7fe446ff3880", "",
		  "its reply came with nobody waiting, and the connection is still open");
	tell(sink, &f, 3,
	     (struct timeline_entry[]){entry(0, TL_REQUEST, 22, "Task-7 0x7fe446ff3880", ""),
				       entry(1207, TL_CANCEL_SEEN, 0, "Task-7 0x7fe446ff3880", ""),
				       entry(1207, TL_RESIDUE, 31, "", "")});
	f = about(&busy[3], VERDICT_LEAKED, CONF_LIKELY, "Task-19 0x7fe446ff2b00", "",
		  "abandoned and not used since, while its siblings are");
	tell(sink, &f, 2,
	     (struct timeline_entry[]){entry(0, TL_REQUEST, 45, "Task-19 0x7fe446ff2b00", ""),
				       entry(2001338, TL_CANCEL, 0, "Task-19 0x7fe446ff2b00",
					     "Task-1 0x7fe446ff0000")});
	f = about(&busy[6], VERDICT_ABANDONED, CONF_LIKELY, "Task-31 0x7fe446ff1440", "",
		  "its owner stopped waiting, and the connection is still open");
	f.cancel = CANCEL_ASYNCIO_DESTROYED;
	tell(sink, &f, 2,
	     (struct timeline_entry[]){
		     entry(0, TL_REQUEST, 61, "Task-31 0x7fe446ff1440", ""),
		     entry(104220, TL_CANCEL_SEEN, 0, "Task-31 0x7fe446ff1440", "")});
	f = about(&busy[8], VERDICT_DIRTY, CONF_SUSPECT, "thread 911", "",
		  "its reply came with nobody waiting, and the connection is still open");
	f.cancel = CANCEL_UNSEEN;
	f.evidence = EVIDENCE_NONE;
	tell(sink, &f, 2,
	     (struct timeline_entry[]){entry(0, TL_REQUEST, 240, "thread 911", ""),
				       entry(5002114, TL_UNREAD, 120, "", "")});
	f = about(&busy[15], VERDICT_CLOSED, CONF_NONE, "thread 3304", "", "");
	tell(sink, &f, 3,
	     (struct timeline_entry[]){entry(0, TL_REQUEST, 70, "thread 3304", ""),
				       entry(30000, TL_CANCEL_SEEN, 0, "thread 3304", ""),
				       entry(30112, TL_CLOSE, 0, "", "")});
	f = about(&busy[7], VERDICT_DRAINED, CONF_NONE, "Task-33 0x7fe446ff1000", "", "");
	tell(sink, &f, 3,
	     (struct timeline_entry[]){
		     entry(0, TL_REQUEST, 64, "Task-33 0x7fe446ff1000", ""),
		     entry(900, TL_CANCEL, 0, "Task-33 0x7fe446ff1000", "Task-1 0x7fe446ff0000"),
		     entry(5310, TL_REPLY, 410, "", "")});
}

static void fill_address(const struct conn *c, struct sock_addr *a)
{
	a->local_port = c->local_port;
	a->peer_port = c->port;
	if (c->peer[0] == '/') {
		a->family = AF_UNIX;
		a->unix_len = (uint16_t)strlen(c->peer);
		memcpy(a->peer, c->peer, a->unix_len);
	} else if (inet_pton(AF_INET6, c->peer, a->peer) == 1) {
		a->family = AF_INET6;
		inet_pton(AF_INET6, "2001:db8:85a3::1", a->local);
	} else {
		a->family = AF_INET;
		inet_pton(AF_INET, c->peer, a->peer);
		inet_pton(AF_INET,
			  c->peer[0] == '1' && c->peer[1] == '2' ? "127.0.0.1" : "10.0.0.5",
			  a->local);
	}
}

/* How far each program is watched, in the scene that tells it. */
static struct coverage_verdict cover_of(const char *exe)
{
	static const struct {
		const char *exe;
		struct coverage_verdict v;
	} covers[] = {{"python3.11", {COVERAGE_FULL, COVERED_TASKS}},
		      {"node", {COVERAGE_THREAD, COVERED_NO_OWNERS}},
		      {"ruby", {COVERAGE_THREAD, COVERED_NO_OWNERS}},
		      {"go-worker", {COVERAGE_THREAD, COVERED_LAYOUT}},
		      {"curl", {COVERAGE_BLIND, COVERED_ADOPTED}},
		      {"php-fpm8.2", {COVERAGE_BLIND, COVERED_UNREADABLE}}};
	size_t i;

	for (i = 0; i < sizeof(covers) / sizeof(covers[0]); i++)
		if (!strcmp(exe, covers[i].exe))
			return covers[i].v;
	return (struct coverage_verdict){0};
}

static void play_row(struct sink *sink, const struct conn *c, bool covered, uint64_t round,
		     uint64_t now)
{
	struct view_source_row src = {
		.comm = c->exe, .exe_name = c->exe, .container_id = c->container};
	struct ledger_row row = {.cookie = c->cookie, .unread = c->unread};
	struct ledger *l = &row.l;

	fill_address(c, &row.addr);
	l->requests = c->requests + round * c->per_round;
	l->replies = c->replies + round * c->per_round;
	l->tx_seq = 2;
	l->rx_seen = c->requests == c->replies ? 2 : 1;
	l->tx_bytes = 30 * l->requests;
	l->rx_bytes = 24 * l->replies;
	l->last_tx_ns = now - c->idle_ms * MS;
	if (!c->per_round)
		l->last_tx_ns -= round * S;
	l->req_ns = l->last_tx_ns;
	l->reply_ns = l->req_ns + c->latency_us * 1000ULL;
	l->req_bytes = 30;
	l->reply_bytes = 24;
	l->residue_bytes = c->residue;
	l->abandoned = c->residue != 0;
	l->overlaps = c->overlaps;
	l->flags = (uint8_t)c->flags;
	l->birth_ns = BEGIN - 600 * S;
	l->owner.kind = c->task && *c->task ? OWNER_TASK : OWNER_THREAD;
	l->owner.tgid = l->owner.tid = c->pid;
	l->owner.task = 0x7fe446ff0000 + c->cookie * 64;
	if (c->task)
		memcpy(l->owner.name, c->task, strnlen(c->task, 16));
	src.ledger = &row;
	if (covered)
		src.coverage = cover_of(c->exe);
	sink->row(sink->ctx, &src);
}

/*
 * A thread's receive timed out and it asked again: two replies are on their way, and it takes the
 * first for the second. What is left in the queue, owed before, shows it.
 */
static void lag(struct sink *sink)
{
	static const char worker[] = "thread 3304";
	struct finding f =
		about(&busy[15], VERDICT_REUSED, CONF_LIKELY, worker, worker,
		      "its wait had ended, it asked again, and replies have been one behind since");

	f.reuse = REUSE_OUTSTANDING;
	f.cancel = CANCEL_RECV_TIMEOUT;
	f.evidence = EVIDENCE_SOCKET;
	f.unread_bytes = 24;
	tell(sink, &f, 5,
	     (struct timeline_entry[]){entry(0, TL_REQUEST, 70, worker, ""),
				       entry(250031, TL_CANCEL_SEEN, 0, worker, ""),
				       entry(250104, TL_REQUEST, 70, worker, ""),
				       entry(301550, TL_REPLY, 24, worker, ""),
				       entry(302002, TL_BEHIND, 24, "", "")});
}

struct scene {
	const char *name;
	size_t conns;
	bool findings, losing, behind, covered;
};

static const struct scene scenes[] = {
	{"busy", N_BUSY, true, false, false, false},
	{"calm", N_BUSY, false, false, false, false},
	{"losing", N_BUSY, true, true, false, false},
	{"empty", 0, false, false, false, false},
	{"behind", N_BUSY, false, false, true, false},
	{"covered", N_BUSY, false, false, false, true},
};

static void play_round(struct sink *sink, const struct scene *sc, uint64_t round)
{
	/* A wave, so that the sparklines have a shape. */
	static const uint64_t rate[] = {8, 9, 12, 14, 13, 17, 22, 30, 28, 21, 15, 11};
	static uint64_t replies = 1000000, cancellations = 100;
	struct run_stats s = {.time_ns = BEGIN + (60 + round) * S,
			      .sockets_tracked = sc->conns,
			      .sockets_total = sc->conns + 31,
			      .cpu_ns = 9 * S + round * 13 * MS,
			      .rss_bytes = 14 * 1000 * 1000};
	size_t i;

	if (sc->conns) {
		replies += rate[round % 12] * 353;
		cancellations += rate[(round + 5) % 12] / 4;
	}
	s.replies = replies;
	s.requests = replies + 9;
	s.cancellations = cancellations;
	if (sc->findings) {
		s.findings[VERDICT_REUSED][CONF_CERTAIN] = 1;
		s.findings[VERDICT_REUSED][CONF_LIKELY] = 1;
		s.findings[VERDICT_REUSED][CONF_SUSPECT] = 1;
		s.findings[VERDICT_DIRTY][CONF_CERTAIN] = 1;
		s.findings[VERDICT_DIRTY][CONF_SUSPECT] = 1;
		s.findings[VERDICT_LEAKED][CONF_LIKELY] = 1;
		s.findings[VERDICT_ABANDONED][CONF_LIKELY] = 1;
		s.findings[VERDICT_CLOSED][CONF_NONE] = 1;
		s.findings[VERDICT_DRAINED][CONF_NONE] = 1;
	}
	if (sc->behind)
		s.findings[VERDICT_REUSED][CONF_LIKELY] = 1;
	if (sc->losing) {
		s.lost[LOSS_RING_FULL] = 1200 + 34 * round;
		s.lost[LOSS_MAP_FULL] = 3;
	}
	if (sc->covered) {
		s.coverage.now[COVERAGE_FULL] = 1;
		s.coverage.now[COVERAGE_THREAD] = 3;
		s.coverage.now[COVERAGE_BLIND] = 3;
	}
	sink->round_begin(sink->ctx, s.time_ns);
	for (i = 0; i < sc->conns; i++)
		play_row(sink, &busy[i], sc->covered, round, s.time_ns);
	sink->round_end(sink->ctx, &s);
}

/* What no longer is in the kernel's ledger has ended with the second round. */
static void play_until_quit(struct sink *sink, const struct scene *sc)
{
	struct signalfd_siginfo si;
	struct pollfd p[2] = {{.events = POLLIN}, {.events = POLLIN}};
	uint64_t round;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	p[0].fd = sink->poll_fd(sink->ctx);
	p[1].fd = signalfd(-1, &set, SFD_CLOEXEC);
	for (round = 0; round < 14; round++) {
		play_round(sink, sc, round);
		if (round == 10 && sc->findings) {
			reuses(sink);
			idle(sink);
		}
		if (round == 10 && sc->behind)
			lag(sink);
	}
	while (!sink->done(sink->ctx)) {
		if (poll(p, 2, -1) < 0)
			continue;
		if (p[0].revents)
			sink->ready(sink->ctx);
		if (p[1].revents && read(p[1].fd, &si, sizeof(si)) == sizeof(si))
			play_round(sink, sc, round++);
	}
}

int main(int argc, char **argv)
{
	struct start_info info = {.time_ns = BEGIN,
				  .version = "0.1.0",
				  .kernel = "6.18.44",
				  .host = "web-3",
				  .tier = "tp_btf"};
	struct options o = {.color = 0};
	struct sink *sink;
	size_t i;

	setlocale(LC_CTYPE, "");
	o.ascii = argc > 2 && !strcmp(argv[1], "--ascii");
	for (i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++)
		if (argc > 1 && !strcmp(argv[argc - 1], scenes[i].name))
			break;
	if (i == sizeof(scenes) / sizeof(scenes[0]) || strcmp(nl_langinfo(CODESET), "UTF-8")) {
		fprintf(stderr, "usage: view_scene [--ascii] SCENE, in a UTF-8 locale\n");
		return 2;
	}
	sink = tui_new(&o);
	if (!sink)
		return 1;
	sink->start(sink->ctx, &info);
	play_until_quit(sink, &scenes[i]);
	sink->finish(sink->ctx);
	return 0;
}
