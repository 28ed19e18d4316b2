/* Integer algebra on scalar i64 expressions, which index arithmetic is made of: sums are kept as
 * `base + sum of coef * atom`, so that equal terms merge and what cancels goes, and quotients and
 * remainders by a constant are resolved where the known ranges of loop variables allow it. An atom is
 * anything that is not itself a sum or a product by a constant. Wrapping arithmetic is a ring, so
 * regrouping never changes a value. */
#include "loop/expr.h"

static int64_t wrap_add(int64_t a, int64_t b) { return (int64_t)((uint64_t)a + (uint64_t)b); }
static int64_t wrap_mul(int64_t a, int64_t b) { return (int64_t)((uint64_t)a * (uint64_t)b); }

static void add_term(LAffine *s, LExpr *atom, int64_t coef)
{
    for (int i = 0; i < s->n; i++) {
        if (!lx_equal(s->term[i].atom, atom))
            continue;
        s->term[i].coef = wrap_add(s->term[i].coef, coef);
        return;
    }
    if (s->n == AFFINE_MAX) {
        s->overflow = true;
        return;
    }
    s->term[s->n].atom = atom;
    s->term[s->n++].coef = coef;
}

static void collect(LAffine *s, LExpr *e, int64_t scale)
{
    switch (e->op) {
    case LX_CONST:
        s->base = wrap_add(s->base, wrap_mul(e->ival, scale));
        return;
    case LX_ADD: case LX_SUB:
        collect(s, e->a, scale);
        collect(s, e->b, e->op == LX_ADD ? scale : wrap_mul(scale, -1));
        return;
    case LX_NEG:
        collect(s, e->a, wrap_mul(scale, -1));
        return;
    case LX_MUL:
        if (e->b->op == LX_CONST) {
            collect(s, e->a, wrap_mul(scale, e->b->ival));
            return;
        }
        if (e->a->op == LX_CONST) {
            collect(s, e->b, wrap_mul(scale, e->a->ival));
            return;
        }
        break;
    default:
        break;
    }
    add_term(s, e, scale);
}

/* k * m * (x / (c * m)) and k * ((x / c) % m) are together k * (x / c). */
static bool join_nested(LAffine *s, int i, int j)
{
    LExpr *q = s->term[i].atom, *r = s->term[j].atom;
    int64_t k = s->term[j].coef;
    if (k == 0 || r->op != LX_MOD || r->b->op != LX_CONST || r->a->op != LX_DIV || r->a->b->op != LX_CONST ||
        !lx_equal(r->a->a, q->a) || wrap_mul(r->a->b->ival, r->b->ival) != q->b->ival ||
        wrap_mul(k, r->b->ival) != s->term[i].coef)
        return false;
    s->term[i].coef = 0;
    s->term[j].coef = 0;
    collect(s, r->a, k);
    return true;
}

/* k * (x / c) and the matching (k / c) * (x % c) are together (k / c) * x. */
static bool join_quotient(LAffine *s)
{
    for (int i = 0; i < s->n; i++) {
        LExpr *q = s->term[i].atom;
        if (q->op != LX_DIV || q->b->op != LX_CONST || !q->b->ival || !s->term[i].coef)
            continue;
        for (int j = 0; j < s->n; j++) {
            LExpr *r = s->term[j].atom;
            if (join_nested(s, i, j))
                return true;
            if (r->op != LX_MOD || !lx_equal(r->a, q->a) || !lx_equal(r->b, q->b) ||
                s->term[j].coef == 0 || wrap_mul(s->term[j].coef, q->b->ival) != s->term[i].coef)
                continue;
            int64_t k = s->term[j].coef;
            s->term[i].coef = 0;
            s->term[j].coef = 0;
            collect(s, q->a, k);
            return true;
        }
    }
    return false;
}

static void tidy(LAffine *s)
{
    while (!s->overflow && join_quotient(s))
        ;
    int n = 0;
    for (int i = 0; i < s->n; i++)
        if (s->term[i].coef)
            s->term[n++] = s->term[i];
    s->n = n;
}

LAffine lx_affine(LExpr *e)
{
    LAffine s = { 0 };
    collect(&s, e, 1);
    tidy(&s);
    return s;
}

LExpr *lx_from_affine(LFunc *f, const LAffine *s)
{
    LType t = ltype(LK_I64, 1);
    LExpr *sum = NULL;
    for (int sign = 1; sign >= -1; sign -= 2) { /* positive terms first, so that no NEG is needed */
        for (int i = 0; i < s->n; i++) {
            int64_t k = s->term[i].coef;
            if ((k > 0) != (sign > 0))
                continue;
            bool minus = sum && k < 0 && k != INT64_MIN;
            if (minus)
                k = -k;
            LExpr *e = s->term[i].atom;
            if (k != 1)
                e = lx_raw(f, LX_MUL, t, e, lx_i64(f, k), NULL);
            sum = sum ? lx_raw(f, minus ? LX_SUB : LX_ADD, t, sum, e, NULL) : e;
        }
    }
    if (!sum)
        return lx_i64(f, s->base);
    if (s->base < 0 && s->base != INT64_MIN)
        return lx_raw(f, LX_SUB, t, sum, lx_i64(f, -s->base), NULL);
    return s->base ? lx_raw(f, LX_ADD, t, sum, lx_i64(f, s->base), NULL) : sum;
}

/* ---- ranges ---- */

static bool scale_range(int64_t k, int64_t *lo, int64_t *hi)
{
    int64_t a, b;
    if (__builtin_mul_overflow(*lo, k, &a) || __builtin_mul_overflow(*hi, k, &b))
        return false;
    *lo = a < b ? a : b;
    *hi = a < b ? b : a;
    return true;
}

static bool atom_range(const LExpr *e, int64_t *lo, int64_t *hi)
{
    int64_t a, b, c, d;
    switch (e->op) {
    case LX_VAR:
        *lo = e->var->min;
        *hi = e->var->max;
        return e->var->ranged;
    case LX_DIV:
        if (e->b->op != LX_CONST || e->b->ival <= 0 || !lx_range(e->a, &a, &b))
            return false;
        *lo = a / e->b->ival;
        *hi = b / e->b->ival;
        return true;
    case LX_MOD:
        if (e->b->op != LX_CONST || e->b->ival <= 0 || !lx_range(e->a, &a, &b) || a < 0)
            return false;
        *lo = 0;
        *hi = b < e->b->ival - 1 ? b : e->b->ival - 1;
        return true;
    case LX_MIN: case LX_MAX: {
        bool is_min = e->op == LX_MIN;
        if (!lx_range(e->a, &a, &b) || !lx_range(e->b, &c, &d))
            return false;
        *lo = (a < c) == is_min ? a : c;
        *hi = (b < d) == is_min ? b : d;
        return true;
    }
    case LX_SELECT:
        if (!lx_range(e->b, &a, &b) || !lx_range(e->c, &c, &d))
            return false;
        *lo = a < c ? a : c;
        *hi = b > d ? b : d;
        return true;
    default:
        return false;
    }
}

static bool affine_range(const LAffine *s, int64_t *min, int64_t *max)
{
    if (s->overflow)
        return false;
    *min = *max = s->base;
    for (int i = 0; i < s->n; i++) {
        int64_t lo, hi;
        if (!atom_range(s->term[i].atom, &lo, &hi) || !scale_range(s->term[i].coef, &lo, &hi) ||
            __builtin_add_overflow(*min, lo, min) || __builtin_add_overflow(*max, hi, max))
            return false;
    }
    return true;
}

bool lx_range(const LExpr *e, int64_t *min, int64_t *max)
{
    if (e->type.kind != LK_I64 || e->type.lanes != 1)
        return false;
    LAffine s = lx_affine((LExpr *)e); /* reads only */
    return affine_range(&s, min, max);
}

/* ---- quotient and remainder by a constant ---- */

static int64_t gcd(int64_t a, int64_t b)
{
    if (a < 0)
        a = -a;
    while (b) {
        int64_t r = a % b;
        a = b;
        b = r;
    }
    return a;
}

/* s = m * multiple + rest, with the terms whose coefficient m divides on the left. */
static void split(const LAffine *s, int64_t m, LAffine *multiple, LAffine *rest)
{
    *multiple = *rest = (LAffine){ 0 };
    int64_t low = s->base % m;
    if (low < 0)
        low += m;
    rest->base = low;
    multiple->base = (s->base - low) / m;
    for (int i = 0; i < s->n; i++) {
        bool whole = s->term[i].coef % m == 0;
        LAffine *to = whole ? multiple : rest;
        to->term[to->n].atom = s->term[i].atom;
        to->term[to->n++].coef = whole ? s->term[i].coef / m : s->term[i].coef;
    }
}

static LExpr *fold_divmod(LFunc *f, LOp op, LExpr *a, LExpr *b)
{
    LType t = ltype(LK_I64, 1);
    LExpr *plain = lx_raw(f, op, t, a, b, NULL);
    int64_t c = b->op == LX_CONST ? b->ival : 0, lo, hi, rlo, rhi, qlo, qhi;
    if (c == 1)
        return op == LX_DIV ? a : lx_i64(f, 0);
    LAffine s = lx_affine(a), q, r;
    /* Everything below needs truncation and flooring to agree: a non-negative dividend. */
    if (c <= 0 || !affine_range(&s, &lo, &hi) || lo < 0)
        return plain;
    if (hi < c)
        return op == LX_DIV ? lx_i64(f, 0) : a;
    split(&s, c, &q, &r);
    bool sound = affine_range(&r, &rlo, &rhi) && rlo >= 0 && affine_range(&q, &qlo, &qhi) && qlo >= 0;
    if (sound && rhi < c)
        return lx_from_affine(f, op == LX_DIV ? &q : &r);
    if (sound && (q.n || q.base)) {
        LExpr *rest = lx_from_affine(f, &r);
        if (op == LX_MOD)
            return fold_divmod(f, LX_MOD, rest, b);
        return lx_add(f, lx_from_affine(f, &q), fold_divmod(f, LX_DIV, rest, b));
    }
    /* (g*x + y) / (g*d) is x / d where 0 <= y < g. */
    if (op == LX_DIV) {
        for (int i = 0; i < s.n; i++) {
            int64_t g = gcd(s.term[i].coef, c);
            if (g <= 1 || g == c)
                continue;
            split(&s, g, &q, &r);
            if (affine_range(&r, &rlo, &rhi) && rlo >= 0 && rhi < g && affine_range(&q, &qlo, &qhi) &&
                qlo >= 0)
                return fold_divmod(f, LX_DIV, lx_from_affine(f, &q), lx_i64(f, c / g));
        }
        if (a->op == LX_DIV && a->b->op == LX_CONST && a->b->ival > 0 &&
            !__builtin_mul_overflow(a->b->ival, c, &lo))
            return fold_divmod(f, LX_DIV, a->a, lx_i64(f, lo)); /* (x / k) / c */
    }
    return plain;
}

LExpr *lx_fold_i64(LFunc *f, LOp op, LExpr *a, LExpr *b)
{
    if (op == LX_DIV || op == LX_MOD)
        return fold_divmod(f, op, a, b);
    LAffine s = { 0 };
    if (op == LX_MUL) {
        if (a->op == LX_CONST) {
            LExpr *swap = a;
            a = b;
            b = swap;
        }
        if (b->op != LX_CONST)
            return lx_raw(f, LX_MUL, ltype(LK_I64, 1), a, b, NULL);
        collect(&s, a, b->ival);
    } else {
        collect(&s, a, 1);
        collect(&s, b, op == LX_SUB ? -1 : 1);
    }
    tidy(&s);
    return s.overflow ? lx_raw(f, op, ltype(LK_I64, 1), a, b, NULL) : lx_from_affine(f, &s);
}

bool lx_linear(LFunc *f, LExpr *e, const LVar *var, int64_t *coef, LExpr **rest)
{
    if (e->type.kind != LK_I64 || e->type.lanes != 1)
        return false;
    LAffine s = lx_affine(e);
    if (s.overflow)
        return false;
    *coef = 0;
    int n = 0;
    for (int i = 0; i < s.n; i++) {
        LExpr *atom = s.term[i].atom;
        if (atom->op == LX_VAR && atom->var == var)
            *coef = s.term[i].coef;
        else if (lx_uses(atom, var))
            return false;
        else
            s.term[n++] = s.term[i];
    }
    s.n = n;
    *rest = lx_from_affine(f, &s);
    return true;
}
