// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The system call itself, since neither the headers nor the libbpf of older distributions have it,
 * and the proof that its filter does what it should.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/bpf.h>
#include <bpf/bpf.h>

#include "remote.h"
#include "thread.h"
#include "uprobemulti.h"

/* union bpf_attr for BPF_LINK_CREATE, include/uapi/linux/bpf.h of 6.6. */
struct multi_attr {
	uint32_t prog_fd, target_fd, attach_type, flags;
	uint64_t path, offsets, ref_ctr_offsets, cookies;
	uint32_t cnt, multi_flags, pid, pad;
};

int uprobemulti_attach(int prog, const char *path, uint64_t offset, uint64_t cookie, int pid)
{
	struct multi_attr attr = {
		.prog_fd = (uint32_t)prog,
		.attach_type = UPROBE_MULTI_ATTACH,
		.path = (uintptr_t)path,
		.offsets = (uintptr_t)&offset,
		.cookies = cookie ? (uintptr_t)&cookie : 0,
		.cnt = 1,
		.pid = (uint32_t)pid,
	};
	int fd = (int)syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));

	return fd < 0 ? -errno : fd;
}

/* ---- the proof ---- */

static volatile int called;

/* What is probed. */
__attribute__((noinline, noclone)) static void target(void)
{
	called++;
}

static void *call_it(void *arg)
{
	target();
	return arg;
}

static bool has_target(void *ctx, const struct mapping *m)
{
	struct mapping *found = ctx;
	uint64_t at = (uintptr_t)target;

	if (!m->exec || at < m->start || at >= m->end)
		return false;
	*found = *m;
	return true;
}

/* A program that counts its runs in MAP: a descriptor, or -errno. */
static int load_counter(int map)
{
	DECLARE_LIBBPF_OPTS(bpf_prog_load_opts, opts,
			    .expected_attach_type = (enum bpf_attach_type)UPROBE_MULTI_ATTACH);
	const struct bpf_insn insns[] = {
		{.code = BPF_LD | BPF_DW | BPF_IMM,
		 .dst_reg = 1,
		 .src_reg = BPF_PSEUDO_MAP_VALUE,
		 .imm = map},
		{0},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 2, .imm = 1},
		{.code = BPF_STX | BPF_ATOMIC | BPF_DW, .dst_reg = 1, .src_reg = 2, .imm = BPF_ADD},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int prog = bpf_prog_load(BPF_PROG_TYPE_KPROBE, "mispair_try", "GPL", insns,
				 sizeof(insns) / sizeof(*insns), &opts);

	return prog < 0 ? -errno : prog;
}

/* Two threads of ours are counted, and a child is not. */
static bool counts_right(int map)
{
	uint32_t zero = 0;
	uint64_t n = 0;
	pthread_t thread;
	int status = 0;
	pid_t child;

	target();
	if (thread_start(&thread, call_it, NULL))
		return false;
	pthread_join(thread, NULL);
	child = fork();
	if (!child) {
		target();
		_exit(0);
	}
	return child > 0 && waitpid(child, &status, 0) == child &&
	       !bpf_map_lookup_elem(map, &zero, &n) && n == 2;
}

static bool prove(void)
{
	struct mapping m = {0};
	int map, prog = -1, link = -1;
	bool right = false;

	map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "mispair_try", 4, 8, 1, NULL);
	if (map < 0)
		return false;
	prog = load_counter(map);
	if (prog >= 0 && !remote_mappings((uint32_t)getpid(), has_target, &m) && m.start)
		link = uprobemulti_attach(prog, "/proc/self/exe",
					  (uintptr_t)target - m.start + m.offset, 0, (int)getpid());
	if (link >= 0) {
		right = counts_right(map);
		close(link);
	}
	if (prog >= 0)
		close(prog);
	close(map);
	return right;
}

bool uprobemulti_works(void)
{
	static int known; /* 1: yes, -1: no */

	if (!known)
		known = prove() ? 1 : -1;
	return known > 0;
}
