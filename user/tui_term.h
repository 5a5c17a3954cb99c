/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The terminal: taken, given back on every way out, drawn on. One at a time.
 */
#ifndef MISPAIR_TUI_TERM_H
#define MISPAIR_TUI_TERM_H

#include <stdbool.h>
#include <stdint.h>

#include "view.h"

/* Is standard output a terminal that can move its cursor, with somebody at its keyboard? */
bool tui_possible(void);

/* Takes the terminal; 0 or -errno. */
int tui_term_open(bool color, bool mouse);

/* Gives it back as it was; more than once is fine. */
void tui_term_close(void);

/* For the time that somebody else has it: before a stop by SIGTSTP, and after it. */
void tui_term_leave(void);
void tui_term_enter(void);

/* The keyboard's descriptor. */
int tui_term_fd(void);

/* Asks the terminal for its size. */
void tui_term_size(int *cols, int *rows);

/* The next key of those that wait, as view_key() knows it; 0: there is none. */
struct tui_input {
	uint32_t key; /* 0: the mouse */
	int row, col, wheel;
	bool redraw; /* ^L: the user sees garbage */
};
bool tui_term_input(struct tui_input *in);

/* Paints the composed screen. ALL: do not trust what is there. */
void tui_term_paint(const struct view *v, bool all);

#endif
