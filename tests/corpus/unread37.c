// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A synchronous client that leaves an exact number of bytes of a reply unread, and sends its next
 * request when exactly these bytes are queued in the socket. The next answer begins with them.
 */
#include <getopt.h>
#include <linux/sockios.h>
#include <stdbool.h>
#include <sys/ioctl.h>

#include "client.h"

#define REPLY	1000
#define REQUEST 64

static uint8_t request[REQUEST], reply[REPLY];

/*
 * On some kernels (6.18.15) a Unix socket's SIOCINQ counts a buffer that was read in part as a
 * whole, so there the bytes are looked at.
 */
static int queued(int fd, bool is_unix)
{
	char look[REPLY];
	ssize_t n;
	int bytes;

	if (is_unix) {
		n = recv(fd, look, sizeof(look), MSG_PEEK | MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN)
			client_die("MSG_PEEK");
		return n < 0 ? 0 : (int)n;
	}
	if (ioctl(fd, SIOCINQ, &bytes)) /* by this name it is also FIONREAD */
		client_die("SIOCINQ");
	return bytes;
}

static void ask(int fd, uint32_t tag)
{
	client_request(request, REQUEST, REPLY, tag);
	client_send(fd, request, REQUEST);
}

/* The whole reply must have come before a part of it is read, or "unread" would be a race. */
static void await_queued(int fd, bool is_unix, int bytes)
{
	int turns = 0;

	while (queued(fd, is_unix) < bytes) {
		if (++turns > 50000) {
			errno = ETIMEDOUT;
			client_die("no reply");
		}
		usleep(100);
	}
}

/* Says where it is, and goes on when it is told to. */
static void stop_at(const char *step)
{
	char line[64];

	printf("{\"at\": \"%s\"}\n", step);
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		client_die("nobody says go on");
}

static void usage(void)
{
	fprintf(stderr, "usage: unread37 --v4-port N | --v6-port N | --unix-name NAME\n"
			"       [--left BYTES] [--clean EXCHANGES] [--step NAME]\n");
	exit(2);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"v4-port", required_argument, NULL, 'p'},
		{"v6-port", required_argument, NULL, 'P'},
		{"unix-name", required_argument, NULL, 'U'},
		{"left", required_argument, NULL, 'l'},
		{"clean", required_argument, NULL, 'c'},
		{"step", required_argument, NULL, 's'},
		{0},
	};
	int left = 37, clean = 3, family = AF_UNSPEC, fd, opt, at_send, port;
	struct where where = {0};
	const char *step = NULL;
	uint32_t tag = 0;
	bool wrong;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case 'p':
			where.v4_port = atoi(optarg);
			family = AF_INET;
			break;
		case 'P':
			where.v6_port = atoi(optarg);
			family = AF_INET6;
			break;
		case 'U':
			where.unix_name = optarg;
			family = AF_UNIX;
			break;
		case 'l':
			left = atoi(optarg);
			break;
		case 'c':
			clean = atoi(optarg);
			break;
		case 's':
			step = optarg;
			break;
		default:
			usage();
		}
	}
	if (family == AF_UNSPEC || left < 1 || left >= REPLY)
		usage();
	fd = client_connect(family, &where);
	port = client_port(fd);
	while (clean--) {
		ask(fd, ++tag);
		client_recv(fd, reply, REPLY, REPLY);
		if (!client_is_answer(reply, REPLY, tag)) {
			fprintf(stderr, "unread37: a clean exchange was wrong\n");
			return 1;
		}
	}
	if (step)
		stop_at(step);
	ask(fd, ++tag);
	await_queued(fd, family == AF_UNIX, REPLY);
	client_recv(fd, reply, REPLY - left, REPLY);
	at_send = queued(fd, family == AF_UNIX);
	if (at_send != left) {
		fprintf(stderr, "unread37: %d bytes are queued, not %d\n", at_send, left);
		return 1;
	}
	ask(fd, ++tag);
	client_recv(fd, reply, REPLY, REPLY);
	wrong = !client_is_answer(reply, REPLY, tag);
	printf("{\"row\": \"unread37\", \"pid\": %d, \"wrong\": %d, \"unread_at_send\": %d, "
	       "\"connections\": {\"%d\": {\"wrong\": %d, \"exchanges\": %u, \"cancelled\": 0, "
	       "\"closed\": false}}}\n",
	       getpid(), wrong, at_send, port, wrong, tag);
	close(fd);
	return 0;
}
