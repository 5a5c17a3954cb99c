/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A view, and rows and findings to feed it with. */
#ifndef MISPAIR_TEST_VIEW_H
#define MISPAIR_TEST_VIEW_H

#include <arpa/inet.h>
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>

#include "view_int.h"
#include "view_source.h"

#define S     1000000000ULL
#define START (100 * S)

struct conn {
	uint64_t cookie, requests, replies, last_ns;
	uint32_t pid, unread;
	const char *exe, *peer, *container;
	uint16_t port;
};

static inline void ledger_of(const struct conn *c, struct ledger_row *row)
{
	struct ledger *l = &row->l;

	memset(row, 0, sizeof(*row));
	row->cookie = c->cookie;
	row->unread = c->unread;
	row->addr.family = AF_INET;
	row->addr.local_port = (uint16_t)(40000 + c->cookie);
	row->addr.peer_port = c->port ? c->port : 6379;
	inet_pton(AF_INET, "127.0.0.1", row->addr.local);
	if (c->peer && c->peer[0] == '/') {
		row->addr.family = AF_UNIX;
		row->addr.local_port = row->addr.peer_port = 0;
		row->addr.unix_len = (uint16_t)strlen(c->peer);
		memcpy(row->addr.peer, c->peer, strlen(c->peer));
	} else if (c->peer && strchr(c->peer, ':')) {
		row->addr.family = AF_INET6;
		inet_pton(AF_INET6, c->peer, row->addr.peer);
	} else {
		inet_pton(AF_INET, c->peer ? c->peer : "10.0.0.9", row->addr.peer);
	}
	l->owner.tgid = c->pid ? c->pid : 4242;
	l->owner.tid = l->owner.tgid;
	l->owner.kind = OWNER_THREAD;
	l->requests = c->requests;
	l->replies = c->replies;
	l->tx_seq = (uint32_t)c->requests;
	l->rx_seen = (uint32_t)c->replies;
	l->tx_bytes = 30 * c->requests;
	l->rx_bytes = 20 * c->replies;
	l->req_bytes = 30;
	l->reply_bytes = 20;
	l->req_ns = c->last_ns;
	l->reply_ns = l->req_ns + 400000;
	l->last_tx_ns = c->last_ns;
	l->birth_ns = START;
}

static inline void feed(struct view *v, const struct conn *c)
{
	struct ledger_row row;
	struct view_source_row src = {.ledger = &row,
				      .comm = "comm",
				      .exe_name = c->exe ? c->exe : "python3.11",
				      .container_id = c->container ? c->container : ""};

	ledger_of(c, &row);
	view_row(v, &src);
}

/* One refresh pass over N connections, AT seconds after the start. */
static inline void round_of(struct view *v, const struct conn *c, size_t n, uint64_t at)
{
	struct run_stats s = {.time_ns = START + at * S, .sockets_tracked = n};
	size_t i;

	view_round_begin(v, START + at * S);
	for (i = 0; i < n; i++)
		feed(v, &c[i]);
	view_round_end(v, &s);
}

static inline void finding_of(const struct conn *c, enum verdict verdict, enum confidence conf,
			      struct finding *f)
{
	memset(f, 0, sizeof(*f));
	f->verdict = verdict;
	f->confidence = conf;
	f->reuse = verdict == VERDICT_REUSED ? REUSE_OUTSTANDING : REUSE_NONE;
	f->time_ns = START;
	f->pid = c->pid ? c->pid : 4242;
	strcpy(f->exe_name, c->exe ? c->exe : "python3.11");
	strcpy(f->peer_addr, c->peer ? c->peer : "10.0.0.9");
	strcpy(f->local_addr, "127.0.0.1");
	f->peer_port = c->port ? c->port : 6379;
	f->local_port = (uint16_t)(40000 + c->cookie);
	f->cookie = c->cookie;
	f->requests = c->requests;
	f->replies = c->replies;
	f->owed = 1;
	f->cancel = CANCEL_ASYNCIO;
	f->evidence = EVIDENCE_MEMORY;
	strcpy(f->owner_prev, "Task-7 0x7fe446ff3880");
	strcpy(f->owner_next, "Task-8 0x7fe446ff37c0");
	strcpy(f->reason, "because");
	f->n_timeline = 3;
	f->timeline[0] = (struct timeline_entry){.what = TL_REQUEST, .bytes = 22};
	f->timeline[1] = (struct timeline_entry){.at_ns = 30100, .what = TL_CANCEL};
	f->timeline[2] = (struct timeline_entry){.at_ns = 107300, .what = TL_REQUEST, .bytes = 23};
	strcpy(f->timeline[0].owner, f->owner_prev);
	strcpy(f->timeline[1].owner, f->owner_prev);
	strcpy(f->timeline[1].by, "Task-1");
	strcpy(f->timeline[2].owner, f->owner_next);
}

static inline void find_on(struct view *v, const struct conn *c, enum verdict verdict,
			   enum confidence conf)
{
	struct finding f;

	finding_of(c, verdict, conf, &f);
	view_finding(v, &f);
}

static inline void type(struct view *v, const char *keys)
{
	for (; *keys; keys++)
		view_key(v, (unsigned char)*keys);
}

/* The cookie of the row on a line of the table, 0: none. */
static inline uint64_t cookie_at(const struct view *v, size_t i)
{
	struct view_item item = view_item_at(v, v->top + i);

	return item.row ? item.row->cookie : 0;
}

/* Is there a line with this text? */
static inline bool on_screen(struct view *v, const char *text)
{
	int i;

	view_compose(v);
	for (i = 0; i < view_height(v); i++)
		if (strstr(view_line(v, i)->text, text))
			return true;
	return false;
}

static inline void print_screen(struct view *v)
{
	int i;

	view_compose(v);
	for (i = 0; i < view_height(v); i++)
		fprintf(stderr, "|%s|\n", view_line(v, i)->text);
}

static inline int setup(void **state)
{
	struct view_opts o = {0};
	struct view *v;

	setlocale(LC_CTYPE, "C.UTF-8");
	v = view_new(&o);
	if (!v)
		return -1;
	view_start(v, &(struct start_info){.time_ns = START, .tier = "tp_btf", .host = "h1"});
	view_resize(v, 80, 24);
	*state = v;
	return 0;
}

static inline int teardown(void **state)
{
	view_free(*state);
	return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
