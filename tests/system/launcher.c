// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * launcher PORT [--at-once] [CMD...]: asks a server for one answer, closes the connection, prints
 * "ready" and waits for a byte on standard input. Then it becomes CMD, or it ends. With --at-once
 * it waits for nothing. With --hold in place of that it keeps the connection until the byte comes.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int ask(int port)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char answer[64];

	if (s < 0 || connect(s, (struct sockaddr *)&to, sizeof(to)) ||
	    write(s, "PING\r\n", 6) != 6 || read(s, answer, sizeof(answer)) <= 0) {
		perror("launcher");
		exit(1);
	}
	return s;
}

int main(int argc, char **argv)
{
	int at = 2, s, wait = 1, hold = 0;
	char go;

	if (argc < 2)
		return 2;
	for (; at < argc && !strncmp(argv[at], "--", 2); at++) {
		wait &= strcmp(argv[at], "--at-once") != 0;
		hold |= !strcmp(argv[at], "--hold");
	}
	s = ask(atoi(argv[1]));
	if (!hold)
		close(s);
	puts("ready");
	fflush(stdout);
	if (wait && read(STDIN_FILENO, &go, 1) < 0)
		return 1;
	if (at == argc)
		return 0;
	execv(argv[at], argv + at);
	perror(argv[at]);
	return 1;
}
