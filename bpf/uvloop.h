/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who sends, in a process that runs uvloop. It sends at the end of its loop's turn, when no task
 * runs. By then whoever asks waits for the answer already, and the way to it leads from the
 * descriptor: libuv's table of watchers, uvloop's transport, asyncio's protocol, its StreamReader,
 * and the future there that a task waits for. Each step of the way leads back to the loop, or is
 * not believed. Included by mispair.bpf.c.
 */
#ifndef MISPAIR_UVLOOP_H
#define MISPAIR_UVLOOP_H

/*
 * libuv 1.x (include/uv.h, include/uv/unix.h): uv_loop_t's `data`, which is the Loop object, its
 * watchers by descriptor and their number; uv_stream_t's `data`, which is the transport, its loop
 * and io_watcher; the watcher's descriptor.
 */
#define UV_LOOP_WATCHERS 104
#define UV_LOOP_NUMBER	 112
#define UV_STREAM_LOOP	 8
#define UV_STREAM_IO	 136
#define UV_IO_FD	 48

/* Where a transport may hold its protocol, in words: 16 in uvloop 0.17. */
#define UV_PROTOCOL_FROM 8
#define UV_PROTOCOL_TO	 28
/* Sends in which a connection may show where its stream is. */
#define UV_TRIES	 8

/* Attributes of a StreamReaderProtocol, in the order of its __init__ (Lib/asyncio/streams.py). */
enum { PROTOCOL_LOOP = 0, PROTOCOL_READER = 4 };

/* In a weakref its referent. */
#define PYWEAKREF_TO 16

/*
 * The task that runs has made the connection T: if its loop is uvloop's, this is whose. A loop of
 * another kind has no pointer to something that begins with a pointer back.
 */
static __noinline int uv_learn(struct tracked *t, __u32 tgid)
{
	struct proc_rt *rt = runtime_of(tgid);
	__u64 task = 0, loop = 0, uv = 0, back = 0;
	__u8 verified;
	__u32 i;

	if (!rt || rt->state != RT_READY || running_task(rt, tgid, &task, &loop, &verified) != 1)
		return 0;
	for (i = UV_LOOP_FROM; i < UV_LOOP_TO; i++) {
		if (bpf_probe_read_user(&uv, 8, (void *)(loop + 8 * i)) ||
		    bpf_probe_read_user(&back, 8, (void *)uv) || back != loop)
			continue;
		t->uv = rt->uv = uv;
		break;
	}
	return 0;
}

/* The StreamReader of the protocol at ADDR, if that is one of LOOP's; else 0. */
static __always_inline __u64 uv_reader(__u32 frames, __u64 addr, __u64 loop)
{
	__u64 v[STREAM_WORDS] = {}, reader = 0;

	if (read_attributes(frames, addr, v) || v[PROTOCOL_LOOP] != loop ||
	    bpf_probe_read_user(&reader, 8, (void *)(v[PROTOCOL_READER] + PYWEAKREF_TO)) ||
	    read_attributes(frames, reader, v) || v[STREAM_LOOP] != loop)
		return 0;
	return reader;
}

/*
 * The two functions below take numbers and are not static: so a verifier looks at each of them
 * once, and not on each path of a send. What the older ones do with the loop is a matter of minutes
 * else.
 */

/* The StreamReader of descriptor FD in the loop UV, whose object is LOOP; else 0. */
__noinline __u64 uv_stream(__u32 frames, __u64 uv, __u64 loop, __u32 fd)
{
	__u64 watchers = 0, io = 0, of = 0, transport = 0, protocol = 0, reader;
	__u32 number = 0, at = 0, i;

	if (bpf_probe_read_user(&watchers, 8, (void *)(uv + UV_LOOP_WATCHERS)) ||
	    bpf_probe_read_user(&number, 4, (void *)(uv + UV_LOOP_NUMBER)) || fd >= number ||
	    bpf_probe_read_user(&io, 8, (void *)(watchers + 8ULL * fd)) || !io ||
	    bpf_probe_read_user(&at, 4, (void *)(io + UV_IO_FD)) || at != fd)
		return 0;
	io -= UV_STREAM_IO;
	if (bpf_probe_read_user(&of, 8, (void *)(io + UV_STREAM_LOOP)) || of != uv ||
	    bpf_probe_read_user(&transport, 8, (void *)io) || !transport)
		return 0;
	for (i = UV_PROTOCOL_FROM; i < UV_PROTOCOL_TO; i++) {
		if (bpf_probe_read_user(&protocol, 8, (void *)(transport + 8 * i)))
			return 0;
		if (protocol < 4096 || protocol % 8)
			continue;
		reader = uv_reader(frames, protocol, loop);
		if (reader)
			return reader;
	}
	return 0;
}

/*
 * The task that waits for data of STREAM; else 0. STATE_AT: where a future has its state. It calls
 * its task back: by a method wrapper of its own in 3.9, by a built-in bound to the task since.
 */
__noinline __u64 uv_waiting(__u32 frames, __u32 state_at, __u64 task_type, __u64 stream, __u64 loop)
{
	__u64 v[STREAM_WORDS] = {}, callback = 0, task = 0, head[2];
	__u32 i;

	if (read_attributes(frames, stream, v) || v[STREAM_LOOP] != loop ||
	    !waiter_pending(v, state_at) ||
	    bpf_probe_read_user(&callback, 8, (void *)(v[STREAM_WAITER] + PYFUT_CALLBACK)))
		return 0;
#pragma unroll
	for (i = 16; i <= 24; i += 8) {
		/* A task's type and, where every future has it, its loop. */
		if (!bpf_probe_read_user(&task, 8, (void *)(callback + i)) &&
		    !bpf_probe_read_user(head, 16, (void *)(task + 8)) && head[1] == loop &&
		    (!task_type || head[0] == task_type))
			return task;
	}
	return 0;
}

/*
 * No task runs, and the connection T's descriptor is FD: whose request is it that is sent now? Its
 * task, and *LOOP; else 0.
 */
static __always_inline __u64 uv_sender(struct proc_rt *rt, struct tracked *t, __u32 fd, __u64 *loop)
{
	__u64 uv = t->uv ? t->uv : rt->uv;

	if (bpf_probe_read_user(loop, 8, (void *)uv) || !*loop)
		return 0;
	if (t->l.stream <= 1) {
		if (t->uv_tries >= UV_TRIES)
			return 0;
		t->uv_tries++;
		t->l.stream = uv_stream(rt->layout.frames, uv, *loop, fd);
		if (!t->l.stream)
			return 0;
		/* Whoever waits on a stream's future reads for himself. */
		t->l.flags |= LEDGER_SELF_READ;
	}
	return uv_waiting(rt->layout.frames, rt->layout.state, rt->task_type, t->l.stream, *loop);
}

#endif
