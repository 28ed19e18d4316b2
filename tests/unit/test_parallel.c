/* The parallel loop: every index once, whatever the number of threads. */
#include "runtime/runtime.h"
#include <omp.h>
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

static void note_threads(void *arg, int64_t i)
{
    if (i == 0) *(int *)arg = omp_get_num_threads();
}

static void run(void *weights, void *slots, const void *const *in, void *const *out, void *arena, const nnr_ctx *ctx)
{
    (void)weights, (void)slots, (void)in, (void)arena, (void)ctx;
    nnr_parallel_for(note_threads, out[0], N);
}

/* The number of threads is the call's, and what was set before holds again behind it. */
static void threads_of_one_call(void **state)
{
    (void)state;
    nnr_entry entry = {.run = run};
    int seen = 0;
    void *out[1] = {&seen};
    nnr_set_threads(2);
    static const int32_t WANTED[] = {0, 3, 1, 0}, GIVEN[] = {2, 3, 1, 2};
    for (int i = 0; i < 4; i++) {
        nnr_ctx ctx = {.threads = WANTED[i]};
        nnr_call(&entry, NULL, NULL, NULL, out, NULL, &ctx);
        assert_int_equal(seen, GIVEN[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_index_once), cmocka_unit_test(threads_of_one_call)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
