#!/usr/bin/env bash
# Runs every test and ends with `N passed, N failed, N skipped`.
#   tests/run.sh BUILD [PATTERN]     only suites whose name contains PATTERN
# A suite is a program or script that prints TAP lines (ok, not ok, # SKIP); its output is shown when
# something in it failed. Data sets are reached through NNC_DATA; without it such tests skip.
set -u
cd "$(dirname "$0")/.."
build=$(cd "$1" && pwd)
pattern=${2:-}
export NNC=$build/nnc NNC_BUILD=$build NNC_SRC=$PWD CMOCKA_MESSAGE_OUTPUT=tap
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive} # other work may share the machine
passed=0 failed=0 skipped=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

suite() { # name command...
    local name=$1 log=$work/log status started=$SECONDS s f p
    shift
    [[ -n $pattern && $name != *"$pattern"* ]] && return
    "$@" >"$log" 2>&1 </dev/null
    status=$?
    s=$(grep -ciE '^(not )?ok.*# skip' "$log")
    f=$(grep -iE '^not ok' "$log" | grep -vciE '# skip')
    p=$(grep -E '^ok' "$log" | grep -vciE '# skip')
    if ((status != 0 && f == 0)); then
        f=1
        echo "not ok - $name ended with status $status" >>"$log"
    fi
    if ((p + f + s == 0)); then
        f=1
        echo "not ok - $name ran no test" >>"$log"
    fi
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    printf '%-28s %5d passed %3d failed %3d skipped  %4ds\n' "$name" "$p" "$f" "$s" $((SECONDS - started))
    if ((f)); then
        echo "---- $name"
        grep -vE '^ok' "$log" | tail -n 60
        echo "----"
    fi
    grep -iE '# skip' "$log" | sed 's/^/    /' | head -n 12
}

for t in "$build"/tests/unit/test_* "$build"/tests/ops/test_* "$build"/tests/diff/test_*; do
    [[ -x $t && $t != *.d ]] && suite "$(basename "$(dirname "$t")")/$(basename "$t" | sed 's/^test_//')" "$t"
done
for t in tests/errors/run.sh tests/errors/data.sh tests/golden/run.sh tests/e2e/*.sh tests/train/*.sh; do
    [[ -f $t && $t != */lib.sh ]] && suite "$(basename "$(dirname "$t")")/$(basename "$t" .sh)" bash "$t"
done
suite house bash make/check.sh "$build"

echo "$passed passed, $failed failed, $skipped skipped"
((failed == 0))
