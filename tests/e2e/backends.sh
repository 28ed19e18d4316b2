#!/usr/bin/env bash
# The same commands through both back ends: LLVM needs no C compiler, and what they train, evaluate and
# predict agrees.
. "$(dirname "$0")/lib.sh"
digits "$work/data" 2000 500
cp examples/mnist_mlp.nn "$work/net.nn"
cd "$work"
$python -c "import numpy; numpy.save('x.npy', numpy.random.default_rng(1).random((77, 28, 28, 1), numpy.float32))"

backends=c
"$NNC" --version | grep -q llvm && backends="c llvm"
for b in $backends; do
    cc=${CC:-}
    [[ $b == llvm ]] && cc=no-such-cc
    CC=$cc expect "train by $b" "$NNC" train net.nn --backend $b --data data --epochs 2 --seed 3 --json -o $b.safetensors
    cp expect.log $b.train
    CC=$cc expect "eval by $b" "$NNC" eval net.nn --backend $b --data data --weights $b.safetensors --json
    cp expect.log $b.eval
    CC=$cc expect "predict by $b" "$NNC" predict net.nn --backend $b --weights c.safetensors --input image=x.npy --output $b.npy
done
if [[ $backends == c ]]; then
    skip "both back ends" "nnc was built without LLVM"
    exit $tests_failed
fi
CC=no-such-cc expect "LLVM is the default" "$NNC" train net.nn --data data --epochs 2 --seed 3 --json -o d.safetensors
cmp -s d.safetensors llvm.safetensors && pass "and gives the same bits" || fail "and gives the same bits"
CC=no-such-cc says "--backend c asks for a C compiler" "install gcc or clang" "$NNC" train net.nn --backend c --data data -o none.safetensors
[[ -e none.safetensors ]] && fail "nothing half-written" || pass "nothing half-written"

cat >near.py <<'PY'
import json, sys, numpy
a, b = numpy.load("c.npy"), numpy.load("llvm.npy")
assert a.shape == b.shape == (77, 10), (a.shape, b.shape)
assert numpy.abs(a - b).max() <= 16 * 2.0**-23 * max(1, numpy.abs(a).max()), numpy.abs(a - b).max()
x, y = (json.loads(open(f + ".eval").readlines()[-1]) for f in ("c", "llvm"))
assert abs(x["loss"] - y["loss"]) <= 2e-2 * x["loss"], (x, y)
assert abs(x["metrics"]["accuracy"] - y["metrics"]["accuracy"]) <= 0.01, (x, y)
PY
expect "they predict the same, and learn the same" $python near.py
for b in llvm c; do
    expect "build by $b" "$NNC" build net.nn --backend $b --data data -o exe_$b
    expect "its training" ./exe_$b train --data data --epochs 2 --seed 3 --json -o exe_$b.safetensors
    cmp -s exe_$b.safetensors $b.safetensors && pass "an executable by $b trains to the bits of nnc train" || fail "an executable by $b trains to the bits of nnc train"
done
exit $tests_failed
