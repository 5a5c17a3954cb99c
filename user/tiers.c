// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which hook tiers work on this kernel: each is tried by loading *and attaching* a program that
 * does nothing, never by version (fentry on arm64 6.1 loads and then fails to attach; on a
 * locked-down host fentry fails to load while tp_btf, the same program type, works).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/syscall.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "session.h"

/* r0 = 0; exit */
static const struct bpf_insn nothing[] = {
	{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
	{.code = BPF_JMP | BPF_EXIT},
};

#define N_INSNS (sizeof(nothing) / sizeof(nothing[0]))

/* Loads and attaches one tracing program; names the step that failed. */
static bool try_tracing(const char *name, enum bpf_attach_type type, char *why, size_t len)
{
	DECLARE_LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = type);
	int id = libbpf_find_vmlinux_btf_id(name, type);
	int prog, link;

	if (id <= 0) {
		snprintf(why, len, "this kernel has no %s%s", name,
			 type == BPF_TRACE_RAW_TP ? " tracepoint" : "()");
		return false;
	}
	opts.attach_btf_id = (__u32)id;
	prog = bpf_prog_load(BPF_PROG_TYPE_TRACING, "mispair_try", "GPL", nothing, N_INSNS, &opts);
	if (prog < 0) {
		snprintf(why, len, "loading a program for %s failed: %s", name, strerror(errno));
		return false;
	}
	link = bpf_raw_tracepoint_open(NULL, prog);
	if (link < 0)
		snprintf(why, len, "attaching to %s failed: %s", name, strerror(errno));
	else
		close(link);
	close(prog);
	return link >= 0;
}

static bool try_kprobe(char *why, size_t len)
{
	struct perf_event_attr attr = {.size = sizeof(attr)};
	FILE *f = fopen("/sys/bus/event_source/devices/kprobe/type", "re");
	unsigned int type;
	int fd;

	if (!f || fscanf(f, "%u", &type) != 1) {
		snprintf(why, len, "this kernel has no kprobes (CONFIG_KPROBES)");
		if (f)
			fclose(f);
		return false;
	}
	fclose(f);
	attr.type = type;
	attr.config1 = (__u64)(uintptr_t) "tcp_sendmsg";
	fd = (int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0) {
		snprintf(why, len, "probing tcp_sendmsg failed: %s", strerror(errno));
		return false;
	}
	close(fd);
	return true;
}

void session_try_tiers(struct tier_report out[TIER_COUNT])
{
	static const char *const functions[] = {"tcp_sendmsg", "tcp_recvmsg", "unix_stream_sendmsg",
						"unix_stream_recvmsg"};
	struct tier_report *t;
	size_t i;

	memset(out, 0, TIER_COUNT * sizeof(*out));
	t = &out[0];
	t->name = "tp_btf";
	t->built = true;
	t->works = try_tracing("sock_send_length", BPF_TRACE_RAW_TP, t->why, sizeof(t->why)) &&
		   try_tracing("sock_recv_length", BPF_TRACE_RAW_TP, t->why, sizeof(t->why));

	t = &out[1];
	t->name = "fexit";
	t->works = true;
	for (i = 0; i < sizeof(functions) / sizeof(functions[0]) && t->works; i++)
		t->works = try_tracing(functions[i], BPF_TRACE_FEXIT, t->why, sizeof(t->why));

	t = &out[2];
	t->name = "kprobe";
	t->works = try_kprobe(t->why, sizeof(t->why));
}
