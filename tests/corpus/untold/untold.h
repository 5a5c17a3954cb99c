/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MISPAIR_TESTS_UNTOLD_H
#define MISPAIR_TESTS_UNTOLD_H

#define UNTOLD_THREADS 8

struct told_thread {
	unsigned int tid;
	unsigned int told; /* timers that woke it */
};

#endif
