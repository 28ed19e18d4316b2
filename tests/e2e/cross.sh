#!/usr/bin/env bash
# Code for other machines: what nnc emits for aarch64 and riscv64, as C and as objects, linked by the
# cross compilers to a program of one's own (examples/embed/steps.c: initial weights, 30 training steps, an
# inference), run under qemu-user, prints what this machine's code prints.
. "$(dirname "$0")/lib.sh"
llvm=$("$NNC" --version | grep -c llvm)

# near NAME FILE: the numbers of FILE are those of $work/host.txt, but for float arithmetic in another order
near() {
    if $python - "$work/host.txt" "$2" >"$work/near.log" 2>&1 <<'PY'
import sys
a, b = ([l.split() for l in open(p)] for p in sys.argv[1:])
assert len(a) == len(b) == 40, (len(a), len(b))
for x, y in zip(a, b):
    for u, v in zip(x, y):
        try: f, g = float(u), float(v)
        except ValueError: assert u == v, (x, y); continue
        assert abs(f - g) <= 1e-3 * max(1, abs(f)), (x, y)
PY
    then pass "$1"; else
        fail "$1"
        tail -n 3 "$work/near.log" | sed 's/^/# /'
    fi
}

expect "emit C for this machine" "$NNC" emit examples/mnist_mlp.nn -o "$work/host"
expect "compile it" gcc -std=c11 -O2 -march=native -ffp-contract=fast -Wall -Wextra -Wpedantic -Werror -I"$work/host" \
    examples/embed/steps.c "$work/host/mnist_mlp.c" -lm -o "$work/host/steps"
"$work/host/steps" >"$work/host.txt"
$python -c "
import sys
losses = [float(l.split()[3]) for l in open(sys.argv[1]) if l.startswith('step')]
sys.exit(not (losses[-1] < 0.5 * losses[0]))" "$work/host.txt" && pass "its loss goes down" || fail "its loss goes down"

# on ARCH NAME KIND FLAGS...: emit KIND with FLAGS, link, run, compare
on() {
    local arch=$1 name=$2 kind=$3 dir cc=$1-linux-gnu-gcc part cpu=
    dir=$work/$(tr -c 'a-z0-9\n' _ <<<"$name")
    shift 3
    command -v $cc >/dev/null || { skip "$name" "$cc is not installed"; return; }
    command -v qemu-$arch >/dev/null || { skip "$name" "qemu-$arch is not installed"; return; }
    [[ $kind == obj ]] && ((!llvm)) && { skip "$name" "nnc was built without LLVM"; return; }
    [[ $kind == obj ]] && part=$dir/mnist_mlp.o || part=$dir/mnist_mlp.c
    expect "emit: $name" "$NNC" emit examples/mnist_mlp.nn --kind $kind -o "$dir" "$@"
    expect "link: $name" $cc -std=c11 -O2 -ffp-contract=fast -Wall -Wextra -Werror -static -I"$dir" \
        examples/embed/steps.c "$part" -lm -o "$dir/steps"
    [[ $arch == riscv64 ]] && cpu="-cpu rv64,v=true,vext_spec=v1.0,vlen=${VLEN:-128}"
    qemu-$arch $cpu "$dir/steps" >"$dir.txt" 2>&1
    near "same results: $name" "$dir.txt"
}
on aarch64 "C for aarch64" c --target armv8
on aarch64 "C for a cortex-a72" c --target-triple aarch64-linux-gnu --target-cpu cortex-a72
on riscv64 "C for riscv64" c --target riscv64
on aarch64 "object for aarch64" obj --target armv8
on aarch64 "object for a cortex-a72" obj --target-triple aarch64-linux-gnu --target-cpu cortex-a72
on riscv64 "object for riscv64" obj --target riscv64
on riscv64 "object for riscv64 with V" obj --target riscv64-v
on riscv64 "object for a sifive-u74" obj --target-triple riscv64-linux-gnu --target-cpu sifive-u74
VLEN=512 on riscv64 "object for riscv64 with V, longer registers" obj --target riscv64-v
exit $tests_failed
