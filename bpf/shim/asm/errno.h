/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What libbpf's usdt.bpf.h wants of <linux/errno.h>. The system's own lies where only a compiler
 * for that architecture looks, and these are the same everywhere.
 */
#ifndef MISPAIR_SHIM_ERRNO_H
#define MISPAIR_SHIM_ERRNO_H

#define ENOENT 2
#define ESRCH  3
#define EINVAL 22

#endif
