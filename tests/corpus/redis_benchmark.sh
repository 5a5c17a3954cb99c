#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# redis-benchmark with a pipeline of eight: redis_benchmark.sh PORT. It checks its replies itself
# and ends with an error if one is wrong.
set -eu

operations=40000
redis-benchmark -p "$1" -t ping_mbulk,set,get -P 8 -c 16 -n "$operations" -q -e >&2
printf '{"workload": "redis_benchmark", "pid": %d, "operations": %d, "cancelled": 0, %s}\n' $$ \
	"$((operations * 3))" '"cancelled_owed": 0, "wrong": 0, "connections": {}'
