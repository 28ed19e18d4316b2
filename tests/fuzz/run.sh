#!/usr/bin/env bash
# Builds the fuzz targets with clang and runs each for SECONDS from the seeds in the repository.
#   tests/fuzz/run.sh BUILD SECONDS [PATTERN]
set -eu
cd "$(dirname "$0")/../.."
build=$1 seconds=$2 pattern=${3:-}
make --no-print-directory -j2 B="$build" CC=clang OPT=-O1 \
    EXTRA="-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -Wno-pass-failed" fuzzers >/dev/null
passed=0 failed=0
for t in "$build"/fuzz/fuzz_*; do
    [[ -x $t && $t == *"$pattern"* ]] || continue
    name=$(basename "$t")
    corpus=$build/corpus/$name
    mkdir -p "$corpus" "$build/crashes"
    seeds=tests/fuzz/seeds/${name#fuzz_}
    [[ -d $seeds ]] || seeds=
    [[ $name == fuzz_parse || $name == fuzz_front ]] && seeds="$seeds dsl/std examples tests/errors"
    [[ $name == fuzz_ir ]] && seeds="$seeds tests/golden"
    if "$t" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=4096 -max_len=8192 -print_final_stats=1 \
        -artifact_prefix="$build/crashes/$name-" "$corpus" $seeds >"$build/$name.log" 2>&1; then
        passed=$((passed + 1))
        echo "ok - $name: $(grep number_of_executed_units "$build/$name.log" | tr -dc 0-9) runs"
    else
        failed=$((failed + 1))
        echo "not ok - $name"
        tail -n 30 "$build/$name.log"
    fi
done
echo "$passed passed, $failed failed"
((failed == 0))
