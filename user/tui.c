// SPDX-License-Identifier: GPL-2.0-or-later
/* Between the view and the terminal: keys and signals in, screens out. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "tui.h"
#include "tui_term.h"
#include "view.h"

struct tui {
	struct sink sink;
	struct view *view;
	int epoll, signals;
	sigset_t old_mask;
	bool color, mouse, open;
	const char *done;
};

static void draw(struct tui *t, bool all)
{
	if (!t->open)
		return;
	view_compose(t->view);
	tui_term_paint(t->view, all);
}

static void resize(struct tui *t, bool all)
{
	int cols, rows;

	tui_term_size(&cols, &rows);
	view_resize(t->view, cols, rows);
	draw(t, all);
}

/* ---- what the collector tells ---- */

static void on_start(void *ctx, const struct start_info *info)
{
	struct tui *t = ctx;
	struct epoll_event ev = {.events = EPOLLIN};
	int e;

	view_start(t->view, info);
	e = tui_term_open(t->color, t->mouse);
	if (e) {
		fprintf(stderr, "mispair: cannot use this terminal: %s\n", strerror(-e));
		t->done = "no terminal";
		return;
	}
	t->open = true;
	ev.data.fd = tui_term_fd();
	if (epoll_ctl(t->epoll, EPOLL_CTL_ADD, ev.data.fd, &ev))
		t->done = "no keyboard";
	resize(t, true);
}

static void on_finding(void *ctx, const struct finding *f)
{
	view_finding(((struct tui *)ctx)->view, f);
}

static void on_round_begin(void *ctx, uint64_t time_ns)
{
	view_round_begin(((struct tui *)ctx)->view, time_ns);
}

static void on_row(void *ctx, const struct view_source_row *row)
{
	view_row(((struct tui *)ctx)->view, row);
}

static void on_row_gone(void *ctx, uint64_t cookie)
{
	view_row_gone(((struct tui *)ctx)->view, cookie);
}

static void on_rows_kept(void *ctx)
{
	view_rows_kept(((struct tui *)ctx)->view);
}

static void on_round_end(void *ctx, const struct run_stats *s)
{
	struct tui *t = ctx;

	view_round_end(t->view, s);
	draw(t, false);
}

static void give_back(struct tui *t)
{
	if (!t->open)
		return;
	t->open = false;
	epoll_ctl(t->epoll, EPOLL_CTL_DEL, tui_term_fd(), NULL);
	tui_term_close();
}

static void on_stop(void *ctx, const struct stop_info *s)
{
	(void)s;
	give_back(ctx);
}

/* ---- keys and signals ---- */

/* ^Z: the shell gets its terminal as it was, and we come back as we were. */
static void suspend(struct tui *t)
{
	sigset_t tstp;

	tui_term_leave();
	sigemptyset(&tstp);
	sigaddset(&tstp, SIGTSTP);
	/* The default action, which stops all threads until SIGCONT. */
	raise(SIGTSTP);
	sigprocmask(SIG_UNBLOCK, &tstp, NULL);
	sigprocmask(SIG_BLOCK, &tstp, NULL);
	tui_term_enter();
	resize(t, true);
}

static void take_signals(struct tui *t)
{
	bool again = false, stop = false;
	struct signalfd_siginfo si;

	/* A storm of them is one. */
	while (read(t->signals, &si, sizeof(si)) == sizeof(si)) {
		again |= si.ssi_signo != SIGTSTP;
		stop |= si.ssi_signo == SIGTSTP;
	}
	if (!t->open)
		return;
	if (stop)
		suspend(t);
	else if (again)
		resize(t, true);
}

static void take_keys(struct tui *t)
{
	enum view_effect effect;
	bool changed = false, all = false;
	struct tui_input in;

	while (!t->done && tui_term_input(&in)) {
		if (in.redraw) {
			all = true;
			continue;
		}
		if (in.key)
			effect = view_key(t->view, in.key);
		else if (in.wheel)
			effect = view_wheel(t->view, in.wheel);
		else
			effect = view_click(t->view, in.row, in.col);
		changed |= effect == VIEW_REDRAW;
		if (effect == VIEW_QUIT)
			t->done = "quit";
	}
	if (!t->done && (changed || all))
		draw(t, all);
}

static void on_ready(void *ctx)
{
	struct tui *t = ctx;
	struct epoll_event ev[2];
	int i, n = epoll_wait(t->epoll, ev, 2, 0);

	for (i = 0; i < n; i++) {
		if (ev[i].data.fd == t->signals) {
			take_signals(t);
			continue;
		}
		if (t->open)
			take_keys(t);
		/* The terminal's other end is closed: there is nobody to show anything to. */
		if (ev[i].events & (EPOLLHUP | EPOLLERR))
			t->done = "terminal closed";
	}
}

static int get_fd(void *ctx)
{
	return ((struct tui *)ctx)->epoll;
}

static uint64_t get_refresh(void *ctx)
{
	return view_refresh_ns(((struct tui *)ctx)->view);
}

static const char *is_done(void *ctx)
{
	return ((struct tui *)ctx)->done;
}

/* ---- life ---- */

static void on_finish(void *ctx)
{
	struct tui *t = ctx;

	give_back(t);
	if (t->epoll >= 0)
		close(t->epoll);
	if (t->signals >= 0) {
		close(t->signals);
		sigprocmask(SIG_SETMASK, &t->old_mask, NULL);
	}
	view_free(t->view);
	free(t);
}

static bool want_color(const struct options *o)
{
	const char *no = getenv("NO_COLOR");

	return o->color >= 0 ? o->color : !(no && *no);
}

/* The signals of terminals; they wait in the signalfd for ready(). */
static int open_signals(struct tui *t)
{
	struct epoll_event ev = {.events = EPOLLIN};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGWINCH);
	sigaddset(&set, SIGTSTP);
	sigaddset(&set, SIGCONT);
	sigprocmask(SIG_BLOCK, &set, &t->old_mask);
	t->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (t->signals < 0)
		return -errno;
	ev.data.fd = t->signals;
	return epoll_ctl(t->epoll, EPOLL_CTL_ADD, t->signals, &ev) ? -errno : 0;
}

struct sink *tui_new(const struct options *o)
{
	struct view_opts vo = {.ascii = o->ascii,
			       .refresh_ns = o->delay_ns,
			       .sort = o->sort,
			       .reverse = o->sort_reverse,
			       .filters = o->filter_text};
	struct tui *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->signals = -1;
	t->color = want_color(o);
	t->mouse = o->mouse;
	t->view = view_new(&vo);
	t->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!t->view || t->epoll < 0 || open_signals(t)) {
		on_finish(t);
		return NULL;
	}
	t->sink = (struct sink){
		.ctx = t,
		.start = on_start,
		.each_finding = on_finding,
		.round_begin = on_round_begin,
		.row = on_row,
		.round_end = on_round_end,
		.row_gone = on_row_gone,
		.rows_kept = on_rows_kept,
		.stop = on_stop,
		.refresh_ns = get_refresh,
		.poll_fd = get_fd,
		.ready = on_ready,
		.done = is_done,
		.finish = on_finish,
	};
	return &t->sink;
}
