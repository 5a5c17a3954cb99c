// SPDX-License-Identifier: GPL-2.0-or-later
/* Sends and receives through an io_uring, without a library: one entry at a time. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include <linux/io_uring.h>

#include "traffic_ways.h"

/* Linux 6.0; headers of older distributions have neither. */
#define OP_SEND_ZC 47
#define CQE_F_MORE 2

struct ring {
	int fd;
	unsigned int *sq_tail, *sq_mask, *sq_array, *sq_flags, *cq_head, *cq_tail, *cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
	bool polled;
};

static char registered[SIZE];

static void *map(int fd, size_t len, off_t at)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, at);

	if (p == MAP_FAILED)
		die("mmap of an io_uring");
	return p;
}

static void open_ring(struct ring *r, bool polled)
{
	struct io_uring_params p = {.flags = polled ? IORING_SETUP_SQPOLL : 0,
				    .sq_thread_idle = 2000};
	struct iovec v = {registered, SIZE};
	char *sq, *cq;

	r->fd = (int)syscall(SYS_io_uring_setup, 4, &p);
	if (r->fd < 0)
		skip("io_uring_setup");
	r->polled = polled;
	sq = map(r->fd, p.sq_off.array + p.sq_entries * sizeof(unsigned int), IORING_OFF_SQ_RING);
	cq = map(r->fd, p.cq_off.cqes + p.cq_entries * sizeof(*r->cqes), IORING_OFF_CQ_RING);
	r->sqes = map(r->fd, p.sq_entries * sizeof(*r->sqes), IORING_OFF_SQES);
	r->sq_tail = (unsigned int *)(sq + p.sq_off.tail);
	r->sq_mask = (unsigned int *)(sq + p.sq_off.ring_mask);
	r->sq_array = (unsigned int *)(sq + p.sq_off.array);
	r->sq_flags = (unsigned int *)(sq + p.sq_off.flags);
	r->cq_head = (unsigned int *)(cq + p.cq_off.head);
	r->cq_tail = (unsigned int *)(cq + p.cq_off.tail);
	r->cq_mask = (unsigned int *)(cq + p.cq_off.ring_mask);
	r->cqes = (struct io_uring_cqe *)(cq + p.cq_off.cqes);
	if (syscall(SYS_io_uring_register, r->fd, IORING_REGISTER_BUFFERS, &v, 1))
		skip("IORING_REGISTER_BUFFERS");
}

/* The next completion; FLAGS is its own. */
static int complete(struct ring *r, unsigned int *flags)
{
	unsigned int head = *r->cq_head;
	int res;

	while (head == __atomic_load_n(r->cq_tail, __ATOMIC_ACQUIRE))
		if (syscall(SYS_io_uring_enter, r->fd, 0, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0 &&
		    errno != EINTR)
			die("io_uring_enter");
	res = r->cqes[head & *r->cq_mask].res;
	*flags = r->cqes[head & *r->cq_mask].flags;
	__atomic_store_n(r->cq_head, head + 1, __ATOMIC_RELEASE);
	return res;
}

static int submit(struct ring *r, int op, int fd, const void *buf, size_t len)
{
	unsigned int tail = *r->sq_tail, at = tail & *r->sq_mask, flags;
	struct io_uring_sqe *e = &r->sqes[at];
	int res;

	memset(e, 0, sizeof(*e));
	e->opcode = (uint8_t)op;
	e->fd = fd;
	e->addr = (uintptr_t)buf;
	e->len = (uint32_t)len;
	r->sq_array[at] = at;
	__atomic_store_n(r->sq_tail, tail + 1, __ATOMIC_SEQ_CST);
	if (!r->polled) {
		if (syscall(SYS_io_uring_enter, r->fd, 1, 0, 0, NULL, 0) != 1)
			die("io_uring_enter");
	} else if (__atomic_load_n(r->sq_flags, __ATOMIC_SEQ_CST) & IORING_SQ_NEED_WAKEUP) {
		syscall(SYS_io_uring_enter, r->fd, 0, 0, IORING_ENTER_SQ_WAKEUP, NULL, 0);
	}
	res = complete(r, &flags);
	/* Zero-copy: a second one says that the buffer is free. */
	if (flags & CQE_F_MORE)
		complete(r, &flags);
	return res;
}

static struct ring *ring(bool polled)
{
	static struct ring rings[2] = {{.fd = -1}, {.fd = -1}};
	struct ring *r = &rings[polled];

	if (r->fd < 0)
		open_ring(r, polled);
	return r;
}

static void send_by(bool polled, int op, int fd, const char *buf)
{
	int n = submit(ring(polled), op, fd, buf, SIZE);

	errno = n < 0 ? -n : 0;
	if (n == -EINVAL || n == -EOPNOTSUPP)
		skip("this operation of io_uring");
	if (n != SIZE)
		die("a send by io_uring");
}

static void recv_by(bool polled, int op, int fd, char *buf)
{
	int n, done = 0;

	for (; done < SIZE; done += n) {
		n = submit(ring(polled), op, fd, buf + done, (size_t)(SIZE - done));
		errno = n < 0 ? -n : 0;
		if (n <= 0)
			die("a receive by io_uring");
	}
}

void uring_send(int fd, const char *buf)
{
	send_by(false, IORING_OP_SEND, fd, buf);
}

void uring_recv(int fd, char *buf)
{
	recv_by(false, IORING_OP_RECV, fd, buf);
}

void uring_poll_send(int fd, const char *buf)
{
	send_by(true, IORING_OP_SEND, fd, buf);
}

void uring_poll_recv(int fd, char *buf)
{
	recv_by(true, IORING_OP_RECV, fd, buf);
}

void uring_fixed_send(int fd, const char *buf)
{
	memcpy(registered, buf, SIZE);
	send_by(false, IORING_OP_WRITE_FIXED, fd, registered);
}

void uring_fixed_recv(int fd, char *buf)
{
	recv_by(false, IORING_OP_READ_FIXED, fd, registered);
	memcpy(buf, registered, SIZE);
}

void uring_zerocopy_send(int fd, const char *buf)
{
	send_by(false, OP_SEND_ZC, fd, buf);
}
