# Shared by the test scripts: TAP lines, a work folder, data.
set -u
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tests_failed=0
# The Python that has Debian's numpy; another one may stand before it in PATH.
python=python3
[[ -x /usr/bin/python3 ]] && /usr/bin/python3 -c 'import numpy' 2>/dev/null && python=/usr/bin/python3

pass() { echo "ok - $*"; }
fail() {
    echo "not ok - $*"
    tests_failed=1
}
skip() { echo "ok - $1 # SKIP $2"; }
# expect NAME COMMAND...: the command succeeds; what it printed is shown when it does not
expect() {
    local name=$1
    shift
    if "$@" >"$work/expect.log" 2>&1; then pass "$name"; else
        fail "$name (status $?)"
        tail -n 15 "$work/expect.log" | sed 's/^/# /'
    fi
}
# says NAME TEXT COMMAND...: the command fails with a status below 128 and prints TEXT
says() {
    local name=$1 text=$2 status
    shift 2
    "$@" >"$work/says.log" 2>&1 </dev/null
    status=$?
    if ((status > 0 && status < 128)) && grep -qF -- "$text" "$work/says.log"; then pass "$name"; else
        fail "$name (status $status)"
        { echo "wanted: $text"; tail -n 15 "$work/says.log"; } | sed 's/^/# /'
    fi
}
# json KEY FILE: the value of KEY in the last line
json() { tail -n 1 "$2" | $python -c 'import json,sys
v = json.load(sys.stdin)
for k in sys.argv[1].split("."): v = v[k]
print(v)' "$1"; }
# at_least NAME VALUE LIMIT
at_least() {
    if $python -c "import sys; sys.exit(not (float('$2') >= $3))"; then pass "$1: $2 >= $3"; else fail "$1: $2 < $3"; fi
}
# drawn digits for tests that need data but no data set
digits() { # DIR N_TRAIN N_TEST
    "$NNC" digits "$1" --train "$2" --test "$3" --seed 7 >/dev/null
}
cd "$NNC_SRC"
