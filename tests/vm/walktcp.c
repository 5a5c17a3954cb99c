// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Walks over all TCP sockets with an iterator, again and again, until SIGTERM. For guests only:
 * where somebody connects meanwhile, kernels up to 6.18 at least take a reference on a request
 * socket whose count is still 0, and then use it after it was freed.
 *
 * Prints how many walks there were, a line of JSON, every second and at the end.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "walktcp.skel.h"

static volatile sig_atomic_t over;

static void on_signal(int number)
{
	(void)number;
	over = 1;
}

/* One walk over all sockets, or -errno. */
static int walk(int link)
{
	char nothing[64];
	int fd = bpf_iter_create(link);
	ssize_t n = 1;

	if (fd < 0)
		return -errno;
	/* -EAGAIN: so many sockets were shown without a word that the reader is asked again. */
	while (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		n = read(fd, nothing, sizeof(nothing));
	n = n < 0 ? -errno : 0;
	close(fd);
	return (int)n;
}

static void tell(long walks)
{
	printf("{\"walks\": %ld}\n", walks);
	fflush(stdout);
}

int main(void)
{
	struct sigaction action = {.sa_handler = on_signal};
	struct walktcp_bpf *skel = walktcp_bpf__open_and_load();
	time_t told = time(NULL);
	long walks = 0;
	int e = 0;

	if (!skel || walktcp_bpf__attach(skel)) {
		fprintf(stderr, "walktcp: no iterator over TCP sockets\n");
		return 1;
	}
	sigaction(SIGTERM, &action, NULL);
	while (!over && !e) {
		e = walk(bpf_link__fd(skel->links.show));
		walks += !e;
		if (time(NULL) != told) {
			tell(walks);
			told = time(NULL);
		}
	}
	tell(walks);
	walktcp_bpf__destroy(skel);
	if (e)
		fprintf(stderr, "walktcp: %s\n", strerror(-e));
	return e ? 1 : 0;
}
