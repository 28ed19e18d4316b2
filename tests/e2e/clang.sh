#!/usr/bin/env bash
# Every C file of the project compiles with clang too, its warnings errors: people build with either, and so do the
# fuzz targets. Syntax and warnings only; what was generated is taken from the build folder.
. "$(dirname "$0")/lib.sh"
cd "$NNC_SRC" || exit 1
if ! command -v clang >/dev/null; then
    skip "clang takes the sources" "no clang here"
    exit 0
fi
check="clang -fsyntax-only -Wno-unused-command-line-argument"
make --no-print-directory -nB B="$NNC_BUILD" DEPS=no CC="$check" all tests 2>/dev/null |
    grep '^clang -fsyntax-only' | sed -E 's/ -MM?D| -MP| -MF [^ ]*| -o [^ ]*| [^ ]*\.(a|o)\b//g' | grep '\.c\b' >"$work/commands"
(($(wc -l <"$work/commands") > 200)) && pass "the build's commands are found" || fail "the build's commands are found"
if tr '\n' '\0' <"$work/commands" | xargs -0 -P2 -I{} bash -c '{} || exit 255' >"$work/log" 2>&1; then
    pass "clang takes the sources"
else
    fail "clang takes the sources"
    grep -A6 -m3 'error:' "$work/log" | sed 's/^/# /'
fi
exit $tests_failed
