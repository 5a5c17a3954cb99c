// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * swapper PORT NUMBER MODULES TARGET SLOW CONTROL: NUMBER children, each of which maps a file of
 * its own, MODULES/0/NAME to MODULES/NUMBER-1/NAME, connects, and puts TARGET where the file was
 * mapped: at first for moments, at last for good. Before them a child maps and connects which
 * keeps whoever analyses files busy with SLOW; after them one that maps CONTROL, which is probed
 * when all before it have been. Prints each child's pid and what it maps, "ready", and waits for
 * the end of standard input.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NAME	"_asyncio.cpython-311-x86_64-linux-gnu.so"
#define PLACE	((void *)0x20000000) /* below what the loader has mapped */
#define FIRST	((void *)0x10000000)
#define LOOK_MS 150 /* in which a tracer looks at what is mapped */
#define FLIP_MS 300 /* in which what it has seen changes */
#define FLIP_US 700

static int port;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static int open_file(const char *path, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		fail(path);
	*len = ((size_t)st.st_size + 4095) & ~4095UL;
	return fd;
}

static void map_there(int fd, size_t len)
{
	if (mmap(PLACE, len, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, fd, 0) != PLACE)
		fail("mmap");
}

static void connect_there(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int s = socket(AF_INET, SOCK_STREAM, 0);
	char answer[64];

	if (s < 0 || connect(s, (struct sockaddr *)&to, sizeof(to)) ||
	    write(s, "PING\r\n", 6) != 6 || read(s, answer, sizeof(answer)) <= 0)
		fail("connect");
}

static long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void report(const char *what)
{
	printf("%s %d\n", what, getpid());
	fflush(stdout);
}

/* A client that has one file mapped, and keeps it. */
static void keep(const char *what, const char *path)
{
	size_t len, own_len;
	int fd = open_file(path, &len), own = open_file("/proc/self/exe", &own_len);

	/* The first file of all is what a program is looked at by; PATH must not be that. */
	if (mmap(FIRST, own_len, PROT_READ, MAP_PRIVATE | MAP_FIXED, own, 0) != FIRST)
		fail("mmap");
	map_there(fd, len);
	connect_there();
	report(what);
	pause();
}

static void swap(const char *module, const char *target)
{
	size_t len, other;
	int m = open_file(module, &len), t = open_file(target, &other);
	long until;

	map_there(m, len);
	connect_there();
	usleep(LOOK_MS * 1000);
	for (until = now_ms() + FLIP_MS; now_ms() < until;) {
		map_there(t, len);
		usleep(FLIP_US);
		map_there(m, len);
		usleep(FLIP_US);
	}
	map_there(t, len);
	report("swapped");
	pause();
}

/* A child that does not outlive its parent. */
static pid_t child(void)
{
	pid_t pid = fork();

	if (pid < 0 || (!pid && prctl(PR_SET_PDEATHSIG, SIGKILL)))
		fail("fork");
	return pid;
}

int main(int argc, char **argv)
{
	int number = argc == 7 ? atoi(argv[2]) : 0, i;
	char path[4096], end;
	pid_t *children = calloc((size_t)number + 2, sizeof(*children));

	if (!number || !children)
		return 2;
	port = atoi(argv[1]);
	for (i = 0; i < number + 2; i++) {
		children[i] = child();
		if (!children[i] && !i)
			keep("busy", argv[5]);
		if (!children[i] && i > number) {
			usleep((LOOK_MS + FLIP_MS) * 1000);
			keep("control", argv[6]);
		}
		if (!children[i]) {
			/* The analysis of SLOW has begun. */
			usleep(LOOK_MS * 1000);
			snprintf(path, sizeof(path), "%s/%d/" NAME, argv[3], i - 1);
			swap(path, argv[4]);
		}
	}
	while (read(STDIN_FILENO, &end, 1) > 0)
		;
	for (i = 0; i < number + 2; i++)
		kill(children[i], SIGKILL);
	return 0;
}
