#!/bin/sh
# One measurement of ours in a process of its own, as the peers' run.py calls it through NNC_BENCH:
#   case.sh CASE THREADS        CASE is NET_infer_bBATCH or NET_train_bBATCH: {"ms", "min_ms", "n"}
#   case.sh cold 1              the class that the mlp predicts, from process start
# Executables are made by run.py --build in BENCH_BUILD (build/bench).
B=${BENCH_BUILD:-build/bench}
if [ "$1" = cold ]; then
    exec "$B/mlp_infer" predict --weights "$B/mlp.safetensors" --input "$B/mlp_input.npy" --threads 1
fi
net=${1%%_*}
mode=${1#*_}
batch=${mode##*_b}
mode=${mode%%_*}
entry=$net
[ "$mode" = train ] && entry=learn
"$B/${net}_$mode" bench --json --entry "$entry" --batch "$batch" --threads "$2" --seconds 0.8 | sed -n \
    's/.*"median_ms": \([^,]*\), "min_ms": \([^,]*\), "calls": \([^,]*\),.*/{"ms": \1, "min_ms": \2, "n": \3}/p'
