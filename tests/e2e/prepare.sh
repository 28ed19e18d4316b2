#!/usr/bin/env bash
# What inference computes of parameters alone is computed once: never stale, whoever changes them.
. "$(dirname "$0")/lib.sh"
digits "$work/data" 192 64
cat >"$work/net.nn" <<'END'
net small(image: f32[N, 28, 28, 1]) -> f32[N, 10] {
    first = image |> conv2d(16, 3, stride = 2) |> batch_norm |> relu
    second = first |> conv2d(64, 3) |> batch_norm |> relu
    return second |> conv2d(64, 3) |> batch_norm |> relu |> global_avg_pool |> dense(10)
}
train classify {
    data image: f32[N, 28, 28, 1] = idx("train-images-idx3-ubyte") / 255
    data label: i32[N] = idx("train-labels-idx1-ubyte")
    batch 32
    epochs 2
    minimize cross_entropy(small(image), label) with adam(lr = 1e-3)
    validate on idx("t10k-images-idx3-ubyte") / 255, idx("t10k-labels-idx1-ubyte")
}
END
"$NNC" dump "$work/net.nn" --after prepare >"$work/prepare.ir"
grep -q '^prepared @prepared.small' "$work/prepare.ir" && grep -q '^graph @prepare prepare' "$work/prepare.ir" && pass "batch norm is prepared" ||
    fail "batch norm is prepared"
"$NNC" show "$work/net.nn" --batch 32 >"$work/show.txt"
grep -q '^prepared for inference prepared.small.*_matmul' "$work/show.txt" && pass "show tells of the taps that lie ready" || fail "show tells of the taps that lie ready"
grep -q "^prepared for inference, of the weights' bytes: [1-9]" "$work/show.txt" && pass "and of the memory" || fail "and of the memory"
"$NNC" dump "$work/net.nn" --after lower --no-prepare | grep -q prepare && fail "--no-prepare" || pass "--no-prepare"

# Validation after each epoch reads what the steps before it made, with preparation or without.
for way in "" --no-prepare; do
    name=$way
    "$NNC" train "$work/net.nn" --data "$work/data" --seed 3 -o "$work/w$name.safetensors" --json $way >"$work/train$name.json" 2>&1 ||
        fail "training $way"
    "$NNC" eval "$work/net.nn" --data "$work/data" --weights "$work/w$name.safetensors" --json $way >"$work/eval$name.json" 2>&1
done
cmp -s "$work/w.safetensors" "$work/w--no-prepare.safetensors" && pass "training is the same to the bit" || fail "training is the same to the bit"
near() { # NAME FILE FILE: every number of the two is the same within rounding
    $python - "$2" "$3" <<'END' && pass "$1" || fail "$1"
import json, sys
def numbers(v, key=""):
    if isinstance(v, dict):
        for k in sorted(v):
            if "second" not in k and k != "weights":
                yield from numbers(v[k], k)
    elif isinstance(v, (int, float)):
        yield v
def read(path):
    return [list(numbers(json.loads(line))) for line in open(path) if line.startswith("{")]
a, b = read(sys.argv[1]), read(sys.argv[2])
ok = len(a) == len(b) > 0 and all(len(x) == len(y) and all(abs(p - q) <= 1e-4 * max(1, abs(p)) for p, q in zip(x, y)) for x, y in zip(a, b))
sys.exit(not ok)
END
}
near "validation after each epoch" "$work/train.json" "$work/train--no-prepare.json"
near "evaluation" "$work/eval.json" "$work/eval--no-prepare.json"
"$NNC" eval "$work/net.nn" --data "$work/data" --weights "$work/w.safetensors" --json --backend c >"$work/eval_c.json" 2>&1
near "evaluation by the C compiler's code" "$work/eval_c.json" "$work/eval.json"

# An executable that loads weights: the values of those weights, each time.
"$NNC" build "$work/net.nn" -o "$work/exe" >/dev/null 2>&1
$python -c "
import numpy
numpy.save('$work/x.npy', numpy.random.default_rng(1).random((5, 28, 28, 1), dtype='float32'))"
mkdir "$work/other"
"$NNC" train "$work/net.nn" --data "$work/data" --seed 4 --epochs 1 -o "$work/other.safetensors" >/dev/null 2>&1
for w in w other; do
    "$work/exe" predict --weights "$work/$w.safetensors" --input "$work/x.npy" --output "$work/exe_$w.npy" >/dev/null 2>&1
    "$NNC" predict "$work/net.nn" --no-prepare --weights "$work/$w.safetensors" --input "$work/x.npy" --output "$work/plain_$w.npy" >/dev/null 2>&1
    $python -c "
import numpy, sys
a, b = numpy.load('$work/exe_$w.npy'), numpy.load('$work/plain_$w.npy')
sys.exit(not (a.shape == (5, 10) and numpy.allclose(a, b, atol=1e-4)))" && pass "an executable with weights $w" || fail "an executable with weights $w"
done

# Emitted C: constant weights bring what is prepared; others are prepared by a call, and again after a change.
for flags in "" --portable; do
    dir=$work/c$flags
    "$NNC" emit "$work/net.nn" --batch 5 --weights "$work/w.safetensors" -o "$dir" $flags >/dev/null 2>&1
    mv "$dir/net_weights.h" "$dir/first.h"
    "$NNC" emit "$work/net.nn" --batch 5 --weights "$work/other.safetensors" -o "$dir" $flags >/dev/null 2>&1
    sed 's/net_weights_h/net_second_h/; s/net_trained/net_second/' "$dir/net_weights.h" >"$dir/second.h"
    cat >"$dir/main.c" <<'END'
#include "first.h"
#include "second.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static _Alignas(64) unsigned char arena[NET_SMALL_ARENA + 64], room[NET_PREPARE_ARENA + 64];
static _Alignas(64) float x[5 * 784], y[3][50];
static struct net_weights w;
static struct net_slots s;
static int same(const float *a, const float *b) { return memcmp(a, b, sizeof y[0]) == 0; }
static float first_weight(const struct net_weights *p) { return ((const float *)p)[0]; }
int main(int argc, char **argv)
{
    for (int i = 0; i < 5 * 784; i++)
        x[i] = (float)(i % 97) / 97;
    net_small(&net_trained, x, y[0], arena); /* constant, never prepared here */
    net_small(&net_second, x, y[1], arena);
    if (same(y[0], y[1]))
        return puts("two weights, one result"), 1;
    if (argc > 1 && strcmp(argv[1], "unprepared") == 0) { /* what an init entry leaves */
        net_init(&w, &s, 1, 0);
        net_small(&w, x, y[2], arena);
        return 0;
    }
    memcpy(&w, &net_trained, offsetof(struct net_weights, PREPARED)); /* parameters alone */
    net_prepare(&w, room);
    net_small(&w, x, y[2], arena);
    if (!same(y[0], y[2]))
        return puts("prepared here, another result"), 2;
    memcpy(&w, &net_second, offsetof(struct net_weights, PREPARED));
    net_prepare(&w, room);
    net_small(&w, x, y[2], arena);
    if (!same(y[1], y[2]) || first_weight(&w) != first_weight(&net_second))
        return puts("prepared again, another result"), 3;
    return 0;
}
END
    first=$(grep -o 'prepared_small[a-z0-9_]*' "$dir/net.h" | head -n 1)
    sed -i "s/PREPARED/$first/g" "$dir/main.c"
    expect "emitted C $flags compiles" gcc -std=c11 -O1 -march=native -Wall -Wextra -Werror -I"$dir" "$dir/main.c" "$dir/net.c" -o "$dir/main" -lm
    expect "emitted C $flags: weights replaced and prepared again" "$dir/main"
    "$dir/main" unprepared >/dev/null 2>&1
    (($? > 128)) && pass "emitted C $flags: what is not prepared is not read" || fail "emitted C $flags: what is not prepared is not read"
done
exit $tests_failed
