#!/usr/bin/env bash
# `make test-torch`: the benchmark's networks (tests/bench/nets) against the same networks in PyTorch:
# outputs, losses, gradients, the first step of Adam.
#   tests/torch/run.sh BUILD [CASE...]
# NNC_TORCH_MODELS names the PyTorch definitions (models.py of the peers' scripts). Memory: gpt2 takes 6 GB.
set -u
cd "$(dirname "$0")/../.."
build=$1
shift
cases=("$@")
((${#cases[@]})) || cases=(mlp_infer_b1 mlp_infer_b32 cnn_infer_b1 cnn_infer_b32 resnet18_infer_b1 resnet18_infer_b32
    mobilenetv2_infer_b1 mobilenetv2_infer_b32 encoder_infer_b1 encoder_infer_b32 gpt2_infer_b1
    mlp_train_b32 cnn_train_b32 autoencoder_train_b64 resnet18cifar_train_b32 resnet18cifar_train_b32:smooth
    encoder_train_b8 gpt2_train_b1)

python=
for p in /usr/bin/python3 python3; do
    "$p" -c 'import torch, numpy' 2>/dev/null && { python=$p; break; }
done
if [[ -z $python ]]; then
    echo "PyTorch is not installed: nothing compared"
    echo "note: on Debian, apt-get install python3-torch python3-numpy"
    exit 1
fi
if [[ ! -f ${NNC_TORCH_MODELS:-} ]]; then
    echo "NNC_TORCH_MODELS does not name the PyTorch definitions: nothing compared"
    echo "note: NNC_TORCH_MODELS=PEERS/models.py make test-torch"
    exit 1
fi
export PYTHONDONTWRITEBYTECODE=1 PYTHONWARNINGS=ignore
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for c in "${cases[@]}"; do
    name=${c%:smooth} how=
    [[ $c == *:smooth ]] && how=smooth
    mkdir -p "$work/run"
    if "$python" tests/torch/dump.py "$NNC_TORCH_MODELS" "$work" "$name" $how >"$work/log" 2>&1; then
        "$python" tests/torch/agree.py "$build/nnc" tests/bench/nets "$work" "$name" "$work/run" $how ||
            echo "not ok - $name: the comparison failed"
    else
        echo "not ok - $name: PyTorch's side failed"
        tail -n 5 "$work/log" | sed 's/^/# /'
    fi
    rm -rf "${work:?}/$name" "$work/run"
done | tee "$work/lines"
passed=$(grep -c '^ok' "$work/lines") failed=$(grep -c '^not ok' "$work/lines")
echo "$passed passed, $failed failed"
((passed > 0 && failed == 0))
