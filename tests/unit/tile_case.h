/* A contraction as a case of a test: written by the scheduler, run by the interpreter, compared with a naive sum.
 * Values are small integers, so that every order of summing gives the same floats. */
#ifndef NNC_TESTS_TILE_CASE_H
#define NNC_TESTS_TILE_CASE_H
#include "affine.h"
#include "loop/tile_epilogue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { MEM = 1 << 15, OUT = 1 << 14 };

typedef struct {
    const char *name;
    int n_out, n_index, n_operand;
    int64_t extent[8];
    int64_t out_stride[8]; /* all zero: row major */
    struct {
        int64_t base, stride[8];
    } operand[2];
    bool prologue, epilogue;
} Case;

typedef struct {
    const Case *k;
    LFunc *f;
    LBuf *in[2], *bias, *out;
} Ctx;

static LExpr *load(void *user, int o, LBlock *at, LExpr *const *index)
{
    Ctx *c = user;
    const Case *k = c->k;
    LFunc *f = c->f;
    LExpr *x = lx_load(f, c->in[o], affine(f, k->operand[o].base, k->operand[o].stride, k->n_index, index), 1,
                       NULL);
    if (!k->prologue)
        return o ? lx_var(f, lb_let(f, at, "x", x)) : x; /* with a name, as lowering gives it, and without */
    LVar *v = lb_let(f, at, "p", lx_fma(f, x, lx_float(f, 2), lx_float(f, 1))); /* 0 does not stay 0 */
    return lx_bin(f, LX_MAX, lx_var(f, v), lx_float(f, -3));
}

static void store(void *user, LBlock *at, LExpr *const *index, LExpr *value)
{
    Ctx *c = user;
    const Case *k = c->k;
    LFunc *f = c->f;
    LExpr *place = affine(f, 0, k->out_stride, k->n_out, index);
    if (k->epilogue) {
        value = lx_add(f, value, lx_load(f, c->bias, k->n_out ? index[k->n_out - 1] : lx_i64(f, 0), 1, NULL));
        LVar *v = lb_let(f, at, "e", lx_bin(f, LX_MAX, value, lx_float(f, 0)));
        LExpr *x = lx_var(f, v);
        for (int i = 0; i < 8; i++) { /* long enough to be staged */
            x = lx_add(f, lx_select(f, lx_bin(f, LX_LT, x, lx_float(f, 50 * i)), x, lx_float(f, 7)), x);
            x = lx_var(f, lb_let(f, at, "e", x));
        }
        value = lx_add(f, x, lx_load(f, c->out, place, 1, NULL));
    }
    lb_store(f, at, c->out, place, value, NULL);
}

/* ---- the same, naively ---- */

static float in_memory[2][MEM], bias_memory[MEM], want[OUT], got[OUT];

static float operand_at(const Case *k, int o, const int64_t *index)
{
    int64_t at = k->operand[o].base;
    for (int i = 0; i < k->n_index; i++)
        at += k->operand[o].stride[i] * index[i];
    assert_true(at >= 0 && at < MEM);
    float x = in_memory[o][at];
    if (k->prologue) {
        x = 2 * x + 1;
        x = x > -3 ? x : -3;
    }
    return x;
}

static void naive(const Case *k)
{
    int64_t index[8] = { 0 }, total = 1, sums = 1;
    for (int i = 0; i < k->n_index; i++)
        *(i < k->n_out ? &total : &sums) *= k->extent[i];
    for (int64_t n = 0; n < total; n++) {
        int64_t rest = n, place = 0;
        for (int i = k->n_out - 1; i >= 0; i--) {
            index[i] = rest % k->extent[i];
            rest /= k->extent[i];
            place += index[i] * k->out_stride[i];
        }
        float sum = 0;
        for (int64_t s = 0; s < sums; s++) {
            rest = s;
            for (int i = k->n_index - 1; i >= k->n_out; i--) {
                index[i] = rest % k->extent[i];
                rest /= k->extent[i];
            }
            sum += operand_at(k, 0, index) * (k->n_operand == 2 ? operand_at(k, 1, index) : 1);
        }
        if (k->epilogue) {
            sum += bias_memory[k->n_out ? index[k->n_out - 1] : 0];
            sum = sum > 0 ? sum : 0;
            for (int i = 0; i < 8; i++)
                sum = (sum < (float)(50 * i) ? sum : 7) + sum;
            sum += want[place];
        }
        want[place] = sum;
    }
}

/* ---- running ---- */

static LContract describe(Ctx *ctx, const Case *k, const LTarget *target)
{
    LFunc *f = ctx->f;
    ctx->k = k;
    ctx->in[0] = lfunc_param(f, "a", LK_F32, MEM, LB_IN);
    ctx->in[1] = lfunc_param(f, "b", LK_F32, MEM, LB_IN);
    ctx->bias = lfunc_param(f, "bias", LK_F32, MEM, LB_IN);
    ctx->out = lfunc_param(f, "y", LK_F32, OUT, LB_INOUT);
    LContract c = { .func = f, .at = &f->body, .target = target, .n_index = k->n_index, .n_out = k->n_out,
                    .n_operand = k->n_operand, .user = ctx, .load = load, .store = store };
    for (int i = 0; i < k->n_index; i++) {
        c.extent[i] = k->extent[i];
        c.out_stride[i] = i < k->n_out ? k->out_stride[i] : 0;
        for (int o = 0; o < k->n_operand; o++)
            c.operand[o].stride[i] = k->operand[o].stride[i];
    }
    for (int o = 0; o < k->n_operand; o++)
        c.operand[o].base = k->operand[o].base;
    return c;
}

static void row_major(Case *k)
{
    int64_t stride = 1;
    for (int i = 0; i < k->n_out; i++)
        if (k->out_stride[i])
            return;
    for (int i = k->n_out - 1; i >= 0; i--) {
        k->out_stride[i] = stride;
        stride *= k->extent[i];
    }
}

typedef enum { PICKED, RANDOM, JOINED_RANDOM } How;

/* Where schedules come from that are neither picked nor given. */
static LTile (*random_source)(const LContract *c);

static void check_tile(Case *k, const LTarget *target, How how, const LTile *given)
{
    Arena *arena = arena_new();
    Ctx ctx = { .f = lfunc_new(arena, "contract") };
    row_major(k);
    LTarget small = *target; /* to whose caches the result is large: an epilogue's reads are fetched ahead */
    small.l2 = k->epilogue && how != PICKED ? 16384 : target->l2;
    LContract whole = describe(&ctx, k, &small);
    tile_look_at_epilogue(&whole);
    LContract c = how == RANDOM ? whole : loop_contract_join(&whole);
    LTile t = given ? *given : how == PICKED ? loop_contract_pick(&c) : random_source(&c), again;
    assert_null(loop_contract_check(&c, &t));
    assert_null(loop_tile_read(loop_tile_print(&t, arena), &again));
    assert_string_equal(loop_tile_print(&t, arena), loop_tile_print(&again, arena));
    loop_contract_emit(&c, &t);
    loop_hoist(ctx.f);
    const char *why = loop_verify(ctx.f, arena);
    float *scratch = arena_alloc(arena, (size_t)ctx.f->scratch_bytes + 4);
    memset(scratch, 0xff, (size_t)ctx.f->scratch_bytes);
    for (int i = 0; i < OUT; i++)
        want[i] = got[i] = (float)(i % 5);
    void *buffers[] = { in_memory[0], in_memory[1], bias_memory, got, scratch };
    if (!why)
        why = lfunc_eval(ctx.f, buffers, NULL, arena);
    naive(k);
    if (why || memcmp(want, got, sizeof want) != 0) {
        Text text = { .arena = arena };
        loop_print_func(ctx.f, &text);
        int at = 0;
        while (at < OUT - 1 && want[at] == got[at])
            at++;
        print_message("%.20000s\n", text.data);
        fail_msg("%s on %s: %s (y[%d] is %g, should be %g); %s", k->name, target->name, why ? why : "wrong result", at,
                 (double)got[at], (double)want[at], loop_tile_print(&t, arena));
    }
    arena_free(arena);
}

static void check(Case *k, const LTarget *target, How how) { check_tile(k, target, how, NULL); }

static const LTarget *const TARGETS[] = { &LTARGET_X86_V4, &LTARGET_X86_V3, &LTARGET_GENERIC,
                                          &LTARGET_PORTABLE };

static void check_all(Case k)
{
    for (int t = 0; t < 4; t++)
        for (int variant = 0; variant < 4; variant++) {
            Case v = k;
            v.prologue = variant & 1;
            v.epilogue = variant & 2;
            check(&v, TARGETS[t], PICKED);
        }
}

static void fill(void)
{
    for (int i = 0; i < MEM; i++) {
        in_memory[0][i] = (float)((i * 7 + i / 13) % 9 - 4);
        in_memory[1][i] = (float)((i * 5 + i / 11) % 7 - 3);
        bias_memory[i] = (float)(i % 11 - 5);
    }
}
#endif
