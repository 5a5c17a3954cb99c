#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# libFuzzer on each tests/fuzz/fuzz_*.c for FUZZ_SECONDS (60): fuzz.sh BUILD. New inputs stay in
# BUILD/fuzz; a crash is kept there too.
set -eu
build=$1
seconds=${FUZZ_SECONDS:-60}
declare -A sources=(
	[pyfind]="user/pyfind.c user/pyscan.c user/elfview.c user/elfstart.c"
	[replay]="user/core.c user/tally.c user/coverage.c user/coverage_table.c user/item.c user/recfile.c user/correlate.c user/correlate_rest.c user/track.c user/pools.c user/story.c user/verdict.c
		user/describe.c user/names.c user/ledgers.c user/protocol.c user/sink_ndjson.c user/outlet_file.c
		user/sink_text.c user/text_row.c user/text_chart.c user/escape.c"
	[correlate]="user/correlate.c user/correlate_rest.c user/track.c user/pools.c user/story.c user/verdict.c user/describe.c user/names.c"
)
for target in tests/fuzz/fuzz_*.c; do
	name=$(basename "$target" .c)
	name=${name#fuzz_}
	corpus=$build/fuzz/$name
	mkdir -p "$corpus"
	if [ "$name" = pyfind ]; then
		cp -n /usr/lib/python3*/lib-dynload/_asyncio*.so "$corpus/" 2>/dev/null || true
	fi
	# shellcheck disable=SC2086 # a list of files
	clang -std=gnu11 -g -O2 -D_GNU_SOURCE -DFUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION \
		-Iuser -Ibpf -Itests/unit \
		-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
		"$target" ${sources[$name]} -o "$build/fuzz/fuzz_$name" -lelf -ljson-c -lzstd -lz
	if [ "$name" = replay ]; then
		cp tests/recordings/*.rec "$corpus/"
		MISPAIR_FUZZ_SEEDS=$corpus "$build/fuzz/fuzz_replay" tests/recordings/*.rec
	fi
	"$build/fuzz/fuzz_$name" -max_total_time="$seconds" -seed=1 -max_len=65536 -timeout=10 \
		-artifact_prefix="$build/fuzz/$name-" -print_final_stats=1 "$corpus" \
		>"$build/fuzz/$name.log" 2>&1 || {
		tail -40 "$build/fuzz/$name.log"
		exit 1
	}
	echo "ok fuzz_$name: $(grep -oE 'number_of_executed_units: *[0-9]+' \
		"$build/fuzz/$name.log" | grep -oE '[0-9]+$') runs in $seconds s"
done
