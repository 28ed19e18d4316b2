#!/usr/bin/env bash
# The command line itself: help, wrong words, wrong paths, full disks; nothing half-written.
. "$(dirname "$0")/lib.sh"
expect "help" "$NNC" --help
expect "version" "$NNC" --version
for c in check fmt show dump train eval predict emit build bench tune digits; do expect "help of $c" "$NNC" $c --help; done
"$NNC" bench --help | grep -q '^  limit .*over the median' && pass "help of bench: its columns" || fail "help of bench: its columns"
says "no command" "usage: nnc" "$NNC"
says "unknown command" "did you mean \`nnc train\`" "$NNC" trian
says "unknown option" "did you mean --epochs" "$NNC" train examples/mnist_mlp.nn --epoch 3
says "option without value" "needs a value" "$NNC" train examples/mnist_mlp.nn --data
says "number that is none" "whole number" "$NNC" train examples/mnist_mlp.nn --data x --epochs many
says "two files" "one file at a time" "$NNC" check a.nn b.nn
says "no file" "needs a file" "$NNC" check
says "file not there" "no_such.nn: No such file" "$NNC" check no_such.nn
says "a folder for a file" "Is a directory" "$NNC" check examples
says "bad -D" "NAME=VALUE" "$NNC" check examples/mnist_mlp.nn -D x
says "unknown pass" "no pass is named 'fussion'" "$NNC" dump examples/mnist_mlp.nn --after fussion
says "unknown entry" "entry points:" "$NNC" dump examples/mnist_mlp.nn --after front --entry nothing
says "unknown target" "known: generic, portable, x86-64-v3, x86-64-v4, armv8, riscv64, riscv64-v" "$NNC" emit examples/mnist_mlp.nn -o "$work/x" --target z80
says "unknown processor" "did you mean skylake?" "$NNC" emit examples/mnist_mlp.nn -o "$work/x" --target-triple x86_64-linux-gnu --target-cpu skylark
says "unknown triple" "unknown target triple 'z80-elf'" "$NNC" emit examples/mnist_mlp.nn -o "$work/x" --target-triple z80-elf
says "two ways to name a target" "leave one of them out" "$NNC" emit examples/mnist_mlp.nn -o "$work/x" --target armv8 --target-cpu cortex-a72
[[ -e $work/x ]] && fail "nothing written for them" || pass "nothing written for them"
for t in "znver4 f32x16" "skylake f32x8" "nehalem f32x4"; do
    "$NNC" dump examples/mnist_mlp.nn --after lower --target-triple x86_64-linux-gnu --target-cpu ${t% *} | grep -q "load.${t#* }" &&
        pass "${t% *} gets vectors ${t#* }" || fail "${t% *} gets vectors ${t#* }"
done
says "train without data" "needs --data" "$NNC" train examples/mnist_mlp.nn
says "data not there" "nowhere" "$NNC" train examples/mnist_mlp.nn --data "$work/nowhere"
says "eval without weights" "needs --weights" "$NNC" eval examples/mnist_mlp.nn --data x
says "emit into a file" "Not a directory" "$NNC" emit examples/mnist_mlp.nn -o README.md/x
CC=no-such-cc says "no C compiler" "install gcc or clang" "$NNC" build examples/mnist_mlp.nn -o "$work/exe"
CC=false says "a C compiler that fails" "failed (status 1)" "$NNC" build examples/mnist_mlp.nn -o "$work/exe"
[[ -e $work/exe ]] && fail "nothing half-written" || pass "nothing half-written"
# ---- what ends a command early leaves nothing half-written ----
mkdir "$work/temp" "$work/full"
printf '#!/bin/sh\necho $$ >"%s/compiler"\nexec sleep 60\n' "$work" >"$work/slow-cc"
chmod +x "$work/slow-cc"
TMPDIR=$work/temp CC=$work/slow-cc "$NNC" build examples/mnist_mlp.nn --backend c -o "$work/exe" >/dev/null 2>&1 &
pid=$!
for _ in $(seq 600); do [[ -s $work/compiler ]] && break; sleep 0.05; done
[[ -n $(ls "$work/temp") ]] && pass "a compiler at work has a temporary folder" || fail "a compiler at work has a temporary folder"
kill -TERM $pid
wait $pid 2>/dev/null
status=$?
kill "$(cat "$work/compiler")" 2>/dev/null
((status == 143)) && [[ -z $(ls "$work/temp") ]] && pass "a signal removes it" || fail "a signal removes it (status $status: $(ls "$work/temp"))"
digits "$work/full/data" 64 32
says "a file above the limit of its size" "note: no space left" bash -c "ulimit -f 20; exec '$NNC' emit examples/mnist_mlp.nn -o '$work/full/c'"
says "... weights, too" "note: no space left" bash -c "ulimit -f 20; exec '$NNC' train examples/mnist_mlp.nn --data '$work/full/data' --epochs 1 -o '$work/full/w'"
[[ $(ls "$work/full") == data ]] && pass "nothing half-written then" || fail "nothing half-written then: $(ls "$work/full")"
expect "--dump-dir" "$NNC" check examples/own_parts.nn --dump-dir "$work/ir" -D RANK=3
"$NNC" emit examples/own_parts.nn -o "$work/c" --dump-dir "$work/ir" >/dev/null 2>&1
ls "$work"/ir/*-front.ir "$work"/ir/*-grad.ir "$work"/ir/*-fuse.ir "$work"/ir/*-plan.ir "$work"/ir/*-lower.ir >/dev/null 2>&1 &&
    pass "a file for every pass" || fail "a file for every pass"
"$NNC" dump examples/own_parts.nn --after front --entry reader >"$work/r4" && "$NNC" dump examples/own_parts.nn -D RANK=3 --after front --entry reader >"$work/r3"
cmp -s "$work/r3" "$work/r4" && fail "-D changes a constant" || pass "-D changes a constant"
printf 'import "%s/examples/own_parts.nn"\nnet again(image: f32[N, 28, 28, 1]) = reader(image)\n' "$NNC_SRC" >"$work/again.nn"
"$NNC" dump "$work/again.nn" -D RANK=3 --after front | grep -q 'f32\[48,96,3\]' && pass "-D reaches constants of an import" || fail "-D reaches constants of an import"
grep -q 'f32\[48,96,3\]' "$work/r3" && pass "-D RANK=3 shows in the shapes" || fail "-D RANK=3 shows in the shapes"
"$NNC" emit examples/own_parts.nn -o "$work/c" --dump fuse 2>/dev/null | grep -q '^  kernel k0' && pass "--dump fuse" || fail "--dump fuse"
"$NNC" emit examples/own_parts.nn -o "$work/c" --time-passes 2>&1 | grep -q '^fuse ' && pass "--time-passes" || fail "--time-passes"
kernels() { "$NNC" show examples/mnist_mlp.nn --json "$@" | grep -o '"entry": "classify", .*"kernels": [0-9]*' | grep -o '[0-9]*$'; }
(($(kernels --no-fuse) > 2 * $(kernels))) && pass "--no-fuse: more kernels" || fail "--no-fuse: more kernels"
cat >"$work/conv.nn" <<'NN'
net block(x: f32[2, 28, 28, 64]) -> f32[2, 28, 28, 64] = x |> conv2d(64, 3, pad = 1)
NN
notes() { "$NNC" dump "$work/conv.nn" --after lower --target x86-64-v4 "$@" | grep -c Winograd; }
[[ $(notes) -gt 0 && $(notes --no-winograd) -eq 0 ]] && pass "--no-winograd: direct sums" || fail "--no-winograd: direct sums"
mkdir "$work/table"
printf 'a,b\n1,2\n2,3\n3,4\n' >"$work/table/t.csv"
cat >"$work/unused.nn" <<'NN'
net f(x: f32[N, 1]) -> f32[N, 1] {
    unused = 2 * x
    return x |> dense(1)
}

train fit {
    data x: f32[N, 1] = csv("t.csv", columns = ["a"])
    data y: f32[N, 1] = csv("t.csv", columns = ["b"])
    batch 2
    epochs 1
    minimize mse(f(x), y) with sgd(lr = 0.1)
}
NN
# three rows in batches of two: the file is loaded again for the last, smaller batch
"$NNC" train "$work/unused.nn" --data "$work/table" -o "$work/unused.safetensors" 2>"$work/unused.err"
(($(grep -c 'warning: unused is never used' "$work/unused.err") == 1)) && pass "a warning is shown once" || fail "a warning is shown once"
for f in examples/*.nn dsl/std/*.nn; do expect "formatted: $f" "$NNC" fmt --check "$f"; done
for f in examples/*.nn; do
    expect "check: $f" "$NNC" check "$f"
    expect "show: $f" "$NNC" show "$f"
    expect "show --json: $f" bash -c "'$NNC' show '$f' --json | python3 -c 'import json,sys; [json.loads(l) for l in sys.stdin]'"
done
exit $tests_failed
