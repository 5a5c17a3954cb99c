#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# processes.sh PORT: one connection in the hands of many processes. One sends the request and ends,
# another reads the reply and ends, for each exchange. bash only opens it: sh cannot.
set -eu

exec bash -c '
	exec 3<>"/dev/tcp/127.0.0.1/$1"
	wrong=0
	for number in $(seq 150); do
		env printf "t%d %d\n" "$number" $((number % 10 * 400)) >&3
		[ "$(head -n 1 <&3)" = "t$number" ] || wrong=$((wrong + 1))
	done
	printf "{\"workload\": \"processes\", \"pid\": %d, \"operations\": 150, " $$
	printf "\"cancelled\": 150, \"cancelled_owed\": 0, \"wrong\": %d, " "$wrong"
	printf "\"connections\": {}}\n"
' bash "$1"
