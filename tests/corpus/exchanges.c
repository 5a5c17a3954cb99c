// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A known number of exchanges on a known number of connections, for tests of exact counts.
 *
 * One thread; one exchange at a time on a connection, the connections in turn. Each connection
 * has a number of exchanges of its own (--per-conn is their mean), so that a count that landed on
 * the wrong socket is seen, also where sockets have no port. A request is one send unless --split
 * says two; a reply takes as many receives as it needs.
 */
#include <getopt.h>
#include <stdbool.h>

#include "client.h"

#define LONGEST 100000

enum way { PLAIN, SPLIT, PEEK, FAIL };

struct connection {
	int fd;
	int family;
	int port;
	uint32_t planned;
	uint32_t exchanges;
	uint32_t wrong;
	uint32_t failed;
	uint64_t tx;
	uint64_t rx;
	uint64_t recvs;
};

static uint8_t request[LONGEST], reply[LONGEST];
static uint32_t random_state = 1;

static uint32_t random_below(uint32_t limit)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 17;
	random_state ^= random_state << 5;
	return random_state % limit;
}

/* Mostly small, as requests are; sometimes one byte, sometimes many segments. */
static uint32_t random_size(void)
{
	switch (random_below(64)) {
	case 0:
		return sizeof(struct echo_head) + random_below(LONGEST - sizeof(struct echo_head));
	case 1 ... 4:
		return 1000 + random_below(15000);
	case 5 ... 14:
		return 1;
	default:
		return sizeof(struct echo_head) + random_below(500);
	}
}

/* A call that returns an error and sends nothing; the connection stays as it was. */
static void send_that_fails(struct connection *conn)
{
	static const struct iovec nowhere = {.iov_base = (void *)8, .iov_len = 16};
	struct msghdr message = {.msg_iov = (struct iovec *)&nowhere, .msg_iovlen = 1};

	if (sendmsg(conn->fd, &message, MSG_NOSIGNAL) >= 0 || errno != EFAULT) {
		fprintf(stderr, "exchanges: a send from a bad address did not fail\n");
		exit(1);
	}
	conn->failed++;
}

static void send_request(struct connection *conn, enum way way, uint32_t len)
{
	uint32_t first = way == SPLIT && len > 1 ? 1 + random_below(len - 1) : len;

	if (way == FAIL)
		send_that_fails(conn);
	client_send(conn->fd, request, first);
	if (first < len)
		client_send(conn->fd, request + first, len - first);
}

static void exchange(struct connection *conn, enum way way, uint32_t tag)
{
	uint32_t len = random_size();
	uint32_t answer = len == 1 ? 1 : random_size();
	uint8_t begin = client_request(request, len, answer, tag);
	int good;

	send_request(conn, way, len);
	if (way == PEEK && recv(conn->fd, reply, 1, MSG_PEEK) != 1)
		client_die("peek");
	conn->recvs += client_recv(conn->fd, reply, answer, 16384);
	good = len == 1 ? reply[0] == begin : client_is_answer(reply, answer, tag);
	conn->wrong += !good;
	conn->exchanges++;
	conn->tx += len;
	conn->rx += answer;
}

static void print_truth(const struct connection *conns, int count)
{
	static const char *const names[] = {
		[AF_UNIX] = "unix",
		[AF_INET] = "v4",
		[AF_INET6] = "v6",
	};
	uint64_t total = 0, wrong = 0;
	int i;

	for (i = 0; i < count; i++) {
		total += conns[i].exchanges;
		wrong += conns[i].wrong;
	}
	printf("{\"row\": \"exchanges\", \"pid\": %d, \"wrong\": %ju, \"exchanges\": %ju, "
	       "\"connections\": {",
	       getpid(), (uintmax_t)wrong, (uintmax_t)total);
	for (i = 0; i < count; i++) {
		const struct connection *c = &conns[i];

		/* IPv4 and IPv6 can have the same port at the same time; a Unix socket has none. */
		printf("%s\"%s-%d\": ", i ? ", " : "", names[c->family], c->port ? c->port : i);
		printf("{\"family\": \"%s\", \"wrong\": %u, \"exchanges\": %u, \"cancelled\": 0, "
		       "\"closed\": false, \"failed_sends\": %u, \"tx_bytes\": %ju, "
		       "\"rx_bytes\": %ju, \"recvs\": %ju}",
		       names[c->family], c->wrong, c->exchanges, c->failed, (uintmax_t)c->tx,
		       (uintmax_t)c->rx, (uintmax_t)c->recvs);
	}
	printf("}}\n");
}

/* Around the mean, each different, the sum exactly count * mean. */
static uint32_t share(int index, int count, uint32_t mean)
{
	int half = count / 2;
	int offset = index - half;

	if (count % 2 == 0 && offset >= 0)
		offset++;
	return mean > (uint32_t)half ? mean + offset : mean;
}

static void usage(void)
{
	fprintf(stderr, "usage: exchanges --v4-port N --v6-port N --unix-name NAME\n"
			"       [--v4 CONNS] [--v6 CONNS] [--unix CONNS] [--per-conn MEAN]\n"
			"       [--split | --peek | --fail]\n");
	exit(2);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"v4-port", required_argument, NULL, 'p'},
		{"v6-port", required_argument, NULL, 'P'},
		{"unix-name", required_argument, NULL, 'U'},
		{"v4", required_argument, NULL, '4'},
		{"v6", required_argument, NULL, '6'},
		{"unix", required_argument, NULL, 'u'},
		{"per-conn", required_argument, NULL, 'n'},
		{"split", no_argument, NULL, 's'},
		{"peek", no_argument, NULL, 'k'},
		{"fail", no_argument, NULL, 'f'},
		{0},
	};
	struct where where = {0};
	int v4 = 0, v6 = 0, un = 0, opt, count, i;
	struct connection *conns;
	uint32_t mean = 4000, tag = 0;
	enum way way = PLAIN;
	bool busy = true;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case 'p':
			where.v4_port = atoi(optarg);
			break;
		case 'P':
			where.v6_port = atoi(optarg);
			break;
		case 'U':
			where.unix_name = optarg;
			break;
		case '4':
			v4 = atoi(optarg);
			break;
		case '6':
			v6 = atoi(optarg);
			break;
		case 'u':
			un = atoi(optarg);
			break;
		case 'n':
			mean = atoi(optarg);
			break;
		case 's':
			way = SPLIT;
			break;
		case 'k':
			way = PEEK;
			break;
		case 'f':
			way = FAIL;
			break;
		default:
			usage();
		}
	}
	count = v4 + v6 + un;
	if (count < 1 || (un && !where.unix_name))
		usage();
	conns = calloc(count, sizeof(*conns));
	if (!conns)
		client_die("calloc");
	for (i = 0; i < count; i++) {
		conns[i].family = i < v4 ? AF_INET : i < v4 + v6 ? AF_INET6 : AF_UNIX;
		conns[i].fd = client_connect(conns[i].family, &where);
		conns[i].port = client_port(conns[i].fd);
		conns[i].planned = share(i, count, mean);
	}
	while (busy) {
		busy = false;
		for (i = 0; i < count; i++) {
			if (conns[i].exchanges == conns[i].planned)
				continue;
			exchange(&conns[i], way, ++tag);
			busy = true;
		}
	}
	print_truth(conns, count);
	for (i = 0; i < count; i++)
		close(conns[i].fd);
	free(conns);
	return 0;
}
