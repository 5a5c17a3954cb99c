// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A storm of TCP connections on loopback: each client connects, exchanges a byte, and closes with
 * an RST, again and again, until SIGTERM. The servers are a process of their own.
 *
 * --doubt N: of a thousand connections, N wait for a reply that comes too late, give up by
 * SO_RCVTIMEO, and stay open until the client has --keep others of that kind: a tracer has a doubt
 * about each. --reuse N: the N-th of these is used again before it is closed, by another thread,
 * which reads the reply to the request that was given up.
 *
 * Prints what it has done, a line of JSON, every --every seconds and at its end.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define CLIENTS_MAX 16
#define KEEP_MAX    64
#define OPEN_MAX    (KEEP_MAX + 8) /* of a server: the kept, the current, closes on their way */
#define GIVE_UP_US  20000
#define LAG	    3 /* exchanges of who uses one again, each a reply behind */

/* What a request is; a reply is the same byte. The first has to wait for it. */
enum { HOLD = 'h', PING = 'p' };

static struct {
	long clients, doubt, keep, reuse, every;
} opt = {.clients = 4, .keep = 32, .every = 5};

static struct {
	atomic_long connections, exchanges, gave_up, wrong;
} done;

static atomic_bool over;
static int again[2]; /* a pipe: sockets that are to be used again */
static int listeners[CLIENTS_MAX];
static struct sockaddr_in where[CLIENTS_MAX];

static void die(const char *what)
{
	fprintf(stderr, "connects: %s: %s\n", what, strerror(errno));
	_exit(1);
}

/* ---- the servers ---- */

struct server {
	struct pollfd at[1 + OPEN_MAX]; /* the listener is the first */
	bool held[1 + OPEN_MAX];
	nfds_t n;
};

/* The client comes again, so it has given up what it waited for: now that is answered. */
static void answer_held(struct server *s)
{
	char reply = HOLD;
	nfds_t i;

	for (i = 1; i < s->n; i++) {
		if (s->held[i])
			send(s->at[i].fd, &reply, 1, MSG_NOSIGNAL);
		s->held[i] = false;
	}
}

static void server_accept(struct server *s)
{
	int fd = accept(s->at[0].fd, NULL, NULL);

	/* Closed by an RST before we came: that is no connection. */
	if (fd < 0 && errno != ECONNABORTED)
		die("accept");
	if (fd < 0)
		return;
	if (s->n == 1 + OPEN_MAX) {
		errno = EMFILE;
		die("accept");
	}
	answer_held(s);
	s->held[s->n] = false;
	s->at[s->n++] = (struct pollfd){.fd = fd, .events = POLLIN};
}

/* False: the connection is over. */
static bool server_answer(struct server *s, nfds_t i)
{
	int fd = s->at[i].fd;
	char request;

	if (recv(fd, &request, 1, 0) != 1)
		return false;
	s->held[i] = request == HOLD;
	return s->held[i] || send(fd, &request, 1, MSG_NOSIGNAL) == 1;
}

static void *serve(void *arg)
{
	struct server s = {.n = 1, .at[0] = {.fd = *(int *)arg, .events = POLLIN}};
	nfds_t i;

	for (;;) {
		if (poll(s.at, s.n, -1) < 0)
			die("poll");
		/* From the end: the last takes the place of one that is over. */
		for (i = s.n - 1; i; i--) {
			if (!s.at[i].revents || server_answer(&s, i))
				continue;
			close(s.at[i].fd);
			s.n--;
			s.at[i] = s.at[s.n];
			s.held[i] = s.held[s.n];
		}
		if (s.at[0].revents)
			server_accept(&s);
	}
	return NULL;
}

static void servers(void)
{
	pthread_t thread;
	long i;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL))
		die("prctl");
	for (i = 0; i < opt.clients; i++) {
		errno = pthread_create(&thread, NULL, serve, &listeners[i]);
		if (errno)
			die("pthread_create");
	}
	pthread_join(thread, NULL);
}

static void listen_all(void)
{
	socklen_t len = sizeof(where[0]);
	long i;

	for (i = 0; i < opt.clients; i++) {
		where[i].sin_family = AF_INET;
		where[i].sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		listeners[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (listeners[i] < 0 || bind(listeners[i], (struct sockaddr *)&where[i], len) ||
		    listen(listeners[i], OPEN_MAX) ||
		    getsockname(listeners[i], (struct sockaddr *)&where[i], &len))
			die("listen");
	}
}

/* ---- the clients ---- */

static int connected(const struct sockaddr_in *to)
{
	struct linger at_once = {.l_onoff = 1};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)to, sizeof(*to)) ||
	    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)))
		die("connect");
	atomic_fetch_add(&done.connections, 1);
	return fd;
}

static void ask(int fd, char request)
{
	if (send(fd, &request, 1, MSG_NOSIGNAL) != 1)
		die("send");
}

static char answer(int fd)
{
	char reply;

	if (recv(fd, &reply, 1, 0) != 1)
		die("recv");
	atomic_fetch_add(&done.exchanges, 1);
	return reply;
}

static void give_up(int fd)
{
	struct timeval soon = {.tv_usec = GIVE_UP_US}, never = {0};
	char reply;

	ask(fd, HOLD);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon)) ||
	    recv(fd, &reply, 1, 0) >= 0 || errno != EAGAIN ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &never, sizeof(never)))
		die("a receive that is to time out");
	atomic_fetch_add(&done.gave_up, 1);
}

/* Whoever a thoughtless pool hands them to reads the reply to another's request. */
static void *use_again(void *unused)
{
	int fd, i;

	while (read(again[0], &fd, sizeof(fd)) == sizeof(fd)) {
		for (i = 0; i < LAG; i++) {
			ask(fd, PING);
			if (answer(fd) != (i ? PING : HOLD)) {
				errno = EPROTO;
				die("a reply that is to be wrong");
			}
		}
		atomic_fetch_add(&done.wrong, 1);
		close(fd);
	}
	return unused;
}

static void end_kept(int fd, bool reused)
{
	if (!reused)
		close(fd);
	else if (write(again[1], &fd, sizeof(fd)) != sizeof(fd))
		die("write");
}

static void *rage(void *arg)
{
	const struct sockaddr_in *to = arg;
	int kept[KEEP_MAX], fd;
	unsigned int seed = ntohs(to->sin_port);
	long n = 0;

	while (!atomic_load(&over)) {
		fd = connected(to);
		/* Each begins with an exchange, as clients do. */
		ask(fd, PING);
		if (answer(fd) != PING) {
			errno = EPROTO;
			die("a reply");
		}
		if (rand_r(&seed) % 1000 >= opt.doubt) {
			close(fd);
			continue;
		}
		give_up(fd);
		if (n >= opt.keep)
			end_kept(kept[n % opt.keep], opt.reuse && n % opt.reuse == 0);
		kept[n++ % opt.keep] = fd;
	}
	return NULL;
}

static void tell(void)
{
	printf("{\"pid\": %d, \"connections\": %ld, \"exchanges\": %ld, \"gave_up\": %ld, "
	       "\"wrong\": %ld}\n",
	       getpid(), atomic_load(&done.connections), atomic_load(&done.exchanges),
	       atomic_load(&done.gave_up), atomic_load(&done.wrong));
	fflush(stdout);
}

static void storm(const sigset_t *stop)
{
	const struct timespec every = {.tv_sec = opt.every};
	pthread_t threads[CLIENTS_MAX], other;
	long i;

	errno = pipe(again) ? errno : pthread_create(&other, NULL, use_again, NULL);
	if (errno)
		die("pthread_create");
	for (i = 0; i < opt.clients; i++) {
		errno = pthread_create(&threads[i], NULL, rage, &where[i]);
		if (errno)
			die("pthread_create");
	}
	while (sigtimedwait(stop, NULL, &every) != SIGTERM)
		tell();
	atomic_store(&over, true);
	for (i = 0; i < opt.clients; i++)
		pthread_join(threads[i], NULL);
	close(again[1]);
	pthread_join(other, NULL);
	tell();
}

static void arguments(int argc, char **argv)
{
	static const struct option known[] = {
		{"clients", required_argument, NULL, 'c'}, {"doubt", required_argument, NULL, 'd'},
		{"keep", required_argument, NULL, 'k'},	   {"reuse", required_argument, NULL, 'r'},
		{"every", required_argument, NULL, 'e'},   {NULL, 0, NULL, 0}};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		long n = c == '?' ? -1 : atol(optarg);

		*(c == 'c'   ? &opt.clients
		  : c == 'd' ? &opt.doubt
		  : c == 'k' ? &opt.keep
		  : c == 'r' ? &opt.reuse
			     : &opt.every) = n;
	}
	if (opt.clients < 1 || opt.clients > CLIENTS_MAX || opt.doubt < 0 || opt.keep < 1 ||
	    opt.keep > KEEP_MAX || opt.reuse < 0 || opt.every < 1) {
		fprintf(stderr, "usage: connects [--clients N] [--doubt N] [--keep N] [--reuse N] "
				"[--every SECONDS]\n");
		exit(2);
	}
}

int main(int argc, char **argv)
{
	sigset_t stop;
	pid_t child;

	arguments(argc, argv);
	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigprocmask(SIG_BLOCK, &stop, NULL);
	listen_all();
	child = fork();
	if (child < 0)
		die("fork");
	if (!child)
		servers();
	storm(&stop);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return 0;
}
