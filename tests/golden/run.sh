#!/usr/bin/env bash
# front_NAME.nn: the graph after the front end must print as front_NAME.ir. (The passes' goldens, .ir
# with .out, are run by tests/unit/test_passes.c.) fusion_NAME.nn: what `nnc show --fusion` says of it must
# be fusion_NAME.txt. BLESS=1 rewrites.
cd "$(dirname "$0")"
status=0
for f in front_*.nn fusion_*.nn; do
    [[ -f $f ]] || continue
    name=${f%.nn}
    case $name in
    front_*) want=$name.ir command=("$NNC" dump "$f" --after front) ;;
    *) want=$name.txt command=("$NNC" show --fusion --batch 2 "$f") ;;
    esac
    "${command[@]}" >/tmp/nnc-golden.$$ 2>&1
    [[ ${BLESS:-} ]] && cp /tmp/nnc-golden.$$ "$want"
    if diff /tmp/nnc-golden.$$ "$want" >/tmp/nnc-golden.diff.$$ 2>&1; then
        echo "ok - $name"
    else
        echo "not ok - $name"
        head -n 20 /tmp/nnc-golden.diff.$$ | sed 's/^/# /'
        status=1
    fi
done
rm -f /tmp/nnc-golden.$$ /tmp/nnc-golden.diff.$$
exit $status
