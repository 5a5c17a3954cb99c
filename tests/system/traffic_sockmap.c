// SPDX-License-Identifier: GPL-2.0-or-later
/* A connection whose bytes a BPF program redirects from one end to the other, as service meshes do.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <signal.h>
#include <unistd.h>
#include <linux/bpf.h>
#include <bpf/bpf.h>

#include "traffic_ways.h"

/* Whatever CLIENT's local port sends goes to entry 1 of MAP, all else to entry 0. */
static int load_redirect(int map, uint16_t client)
{
	const struct bpf_insn insns[] = {
		{.code = BPF_LDX | BPF_MEM | BPF_W,
		 .dst_reg = 2,
		 .src_reg = 1,
		 .off = __builtin_offsetof(struct sk_msg_md, local_port)},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 3, .imm = 1},
		{.code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = 2, .off = 1, .imm = client},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 3, .imm = 0},
		{.code = BPF_LD | BPF_DW | BPF_IMM,
		 .dst_reg = 2,
		 .src_reg = BPF_PSEUDO_MAP_FD,
		 .imm = map},
		{0},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 4, .imm = BPF_F_INGRESS},
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_msg_redirect_map},
		{.code = BPF_JMP | BPF_EXIT},
	};

	return bpf_prog_load(BPF_PROG_TYPE_SK_MSG, "traffic", "GPL", insns,
			     sizeof(insns) / sizeof(*insns), NULL);
}

/* Both ends of a connection, in this process. */
static uint16_t both_ends(int ends[2])
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t len = sizeof(a);

	if (bind(listener, (struct sockaddr *)&a, len) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&a, &len))
		die("listen");
	ends[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(ends[0], (struct sockaddr *)&a, len))
		die("connect");
	ends[1] = accept(listener, NULL, NULL);
	if (ends[1] < 0 || getsockname(ends[0], (struct sockaddr *)&a, &len))
		die("accept");
	close(listener);
	return ntohs(a.sin_port);
}

static void echo(int fd)
{
	char buf[SIZE];
	ssize_t n;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while ((n = recv(fd, buf, SIZE, 0)) > 0)
		if (send(fd, buf, (size_t)n, 0) != n)
			break;
	_exit(0);
}

void by_sockmap(const struct kind *k, int fd, int n)
{
	struct kind plain = *k;
	int i, map, prog, ends[2];
	uint16_t port;

	close(fd); /* the common server's: both ends have to be ours */
	map = bpf_map_create(BPF_MAP_TYPE_SOCKMAP, "traffic", 4, 4, 2, NULL);
	if (map < 0)
		skip("a map of sockets");
	port = both_ends(ends);
	prog = load_redirect(map, port);
	if (prog < 0 || bpf_prog_attach(prog, map, BPF_SK_MSG_VERDICT, 0))
		skip("a program for it");
	for (i = 0; i < 2; i++)
		if (bpf_map_update_elem(map, &i, &ends[i], BPF_ANY))
			skip("a socket in it");
	if (!fork())
		echo(ends[1]);
	close(ends[1]);
	plain.all = NULL;
	exchange_all(&plain, ends[0], n);
	close(ends[0]);
}
