#!/usr/bin/env bash
# MNIST to the accuracy people expect of these networks, on the real data, through the real pipeline;
# and the emitted C, compiled by gcc and by clang, gives the same predictions.
. "$(dirname "$0")/../e2e/lib.sh"
if [[ -z ${NNC_DATA:-} || ! -d $NNC_DATA/mnist ]]; then
    skip "MNIST accuracy" "NNC_DATA is not set"
    exit 0
fi
data=$NNC_DATA/mnist

# three_seeds NET LIMIT ARGS...: mean validation accuracy of seeds 1, 2, 3
three_seeds() {
    local net=$1 limit=$2 accuracies=() seed mean
    shift 2
    for seed in 1 2 3; do
        if "$NNC" train examples/mnist_$net.nn --data "$data" --seed $seed --json -o "$work/$net$seed.safetensors" "$@" \
            >"$work/$net.json" 2>"$work/$net.err"; then
            accuracies+=("$(json val.accuracy "$work/$net.json")")
        else
            fail "$net, seed $seed"
            tail -n 5 "$work/$net.err" | sed 's/^/# /'
        fi
    done
    mean=$($python -c "import sys; a = [float(x) for x in sys.argv[1:]]; print(sum(a) / max(1, len(a)))" "${accuracies[@]}")
    at_least "mnist_$net, mean of three seeds (${accuracies[*]})" "$mean" "$limit"
}
three_seeds mlp 0.975 --epochs 5
three_seeds cnn 0.988 --epochs 3
"$NNC" train examples/mnist_mlp.nn --data "$NNC_DATA/fashion-mnist" --seed 1 --json -o "$work/fashion.safetensors" \
    >"$work/fashion.json" 2>&1
at_least "mnist_mlp on Fashion-MNIST" "$(json val.accuracy "$work/fashion.json")" 0.86
"$NNC" train examples/mnist_cnn.nn --data "$NNC_DATA/fashion-mnist" --epochs 2 --seed 1 --json \
    -o "$work/fashion_cnn.safetensors" >"$work/fashion_cnn.json" 2>&1
at_least "mnist_cnn on Fashion-MNIST, 2 epochs" "$(json val.accuracy "$work/fashion_cnn.json")" 0.86

# Standalone C against `nnc predict`, logits of the first 2000 test pictures, both compilers.
$python - "$data" "$work" <<'PY'
import gzip, sys, numpy
raw = gzip.open(sys.argv[1] + "/t10k-images-idx3-ubyte.gz").read()
x = numpy.frombuffer(raw, numpy.uint8, offset=16).reshape(-1, 28, 28, 1)[:2000]
numpy.save(sys.argv[2] + "/x.npy", (x / numpy.float32(255)).astype(numpy.float32))
PY
for net in mlp cnn; do
    weights=$work/${net}1.safetensors
    expect "$net: nnc predict" "$NNC" predict examples/mnist_$net.nn --weights "$weights" --input image="$work/x.npy" --output "$work/y_$net.npy"
    expect "$net: emit" "$NNC" emit examples/mnist_$net.nn --weights "$weights" -o "$work/c_$net"
    for cc in gcc clang; do
        command -v $cc >/dev/null || { skip "$net: emitted C by $cc" "$cc is not installed"; continue; }
        expect "$net: emitted C compiles cleanly with $cc" $cc -std=c11 -O2 -march=native -ffp-contract=fast -Wall -Wextra \
            -Wpedantic -Werror -DNET=mnist_$net -shared -fPIC -o "$work/$net.$cc.so" "$work/c_$net/mnist_$net.c" -lm
        if $python tests/train/same_predictions.py "$work/$net.$cc.so" "$work/c_$net/mnist_$net.h" "mnist_$net" \
            "$weights" "$work/x.npy" "$work/y_$net.npy" >"$work/same.log" 2>&1; then
            pass "$net: $cc-compiled standalone C predicts the same: $(tail -n 1 "$work/same.log")"
        else
            fail "$net: $cc-compiled standalone C"
            tail -n 5 "$work/same.log" | sed 's/^/# /'
        fi
    done
done
exit $tests_failed
