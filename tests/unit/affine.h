/* The place of an element whose indices run through memory by strides, for the loads and stores of contractions. */
#ifndef NNC_TESTS_AFFINE_H
#define NNC_TESTS_AFFINE_H
#include "loop/expr.h"

static LExpr *affine(LFunc *f, int64_t base, const int64_t *stride, int n, LExpr *const *index)
{
    LExpr *sum = lx_i64(f, base);
    for (int i = 0; i < n; i++)
        sum = lx_add(f, sum, lx_mul(f, index[i], lx_i64(f, stride[i])));
    return sum;
}
#endif
