// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The terminal, by ncursesw.
 *
 * Invariants: while it is ours, a crash gives it back too. The handler that does so is the one
 * signal handler of the program; it writes a sequence that was prepared when the terminal was
 * taken, puts the line discipline back (write() and tcsetattr() are async-signal-safe), and lets
 * the signal do what it does.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

/* Before term.h, which makes macros of words such as "lines". */
#include "tui_term.h"

#define NCURSES_WIDECHAR 1
#include <curses.h>
#include <term.h>

#define ALT_STACK 16384

static struct {
	bool taken, color, mouse;
	SCREEN *screen;
	FILE *in; /* stdin, or /dev/tty if that is something else */
	struct termios saved;
	char restore[256];
	size_t restore_len;
	void *stack;
} term;

static const int crashes[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
static struct sigaction crash_before[sizeof(crashes) / sizeof(crashes[0])];

static void on_crash(int number)
{
	int e = errno;

	if (term.taken) {
		if (write(STDOUT_FILENO, term.restore, term.restore_len) < 0)
			e = errno; /* nothing can be done about it */
		tcsetattr(STDOUT_FILENO, TCSANOW, &term.saved);
	}
	errno = e;
	/* SA_RESETHAND has put the default action back. */
	raise(number);
}

static void catch_crashes(void)
{
	struct sigaction sa = {.sa_handler = on_crash,
			       .sa_flags = SA_RESETHAND | SA_ONSTACK | SA_NODEFER};
	stack_t ss = {.ss_size = ALT_STACK};
	size_t i;

	term.stack = ss.ss_sp = malloc(ALT_STACK);
	if (ss.ss_sp)
		sigaltstack(&ss, NULL);
	sigemptyset(&sa.sa_mask);
	for (i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
		sigaction(crashes[i], &sa, &crash_before[i]);
}

static void uncatch_crashes(void)
{
	stack_t off = {.ss_flags = SS_DISABLE};
	size_t i;

	for (i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
		sigaction(crashes[i], &crash_before[i], NULL);
	sigaltstack(&off, NULL);
	free(term.stack);
	term.stack = NULL;
}

/* What endwin() would write. A terminal without one of these gets the others. */
static void prepare_restore(void)
{
	static const char *const names[] = {"sgr0", "cnorm", "rmkx", "rmcup"};
	char *at = term.restore, *end = term.restore + sizeof(term.restore);
	size_t i, n;

	if (term.mouse) {
		static const char off[] = "\033[?1006l\033[?1002l\033[?1000l";

		memcpy(at, off, sizeof(off) - 1);
		at += sizeof(off) - 1;
	}
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *s = tigetstr(names[i]);

		if (!s || s == (char *)-1)
			continue;
		/* A padding such as $<5> is for terminals of lead. */
		n = strcspn(s, "$");
		if (n >= (size_t)(end - at))
			break;
		memcpy(at, s, n);
		at += n;
	}
	term.restore_len = (size_t)(at - term.restore);
}

bool tui_possible(void)
{
	const char *name = getenv("TERM"), *cup;
	int e = 0, fd;

	if (!isatty(STDOUT_FILENO) || !name || !*name || !strcmp(name, "dumb"))
		return false;
	if (!isatty(STDIN_FILENO)) {
		fd = open("/dev/tty", O_RDWR | O_CLOEXEC);
		if (fd < 0)
			return false;
		close(fd);
	}
	if (setupterm(NULL, STDOUT_FILENO, &e) != OK || e != 1)
		return false;
	cup = tigetstr("cup");
	e = cup && cup != (char *)-1 && *cup;
	del_curterm(cur_term);
	return e;
}

static void set_colors(void)
{
	start_color();
	use_default_colors();
	init_pair(1, COLOR_RED, -1);
	init_pair(2, COLOR_YELLOW, -1);
	init_pair(3, COLOR_GREEN, -1);
	init_pair(4, COLOR_CYAN, -1);
	init_pair(5, COLOR_BLACK, COLOR_CYAN);
}

/* Keys one by one; ^S does not hold us up; ^C and ^Z stay signals. */
static void set_modes(void)
{
	struct termios t;

	cbreak();
	noecho();
	nonl();
	if (!tcgetattr(STDOUT_FILENO, &t)) {
		t.c_iflag &= ~(tcflag_t)(IXON | IXOFF);
		tcsetattr(STDOUT_FILENO, TCSANOW, &t);
	}
	def_prog_mode();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	typeahead(-1); /* a key that comes while we paint must not leave half a screen */
	curs_set(0);
}

int tui_term_open(bool color, bool mouse)
{
	term.in = isatty(STDIN_FILENO) ? stdin : fopen("/dev/tty", "r+e");
	if (!term.in)
		return -errno;
	if (tcgetattr(STDOUT_FILENO, &term.saved))
		return -errno;
	use_env(FALSE);
	term.mouse = mouse;
	term.screen = newterm(NULL, stdout, term.in);
	if (!term.screen)
		return -ENOTTY;
	/* The library's own handlers are for programs without a loop. */
	signal(SIGTSTP, SIG_DFL);
	signal(SIGWINCH, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	prepare_restore();
	term.taken = true;
	catch_crashes();
	/* Milliseconds: a sequence comes in one piece, and each key is answered within 50. */
	set_escdelay(25);
	set_modes();
	term.color = color && has_colors();
	if (term.color)
		set_colors();
	if (mouse) {
		mousemask(BUTTON1_PRESSED | BUTTON4_PRESSED | BUTTON5_PRESSED, NULL);
		mouseinterval(0);
	}
	return 0;
}

void tui_term_close(void)
{
	if (!term.taken)
		return;
	endwin();
	tcsetattr(STDOUT_FILENO, TCSADRAIN, &term.saved);
	term.taken = false;
	uncatch_crashes();
	delscreen(term.screen);
	if (term.in != stdin)
		fclose(term.in);
}

void tui_term_leave(void)
{
	if (!term.taken)
		return;
	endwin();
	tcsetattr(STDOUT_FILENO, TCSADRAIN, &term.saved);
	term.taken = false;
}

void tui_term_enter(void)
{
	reset_prog_mode();
	term.taken = true;
	curs_set(0);
	clearok(stdscr, TRUE);
}

int tui_term_fd(void)
{
	return fileno(term.in);
}

void tui_term_size(int *cols, int *rows)
{
	struct winsize ws;

	if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) && ws.ws_col && ws.ws_row)
		resizeterm(ws.ws_row, ws.ws_col);
	*cols = COLS;
	*rows = LINES;
}

/* ---- keys ---- */

static uint32_t function_key(wint_t key)
{
	switch (key) {
	case KEY_UP:
		return KEY_VIEW_UP;
	case KEY_DOWN:
		return KEY_VIEW_DOWN;
	case KEY_LEFT:
		return KEY_VIEW_LEFT;
	case KEY_RIGHT:
		return KEY_VIEW_RIGHT;
	case KEY_PPAGE:
		return KEY_VIEW_PAGE_UP;
	case KEY_NPAGE:
		return KEY_VIEW_PAGE_DOWN;
	case KEY_HOME:
	case KEY_FIND:
		return KEY_VIEW_HOME;
	case KEY_END:
	case KEY_SELECT:
		return KEY_VIEW_END;
	case KEY_ENTER:
		return KEY_VIEW_ENTER;
	case KEY_BACKSPACE:
	case KEY_DC:
		return KEY_VIEW_BACKSPACE;
	case KEY_F(1):
		return KEY_VIEW_HELP;
	case KEY_F(5):
		return KEY_VIEW_TREE;
	case KEY_F(10):
		return KEY_VIEW_QUIT;
	default:
		return 0;
	}
}

static void mouse_input(struct tui_input *in)
{
	MEVENT m;

	if (getmouse(&m) != OK)
		return;
	in->row = m.y;
	in->col = m.x;
	if (m.bstate & BUTTON4_PRESSED)
		in->wheel = -3;
	else if (m.bstate & BUTTON5_PRESSED)
		in->wheel = 3;
}

bool tui_term_input(struct tui_input *in)
{
	wint_t key;
	int kind;

	memset(in, 0, sizeof(*in));
	/* wget_wch() paints as a side effect; there is nothing to paint that is not painted. */
	while ((kind = wget_wch(stdscr, &key)) != ERR) {
		if (kind == KEY_CODE_YES) {
			if (key == KEY_MOUSE) {
				mouse_input(in);
				return true;
			}
			in->key = function_key(key);
		} else if (key == '\r' || key == '\n') {
			in->key = KEY_VIEW_ENTER;
		} else if (key == 27) {
			in->key = KEY_VIEW_ESC;
		} else if (key == 127 || key == 8) {
			in->key = KEY_VIEW_BACKSPACE;
		} else if (key == 12) {
			in->redraw = true;
			return true;
		} else {
			in->key = (uint32_t)key;
		}
		if (in->key)
			return true;
	}
	return false;
}

/* ---- paint ---- */

static attr_t attributes(enum view_style style)
{
	static const attr_t plain[STYLE_MAX] = {
		[STYLE_BOLD] = A_BOLD,	     [STYLE_DIM] = A_DIM,     [STYLE_ALARM] = A_BOLD,
		[STYLE_WARN] = A_BOLD,	     [STYLE_ACCENT] = A_BOLD, [STYLE_HEAD] = A_UNDERLINE,
		[STYLE_SELECTED] = A_REVERSE};
	static const short pairs[STYLE_MAX] = {[STYLE_ALARM] = 1,
					       [STYLE_WARN] = 2,
					       [STYLE_GOOD] = 3,
					       [STYLE_ACCENT] = 4,
					       [STYLE_HEAD] = 5};

	if (!term.color || !pairs[style])
		return plain[style];
	return (attr_t)COLOR_PAIR(pairs[style]) | (style == STYLE_ALARM ? A_BOLD : 0);
}

static void paint_line(int y, const struct view_line *l)
{
	size_t i, from, to;

	if (wmove(stdscr, y, 0) == ERR)
		return;
	for (i = 0; i < l->n_runs; i++) {
		from = l->runs[i].at;
		to = i + 1 < l->n_runs ? l->runs[i + 1].at : l->len;
		attrset((int)attributes((enum view_style)l->runs[i].style));
		addnstr(l->text + from, (int)(to - from));
	}
	attrset(A_NORMAL);
}

void tui_term_paint(const struct view *v, bool all)
{
	int i, row, col;

	if (!term.taken)
		return;
	werase(stdscr);
	for (i = 0; i < view_height(v); i++)
		paint_line(i, view_line(v, i));
	if (all)
		clearok(stdscr, TRUE);
	if (view_cursor(v, &row, &col)) {
		wmove(stdscr, row, col);
		curs_set(1);
	} else {
		curs_set(0);
	}
	wrefresh(stdscr);
}
