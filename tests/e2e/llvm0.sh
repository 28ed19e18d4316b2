#!/usr/bin/env bash
# make LLVM=0: a build without the LLVM back end says so, does everything through C, and answers what
# needs LLVM with a message and nothing written.
. "$(dirname "$0")/lib.sh"
if ! "$NNC" --version | grep -q llvm; then
    skip "make LLVM=0" "this build is one: the other suites test it"
    exit 0
fi
if ! make -j2 LLVM=0 B="$work/b" OPT=-O0 all >"$work/make.log" 2>&1; then
    fail "make LLVM=0"
    grep -E 'error|Error' "$work/make.log" | head -n 10 | sed 's/^/# /'
    exit 1
fi
pass "make LLVM=0"
NNC=$work/b/nnc
"$NNC" --version | grep -q llvm && fail "--version names no llvm" || pass "--version names no llvm"
ldd "$NNC" | grep -qi llvm && fail "it does not link libLLVM" || pass "it does not link libLLVM"
digits "$work/data" 640 100
expect "train" "$NNC" train examples/mnist_mlp.nn --data "$work/data" --epochs 1 -o "$work/w.safetensors"
expect "eval" "$NNC" eval examples/mnist_mlp.nn --data "$work/data" --weights "$work/w.safetensors"
expect "build" "$NNC" build examples/mnist_mlp.nn -o "$work/exe"
expect "its eval" "$work/exe" eval --data "$work/data" --weights "$work/w.safetensors"
expect "emit C" "$NNC" emit examples/mnist_mlp.nn -o "$work/c"
NNC=$NNC bash tests/e2e/objects.sh | grep -v SKIP # its first half: messages, one by one
for kind in asm llvm-ir bitcode; do
    says "emit --kind $kind" "--kind $kind: this nnc was built without the back end llvm" "$NNC" emit examples/mnist_mlp.nn --kind $kind -o "$work/none"
done
says "train --backend llvm" "this nnc was built without the back end llvm" \
    "$NNC" train examples/mnist_mlp.nn --backend llvm --data "$work/data" -o "$work/none/w.safetensors"
says "build --backend llvm" "stay with C: --backend c" "$NNC" build examples/mnist_mlp.nn --backend llvm -o "$work/none"
[[ -e $work/none ]] && fail "nothing half-written" || pass "nothing half-written"
CC=no-such-cc says "no C compiler, and there is need of one" "install gcc or clang" \
    "$NNC" train examples/mnist_mlp.nn --data "$work/data" -o "$work/none.safetensors"
exit $tests_failed
