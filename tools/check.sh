#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Runs the tests: check.sh BUILD [style|unit|kernel|system|corpus|field|demo|fuzz|btf|vm|vm-all ...]; by default
# all but vm-all, which is `make check-vm`: vm is the part of it that takes minutes in place of an hour,
# and btf the part of that which boots nothing.
# Says each failure and each skip with its reason, and closes with one line of totals.
set -u
build=$1
shift
groups=${*:-style unit kernel fuzz demo system corpus field vm}
# Without a second Python 3.11 on the PATH its half of the asyncio tests is skipped; few kernels have
# all of SCTP, vsock's loopback, SMC and TLS.
max_skips=${MAX_SKIPS:-49}
passed=0 failed=0 skipped=0

pass() { passed=$((passed + 1)); }
fail() { failed=$((failed + 1)); echo "FAILED $*"; }

# A group of cmocka binaries.
cmocka() {
	local binary log n
	for binary in "$@"; do
		log=$(ASAN_OPTIONS=detect_leaks=1 timeout 600 "$binary" 2>&1)
		local status=$?
		n=$(grep -c '^\[       OK \]' <<<"$log")
		passed=$((passed + n))
		n=$(grep -c '^\[  SKIPPED \] [a-z]' <<<"$log")
		skipped=$((skipped + n))
		n=$(grep -c '^\[  FAILED  \] [a-z]' <<<"$log")
		# cmocka lists a failed test twice; a crash lists none.
		n=$((n > 1 ? n / 2 : n))
		[ "$status" != 0 ] && [ "$n" = 0 ] && n=1
		failed=$((failed + n))
		echo "$(basename "$(dirname "$binary")")/$(basename "$binary"): status $status"
		[ "$status" = 0 ] || echo "$log"
		grep -iE 'skip' <<<"$log" | head -5
	done
}

style() {
	local f long out
	out=$(clang-format --dry-run -Werror user/*.[ch] bpf/*.[ch] tests/*/*.[ch] \
		tools/bench/*.c tools/bench/*/*.c 2>&1 | head -20)
	if [ -z "$out" ]; then pass; else fail "style: clang-format"; echo "$out"; fi
	# The tree may belong to the user who became root with su.
	out=$(git -c safe.directory='*' ls-files 2>/dev/null | grep -E '\.(c|h|py|sh)$' | xargs -r grep -LE \
		'SPDX-License-Identifier: GPL-2.0')
	if [ -z "$out" ]; then pass; else fail "style: no licence line: $out"; fi
	out=$(git -c safe.directory='*' ls-tree --name-only HEAD 2>/dev/null |
		grep -vxE 'Makefile|bpf|user|tools|tests|README\.md|LICENSE.*|CHANGELOG\.md|\..*')
	if [ -z "$out" ]; then pass; else fail "style: at the top of the tree: $out"; fi
	for f in tools/*.sh; do bash -n "$f" || fail "style: $f"; done
}

# Unit tests, and what they wrote as events against the schema. Without a validator that is a skip.
# And the pure parts of the VM tools, which also know whether each hook has its line in their tables.
unit() {
	local lines
	lines=$(mktemp -d)
	MISPAIR_TEST_LINES=$lines cmocka "$build"/tests/unit/*
	if ! /usr/bin/python3 -c 'import jsonschema' 2>/dev/null; then
		echo "SKIP schema of the unit tests' events: no python3-jsonschema"
		skipped=$((skipped + 1))
	elif /usr/bin/python3 tests/system/schema.py validate "$lines"/*.json; then
		pass
	else
		fail "unit: an event that a unit test made is not valid"
	fi
	rm -rf "$lines"
	counted "VM tools" /usr/bin/python3 tests/vm/run.py
}

# The fuzzers, briefly, with fixed seeds: that they still build and that nothing easy is broken.
fuzz() {
	local log
	if ! command -v clang >/dev/null; then
		echo "SKIP fuzz: no clang"
		skipped=$((skipped + 1))
		return
	fi
	if log=$(FUZZ_SECONDS=${FUZZ_SECONDS:-15} tools/fuzz.sh "$build" 2>&1); then
		passed=$((passed + $(grep -c '^ok' <<<"$log")))
		echo "$log" | grep '^ok'
	else
		fail "fuzz"
		echo "$log" | tail -40
	fi
}

demo() {
	local log
	if log=$(tools/demo.sh "$build/mispair" 2>&1); then
		pass
	else
		fail "demo"
		echo "$log"
	fi
}

# counted WHAT CMD...: a runner whose own closing line is "N passed, N failed, N skipped".
counted() {
	local what=$1 line log status
	shift
	log=$(mktemp)
	"$@" 2>&1 | tee "$log"
	status=${PIPESTATUS[0]}
	line=$(grep -E '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' "$log" | tail -1)
	rm -f "$log"
	if [ -z "$line" ]; then fail "$what: no closing line"; return; fi
	set -- $line
	passed=$((passed + $1)) failed=$((failed + $3)) skipped=$((skipped + $5))
	# 77: what it needs cannot be had here, and that is one of its skips.
	[ "$status" = 0 ] || [ "$status" = 77 ] || [ "$3" != 0 ] || fail "$what: too many skips"
}

system() {
	counted "system tests" /usr/bin/python3 tests/system/run.py --mispair "$build/mispair" \
		--binaries "$build/tests" --max-skips "$max_skips"
}

# Real clients with known truth: nobody may be accused, and next to none missed. A row that one
# package or the registry of Node does not give today is a skip.
corpus() {
	counted "corpus" /usr/bin/python3 tests/corpus/scoreboard.py --mispair "$build/mispair" \
		--binaries "$build/tests" --least-recall 99 --max-skips 6
}

# Stock relays and farewells that nobody may accuse. What is not installed is a failure here.
field() {
	counted "field" /usr/bin/python3 tests/field/field.py --mispair "$build/mispair" \
		--binaries "$build/tests"
}

# Other kernels by their types, without booting them, and by the stack that they allow.
btf() {
	counted "stack" /usr/bin/python3 tools/vm/stack.py "$build/bpf/mispair.bpf.o"
	counted "signatures" /usr/bin/python3 tools/vm/signatures.py --max-skips 7
}

# ... and in guests the two kernels of Debian 12, and cost against the baseline. A kernel that the
# archive does not give today is a skip.
vm() {
	btf
	counted "kernels" /usr/bin/python3 tools/vm/matrix.py --build "$build" --quick \
		--kernel 6.1 --kernel 6.12 --max-skips 1
	counted "cost" /usr/bin/python3 tools/vm/bench.py --binary "$build/mispair" \
		--tests "$build/tests" --workloads ping-pong
}

vm_all() {
	counted "signatures" /usr/bin/python3 tools/vm/signatures.py --max-skips 1
	counted "kernels" /usr/bin/python3 tools/vm/matrix.py --build "$build" --max-skips 2
}

for group in $groups; do
	echo "== $group"
	case $group in
	style) style ;;
	unit) unit ;;
	kernel) cmocka "$build"/tests/kernel/* ;;
	fuzz) fuzz ;;
	demo) demo ;;
	system) system ;;
	corpus) corpus ;;
	field) field ;;
	btf) btf ;;
	vm) vm ;;
	vm-all) vm_all ;;
	*) fail "no such group: $group" ;;
	esac
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ "$passed" != 0 ]
