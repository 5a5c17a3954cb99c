// SPDX-License-Identifier: GPL-2.0-or-later
/* Which hook tiers work on this kernel. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#include <sys/syscall.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "tiers.h"

/* r0 = 0; exit */
static const struct bpf_insn nothing[] = {
	{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
	{.code = BPF_JMP | BPF_EXIT},
};

#define N_INSNS (sizeof(nothing) / sizeof(nothing[0]))

/* A program at NAME that does nothing: its descriptor, or -errno. */
static int load_tracing(const char *name, enum bpf_attach_type type)
{
	DECLARE_LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = type);
	int id = libbpf_find_vmlinux_btf_id(name, type), prog;

	if (id <= 0)
		return -ENOENT;
	opts.attach_btf_id = (__u32)id;
	prog = bpf_prog_load(BPF_PROG_TYPE_TRACING, "mispair_try", "GPL", nothing, N_INSNS, &opts);
	return prog < 0 ? -errno : prog;
}

/* Loads and attaches one tracing program; names the step that failed. */
static bool try_tracing(const char *name, enum bpf_attach_type type, char *why, size_t len)
{
	int prog = load_tracing(name, type), link;

	if (prog == -ENOENT) {
		snprintf(why, len, "this kernel has no %s%s", name,
			 type == BPF_TRACE_RAW_TP ? " tracepoint" : "()");
		return false;
	}
	if (prog < 0) {
		snprintf(why, len, "loading a program for %s failed: %s", name, strerror(-prog));
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

/* Where MEMBER lies in the kernel's struct TYPE, in bytes; -1: not known. */
static int offset_in(const char *type, const char *member)
{
	struct btf *btf = btf__load_vmlinux_btf();
	const struct btf_type *t = NULL;
	int id, i, at = -1;

	if (!btf)
		return -1;
	id = btf__find_by_name_kind(btf, type, BTF_KIND_STRUCT);
	if (id > 0)
		t = btf__type_by_id(btf, (__u32)id);
	for (i = 0; t && i < btf_vlen(t); i++)
		if (!strcmp(btf__name_by_offset(btf, btf_members(t)[i].name_off), member))
			at = (int)btf_member_bit_offset(t, (__u32)i) / 8;
	btf__free(btf);
	return at;
}

bool tiers_hand_on(void)
{
	int peer = offset_in("unix_sock", "peer"), prog;
	/* The peer of the socket that the hook is handed, if that is a Unix socket. */
	const struct bpf_insn insns[] = {
		{.code = BPF_LDX | BPF_MEM | BPF_DW, .dst_reg = 1, .src_reg = 1},
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_skc_to_unix_sock},
		{.code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = 0, .off = 3},
		{.code = BPF_LDX | BPF_MEM | BPF_DW,
		 .dst_reg = 1,
		 .src_reg = 0,
		 .off = (short)peer},
		{.code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = 1, .off = 1},
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_skc_to_unix_sock},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	DECLARE_LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_TRACE_RAW_TP);
	int id = libbpf_find_vmlinux_btf_id("sock_send_length", BPF_TRACE_RAW_TP);

	/* Older than the tracepoint is older than the rule. */
	if (peer < 0 || id <= 0)
		return true;
	opts.attach_btf_id = (__u32)id;
	prog = bpf_prog_load(BPF_PROG_TYPE_TRACING, "mispair_try", "GPL", insns,
			     sizeof(insns) / sizeof(*insns), &opts);
	if (prog < 0)
		return false;
	close(prog);
	return true;
}

/* Attaches a probe that counts nothing to FUNCTION, for a moment. */
static bool try_kprobe(const char *function, char *why, size_t len)
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
	attr.config1 = (__u64)(uintptr_t)function;
	fd = (int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0) {
		snprintf(why, len, "probing %s() failed: %s", function, strerror(errno));
		return false;
	}
	close(fd);
	return true;
}

static void try_tp_btf(struct tier_report *r)
{
	r->works = r->unix_works =
		try_tracing("sock_send_length", BPF_TRACE_RAW_TP, r->why, sizeof(r->why)) &&
		try_tracing("sock_recv_length", BPF_TRACE_RAW_TP, r->why, sizeof(r->why));
}

static void try_fexit(struct tier_report *r)
{
	r->works = try_tracing("tcp_sendmsg", BPF_TRACE_FEXIT, r->why, sizeof(r->why)) &&
		   try_tracing("tcp_recvmsg", BPF_TRACE_FEXIT, r->why, sizeof(r->why));
	if (!r->works)
		return;
	r->unix_works =
		try_tracing("unix_stream_sendmsg", BPF_TRACE_FEXIT, r->why, sizeof(r->why)) &&
		try_tracing("unix_stream_recvmsg", BPF_TRACE_FEXIT, r->why, sizeof(r->why));
}

static void try_kprobes(struct tier_report *r)
{
	r->works = try_kprobe("tcp_sendmsg", r->why, sizeof(r->why)) &&
		   try_tracing("tcp_rcv_space_adjust", BPF_TRACE_RAW_TP, r->why, sizeof(r->why));
	if (!r->works)
		return;
	r->unix_works = try_kprobe("unix_stream_sendmsg", r->why, sizeof(r->why)) &&
			try_kprobe("unix_stream_recvmsg", r->why, sizeof(r->why)) &&
			try_kprobe("unix_release", r->why, sizeof(r->why));
}

const struct tier tiers[TIER_COUNT] = {
	{.name = "tp_btf", .programs = {"tp_send", "tp_recv"}},
	{.name = "fexit",
	 .programs = {"fexit_tcp_send", "fexit_tcp_recv"},
	 .unix_programs = {"fexit_unix_send", "fexit_unix_recv"}},
	{.name = "kprobe",
	 .keyed = true,
	 .programs = {"kprobe_tcp_send", "kretprobe_tcp_send", "adjust_tcp_recv"},
	 .unix_programs = {"kprobe_unix_send", "kretprobe_unix_send", "kprobe_unix_recv",
			   "kretprobe_unix_recv", "kprobe_unix_close"}},
};

void tier_try(const struct tier *tier, struct tier_report *out)
{
	static void (*const try[TIER_COUNT])(struct tier_report *) = {try_tp_btf, try_fexit,
								      try_kprobes};

	memset(out, 0, sizeof(*out));
	try[tier - tiers](out);
}

const struct tier *tier_named(const char *name)
{
	int i;

	for (i = 0; i < TIER_COUNT; i++)
		if (!strcmp(tiers[i].name, name))
			return &tiers[i];
	return NULL;
}

/* The coarse clock moves once a tick. A kernel's configuration is not to be had on every host. */
unsigned int tiers_ticks(void)
{
	struct timespec tick;

	if (clock_getres(CLOCK_MONOTONIC_COARSE, &tick) || tick.tv_sec || !tick.tv_nsec)
		return 0;
	return (unsigned int)((1000000000 + tick.tv_nsec / 2) / tick.tv_nsec);
}

bool tiers_skip(const struct tier *tier)
{
	unsigned int major, minor;
	struct utsname name;

	if (uname(&name) || sscanf(name.release, "%u.%u", &major, &minor) != 2)
		return true;
	return major >= 7 || (major == 6 && minor >= 13 && tier == tier_named("fexit"));
}

int tier_args_of(const char *function)
{
	struct btf *btf = btf__load_vmlinux_btf();
	const struct btf_type *t;
	int id, n = -1;

	if (!btf)
		return -1;
	id = btf__find_by_name_kind(btf, function, BTF_KIND_FUNC);
	if (id > 0) {
		t = btf__type_by_id(btf, (__u32)id);
		n = btf_vlen(btf__type_by_id(btf, t->type));
	}
	btf__free(btf);
	return n;
}
