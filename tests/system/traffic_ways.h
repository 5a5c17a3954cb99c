/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of `traffic` share. */
#ifndef TRAFFIC_WAYS_H
#define TRAFFIC_WAYS_H

#include <stdbool.h>

#define SIZE 64

struct kind {
	const char *name;
	int family, type, protocol;
	void (*send)(int fd, const char *buf);		  /* NULL: send() */
	void (*recv)(int fd, char *buf);		  /* NULL: recv() */
	void (*both)(int fd, bool server);		  /* what both ends do first */
	void (*all)(const struct kind *k, int fd, int n); /* NULL: N exchanges, one by one */
	bool pair;					  /* nobody connects */
	bool fastopen, late;				  /* it makes its own sockets */
};

/* A connected socket to the server; ends the process where that cannot be. */
int client_socket(const struct kind *k);

/* N exchanges, one after the other. */
void exchange_all(const struct kind *k, int fd, int n);

/* Ends the process: with the status of a skip and errno as the reason, or as a failure. */
void skip(const char *what) __attribute__((noreturn));
void die(const char *what) __attribute__((noreturn));

/* Submitted to an io_uring: plain, by the kernel's own thread, with registered buffers, zero-copy.
 */
void uring_send(int fd, const char *buf);
void uring_recv(int fd, char *buf);
void uring_poll_send(int fd, const char *buf);
void uring_poll_recv(int fd, char *buf);
void uring_fixed_send(int fd, const char *buf);
void uring_fixed_recv(int fd, char *buf);
void uring_zerocopy_send(int fd, const char *buf);

/* A BPF program hands what one end sends to the other end of FD's connection, past TCP. */
void by_sockmap(const struct kind *k, int fd, int n);

#endif
