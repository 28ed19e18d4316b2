#!/usr/bin/env bash
# Programs as the language is meant to feel: every construct in one place, checked, and run where it runs.
. "$(dirname "$0")/lib.sh"
quiet() { # NAME FILE: nnc check says nothing
    local out
    out=$("$NNC" check "$2" 2>&1)
    if [[ $? == 0 && -z $out ]]; then pass "$1"; else
        fail "$1"
        head -n 12 <<<"$out" | sed 's/^/# /'
    fi
}
digits "$work/data" 640 100

cat >"$work/own.nn" <<'NN'
# One's own library, in place of ours.
fn gelu(x) = 0.5 * x * (1 + erf(x / sqrt(2)))

layer dense(x: f32[..., I], units O: int, bias: bool = true) -> f32[..., O] {
    param weight: f32[O, I] = glorot_uniform(fan_in = I, fan_out = O)
    y[..., o] = sum(i) x[..., i] * weight[o, i]
    if bias {
        param bias: f32[O] = zeros()
        return y + bias
    }
    return y
}

optimizer momentum(lr: f32, beta: f32 = 0.9) {
    slot v = 0
    v <- beta * v + grad
    value <- value - lr * v
}

layer residual(x: f32[N, H, W, C], channels: int, stride: int = 1) {
    y = x |> conv2d(channels, 3, stride = stride, pad = 1) |> batch_norm |> relu
          |> conv2d(channels, 3, pad = 1) |> batch_norm
    skip = if stride == 1 && C == channels { x } else { x |> conv2d(channels, 1, stride = stride) }
    return relu(y + skip)
}

net small(image: f32[N, 28, 28, 1]) -> f32[N, 10] {
    a = image |> residual(4, stride = 2)
    for i in 0 .. 2 {
        a = a |> residual(4)
    }
    return a |> global_avg_pool |> dense(16) |> gelu |> dense(10, bias = false)
}

train classify {
    data image: f32[N, 28, 28, 1] = idx("train-images-idx3-ubyte") / 255
    data label: i32[N] = idx("train-labels-idx1-ubyte")
    batch 32
    epochs 1
    minimize cross_entropy(small(image), label) + 1e-4 * l2(small) with clip_by_norm(1.0) |> momentum(lr = 0.05)
    metric accuracy = mean(argmax(small(image)) == label)
    validate on idx("t10k-images-idx3-ubyte") / 255, idx("t10k-labels-idx1-ubyte")
}
NN
quiet "own layers, operations, optimizer" "$work/own.nn"
expect "and they train" "$NNC" train "$work/own.nn" --data "$work/data" -o "$work/own.safetensors"
expect "and continue from their weights" "$NNC" train "$work/own.nn" --data "$work/data" --init "$work/own.safetensors" -o "$work/own2.safetensors"

cat >"$work/gan.nn" <<'NN'
net G(z: f32[N, 64]) -> f32[N, 28, 28, 1] {
    y = z |> dense(128) |> relu |> dense(784) |> tanh
    return reshape(y, [N, 28, 28, 1])
}

net D(x: f32[N, 28, 28, 1]) -> f32[N, 1] {
    return x |> flatten |> dense(128) |> leaky_relu(0.2) |> dense(1) |> sigmoid
}

train gan {
    data real: f32[N, 28, 28, 1] = idx("train-images-idx3-ubyte") / 127.5 - 1
    noise z: f32[N, 64] = normal()
    batch 32
    epochs 1
    step critic {
        minimize bce(D(real), 1) + bce(D(G(z)), 0) over D with adam(lr = 2e-4, beta1 = 0.5)
    }
    step maker {
        minimize bce(D(G(z)), 1) over G with adam(lr = 2e-4, beta1 = 0.5)
    }
}
NN
quiet "two nets, two steps" "$work/gan.nn"
expect "and they train" "$NNC" train "$work/gan.nn" --data "$work/data" -o "$work/gan.safetensors"

cat >"$work/text.nn" <<'NN'
# Next character from the eight before it.
net chars(seen: i32[N, 8]) -> f32[N, 65] {
    return seen |> embed(65, 16) |> flatten |> dense(64) |> tanh |> dense(65)
}

train predict {
    data window: i32[N, 9] = text("tinyshakespeare.txt", stride = 3)
    batch 64
    epochs 1
    minimize cross_entropy(chars(window[:, 0:8]), window[:, 8]) with adam(lr = 2e-3)
    metric accuracy = accuracy(chars(window[:, 0:8]), window[:, 8])
    validate split 0.1
}
NN
quiet "text" "$work/text.nn"
if [[ -f ${NNC_DATA:-}/text/tinyshakespeare.txt ]]; then
    "$NNC" train "$work/text.nn" --data "$NNC_DATA/text" --json -o "$work/text.safetensors" >"$work/text.json" 2>"$work/text.err" || sed 's/^/# /' "$work/text.err"
    at_least "text trains: next character" "$(json val.accuracy "$work/text.json")" 0.36
else
    skip "text trains" "NNC_DATA is not set"
fi
for t in linear_regression:diabetes.tab.txt table_mlp:wdbc.data; do
    name=${t%%:*}
    if [[ -f ${NNC_DATA:-}/tables/${t#*:} ]]; then
        expect "$name trains" "$NNC" train examples/$name.nn --data "$NNC_DATA/tables" --json -o "$work/table.safetensors"
        cp "$work/expect.log" "$work/$name.json"
    else
        skip "$name trains" "NNC_DATA is not set"
    fi
done
[[ -f $work/table_mlp.json ]] && at_least "table_mlp" "$(json val.accuracy "$work/table_mlp.json")" 0.93

cat >"$work/scan.nn" <<'NN'
net language_model(text: i32[N, T]) -> f32[N, T, 65] {
    hs = scan x in embed(text, 65, 64) along 1
         carry h = zeros(N, 128), c = zeros(N, 128) {
        h, c = lstm_cell(x, h, c)
        yield h
    }
    return hs |> dense(65)
}
NN
expect "scan is checked" "$NNC" check "$work/scan.nn" -D T=16
says "scan is not compiled yet, and says so" "scan" "$NNC" emit "$work/scan.nn" -D T=16 -o "$work/scan"
says "a shape variable without a value" "-D T=" "$NNC" check "$work/scan.nn"
exit $tests_failed
