// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Does this host let our programs hear its timers? A program on timers runs over whatever task has
 * the CPU, and there are hosts that run none over some of their own: what a timer ends then, nobody
 * is told. Our own sleeps end by such timers, so we know of it before an application has to.
 */
#include <errno.h>
#include <time.h>
#include <bpf/libbpf.h>

#include "session_int.h"

/* Long enough that it is not over before a busy host has set the timer. */
#define MOMENT_NS 1000000

bool session_hears_timers(struct session *s)
{
	const volatile __u32 *own = &s->skel->bss->own_timers;
	const struct timespec moment = {.tv_nsec = MOMENT_NS};
	__u32 before = *own;

	/* In a PID namespace the kernel side does not know who we are. */
	if (!s->skel->rodata->opt_self || nanosleep(&moment, NULL))
		return true;
	return *own != before;
}

int session_note_sleeps(struct session *s)
{
	s->skel->links.on_sleep = bpf_program__attach(s->skel->progs.on_sleep);
	return s->skel->links.on_sleep ? 0 : -errno;
}
