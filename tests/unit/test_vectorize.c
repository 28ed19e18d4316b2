/* The vectoriser and the splitting of loops against the interpreter: random loop nests run before and
 * after, on every target width, must leave the same memory (reductions: within rounding). */
#include "loop/expr.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

enum { MEM = 4096, N_IN = 3 };

typedef struct {
    uint32_t state;
} Rng;

static uint32_t pick(Rng *r, uint32_t n)
{
    r->state = r->state * 1664525u + 1013904223u;
    return (uint32_t)(((uint64_t)(r->state >> 8) * n) >> 24);
}

/* ---- a random loop nest, the same for the same seed ---- */

typedef struct {
    Arena *arena;
    LFunc *f;
    Rng rng;
    LBuf *in[N_IN], *mask, *out, *flags, *count;
    LExpr *i, *j;   /* inner and outer loop variables */
    int64_t ni;
    LVar *local;
} Gen;

static LExpr *gen_index(Gen *g)
{
    LFunc *f = g->f;
    LExpr *row = lx_mul(f, g->j, lx_i64(f, 100)), *shift = lx_i64(f, pick(&g->rng, 5));
    switch (pick(&g->rng, 9)) {
    case 0: return lx_add(f, row, shift);                                          /* uniform */
    case 1: return lx_add(f, row, lx_mul(f, g->i, lx_i64(f, 3)));                  /* strided */
    case 2: return lx_bin(f, LX_SUB, lx_i64(f, g->ni), g->i);                      /* backwards */
    case 3: return lx_add(f, row, lx_bin(f, LX_DIV, g->i, lx_i64(f, 4)));          /* through a shape */
    case 4: return lx_add(f, row, lx_bin(f, LX_MOD, g->i, lx_i64(f, 6)));
    case 5: /* clamped */
        return lx_bin(f, LX_MIN, lx_bin(f, LX_MAX, lx_bin(f, LX_SUB, g->i, lx_i64(f, 2)), lx_i64(f, 0)),
                      lx_i64(f, 20));
    default: return lx_add(f, lx_add(f, row, g->i), shift);
    }
}

static LExpr *gen_value(Gen *g, int depth);

static LExpr *gen_cond(Gen *g, int depth)
{
    LFunc *f = g->f;
    static const LOp CMP[] = { LX_EQ, LX_NE, LX_LT, LX_LE };
    LOp op = CMP[pick(&g->rng, 4)];
    switch (pick(&g->rng, 4)) {
    case 0: return lx_bin(f, op, g->i, lx_i64(f, pick(&g->rng, 30)));
    case 1: return lx_bin(f, op, g->j, lx_i64(f, 2));
    case 2: return lx_load(f, g->mask, gen_index(g), 1, NULL);
    default: return lx_bin(f, op, gen_value(g, depth - 1), gen_value(g, depth - 1));
    }
}

static LExpr *gen_leaf(Gen *g)
{
    LFunc *f = g->f;
    switch (pick(&g->rng, 6)) {
    case 0: return lx_float(f, (double)pick(&g->rng, 9) - 4);
    case 1: return lx_cast(f, g->i, LK_F32);
    case 2: { /* hashed counter, as random draws are */
        LExpr *x = lx_cast(f, lx_add(f, g->i, lx_mul(f, g->j, lx_i64(f, 1000))), LK_U32);
        x = lx_bin(f, LX_XOR, x, lx_bin(f, LX_SHR, x, lx_int(f, LK_U32, 3)));
        x = lx_mul(f, x, lx_int(f, LK_U32, 0x7feb352d));
        return lx_mul(f, lx_cast(f, lx_bin(f, LX_SHR, x, lx_int(f, LK_U32, 8)), LK_F32),
                      lx_float(f, 0x1p-24));
    }
    case 3: if (g->local) return lx_var(f, g->local); /* fall through */
    default: return lx_load(f, g->in[pick(&g->rng, N_IN)], gen_index(g), 1, NULL);
    }
}

static LExpr *gen_value(Gen *g, int depth)
{
    LFunc *f = g->f;
    if (depth <= 0)
        return gen_leaf(g);
    LExpr *a = gen_value(g, depth - 1);
    switch (pick(&g->rng, 8)) {
    case 0: return lx_add(f, a, gen_value(g, depth - 1));
    case 1: return lx_bin(f, LX_SUB, a, gen_value(g, depth - 1));
    case 2: return lx_mul(f, a, gen_value(g, depth - 1));
    case 3: return lx_bin(f, LX_MAX, a, gen_value(g, depth - 1));
    case 4: return lx_fma(f, a, gen_leaf(g), gen_leaf(g));
    case 5: return lx_un(f, LX_ABS, a);
    case 6: return lx_bin(f, LX_DIV, a, lx_float(f, 3));
    default: return lx_select(f, gen_cond(g, depth), a, gen_value(g, depth - 1));
    }
}

static void gen_body(Gen *g, LBlock *at, LVar *sum, LVar *top)
{
    LFunc *f = g->f;
    LExpr *place = lx_add(f, lx_mul(f, g->j, lx_i64(f, g->ni)), g->i);
    if (pick(&g->rng, 2)) {
        LVar *index = lb_let(f, at, "p", place);
        place = lx_var(f, index);
    }
    LVar *t = lb_var(f, at, "t", gen_value(g, 2));
    if (pick(&g->rng, 2)) {
        LStmt *branch = lb_if(f, at, gen_cond(g, 1));
        lb_set(f, &branch->body, t, lx_add(f, lx_var(f, t), lx_float(f, 1)));
        if (pick(&g->rng, 2))
            lb_set(f, &branch->other, t, lx_mul(f, lx_var(f, t), lx_float(f, 0.5)));
    }
    LVar *v = lb_let(f, at, "v", lx_add(f, lx_var(f, t), gen_value(g, 1)));
    g->local = v;
    lb_store(f, at, g->out, place, gen_value(g, 2), NULL);
    if (pick(&g->rng, 2)) /* in place, after its own store */
        lb_store(f, at, g->out, place, lx_add(f, lx_load(f, g->out, place, 1, NULL), lx_float(f, 1)), NULL);
    if (pick(&g->rng, 3) == 0)
        lb_store(f, at, g->flags, place, gen_cond(g, 1), NULL);
    if (pick(&g->rng, 4) == 0)
        lb_store(f, at, g->count, place, lx_cast(f, g->i, LK_I32), NULL);
    if (sum)
        lb_set(f, at, sum, lx_fma(f, gen_value(g, 1), lx_float(f, 0.5), lx_var(f, sum)));
    if (top)
        lb_set(f, at, top, lx_bin(f, LX_MAX, lx_var(f, top), gen_leaf(g)));
    g->local = NULL;
}

static LFunc *gen_func(Arena *arena, uint32_t seed)
{
    Gen g = { .arena = arena, .f = lfunc_new(arena, "random"), .rng = { seed * 2654435761u + 1 } };
    LFunc *f = g.f;
    for (int i = 0; i < N_IN; i++)
        g.in[i] = lfunc_param(f, "x", LK_F32, MEM, LB_IN);
    g.mask = lfunc_param(f, "m", LK_BOOL, MEM, LB_IN);
    g.out = lfunc_param(f, "y", LK_F32, MEM, LB_INOUT);
    g.flags = lfunc_param(f, "b", LK_BOOL, MEM, LB_OUT);
    g.count = lfunc_param(f, "c", LK_I32, MEM, LB_OUT);
    LBuf *total = lfunc_param(f, "s", LK_F32, 64, LB_OUT);
    static const int64_t SIZES[] = { 1, 2, 3, 5, 8, 12, 16, 17, 24, 33, 60, 64, 100, 131, 144, 200 };
    g.ni = SIZES[pick(&g.rng, 16)];
    int64_t nj = 1 + pick(&g.rng, 8);
    LStmt *outer = lb_for(f, &f->body, "j", lx_i64(f, 0), lx_i64(f, nj), 1,
                          pick(&g.rng, 2) ? LF_PARALLEL : LF_SERIAL);
    g.j = lx_var(f, outer->var);
    LVar *sum = pick(&g.rng, 2) ? lb_var(f, &outer->body, "sum", lx_float(f, 1)) : NULL;
    LVar *top = pick(&g.rng, 3) ? NULL : lb_var(f, &outer->body, "top", lx_float(f, -100));
    LExpr *hi = lx_i64(f, g.ni), *lo = lx_i64(f, pick(&g.rng, 3) ? 0 : g.ni / 2);
    if (pick(&g.rng, 4) == 0) /* a bound that is not constant */
        hi = lx_bin(f, LX_MIN, hi, lx_mul(f, lx_add(f, g.j, lx_i64(f, 1)), lx_i64(f, 25)));
    LStmt *inner = lb_for(f, &outer->body, "i", lo, hi, 1, LF_SERIAL);
    g.i = lx_var(f, inner->var);
    gen_body(&g, &inner->body, sum, top);
    if (sum)
        lb_store(f, &outer->body, total, g.j, lx_var(f, sum), NULL);
    if (top)
        lb_store(f, &outer->body, total, lx_add(f, g.j, lx_i64(f, 32)), lx_var(f, top), NULL);
    return f;
}

/* ---- running ---- */

typedef struct {
    float x[N_IN][MEM], y[MEM], s[64];
    uint8_t m[MEM], b[MEM];
    int32_t c[MEM];
} Memory;

static void fill(Memory *m)
{
    Rng r = { 7 };
    memset(m, 0, sizeof *m);
    for (int k = 0; k < N_IN; k++)
        for (int i = 0; i < MEM; i++)
            m->x[k][i] = ((float)pick(&r, 2001) - 1000) / 256;
    for (int i = 0; i < MEM; i++)
        m->m[i] = (uint8_t)pick(&r, 2);
}

static const char *run(const LFunc *f, Memory *m, Arena *arena)
{
    void *buffers[] = { m->x[0], m->x[1], m->x[2], m->m, m->y, m->b, m->c, m->s };
    fill(m);
    return lfunc_eval(f, buffers, NULL, arena);
}

static bool contains_vectors(Arena *arena, const LFunc *f)
{
    Text t = { .arena = arena };
    loop_print_func(f, &t);
    return strstr(t.data, "f32x") != NULL;
}

static void show(Arena *arena, const LFunc *f)
{
    Text t = { .arena = arena };
    loop_print_func(f, &t);
    print_message("%s\n", t.data);
}

static int check_seed(uint32_t seed, const LTarget *target)
{
    Arena *arena = arena_new();
    static Memory want, got;
    LFunc *plain = gen_func(arena, seed), *turned = gen_func(arena, seed);
    assert_null(loop_verify(plain, arena));
    const char *why = run(plain, &want, arena);
    assert_null(why);
    loop_hoist(turned);
    loop_vectorize(turned, target);
    loop_hoist(turned);
    why = loop_verify(turned, arena);
    if (!why)
        why = run(turned, &got, arena);
    bool same = !why && memcmp(want.y, got.y, sizeof want.y) == 0 && memcmp(want.b, got.b, MEM) == 0 &&
                memcmp(want.c, got.c, sizeof want.c) == 0;
    for (int i = 0; i < 64; i++)
        same = same && fabsf(want.s[i] - got.s[i]) <= 1e-3f * (1 + fabsf(want.s[i]));
    if (!same) {
        show(arena, plain);
        show(arena, turned);
        fail_msg("seed %u, %s: %s", seed, target->name, why ? why : "other results");
    }
    int turned_any = contains_vectors(arena, turned);
    arena_free(arena);
    return turned_any;
}

static void test_random_loops(void **state)
{
    (void)state;
    const LTarget *targets[] = { &LTARGET_X86_V4, &LTARGET_X86_V3, &LTARGET_GENERIC, &LTARGET_PORTABLE };
    for (int t = 0; t < 4; t++) {
        int turned = 0, tried = 0;
        for (uint32_t seed = 1; seed <= 400; seed++, tried++)
            turned += check_seed(seed + 1000u * (uint32_t)t, targets[t]);
        if (targets[t] == &LTARGET_PORTABLE)
            assert_int_equal(turned, 0);
        else
            assert_true(turned * 3 > tried); /* most that can be */
    }
}

/* ---- shapes that must be turned ---- */

static LFunc *flat_map(Arena *arena)
{
    LFunc *f = lfunc_new(arena, "bias_relu");
    LBuf *x = lfunc_param(f, "x", LK_F32, 3200, LB_IN), *b = lfunc_param(f, "bias", LK_F32, 64, LB_IN),
         *y = lfunc_param(f, "y", LK_F32, 3200, LB_OUT);
    LStmt *s = lb_for(f, &f->body, "i", lx_i64(f, 0), lx_i64(f, 3200), 1, LF_PARALLEL);
    LExpr *i = lx_var(f, s->var);
    LExpr *sum = lx_add(f, lx_load(f, x, i, 1, NULL),
                        lx_load(f, b, lx_bin(f, LX_MOD, i, lx_i64(f, 64)), 1, NULL));
    lb_store(f, &s->body, y, i, lx_bin(f, LX_MAX, sum, lx_float(f, 0)), NULL);
    return f;
}

static void expect_text(Arena *arena, const LFunc *f, const char *want)
{
    Text t = { .arena = arena };
    loop_print_func(f, &t);
    assert_string_equal(t.data, want);
}

static void test_flat_map(void **state)
{
    (void)state;
    Arena *arena = arena_new();
    LFunc *f = flat_map(arena);
    loop_vectorize(f, &LTARGET_X86_V4);
    assert_null(loop_verify(f, arena));
    expect_text(arena, f,
                "func @bias_relu(%x: f32[3200] in, %bias: f32[64] in, %y: f32[3200] out) {\n"
                "  parallel for %i_1 = 0 to 50 {\n"
                "    for %i_4 = 0 to 64 step 16 {\n"
                "      store %y[%i_1 * 64 + %i_4], max(load.f32x16 %x[%i_1 * 64 + %i_4] + "
                "load.f32x16 %bias[%i_4], splat.f32x16(0.0))\n"
                "    }\n"
                "  }\n"
                "}\n");
    arena_free(arena);
}

/* Columns summed over rows: the inner loop has a stride, the outer one is turned. */
static void test_column_sums(void **state)
{
    (void)state;
    Arena *arena = arena_new();
    LFunc *f = lfunc_new(arena, "columns");
    LBuf *x = lfunc_param(f, "x", LK_F32, 640, LB_IN), *y = lfunc_param(f, "y", LK_F32, 20, LB_OUT);
    LStmt *o = lb_for(f, &f->body, "o", lx_i64(f, 0), lx_i64(f, 20), 1, LF_PARALLEL);
    LVar *acc = lb_var(f, &o->body, "acc", lx_float(f, 0));
    LStmt *n = lb_for(f, &o->body, "n", lx_i64(f, 0), lx_i64(f, 32), 1, LF_SERIAL);
    LExpr *at = lx_add(f, lx_mul(f, lx_var(f, n->var), lx_i64(f, 20)), lx_var(f, o->var));
    lb_set(f, &n->body, acc, lx_add(f, lx_var(f, acc), lx_load(f, x, at, 1, NULL)));
    lb_store(f, &o->body, y, lx_var(f, o->var), lx_var(f, acc), NULL);
    loop_vectorize(f, &LTARGET_X86_V4);
    assert_null(loop_verify(f, arena));
    float in[640], out[20];
    for (int i = 0; i < 640; i++)
        in[i] = (float)(i % 7);
    void *buffers[] = { in, out };
    assert_null(lfunc_eval(f, buffers, NULL, arena));
    for (int c = 0; c < 20; c++) {
        float want = 0;
        for (int r = 0; r < 32; r++)
            want += in[r * 20 + c];
        assert_true(out[c] == want);
    }
    assert_true(contains_vectors(arena, f));
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_loops),
        cmocka_unit_test(test_flat_map),
        cmocka_unit_test(test_column_sums),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
