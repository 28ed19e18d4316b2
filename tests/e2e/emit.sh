#!/usr/bin/env bash
# Emitted C of every example: clean under -Wall -Wextra -Wpedantic with gcc and clang, with vectors and
# --portable, without -march too; the plan is near its bound.
. "$(dirname "$0")/lib.sh"
for f in examples/*.nn; do
    name=$(basename "$f" .nn)
    for mode in "" --portable; do
        expect "emit $name $mode" "$NNC" emit "$f" -o "$work/$name$mode" $mode
        for cc in gcc clang; do
            command -v $cc >/dev/null || { skip "$name $mode by $cc" "$cc is not installed"; continue; }
            expect "$name $mode compiles cleanly with $cc" $cc -std=c11 -O1 -Wall -Wextra -Wpedantic -Werror -c \
                -o "$work/x.o" "$work/$name$mode/$name.c"
        done
        expect "$name $mode with OpenMP" gcc -std=c11 -O1 -fopenmp -march=native -Wall -Wextra -Wpedantic -Werror -c \
            -o "$work/x.o" "$work/$name$mode/$name.c"
        if nm -u "$work/x.o" | grep -E ' (malloc|calloc|realloc|free|printf|exit)$'; then fail "$name $mode allocates or prints"; else pass "$name $mode neither allocates nor prints"; fi
        if nm "$work/x.o" | grep -E ' [bBdDC] '; then fail "$name $mode has globals"; else pass "$name $mode has no globals"; fi
    done
    "$NNC" emit "$f" -o "$work/again" >/dev/null 2>&1
    cmp -s "$work/again/$name.c" "$work/$name/$name.c" && pass "emit $name is the same text each time" || fail "emit $name is the same text each time"
    "$NNC" show "$f" --json >"$work/show.json" 2>/dev/null
    if $python - "$work/show.json" <<'PY'
import json, sys
bad = [e for e in map(json.loads, open(sys.argv[1])) if "arena_bytes" in e and e["arena_bytes"] > 1.1 * e["arena_bound"] + 64]
if bad: print(bad)
sys.exit(bool(bad))
PY
    then pass "$name: every arena within 10% of its lower bound"; else fail "$name: every arena within 10% of its lower bound"; fi
done
exit $tests_failed
