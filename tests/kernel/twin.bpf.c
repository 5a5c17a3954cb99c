// SPDX-License-Identifier: GPL-2.0
/*
 * The ledger in the kernel, driven by BPF_PROG_TEST_RUN: one step a run. The ledger lies in a map,
 * as the recorder's do. It must give the answers that the host gives.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "../tests/kernel/twin.h"

char LICENSE[] SEC("license") = "GPL";

struct twin_io io;

SEC("syscall")
int twin(void *ctx)
{
	io.ev = vec_step(&io.l, &io.step, &io.who);
	vec_finish(&io.l, &io.final);
	return 0;
}
