#!/usr/bin/env bash
# Layering of includes, file lengths, canonical formatting of .nn files.
#   make/check.sh BUILD
set -u
cd "$(dirname "$0")/.."
status=0
fault() { echo "not ok - $*"; status=1; }

# room: what its files may include besides their own room and the C library
declare -A may=(
    [compiler/base]="base"
    [dsl]="base dsl"
    [compiler/graph]="base graph ops runtime/nnr.h"
    [compiler/loop]="base loop runtime/nnr.h"
    [compiler/ops]="base graph loop ops runtime/nnr.h"
    [compiler/passes]="base graph loop ops passes runtime/nnr.h"
    [compiler/front]="base graph ops dsl front runtime/nnr.h"
    [compiler/back]="base loop back runtime/nnr.h"
    [compiler/bench]="base graph loop bench nnc.h nnc_internal.h runtime"
    [runtime]="runtime"
)
for room in "${!may[@]}"; do
    bad=$(grep -rnE '^#include "' --include='*.c' --include='*.h' --include='*.l' --include='*.y' "$room" | while IFS= read -r line; do
        path=$(sed -E 's/.*#include "([^"]*)".*/\1/' <<<"$line")
        [[ $path != */* ]] && continue # beside the file, or generated
        for ok in ${may[$room]}; do
            [[ $path == "$ok" || $path == "$ok"/* ]] && continue 2
        done
        echo "$line"
    done)
    [[ -n $bad ]] && fault "includes that $room may not have:"$'\n'"$bad"
done

long=$(git ls-files | grep -E '\.(c|h|l|y|nn|sh|md|mk)$' | xargs wc -l | awk '$2 != "total" && $1 > 800')
[[ -n $long ]] && fault "files above 800 lines:"$'\n'"$long"

for f in dsl/std/*.nn examples/*.nn tests/bench/*/*.nn; do
    "$1/nnc" fmt --check "$f" >/dev/null 2>&1 || fault "$f is not formatted (nnc fmt $f --write)"
done
((status == 0)) && echo "ok - layering, file lengths, formatting"
exit $status
