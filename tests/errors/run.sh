#!/usr/bin/env bash
# Every NAME.nn here is checked; what nnc prints must be NAME.err to the letter, and nnc must fail
# (or succeed, where NAME.err holds only warnings). BLESS=1 rewrites the expectations.
cd "$(dirname "$0")"
status=0
for f in *.nn; do
    name=${f%.nn}
    got=$(timeout 20 "$NNC" check "$f" 2>&1 </dev/null)
    code=$?
    if ((code > 1)); then
        echo "not ok - $name: nnc ended with status $code"
        echo "$got" | head -n 20 | sed 's/^/# /'
        status=1
        continue
    fi
    [[ ${BLESS:-} ]] && printf '%s\n' "$got" >"$name.err"
    want=0
    grep -q 'error:' "$name.err" && want=1
    if [[ ! -f $name.err ]]; then
        echo "not ok - $name: $name.err is missing (BLESS=1 writes it)"
        status=1
    elif diff <(printf '%s\n' "$got") "$name.err" >/tmp/nnc-err.$$ && ((code == want)); then
        echo "ok - $name"
    else
        echo "not ok - $name (status $code, expected $want)"
        sed 's/^/# /' /tmp/nnc-err.$$
        status=1
    fi
done
rm -f /tmp/nnc-err.$$
exit $status
