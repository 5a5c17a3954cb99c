// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * traffic KIND EXCHANGES: a client that asks and is answered one at a time, by one of the ways that
 * Linux has for that, and its server. Prints what it did as JSON; status 77 and a reason where this
 * kernel does not have that way. Without arguments it lists the kinds.
 *
 * A request and a reply are SIZE bytes each. Nobody abandons anything here.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/tls.h>
#include <linux/vm_sockets.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "traffic_ways.h"

#define SKIPPED 77

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif
#ifndef AF_SMC
#define AF_SMC 43
#endif
#ifndef SOL_TLS
#define SOL_TLS 282
#endif
#ifndef TCP_ULP
#define TCP_ULP 31
#endif

void skip(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	exit(SKIPPED);
}

void die(const char *what)
{
	perror(what);
	exit(1);
}

/* ---- addresses ---- */

union addr {
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_un un;
	struct sockaddr_vm vm;
};

static socklen_t any_address(int family, union addr *a)
{
	memset(a, 0, sizeof(*a));
	a->sa.sa_family = (sa_family_t)family;
	switch (family) {
	case AF_INET6:
		a->v6.sin6_addr = in6addr_loopback;
		return sizeof(a->v6);
	case AF_UNIX: /* an abstract name that the kernel chooses */
		return sizeof(sa_family_t);
	case AF_VSOCK:
		a->vm.svm_cid = VMADDR_CID_LOCAL;
		a->vm.svm_port = VMADDR_PORT_ANY;
		return sizeof(a->vm);
	default:
		a->v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		return sizeof(a->v4);
	}
}

/* ---- the server ---- */

static void exactly(int fd, char *buf, bool out)
{
	size_t done = 0;

	while (done < SIZE) {
		ssize_t n = out ? write(fd, buf + done, SIZE - done)
				: read(fd, buf + done, SIZE - done);

		if (n <= 0 && errno != EINTR)
			_exit(0);
		done += n > 0 ? (size_t)n : 0;
	}
}

/* Ends with PARENT, which may have ended before it could be asked for that. */
static void end_with(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0);
}

static void serve(int listener, const struct kind *k, pid_t parent)
{
	struct sockaddr_storage from;
	socklen_t len;
	char buf[SIZE];
	ssize_t n;
	pid_t self;
	int fd;

	end_with(parent);
	self = getpid();
	if (k->type == SOCK_DGRAM) {
		for (;;) {
			len = sizeof(from);
			n = recvfrom(listener, buf, SIZE, 0, (struct sockaddr *)&from, &len);
			if (n > 0)
				sendto(listener, buf, (size_t)n, 0, (struct sockaddr *)&from, len);
		}
	}
	for (;;) {
		fd = accept(listener, NULL, NULL);
		if (fd < 0)
			_exit(1);
		if (fork()) {
			close(fd);
			continue;
		}
		end_with(self);
		if (k->both)
			k->both(fd, true);
		for (;;) {
			exactly(fd, buf, false);
			exactly(fd, buf, true);
		}
	}
}

/* ---- the client ---- */

static void plain_send(int fd, const char *buf)
{
	if (send(fd, buf, SIZE, 0) != SIZE)
		die("send");
}

static void plain_recv(int fd, char *buf)
{
	size_t done = 0;

	while (done < SIZE) {
		ssize_t n = recv(fd, buf + done, SIZE - done, 0);

		if (n <= 0)
			die("recv");
		done += (size_t)n;
	}
}

static void mmsg_send(int fd, const char *buf)
{
	struct iovec v[2] = {{(char *)buf, SIZE / 2}, {(char *)buf + SIZE / 2, SIZE / 2}};
	struct mmsghdr m[2] = {{.msg_hdr = {.msg_iov = &v[0], .msg_iovlen = 1}},
			       {.msg_hdr = {.msg_iov = &v[1], .msg_iovlen = 1}}};

	if (sendmmsg(fd, m, 2, 0) != 2)
		die("sendmmsg");
}

static void mmsg_recv(int fd, char *buf)
{
	struct iovec v = {buf, SIZE};
	struct mmsghdr m = {.msg_hdr = {.msg_iov = &v, .msg_iovlen = 1}};

	if (recvmmsg(fd, &m, 1, MSG_WAITALL, NULL) != 1 || m.msg_len != SIZE)
		die("recvmmsg");
}

static void vector_send(int fd, const char *buf)
{
	struct iovec v[2] = {{(char *)buf, 10}, {(char *)buf + 10, SIZE - 10}};

	if (writev(fd, v, 2) != SIZE)
		die("writev");
}

static void vector_recv(int fd, char *buf)
{
	size_t done = 0;

	while (done < SIZE) {
		size_t half = (SIZE - done) / 2;
		struct iovec v[2] = {{buf + done, half}, {buf + done + half, SIZE - done - half}};
		ssize_t n = readv(fd, v, 2);

		if (n <= 0)
			die("readv");
		done += (size_t)n;
	}
}

static void file_send(int fd, const char *buf)
{
	static int file = -1;
	off_t at = 0;

	if (file < 0)
		file = memfd_create("request", MFD_CLOEXEC);
	if (pwrite(file, buf, SIZE, 0) != SIZE || sendfile(fd, file, &at, SIZE) != SIZE)
		die("sendfile");
}

static int *pipe_of_ours(void)
{
	static int ends[2] = {-1, -1};

	if (ends[0] < 0 && pipe(ends))
		die("pipe");
	return ends;
}

static void splice_send(int fd, const char *buf)
{
	int *ends = pipe_of_ours();

	if (write(ends[1], buf, SIZE) != SIZE || splice(ends[0], NULL, fd, NULL, SIZE, 0) != SIZE)
		die("splice");
}

static void vmsplice_send(int fd, const char *buf)
{
	struct iovec v = {(char *)buf, SIZE};
	int *ends = pipe_of_ours();

	if (vmsplice(ends[1], &v, 1, 0) != SIZE || splice(ends[0], NULL, fd, NULL, SIZE, 0) != SIZE)
		die("vmsplice");
}

static void splice_recv(int fd, char *buf)
{
	int *ends = pipe_of_ours();
	size_t done = 0;

	while (done < SIZE) {
		ssize_t n = splice(fd, NULL, ends[1], NULL, SIZE - done, 0);

		if (n <= 0 || read(ends[0], buf + done, (size_t)n) != n)
			die("splice from a socket");
		done += (size_t)n;
	}
}

static void zerocopy_send(int fd, const char *buf)
{
	char control[128];
	struct msghdr m = {.msg_control = control, .msg_controllen = sizeof(control)};
	struct pollfd p = {.fd = fd};
	int on = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof(on)))
		skip("SO_ZEROCOPY");
	if (send(fd, buf, SIZE, MSG_ZEROCOPY) != SIZE)
		die("send");
	while (poll(&p, 1, -1) < 0 || recvmsg(fd, &m, MSG_ERRQUEUE) < 0)
		;
}

/* linux/tcp.h, which glibc's netinet/tcp.h does not let in, as of 5.12. */
struct zerocopy {
	uint64_t address;
	uint32_t length, recv_skip_hint, inq;
	int32_t err;
	uint64_t copybuf_address;
	int32_t copybuf_len;
	uint32_t flags;
	uint64_t msg_control, msg_controllen;
	uint32_t msg_flags, reserved;
};

/* TCP_ZEROCOPY_RECEIVE copies what it cannot map, which is all of a small reply. */
static void zerocopy_recv(int fd, char *buf)
{
	static void *map;
	struct zerocopy z = {0};
	socklen_t len = sizeof(z);
	struct pollfd p = {.fd = fd, .events = POLLIN};
	size_t done = 0;

	if (!map)
		map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		skip("mmap of a socket");
	while (done < SIZE) {
		poll(&p, 1, -1);
		memset(&z, 0, sizeof(z));
		z.address = (uintptr_t)map;
		z.length = 4096;
		z.copybuf_address = (uintptr_t)buf;
		z.copybuf_len = SIZE;
		if (getsockopt(fd, IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE, &z, &len))
			skip("TCP_ZEROCOPY_RECEIVE");
		if (z.copybuf_len <= 0)
			skip("TCP_ZEROCOPY_RECEIVE copies nothing here");
		done += (size_t)z.copybuf_len;
	}
}

static void peek_recv(int fd, char *buf)
{
	if (recv(fd, buf, SIZE, MSG_PEEK) <= 0)
		die("recv");
	plain_recv(fd, buf);
}

static void trunc_recv(int fd, char *buf)
{
	size_t done = 0;
	ssize_t n;

	(void)buf;
	for (; done < SIZE; done += (size_t)n) {
		n = recv(fd, NULL, SIZE - done, MSG_TRUNC);
		if (n <= 0)
			die("recv");
	}
}

static void waitall_recv(int fd, char *buf)
{
	if (recv(fd, buf, SIZE, MSG_WAITALL) != SIZE)
		die("recv");
}

static void lowat_recv(int fd, char *buf)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int size = SIZE;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &size, sizeof(size)))
		die("SO_RCVLOWAT");
	poll(&p, 1, -1);
	plain_recv(fd, buf);
}

/* ---- protocols above TCP ---- */

static void tls(int fd, bool server)
{
	struct tls12_crypto_info_aes_gcm_128 key = {
		.info = {.version = TLS_1_2_VERSION, .cipher_type = TLS_CIPHER_AES_GCM_128}};

	(void)server; /* the same key each way */
	if (setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", 4))
		skip("TCP_ULP tls");
	if (setsockopt(fd, SOL_TLS, TLS_TX, &key, sizeof(key)) ||
	    setsockopt(fd, SOL_TLS, TLS_RX, &key, sizeof(key)))
		die("TLS keys");
}

/* ---- who exchanges ---- */

void exchange_all(const struct kind *k, int fd, int n)
{
	char out[SIZE], in[SIZE];
	int i;

	for (i = 0; i < n; i++) {
		memset(out, 'a' + i % 26, SIZE);
		(k->send ? k->send : plain_send)(fd, out);
		(k->recv ? k->recv : plain_recv)(fd, in);
		if (k->recv != trunc_recv && memcmp(in, out, SIZE))
			die("another answer");
	}
}

/* The first half here, the second in a child that shares the socket. */
static void by_two_processes(const struct kind *k, int fd, int n)
{
	pid_t child;

	exchange_all(k, fd, n / 2);
	child = fork();
	if (!child) {
		exchange_all(k, fd, n - n / 2);
		_exit(0);
	}
	waitpid(child, NULL, 0);
}

/* The same, in a child that was there before and is handed the socket. */
static void by_a_receiver(const struct kind *k, int unused, int n)
{
	char control[CMSG_SPACE(sizeof(int))] = {0}, byte = 0;
	struct iovec v = {&byte, 1};
	struct msghdr m = {.msg_iov = &v,
			   .msg_iovlen = 1,
			   .msg_control = control,
			   .msg_controllen = sizeof(control)};
	struct cmsghdr *c;
	int pair[2], fd;
	pid_t child;

	(void)unused;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		die("socketpair");
	child = fork();
	if (!child) {
		if (recvmsg(pair[1], &m, 0) != 1)
			_exit(1);
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
		exchange_all(k, fd, n - n / 2);
		_exit(0);
	}
	fd = client_socket(k);
	exchange_all(k, fd, n / 2);
	c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	if (sendmsg(pair[0], &m, 0) != 1)
		die("sendmsg");
	close(fd);
	waitpid(child, NULL, 0);
}

/* ---- TCP fast open: twice, since the first connection only fetches the cookie ---- */

/* In a network of our own, where servers may do it too. */
static void allow_fastopen(void)
{
	struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	int s, fd;

	if (unshare(CLONE_NEWNET))
		skip("a network namespace");
	s = socket(AF_INET, SOCK_DGRAM, 0);
	fd = open("/proc/sys/net/ipv4/tcp_fastopen", O_WRONLY);
	if (ioctl(s, SIOCSIFFLAGS, &lo) || write(fd, "3", 1) != 1)
		skip("tcp_fastopen");
	close(fd);
	close(s);
}

static union addr server_at;
static socklen_t server_len;

static void fastopen_send(int fd, const char *buf)
{
	if (sendto(fd, buf, SIZE, MSG_FASTOPEN, &server_at.sa, server_len) != SIZE)
		die("sendto");
}

static void fastopen_exchange(const struct kind *k, int fd, int n)
{
	struct kind after = *k;
	int half, on = 1;

	after.send = NULL;
	(void)fd;
	for (half = 0; half < 2; half++) {
		fd = socket(AF_INET, SOCK_STREAM, 0);
		if (!k->send) { /* TCP_FASTOPEN_CONNECT: connect() only remembers */
			if (setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof(on)))
				skip("TCP_FASTOPEN_CONNECT");
			if (connect(fd, &server_at.sa, server_len))
				die("connect");
		}
		exchange_all(k, fd, 1);
		exchange_all(&after, fd, (half ? n - n / 2 : n / 2) - 1);
		close(fd);
	}
}

/* ---- the table ---- */

/* clang-format off */
static const struct kind kinds[] = {
	{"tcp4", AF_INET, SOCK_STREAM, 0, .send = plain_send},
	{"tcp6", AF_INET6, SOCK_STREAM, 0, .send = plain_send},
	{"unix", AF_UNIX, SOCK_STREAM, 0, .send = plain_send},
	{"unix_seqpacket", AF_UNIX, SOCK_SEQPACKET, 0, .send = plain_send},
	{"unix_dgram", AF_UNIX, SOCK_DGRAM, 0, .send = plain_send},
	{"socketpair", AF_UNIX, SOCK_STREAM, 0, .pair = true},
	{"mptcp", AF_INET, SOCK_STREAM, IPPROTO_MPTCP, .send = plain_send},
	{"udp", AF_INET, SOCK_DGRAM, 0, .send = plain_send},
	{"sctp", AF_INET, SOCK_STREAM, IPPROTO_SCTP, .send = plain_send},
	{"vsock", AF_VSOCK, SOCK_STREAM, 0, .send = plain_send},
	{"smc", AF_SMC, SOCK_STREAM, 0, .send = plain_send},
	{"ktls", AF_INET, SOCK_STREAM, 0, .both = tls},
	{"sockmap", AF_INET, SOCK_STREAM, 0, .all = by_sockmap},
	{"mmsg", AF_INET, SOCK_STREAM, 0, .send = mmsg_send, .recv = mmsg_recv},
	{"vectors", AF_INET, SOCK_STREAM, 0, .send = vector_send, .recv = vector_recv},
	{"sendfile", AF_INET, SOCK_STREAM, 0, .send = file_send},
	{"splice_send", AF_INET, SOCK_STREAM, 0, .send = splice_send},
	{"vmsplice", AF_INET, SOCK_STREAM, 0, .send = vmsplice_send},
	{"splice_recv", AF_INET, SOCK_STREAM, 0, .recv = splice_recv},
	{"splice_recv_unix", AF_UNIX, SOCK_STREAM, 0, .recv = splice_recv},
	{"zerocopy_send", AF_INET, SOCK_STREAM, 0, .send = zerocopy_send},
	{"zerocopy_recv", AF_INET, SOCK_STREAM, 0, .recv = zerocopy_recv},
	{"uring", AF_INET, SOCK_STREAM, 0, .send = uring_send, .recv = uring_recv},
	{"uring_sqpoll", AF_INET, SOCK_STREAM, 0, .send = uring_poll_send, .recv = uring_poll_recv},
	{"uring_fixed", AF_INET, SOCK_STREAM, 0, .send = uring_fixed_send, .recv = uring_fixed_recv},
	{"uring_zerocopy", AF_INET, SOCK_STREAM, 0, .send = uring_zerocopy_send, .recv = uring_recv},
	{"fastopen", AF_INET, SOCK_STREAM, 0, .send = fastopen_send, .all = fastopen_exchange, .fastopen = true},
	{"fastopen_connect", AF_INET, SOCK_STREAM, 0, .all = fastopen_exchange, .fastopen = true},
	{"peek", AF_INET, SOCK_STREAM, 0, .recv = peek_recv},
	{"trunc", AF_INET, SOCK_STREAM, 0, .recv = trunc_recv},
	{"waitall", AF_INET, SOCK_STREAM, 0, .recv = waitall_recv},
	{"lowat", AF_INET, SOCK_STREAM, 0, .recv = lowat_recv},
	{"forked", AF_INET, SOCK_STREAM, 0, .all = by_two_processes},
	{"passed", AF_INET, SOCK_STREAM, 0, .all = by_a_receiver, .late = true},
};
/* clang-format on */

#define N_KINDS (sizeof(kinds) / sizeof(*kinds))

static void start_server(const struct kind *k)
{
	int queue = 16, s = socket(k->family, k->type, k->protocol);
	pid_t self = getpid();
	union addr a;

	if (s < 0)
		skip("socket");
	if (bind(s, &a.sa, any_address(k->family, &a)))
		skip("bind");
	if (k->fastopen && setsockopt(s, IPPROTO_TCP, TCP_FASTOPEN, &queue, sizeof(queue)))
		skip("TCP_FASTOPEN");
	server_len = sizeof(server_at);
	if ((k->type != SOCK_DGRAM && listen(s, 16)) || getsockname(s, &server_at.sa, &server_len))
		die("listen");
	if (!fork())
		serve(s, k, self);
	close(s);
}

int client_socket(const struct kind *k)
{
	union addr a;
	int s = socket(k->family, k->type, k->protocol);

	/* To be answered, a datagram's sender needs a name. */
	if (k->type == SOCK_DGRAM && bind(s, &a.sa, any_address(k->family, &a)))
		die("bind");
	if (s < 0 || connect(s, &server_at.sa, server_len))
		skip("connect");
	if (k->both)
		k->both(s, false);
	return s;
}

static int pair_client(const struct kind *k)
{
	pid_t self = getpid();
	int ends[2];
	char buf[SIZE];

	if (socketpair(k->family, k->type, 0, ends))
		die("socketpair");
	if (!fork()) {
		end_with(self);
		close(ends[0]);
		for (;;) {
			exactly(ends[1], buf, false);
			exactly(ends[1], buf, true);
		}
	}
	close(ends[1]);
	return ends[0];
}

int main(int argc, char **argv)
{
	const struct kind *k;
	int n, fd = -1;
	size_t i;

	for (i = 0; argc == 1 && i < N_KINDS; i++)
		puts(kinds[i].name);
	if (argc != 3)
		return argc == 1 ? 0 : 2;
	n = atoi(argv[2]);
	for (i = 0; i < N_KINDS && strcmp(kinds[i].name, argv[1]); i++)
		;
	if (i == N_KINDS || n < 4) {
		fprintf(stderr, "no such kind, or fewer than 4 exchanges\n");
		return 2;
	}
	k = &kinds[i];
	if (k->fastopen)
		allow_fastopen();
	if (k->pair)
		fd = pair_client(k);
	else
		start_server(k);
	if (fd < 0 && !k->late && !k->fastopen)
		fd = client_socket(k);
	(k->all ? k->all : exchange_all)(k, fd, n);
	if (fd >= 0 && k->all != by_sockmap)
		close(fd);
	printf("{\"pid\": %d, \"exchanges\": %d}\n", (int)getpid(), n);
	return 0;
}
