#!/usr/bin/env bash
# front_NAME.nn: the graph after the front end must print as front_NAME.ir. (The passes' goldens, .ir
# with .out, are run by tests/unit/test_passes.c.) BLESS=1 rewrites.
cd "$(dirname "$0")"
status=0
for f in front_*.nn; do
    [[ -f $f ]] || continue
    name=${f%.nn}
    "$NNC" dump "$f" --after front >/tmp/nnc-golden.$$ 2>&1
    [[ ${BLESS:-} ]] && cp /tmp/nnc-golden.$$ "$name.ir"
    if diff /tmp/nnc-golden.$$ "$name.ir" >/tmp/nnc-golden.diff.$$ 2>&1; then
        echo "ok - $name"
    else
        echo "not ok - $name"
        head -n 20 /tmp/nnc-golden.diff.$$ | sed 's/^/# /'
        status=1
    fi
done
rm -f /tmp/nnc-golden.$$ /tmp/nnc-golden.diff.$$
exit $status
