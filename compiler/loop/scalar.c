/* What one scalar operation of the loop IR computes. The builders fold constants with it and the
 * interpreter runs with it, so that the IR has one meaning: f32 is rounded after every operation, fma
 * rounds once, integers wrap. Out-of-range float-to-integer casts give the lowest value (as x86). */
#include "loop/expr.h"

#include <math.h>
#include <string.h>

int lkind_bytes(LKind kind)
{
    switch (kind) {
    case LK_F32: case LK_I32: case LK_U32: return 4;
    case LK_F64: case LK_I64: case LK_U64: return 8;
    case LK_BOOL: return 1;
    }
    return 1;
}

const char *lkind_name(LKind kind)
{
    static const char *const NAME[] = { "f32", "f64", "i32", "u32", "i64", "u64", "bool" };
    return (unsigned)kind <= LK_BOOL ? NAME[kind] : "?";
}

LVal lval_fit(LKind kind, LVal v)
{
    switch (kind) {
    case LK_F32: v.f = (double)(float)v.f; v.i = 0; break;
    case LK_F64: v.i = 0; break;
    case LK_I32: v.i = (int32_t)(uint32_t)(uint64_t)v.i; v.f = 0; break;
    case LK_U32: v.i = (int64_t)(uint32_t)(uint64_t)v.i; v.f = 0; break;
    case LK_I64: case LK_U64: v.f = 0; break;
    case LK_BOOL: v.i = v.i != 0; v.f = 0; break;
    }
    return v;
}

static const char *apply_f32(LOp op, float a, float b, float c, float *r)
{
    switch (op) {
    case LX_ADD: *r = a + b; break;
    case LX_SUB: *r = a - b; break;
    case LX_MUL: *r = a * b; break;
    case LX_DIV: *r = a / b; break;
    case LX_MIN: *r = a < b ? a : b; break;
    case LX_MAX: *r = a > b ? a : b; break;
    case LX_NEG: *r = -a; break;
    case LX_ABS: *r = fabsf(a); break;
    case LX_SQRT: *r = sqrtf(a); break;
    case LX_FLOOR: *r = floorf(a); break;
    case LX_ROUND: *r = rintf(a); break;
    case LX_FMA: *r = fmaf(a, b, c); break;
    case LX_EXP: *r = (float)exp((double)a); break;
    case LX_LOG: *r = (float)log((double)a); break;
    case LX_TANH: *r = (float)tanh((double)a); break;
    case LX_SIGMOID: *r = (float)(1 / (1 + exp(-(double)a))); break;
    case LX_ERF: *r = (float)erf((double)a); break;
    case LX_SIN: *r = (float)sin((double)a); break;
    case LX_POW: *r = (float)pow((double)a, (double)b); break;
    default: return "operation is not defined on f32";
    }
    return NULL;
}

static const char *apply_f64(LOp op, double a, double b, double c, double *r)
{
    switch (op) {
    case LX_ADD: *r = a + b; break;
    case LX_SUB: *r = a - b; break;
    case LX_MUL: *r = a * b; break;
    case LX_DIV: *r = a / b; break;
    case LX_MIN: *r = a < b ? a : b; break;
    case LX_MAX: *r = a > b ? a : b; break;
    case LX_NEG: *r = -a; break;
    case LX_ABS: *r = fabs(a); break;
    case LX_SQRT: *r = sqrt(a); break;
    case LX_FLOOR: *r = floor(a); break;
    case LX_ROUND: *r = rint(a); break;
    case LX_FMA: *r = fma(a, b, c); break;
    default: return "operation is not defined on f64";
    }
    return NULL;
}

static const char *divide(LOp op, LKind kind, int64_t a, int64_t b, int64_t *r)
{
    if (!b)
        return "division by zero";
    if (kind == LK_U64) {
        *r = (int64_t)(op == LX_DIV ? (uint64_t)a / (uint64_t)b : (uint64_t)a % (uint64_t)b);
        return NULL;
    }
    if (b == -1 && a == (kind == LK_I32 ? INT32_MIN : INT64_MIN))
        return "division overflows";
    *r = op == LX_DIV ? a / b : a % b;
    return NULL;
}

static const char *shift(LOp op, LKind kind, int64_t a, int64_t b, int64_t *r)
{
    if (b < 0 || b >= lkind_bytes(kind) * 8)
        return "shift count is not below the width of the type";
    if (op == LX_SHL)
        *r = (int64_t)((uint64_t)a << b);
    else if (kind == LK_U64)
        *r = (int64_t)((uint64_t)a >> b);
    else
        *r = a >> b; /* u32 is zero-extended, so this is logical there */
    return NULL;
}

static const char *apply_int(LOp op, LKind kind, int64_t a, int64_t b, int64_t c, int64_t *r)
{
    uint64_t x = (uint64_t)a, y = (uint64_t)b;
    bool less = kind == LK_U64 ? x < y : a < b;
    switch (op) {
    case LX_ADD: *r = (int64_t)(x + y); break;
    case LX_SUB: *r = (int64_t)(x - y); break;
    case LX_MUL: *r = (int64_t)(x * y); break;
    case LX_DIV: case LX_MOD: return divide(op, kind, a, b, r);
    case LX_MIN: *r = less ? a : b; break;
    case LX_MAX: *r = less ? b : a; break;
    case LX_NEG: *r = (int64_t)(0 - x); break;
    case LX_ABS: *r = a < 0 && kind != LK_U64 ? (int64_t)(0 - x) : a; break;
    case LX_FMA: *r = (int64_t)(x * y + (uint64_t)c); break;
    case LX_AND: *r = a & b; break;
    case LX_OR: *r = a | b; break;
    case LX_XOR: *r = a ^ b; break;
    case LX_NOT: *r = kind == LK_BOOL ? !a : ~a; break;
    case LX_SHL: case LX_SHR: return shift(op, kind, a, b, r);
    default: return "operation is not defined on integers";
    }
    return NULL;
}

static bool compare(LOp op, LKind kind, LVal a, LVal b)
{
    bool less, equal;
    if (lkind_is_float(kind)) {
        less = a.f < b.f;
        equal = a.f == b.f;
    } else {
        less = kind == LK_U64 ? (uint64_t)a.i < (uint64_t)b.i : a.i < b.i;
        equal = a.i == b.i;
    }
    switch (op) {
    case LX_EQ: return equal;
    case LX_NE: return !equal;
    case LX_LT: return less;
    default: return less || equal;
    }
}

static int64_t float_to_int(double v, LKind to)
{
    if (to == LK_BOOL)
        return v != 0;
    double lo = to == LK_I32 ? -0x1p31 : to == LK_I64 ? -0x1p63 : 0;
    double hi = to == LK_I32 ? 0x1p31 : to == LK_U32 ? 0x1p32 : to == LK_I64 ? 0x1p63 : 0x1p64;
    v = trunc(v);
    if (!(v >= lo && v < hi))
        return to == LK_I32 ? INT32_MIN : to == LK_I64 ? INT64_MIN : 0;
    return to == LK_U64 ? (int64_t)(uint64_t)v : (int64_t)v;
}

static LVal cast(LKind from, LKind to, LVal a)
{
    LVal r = { 0, 0 };
    if (lkind_is_float(from)) {
        if (lkind_is_float(to))
            r.f = a.f;
        else
            r.i = float_to_int(a.f, to);
    } else if (to == LK_F32) { /* in one rounding, not through double */
        r.f = (double)(from == LK_U64 ? (float)(uint64_t)a.i : (float)a.i);
    } else if (to == LK_F64) {
        r.f = from == LK_U64 ? (double)(uint64_t)a.i : (double)a.i;
    } else {
        r.i = to == LK_BOOL ? a.i != 0 : a.i;
    }
    return lval_fit(to, r);
}

static LVal bitcast(LKind from, LKind to, LVal a)
{
    uint64_t bits = (uint64_t)a.i;
    if (from == LK_F32) {
        float x = (float)a.f;
        uint32_t w;
        memcpy(&w, &x, sizeof w);
        bits = w;
    } else if (from == LK_F64) {
        memcpy(&bits, &a.f, sizeof bits);
    }
    LVal r = { (int64_t)bits, 0 };
    if (to == LK_F32) {
        uint32_t w = (uint32_t)bits;
        float x;
        memcpy(&x, &w, sizeof x);
        r.f = (double)x;
    } else if (to == LK_F64) {
        memcpy(&r.f, &bits, sizeof bits);
    }
    return lval_fit(to, r);
}

const char *lval_apply(LOp op, LKind kind, LKind to, LVal a, LVal b, LVal c, LVal *out)
{
    LVal r = { 0, 0 };
    const char *fault = NULL;
    if (op >= LX_EQ && op <= LX_LE) {
        out->i = compare(op, kind, a, b);
        out->f = 0;
        return NULL;
    }
    if (op == LX_CAST || op == LX_BITCAST) {
        *out = op == LX_CAST ? cast(kind, to, a) : bitcast(kind, to, a);
        return NULL;
    }
    if (kind == LK_F32) {
        float x = 0;
        fault = apply_f32(op, (float)a.f, (float)b.f, (float)c.f, &x);
        r.f = (double)x;
    } else if (kind == LK_F64) {
        fault = apply_f64(op, a.f, b.f, c.f, &r.f);
    } else {
        fault = apply_int(op, kind, a.i, b.i, c.i, &r.i);
    }
    if (!fault)
        *out = lval_fit(kind, r);
    return fault;
}
