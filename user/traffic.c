// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What is said here of a way to send or receive has been tried, in the tier tp_btf, where the
 * kernel had it: tests/system/cases_traffic.py.
 */
#include "traffic.h"

const char *const traffic_names[TRAFFIC_MAX] = {
	[TRAFFIC_SEEN] = "seen",
	[TRAFFIC_UNOBSERVED] = "unobserved",
	[TRAFFIC_UNSEEN] = "not seen",
};

#define SEEN	  TRAFFIC_SEEN, NULL
#define LOST(why) TRAFFIC_UNOBSERVED, why
#define UNSEEN	  TRAFFIC_UNSEEN, NULL

/* clang-format off */
const struct traffic traffic[] = {
	{"tcp4", SEEN, "TCP over IPv4", ""},
	{"tcp6", SEEN, "TCP over IPv6", ""},
	{"unix", SEEN, "Unix stream sockets that connect", ""},
	{"socketpair", UNSEEN, "socketpair()", "neither end is a client"},
	{"unix_seqpacket", UNSEEN, "Unix sockets of type SOCK_SEQPACKET", ""},
	{"unix_dgram", UNSEEN, "Unix datagram sockets", ""},
	{"udp", UNSEEN, "UDP", "and QUIC, which is made of it"},
	{"mptcp", LOST("mptcp"), "MPTCP", "one that was open before the start is not seen"},
	{"sctp", UNSEEN, "SCTP", ""},
	{"vsock", UNSEEN, "vsock", ""},
	{"smc", UNSEEN, "SMC (AF_SMC)", ""},
	{"ktls", SEEN, "TLS in the kernel (TCP_ULP tls)", "unread bytes are those of the records"},
	{"sockmap", SEEN, "sockets that a BPF sockmap redirects", "unread bytes are not"},
	{"mmsg", SEEN, "sendmmsg(), recvmmsg()", ""},
	{"vectors", SEEN, "readv(), writev()", ""},
	{"sendfile", SEEN, "sendfile() to a socket", "from Linux 6.5 on"},
	{"splice_send", SEEN, "splice() to a socket", "from Linux 6.5 on"},
	{"vmsplice", SEEN, "vmsplice() and splice() to a socket", "from Linux 6.5 on"},
	{"splice_recv", LOST("unseen"), "splice() from a TCP socket", "known after some exchanges"},
	{"splice_recv_unix", UNSEEN, "splice() from a Unix socket", "its replies count as owed"},
	{"zerocopy_send", SEEN, "MSG_ZEROCOPY", ""},
	{"zerocopy_recv", LOST("unseen"), "TCP_ZEROCOPY_RECEIVE", "known after some exchanges"},
	{"uring", SEEN, "io_uring: sends and receives", ""},
	{"uring_sqpoll", SEEN, "io_uring: by the kernel's thread (SQPOLL)", ""},
	{"uring_fixed", SEEN, "io_uring: registered buffers", ""},
	{"uring_zerocopy", SEEN, "io_uring: zero-copy sends", ""},
	{"fastopen", SEEN, "TCP fast open by MSG_FASTOPEN", ""},
	{"fastopen_connect", SEEN, "TCP fast open by TCP_FASTOPEN_CONNECT", ""},
	{"peek", SEEN, "receives after MSG_PEEK", "a peek takes nothing"},
	{"trunc", SEEN, "receives with MSG_TRUNC", ""},
	{"waitall", SEEN, "receives with MSG_WAITALL", ""},
	{"lowat", SEEN, "receives with SO_RCVLOWAT", ""},
	{"forked", SEEN, "sockets that processes share after a fork", ""},
	{"passed", SEEN, "sockets that are handed over (SCM_RIGHTS)", ""},
};
/* clang-format on */

const size_t traffic_rows = sizeof(traffic) / sizeof(*traffic);
