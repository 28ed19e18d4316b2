/* Every op sample, compiled, against the reference evaluator: forward and gradients, fused and one op a
 * kernel, for each target, by every back end. A new op is in here by itself. */
#include "diff.h"

/* The bound, relative to the largest value of a tensor (at least 1): 16 units in the last place of a
 * float of that size, for sums in another order than the evaluator's (which is in double precision). */
static const double BOUND = 16 * 0x1p-23;

/* The same loops by one back end after the other. */
typedef struct {
    DiffBackend backend;
    const char *flags;
    bool compile_only;
} Way;

static void check_samples(bool grad, DiffOptions o, const Way *ways, int n)
{
    Diff *d = diff_new("samples");
    diff_all_samples(d, grad);
    assert_true(d->cases.len > 20);
    int done = 0;
    for (int i = 0; i < n; i++) {
        o.backend = ways[i].backend;
        o.flags = ways[i].flags;
        o.compile_only = ways[i].compile_only;
        if (!diff_can(&o))
            continue;
        DiffBuild b = diff_build(d, o);
        if (!o.compile_only)
            diff_check(d, &b, BOUND);
        diff_unload(d->arena, &b);
        done++;
    }
    arena_free(d->arena);
    if (!done)
        skip();
}
#define CHECK(grad, options, ...)                                                                  \
    do {                                                                                           \
        static const Way ways[] = { __VA_ARGS__ };                                                 \
        (void)state;                                                                               \
        check_samples(grad, (DiffOptions)options, ways, (int)(sizeof ways / sizeof *ways));        \
    } while (0)
#define O(...) { __VA_ARGS__ }
#define JIT { DIFF_LLVM_JIT, NULL, false }
#define OBJECT { DIFF_LLVM_OBJ, NULL, false }

static void forward_on_this_machine(void **state)
{
    CHECK(false, O(0), { DIFF_GCC, NULL, false }, { DIFF_CLANG, "-O0 -march=native", false }, JIT, OBJECT);
}
static void forward_one_op_a_kernel(void **state)
{
    CHECK(false, O(.no_fuse = true), { DIFF_GCC, "-O0 -march=native", false }, JIT);
}
static void forward_v4(void **state)
{
    CHECK(false, O(.target = &LTARGET_X86_V4), { DIFF_GCC, "-O0", false }, JIT);
}
static void forward_v3(void **state)
{
    CHECK(false, O(.target = &LTARGET_X86_V3), { DIFF_GCC, "-O0 -mavx2 -mfma", false }, JIT);
}
static void forward_portable(void **state)
{
    CHECK(false, O(.target = &LTARGET_PORTABLE), { DIFF_GCC, "-O0", false }, JIT);
}
static void forward_armv8(void **state)
{
    CHECK(false, O(.target = &LTARGET_ARMV8), { DIFF_GCC, NULL, false }, OBJECT);
}
static void forward_riscv64(void **state)
{
    CHECK(false, O(.target = &LTARGET_RISCV64), { DIFF_GCC, NULL, false }, OBJECT);
}
static void forward_generic(void **state)
{
    CHECK(false, O(.target = &LTARGET_GENERIC), { DIFF_GCC, "-O0", false }, JIT);
}
static void forward_riscv64_vectors(void **state)
{
    CHECK(false, O(.target = &LTARGET_RISCV64_V), OBJECT);
}
static void gradients_on_this_machine(void **state)
{
    CHECK(true, O(0), { DIFF_GCC, NULL, false }, { DIFF_CLANG, "-O0", true }, JIT, OBJECT);
}
static void gradients_one_op_a_kernel(void **state)
{
    CHECK(true, O(.no_fuse = true), { DIFF_GCC, "-O0 -march=native", false }, JIT);
}
static void gradients_v3(void **state)
{
    CHECK(true, O(.target = &LTARGET_X86_V3), JIT);
}
static void gradients_generic(void **state)
{
    CHECK(true, O(.target = &LTARGET_GENERIC), JIT);
}
static void gradients_portable(void **state)
{
    CHECK(true, O(.target = &LTARGET_PORTABLE), { DIFF_GCC, "-O0", false }, JIT);
}
static void gradients_armv8(void **state)
{
    CHECK(true, O(.target = &LTARGET_ARMV8), { DIFF_GCC, "-O0", false }, OBJECT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forward_on_this_machine),
        cmocka_unit_test(forward_one_op_a_kernel),
        cmocka_unit_test(forward_v4),
        cmocka_unit_test(forward_v3),
        cmocka_unit_test(forward_generic),
        cmocka_unit_test(forward_portable),
        cmocka_unit_test(forward_armv8),
        cmocka_unit_test(forward_riscv64),
        cmocka_unit_test(forward_riscv64_vectors),
        cmocka_unit_test(gradients_on_this_machine),
        cmocka_unit_test(gradients_one_op_a_kernel),
        cmocka_unit_test(gradients_v3),
        cmocka_unit_test(gradients_generic),
        cmocka_unit_test(gradients_portable),
        cmocka_unit_test(gradients_armv8),
    };
    return cmocka_run_group_tests_name("ops: compiled against evaluated", tests, NULL, NULL);
}
