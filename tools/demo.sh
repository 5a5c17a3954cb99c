#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# One client with the bug of redis-py 4.4.0 to 4.5.3 and one without, both under mispair.
# Status 0 only if the first was caught and the second was not accused.
set -u
mispair=${1:-build/mispair}
here=$(dirname "$0")
work=$(mktemp -d)
redis=

stop() {
	[ -z "$redis" ] || { kill "$redis" && wait "$redis"; } 2>/dev/null
	rm -rf "$work"
}
trap stop EXIT
trap 'exit 130' INT TERM

if [ "$(id -u)" != 0 ]; then
	echo "demo: tracing needs root" >&2
	exit 5
fi

# A free port, as the kernel sees it; a private server that keeps nothing.
port=$(/usr/bin/python3 -c \
	'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
redis-server --port "$port" --bind 127.0.0.1 --dir "$work" --save '' --appendonly no \
	--enable-debug-command yes >"$work/redis.log" 2>&1 &
redis=$!
for _ in $(seq 200); do
	(exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
	kill -0 "$redis" 2>/dev/null || { cat "$work/redis.log" >&2; exit 1; }
	read -r -t 0.05 <> <(:)
done

client="$here/demo_client.py"
json="$work/events.json"

echo "=== 1. A client with the bug. What the application saw, then what mispair saw:"
echo
"$mispair" run --json "$json" -- /usr/bin/python3 "$client" --port "$port" --bug 2>"$work/seen"
status=$?
echo
grep -v '^$' "$work/seen" | grep -E -A8 'REUSED|DIRTY' | grep -B8 -m1 'A correct client' ||
	cat "$work/seen"
if [ "$status" != 3 ]; then
	echo "demo: expected exit status 3 (a finding), got $status" >&2
	cat "$work/seen" >&2
	exit 1
fi

echo
echo "=== 2. The same client as Debian ships it: it closes the connection."
echo
"$mispair" run --json "$json.2" -- /usr/bin/python3 "$client" --port "$port" 2>"$work/seen"
status=$?
echo
grep -E -A5 'CLOSED|closed  ' "$work/seen" | sed '/^$/q'
if [ "$status" != 0 ]; then
	echo "demo: expected exit status 0 (nothing found), got $status" >&2
	cat "$work/seen" >&2
	exit 1
fi
echo "The first finding as an event (mispair run --json FILE):"
echo
grep -m1 mispair.connection.reused "$json" | cut -c1-900
