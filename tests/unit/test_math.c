/* The polynomial expansions of exp, log, tanh, sigmoid, erf, sin and pow against the C library in double, by the
 * interpreter (fused multiply-add, f32 rounding): floats spread over all exponents, neighbourhoods where
 * the expansions change form, and special values. */
#include "loop/expr.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

enum { N = 1 << 15, LANES = 16 };
static float in_x[N], in_y[N], out_scalar[N], out_vector[N];

static float from_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* y[i] = op(x[i], z[i]), vectorised or not, expanded. */
static void run(LOp op, bool vector, float *out)
{
    Arena *arena = arena_new();
    LFunc *f = lfunc_new(arena, "math");
    LBuf *x = lfunc_param(f, "x", LK_F32, N, LB_IN), *z = lfunc_param(f, "z", LK_F32, N, LB_IN),
         *y = lfunc_param(f, "y", LK_F32, N, LB_OUT);
    int lanes = vector ? LANES : 1;
    LStmt *s = lb_for(f, &f->body, "i", lx_i64(f, 0), lx_i64(f, N), lanes, LF_SERIAL);
    LExpr *i = lx_var(f, s->var), *b = op == LX_POW ? lx_load(f, z, i, lanes, NULL) : NULL;
    lb_store(f, &s->body, y, i, lx_math(f, op, lx_load(f, x, i, lanes, NULL), b), NULL);
    loop_expand_math(f);
    assert_null(loop_verify(f, arena));
    Text t = { .arena = arena };
    loop_print_func(f, &t);
    assert_null(strstr(t.data, arena_printf(arena, "%s(", lop_name(op)))); /* expanded */
    void *buffers[] = { in_x, in_y, out };
    const char *why = lfunc_eval(f, buffers, NULL, arena);
    assert_null(why);
    arena_free(arena);
}

static double reference(LOp op, double x, double y)
{
    switch (op) {
    case LX_EXP: return exp(x);
    case LX_LOG: return log(x);
    case LX_TANH: return tanh(x);
    case LX_SIGMOID: return 1 / (1 + exp(-x));
    case LX_ERF: return erf(x);
    case LX_SIN: return sin(x);
    default: return pow(x, y);
    }
}

/* Distance in units of the last place of the correctly rounded result. */
static double ulps(float got, double want)
{
    float rounded = (float)want;
    if (isnan(want))
        return isnan(got) ? 0 : INFINITY;
    if (isinf(rounded) || isinf(got))
        return got == rounded ? 0 : isinf(got) && fabs(want) > 0x1.fffffep127 ? 0 : INFINITY;
    if (rounded == 0)
        return got == 0 && signbit(got) == signbit(rounded) ? 0 : fabs((double)got) / 0x1p-149;
    int e;
    frexp((double)rounded, &e);
    double unit = ldexp(1, e - 24 < -149 ? -149 : e - 24);
    return fabs((double)got - want) / unit;
}

static void check(LOp op, double limit)
{
    run(op, false, out_scalar);
    run(op, true, out_vector);
    double worst = 0;
    for (int i = 0; i < N; i++) {
        double want = reference(op, (double)in_x[i], (double)in_y[i]);
        if (op == LX_SIN && fabs((double)in_x[i]) >= 0x1p49) {
            assert_true(isnan(want) ? isnan(out_scalar[i]) : fabsf(out_scalar[i]) <= 1);
            continue;
        }
        double off = ulps(out_scalar[i], want);
        if (off > worst)
            worst = off;
        if (!(off <= limit))
            fail_msg("%s(%a, %a) = %a, should be %a (%g ulp)", lop_name(op), (double)in_x[i], (double)in_y[i],
                     (double)out_scalar[i], (double)(float)want, off);
        bool same = memcmp(&out_scalar[i], &out_vector[i], 4) == 0 || isnan(out_scalar[i]);
        if (!same)
            fail_msg("%s(%a): scalar %a, vector %a", lop_name(op), (double)in_x[i], (double)out_scalar[i],
                     (double)out_vector[i]);
    }
    print_message("%s: %.2f ulp at most\n", lop_name(op), worst);
}

static uint32_t rng = 1;
static uint32_t next(void)
{
    rng ^= rng << 13;
    rng ^= rng >> 17;
    return rng ^= rng << 5;
}

static const float SPECIAL[] = { 0, -0.0f, 1, -1, 2, -2, 0.5f, -0.5f, 3, -3, 0x1p-149f, -0x1p-149f, 0x1p-126f,
                                 0x1.fffffcp-127f, 0x1.fffffep127f, -0x1.fffffep127f, INFINITY, -INFINITY, NAN,
                                 88.7228f, 88.73f, -87.3f, -103.97f, -104, 0.625f, 0.92f, 4, 10, 1e10f, 0x1p24f,
                                 -0x1.000002p0f, 0x1.fffffep-1f, 0x1.000002p0f, 1e-5f };
enum { N_SPECIAL = sizeof SPECIAL / sizeof *SPECIAL };

/* All exponents and signs for the first part, [lo, hi] densely for the rest. */
static void fill(float lo, float hi)
{
    for (int i = 0; i < N; i++) {
        in_x[i] = i < N / 2 ? from_bits(next()) : lo + (hi - lo) * ((float)next() * 0x1p-32f);
        in_y[i] = i % 3 ? (float)(int)(next() % 41) - 20 : -4 + 8 * ((float)next() * 0x1p-32f);
    }
    for (int i = 0; i < N_SPECIAL; i++)
        in_x[i * 7] = SPECIAL[i];
}

static void test_exp(void **state) { (void)state; fill(-105, 90); check(LX_EXP, 2); }
static void test_log(void **state) { (void)state; fill(0, 4); check(LX_LOG, 2); }
static void test_tanh(void **state) { (void)state; fill(-3, 3); check(LX_TANH, 2); }
static void test_sigmoid(void **state) { (void)state; fill(-105, 20); check(LX_SIGMOID, 2); }
static void test_erf(void **state) { (void)state; fill(-4.5f, 4.5f); check(LX_ERF, 2); }
static void test_sin(void **state)
{
    (void)state;
    fill(-20, 20);
    for (int i = N / 2; i < N; i += 4) /* next to multiples of pi, where the reduction must be exact */
        in_x[i] = (float)(3.14159265358979323846 * (double)(next() >> (next() % 31)));
    check(LX_SIN, 2);
}
static void test_pow(void **state)
{
    (void)state;
    fill(0, 8);
    for (int i = 0; i < N_SPECIAL; i++)
        for (int j = 0; j < N_SPECIAL; j++) {
            in_x[N / 2 + i * N_SPECIAL + j] = SPECIAL[i];
            in_y[N / 2 + i * N_SPECIAL + j] = SPECIAL[j];
        }
    check(LX_POW, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exp), cmocka_unit_test(test_log), cmocka_unit_test(test_tanh), cmocka_unit_test(test_sigmoid),
        cmocka_unit_test(test_erf), cmocka_unit_test(test_sin), cmocka_unit_test(test_pow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
