/* SPDX-License-Identifier: GPL-2.0 */
/* What a pthread_t and a thread pointer have to do with each other. Both sides include it. */
#ifndef MISPAIR_PTHREADS_H
#define MISPAIR_PTHREADS_H

#ifndef __VMLINUX_H__
#include <stdbool.h>
#include <linux/types.h>
#endif

/*
 * Is SELF, a pthread_t, the thread whose thread pointer is TP? On x86-64 both are one. On arm64 the
 * block that a pthread_t points to ends at the thread pointer: some 1,800 bytes of it in glibc, 200
 * in musl (TLS_DTV_AT_TP and TLS_ABOVE_TP). Two threads' blocks have a stack between them.
 */
#define PTHREAD_MAX 4096

static inline __attribute__((always_inline)) bool is_pthread(__u64 self, __u64 tp)
{
#if defined(__TARGET_ARCH_arm64) || defined(__aarch64__)
	return tp - self - 1 < PTHREAD_MAX;
#else
	return self == tp;
#endif
}

#endif
