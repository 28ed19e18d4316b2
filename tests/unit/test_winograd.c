/* Winograd's schedule by the interpreter, against sums in double: forward convolutions and input
 * gradients (taps in reverse), sides that are multiples of the tile and not, blocks that divide the tiles
 * and not; what it refuses; and how much its rounding costs beside a direct float sum. */
#include "affine.h"
#include "loop/winograd.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { MEM = 1 << 16 };

/* y[n,h,w,o] = sum(r,s,c) x[n, h +- r, w +- s, c] * k[r,s,c,o] */
typedef struct {
    int64_t n, h, w, o, c;
    bool reverse, filters_first; /* taps stored [o,r,s,c] */
} Case;

static float x_memory[MEM], k_memory[MEM], bias_memory[256], got[MEM];
static LBuf *x_buf, *k_buf, *bias_buf, *y_buf;

static LExpr *load(void *user, int o, LBlock *at, LExpr *const *index)
{
    LContract *c = user;
    (void)at;
    return lx_load(c->func, o ? k_buf : x_buf,
                   affine(c->func, c->operand[o].base, c->operand[o].stride, c->n_index, index), 1, NULL);
}

/* y = max(sum + bias[o], 0) */
static void store(void *user, LBlock *at, LExpr *const *index, LExpr *value)
{
    LContract *c = user;
    LFunc *f = c->func;
    LExpr *sum = lx_add(f, value, lx_load(f, bias_buf, index[3], 1, NULL));
    LVar *v = lb_let(f, at, "e", lx_bin(f, LX_MAX, sum, lx_float(f, -1e30)));
    lb_store(f, at, y_buf, affine(f, 0, c->out_stride, c->n_out, index), lx_var(f, v), NULL);
}

/* The elements of a window, each at its own place. */
static void store_window(void *user, LBlock *at, LExpr *const *index, LExpr *const *value)
{
    LContract *c = user;
    LFunc *f = c->func;
    int64_t h = c->window[1], w = c->window[2];
    for (int64_t i = 0; i < h * w; i++) {
        LExpr *own[4] = { index[0], lx_add(f, index[1], lx_i64(f, i / w)), lx_add(f, index[2], lx_i64(f, i % w)), index[3] };
        store(user, at, own, value[i]);
    }
}

static LContract describe(LFunc *f, const Case *k, const LTarget *target)
{
    int64_t width = k->w + 2, row = width * k->c, sign = k->reverse ? -1 : 1;
    x_buf = lfunc_param(f, "x", LK_F32, MEM, LB_IN);
    k_buf = lfunc_param(f, "k", LK_F32, MEM, LB_IN);
    bias_buf = lfunc_param(f, "bias", LK_F32, 256, LB_IN);
    y_buf = lfunc_param(f, "y", LK_F32, MEM, LB_OUT);
    LContract c = { .func = f, .at = &f->body, .target = target, .n_index = 7, .n_out = 4, .n_operand = 2,
                    .load = load, .store = store,
                    .extent = { k->n, k->h, k->w, k->o, 3, 3, k->c },
                    .out_stride = { k->h * k->w * k->o, k->w * k->o, k->o, 1 },
                    .operand[0] = { k->reverse ? 2 * row + 2 * k->c : 0,
                                    { (k->h + 2) * row, row, k->c, 0, sign * row, sign * k->c, 1 } } };
    int64_t filters_last[] = { 0, 0, 0, 1, 3 * k->c * k->o, k->c * k->o, k->o };
    int64_t filters_first[] = { 0, 0, 0, 9 * k->c, 3 * k->c, k->c, 1 };
    memcpy(c.operand[1].stride, k->filters_first ? filters_first : filters_last, sizeof filters_last);
    return c;
}

/* ---- the same, naively ---- */

static double naive(const LContract *c, const int64_t *out, bool in_float)
{
    double sum = 0;
    float rounded = 0;
    int64_t index[7];
    memcpy(index, out, 4 * sizeof *index);
    for (index[4] = 0; index[4] < 3; index[4]++)
        for (index[5] = 0; index[5] < 3; index[5]++)
            for (index[6] = 0; index[6] < c->extent[6]; index[6]++) {
                int64_t at[2];
                for (int o = 0; o < 2; o++) {
                    at[o] = c->operand[o].base;
                    for (int i = 0; i < 7; i++)
                        at[o] += c->operand[o].stride[i] * index[i];
                    assert_in_range(at[o], 0, MEM - 1);
                }
                sum += (double)x_memory[at[0]] * (double)k_memory[at[1]];
                rounded += x_memory[at[0]] * k_memory[at[1]];
            }
    return in_float ? (double)rounded : sum;
}

/* Largest error of what is in `got` and, for comparison, of a plain float sum; over the largest value. */
static double worst(const LContract *c, double *direct)
{
    double error = 0, most = 0, plain = 0;
    int64_t i[4];
    for (i[0] = 0; i[0] < c->extent[0]; i[0]++)
        for (i[1] = 0; i[1] < c->extent[1]; i[1]++)
            for (i[2] = 0; i[2] < c->extent[2]; i[2]++)
                for (i[3] = 0; i[3] < c->extent[3]; i[3]++) {
                    int64_t at = 0;
                    for (int d = 0; d < 4; d++)
                        at += i[d] * c->out_stride[d];
                    double exact = naive(c, i, false), bias = (double)bias_memory[i[3]];
                    error = fmax(error, fabs((double)got[at] - (exact + bias)));
                    if (direct)
                        plain = fmax(plain, fabs(naive(c, i, true) - exact));
                    most = fmax(most, fabs(exact));
                }
    if (direct)
        *direct = plain / most;
    return error / most;
}

static void fill(void)
{
    uint64_t seed = 1;
    for (int i = 0; i < MEM; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        x_memory[i] = (float)(int32_t)(seed >> 33) * 0x1p-30f - 1;
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        k_memory[i] = (float)(int32_t)(seed >> 33) * 0x1p-30f - 1;
        bias_memory[i % 256] = k_memory[i] * 3;
        got[i] = NAN;
    }
}

static double run_windows(const Case *k, const LTarget *target, int m, int64_t block, int64_t high, int64_t wide, double *direct)
{
    Arena *arena = arena_new();
    LFunc *f = lfunc_new(arena, "conv");
    LContract c = describe(f, k, target);
    c.user = &c;
    c.window[1] = high;
    c.window[2] = wide;
    c.store_window = store_window;
    LTile t = { .winograd = m, .tiles = block, .parallel = true };
    assert_null(loop_contract_check(&c, &t));
    fill();
    loop_contract_emit(&c, &t);
    loop_tidy(f);
    assert_null(loop_verify(f, arena));
    void *scratch = calloc(1, (size_t)f->scratch_bytes + 64);
    void *buffers[] = { x_memory, k_memory, bias_memory, got, scratch };
    nnr_ctx ctx = { 0 };
    const char *why = lfunc_eval(f, buffers, &ctx, arena);
    if (why)
        fail_msg("%s", why);
    double error = worst(&c, direct);
    free(scratch);
    arena_free(arena);
    return error;
}

static double run(const Case *k, const LTarget *target, int m, int64_t block, double *direct)
{
    return run_windows(k, target, m, block, 1, 1, direct);
}

static void agrees(void **state)
{
    static const Case CASES[] = {
        { 1, 4, 4, 16, 16, false, false },  { 1, 8, 8, 16, 16, true, false },   { 2, 7, 6, 16, 20, false, true },
        { 1, 5, 9, 32, 16, true, true },    { 3, 4, 10, 17, 16, false, false }, { 2, 11, 4, 48, 16, true, false },
        { 1, 6, 7, 64, 16, false, false }, /* as one block: in four parts of 16 filters */
        { 1, 6, 7, 37, 21, false, false }, { 1, 7, 6, 70, 19, true, true }, /* in parts that are not full */
    };
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        for (int m = 2; m <= 4; m += 2) {
            int64_t block[] = { 1, 3, 5 };
            for (int b = 0; b < 3; b++) {
                int64_t tiles = CASES[i].n * ((CASES[i].h + m - 1) / m) * ((CASES[i].w + m - 1) / m);
                if (block[b] > tiles)
                    continue;
                assert_true(run(&CASES[i], &LTARGET_X86_V4, m, block[b], NULL) < 1e-5);
                assert_true(run(&CASES[i], &LTARGET_X86_V4, m, tiles, NULL) < 1e-5);
                assert_true(run(&CASES[i], &LTARGET_GENERIC, m, tiles, NULL) < 1e-5);
            }
        }
}

/* A problem of one block runs on several cores whatever the number of filters. */
static void filters_are_cut(void **state)
{
    static const Case CASE = { 1, 8, 8, 37, 21, false, false };
    Arena *arena = arena_new();
    (void)state;
    LFunc *f = lfunc_new(arena, "conv");
    LContract c = describe(f, &CASE, &LTARGET_X86_V4);
    c.user = &c;
    LTile t = { .winograd = 4, .tiles = 4, .parallel = true };
    loop_contract_emit(&c, &t);
    const LStmt *parts = f->body.data[f->body.len - 1];
    assert_int_equal(parts->for_kind, LF_PARALLEL);
    assert_int_equal(parts->hi->ival, 3);
    arena_free(arena);
}

static void windows_agree(void **state)
{
    static const Case CASES[] = { { 1, 8, 12, 16, 16, false, false }, { 2, 6, 10, 17, 16, false, true }, { 1, 10, 6, 16, 16, true, false } };
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        for (int m = 2; m <= 4; m += 2) {
            assert_true(run_windows(&CASES[i], &LTARGET_X86_V4, m, 3, 2, 2, NULL) < 1e-5);
            assert_true(run_windows(&CASES[i], &LTARGET_GENERIC, m, 2, 1, 2, NULL) < 1e-5);
            assert_true(run_windows(&CASES[i], &LTARGET_X86_V3, m, 1, 2, 1, NULL) < 1e-5);
        }
    assert_true(run_windows(&CASES[0], &LTARGET_X86_V4, 4, 3, 4, 2, NULL) < 1e-5);
}

static void error_is_known(void **state)
{
    static const Case DEEP = { 1, 4, 4, 16, 96, false, false };
    (void)state;
    double direct, two = run(&DEEP, &LTARGET_X86_V3, 2, 4, NULL), four = run(&DEEP, &LTARGET_X86_V3, 4, 1, &direct);
    print_message("# largest error over largest value, 864 products: direct float %.1e, 2x2 %.1e, 4x4 %.1e\n", direct,
                  two, four);
    assert_true(two < 3 * direct + 1e-7);
    assert_true(four < 12 * direct + 1e-7);
}

static void refuses(void **state)
{
    static const Case CASE = { 1, 8, 8, 32, 32, false, false };
    Arena *arena = arena_new();
    (void)state;
    Winograd w;
    LContract c = describe(lfunc_new(arena, "conv"), &CASE, &LTARGET_X86_V4);
    assert_true(winograd_find(&c, &w));
    assert_int_equal(w.channel, 6);
    assert_int_equal(w.filter, 3);
    LContract strided = c, five = c, depthwise = c, few = c;
    strided.operand[0].stride[1] *= 2;
    assert_false(winograd_find(&strided, &w));
    five.extent[4] = 5;
    assert_false(winograd_find(&five, &w));
    depthwise.operand[0].stride[3] = 1;
    assert_false(winograd_find(&depthwise, &w));
    few.extent[6] = 3;
    assert_false(winograd_find(&few, &w));
    LTarget off = LTARGET_X86_V4;
    off.no_winograd = true;
    c.target = &off;
    LTile t;
    assert_false(winograd_pick(&c, &t));
    t = (LTile){ .winograd = 3, .tiles = 1 };
    assert_string_equal(loop_contract_check(&c, &t),
                        "a Winograd tile of a size that is not 2 or 4, or that the result does not hold");
    c.window[2] = 4;
    t = (LTile){ .winograd = 2, .tiles = 1 };
    assert_string_equal(loop_contract_check(&c, &t), "a Winograd tile that cuts through windows of results");
    c.window[2] = 0;
    t = (LTile){ .winograd = 4, .tiles = 100 };
    assert_string_equal(loop_contract_check(&c, &t), "a block of too few or too many tiles");
    arena_free(arena);
}

static void has_a_text(void **state)
{
    Arena *arena = arena_new();
    (void)state;
    LTile t = { .winograd = 4, .tiles = 48, .parallel = true }, back;
    char *text = loop_tile_print(&t, arena);
    assert_string_equal(text, "winograd 4 tiles 48 parallel");
    assert_null(loop_tile_read(text, &back));
    assert_memory_equal(&t, &back, sizeof t);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees),
        cmocka_unit_test(filters_are_cut),
        cmocka_unit_test(windows_agree),
        cmocka_unit_test(error_is_known),
        cmocka_unit_test(refuses),
        cmocka_unit_test(has_a_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
