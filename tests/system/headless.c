// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * headless PORT: ends its first thread and asks a server for one answer on another one. From then
 * on the process lives until its standard input ends, and under its number nothing of its memory
 * can be seen.
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int port;

/* Has the first thread ended? The kernel lists no mappings of it then. */
static int headless(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	int c = maps ? fgetc(maps) : 0;

	if (maps)
		fclose(maps);
	return c == EOF;
}

static void *ask(void *arg)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char answer[64];

	(void)arg;
	while (!headless())
		usleep(1000);
	if (s < 0 || connect(s, (struct sockaddr *)&to, sizeof(to)) ||
	    write(s, "PING\r\n", 6) != 6 || read(s, answer, sizeof(answer)) <= 0) {
		perror("headless");
		exit(1);
	}
	/* It is looked into while it is there. */
	while (read(STDIN_FILENO, answer, sizeof(answer)) > 0)
		;
	exit(0);
}

int main(int argc, char **argv)
{
	pthread_t thread;

	port = argc > 1 ? atoi(argv[1]) : 0;
	if (!port || pthread_create(&thread, NULL, ask, NULL)) {
		fputs("usage: headless PORT\n", stderr);
		return 2;
	}
	pthread_exit(NULL);
}
