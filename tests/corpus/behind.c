// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A correct client that is told more than it asked for, right behind a reply: now and then the push
 * comes while the receive that took the reply has not returned yet. It lies unread when the next
 * request goes out, and looks like the rest of a reply that was read in part.
 *
 * The client reads what there is, whatever it is, and throws pushes away as it meets them.
 */
#include "tag.h"

/* As many as make a connection's habits known, and some. */
#define PLAIN 12

struct lines {
	size_t have;
	char text[4096];
};

static const char *next_line(int fd, struct lines *in, char *to, size_t size)
{
	char *end;
	size_t len;

	while (!(end = memchr(in->text, '\n', in->have))) {
		ssize_t n = recv(fd, in->text + in->have, sizeof(in->text) - in->have, 0);

		if (n <= 0)
			client_die("recv");
		in->have += n;
	}
	len = end - in->text;
	snprintf(to, size, "%.*s", (int)len, in->text);
	in->have -= len + 1;
	memmove(in->text, end + 1, in->have);
	return to;
}

static void ask(int fd, struct lines *in, bool pushed)
{
	char text[128], line[128], tag[32];

	snprintf(tag, sizeof(tag), "%st%u", pushed ? "+" : "", ++last_tag);
	snprintf(text, sizeof(text), "%s 0 0 1 %u\n", tag, varied(80));
	client_send(fd, text, strlen(text));
	while (!strcmp(next_line(fd, in, line, sizeof(line)), "push"))
		;
	truth.wrong += strcmp(line, tag) != 0;
	truth.operations++;
}

int main(int argc, char **argv)
{
	int i, connections;

	if (argc != 5 || strcmp(argv[1], "--port") || strcmp(argv[3], "--connections"))
		return 2;
	connections = atoi(argv[4]);
	for (i = 0; i < connections; i++) {
		struct lines in = {0};
		int n, fd = tag_connect(atoi(argv[2]));

		for (n = 0; n < PLAIN; n++)
			ask(fd, &in, false);
		ask(fd, &in, true);
		usleep(300); /* by now the push is there */
		ask(fd, &in, false);
		close(fd);
	}
	truth_print("behind");
	return 0;
}
