/* exp, log, tanh, sigmoid, erf, sin and pow of f32 as polynomials in the IR, for scalars and vectors alike,
 * without branches. Establishes: no math operation is left; at most 2 ulp from the correctly rounded
 * result (tests/unit/test_math.c; tests/bench/math_all.c over all 2^32 floats: exp 1.01, log 0.81, tanh 1.33,
 * sigmoid 1.97, erf 1.54, sin 1.96) under fused multiply-add, denormal results included; the special
 * values of C's Annex F (NaN, infinities, signed zeros). One limit: sin is accurate up to |x| < 2^49;
 * beyond, its result is only kept within [-1, 1].
 *
 * Methods: argument reduction by constants split in parts whose products are exact (Cody and Waite,
 * "Software Manual for the Elementary Functions", 1980); minimax polynomials in relative error, fitted
 * by iteratively reweighted least squares (Lawson, 1961) in 160-bit arithmetic, the coefficients being
 * rounded to f32 one after another, each time refitting the rest. sin reduces in f64, pow works in f64
 * throughout, as its error in the logarithm would be multiplied by y. */
#include "loop/expr.h"

#include <math.h>

typedef struct {
    LFunc *f;
    LBlock *at; /* where lets go */
} Out;

static LExpr *num(Out *o, double v) { return lx_float(o->f, v); }
static LExpr *num64(Out *o, double v)
{
    LExpr *e = lx_raw(o->f, LX_CONST, ltype(LK_F64, 1), NULL, NULL, NULL);
    e->fval = v;
    return e;
}
static LExpr *i32(Out *o, int64_t v) { return lx_int(o->f, LK_I32, v); }
static LExpr *keep(Out *o, LExpr *e)
{
    return e->op == LX_VAR || e->op == LX_CONST ? e : lx_var(o->f, lb_let(o->f, o->at, "m", e));
}
static LExpr *bin(Out *o, LOp op, LExpr *a, LExpr *b) { return lx_bin(o->f, op, a, b); }
static LExpr *add(Out *o, LExpr *a, LExpr *b) { return lx_bin(o->f, LX_ADD, a, b); }
static LExpr *sub(Out *o, LExpr *a, LExpr *b) { return lx_bin(o->f, LX_SUB, a, b); }
static LExpr *mul(Out *o, LExpr *a, LExpr *b) { return lx_bin(o->f, LX_MUL, a, b); }
static LExpr *fma3(Out *o, LExpr *a, LExpr *b, LExpr *c) { return lx_fma(o->f, a, b, c); }
static LExpr *less(Out *o, LExpr *a, LExpr *b) { return lx_bin(o->f, LX_LT, a, b); }
static LExpr *choose(Out *o, LExpr *c, LExpr *a, LExpr *b) { return lx_select(o->f, c, a, b); }
static LExpr *un(Out *o, LOp op, LExpr *a) { return lx_un(o->f, op, a); }

/* c[0] + c[1] x + ... by Horner's rule. */
static LExpr *poly(Out *o, LExpr *x, const double *c, int n)
{
    bool wide = x->type.kind == LK_F64;
    LExpr *sum = wide ? num64(o, c[n - 1]) : num(o, c[n - 1]);
    for (int i = n - 2; i >= 0; i--)
        sum = fma3(o, sum, x, wide ? num64(o, c[i]) : num(o, c[i]));
    return sum;
}
#define POLY(o, x, c) poly(o, x, c, (int)(sizeof(c) / sizeof *(c)))

static const double LN2_HI = 0x1.62e4p-1, LN2_LO = 0x1.7f7d1cp-20; /* hi: 15 bits, so n * hi is exact */

/* Added to a float below 2^22, this leaves the nearest whole number in the low bits: rounding and conversion
 * in one addition. */
static const double MAGIC = 0x1.8p+23;

/* 2^n, n in [-126, 127] being the low 9 bits of a u32 (as a signed number). */
static LExpr *power_of_two(Out *o, LExpr *n)
{
    LExpr *exponent = bin(o, LX_SHL, n, lx_int(o->f, LK_U32, 23));
    return lx_bitcast(o->f, add(o, exponent, lx_int(o->f, LK_U32, 0x3f800000)), LK_F32);
}

/* exp(x) = 2^n exp(r), |r| <= ln 2 / 2. wide: the result may overflow or be denormal, and 2^n is applied
 * in two halves, so that it is rounded once; else x must lie in [-87, 88]. */
static LExpr *exp_core(Out *o, LExpr *x, bool wide)
{
    static const double P[] = { 0x1.fffffcp-2, 0x1.555492p-3, 0x1.5558bp-5, 0x1.12398ep-7, 0x1.6a4d34p-10 };
    LExpr *shifted = keep(o, fma3(o, x, num(o, 0x1.715476p+0), num(o, MAGIC)));
    LExpr *n = keep(o, sub(o, shifted, num(o, MAGIC)));
    LExpr *r = fma3(o, n, num(o, -LN2_HI), x);
    r = keep(o, fma3(o, n, num(o, -LN2_LO), r));
    LExpr *p = fma3(o, mul(o, r, r), POLY(o, r, P), r);
    p = add(o, p, num(o, 1));
    LExpr *bits = keep(o, lx_bitcast(o->f, shifted, LK_U32)); /* of MAGIC, whose low bits are 0, and n */
    if (!wide)
        return mul(o, p, power_of_two(o, bits));
    LExpr *half = keep(o, bin(o, LX_SHR, bits, lx_int(o->f, LK_U32, 1)));
    return mul(o, mul(o, p, power_of_two(o, half)), power_of_two(o, sub(o, bits, half)));
}

/* min and max keep a NaN of their second operand. */
static LExpr *expand_exp(Out *o, LExpr *x)
{
    LExpr *t = bin(o, LX_MAX, num(o, -104), bin(o, LX_MIN, num(o, 89), x));
    return exp_core(o, keep(o, t), true);
}

/* x = 2^e m with m in [sqrt(1/2), sqrt(2)); log x = e ln 2 + log(1 + f), f = m - 1. */
static LExpr *expand_log(Out *o, LExpr *x)
{
    static const double P[] = { 0x1.555548p-2, -0x1.000006p-2, 0x1.99a478p-3, -0x1.555c4ep-3, 0x1.233b78p-3,
                                -0x1.fc26acp-4, 0x1.e6c04p-4, -0x1.de1008p-4, 0x1.1484e6p-4 };
    LExpr *tiny = keep(o, less(o, x, num(o, 0x1p-126)));
    LExpr *bits = keep(o, lx_bitcast(o->f, choose(o, tiny, mul(o, x, num(o, 0x1p23)), x), LK_I32));
    LExpr *e = keep(o, bin(o, LX_SHR, sub(o, bits, i32(o, 0x3f3504f3)), i32(o, 23)));
    LExpr *m = lx_bitcast(o->f, sub(o, bits, bin(o, LX_SHL, e, i32(o, 23))), LK_F32);
    e = sub(o, lx_cast(o->f, e, LK_F32), choose(o, tiny, num(o, 23), num(o, 0)));
    e = keep(o, e);
    LExpr *f = keep(o, sub(o, m, num(o, 1))), *f2 = keep(o, mul(o, f, f));
    LExpr *t = fma3(o, mul(o, f, f2), POLY(o, f, P), mul(o, e, num(o, LN2_LO)));
    t = fma3(o, f2, num(o, -0.5), t);
    LExpr *y = fma3(o, e, num(o, LN2_HI), add(o, f, t));
    LExpr *inf = num(o, INFINITY);
    LExpr *edge = choose(o, bin(o, LX_EQ, x, num(o, 0)), num(o, -INFINITY), num(o, NAN));
    y = choose(o, less(o, num(o, 0), x), y, edge);
    return choose(o, bin(o, LX_EQ, x, inf), inf, y);
}

static LExpr *with_sign(Out *o, LExpr *magnitude, LExpr *x)
{
    return choose(o, less(o, x, num(o, 0)), un(o, LX_NEG, magnitude), magnitude);
}

/* x (1 + x^2 P(x^2)) near 0, else 1 - 2 / (exp(2 |x|) + 1). */
static LExpr *expand_tanh(Out *o, LExpr *x)
{
    static const double P[] = { -0x1.555532p-2, 0x1.1106fep-3, -0x1.b83792p-5, 0x1.520a3ap-6, -0x1.756d14p-8 };
    LExpr *a = keep(o, un(o, LX_ABS, x)), *u = keep(o, mul(o, x, x));
    LExpr *near = mul(o, x, fma3(o, u, POLY(o, u, P), num(o, 1)));
    LExpr *t = keep(o, mul(o, bin(o, LX_MIN, num(o, 10), a), num(o, 2)));
    LExpr *e = add(o, exp_core(o, t, false), num(o, 1));
    LExpr *far = keep(o, sub(o, num(o, 1), bin(o, LX_DIV, num(o, 2), e)));
    return choose(o, less(o, a, num(o, 0.625)), near, with_sign(o, far, x));
}

/* 1 / (1 + exp(-x)); below 0 as exp(x) / (1 + exp(x)), so that small results keep their digits. What the
 * sum loses to rounding is known exactly and put right where it shows, in small results: of them
 * 1 / (1 + exp(x)) is 1 less the result. */
static LExpr *expand_sigmoid(Out *o, LExpr *x)
{
    LExpr *t = bin(o, LX_MAX, num(o, -104), un(o, LX_NEG, un(o, LX_ABS, x))), *one = num(o, 1);
    LExpr *e = keep(o, exp_core(o, keep(o, t), true));
    LExpr *sum = keep(o, add(o, e, one)), *lost = sub(o, e, sub(o, sum, one));
    LExpr *y = keep(o, bin(o, LX_DIV, choose(o, less(o, x, num(o, 0)), e, one), sum));
    return fma3(o, un(o, LX_NEG, mul(o, y, lost)), sub(o, one, y), y);
}

/* x (1 + P(x^2)) near 0, else 1 - exp(Q(|x|)), Q being log(erfc). */
static LExpr *expand_erf(Out *o, LExpr *x)
{
    static const double P[] = { 0x1.06eba8p-3, -0x1.81274p-2, 0x1.ce2d64p-4, -0x1.b8011ap-6,
                                0x1.544a1ap-8, -0x1.a60a2ep-11, 0x1.4f676p-14 };
    static const double Q[] = { 0x1.3be064p-13, -0x1.211f2cp+0, -0x1.446f7ap-1, -0x1.b9ca26p-4, 0x1.95ea78p-6,
                                -0x1.05c89cp-8, 0x1.8d68dep-12, -0x1.7c8e8ap-17, -0x1.8a9454p-21 };
    LExpr *a = keep(o, un(o, LX_ABS, x)), *u = keep(o, mul(o, x, x));
    LExpr *near = mul(o, x, add(o, POLY(o, u, P), num(o, 1)));
    LExpr *t = keep(o, bin(o, LX_MIN, num(o, 4), a));
    LExpr *e = exp_core(o, keep(o, POLY(o, t, Q)), false);
    LExpr *far = keep(o, sub(o, num(o, 1), e));
    return choose(o, less(o, a, num(o, 0.92)), near, with_sign(o, far, x));
}

/* x = n pi + r in f64, pi in three parts; sin x = (-1)^n sin r, |r| <= pi / 2. n is left in the low bits
 * by an addition, as in exp_core: its last bit is the sign. */
static LExpr *expand_sin(Out *o, LExpr *x)
{
    static const double P[] = { -0x1.555556p-3, 0x1.111136p-7, -0x1.a023d8p-13, 0x1.72d1ap-19, -0x1.b6b022p-26 };
    static const double WIDE_MAGIC = 0x1.8p+52;
    LExpr *wide = keep(o, lx_cast(o->f, x, LK_F64));
    LExpr *shifted = keep(o, fma3(o, wide, num64(o, 0x1.45f306dc9c883p-2), num64(o, WIDE_MAGIC)));
    LExpr *n = keep(o, sub(o, shifted, num64(o, WIDE_MAGIC)));
    LExpr *r = fma3(o, n, num64(o, -0x1.921fb544p+1), wide);
    r = fma3(o, n, num64(o, -0x1.0b4611a6p-33), r);
    r = fma3(o, n, num64(o, -0x1.3198a2e037073p-68), r);
    LExpr *sign = bin(o, LX_SHL, lx_bitcast(o->f, shifted, LK_U64), lx_int(o->f, LK_U64, 63));
    r = lx_bitcast(o->f, bin(o, LX_XOR, lx_bitcast(o->f, r, LK_U64), sign), LK_F64);
    r = keep(o, lx_cast(o->f, r, LK_F32));
    LExpr *u = keep(o, mul(o, r, r));
    LExpr *y = fma3(o, mul(o, r, u), POLY(o, u, P), r);
    y = choose(o, bin(o, LX_EQ, x, num(o, 0)), x, y); /* keeps -0 */
    return bin(o, LX_MAX, num(o, -1), bin(o, LX_MIN, num(o, 1), y));
}

/* ---- pow ---- */

/* log2 of a positive finite f32 in f64: m as in log, s = (m - 1) / (m + 1), the series of artanh. */
static LExpr *log2_wide(Out *o, LExpr *x)
{
    static const double SERIES[] = { 1, 1.0 / 3, 1.0 / 5, 1.0 / 7, 1.0 / 9, 1.0 / 11, 1.0 / 13, 1.0 / 15, 1.0 / 17 };
    LExpr *tiny = keep(o, less(o, x, num(o, 0x1p-126)));
    LExpr *bits = keep(o, lx_bitcast(o->f, choose(o, tiny, mul(o, x, num(o, 0x1p23)), x), LK_I32));
    LExpr *e = keep(o, bin(o, LX_SHR, sub(o, bits, i32(o, 0x3f3504f3)), i32(o, 23)));
    LExpr *m = lx_bitcast(o->f, sub(o, bits, bin(o, LX_SHL, e, i32(o, 23))), LK_F32);
    m = keep(o, lx_cast(o->f, m, LK_F64));
    e = sub(o, e, choose(o, tiny, i32(o, 23), i32(o, 0)));
    LExpr *s = keep(o, bin(o, LX_DIV, sub(o, m, num64(o, 1)), add(o, m, num64(o, 1))));
    LExpr *series = mul(o, s, POLY(o, keep(o, mul(o, s, s)), SERIES));
    return fma3(o, series, num64(o, 0x1.71547652b82fep+1 /* 2 / ln 2 */), lx_cast(o->f, e, LK_F64));
}

/* 2^t, t in f64 within [-200, 200], as f32. */
static LExpr *exp2_wide(Out *o, LExpr *t)
{
    static const double SERIES[] = { 1, 1, 1.0 / 2, 1.0 / 6, 1.0 / 24, 1.0 / 120, 1.0 / 720, 1.0 / 5040,
                                     1.0 / 40320, 1.0 / 362880, 1.0 / 3628800 };
    LExpr *n = keep(o, un(o, LX_ROUND, t));
    LExpr *r = keep(o, mul(o, sub(o, t, n), num64(o, 0x1.62e42fefa39efp-1)));
    LExpr *k = lx_cast(o->f, lx_cast(o->f, n, LK_I32), LK_I64);
    LExpr *bits = lx_raw(o->f, LX_ADD, k->type, k, lx_splat(o->f, lx_i64(o->f, 1023), k->type.lanes), NULL);
    LExpr *shift = lx_splat(o->f, lx_i64(o->f, 52), k->type.lanes);
    LExpr *scale = lx_bitcast(o->f, lx_raw(o->f, LX_SHL, k->type, bits, shift, NULL), LK_F64);
    return lx_cast(o->f, mul(o, POLY(o, r, SERIES), scale), LK_F32);
}

/* |x|^y = 2^(y log2 |x|), then the special cases of C's pow. */
static LExpr *expand_pow(Out *o, LExpr *x, LExpr *y)
{
    LExpr *zero = num(o, 0), *one = num(o, 1), *inf = num(o, INFINITY);
    LExpr *a = keep(o, un(o, LX_ABS, x));
    LExpr *l = log2_wide(o, a);
    l = choose(o, bin(o, LX_EQ, a, zero), num64(o, -INFINITY), l);
    l = choose(o, less(o, a, inf), l, lx_cast(o->f, a, LK_F64)); /* infinity, NaN */
    LExpr *t = mul(o, lx_cast(o->f, y, LK_F64), l);
    t = keep(o, bin(o, LX_MAX, num64(o, -200), bin(o, LX_MIN, num64(o, 200), t)));
    LExpr *power = exp2_wide(o, t);
    power = choose(o, bin(o, LX_EQ, a, one), one, power); /* also (-1)^infinity */
    LExpr *whole = bin(o, LX_EQ, un(o, LX_FLOOR, y), y);
    LExpr *half = keep(o, mul(o, y, num(o, 0.5)));
    LExpr *odd = keep(o, bin(o, LX_AND, whole, bin(o, LX_NE, un(o, LX_FLOOR, half), half)));
    LExpr *negative = less(o, lx_bitcast(o->f, x, LK_I32), i32(o, 0));
    power = keep(o, power);
    LExpr *signed_ = choose(o, bin(o, LX_AND, negative, odd), un(o, LX_NEG, power), power);
    /* A negative base needs a whole exponent, unless it is zero or infinite. */
    LExpr *bad = bin(o, LX_AND, less(o, x, zero), un(o, LX_NOT, whole));
    bad = bin(o, LX_AND, bad, less(o, a, inf));
    signed_ = choose(o, bad, num(o, NAN), signed_);
    signed_ = choose(o, bin(o, LX_NE, x, x), x, choose(o, bin(o, LX_NE, y, y), y, signed_));
    signed_ = choose(o, bin(o, LX_EQ, x, one), one, signed_);
    return choose(o, bin(o, LX_EQ, y, zero), one, signed_);
}

/* ---- the pass ---- */

static bool has_math(const LExpr *e)
{
    return e && (e->op >= LX_EXP || has_math(e->a) || has_math(e->b) || has_math(e->c));
}

typedef struct {
    Out out;
    Vec(struct Made { LExpr *from; LExpr *to; }) made; /* in this statement */
} Pass;

static LExpr *expand(Pass *p, LExpr *e)
{
    if (!has_math(e))
        return e;
    for (int i = 0; i < p->made.len; i++)
        if (lx_equal(p->made.data[i].from, e))
            return p->made.data[i].to;
    Out *o = &p->out;
    LExpr *a = expand(p, e->a), *b = expand(p, e->b), *c = expand(p, e->c), *to;
    if (e->op < LX_EXP) {
        to = lx_with(o->f, e, a, b, c);
    } else {
        a = keep(o, a);
        switch (e->op) {
        case LX_EXP: to = expand_exp(o, a); break;
        case LX_LOG: to = expand_log(o, a); break;
        case LX_TANH: to = expand_tanh(o, a); break;
        case LX_SIGMOID: to = expand_sigmoid(o, a); break;
        case LX_ERF: to = expand_erf(o, a); break;
        case LX_SIN: to = expand_sin(o, a); break;
        default: to = expand_pow(o, a, keep(o, b)); break;
        }
        to = lx_splat(o->f, to, e->type.lanes); /* of a constant operand */
        to = keep(o, to);
    }
    VEC_PUSH(o->f->arena, &p->made, (struct Made){ e, to });
    return to;
}

static void expand_block(LFunc *f, LBlock *b)
{
    LBlock out = { 0 };
    for (int i = 0; i < b->len; i++) {
        LStmt *s = b->data[i];
        Pass p = { .out = { f, &out } };
        LExpr **part[] = { &s->index, &s->value, &s->limit, &s->lo, &s->hi };
        for (size_t k = 0; k < sizeof part / sizeof *part; k++)
            *part[k] = expand(&p, *part[k]);
        expand_block(f, &s->body);
        expand_block(f, &s->other);
        lb_append(f, &out, s);
    }
    *b = out;
}

void loop_expand_math(LFunc *f)
{
    expand_block(f, &f->body);
    loop_tidy(f);
}
