/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the view's own files share; nobody else includes it. */
#ifndef MISPAIR_VIEW_INT_H
#define MISPAIR_VIEW_INT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uthash.h>

#include "describe.h"
#include "view.h"
#include "../bpf/events.h"

#define FILTER_TEXT   64
#define HISTORY	      120 /* rounds that the sparklines know */
#define TRAIL	      12  /* looks at one connection that are remembered */
#define STORIES_MAX   2048
#define ENDED_MAX     512
#define KEEP_ENDED_NS (600 * 1000000000ULL)
#define EXPIRE_ROUNDS                                                                              \
	8 /* rounds between two looks for ended rows that have been there long enough */
#define KEEP_GOOD_NS	(60 * 1000000000ULL)
#define VIEW_ROWS_LIMIT 300 /* lines of a screen */

/* A process, as many rows share it. */
struct view_name {
	char key[sizeof(((struct finding *)0)->exe_name) + 72];
	char text[64]; /* executable, or comm */
	char container[72];
	size_t users;
	UT_hash_handle hh;
};

/* One look at a connection that is watched closely. */
struct view_sample {
	uint64_t time_ns, requests, more; /* more: exchanges since the last look but this one */
	uint64_t latency_ns;
	uint32_t req_bytes, reply_bytes;
	bool answered;
	char owner[OWNER_TEXT];
};

struct view_story {
	struct finding f;
	uint64_t findings; /* said about this connection */
};

struct view_trail {
	size_t n;
	struct view_sample samples[TRAIL]; /* the oldest first */
};

struct view_pool;

/* The first two cache lines are all that a refresh touches of a connection that lies still. */
struct view_row {
	uint64_t cookie, tx_ns, rx_ns;
	uint64_t seen; /* round */
	uint64_t last_ns;
	uint32_t unread, owed;
	uint8_t verdict, confidence, reuse;
	bool ended, passes;
	bool calm;    /* no change but in the ledger can change what is said about it */
	uint8_t over; /* rounds since its finding's exchange was over */
	bool shared;
	bool looked; /* a pass has seen it: it is told when it is gone */
	bool gone;   /* while paused */

	uint64_t requests, replies, latency_ns;
	uint32_t residue, cancels, pid, lag;
	bool unobserved, adopted;
	uint8_t coverage, covered_by; /* of its process: enum coverage_level, coverage_reason */
	struct view_name *name;
	struct view_story *story; /* NULL: nothing was said */
	struct view_trail *trail; /* NULL: not watched closely */
	struct view_pool *pool;
	uint64_t birth_ns, ended_ns, counted; /* counted: requests at the last cancellation */
	uint16_t family, local_port, peer_port;
	uint8_t local[16];
	char *path; /* Unix: the peer's path, "@..." if abstract; NULL otherwise */
	uint8_t peer[16];
	size_t index; /* in rows[] */
	uint64_t tx_bytes, rx_bytes;
	uint64_t rank; /* of the frozen order */
	UT_hash_handle hh;
};

struct view_source_row;

/* A row that moved while the view was paused: the newest of its socket. */
struct view_late {
	uint64_t cookie;
	struct ledger_row ledger;
	char comm[16], exe_name[64], container_id[72];
	UT_hash_handle hh;
};

struct view_pool_key {
	uint32_t pid;
	uint16_t family, port;
	uint8_t peer[16];
	char path[96];
};

struct view_pool {
	struct view_pool_key key;
	struct view_row sum; /* cells and sort keys as of a connection */
	uint64_t conns, slots;
	size_t members;
	bool open;
	size_t rank;
	uint64_t id; /* for the cursor */
	UT_hash_handle hh;
};

/* A line of the table: a connection, or in the grouped view a pool. */
struct view_item {
	struct view_row *row; /* NULL: the pool's own line */
	struct view_pool *pool;
};

struct view_order {
	uint64_t a, b;
	struct view_row *row;
};

enum view_mode { MODE_TABLE, MODE_DETAILS, MODE_HELP };

struct view {
	struct view_opts o;
	char filters[512];
	struct start_info start;
	char version[32], tier[32];
	bool started;

	/* rows */
	struct view_row **rows, *by_cookie;
	size_t n_rows, cap_rows, next, n_ended, n_stories, n_seen;
	struct view_name *names;
	struct view_pool *pools;
	uint64_t round, now, pool_ids, unshown, stories_dropped;
	size_t n_unlooked; /* rows that no pass has seen: findings made them */
	bool told_gone;	   /* whoever tells the rows tells which are gone, too */

	/* numbers of the header */
	struct run_stats stats, before;
	bool have_stats, have_rates;
	double exchange_rate, cancel_rate, cpu_share;
	double exchange_history[HISTORY], cancel_history[HISTORY];
	size_t n_history;

	/* while paused */
	bool paused;
	struct run_stats pause_stats, live_stats;
	struct view_late *late; /* rows that moved, by cookie */
	struct finding *pending;
	size_t n_pending, cap_pending;
	uint64_t pending_findings;

	/* what is shown */
	enum view_mode mode, under; /* under: what help covers */
	int cols, height;
	enum view_column sort;
	bool reverse, grouped, frozen, follow, typing;
	char filter[FILTER_TEXT], filter_was[FILTER_TEXT];
	uint64_t refresh_ns;
	size_t n_items, sel, top;
	struct view_order *order;
	size_t n_order, cap_order;
	struct view_item *items; /* the grouped list; the flat one is in order[] */
	size_t cap_items;
	uint64_t sel_cookie, sel_pool; /* what the cursor is on; 0: no such */
	uint64_t detail_cookie;
	size_t scroll, scroll_lines; /* details and help */
	const char *note;	     /* one line for the user, until the next key */

	struct view_line *lines;
	int n_lines, cap_lines, cursor_row, cursor_col;
	struct view_line one;
	struct view_place places[COL_MAX];
	size_t n_places;
};

/* ---- view_model.c ---- */
struct view_row *view_find(const struct view *v, uint64_t cookie);
void view_watch(struct view *v, uint64_t cookie);
void view_resume(struct view *v);

/* ---- view_filter.c ---- */
void view_filter_row(const struct view *v, struct view_row *row);
void view_filter_all(struct view *v);

/* ---- view_order.c ---- */
int view_order_cmp(const struct view *v, const struct view_order *x, const struct view_order *y);
void view_order_key(const struct view *v, struct view_row *row, struct view_order *out);
/* Puts the FROM..TO smallest into their places; what lies before FROM is smaller, unordered. */
void view_order_part(const struct view *v, struct view_order *a, size_t n, size_t from, size_t to);

/* ---- view_list.c: what the table shows ---- */
void view_arrange(struct view *v);
struct view_item view_item_at(const struct view *v, size_t i);
void view_select(struct view *v, size_t i);
void view_freeze(struct view *v, bool on);
int view_table_height(const struct view *v);

/* ---- view_pool.c ---- */
struct view_pool *view_pool_of(struct view *v, const struct view_row *row);
void view_pool_leave(struct view *v, struct view_row *row);
void view_pools_sum(struct view *v);
void view_pools_free(struct view *v);

/* ---- view_cell.c ---- */
void view_cell(const struct view *v, struct view_line *l, enum view_column c,
	       const struct view_item *item, int width);
void view_put_peer(struct view_line *l, const struct view_row *row, int width);
void view_number(char *dst, size_t len, uint64_t n); /* "12345", "1.2M" */
void view_bytes(char *dst, size_t len, uint64_t n);  /* "31 B", "1.2 KB" */
void view_time(char *dst, size_t len, uint64_t ns);  /* "50 ms", "1.2 s", "5 m" */
void view_process(const struct view_row *row, char *dst, size_t len, bool ascii);
enum view_style view_row_style(const struct view_row *row);
/* What stands in place of a verdict where there is none: "-", "by thread", "blind". */
const char *view_nothing(const struct view_row *row);
bool view_alarm(const struct view_row *row);

/* ---- view_screen.c ---- */
struct view_line *view_new_line(struct view *v);

/* ---- view_header.c ---- */
int view_header_height(const struct view *v);
void view_header(struct view *v);

/* ---- view_details.c, view_help.c: fill v->lines from FIRST on, with scroll ---- */
void view_details(struct view *v, int height);
void view_help(struct view *v, int height);

/* view_late.c; SHOW: the rows are seen now, else they are thrown away. */
void view_late_keep(struct view *v, const struct view_source_row *src);
void view_late_drop(struct view *v, uint64_t cookie);
void view_late_rows(struct view *v, bool show);

#endif
