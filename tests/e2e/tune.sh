#!/usr/bin/env bash
# nnc tune: its file, going on with it, what commands do with it. No figure is looked at.
. "$(dirname "$0")/lib.sh"
export OMP_NUM_THREADS=2
cat >"$work/net.nn" <<'NN'
net net(x: f32[4, 96]) -> f32[4, 24] {
    return x |> dense(80) |> relu |> dense(24)
}
NN
tune=$work/net.tune
expect "tune" "$NNC" tune "$work/net.nn" --seconds 2
"$NNC" tune "$work/net.nn" --seconds 2 >"$work/again" 2>&1
grep -q "2 contractions are known already" "$work/again" && pass "a second run goes on" || fail "a second run goes on"
grep -q "2 contractions, 0 measured now" "$work/again" && pass "... and has nothing left to do" || fail "... and has nothing left to do"
head -n 1 "$tune" | grep -qx "nnc tune 1" && (($(grep -c '^contract ' "$tune") == 2)) && pass "the file" || fail "the file"

# a schedule of our own shows that files are used: the one with scalar lanes
key=$(grep -m 1 '^contract' "$tune")
{ head -n 2 "$tune"; echo "$key"; echo "schedule outer vec -1 lanes 1 cols 1 rows -1:1:1 -1:1:1 stay pack none none block -1:0 split -1:0 serial"; echo "seconds 1 2"; } >"$work/own.tune"
"$NNC" dump "$work/net.nn" --after lower --tune "$work/own.tune" >"$work/own" 2>&1
"$NNC" dump "$work/net.nn" --after lower --tune none >"$work/none" 2>&1
cmp -s "$work/own" "$work/none" && fail "--tune FILE changes the loops" || pass "--tune FILE changes the loops"
grep -q 'schedule "tile 1 rows x 1x1 lanes' "$work/own" && pass "... to the schedule in it" || fail "... to the schedule in it"
cp "$work/own.tune" "$tune"
"$NNC" dump "$work/net.nn" --after lower >"$work/beside" 2>&1
cmp -s "$work/own" "$work/beside" && pass "FILE.tune beside FILE.nn is used" || fail "FILE.tune beside FILE.nn is used"

# another machine's is left aside, with a word; tune makes it anew
sed -i '2s/$/ of another kind/' "$tune"
"$NNC" dump "$work/net.nn" --after lower >"$work/stale" 2>"$work/stale.err"
cmp -s "$work/stale" "$work/none" && grep -q "measured for another machine, not used" "$work/stale.err" &&
    pass "another machine's file is left aside" || fail "another machine's file is left aside"
"$NNC" tune "$work/net.nn" --seconds 1 >"$work/anew" 2>&1
grep -q "is made anew" "$work/anew" && ! grep -q "another kind" "$tune" && pass "tune makes it anew" || fail "tune makes it anew"

# broken files are refused, with place
broken() { # NAME TEXT SED
    sed "$3" "$work/own.tune" >"$work/broken.tune"
    says "$1" "$2" "$NNC" emit "$work/net.nn" -o "$work/c" --tune "$work/broken.tune"
}
broken "broken: version" "broken.tune:1:1: error: this is no tuning file of this version" '1s/1/9/'
broken "broken: schedule" "broken.tune:4:1: error: no schedule: the kind is neither" '4s/outer/inner/'
broken "broken: seconds" "broken.tune:5:1: error: two times above zero" '5s/1/x/'
broken "broken: cut" "broken.tune:3:1: error: this is not a line 'schedule ...'" '4,$d'
: >"$work/empty.tune"
says "broken: empty" "empty.tune:1:1: error: this is no tuning file" "$NNC" check "$work/net.nn" --tune "$work/empty.tune"
says "not there" "nowhere.tune: No such file" "$NNC" check "$work/net.nn" --tune "$work/nowhere.tune"
says "cannot be written" "README.md/x.tune" "$NNC" tune "$work/net.nn" -o README.md/x.tune --seconds 1
grep -q "cost model" "$work/says.log" && fail "... is said before the measurements" || pass "... is said before the measurements"
# a schedule that does not fit the contraction is passed over: the program is as without it
sed '4s/rows -1:1:1/rows 0:99:1/' "$work/own.tune" >"$work/misfit.tune"
"$NNC" dump "$work/net.nn" --after lower --tune "$work/misfit.tune" >"$work/misfit" 2>&1
cmp -s "$work/misfit" "$work/none" && pass "a schedule that does not fit" || fail "a schedule that does not fit"

# Ctrl-C keeps what is found so far
rm -f "$tune"
"$NNC" tune examples/mnist_cnn.nn -o "$work/cnn.tune" --seconds 60 >"$work/stop" 2>&1 &
pid=$!
for _ in $(seq 600); do [[ -s $work/cnn.tune ]] && break; sleep 0.1; done
kill -INT $pid 2>/dev/null
wait $pid
(($? == 130)) && grep -q "stopped, the same command goes on" "$work/stop" && pass "Ctrl-C" || fail "Ctrl-C"
"$NNC" check examples/mnist_cnn.nn --tune "$work/cnn.tune" && pass "... leaves a good file" || fail "... leaves a good file"
exit $tests_failed
