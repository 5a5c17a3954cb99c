// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Who can change a file, by its owner, its mode, its access control list and its file system.
 *
 * Invariants:
 *  - Whatever is not understood, cannot be read or is not in a list here is WRITER_ANYBODY.
 *  - All is asked of the descriptor. No path is resolved but "/" and /proc.
 *
 * Sources: numbers of file systems by include/uapi/linux/magic.h and by their own sources; the
 * attribute's format by include/uapi/linux/posix_acl_xattr.h and posix_acl.h; that an ACL's mask
 * stands in the mode where the group's rights did, acl(5); "Uid:" by proc_pid_status(5).
 */
#include "filetrust.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "procinfo.h"

_Static_assert(sizeof(struct file_key) == 5 * sizeof(uint64_t), "a key is compared as bytes");

#define OVERLAYFS 0x794c7630u

/*
 * The user that the kernel shows for one that our user namespace has no number for, unless
 * fs.overflowuid says otherwise: different users look the same.
 */
#define OVERFLOW_UID 65534u
#define NO_UID	     ((uid_t)-1)

#define ACL_XATTR   "system.posix_acl_access"
#define ACL_VERSION 2
#define ACL_MAX	    8192 /* bytes that we look at: a thousand entries */
#define ACL_WRITE   2

enum acl_tag {
	ACL_USER_OBJ = 0x01,
	ACL_USER = 0x02,
	ACL_GROUP_OBJ = 0x04,
	ACL_GROUP = 0x08,
	ACL_MASK = 0x10,
	ACL_OTHER = 0x20,
};

/* As in the attribute, little-endian. */
struct acl_entry {
	uint16_t tag, rights;
	uint32_t id;
};

/* File systems whose files have the owners that the kernel gave them. */
static const uint32_t local_filesystems[] = {
	0x0000ef53, /* ext2, ext3, ext4 */
	0x58465342, /* xfs */
	0x9123683e, /* btrfs */
	0xf2f52010, /* f2fs */
	0x01021994, /* tmpfs */
	0x858458f6, /* ramfs */
	0x73717368, /* squashfs */
	0xe0f5e1e2, /* erofs */
	0x2fc12fc1, /* zfs */
	0xca451a4e, /* bcachefs */
};

static bool is_local(uint32_t type, dev_t dev)
{
	struct stat root;

	/* A user's own overlay has any lower layer; the system's was made by who started it. */
	if (type == OVERLAYFS)
		return !stat("/", &root) && root.st_dev == dev;
	for (size_t i = 0; i < sizeof(local_filesystems) / sizeof(local_filesystems[0]); i++)
		if (local_filesystems[i] == type)
			return true;
	return false;
}

/* Whether the ACL of SIZE bytes lets a user or a group that it names write. */
static bool acl_grants(const uint8_t *acl, size_t size)
{
	uint16_t tag, mask = ACL_WRITE, granted = 0;
	struct acl_entry e;
	uint32_t version;
	size_t at;

	if (size < sizeof(version) || (size - sizeof(version)) % sizeof(e))
		return true;
	memcpy(&version, acl, sizeof(version));
	if (le32toh(version) != ACL_VERSION)
		return true;
	for (at = sizeof(version); at < size; at += sizeof(e)) {
		memcpy(&e, acl + at, sizeof(e));
		tag = le16toh(e.tag);
		switch (tag) {
		case ACL_USER:
		case ACL_GROUP:
			granted |= le16toh(e.rights);
			break;
		case ACL_MASK:
			mask = le16toh(e.rights);
			break;
		case ACL_USER_OBJ: /* these three are in the mode */
		case ACL_GROUP_OBJ:
		case ACL_OTHER:
			break;
		default:
			return true;
		}
	}
	return granted & mask & ACL_WRITE;
}

static bool others_may_write_by_acl(int fd)
{
	uint8_t acl[ACL_MAX];
	ssize_t n = fgetxattr(fd, ACL_XATTR, acl, sizeof(acl));

	if (n < 0)
		return errno != ENODATA && errno != EOPNOTSUPP;
	return acl_grants(acl, (size_t)n);
}

static enum file_writer writer_of(int fd, const struct stat *st, uint32_t filesystem)
{
	if ((st->st_mode & S_IWOTH) || !is_local(filesystem, st->st_dev) ||
	    others_may_write_by_acl(fd))
		return WRITER_ANYBODY;
	if (!st->st_uid)
		return !(st->st_mode & S_IWGRP) || !st->st_gid ? WRITER_ROOT : WRITER_ANYBODY;
	if ((st->st_mode & S_IWGRP) || st->st_uid == OVERFLOW_UID || st->st_uid == NO_UID)
		return WRITER_ANYBODY;
	return WRITER_USER;
}

static uint64_t nanoseconds(const struct timespec *ts)
{
	return (uint64_t)ts->tv_sec * UINT64_C(1000000000) + (uint64_t)ts->tv_nsec;
}

int filetrust_of(int fd, struct filetrust *out)
{
	struct statfs fs;
	struct stat st;

	memset(out, 0, sizeof(*out));
	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (fstatfs(fd, &fs))
		return -errno;
	out->key = (struct file_key){
		.dev = st.st_dev,
		.ino = st.st_ino,
		.size = (uint64_t)st.st_size,
		.mtime_ns = nanoseconds(&st.st_mtim),
		.ctime_ns = nanoseconds(&st.st_ctim),
	};
	out->writer = writer_of(fd, &st, (uint32_t)fs.f_type);
	switch (out->writer) {
	case WRITER_ROOT:
		out->uid = 0;
		break;
	case WRITER_USER:
		out->uid = st.st_uid;
		break;
	case WRITER_ANYBODY:
		out->uid = NO_UID;
		break;
	}
	return 0;
}

bool filetrust_same(const struct file_key *a, const struct file_key *b)
{
	return !memcmp(a, b, sizeof(*a));
}

/* The beginning of /proc/PID/status, terminated: 0 or -errno. "Uid:" is within some 200 bytes. */
static int read_status(uint32_t pid, char *buf, size_t len)
{
	char path[32];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/status", pid);
	n = procinfo_read_text(AT_FDCWD, path, buf, len);
	if (n < 0)
		return n == -ENOENT ? -ESRCH : (int)n;
	return 0;
}

int filetrust_process_is(uint32_t pid, uid_t uid)
{
	/* A name cannot forge the line: the kernel writes a newline in it as "\n". */
	static const char label[] = "\nUid:";
	char status[1024], *at, *end;
	int err = read_status(pid, status, sizeof(status));

	if (err)
		return err;
	at = strstr(status, label);
	if (!at)
		return -EIO;
	at += sizeof(label) - 1;
	for (int i = 0; i < 4; i++, at = end) {
		unsigned long val;

		at += strspn(at, "\t ");
		val = strtoul(at, &end, 10);
		if (end == at)
			return -EIO;
		if (val != uid)
			return 0;
	}
	return 1;
}
