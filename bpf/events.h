/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Records that cross the ring buffer, and the values that both sides share. Kinds are explicit
 * and append-only; structs are naturally aligned with explicit padding; the assertions below are
 * read by both compilers.
 */
#ifndef MISPAIR_EVENTS_H
#define MISPAIR_EVENTS_H

#include "ledger.h"
#include "limit_table.h"
#include "pytask.h"

enum event_kind {
	EV_STEP = 1,	/* struct ev_step: a suspect's next step */
	EV_PROCESS = 2, /* struct ev_head: first client connection of a process */
	EV_EXEC = 3,	/* struct ev_head: a process became another program, and has this id now */
	EV_EXIT = 4,	/* struct ev_head: a process we know is gone */
	EV_LOOP = 5,	/* struct ev_loop: whose thread does this event loop run on? */
	EV_LEDGER = 6,	/* struct ev_step: a socket's ledger at its end */
	EV_BUDGET = 7,	/* struct ev_head: Task.cancel is called too often to keep its probe */
	EV_LAYOUT = 8,	/* struct ev_head: a task does not look as the layout says */
	EV_FORK = 9,	/* struct ev_fork: a process we know has a child */
	EV_PROVED = 10, /* struct ev_head: a live task looks as the layout says */
};

enum step_kind { STEP_SEND = 1, STEP_RECV = 2, STEP_CLOSE = 3, STEP_CANCEL = 4, STEP_IDLE = 5 };

/* Room behind structs that cross the ring or lie in recordings: zero until something needs it. */
#define EVENT_SPARE 4

struct ev_head {
	__u32 kind;
	__u32 size;
	__u64 ts; /* CLOCK_MONOTONIC */
	__u32 tgid;
	__u32 tid;
	__u32 id;  /* of process tgid (struct proc), 0: it is none that we know */
	__u32 uid; /* of the current process */
	char comm[16];
};

#define ADDR_LEN 108

struct sock_addr {
	__u16 family; /* AF_INET, AF_INET6, AF_UNIX */
	__u16 local_port;
	__u16 peer_port;
	__u16 unix_len; /* bytes of `peer` that are the Unix path; 0: unnamed */
	__u8 local[16];
	__u8 peer[ADDR_LEN]; /* an address, or a Unix path (a leading NUL: abstract) */
};

/* A probed cancellation. */
struct cancel_info {
	__u64 ts;      /* 0: none */
	__u64 by_task; /* the running task that called it, 0: none ran */
	__u64 by_name[2];
	__u64 waiter; /* the future that the cancelled task waited for at that moment */
	__u32 by_tid;
	__u8 self_read;	    /* it was inside StreamReader's wait for data */
	__u8 destroyed;	    /* not cancelled: freed while it was pending */
	__u16 waiter_state; /* fut_state of `waiter`; 0xffff: unknown */
	__u64 stream;	    /* the StreamReader it waited for, as in the ledger */
	__u32 signal;	    /* it was this signal, sent by process by_tid (0: by the kernel) */
	__u32 adapter;	    /* enum adapter: a probe of this runtime said so */
};

/* The last signal that a thread handled; key: thread. */
struct handled_signal {
	__u64 ts;
	__u32 signal;
	__u32 sender; /* a process, 0: the kernel or a timer */
	/* The thread's process: a thread's number alone may be another's by now. */
	__u32 tgid;
	__u32 id;
};

/* How a thread's last wait ended; key: thread. */
struct last_wait {
	__u64 ts;
	__u64 began; /* of one that was not seen to end, 0: there is none */
	__u64 due;   /* when that one times out */
	__u8 status; /* enum wait_status, of the one that ended */
	__u8 pad[7];
	__u32 tgid; /* the thread's process, as above */
	__u32 id;
};

/* A probe has said that a thread's wait was cancelled; key: thread. */
struct probed_wait {
	__u64 ts;
	__u32 by;   /* the thread that called */
	__u32 tgid; /* a number alone may be another process's thread */
	__u32 adapter;
	__u32 id; /* of process tgid */
};

/* Whose probe said that a wait was cancelled. Append-only. */
enum adapter {
	ADAPTER_NONE,
	ADAPTER_PTHREAD, /* pthread_cancel() */
	ADAPTER_RUBY,	 /* a thread that Ruby interrupts */
	ADAPTER_JVM,
	ADAPTER_TOKIO,
	ADAPTER_GO,   /* a context */
	ADAPTER_USER, /* --cancel-at, --cancel-usdt */
	ADAPTER_MAX,
};

/* Calls of each adapter's functions by a process; key: its number. */
#define CALLER_ADAPTERS 8 /* a power of two: a verifier is shown the index as a mask */
struct caller {
	__u32 id; /* of the process */
	__u32 calls[CALLER_ADAPTERS];
};

/*
 * Something of a process was cancelled, and it is not known whose wait that ends. It names a
 * cancellation that shows otherwise; it is none itself.
 */
struct cancel_hint {
	__u64 ts;
	__u64 what; /* a goroutine that cancelled, a task's header, 0: not known */
	__u32 by;
	__u32 adapter;
};

/* L is the ledger as the transition left it; its owner is still the previous one (at a send). */
struct ev_step {
	struct ev_head head;
	__u64 cookie;
	struct ledger l;
	struct ledger_in in;
	struct owner who; /* sends: who sends now */
	struct cancel_info cancel;
	struct sock_addr addr;
	__u64 exiting; /* closes: the process is exiting */
	__u64 spare[2 * EVENT_SPARE];
};

/* The head is the parent's. */
struct ev_fork {
	struct ev_head head;
	__u32 child; /* its number */
	__u32 child_id;
	__u64 spare[EVENT_SPARE];
};

struct ev_loop {
	struct ev_head head;
	__u64 loop;
	__u64 thread_self; /* thread pointer of the thread that sends, which may be another one */
	__u64 spare[EVENT_SPARE];
};

/*
 * What the kernel side keeps of a socket. Behind the ledger: what a send found out about its sender
 * and the owner before. It lies here and not on the stack because a verifier that reads it back has
 * forgotten which path wrote it; before that, paths multiplied beyond its limit.
 */
struct tracked {
	struct ledger l;
	struct owner who;
	struct cancel_info why; /* ts 0: nothing was probed or seen */
	__u32 prior;		/* enum wait_status */
	__u32 copied;		/* copied_seq after the last receive */
	__u64 cookie;		/* kprobe tier */
	__u32 listed;		/* the pass in which it entered the index last, 0: never */
	__u32 sent;		/* write_seq after the last send */
	__u64 uv;		/* the uv_loop_t of the loop that connected it, 0: not known */
	__u32 uv_tries;		/* sends that did not find its stream */
	__u32 found;		/* enum found, of the last send; findout.h */
	__u32 unseen;		/* bytes that were taken unseen, and how often more; missed.h */
	__u32 pad;
};

/* A socket that was open before we started. Ports as the socket has them: the peer's swapped. */
struct adoptable {
	__u16 family, local_port, peer_port;
	__u16 told;	/* a pass has told it */
	__u32 tgid, id; /* a process that has it open */
};

struct unix_client {
	__u64 tracked; /* address of its struct tracked */
	__u64 cookie;  /* another socket's at the same address is another */
};

/* Marks a cookie that the recorder gave, where the kernel had given none. */
#define OWN_COOKIE (1ULL << 63)

/* What the refresh pass says of a socket. */
struct ledger_row {
	__u64 cookie;
	struct ledger l;
	struct sock_addr addr;
	__u32 unread;
	__u32 state; /* TCP state; 0 for Unix */
	__u64 spare[EVENT_SPARE];
};

/* Sockets that the refresh pass looks at in one call. */
#define PASS_BATCH 512

/* The addresses that a TCP socket had when it was closed. */
struct kept_addr {
	__u16 family; /* 0: none is kept */
	__u16 local_port, peer_port;
	__u16 pad;
	__u8 local[16], peer[16];
};

/* What the index keeps of a socket that matters; key: its cookie. */
struct indexed {
	__u64 tracked;		 /* address of its struct tracked */
	__u64 sk;		 /* ... and of the socket */
	__u64 requests, replies; /* as the last pass told them */
	__u64 stamp;		 /* of what moves in its ledger */
	__u32 unread;
	__u32 hold;  /* passes that tell it all the same */
	__u32 first; /* no pass has told it yet */
	__u32 gone;  /* the socket has ended */
	struct kept_addr addr;
};

/* A row as the refresh pass hands it over. */
enum pass_tells {
	PASS_ROW,
	PASS_ENDED,    /* the socket has ended, and its last words were told; of ROW: its cookie */
	PASS_VANISHED, /* it has ended, and they were not; of ROW: its cookie */
	PASS_LAST,     /* ... but its counts could still be read */
};

struct pass_row {
	struct ledger_row row;
	__u64 requests, replies; /* as the pass before told them, 0 if FIRST */
	__u32 first;
	__u32 tells; /* enum pass_tells */
};

/* Cheap totals, one per CPU. */
enum counter {
	CNT_SOCKETS, /* ledgers made */
	CNT_ENDED,   /* ... and ended */
	CNT_ADOPTED,
	CNT_CANCELS,  /* probed Task.cancel calls */
	CNT_REQUESTS, /* of ended TCP sockets */
	CNT_REPLIES,
	CNT_MAX,
};

/* LRU maps, which push out what is old: entries that were added, one count per CPU. */
enum added { ADDED_CANCELLED, ADDED_ENDED, ADDED_UNIX_CLIENTS, ADDED_MAX };

enum rt_state {
	RT_UNKNOWN,  /* the collector has not answered; never in the map */
	RT_NONE = 2, /* no runtime that we know: owners are threads */
	RT_WAITING,  /* runtime found, not initialised yet: owners unknown */
	RT_READY,    /* owners are tasks */
	RT_BLIND,    /* runtime found, but neither readable nor to be probed: owners unknown */
	RT_PROBED,   /* layout not known: owners are tasks, told by probes on every step */
	RT_GO,	     /* owners are goroutines */
};

/*
 * A process: a number and an id, which the recorder gives to each number that it meets, and a fresh
 * one after a fork and after an exec. So (number, id) is nobody else's, as long as a run lasts, and
 * what was learned under another id is not believed. Key: tgid. The recorder's alone.
 */
struct proc {
	__u64 start;   /* start_boottime of its first thread: what /proc/PID/stat says in ticks */
	__u64 loop_ns; /* when an epoll of any of its threads last ended by its timeout */
	__u64 loop_began; /* the last that may time out */
	__u64 loop_due;	  /* ... and when */
	__u32 id;
	__u32 late;	/* sends while the collector had not answered yet */
	__u8 asked;	/* the collector was told of it */
	__u8 inherited; /* born of a process that we know: its first connection is told all the same
			 */
	__u8 pad[2];
	__u32 uid; /* when it last did something itself */
};

/* Whose share of the ring (budget.h). */
struct share_key {
	__u32 number; /* a process, or a user */
	__u32 id;     /* of the process */
	__u32 user;   /* 1: it is a user */
};

struct share {
	__u32 epoch; /* of the ring, in which that was used */
	__u32 used;  /* bytes */
};

struct throttled_key {
	__u32 tgid;
	__u32 id;
};

struct throttled {
	__u64 count;
	__u32 uid;
	__u32 pad;
	char comm[16]; /* of a thread of it, "" if not known */
};

/* What the collector has answered about process ID; key: tgid. Written by the collector, but for
 * dict, probe_seq, uv and the counts. */
struct proc_rt {
	__u64 dict_ptr; /* address of the static pointer current_tasks */
	__u64 dict;	/* what it holds, once seen */
	__u64 task_type;
	__u32 id;	 /* of whom it is true; another one's answer is none */
	__u32 state;	 /* enum rt_state */
	__u32 probe_seq; /* probed cancellations so far */
	__u32 mismatches;
	__u32 validated;    /* tasks that looked as the layout says */
	__u32 probe_budget; /* calls of Task.cancel until EV_BUDGET; 0: no limit */
#define PROBE_BUDGET_MAX (1U << 30)
	struct task_layout layout;
	__u32 go_id; /* RT_GO: where a g has its goroutine's id */
	__u32 again; /* its next connection is told anew: more may be seen by then */
	__u32 told;  /* that live tasks were validated (EV_PROVED) */
	__u64 uv;    /* the uv_loop_t that last connected, 0: none; uvloop.h */
};

/* A task's address is soon another task's; its name is part of who it is. */
struct cancel_key {
	__u64 task;
	__u64 name[2];
	__u32 tgid;
	__u32 id;
};

/* How often a task at an address was seen to end, and when last. Key: struct loop_key. */
struct ended {
	__u64 ts;
	__u32 times;
	__u32 pad;
};

struct loop_key {
	__u64 loop;
	__u32 tgid;
	__u32 id;
};

/*
 * A loop's memory is soon another loop's, of another thread: what is known of it holds as long as
 * the process still says so at AT.
 */
struct loop_val {
	__u64 thread_self; /* pthread_self(); 0: asked, not known yet */
	__u64 at;
	__u32 pylong; /* AT points to a PyLong of it, else it stands there itself */
	__u32 pad;
};

/* Filters; the arrays are compared at a socket's birth only. */
#define FILTER_MAX 16
struct filters {
	__u32 n_pids, n_comms, n_ports, n_peers;
	__u32 follow; /* 1: only processes in the tree map */
	__u32 pad;
	__u32 pids[FILTER_MAX];
	char comms[FILTER_MAX][16];
	__u16 ports[FILTER_MAX];
	struct {
		__u32 family;
		__u32 pad;
		__u8 addr[16];
	} peers[FILTER_MAX];
};

_Static_assert(sizeof(struct ev_head) == 48, "ev_head");
_Static_assert(sizeof(struct owner) == 64, "owner");
_Static_assert(sizeof(struct ledger) == 64 * 4, "ledger");
_Static_assert(__builtin_offsetof(struct ledger, tx_bytes) == 56, "ledger.tx_bytes");
_Static_assert(__builtin_offsetof(struct ledger, owner) == 128, "ledger.owner");
_Static_assert(sizeof(struct ledger_in) == 32, "ledger_in");
_Static_assert(sizeof(struct cancel_info) == 64, "cancel_info");
_Static_assert(sizeof(struct sock_addr) == 8 + 16 + ADDR_LEN, "sock_addr");
_Static_assert(sizeof(struct ev_step) % 8 == 0, "ev_step");
_Static_assert(sizeof(struct pass_row) % 8 == 0, "pass_row");
_Static_assert(sizeof(struct indexed) == 96, "indexed");
_Static_assert(sizeof(struct tracked) <= 440, "tracked: with the kernel's own it fills 512");
_Static_assert(sizeof(struct ev_fork) % 8 == 0, "ev_fork");
_Static_assert((int)ADAPTER_MAX <= CALLER_ADAPTERS, "caller");
_Static_assert(sizeof(struct proc) == 48, "proc");
_Static_assert(sizeof(struct proc_rt) % 8 == 0, "proc_rt");
_Static_assert(sizeof(struct task_layout) == 16, "task_layout");

#endif
