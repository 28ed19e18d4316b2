/* In place of the tests of the LLVM back end, in a build without it: one that is skipped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void left_out(void **unused)
{
    (void)unused;
    skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(left_out) };
    return cmocka_run_group_tests_name("llvm: not in this build", tests, NULL, NULL);
}
