#!/usr/bin/env bash
# A sample of the floats through the compiled vector math: every 512th block of 65536, each within 2 ulp.
# tests/bench/math_all.c without an argument does all 2^32.
. "$(dirname "$0")/lib.sh"
"$NNC_BUILD/tests/bench/math_all" 512 >"$work/math" 2>&1
status=$?
for f in exp log tanh sigmoid erf sin rsqrt; do
    line=$(grep "^$f " "$work/math")
    at_most=$(sed -E 's/.*at most ([0-9.a-z]+) ulp.*/\1/' <<<"$line")
    if $python -c "import sys; sys.exit(not float('$at_most') <= 2)" 2>/dev/null; then pass "$line"; else fail "$f: $line"; fi
done
((status == 0)) && pass "the tool says so" || { fail "the tool says so (status $status)"; sed 's/^/# /' "$work/math"; }
exit $tests_failed
