/* The parallel loop: every index once, whatever the number of threads. */
#include "runtime/runtime.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { N = 10000 };

static void count(void *arg, int64_t i) { ((uint8_t *)arg)[i]++; }

static void every_index_once(void **state)
{
    static const int64_t sizes[] = {0, 1, 2, 3, 7, 1000, N};
    static const int threads[] = {1, 2, 5};
    static uint8_t hits[N + 1];
    (void)state;
    for (size_t t = 0; t < 3; t++)
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
            memset(hits, 0, sizeof hits);
            nnr_set_threads(threads[t]);
            nnr_parallel_for(count, hits, sizes[k]);
            for (int64_t i = 0; i <= N; i++) assert_int_equal(hits[i], i < sizes[k]);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_index_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
