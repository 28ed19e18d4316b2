/* Every op sample, compiled, against the reference evaluator: forward and gradients, fused and one op a
 * kernel, for each target, by gcc and clang with every warning an error. A new op is in here by itself. */
#include "diff.h"

static bool has_clang(void) { return system("clang --version >/dev/null 2>&1") == 0; }

static void check_samples(bool grad, DiffOptions o, double tolerance)
{
    Diff *d = diff_new("samples");
    diff_all_samples(d, grad);
    assert_true(d->cases.len > 20);
    DiffBuild b = diff_build(d, o);
    if (!o.compile_only)
        diff_check(d, &b, tolerance);
    diff_close(d, &b);
}

static void forward_on_this_machine(void **state)
{
    (void)state;
    check_samples(false, (DiffOptions){ 0 }, 1e-4);
}
static void forward_one_op_a_kernel(void **state)
{
    (void)state;
    check_samples(false, (DiffOptions){ .no_fuse = true, .flags = "-O0 -march=native" }, 1e-4);
}
static void forward_v4_without_the_instructions(void **state)
{
    (void)state;
    check_samples(false, (DiffOptions){ .target = &LTARGET_X86_V4, .flags = "-O0" }, 1e-4);
}
static void forward_v3(void **state)
{
    (void)state;
    check_samples(false, (DiffOptions){ .target = &LTARGET_X86_V3, .flags = "-O0 -mavx2 -mfma" }, 1e-4);
}
static void forward_portable(void **state)
{
    (void)state;
    check_samples(false, (DiffOptions){ .target = &LTARGET_PORTABLE, .flags = "-O0" }, 1e-4);
}
static void forward_clang(void **state)
{
    (void)state;
    if (!has_clang())
        skip();
    check_samples(false, (DiffOptions){ .cc = "clang", .flags = "-O0 -march=native" }, 1e-4);
}
static void gradients_on_this_machine(void **state)
{
    (void)state;
    check_samples(true, (DiffOptions){ 0 }, 1e-2);
}
static void gradients_one_op_a_kernel(void **state)
{
    (void)state;
    check_samples(true, (DiffOptions){ .no_fuse = true, .flags = "-O0 -march=native" }, 1e-2);
}
static void gradients_portable(void **state)
{
    (void)state;
    check_samples(true, (DiffOptions){ .target = &LTARGET_PORTABLE, .flags = "-O0" }, 1e-2);
}
static void gradients_compile_with_clang(void **state)
{
    (void)state;
    if (!has_clang())
        skip();
    check_samples(true, (DiffOptions){ .cc = "clang", .flags = "-O0", .compile_only = true }, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forward_on_this_machine),
        cmocka_unit_test(forward_one_op_a_kernel),
        cmocka_unit_test(forward_v4_without_the_instructions),
        cmocka_unit_test(forward_v3),
        cmocka_unit_test(forward_portable),
        cmocka_unit_test(forward_clang),
        cmocka_unit_test(gradients_on_this_machine),
        cmocka_unit_test(gradients_one_op_a_kernel),
        cmocka_unit_test(gradients_portable),
        cmocka_unit_test(gradients_compile_with_clang),
    };
    return cmocka_run_group_tests_name("ops: compiled against evaluated", tests, NULL, NULL);
}
