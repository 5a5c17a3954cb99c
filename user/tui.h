/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The live view on a terminal, as a sink. */
#ifndef MISPAIR_TUI_H
#define MISPAIR_TUI_H

#include "finding.h"
#include "options.h"

/*
 * Takes the terminal at start() and gives it back at stop(), or at the latest at finish(). Reads
 * keys from the terminal and SIGWINCH, SIGTSTP and SIGCONT by a signalfd of its own; poll_fd() is
 * readable when there is one. NULL (errno set) when it cannot be made.
 */
struct sink *tui_new(const struct options *o);

#endif
