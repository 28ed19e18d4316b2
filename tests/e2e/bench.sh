#!/usr/bin/env bash
# nnc bench: what its table, JSON, picture and trace hold. No figure is compared with another.
. "$(dirname "$0")/lib.sh"
export OMP_NUM_THREADS=2
f=examples/mnist_mlp.nn quick="--seconds 0.01"

# ---- wrong words ----
says "no file" "needs a file" "$NNC" bench
says "--compare with a wrong word" "--compare takes fusion, backend, or both" "$NNC" bench $f --compare fuson
says "--threads that are none" "--threads takes up to 16 whole numbers" "$NNC" bench $f --threads 1,x
says "--threads 0" "--threads takes up to 16 whole numbers" "$NNC" bench $f --threads 0
says "--batch with a comma too many" "--batch takes up to 16 whole numbers" "$NNC" bench $f --batch 1,
says "--seconds below zero" "--seconds takes a positive number" "$NNC" bench $f --seconds -1
says "unknown entry" "entry points: mlp, classify, classify.eval, init" "$NNC" bench $f --entry nothing $quick
says "--profile without a file" "need a FILE.nn" "$NNC" bench --machine --profile
says "unknown option" "did you mean --threads" "$NNC" bench $f --thread 1
says "a broken file" "error:" "$NNC" bench tests/errors/cut_file.nn
says "--svg into nowhere" "nowhere/x.svg: cannot create" "$NNC" bench $f --entry mlp --batch 1 $quick --svg "$work/nowhere/x.svg"
grep -q median "$work/says.log" && fail "... is said before the measurements" || pass "... is said before the measurements"

# ---- the machine ----
"$NNC" bench --machine --threads 1,2 >"$work/machine" 2>&1
grep -qE '^threads +GFLOP/s +L1 GB/s +L2 GB/s +L3 GB/s +read GB/s triad GB/s$' "$work/machine" &&
    (($(grep -cE '^[12]( +[0-9]+\.[0-9]){6}$' "$work/machine") == 2)) && pass "--machine" || fail "--machine"

# ---- everything at once ----
compare=fusion
"$NNC" --version | grep -q llvm && compare=fusion,backend
"$NNC" bench $f --compare $compare --threads 1,2 --batch 1,8 $quick --profile --svg "$work/b.svg" --trace "$work/b.json" >"$work/table" 2>"$work/err"
[[ -s $work/err ]] && fail "quiet" || pass "quiet"
for word in "entry .* batch .* median p10 p90 .* GFLOP/s .* GB/s .* limit .* calls .* arena .* moved" \
    "^mlp .* 1 c .* fused .* 1 " "^mlp .* 8 c .* unfused .* 2 " "^classify .* 8 c .* fused .* 2 " \
    "^fusion: classify, batch 8, 2 threads, c: .* times as fast \\([0-9]+ kernels for [0-9]+, .* moved for .*, arena .* for .*\\)" \
    "^fusion's reasons: classify, batch 8" "^ +[0-9]+ values? +fused: computed in one kernel" \
    "^ +[0-9]+ values? +apart: a contraction reads its operands many times over" \
    "^classify, batch 8, c, fused, 1 thread: [0-9]+ kernels" \
    "^ +[0-9]+ .*[0-9]% .*(peak|L1|L2|L3|memory) .*lanes.* mlp.fc1:8 .*mlp.fc1: contract"; do
    grep -qE "$word" "$work/table" && pass "table: $word" || fail "table: $word"
done
if [[ $compare == *backend* ]]; then
    grep -qE '^back end: mlp, batch 1, 1 thread, fused: llvm takes [0-9.]+ of the time of c' "$work/table" &&
        pass "table: back ends" || fail "table: back ends"
else
    says "--compare backend without LLVM" "built without LLVM" "$NNC" bench $f --compare backend
fi
# Winograd passes the limit of direct sums, and its mark must not leave the picture
"$NNC" bench examples/mnist_cnn.nn --entry cnn --batch 32 --threads 1 --backend c $quick --svg "$work/passed.svg" >"$work/passed" 2>&1
$python - "$work/b.svg" "$work/passed.svg" >"$work/svg.log" 2>&1 <<'PY' && pass "the pictures are well-formed" || { fail "the pictures are well-formed"; sed 's/^/# /' "$work/svg.log"; }
import sys, xml.dom.minidom as dom

def inside(d):
    width, height = float(d.documentElement.getAttribute("width")), float(d.documentElement.getAttribute("height"))
    for tag, x, y in [("text", "x", "y"), ("rect", "x", "y"), ("circle", "cx", "cy"), ("line", "x1", "y1"), ("line", "x2", "y2")]:
        for e in d.getElementsByTagName(tag):
            if e.hasAttribute(x):
                assert 0 <= float(e.getAttribute(x)) <= width and 0 <= float(e.getAttribute(y)) <= height, e.toxml()
    for e in d.getElementsByTagName("text"): # about as wide as they are set
        if e.hasAttribute("x") and e.getAttribute("text-anchor") == "start":
            end = float(e.getAttribute("x")) + 0.5 * float(e.getAttribute("font-size")) * len("".join(n.data for n in e.childNodes))
            assert end <= width, (end, e.toxml())

inside(dom.parse(sys.argv[2]))
d = dom.parse(sys.argv[1])
inside(d)
texts = ["".join(n.data for n in t.childNodes) for t in d.getElementsByTagName("text")]
for t in ["Time of a call", "Roofline", "GFLOP/s", "operations for each byte read or written", "fused, c", "unfused, c", "limit of the machine"]:
    assert t in texts, (t, texts)
assert any(t.startswith("peak ") for t in texts) and any(t.startswith("memory ") for t in texts)
assert len(d.getElementsByTagName("circle")) > 6
PY
$python - "$work/b.json" >"$work/trace.log" 2>&1 <<'PY' && pass "the trace" || { fail "the trace"; sed 's/^/# /' "$work/trace.log"; }
import json, sys
events = json.load(open(sys.argv[1]))["traceEvents"]
names = [e["args"]["name"] for e in events if e["ph"] == "M" and e["name"] == "process_name"]
assert "classify, batch 8, c, fused, 2 threads" in names, names
slices = [e for e in events if e["ph"] == "X"]
assert slices and all(e["dur"] >= 0 and e["ts"] >= 0 and e["args"]["threads"] in (1, 2) for e in slices)
last = {}
for e in slices: # of one case they follow each other
    assert e["ts"] >= last.get(e["pid"], 0) - 0.002, e
    last[e["pid"]] = e["ts"] + e["dur"]
assert any("mlp.fc1: contract" in e["args"]["layers"] for e in slices)
PY

# ---- kernels too quick for the clock: figures stay numbers ----
printf 'net f(x: f32[2]) -> f32[2] = sum(x) * x\n' >"$work/quick.nn"
"$NNC" bench "$work/quick.nn" --threads 1 --no-fuse $quick --trace "$work/q.json" --svg "$work/q.svg" --json >"$work/q.lines" 2>&1
$python - "$work/q.json" "$work/q.lines" "$work/q.svg" >"$work/q.log" 2>&1 <<'PY' && pass "kernels of a nanosecond" || { fail "kernels of a nanosecond"; sed 's/^/# /' "$work/q.log"; }
import json, sys, xml.dom.minidom
def none(x): raise AssertionError(x)
assert json.load(open(sys.argv[1]), parse_constant=none)["traceEvents"]
assert [json.loads(l, parse_constant=none) for l in open(sys.argv[2])]
xml.dom.minidom.parse(sys.argv[3])
assert not any(w in open(sys.argv[3]).read() for w in ("nan", "inf\""))
PY

# ---- Ctrl-C: the rounds until then are reported; before the first it ends the command ----
$python - "$NNC" "$f" >"$work/stop" 2>&1 <<'PY' && pass "Ctrl-C" || { fail "Ctrl-C"; sed 's/^/# /' "$work/stop"; }
import signal, subprocess, sys, time
for wait in (3, 12, 50):
    p = subprocess.Popen([sys.argv[1], "bench", sys.argv[2], "--entry", "mlp", "--batch", "2048,8192", "--threads", "1", "--seconds", "300"],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(wait)
    p.send_signal(signal.SIGINT)
    out, err = p.communicate(timeout=60)
    if p.returncode != -signal.SIGINT:
        break # else it was compiling still
assert p.returncode == 130, (p.returncode, out, err)
assert out.count("\nmlp ") == 2 and "stopped early" in err, (out, err)
PY

# ---- JSON ----
"$NNC" bench $f --compare fusion --backend c --threads 1 --batch 4 --entry mlp $quick --profile --json >"$work/lines" 2>&1
$python - "$work/lines" >"$work/json.log" 2>&1 <<'PY' && pass "--json" || { fail "--json"; sed 's/^/# /' "$work/json.log"; }
import json, sys
lines = [json.loads(l) for l in open(sys.argv[1])]
machine = [l["machine"] for l in lines if "machine" in l]
cases = [l for l in lines if "of_limit" in l]
kernels = [l for l in lines if "kernel" in l]
assert len(machine) == 1 and machine[0]["threads"] == 1 and machine[0]["gflops"] > 0
assert [(c["entry"], c["batch"], c["fused"], c["threads"], c["backend"]) for c in cases] == [("mlp", 4, True, 1, "c"), ("mlp", 4, False, 1, "c")]
for c in cases:
    assert c["p10"] <= c["seconds"] <= c["p90"] and c["samples"] >= 5 and c["arena_bytes"] > 0
    assert c["calls"] == len([k for k in kernels if k["fused"] == c["fused"]])
assert cases[0]["calls"] < cases[1]["calls"] and cases[0]["bytes"] < cases[1]["bytes"]
# the work is the network's: 784 x 128 and 128 x 10 multiply-adds a sample are the most of it
macs = 4 * (784 * 128 + 128 * 10)
for c in cases:
    assert 2 * macs <= c["flops"] <= 2.02 * macs, c
# images, weights and results once each, and the hidden layer written and read
weights = 4 * (784 * 128 + 128 + 128 * 10 + 10)
assert cases[0]["bytes"] == weights + 4 * 4 * (784 + 2 * 128 + 10), cases[0]
reasons = [l for l in lines if "fusion_of" in l]
assert {r["fusion_of"] for r in reasons} == {"mlp"} and {r["fused"] for r in reasons} == {True, False}, reasons
for k in kernels:
    assert k["layers"] and k["schedule"] and k["bound"] and k["file"].endswith(".nn") and k["line"] > 0, k
PY

# ---- what inference prepares is ready, also behind a training step of the same model ----
"$NNC" bench examples/linear_regression.nn --compare fusion --threads 1 $quick >"$work/prepared" 2>&1 &&
    grep -q '^line ' "$work/prepared" && grep -q '^fit ' "$work/prepared" && pass "prepared inference beside training" || { fail "prepared inference beside training"; sed 's/^/# /' "$work/prepared"; }

# ---- the program that times single kernels, two of which are the same function ----
"$NNC_BUILD/tests/bench/kernels" -m 1 -f "product 1x784x128" >"$work/kernels" 2>&1 &&
    (($(grep -c '^product 1x784x128' "$work/kernels") == 3)) && pass "single kernels" || { fail "single kernels"; sed 's/^/# /' "$work/kernels"; }
exit $tests_failed
