/* The counter-based generator of the ABI header and what is built on it: moments, uniformity,
 * independence of neighbours and of keys, permutations, splits. Bounds are five deviations wide, and
 * the draws are fixed, so no test fails by chance. */
#include "runtime/shuffle.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { DRAWS = 1 << 20 };

static void moments(void **state)
{
    (void)state;
    for (uint64_t step = 0; step < 4; step++) {
        uint64_t key = nnr_key(step * 3, step, 17);
        double sum = 0, squares = 0, cubes = 0;
        for (uint32_t i = 0; i < DRAWS; i++) {
            double u = (double)nnr_uniform(key, i);
            assert_true(u >= 0 && u < 1);
            assert_true(u * 0x1p24 == floor(u * 0x1p24));
            u -= 0.5;
            sum += u, squares += u * u, cubes += u * u * u;
        }
        assert_true(fabs(sum / DRAWS) < 5 * sqrt(1.0 / 12 / DRAWS));
        assert_true(fabs(squares / DRAWS - 1.0 / 12) < 5 * sqrt(1.0 / 180 / DRAWS));
        assert_true(fabs(cubes / DRAWS) < 5 * sqrt(1.0 / 448 / DRAWS));
    }
}

/* Chi-square with n - 1 degrees of freedom is near normal: mean n - 1, variance 2 (n - 1). */
static void assert_even(const int64_t *counts, int n, int64_t total)
{
    double expected = (double)total / n, chi = 0;
    for (int i = 0; i < n; i++) chi += ((double)counts[i] - expected) * ((double)counts[i] - expected) / expected;
    double z = (chi - (n - 1)) / sqrt(2.0 * (n - 1));
    if (fabs(z) > 5) fail_msg("chi-square %g for %d cells: %g deviations", chi, n, z);
}

static void uniformity(void **state)
{
    (void)state;
    static int64_t high[4096], low[4096], pairs[4096];
    for (uint64_t salt = 0; salt < 3; salt++) {
        uint64_t key = nnr_key(1, 2, salt);
        memset(high, 0, sizeof high), memset(low, 0, sizeof low), memset(pairs, 0, sizeof pairs);
        for (uint32_t i = 0; i < DRAWS; i++) {
            uint32_t a = nnr_bits(key, i), b = nnr_bits(key, i + 1);
            high[a >> 20]++, low[a & 4095]++;
            pairs[(a >> 26) << 6 | b >> 26]++;
        }
        assert_even(high, 4096, DRAWS);
        assert_even(low, 4096, DRAWS);
        assert_even(pairs, 4096, DRAWS);
    }
}

static double correlation(uint64_t a, uint64_t b, uint32_t lag)
{
    double sum = 0;
    for (uint32_t i = 0; i < DRAWS; i++)
        sum += ((double)nnr_uniform(a, i) - 0.5) * ((double)nnr_uniform(b, i + lag) - 0.5);
    return sum / DRAWS * 12;
}

static void independence(void **state)
{
    (void)state;
    double bound = 5 / sqrt(DRAWS);
    static const uint32_t lags[] = {1, 2, 3, 7, 8, 16, 28, 32, 128, 784, 1024, 4096};
    uint64_t key = nnr_key(0, 0, 0);
    for (size_t i = 0; i < sizeof lags / sizeof *lags; i++) assert_true(fabs(correlation(key, key, lags[i])) < bound);
    /* Neighbouring seeds, steps and salts share nothing. */
    assert_true(fabs(correlation(key, nnr_key(1, 0, 0), 0)) < bound);
    assert_true(fabs(correlation(key, nnr_key(0, 1, 0), 0)) < bound);
    assert_true(fabs(correlation(key, nnr_key(0, 0, 1), 0)) < bound);
    assert_true(fabs(correlation(nnr_key(0, 1, 0), nnr_key(1, 0, 0), 0)) < bound);
    assert_true(nnr_key(0, 1, 2) != nnr_key(0, 2, 1) && nnr_key(0, 1, 2) != nnr_key(1, 0, 2));
}

/* Every flipped bit of the index changes about half of the bits drawn. */
static void avalanche(void **state)
{
    (void)state;
    uint64_t key = nnr_key(5, 6, 7);
    for (int bit = 0; bit < 32; bit++) {
        int64_t flipped = 0, n = 1 << 14;
        for (uint32_t i = 0; i < n; i++)
            flipped += __builtin_popcount(nnr_bits(key, i * 2654435761u) ^ nnr_bits(key, (i * 2654435761u) ^ 1u << bit));
        assert_true(fabs((double)flipped / (double)n - 16) < 0.15);
    }
}

static void permutations(void **state)
{
    (void)state;
    static const int64_t sizes[] = {0, 1, 2, 3, 10, 1000, 60000};
    static int64_t p[60000], again[60000];
    static uint8_t seen[60000];
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
        for (uint64_t epoch = 0; epoch < 3; epoch++) {
            int64_t n = sizes[k];
            nnr_permutation(3, epoch, n, p);
            nnr_permutation(3, epoch, n, again);
            assert_memory_equal(p, again, sizeof *p * (size_t)n);
            memset(seen, 0, sizeof seen);
            for (int64_t i = 0; i < n; i++) {
                assert_true(p[i] >= 0 && p[i] < n && !seen[p[i]]);
                seen[p[i]] = 1;
            }
        }
    nnr_permutation(3, 0, 60000, p);
    nnr_permutation(3, 1, 60000, again);
    assert_memory_not_equal(p, again, sizeof p);
    nnr_permutation(4, 0, 60000, again);
    assert_memory_not_equal(p, again, sizeof p);
}

/* Each of the 120 orders of five things comes equally often. */
static void permutations_are_fair(void **state)
{
    (void)state;
    static int64_t counts[120];
    for (uint64_t epoch = 0; epoch < 120000; epoch++) {
        int64_t p[5], index = 0;
        nnr_permutation(9, epoch, 5, p);
        for (int i = 0; i < 5; i++) {
            int64_t smaller = 0;
            for (int k = i + 1; k < 5; k++) smaller += p[k] < p[i];
            index = index * (5 - i) + smaller;
        }
        counts[index]++;
    }
    assert_even(counts, 120, 120000);
}

static void splits(void **state)
{
    (void)state;
    int64_t p[100], held;
    nnr_split(1, 0.2, 100, p, &held);
    assert_int_equal(held, 20);
    bool seen[100] = {false};
    for (int i = 0; i < 100; i++) {
        assert_false(seen[p[i]]);
        seen[p[i]] = true;
        if (i > 0 && i != 20) assert_true(p[i] > p[i - 1]);
    }
    assert_true(p[19] > 20); /* not simply the first */
    nnr_split(1, 0.001, 100, p, &held);
    assert_int_equal(held, 1);
    nnr_split(1, 1, 100, p, &held);
    assert_int_equal(held, 99);
    nnr_split(1, 0, 100, p, &held);
    assert_int_equal(held, 0);
    nnr_split(1, 0.5, 1, p, &held);
    assert_int_equal(held, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moments),   cmocka_unit_test(uniformity),   cmocka_unit_test(independence),
        cmocka_unit_test(avalanche), cmocka_unit_test(permutations), cmocka_unit_test(permutations_are_fair),
        cmocka_unit_test(splits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
