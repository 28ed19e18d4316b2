#!/usr/bin/env bash
# The same bits for 1, 2 and 5 threads, and for a run killed with -9 and resumed; Ctrl-C saves.
. "$(dirname "$0")/lib.sh"
digits "$work/data" 3000 500
train() { # OUTPUT ARGS...
    local out=$1
    shift
    "$NNC" train examples/mnist_mlp.nn --data "$work/data" --epochs 2 --seed 5 --json -o "$work/$out.safetensors" "$@" \
        >"$work/$out.json" 2>"$work/$out.err"
}
same() { # NAME A B
    if cmp -s "$work/$2.safetensors" "$work/$3.safetensors"; then pass "$1"; else fail "$1"; fi
}
train t1 --threads 1 || { fail "training"; sed 's/^/# /' "$work/t1.err"; exit 1; }
train t2 --threads 2
train t5 --threads 5
same "same bits with 1 and 2 threads" t1 t2
same "same bits with 1 and 5 threads" t1 t5
train again --threads 2
same "same bits from run to run" t1 again
train other --threads 2 --seed 6
cmp -s "$work/t1.safetensors" "$work/other.safetensors" && fail "another seed gives other weights" || pass "another seed gives other weights"

"$NNC" train examples/mnist_mlp.nn --data "$work/data" --epochs 60 --seed 5 --json -o "$work/long.safetensors" \
    --checkpoint-steps 7 >"$work/long.json" 2>&1 &
pid=$!
for _ in $(seq 3000); do
    [[ -s $work/long.checkpoint || -s $work/long.safetensors.checkpoint ]] && (($(wc -l <"$work/long.json") >= 2)) && break
    sleep 0.02
done
kill -9 $pid 2>/dev/null
wait $pid 2>/dev/null
checkpoint=$(ls "$work"/long*.checkpoint 2>/dev/null | head -n 1)
[[ -n $checkpoint ]] && pass "a killed run leaves a checkpoint" || fail "a killed run leaves a checkpoint"
done_epochs=$(grep -c '"epoch"' "$work/long.json")
epochs=$((done_epochs + 2))
"$NNC" train examples/mnist_mlp.nn --data "$work/data" --epochs $epochs --seed 5 --json -o "$work/resumed.safetensors" \
    --resume "$checkpoint" >"$work/resumed.json" 2>"$work/resumed.err" || sed 's/^/# /' "$work/resumed.err"
"$NNC" train examples/mnist_mlp.nn --data "$work/data" --epochs $epochs --seed 5 --json -o "$work/whole.safetensors" \
    >"$work/whole.json" 2>&1
same "killed with -9 in epoch $((done_epochs + 1)) and resumed: same bits as an uninterrupted run" resumed whole

"$NNC" train examples/mnist_mlp.nn --data "$work/data" --epochs 500 --seed 5 -o "$work/int.safetensors" >"$work/int.out" 2>&1 &
pid=$!
for _ in $(seq 3000); do
    (($(wc -l <"$work/int.out") >= 2)) && break
    sleep 0.02
done
kill -INT $pid
wait $pid
status=$?
((status == 130)) && pass "Ctrl-C ends with status 130" || fail "Ctrl-C ends with status 130, not $status"
grep -q -- '--resume' "$work/int.out" && pass "Ctrl-C says how to resume" || fail "Ctrl-C says how to resume"
exit $tests_failed
