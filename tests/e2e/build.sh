#!/usr/bin/env bash
# Executables: `nnc build` gives train, eval, predict and bench that agree with nnc's own.
. "$(dirname "$0")/lib.sh"
digits "$work/data" 2000 500
expect "build" "$NNC" build examples/mnist_mlp.nn --data "$work/data" -o "$work/exe"
expect "train by nnc" "$NNC" train examples/mnist_mlp.nn --data "$work/data" --epochs 1 --seed 3 -o "$work/a.safetensors"
expect "train by the executable" "$work/exe" train --data "$work/data" --epochs 1 --seed 3 -o "$work/b.safetensors"
cmp -s "$work/a.safetensors" "$work/b.safetensors" && pass "same weights" || fail "same weights"
"$NNC" eval examples/mnist_mlp.nn --data "$work/data" --weights "$work/a.safetensors" --json >"$work/a.json" 2>&1
"$work/exe" eval --data "$work/data" --weights "$work/a.safetensors" --json >"$work/b.json" 2>&1
[[ -s $work/a.json ]] && cmp -s "$work/a.json" "$work/b.json" && pass "same evaluation" || { fail "same evaluation"; cat "$work/a.json" "$work/b.json" | sed 's/^/# /'; }
$python -c "import numpy,sys; numpy.save(sys.argv[1], numpy.random.default_rng(1).random((77, 28, 28, 1), numpy.float32))" "$work/x.npy"
expect "predict by nnc" "$NNC" predict examples/mnist_mlp.nn --weights "$work/a.safetensors" --input image="$work/x.npy" --output "$work/a.npy"
expect "predict by the executable" "$work/exe" predict --weights "$work/a.safetensors" --input image="$work/x.npy" --output "$work/b.npy"
cmp -s "$work/a.npy" "$work/b.npy" && pass "same predictions" || fail "same predictions"
expect "numpy reads the result" $python -c "import numpy,sys; y = numpy.load(sys.argv[1]); assert y.shape == (77, 10), y.shape" "$work/a.npy"
"$work/exe" predict --weights "$work/a.safetensors" --input image="$work/x.npy" >"$work/lines" 2>/dev/null
expect "printed predictions begin with the class" $python -c "import numpy,sys
y = numpy.load(sys.argv[1]).argmax(1)
assert [int(l.split(':')[0]) for l in open(sys.argv[2])] == list(y)" "$work/a.npy" "$work/lines"
expect "bench" "$work/exe" bench --json
says "unknown command" "the commands are" "$work/exe" nothing
# weights that do not fit, cut files
head -c 1000 "$work/a.safetensors" >"$work/cut.safetensors"
says "cut weights" "cut.safetensors" "$work/exe" eval --data "$work/data" --weights "$work/cut.safetensors"
says "weights of another network" "error" "$NNC" eval examples/mnist_cnn.nn --data "$work/data" --weights "$work/a.safetensors"
exit $tests_failed
