#!/usr/bin/env bash
# Where parameters lie in memory shows nowhere outside: files, predictions and emitted weights.
. "$(dirname "$0")/lib.sh"
digits "$work/data" 1000 200
cat >"$work/net.nn" <<'END'
net mlp(image: f32[N, 28, 28, 1]) -> f32[N, 10] {
    hidden = image |> conv2d(8, 3, stride = 2) |> relu |> flatten |> dense(128) |> relu
    logits = hidden |> dense(10)
    return logits
}
train classify {
    data image: f32[N, 28, 28, 1] = idx("train-images-idx3-ubyte") / 255
    data label: i32[N] = idx("train-labels-idx1-ubyte")
    batch 32
    epochs 1
    minimize cross_entropy(mlp(image), label) with adam(lr = 1e-3)
    validate on idx("t10k-images-idx3-ubyte") / 255, idx("t10k-labels-idx1-ubyte")
}
END
mkdir "$work/still" # a file names the program it is of
sed 's/lr = 1e-3/lr = 0.0/' "$work/net.nn" >"$work/still/net.nn"
train() { # FILE OUTPUT ARGS...
    local file=$1 out=$2
    shift 2
    "$NNC" train "$work/$file.nn" --data "$work/data" --seed 3 -o "$work/$out.safetensors" "$@" >"$work/$out.log" 2>&1 ||
        { fail "training $out"; sed 's/^/# /' "$work/$out.log"; exit 1; }
}
"$NNC" dump "$work/net.nn" --after layout >"$work/layout.ir"
grep -q '^param @mlp.hidden.weight .* layout \[' "$work/layout.ir" && pass "a dense layer's weights are laid out" ||
    fail "a dense layer's weights are laid out"
grep -q '^slot .*adam.m.mlp.hidden.weight .* layout \[' "$work/layout.ir" && pass "and what the optimizer keeps of them" ||
    fail "and what the optimizer keeps of them"
"$NNC" dump "$work/net.nn" --after layout --no-layout | grep -q ' layout \[' && fail "--no-layout" || pass "--no-layout"

"$NNC" show "$work/net.nn" | grep -q '^in memory mlp.hidden.weight f32\[128,1352\] is f32\[.*dimensions \[' && pass "show tells the order in memory" ||
    fail "show tells the order in memory"

train still/net laid
train still/net rows --no-layout
cmp -s "$work/laid.safetensors" "$work/rows.safetensors" && pass "initial values do not depend on layouts" ||
    fail "initial values do not depend on layouts"

train net trained
for way in "" --no-layout; do
    "$NNC" eval "$work/net.nn" --data "$work/data" --weights "$work/trained.safetensors" --json $way >"$work/eval$way.json" 2>&1
done
$python - "$(json loss "$work/eval.json")" "$(json loss "$work/eval--no-layout.json")" <<'END' && pass "one file, the same loss either way" || fail "one file, the same loss either way"
import sys
a, b = float(sys.argv[1]), float(sys.argv[2])
sys.exit(not (a > 0 and abs(a - b) <= 1e-5 * a))
END
# What is loaded is stored again as it was, with layouts and without.
train still/net again --init "$work/trained.safetensors"
train still/net again_rows --init "$work/trained.safetensors" --no-layout
if cmp -s "$work/again.safetensors" "$work/trained.safetensors" && cmp -s "$work/again_rows.safetensors" "$work/trained.safetensors"
then pass "--init loads every value to its place"; else fail "--init loads every value to its place"; fi
sed 's/dense(10)/dense(12)/; s/-> f32\[N, 10\]/-> f32[N, 12]/' "$work/still/net.nn" >"$work/wider.nn"
train wider partly --init "$work/trained.safetensors"
grep -q 'mlp.logits.weight' "$work/partly.log" && pass "what does not fit is named" || fail "what does not fit is named"

# The header tells the order of each member; the weights emitted are in that order.
"$NNC" emit "$work/net.nn" --weights "$work/trained.safetensors" -o "$work/out" >"$work/emit.log" 2>&1
grep -q 'mlp_hidden_weight\[[0-9]*\]; .*stored \[.*element (i,j) is \[' "$work/out/net.h" && pass "the header tells the order in memory" ||
    { fail "the header tells the order in memory"; grep weight "$work/out/net.h" | sed 's/^/# /'; }
cat >"$work/main.c" <<'END'
#include <stdio.h>
#include "net_weights.h"
static _Alignas(64) unsigned char arena[NET_MLP_ARENA + 1];
static _Alignas(64) float image[32 * 784], out[32 * 10];
int main(void)
{
    for (int i = 0; i < 32 * 784; i++) image[i] = (float)(i % 97) / 97;
    net_mlp(&net_trained, image, out, arena);
    for (int i = 0; i < 320; i++) printf("%.4f\n", (double)out[i]);
}
END
cc -std=c11 -O2 -march=native -w -I"$work/out" -o "$work/main" "$work/main.c" "$work/out/net.c" -lm 2>"$work/cc.log" || sed 's/^/# /' "$work/cc.log"
"$work/main" >"$work/emitted.txt"
$python - "$work" <<'END'
import numpy as np, sys
x = (np.arange(32 * 784, dtype=np.float32) % 97 / 97).astype(np.float32).reshape(32, 28, 28, 1)
np.save(sys.argv[1] + "/x.npy", x)
END
"$NNC" predict "$work/net.nn" --weights "$work/trained.safetensors" --input "$work/x.npy" --output "$work/y.npy" --no-layout >"$work/predict.log" 2>&1
if $python - "$work" <<'END'
import numpy as np, sys
y, z = np.load(sys.argv[1] + "/y.npy").ravel(), np.loadtxt(sys.argv[1] + "/emitted.txt")
sys.exit(not (len(z) == 320 and np.abs(y - z).max() < 1e-3))
END
then pass "emitted weights give what the file gives"; else fail "emitted weights give what the file gives"; fi
exit $tests_failed
