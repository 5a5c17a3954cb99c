/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The few kernel types that mispair reads, each with only the fields it uses. CO-RE relocates
 * them by name against the BTF of the running kernel, so the order and the gaps do not matter.
 * The guard's name is the one that libbpf's own headers test for.
 */
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

typedef unsigned char __u8;
typedef short __s16;
typedef unsigned short __u16;
typedef int __s32;
typedef unsigned int __u32;
typedef long long __s64;
typedef unsigned long long __u64;
typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;
typedef int pid_t;
typedef _Bool bool;

enum { false = 0, true = 1 };

enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_SK_STORAGE = 24,
	BPF_MAP_TYPE_RINGBUF = 27,
};

enum {
	BPF_ANY = 0,
	BPF_NOEXIST = 1,
	BPF_F_NO_PREALLOC = 1,
	BPF_SK_STORAGE_GET_F_CREATE = 1,
	BPF_RB_NO_WAKEUP = 1,
	BPF_RB_FORCE_WAKEUP = 2,
};

/* What bpf_ringbuf_query() tells. */
enum {
	BPF_RB_AVAIL_DATA = 0,
	BPF_RB_RING_SIZE = 1,
};

/* Only the names count: whether the running kernel has them is asked by CO-RE. */
enum bpf_func_id {
	BPF_FUNC_get_current_task_btf = 158,
	BPF_FUNC_sock_from_file = 162,
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct in6_addr {
	union {
		__be32 u6_addr32[4];
	} in6_u;
};

typedef struct {
	int counter;
} atomic_t;

typedef struct refcount_struct {
	atomic_t refs;
} refcount_t;

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	unsigned char skc_state;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
	struct {
		__s64 counter;
	} skc_cookie;
	refcount_t skc_refcnt;
};

struct sk_buff;

struct sk_buff_head {
	struct sk_buff *next;
	__u32 qlen;
};

struct sk_buff {
	struct sk_buff *next;
	unsigned int len;
	char cb[48];
};

/* The control block of an skb that waits in a Unix stream socket's receive queue. */
struct unix_skb_parms {
	u32 consumed;
};

/* The control block of an skb that waits in a TCP receive queue. */
struct tcp_skb_cb {
	__u32 seq;
	__u32 end_seq;
	__u32 ack_seq;
};

struct bpf_local_storage;

struct sock {
	struct sock_common __sk_common;
	struct sk_buff_head sk_receive_queue;
	struct sk_buff_head sk_write_queue;
	u16 sk_type;
	u16 sk_protocol;
	u8 sk_shutdown;
	int sk_err;
	struct bpf_local_storage *sk_bpf_storage;
};

struct inet_sock {
	__be16 inet_sport;
};

struct inet_connection_sock {
	struct inet_sock icsk_inet;
	const void *icsk_ulp_ops;
	struct {
		__u32 lrcvtime;
	} icsk_ack;
};

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	u32 rcv_nxt;
	u32 copied_seq;
	u32 rcv_wup;
	u32 snd_una;
	u32 write_seq;
	u64 tcp_clock_cache;
	u64 bytes_received;
	bool is_mptcp;
};

struct sockaddr_un {
	char sun_path[108];
};

struct unix_address {
	refcount_t refcnt;
	int len;
	struct sockaddr_un name[0];
};

struct unix_sock {
	struct sock sk;
	struct unix_address *addr;
	struct sock *peer;
};

struct list_head {
	struct list_head *next;
};

struct signal_struct {
	int nr_threads;
	atomic_t live;
	unsigned int flags;
	struct list_head thread_head;
};

/* What a thread is called in one namespace, and in all that it is in. */
struct upid {
	int nr;
};

struct pid {
	unsigned int level;
	struct upid numbers[1];
};

struct thread_struct {
	unsigned long fsbase; /* x86 */
	struct {
		unsigned long tp_value;
	} uw; /* arm64 */
};

struct task_struct {
	unsigned int flags;
	pid_t pid;
	pid_t tgid;
	char comm[16];
	struct signal_struct *signal;
	struct task_struct *group_leader;
	u64 start_boottime;
	void *stack;
	struct thread_struct thread;
	struct pid *thread_pid;
	struct list_head thread_node;
};

struct hrtimer {
	__s64 _softexpires;
	void *function;
};

struct hrtimer_sleeper {
	struct hrtimer timer;
	struct task_struct *task;
};

struct pt_regs {
	/* x86-64 */
	unsigned long di;
	unsigned long si;
	unsigned long dx;
	unsigned long cx;
	unsigned long ax;
	unsigned long r8;
	unsigned long r9;
	unsigned long ip;
	unsigned long orig_ax;
	unsigned long ss;
	/* arm64 */
	unsigned long pstate;
	unsigned long orig_x0;
	__s32 syscallno;
};

struct user_pt_regs {
	/* arm64 */
	unsigned long regs[31];
	unsigned long pc;
};

struct kernel_siginfo {
	int si_signo;
	int si_code;
	union {
		struct {
			pid_t _pid;
		} _kill;
	} _sifields;
};

struct seq_file;

struct file_operations;

struct file {
	const struct file_operations *f_op;
	void *private_data;
};

struct bpf_iter_meta {
	struct seq_file *seq;
	u64 session_id;
	u64 seq_num;
};

struct bpf_map;

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	u32 fd;
	struct file *file;
};

struct socket {
	struct sock *sk;
};

#pragma clang attribute pop

#endif
