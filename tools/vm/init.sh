#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The guest's first process: mounts what the tests need, runs /vm/command on the second serial port,
# says how it ended, and powers off.
/bin/busybox mkdir -p /sbin /usr/bin /usr/sbin /proc /sys /dev /tmp /run /root
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs devtmpfs /dev
/bin/busybox --install -s
mkdir -p /dev/shm /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /tmp
mount -t devpts devpts /dev/pts
mount -t bpf bpf /sys/fs/bpf
mount -t securityfs securityfs /sys/kernel/security
mount -t debugfs debugfs /sys/kernel/debug
mount -t tracefs tracefs /sys/kernel/tracing
mount -t cgroup2 cgroup2 /sys/fs/cgroup
ip link set lo up
hostname guest
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
. /vm/environment
port=/dev/$VM_PORT
stty -F "$port" raw -echo 2>/dev/null
cd /mispair || cd /
echo "vm: test start" >"$port"
setsid sh /vm/command </dev/null >"$port" 2>&1
echo "vm: exit status $?" >"$port"
poweroff -f
