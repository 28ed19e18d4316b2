#!/usr/bin/env bash
# Bad data and weights files: each case makes one, runs nnc on it, and what nnc says on standard error
# must be tests/errors/data/CASE.err to the letter (the work folder is written as DIR). BLESS=1 rewrites.
. "$(dirname "$0")/../e2e/lib.sh"
expected=$PWD/tests/errors/data
ln -s "$PWD/examples" "$work/examples"
cd "$work"

case_() { # NAME COMMAND...
    local name=$1 status got
    shift
    got=$(timeout 60 "$@" 2>&1 >/dev/null </dev/null)
    status=$?
    got=${got//$work/DIR}
    got=${got/finite (infinity)/finite (NaN)} # which one a sum that overflows becomes depends on its order
    if ((status == 0 || status >= 124)); then
        fail "$name: status $status"
        sed 's/^/# /' <<<"$got" | head -n 10
        return
    fi
    [[ ${BLESS:-} ]] && printf '%s\n' "$got" >"$expected/$name.err"
    if diff <(printf '%s\n' "$got") "$expected/$name.err" >diff.log 2>&1; then pass "$name"; else
        fail "$name"
        sed 's/^/# /' diff.log
    fi
}
mnist() { # NAME: training on the folder bad/
    case_ "$1" "$NNC" train examples/mnist_mlp.nn --data bad --epochs 1 -o bad.safetensors
    [[ -e bad.safetensors ]] && fail "$1: a weights file was written"
}
fresh() { rm -rf bad && cp -r good bad; }

digits good 64 32
images=train-images-idx3-ubyte labels=train-labels-idx1-ubyte

fresh; rm bad/$images; mnist idx_missing
fresh; mv bad/$images bad/train-images.idx3; mnist idx_missing_near
rm -rf bad; mkdir bad; mnist data_folder_empty
rm -rf bad; mnist data_folder_missing
fresh; head -c 10 good/$images >bad/$images; mnist idx_cut_header
fresh; head -c 5000 good/$images >bad/$images; mnist idx_cut
fresh; printf 'x' >>bad/$images; mnist idx_trailing
fresh; printf 'PK\3\4 this is no idx file' >bad/$images; mnist idx_magic
fresh; : >bad/$images; mnist idx_empty
fresh; { printf '\0\0\10\3\0\0\0\100\0\0\0\16\0\0\0\16'; head -c $((64 * 14 * 14)) /dev/zero; } >bad/$images; mnist idx_shape
fresh; { printf '\0\0\10\1\0\0\0\12'; head -c 10 /dev/zero; } >bad/$labels; mnist idx_rows
fresh; gzip -c good/$images | head -c 2000 >bad/$images.gz; rm bad/$images; mnist idx_gz_cut

cat >table.nn <<'NN'
net line(x: f32[N, 2]) -> f32[N, 1] {
    y = x |> dense(1)
    return y
}

train fit {
    data x: f32[N, 2] = csv("t.csv", columns = ["a", "b"])
    data y: f32[N, 1] = csv("t.csv", columns = ["y"])
    batch 2
    epochs 1
    minimize mse(line(x), y) with sgd(lr = 0.1)
}
NN
table() { # NAME TEXT
    mkdir -p csv
    printf "$2" >csv/t.csv
    case_ "$1" "$NNC" train table.nn --data csv -o table.safetensors
}
table csv_empty ''
table csv_only_header 'a,b,y\n'
table csv_no_such_column 'a,c,y\n1,2,3\n'
table csv_not_a_number 'a,b,y\n1,2,3\n1,two,3\n'
table csv_missing_value 'a,b,y\n1,2,3\n1,,3\n'
table csv_short_row 'a,b,y\n1,2,3\n1,2\n'
table csv_long_row 'a,b,y\n1,2,3\n1,2,3,4\n'
table csv_quote 'a,b,y\n1,"2,3\n'
table csv_binary '\x89PNG\r\n\x1a\n\0\0\0'

$python - <<'PY'
import numpy
numpy.save("f64.npy", numpy.zeros((4, 28, 28, 1)))
numpy.save("shape.npy", numpy.zeros((4, 14, 14), numpy.float32))
numpy.save("fortran.npy", numpy.asfortranarray(numpy.zeros((4, 28, 28, 1), numpy.float32)))
numpy.save("complex.npy", numpy.zeros((4, 28, 28, 1), numpy.complex64))
open("cut.npy", "wb").write(open("f64.npy", "rb").read()[:3000])
open("text.npy", "w").write("not an array")
PY
"$NNC" train examples/mnist_mlp.nn --data good --epochs 1 -o w.safetensors >/dev/null 2>&1 || fail "weights for the cases below"
npy() { case_ "$1" "$NNC" predict examples/mnist_mlp.nn --weights w.safetensors --input image=$2 --output out.npy; }
npy npy_missing nothing.npy
npy npy_shape shape.npy
npy npy_fortran fortran.npy
npy npy_complex complex.npy
npy npy_cut cut.npy
npy npy_text text.npy
case_ predict_unknown_input "$NNC" predict examples/mnist_mlp.nn --weights w.safetensors --input picture=f64.npy --output out.npy

$python - <<'PY'
import json
raw = open("w.safetensors", "rb").read()
n = int.from_bytes(raw[:8], "little")
head, data = json.loads(raw[8:8 + n]), raw[8 + n:]
def write(path, h, d=data):
    text = json.dumps(h).encode()
    text += b" " * (-len(text) % 8)
    open(path, "wb").write(len(text).to_bytes(8, "little") + text + d)
names = sorted(k for k in head if k != "__metadata__")
def changed(f):
    h = json.loads(json.dumps(head)); f(h); return h
last = max(names, key=lambda k: head[k]["data_offsets"][1])
write("w_missing.safetensors", changed(lambda h: h.pop(last)), data[:head[last]["data_offsets"][0]])
write("w_extra.safetensors", changed(lambda h: h.update(extra={"dtype": "F32", "shape": [0], "data_offsets": [0, 0]})))
def transposed(h): h[names[1]]["shape"].reverse()
write("w_shape.safetensors", changed(transposed))
def halved(h): h[names[1]]["dtype"] = "I32"
write("w_dtype.safetensors", changed(halved))
def beyond(h): h[names[1]]["data_offsets"] = [0, 10**12]
write("w_beyond.safetensors", changed(beyond))
write("w_cut.safetensors", head, data[:-100])
open("w_json.safetensors", "wb").write((20).to_bytes(8, "little") + b'{"a": [1, 2, "broken' + data)
open("w_length.safetensors", "wb").write((2**62).to_bytes(8, "little") + raw[8:])
open("w_empty.safetensors", "wb").write(b"")
open("w_text.safetensors", "w").write("these are no weights\n")
PY
for bad in w_missing w_extra w_shape w_dtype w_beyond w_cut w_json w_length w_empty w_text w_not_there; do
    case_ weights_${bad#w_} "$NNC" eval examples/mnist_mlp.nn --data good --weights $bad.safetensors
done
case_ resume_weights "$NNC" train examples/mnist_mlp.nn --data good --resume w.safetensors -o x.safetensors
cp w.safetensors.checkpoint c.checkpoint 2>/dev/null || cp w.checkpoint c.checkpoint 2>/dev/null
head -c 5000 c.checkpoint >cut.checkpoint
case_ resume_cut "$NNC" train examples/mnist_mlp.nn --data good --resume cut.checkpoint -o x.safetensors
case_ output_folder_missing "$NNC" train examples/mnist_mlp.nn --data good --epochs 1 -o nowhere/x.safetensors
"$NNC" build examples/mnist_mlp.nn --data good -o exe || fail "an executable for the next case"
case_ no_space bash -c 'trap "" XFSZ; ulimit -f 100; exec ./exe train --data good --epochs 1 --no-checkpoint --json -o full.safetensors'
ls | grep -q '^full' && fail "no_space: something half-written: $(ls | grep '^full')"

sed 's/lr = [0-9.e-]*/lr = 1e30/; s/adam/sgd/' examples/mnist_mlp.nn >nan.nn
case_ nan_loss "$NNC" train nan.nn --data good --epochs 3 -o nan.safetensors
exit $tests_failed
