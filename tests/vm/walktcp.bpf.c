// SPDX-License-Identifier: GPL-2.0
/* A program that is shown each TCP socket of the host, and does nothing: see walktcp.c. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

SEC("iter/tcp")
int show(void *ctx)
{
	return 0;
}
