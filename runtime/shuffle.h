/* Private to the runtime: the order of samples. */
#ifndef NNR_SHUFFLE_H
#define NNR_SHUFFLE_H
#include "runtime/nnr.h"

/* A permutation of 0 .. n-1, a pure function of (seed, salt, n). */
void nnr_permutation(uint64_t seed, uint64_t salt, int64_t n, int64_t *out);
/* round(fraction * n), at least 1 when fraction > 0 and n > 1, at most n - 1. */
int64_t nnr_split_count(double fraction, int64_t n);
/* Splits 0 .. n-1: *n_valid = nnr_split_count. The held-out indices come first in out, each part in ascending order. */
void nnr_split(uint64_t seed, double fraction, int64_t n, int64_t *out, int64_t *n_valid);
#endif
