#!/usr/bin/env bash
# Objects: `nnc emit --kind obj` and the header beside it, from C and from C++, on any number of threads,
# against the C back end; the other kinds; debug information; executables; and every way it can fail, with
# one message and nothing half-written.
. "$(dirname "$0")/lib.sh"
expected=$PWD/tests/errors/emit
sources=$PWD
cd "$work"
ln -s "$sources/examples" examples

# ---- what is the same with and without LLVM ----

# refuses NAME COMMAND...: fails, prints errors/emit/NAME.err to the letter (the work folder as DIR), leaves nothing
refuses() {
    local name=$1 status got before=$(ls)
    shift
    got=$("$@" 2>&1 </dev/null)
    status=$?
    got=${got//$work/DIR}
    [[ ${BLESS:-} ]] && printf '%s\n' "$got" >"$expected/$name.err"
    if ((status > 0 && status < 128)) && diff <(printf '%s\n' "$got") "$expected/$name.err" >diff.log 2>&1; then pass "$name"; else
        fail "$name (status $status)"
        head -n 10 diff.log | sed 's/^/# /'
    fi
    rm -f diff.log
    [[ $(ls) == "$before" ]] || { fail "$name leaves something: $(ls | tr '\n' ' ')"; }
}
mlp=examples/mnist_mlp.nn
refuses kind_unknown "$NNC" emit $mlp --kind elf -o out
refuses kind_near "$NNC" emit $mlp --kind object -o out
refuses cpu_unknown "$NNC" emit $mlp --target-triple x86_64-linux-gnu --target-cpu skylark -o out
refuses cpu_of_another "$NNC" emit $mlp --target-triple riscv64-linux-gnu --target-cpu znver4 -o out
refuses triple_unknown "$NNC" emit $mlp --target-triple z80-elf -o out
refuses target_unknown "$NNC" emit $mlp --target pdp11 -o out
refuses target_twice "$NNC" emit $mlp --target armv8 --target-cpu cortex-a72 -o out
refuses debug_of_c "$NNC" emit $mlp -g -o out
refuses build_for_another "$NNC" build $mlp --target riscv64 -o out
refuses backend_unknown "$NNC" build $mlp --backend gcc -o out
refuses folder_in_a_file "$NNC" emit $mlp -o examples/mnist_mlp.nn/out
touch file
refuses folder_is_a_file "$NNC" emit $mlp -o file
mkdir -p taken/mnist_mlp.h
refuses header_unwritable "$NNC" emit $mlp -o taken
[[ -e taken/mnist_mlp.c ]] && fail "C without its header" || pass "no C without its header"
refuses no_c_compiler env CC=no-such-cc "$NNC" build $mlp --backend c -o out

if ! "$NNC" --version | grep -q llvm; then
    refuses kind_without_llvm "$NNC" emit $mlp --kind obj -o out
    refuses backend_without_llvm "$NNC" build $mlp --backend llvm -o out
    skip "objects" "nnc was built without LLVM"
    exit $tests_failed
fi

# ---- with LLVM ----

refuses no_linker env CC=no-such-cc "$NNC" build $mlp --backend llvm -o out
refuses linker_fails env CC=false "$NNC" build $mlp --backend llvm -o out
mkdir -p taken2/mnist_mlp.o
refuses object_unwritable "$NNC" emit $mlp --kind obj -o taken2
[[ -e taken2/mnist_mlp.h ]] && fail "a header without its object" || pass "no header without its object"
refuses object_header_unwritable "$NNC" emit $mlp --kind obj -o taken
[[ -e taken/mnist_mlp.o ]] && fail "an object without its header" || pass "no object without its header"
refuses no_space bash -c "trap '' XFSZ; ulimit -f 8; exec '$NNC' emit $mlp --kind obj -o full"

"$NNC" emit $mlp -o c && gcc -std=c11 -O2 -march=native -ffp-contract=fast -Ic examples/embed/steps.c c/mnist_mlp.c -lm -o c/steps && c/steps >c.txt ||
    fail "the C to compare with"
# like_c NAME FILE: 40 lines of numbers as the C back end's, but for roundings
like_c() {
    $python - c.txt "$2" <<'PY' >near.log 2>&1 && pass "$1" || { fail "$1"; tail -n 2 near.log | sed 's/^/# /'; }
import sys
a, b = ([float(l.split()[i]) for l in open(p) for i in (-1, 3 if l.startswith("step") else -1)] for p in sys.argv[1:])
assert len(a) == len(b) == 80, (len(a), len(b))
assert all(abs(x - y) <= 1e-3 * max(1, abs(x)) for x, y in zip(a, b))
PY
}
expect "emit an object" "$NNC" emit $mlp --kind obj -o o
expect "from C" gcc -std=c11 -Wall -Wextra -Wpedantic -Werror -Io examples/embed/steps.c o/mnist_mlp.o -lm -o o/steps
o/steps >o.txt
like_c "it computes what C does" o.txt
expect "from C, with threads" gcc -std=c11 -Wall -Wextra -Wpedantic -Werror -fopenmp -DTHREADS -Io examples/embed/steps.c o/mnist_mlp.o -lm -o o/threads
for t in 1 2 5; do
    OMP_NUM_THREADS=$t o/threads >o$t.txt
    cmp -s o.txt o$t.txt && pass "the same digits on $t threads" || fail "the same digits on $t threads"
done
expect "from C++" g++ -Wall -Wextra -Wpedantic -Werror -x c++ -Io examples/embed/steps.c -x none o/mnist_mlp.o -lm -o o/cpp
o/cpp >cpp.txt
cmp -s o.txt cpp.txt && pass "the same digits from C++" || fail "the same digits from C++"
[[ -z $(nm -u o/mnist_mlp.o | grep -vE ' (w nnr_parallel_for|U (mem(cpy|set|move)|_GLOBAL_OFFSET_TABLE_|(floor|rint|sqrt|fma)f?))$') ]] &&
    pass "it needs nothing but memory and math functions" || { fail "it needs"; nm -u o/mnist_mlp.o | sed 's/^/# /'; }
nm o/mnist_mlp.o | grep -q ' [bBdDC] ' && fail "it has globals" || pass "it has no globals"
defined=$(nm -g --defined-only o/mnist_mlp.o | awk '{print $3}' | sort | tr '\n' ' ')
[[ $defined == "mnist_mlp_classify mnist_mlp_classify_eval mnist_mlp_init mnist_mlp_mlp mnist_mlp_mlp_b1 " ]] &&
    pass "it defines the entry points alone" || fail "it defines $defined"
"$NNC" emit $mlp --kind obj -o o_again
cmp -s o/mnist_mlp.o o_again/mnist_mlp.o && pass "the same bytes each time" || fail "the same bytes each time"

for cpu in x86-64 haswell; do
    [[ $(uname -m) == x86_64 ]] || { skip "object for $cpu" "this is no x86-64"; continue; }
    grep -qw avx2 /proc/cpuinfo || [[ $cpu == x86-64 ]] || { skip "object for $cpu" "no AVX2"; continue; }
    expect "object for $cpu" "$NNC" emit $mlp --kind obj --target-cpu $cpu -o $cpu
    gcc -I$cpu examples/embed/steps.c $cpu/mnist_mlp.o -lm -o $cpu/steps && $cpu/steps >$cpu.txt
    like_c "it computes what C does" $cpu.txt
done
for cpu in znver4:zmm skylake:ymm nehalem:xmm; do # what the vectors are called
    "$NNC" emit $mlp --kind asm --target-triple x86_64-linux-gnu --target-cpu ${cpu%:*} -o asm
    widest=$(grep -oE '%[xyz]mm' asm/mnist_mlp.s | sort -u | tail -n 1)
    [[ $widest == %${cpu#*:} ]] && pass "assembly for ${cpu%:*} uses ${cpu#*:}" || fail "assembly for ${cpu%:*} uses $widest"
    fma=$(grep -c vfmadd asm/mnist_mlp.s)
    [[ ${cpu%:*} == nehalem ]] && wrong=$((fma > 0)) || wrong=$((fma == 0))
    ((wrong)) && fail "${cpu%:*}: $fma fused multiply-adds" || pass "${cpu%:*}: fused multiply-adds as it has them"
done
expect "LLVM IR" "$NNC" emit $mlp --kind llvm-ir -o ll
grep -q 'call .*<[0-9]* x float> @llvm.fmuladd' ll/mnist_mlp.ll && pass "it shows fused multiply-adds of vectors" || fail "it shows fused multiply-adds of vectors"
grep -qE 'f(add|mul|sub) (fast|reassoc|nnan|ninf|nsz|arcp|afn)' ll/mnist_mlp.ll && fail "contract is the only liberty" || pass "contract is the only liberty"
expect "bitcode" "$NNC" emit $mlp --kind bitcode -o bc
calls=$(grep -cE 'call[a-z]* +fmaf?' asm/mnist_mlp.s)
((calls)) && fail "where there is no fused multiply-add, none is called" || pass "where there is no fused multiply-add, none is called"
[[ $(head -c 4 bc/mnist_mlp.bc | od -An -tx1 | tr -d ' ') == 4243c0de ]] && pass "it is bitcode" || fail "it is bitcode"

# ---- debug information: machine code to the lines of the .nn file ----

cat >net.nn <<'NN'
net small(x: f32[N, 64]) -> f32[N, 16] {
    wide = x |> dense(256)

    bent = wide |> tanh
    y = bent |> dense(16)
    return y
}
NN
expect "emit -g" "$NNC" emit net.nn --kind obj -g --no-fuse -D N=32 -o g
expect "LLVM IR -g" "$NNC" emit net.nn --kind llvm-ir -g --no-fuse -D N=32 -o g
# line_of SYMBOL: where addr2line finds its first instruction
line_of() {
    local at
    at=$(nm g/net.o | awk -v s="$1" '$3 == s { print $1 }')
    addr2line -e g/net.o "0x${at:-0}" | sed 's/ (.*//; s|.*/||'
}
for k in small_wide_matmul:2 small_tanh:4 small_y_matmul:5; do
    got=$(line_of ${k%:*})
    [[ $got == net.nn:${k#*:} ]] && pass "addr2line: ${k%:*} is $got" || { fail "addr2line: ${k%:*} is $got"; nm g/net.o | sed 's/^/# /'; }
done
if command -v gdb >/dev/null; then
    gcc -g -shared -o g/net.so g/net.o -lm
    gdb -batch -nx -ex 'info line small_y_matmul' g/net.so >gdb.txt 2>&1
    grep -q 'Line 5 of "net.nn"' gdb.txt && pass "gdb: small_y_matmul is line 5 of net.nn" ||
        { fail "gdb: small_y_matmul is line 5 of net.nn"; sed 's/^/# /' gdb.txt | head -n 20; }
else
    skip "gdb" "gdb is not installed"
fi
"$NNC" emit net.nn --kind obj -D N=32 -o o
readelf -S o/net.o | grep -q debug_info && fail "no debug information without -g" || pass "no debug information without -g"
expect "build -g" "$NNC" build $mlp -g -o exe
readelf --debug-dump=decodedline exe 2>/dev/null | grep -q '^mnist_mlp.nn' && pass "the executable has the lines of mnist_mlp.nn" || fail "the executable has the lines of mnist_mlp.nn"
exit $tests_failed
