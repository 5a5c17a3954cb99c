/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hooks that mispair can do without (--without): bits. */
#ifndef MISPAIR_HOOKS_H
#define MISPAIR_HOOKS_H

enum spare_hook {
	SPARE_TIMER_EXPIRES = 1, /* hrtimer_expire_entry: a wait has timed out */
	SPARE_TIMER_STARTS = 2,	 /* hrtimer_start: a wait begins that may time out */
	SPARE_SIGNAL = 4,	 /* signal_deliver: a thread handles a signal */
};

#endif
