/* Epoch permutations and the validation split, from the counter-based generator, so that a resumed
 * run finds its place without any stored state. See shuffle.h. */
#include "runtime/shuffle.h"
#include <math.h>
#include <stdlib.h>

#define SALT_SHUFFLE 0x73687566666c6521u
#define SALT_SPLIT 0x73706c6974212121u

/* Fisher and Yates, as Durstenfeld has it. The modulo of a 64-bit draw is biased by n / 2^64. */
static void permute(uint64_t key, int64_t n, int64_t *out)
{
    for (int64_t i = 0; i < n; i++) out[i] = i;
    for (int64_t i = n - 1; i > 0; i--) {
        uint64_t draw = nnr_mix64(key + (uint64_t)i * 0x9e3779b97f4a7c15u);
        int64_t j = (int64_t)(draw % ((uint64_t)i + 1)), t = out[i];
        out[i] = out[j];
        out[j] = t;
    }
}

void nnr_permutation(uint64_t seed, uint64_t salt, int64_t n, int64_t *out)
{
    permute(nnr_key(seed, salt, SALT_SHUFFLE), n, out);
}

static int ascending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

int64_t nnr_split_count(double fraction, int64_t n)
{
    int64_t k = (int64_t)llround(fraction * (double)n);
    if (k < 1 && fraction > 0) k = 1;
    if (k > n - 1) k = n - 1;
    return k < 0 ? 0 : k;
}

void nnr_split(uint64_t seed, double fraction, int64_t n, int64_t *out, int64_t *n_valid)
{
    int64_t k = nnr_split_count(fraction, n);
    permute(nnr_key(seed, 0, SALT_SPLIT), n, out);
    qsort(out, (size_t)k, sizeof *out, ascending);
    qsort(out + k, (size_t)(n - k), sizeof *out, ascending);
    *n_valid = k;
}
