#!/usr/bin/env bash
# Metrics made of total(...) are those of the whole data, whatever the batches: precision, recall, F1, their
# means over classes, RMSE and R2 against numpy, by both back ends and by an executable.
. "$(dirname "$0")/lib.sh"
cd "$work"
$python - <<'PY'
import numpy
r = numpy.random.default_rng(3)
x = r.normal(size=(203, 2)).astype(numpy.float32)
y = (x[:, 0] + 0.5 * x[:, 1] + 0.5 * r.normal(size=203) > 1).astype(int)
k = numpy.where(x[:, 0] < -0.5, 0, numpy.where(x[:, 1] < 0, 1, 2))
with open("t.csv", "w") as f:
    print("a,b,y,k", file=f)
    for row in zip(x[:, 0], x[:, 1], y, k):
        print("%.7g,%.7g,%d,%d" % row, file=f)
numpy.save("x.npy", numpy.loadtxt("t.csv", delimiter=",", skiprows=1, dtype=numpy.float32)[:, :2])
PY
cat >net.nn <<'NN'
net score(x: f32[N, 2]) -> f32[N] = reshape(x |> dense(8) |> tanh |> dense(1), [N])

net class(x: f32[N, 2]) -> f32[N, 3] = x |> dense(3)

train fit {
    data x: f32[N, 2] = csv("t.csv", columns = ["a", "b"])
    data y: f32[N] = csv("t.csv", columns = ["y"])
    data k: i32[N] = csv("t.csv", columns = ["k"])
    batch 16
    epochs 3
    minimize mse(score(x), y) + cross_entropy(class(x), k) with adam(lr = 1e-2)
    metric precision = precision(score(x), y, 0.4)
    metric recall = recall(score(x), y, 0.4)
    metric f1 = f1(score(x), y, 0.4)
    metric rmse = rmse(score(x), y)
    metric r2 = r2(score(x), y)
    metric macro_precision = macro_precision(class(x), k)
    metric macro_recall = macro_recall(class(x), k)
    metric macro_f1 = macro_f1(class(x), k)
    metric accuracy = accuracy(class(x), k)
}
NN
expect "train" "$NNC" train net.nn --data . -o w.safetensors
expect "predict scores" "$NNC" predict net.nn --entry score --weights w.safetensors --input x.npy --output score.npy
expect "predict classes" "$NNC" predict net.nn --entry class --weights w.safetensors --input x.npy -o class.npy
for b in 1 16 50 203; do "$NNC" eval net.nn --weights w.safetensors --data . --batch $b --json; done >lines 2>err
"$NNC" eval net.nn --weights w.safetensors --data . --backend c --json >>lines 2>>err
"$NNC" build net.nn --data . -o exe >>err 2>&1 && ./exe eval --weights w.safetensors --data . --json >>lines 2>>err
cat >exact.py <<'PY'
import json, numpy
table = numpy.loadtxt("t.csv", delimiter=",", skiprows=1)
y, k = table[:, 2], table[:, 3].astype(int)
score, called = numpy.load("score.npy").astype(float), numpy.load("class.npy").argmax(1)
def ratios(right, called, truth): return right / max(called, 1), right / max(truth, 1), 2 * right / max(called + truth, 1)
want = dict(zip(("precision", "recall", "f1"), ratios(((score > 0.4) * y).sum(), (score > 0.4).sum(), y.sum())))
each = [ratios(((called == c) & (k == c)).sum(), (called == c).sum(), (k == c).sum()) for c in range(3)]
want.update(zip(("macro_precision", "macro_recall", "macro_f1"), numpy.mean(each, axis=0)))
want["rmse"] = numpy.sqrt(((score - y) ** 2).mean())
want["r2"] = 1 - ((score - y) ** 2).sum() / ((y - y.mean()) ** 2).sum()
want["accuracy"] = (called == k).mean()
lines = [json.loads(l) for l in open("lines")]
assert len(lines) == 6, lines
for l in lines:
    assert l["samples"] == 203
    for name, value in want.items():
        assert abs(l["metrics"][name] - value) < 2e-6, (name, l["metrics"][name], value)
PY
expect "those of the whole data, whatever the batches" $python exact.py
"$NNC" emit net.nn -o c >>err 2>&1
grep -q 'metrics of the whole data, from its totals' c/net.h && grep -q 'total_0: out, .*: add it up' c/net.h &&
    grep -q 'total_0: in, .*added up over all batches' c/net.h && pass "the header says what totals are" || fail "the header says what totals are"
[[ -s err ]] && { fail "quiet"; head -n 5 err | sed 's/^/# /'; } || pass "quiet"
exit $tests_failed
