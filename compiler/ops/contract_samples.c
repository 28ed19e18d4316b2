/* Samples of op_contract: what the gradient check, the back-end comparison and the print/read round
 * trip run over. Index k of a map is the k-th name; AT(c0, c1, ...) is one dimension read at
 * c0 * index 0 + c1 * index 1 + ..., AT_FROM(b, ...) at b + that. */
#include "ops/contract.h"

#define AT(...) { .coef = { __VA_ARGS__ } }
#define AT_FROM(b, ...) { .base = (b), .coef = { __VA_ARGS__ } }
#define RANK_OF(...) (int)(sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t))
#define F32(...) { .dtype = DT_F32, .rank = RANK_OF(__VA_ARGS__), .dim = { __VA_ARGS__ } }
#define SAMPLE1(map, what, a)                                                                         \
    { .in = { a }, .n_in = 1, .attr = { { .contract = &map } }, .lo = -1, .hi = 1, .note = what }
#define SAMPLE2(map, what, a, b)                                                                      \
    { .in = { a, b }, .n_in = 2, .attr = { { .contract = &map } }, .lo = -1, .hi = 1, .note = what }

// clang-format off
/* y[m,n] = sum(k) x[m,k] * w[k,n] */
static const Contract matmul_nn = { 3, 2, 2, { 5, 7, 9 }, { "m", "n", "k" },
                                 { { 2, { AT(1), AT(0, 0, 1) } }, { 2, { AT(0, 0, 1), AT(0, 1) } } } };
/* y[m,n] = sum(k) x[m,k] * w[n,k] */
static const Contract matmul_nt = { 3, 2, 2, { 5, 7, 9 }, { "m", "n", "k" },
                                 { { 2, { AT(1), AT(0, 0, 1) } }, { 2, { AT(0, 1), AT(0, 0, 1) } } } };
/* y[m,n] = sum(k) x[k,m] * w[k,n] */
static const Contract matmul_tn = { 3, 2, 2, { 5, 7, 9 }, { "m", "n", "k" },
                                 { { 2, { AT(0, 0, 1), AT(1) } }, { 2, { AT(0, 0, 1), AT(0, 1) } } } };
/* y[m,n] = sum(k) x[k,m] * w[n,k] */
static const Contract matmul_tt = { 3, 2, 2, { 5, 7, 9 }, { "m", "n", "k" },
                                 { { 2, { AT(0, 0, 1), AT(1) } }, { 2, { AT(0, 1), AT(0, 0, 1) } } } };
/* y[m,n] = sum(k) x[m,k] * w[k,n] */
static const Contract matmul_odd = { 3, 2, 2, { 13, 17, 11 }, { "m", "n", "k" },
                                 { { 2, { AT(1), AT(0, 0, 1) } }, { 2, { AT(0, 0, 1), AT(0, 1) } } } };
/* y[m,n] = sum(k) x[m,k] * w[k,n] */
static const Contract matmul_wide = { 3, 2, 2, { 16, 48, 20 }, { "m", "n", "k" },
                                 { { 2, { AT(1), AT(0, 0, 1) } }, { 2, { AT(0, 0, 1), AT(0, 1) } } } };
/* y[b,m,n] = sum(k) x[b,m,k] * w[b,k,n] */
static const Contract batched = { 4, 3, 2, { 3, 4, 5, 6 }, { "b", "m", "n", "k" },
                                 { { 3, { AT(1), AT(0, 1), AT(0, 0, 0, 1) } }, { 3, { AT(1), AT(0, 0, 0, 1), AT(0, 0, 1) } } } };
/* y[b,h,m,n] = sum(d) x[b,m,h,d] * w[b,n,h,d] */
static const Contract heads = { 5, 4, 2, { 2, 3, 4, 5, 6 }, { "b", "h", "m", "n", "d" },
                                 { { 4, { AT(1), AT(0, 0, 1), AT(0, 1), AT(0, 0, 0, 0, 1) } }, { 4, { AT(1), AT(0, 0, 0, 1), AT(0, 1), AT(0, 0, 0, 0, 1) } } } };
/* y[b,m,h,d] = sum(n) x[b,h,m,n] * w[b,n,h,d] */
static const Contract heads_back = { 5, 4, 2, { 2, 4, 3, 6, 5 }, { "b", "m", "h", "d", "n" },
                                 { { 4, { AT(1), AT(0, 0, 1), AT(0, 1), AT(0, 0, 0, 0, 1) } }, { 4, { AT(1), AT(0, 0, 0, 0, 1), AT(0, 0, 1), AT(0, 0, 0, 1) } } } };
/* y[b,t,o] = sum(i) x[b,t,i] * w[o,i] */
static const Contract dense3 = { 4, 3, 2, { 2, 3, 7, 5 }, { "b", "t", "o", "i" },
                                 { { 3, { AT(1), AT(0, 1), AT(0, 0, 0, 1) } }, { 2, { AT(0, 0, 1), AT(0, 0, 0, 1) } } } };
/* y[m] = sum(k) x[m,k] * w[k] */
static const Contract matvec = { 2, 1, 2, { 7, 9 }, { "m", "k" },
                                 { { 2, { AT(1), AT(0, 1) } }, { 1, { AT(0, 1) } } } };
/* y[n] = sum(k) x[k] * w[k,n] */
static const Contract vecmat = { 2, 1, 2, { 7, 9 }, { "n", "k" },
                                 { { 1, { AT(0, 1) } }, { 2, { AT(0, 1), AT(1) } } } };
/* y[] = sum(k) x[k] * w[k] */
static const Contract dot = { 1, 0, 2, { 9 }, { "k" },
                                 { { 1, { AT(1) } }, { 1, { AT(1) } } } };
/* y[m,n] = x[m] * w[n] */
static const Contract outer = { 2, 2, 2, { 5, 7 }, { "m", "n" },
                                 { { 1, { AT(1) } }, { 1, { AT(0, 1) } } } };
/* y[n,t,o] = sum(k,i) x[n,t+k,i] * w[k,i,o] */
static const Contract conv1d = { 5, 3, 2, { 2, 7, 4, 3, 3 }, { "n", "t", "o", "k", "i" },
                                 { { 3, { AT(1), AT(0, 1, 0, 1), AT(0, 0, 0, 0, 1) } }, { 3, { AT(0, 0, 0, 1), AT(0, 0, 0, 0, 1), AT(0, 0, 1) } } } };
/* y[n,t,o] = sum(k,i) x[n,2*t+k,i] * w[k,i,o] */
static const Contract conv1d_s2 = { 5, 3, 2, { 2, 4, 3, 3, 2 }, { "n", "t", "o", "k", "i" },
                                 { { 3, { AT(1), AT(0, 2, 0, 1), AT(0, 0, 0, 0, 1) } }, { 3, { AT(0, 0, 0, 1), AT(0, 0, 0, 0, 1), AT(0, 0, 1) } } } };
/* y[n,h,w,o] = sum(i) x[n,h,w,i] * w[i,o] */
static const Contract conv2d_1 = { 5, 4, 2, { 2, 4, 5, 3, 2 }, { "n", "h", "w", "o", "i" },
                                 { { 4, { AT(1), AT(0, 1), AT(0, 0, 1), AT(0, 0, 0, 0, 1) } }, { 2, { AT(0, 0, 0, 0, 1), AT(0, 0, 0, 1) } } } };
/* y[n,h,w,o] = sum(kh,kw,i) x[n,h+kh,w+kw,i] * w[kh,kw,i,o] */
static const Contract conv2d_2 = { 7, 4, 2, { 2, 4, 3, 3, 2, 2, 2 }, { "n", "h", "w", "o", "kh", "kw", "i" },
                                 { { 4, { AT(1), AT(0, 1, 0, 0, 1), AT(0, 0, 1, 0, 0, 1), AT(0, 0, 0, 0, 0, 0, 1) } }, { 4, { AT(0, 0, 0, 0, 1), AT(0, 0, 0, 0, 0, 1), AT(0, 0, 0, 0, 0, 0, 1), AT(0, 0, 0, 1) } } } };
/* y[n,h,w,o] = sum(kh,kw,i) x[n,h+kh,w+kw,i] * w[kh,kw,i,o] */
static const Contract conv2d_3 = { 7, 4, 2, { 2, 4, 5, 3, 3, 3, 2 }, { "n", "h", "w", "o", "kh", "kw", "i" },
                                 { { 4, { AT(1), AT(0, 1, 0, 0, 1), AT(0, 0, 1, 0, 0, 1), AT(0, 0, 0, 0, 0, 0, 1) } }, { 4, { AT(0, 0, 0, 0, 1), AT(0, 0, 0, 0, 0, 1), AT(0, 0, 0, 0, 0, 0, 1), AT(0, 0, 0, 1) } } } };
/* y[n,h,w,o] = sum(kh,kw,i) x[n,h+kh,w+kw,i] * w[o,kh,kw,i] */
static const Contract conv2d_53 = { 7, 4, 2, { 1, 3, 4, 3, 5, 3, 2 }, { "n", "h", "w", "o", "kh", "kw", "i" },
                                 { { 4, { AT(1), AT(0, 1, 0, 0, 1), AT(0, 0, 1, 0, 0, 1), AT(0, 0, 0, 0, 0, 0, 1) } }, { 4, { AT(0, 0, 0, 1), AT(0, 0, 0, 0, 1), AT(0, 0, 0, 0, 0, 1), AT(0, 0, 0, 0, 0, 0, 1) } } } };
/* y[n,h,w,o] = sum(kh,kw,i) x[n,2*h+kh,2*w+kw,i] * w[kh,kw,i,o] */
static const Contract conv2d_s2 = { 7, 4, 2, { 2, 3, 4, 3, 3, 3, 2 }, { "n", "h", "w", "o", "kh", "kw", "i" },
                                 { { 4, { AT(1), AT(0, 2, 0, 0, 1), AT(0, 0, 2, 0, 0, 1), AT(0, 0, 0, 0, 0, 0, 1) } }, { 4, { AT(0, 0, 0, 0, 1), AT(0, 0, 0, 0, 0, 1), AT(0, 0, 0, 0, 0, 0, 1), AT(0, 0, 0, 1) } } } };
/* y[n,h,w,o] = sum(kh,kw,i) x[n,3*h+kh,3*w+kw,i] * w[kh,kw,i,o] */
static const Contract conv2d_s3 = { 7, 4, 2, { 1, 3, 2, 2, 5, 3, 2 }, { "n", "h", "w", "o", "kh", "kw", "i" },
                                 { { 4, { AT(1), AT(0, 3, 0, 0, 1), AT(0, 0, 3, 0, 0, 1), AT(0, 0, 0, 0, 0, 0, 1) } }, { 4, { AT(0, 0, 0, 0, 1), AT(0, 0, 0, 0, 0, 1), AT(0, 0, 0, 0, 0, 0, 1), AT(0, 0, 0, 1) } } } };
/* y[n,h,w,o] = sum(i) x[n,2*h,2*w,i] * w[i,o] */
static const Contract conv2d_1s2 = { 5, 4, 2, { 2, 3, 4, 3, 2 }, { "n", "h", "w", "o", "i" },
                                 { { 4, { AT(1), AT(0, 2), AT(0, 0, 2), AT(0, 0, 0, 0, 1) } }, { 2, { AT(0, 0, 0, 0, 1), AT(0, 0, 0, 1) } } } };
/* y[n,h,w,o] = sum(kh,kw,i) x[n,h+2*kh,w+2*kw,i] * w[kh,kw,i,o] */
static const Contract conv2d_d2 = { 7, 4, 2, { 1, 3, 4, 2, 3, 3, 2 }, { "n", "h", "w", "o", "kh", "kw", "i" },
                                 { { 4, { AT(1), AT(0, 1, 0, 0, 2), AT(0, 0, 1, 0, 0, 2), AT(0, 0, 0, 0, 0, 0, 1) } }, { 4, { AT(0, 0, 0, 0, 1), AT(0, 0, 0, 0, 0, 1), AT(0, 0, 0, 0, 0, 0, 1), AT(0, 0, 0, 1) } } } };
/* y[n,h,w,o] = sum(kh,kw,i) x[n,2*h+2*kh,2*w+2*kw,i] * w[kh,kw,i,o] */
static const Contract conv2d_s2d2 = { 7, 4, 2, { 1, 3, 4, 2, 3, 2, 2 }, { "n", "h", "w", "o", "kh", "kw", "i" },
                                 { { 4, { AT(1), AT(0, 2, 0, 0, 2), AT(0, 0, 2, 0, 0, 2), AT(0, 0, 0, 0, 0, 0, 1) } }, { 4, { AT(0, 0, 0, 0, 1), AT(0, 0, 0, 0, 0, 1), AT(0, 0, 0, 0, 0, 0, 1), AT(0, 0, 0, 1) } } } };
/* y[n,h,w,o] = sum(kh,kw,i) x[n,2*h+3*kh,3*w+2*kw,i] * w[kh,kw,i,o] */
static const Contract conv2d_s2d3 = { 7, 4, 2, { 1, 4, 3, 2, 3, 3, 2 }, { "n", "h", "w", "o", "kh", "kw", "i" },
                                 { { 4, { AT(1), AT(0, 2, 0, 0, 3), AT(0, 0, 3, 0, 0, 2), AT(0, 0, 0, 0, 0, 0, 1) } }, { 4, { AT(0, 0, 0, 0, 1), AT(0, 0, 0, 0, 0, 1), AT(0, 0, 0, 0, 0, 0, 1), AT(0, 0, 0, 1) } } } };
/* y[n,h,w,g,o] = sum(kh,kw,i) x[n,h+kh,w+kw,g,i] * w[g,kh,kw,i,o] */
static const Contract grouped = { 8, 5, 2, { 2, 3, 3, 2, 3, 3, 3, 2 }, { "n", "h", "w", "g", "o", "kh", "kw", "i" },
                                 { { 5, { AT(1), AT(0, 1, 0, 0, 0, 1), AT(0, 0, 1, 0, 0, 0, 1), AT(0, 0, 0, 1), AT(0, 0, 0, 0, 0, 0, 0, 1) } }, { 5, { AT(0, 0, 0, 1), AT(0, 0, 0, 0, 0, 1), AT(0, 0, 0, 0, 0, 0, 1), AT(0, 0, 0, 0, 0, 0, 0, 1), AT(0, 0, 0, 0, 1) } } } };
/* y[n,h,w,c] = sum(kh,kw) x[n,h+kh,w+kw,c] * w[kh,kw,c] */
static const Contract depthwise = { 6, 4, 2, { 2, 4, 3, 5, 3, 3 }, { "n", "h", "w", "c", "kh", "kw" },
                                 { { 4, { AT(1), AT(0, 1, 0, 0, 1), AT(0, 0, 1, 0, 0, 1), AT(0, 0, 0, 1) } }, { 3, { AT(0, 0, 0, 0, 1), AT(0, 0, 0, 0, 0, 1), AT(0, 0, 0, 1) } } } };
/* y[n,h,w,c] = sum(kh,kw) x[n,2*h+kh,2*w+kw,c] * w[kh,kw,c] */
static const Contract depthwise_s2 = { 6, 4, 2, { 1, 3, 3, 4, 3, 3 }, { "n", "h", "w", "c", "kh", "kw" },
                                 { { 4, { AT(1), AT(0, 2, 0, 0, 1), AT(0, 0, 2, 0, 0, 1), AT(0, 0, 0, 1) } }, { 3, { AT(0, 0, 0, 0, 1), AT(0, 0, 0, 0, 0, 1), AT(0, 0, 0, 1) } } } };
/* y[n,h,w,o] = sum(kh,kw,i) x[n,4*h+kh,4*w+kw,i] * w[kh,kw,i,o] */
static const Contract patches = { 7, 4, 2, { 2, 2, 3, 5, 4, 4, 3 }, { "n", "h", "w", "o", "kh", "kw", "i" },
                                 { { 4, { AT(1), AT(0, 4, 0, 0, 1), AT(0, 0, 4, 0, 0, 1), AT(0, 0, 0, 0, 0, 0, 1) } }, { 4, { AT(0, 0, 0, 0, 1), AT(0, 0, 0, 0, 0, 1), AT(0, 0, 0, 0, 0, 0, 1), AT(0, 0, 0, 1) } } } };
/* y[n,d,h,w,o] = sum(kd,kh,kw,i) x[n,d+kd,h+kh,w+kw,i] * w[kd,kh,kw,i,o] */
static const Contract conv3d = { 9, 5, 2, { 1, 2, 3, 3, 2, 2, 2, 2, 2 }, { "n", "d", "h", "w", "o", "kd", "kh", "kw", "i" },
                                 { { 5, { AT(1), AT(0, 1, 0, 0, 0, 1), AT(0, 0, 1, 0, 0, 0, 1), AT(0, 0, 0, 1, 0, 0, 0, 1), AT(0, 0, 0, 0, 0, 0, 0, 0, 1) } }, { 5, { AT(0, 0, 0, 0, 0, 1), AT(0, 0, 0, 0, 0, 0, 1), AT(0, 0, 0, 0, 0, 0, 0, 1), AT(0, 0, 0, 0, 0, 0, 0, 0, 1), AT(0, 0, 0, 0, 1) } } } };
/* y[n] = sum(k) x[n,k] */
static const Contract sum_rows = { 2, 1, 1, { 5, 6 }, { "n", "k" },
                                 { { 2, { AT(1), AT(0, 1) } } } };
/* y[n,h,w,c] = sum(kh,kw) x[n,2*h+kh,2*w+kw,c] */
static const Contract avg_pool = { 6, 4, 1, { 2, 3, 4, 3, 2, 2 }, { "n", "h", "w", "c", "kh", "kw" },
                                 { { 4, { AT(1), AT(0, 2, 0, 0, 1), AT(0, 0, 2, 0, 0, 1), AT(0, 0, 0, 1) } } } };
/* y[n,h,w,c] = sum(kh,kw) x[n,2*h+kh,2*w+kw,c] */
static const Contract avg_overlap = { 6, 4, 1, { 1, 3, 4, 2, 3, 3 }, { "n", "h", "w", "c", "kh", "kw" },
                                 { { 4, { AT(1), AT(0, 2, 0, 0, 1), AT(0, 0, 2, 0, 0, 1), AT(0, 0, 0, 1) } } } };
/* y[n,h,w,c] = sum(kh,kw) x[n,3*h+kh,3*w+kw,c] */
static const Contract avg_gaps = { 6, 4, 1, { 1, 3, 2, 2, 2, 2 }, { "n", "h", "w", "c", "kh", "kw" },
                                 { { 4, { AT(1), AT(0, 3, 0, 0, 1), AT(0, 0, 3, 0, 0, 1), AT(0, 0, 0, 1) } } } };
/* y[i,j] = x[i+j] */
static const Contract windows = { 2, 2, 1, { 4, 3 }, { "i", "j" },
                                 { { 1, { AT(1, 1) } } } };
/* y[i] = sum(j) x[2*i+3*j] * w[i,j] */
static const Contract spread = { 2, 1, 2, { 4, 3 }, { "i", "j" },
                                 { { 1, { AT(2, 3) } }, { 2, { AT(1), AT(0, 1) } } } };
/* y[i] = sum(k) x[5-i,k] * w[k] */
static const Contract reversed = { 2, 1, 2, { 4, 3 }, { "i", "k" },
                                 { { 2, { AT_FROM(5, -1), AT(0, 1) } }, { 1, { AT(0, 1) } } } };
/* y[i] = x[i,i] */
static const Contract diagonal = { 1, 1, 1, { 5 }, { "i" },
                                 { { 2, { AT(1), AT(1) } } } };
/* y[i] = sum(k) x[i,i,k] * w[k] */
static const Contract diagonal_2 = { 2, 1, 2, { 5, 3 }, { "i", "k" },
                                 { { 3, { AT(1), AT(1), AT(0, 1) } }, { 1, { AT(0, 1) } } } };
/* y[i] = sum(k,j) x[i,j] * w[i,k] */
static const Contract lonely = { 3, 1, 2, { 4, 3, 5 }, { "i", "k", "j" },
                                 { { 2, { AT(1), AT(0, 0, 1) } }, { 2, { AT(1), AT(0, 1) } } } };
/* y[i] = sum(k) x[1,i+1,k] * w[k,2] */
static const Contract inner_row = { 2, 1, 2, { 4, 3 }, { "i", "k" },
                                 { { 3, { AT_FROM(1, 0), AT_FROM(1, 1), AT(0, 1) } }, { 2, { AT(0, 1), AT_FROM(2, 0) } } } };
/* y[] = sum(i,j) x[i+j] * w[j] */
static const Contract both_summed = { 2, 0, 2, { 4, 3 }, { "i", "j" },
                                 { { 1, { AT(1, 1) } }, { 1, { AT(0, 1) } } } };
/* y[i,j] = sum(k) x[i+j,j+k] * w[i,k] */
static const Contract skew = { 3, 2, 2, { 4, 3, 2 }, { "i", "j", "k" },
                                 { { 2, { AT(1, 1), AT(0, 1, 1) } }, { 2, { AT(1), AT(0, 0, 1) } } } };

const OpSample contract_samples[CONTRACT_SAMPLES] = {
    SAMPLE2(matmul_nn, "matrix product", F32(5, 9), F32(9, 7)),
    SAMPLE2(matmul_nt, "matrix product, second transposed (dense)", F32(5, 9), F32(7, 9)),
    SAMPLE2(matmul_tn, "matrix product, first transposed", F32(9, 5), F32(9, 7)),
    SAMPLE2(matmul_tt, "matrix product, both transposed", F32(9, 5), F32(7, 9)),
    SAMPLE2(matmul_odd, "matrix product, odd sizes", F32(13, 11), F32(11, 17)),
    SAMPLE2(matmul_wide, "matrix product over whole vectors", F32(16, 20), F32(20, 48)),
    SAMPLE2(batched, "batched matrix product", F32(3, 4, 6), F32(3, 6, 5)),
    SAMPLE2(heads, "attention scores, heads inside", F32(2, 4, 3, 6), F32(2, 5, 3, 6)),
    SAMPLE2(heads_back, "attention values", F32(2, 3, 4, 5), F32(2, 5, 3, 6)),
    SAMPLE2(dense3, "dense over leading dimensions", F32(2, 3, 5), F32(7, 5)),
    SAMPLE2(matvec, "matrix times vector", F32(7, 9), F32(9)),
    SAMPLE2(vecmat, "vector times matrix", F32(9), F32(9, 7)),
    SAMPLE2(dot, "dot product", F32(9), F32(9)),
    SAMPLE2(outer, "outer product", F32(5), F32(7)),
    SAMPLE2(conv1d, "conv1d, kernel 3", F32(2, 9, 3), F32(3, 3, 4)),
    SAMPLE2(conv1d_s2, "conv1d, stride 2", F32(2, 9, 2), F32(3, 2, 3)),
    SAMPLE2(conv2d_1, "conv2d, kernel 1", F32(2, 4, 5, 2), F32(2, 3)),
    SAMPLE2(conv2d_2, "conv2d, kernel 2", F32(2, 5, 4, 2), F32(2, 2, 2, 3)),
    SAMPLE2(conv2d_3, "conv2d, kernel 3", F32(2, 6, 7, 2), F32(3, 3, 2, 3)),
    SAMPLE2(conv2d_53, "conv2d, kernel 5x3, weights [o,kh,kw,i]", F32(1, 7, 6, 2), F32(3, 5, 3, 2)),
    SAMPLE2(conv2d_s2, "conv2d, stride 2, last row and column unread", F32(2, 8, 10, 2), F32(3, 3, 2, 3)),
    SAMPLE2(conv2d_s3, "conv2d, stride 3, kernel 5x3", F32(1, 11, 6, 2), F32(5, 3, 2, 2)),
    SAMPLE2(conv2d_1s2, "conv2d, kernel 1, stride 2", F32(2, 5, 7, 2), F32(2, 3)),
    SAMPLE2(conv2d_d2, "conv2d, dilation 2", F32(1, 7, 8, 2), F32(3, 3, 2, 2)),
    SAMPLE2(conv2d_s2d2, "conv2d, stride 2, dilation 2", F32(1, 9, 9, 2), F32(3, 2, 2, 2)),
    SAMPLE2(conv2d_s2d3, "conv2d, stride and dilation without a common factor", F32(1, 13, 11, 2), F32(3, 3, 2, 2)),
    SAMPLE2(grouped, "conv2d, 2 groups", F32(2, 5, 5, 2, 2), F32(2, 3, 3, 2, 3)),
    SAMPLE2(depthwise, "depthwise convolution", F32(2, 6, 5, 5), F32(3, 3, 5)),
    SAMPLE2(depthwise_s2, "depthwise convolution, stride 2", F32(1, 7, 7, 4), F32(3, 3, 4)),
    SAMPLE2(patches, "patches: stride equals kernel", F32(2, 8, 12, 3), F32(4, 4, 3, 5)),
    SAMPLE2(conv3d, "conv3d", F32(1, 3, 4, 4, 2), F32(2, 2, 2, 2, 2)),
    SAMPLE1(sum_rows, "one operand: sums of rows", F32(5, 6)),
    SAMPLE1(avg_pool, "window sum, stride equals window", F32(2, 6, 8, 3)),
    SAMPLE1(avg_overlap, "window sum, stride below window", F32(1, 7, 9, 2)),
    SAMPLE1(avg_gaps, "window sum, stride above window", F32(1, 9, 6, 2)),
    SAMPLE1(windows, "nothing summed: overlapping windows as rows", F32(6)),
    SAMPLE2(spread, "coefficients 2 and 3", F32(13), F32(4, 3)),
    SAMPLE2(reversed, "negative coefficient", F32(7, 4), F32(4)),
    SAMPLE1(diagonal, "diagonal", F32(5, 5)),
    SAMPLE2(diagonal_2, "diagonal of a stack of matrices", F32(5, 5, 3), F32(3)),
    SAMPLE2(lonely, "each summed index in one operand only", F32(4, 5), F32(4, 3)),
    SAMPLE2(inner_row, "constant places and unread borders", F32(3, 6, 4), F32(4, 4)),
    SAMPLE2(both_summed, "a correlation summed over everything", F32(6), F32(3)),
    SAMPLE2(skew, "one index in two dimensions", F32(6, 4), F32(4, 2)),
};
// clang-format on
