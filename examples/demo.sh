#!/usr/bin/env bash
# make demo: trains a digit classifier, emits it as C, compiles that alone, and shows that it predicts
# the same. Data: $NNC_DATA/mnist where that is set, otherwise digits drawn by nnc itself.
#   examples/demo.sh BUILD
set -eu
cd "$(dirname "$0")/.."
nnc=$1/nnc out=$1/demo
mkdir -p "$out"
say() { printf '\n$ %s\n' "$*"; }
run() { say "$@"; "$@"; }

data=${NNC_DATA:+$NNC_DATA/mnist}
if [[ -z $data ]]; then
    data=$out/digits
    run "$nnc" digits "$data" --train 20000 --test 4000
fi
run "$nnc" train examples/mnist_mlp.nn --data "$data" -o "$out/mnist_mlp.safetensors"
run "$nnc" eval examples/mnist_mlp.nn --weights "$out/mnist_mlp.safetensors" --data "$data"
run "$nnc" emit examples/mnist_mlp.nn --weights "$out/mnist_mlp.safetensors" -o "$out/c"

images=$out/images.idx
for f in "$data"/t10k-images-idx3-ubyte*; do
    case $f in *.gz) gzip -dc "$f" >"$images" ;; *) cp "$f" "$images" ;; esac
done
run ${CC:-cc} -O2 -march=native -ffp-contract=fast -I"$out/c" examples/embed/digits.c "$out/c/mnist_mlp.c" -lm -o "$out/digits_c"
run "$out/digits_c" predict "$images" "$out/predictions.txt"
run "$out/digits_c" scale "$images" "$out/images.npy"
run "$nnc" predict examples/mnist_mlp.nn --weights "$out/mnist_mlp.safetensors" --input image="$out/images.npy" --output "$out/logits.npy"
run "$out/digits_c" compare "$out/predictions.txt" "$out/logits.npy"
ls -l "$out/digits_c" | awk '{ print "\nThe standalone program is " $5 " bytes, weights included, and needs nothing but libc and libm." }'
