/* Expression builders of the loop IR. Establishes: every tree is well typed (mixed scalar and vector
 * operands are splatted), constants are folded with the IR's own scalar semantics, neutral elements
 * are gone, scalar i64 arithmetic is in the canonical form of fold.c. A float is only simplified where
 * the result has the same bits for every value (x * 1, x - 0; never x + 0, which turns -0 into 0). */
#include "loop/expr.h"

#include <string.h>

LExpr *lx_raw(LFunc *f, LOp op, LType type, LExpr *a, LExpr *b, LExpr *c)
{
    LExpr *e = ARENA_NEW(f->arena, LExpr);
    *e = (LExpr){ .op = op, .type = type, .a = a, .b = b, .c = c };
    return e;
}

static LExpr *make_const(LFunc *f, LKind kind, LVal v)
{
    v = lval_fit(kind, v);
    LExpr *e = lx_raw(f, LX_CONST, ltype(kind, 1), NULL, NULL, NULL);
    e->ival = v.i;
    e->fval = v.f;
    return e;
}

LExpr *lx_int(LFunc *f, LKind kind, int64_t value)
{
    return make_const(f, kind, (LVal){ value, (double)value });
}

LExpr *lx_float(LFunc *f, double value) { return make_const(f, LK_F32, (LVal){ 0, value }); }

LExpr *lx_var(LFunc *f, const LVar *v)
{
    LExpr *e = lx_raw(f, LX_VAR, v->type, NULL, NULL, NULL);
    e->var = v;
    return e;
}

LExpr *lx_load(LFunc *f, const LBuf *buf, LExpr *index, int lanes, LExpr *limit)
{
    LExpr *e = lx_raw(f, LX_LOAD, ltype(buf->kind, lanes), index, limit, NULL);
    e->buf = buf;
    if (limit && limit->op == LX_CONST && limit->ival >= lanes)
        e->b = NULL;
    return e;
}

/* ---- looking at trees ---- */

const LExpr *lx_constant(const LExpr *e)
{
    if (e && e->op == LX_SPLAT)
        e = e->a;
    return e && e->op == LX_CONST ? e : NULL;
}

bool lx_is_int(const LExpr *e, int64_t value)
{
    e = lx_constant(e);
    return e && !lkind_is_float(e->type.kind) && e->ival == value;
}

static bool is_float(const LExpr *e, double value)
{
    e = lx_constant(e);
    return e && lkind_is_float(e->type.kind) && memcmp(&e->fval, &value, sizeof value) == 0;
}

bool lx_equal(const LExpr *a, const LExpr *b)
{
    if (a == b)
        return true;
    if (!a || !b || a->op != b->op || a->type.kind != b->type.kind || a->type.lanes != b->type.lanes ||
        a->ival != b->ival || a->var != b->var || a->buf != b->buf ||
        memcmp(&a->fval, &b->fval, sizeof a->fval) != 0)
        return false;
    return lx_equal(a->a, b->a) && lx_equal(a->b, b->b) && lx_equal(a->c, b->c);
}

bool lx_uses(const LExpr *e, const LVar *var)
{
    if (!e)
        return false;
    if (e->op == LX_VAR)
        return e->var == var;
    return lx_uses(e->a, var) || lx_uses(e->b, var) || lx_uses(e->c, var);
}

bool lx_reads_memory(const LExpr *e)
{
    return e && (e->op == LX_LOAD || lx_reads_memory(e->a) || lx_reads_memory(e->b) ||
                 lx_reads_memory(e->c));
}

/* ---- folding ---- */

static LVal value_of(const LExpr *e)
{
    const LExpr *k = lx_constant(e);
    return k ? (LVal){ k->ival, k->fval } : (LVal){ 0, 0 };
}

/* The folded constant, splatted to the operands' lanes, or NULL. */
static LExpr *fold(LFunc *f, LOp op, LKind to, LExpr *a, LExpr *b, LExpr *c)
{
    if (!lx_constant(a) || (b && !lx_constant(b)) || (c && !lx_constant(c)))
        return NULL;
    LVal r;
    if (lval_apply(op, (LKind)a->type.kind, to, value_of(a), value_of(b), value_of(c), &r))
        return NULL;
    return lx_splat(f, make_const(f, to, r), a->type.lanes);
}

static void match_lanes(LFunc *f, LExpr **a, LExpr **b)
{
    int lanes = (*a)->type.lanes > (*b)->type.lanes ? (*a)->type.lanes : (*b)->type.lanes;
    *a = lx_splat(f, *a, lanes);
    *b = lx_splat(f, *b, lanes);
}

LExpr *lx_un(LFunc *f, LOp op, LExpr *a)
{
    bool horizontal = op == LX_HADD || op == LX_HMIN || op == LX_HMAX;
    if (horizontal) {
        if (a->type.lanes == 1)
            return a;
        return lx_raw(f, op, ltype((LKind)a->type.kind, 1), a, NULL, NULL);
    }
    LExpr *k = fold(f, op, (LKind)a->type.kind, a, NULL, NULL);
    if (k)
        return k;
    if (a->op == op && (op == LX_NEG || op == LX_NOT))
        return a->a;
    if (a->op == op && (op == LX_ABS || op == LX_FLOOR || op == LX_ROUND))
        return a;
    if (op == LX_NEG && a->type.kind == LK_I64 && a->type.lanes == 1)
        return lx_fold_i64(f, LX_MUL, a, lx_i64(f, -1));
    return lx_raw(f, op, a->type, a, NULL, NULL);
}

static bool all_bits(const LExpr *e)
{
    int64_t all = e->type.kind == LK_BOOL ? 1 : e->type.kind == LK_U32 ? (int64_t)UINT32_MAX : -1;
    return lx_is_int(e, all);
}

/* Neutral and absorbing elements; NULL where there are none. Integer values only need to be equal,
 * floats must have the same bits. */
static LExpr *neutral(LExpr *a, LExpr *b, LOp op)
{
    switch (op) {
    case LX_ADD:
        if (lx_is_int(a, 0) || is_float(a, -0.0))
            return b;
        return lx_is_int(b, 0) || is_float(b, -0.0) ? a : NULL;
    case LX_SUB:
        return lx_is_int(b, 0) || is_float(b, 0.0) ? a : NULL;
    case LX_MUL:
        if (lx_is_int(a, 1) || is_float(a, 1.0) || lx_is_int(b, 0))
            return b;
        return lx_is_int(b, 1) || is_float(b, 1.0) || lx_is_int(a, 0) ? a : NULL;
    case LX_DIV:
        return lx_is_int(b, 1) || is_float(b, 1.0) ? a : NULL;
    case LX_MIN: case LX_MAX:
        return lx_equal(a, b) ? a : NULL;
    case LX_AND:
        if (lx_equal(a, b) || lx_is_int(a, 0) || all_bits(b))
            return a;
        return lx_is_int(b, 0) || all_bits(a) ? b : NULL;
    case LX_OR:
        if (lx_equal(a, b) || lx_is_int(b, 0) || all_bits(a))
            return a;
        return lx_is_int(a, 0) || all_bits(b) ? b : NULL;
    case LX_XOR:
        return lx_is_int(b, 0) ? a : lx_is_int(a, 0) ? b : NULL;
    case LX_SHL: case LX_SHR:
        return lx_is_int(b, 0) ? a : NULL;
    default:
        break;
    }
    return NULL;
}

/* Comparisons that the ranges of loop variables decide, and of equal integers. */
static LExpr *decide(LFunc *f, LOp op, LExpr *a, LExpr *b)
{
    if (!lkind_is_float(a->type.kind) && lx_equal(a, b))
        return lx_splat(f, lx_int(f, LK_BOOL, op == LX_EQ || op == LX_LE), a->type.lanes);
    if (a->type.kind != LK_I64 || a->type.lanes != 1)
        return NULL;
    int64_t lo, hi;
    if (!lx_range(lx_fold_i64(f, LX_SUB, b, a), &lo, &hi)) /* a op b is 0 op b - a */
        return NULL;
    switch (op) {
    case LX_LT: return lo > 0 || hi <= 0 ? lx_int(f, LK_BOOL, lo > 0) : NULL;
    case LX_LE: return lo >= 0 || hi < 0 ? lx_int(f, LK_BOOL, lo >= 0) : NULL;
    case LX_EQ: case LX_NE:
        return lo > 0 || hi < 0 ? lx_int(f, LK_BOOL, op == LX_NE) : NULL;
    default: return NULL;
    }
}

LExpr *lx_bin(LFunc *f, LOp op, LExpr *a, LExpr *b)
{
    match_lanes(f, &a, &b);
    bool comparison = op >= LX_EQ && op <= LX_LE;
    LKind to = comparison ? LK_BOOL : (LKind)a->type.kind;
    LExpr *k = fold(f, op, to, a, b, NULL);
    if (!k)
        k = comparison ? decide(f, op, a, b) : neutral(a, b, op);
    if (k)
        return k;
    if (a->type.kind == LK_I64 && a->type.lanes == 1) {
        if (op == LX_ADD || op == LX_SUB || op == LX_MUL || op == LX_DIV || op == LX_MOD)
            return lx_fold_i64(f, op, a, b);
        int64_t lo, hi;
        if ((op == LX_MIN || op == LX_MAX) && lx_range(lx_fold_i64(f, LX_SUB, b, a), &lo, &hi)) {
            if (lo >= 0)
                return op == LX_MIN ? a : b;
            if (hi <= 0)
                return op == LX_MIN ? b : a;
        }
    }
    return lx_raw(f, op, ltype(to, a->type.lanes), a, b, NULL);
}

LExpr *lx_fma(LFunc *f, LExpr *a, LExpr *b, LExpr *c)
{
    match_lanes(f, &a, &b);
    match_lanes(f, &a, &c);
    match_lanes(f, &b, &c);
    LExpr *k = fold(f, LX_FMA, (LKind)a->type.kind, a, b, c);
    if (k)
        return k;
    if (!lkind_is_float(a->type.kind))
        return lx_add(f, lx_mul(f, a, b), c);
    if (is_float(a, 1.0))
        return lx_add(f, b, c);
    if (is_float(b, 1.0))
        return lx_add(f, a, c);
    return lx_raw(f, LX_FMA, a->type, a, b, c);
}

LExpr *lx_select(LFunc *f, LExpr *cond, LExpr *a, LExpr *b)
{
    match_lanes(f, &a, &b);
    if (cond->type.lanes > a->type.lanes) {
        a = lx_splat(f, a, cond->type.lanes);
        b = lx_splat(f, b, cond->type.lanes);
    }
    const LExpr *k = lx_constant(cond);
    if (k)
        return k->ival ? a : b;
    if (lx_equal(a, b))
        return a;
    return lx_raw(f, LX_SELECT, a->type, lx_splat(f, cond, a->type.lanes), a, b);
}

LExpr *lx_cast(LFunc *f, LExpr *a, LKind kind)
{
    if (a->type.kind == kind)
        return a;
    LExpr *k = fold(f, LX_CAST, kind, a, NULL, NULL);
    return k ? k : lx_raw(f, LX_CAST, ltype(kind, a->type.lanes), a, NULL, NULL);
}

LExpr *lx_bitcast(LFunc *f, LExpr *a, LKind kind)
{
    if (a->type.kind == kind)
        return a;
    LExpr *k = fold(f, LX_BITCAST, kind, a, NULL, NULL);
    return k ? k : lx_raw(f, LX_BITCAST, ltype(kind, a->type.lanes), a, NULL, NULL);
}

LExpr *lx_splat(LFunc *f, LExpr *a, int lanes)
{
    if (a->type.lanes == lanes || a->type.lanes > 1)
        return a;
    return lx_raw(f, LX_SPLAT, ltype((LKind)a->type.kind, lanes), a, NULL, NULL);
}

LExpr *lx_ramp(LFunc *f, LExpr *a, int lanes)
{
    if (lanes == 1)
        return a;
    return lx_raw(f, LX_RAMP, ltype((LKind)a->type.kind, lanes), a, NULL, NULL);
}

LExpr *lx_lane(LFunc *f, LExpr *a, int lane)
{
    if (a->type.lanes == 1)
        return a;
    if (a->op == LX_SPLAT)
        return a->a;
    if (a->op == LX_RAMP)
        return lx_add(f, a->a, lx_int(f, (LKind)a->type.kind, lane));
    LExpr *e = lx_raw(f, LX_LANE, ltype((LKind)a->type.kind, 1), a, NULL, NULL);
    e->ival = lane;
    return e;
}

LExpr *lx_math(LFunc *f, LOp op, LExpr *a, LExpr *b)
{
    if (b)
        match_lanes(f, &a, &b);
    LExpr *k = fold(f, op, (LKind)a->type.kind, a, b, NULL);
    return k ? k : lx_raw(f, op, a->type, a, b, NULL);
}

/* ---- rebuilding ---- */

LExpr *lx_with(LFunc *f, const LExpr *e, LExpr *a, LExpr *b, LExpr *c)
{
    switch (e->op) {
    case LX_CONST: return make_const(f, (LKind)e->type.kind, (LVal){ e->ival, e->fval });
    case LX_VAR: return lx_var(f, e->var);
    case LX_LOAD: return lx_load(f, e->buf, a, e->type.lanes, b);
    case LX_FMA: return lx_fma(f, a, b, c);
    case LX_SELECT: return lx_select(f, a, b, c);
    case LX_CAST: return lx_cast(f, a, (LKind)e->type.kind);
    case LX_BITCAST: return lx_bitcast(f, a, (LKind)e->type.kind);
    case LX_SPLAT: return lx_splat(f, a, e->type.lanes);
    case LX_RAMP: return lx_ramp(f, a, e->type.lanes);
    case LX_LANE: return lx_lane(f, a, (int)e->ival);
    case LX_EXP: case LX_LOG: case LX_TANH: case LX_SIGMOID: case LX_ERF: case LX_SIN: case LX_POW:
        return lx_math(f, e->op, a, b);
    default: return b ? lx_bin(f, e->op, a, b) : lx_un(f, e->op, a);
    }
}

LExpr *lx_subst(LFunc *f, LExpr *e, const LVar *var, LExpr *value)
{
    if (!e || e->op == LX_CONST)
        return e;
    if (e->op == LX_VAR)
        return e->var == var ? value : e;
    LExpr *a = lx_subst(f, e->a, var, value), *b = lx_subst(f, e->b, var, value),
          *c = lx_subst(f, e->c, var, value);
    return a == e->a && b == e->b && c == e->c ? e : lx_with(f, e, a, b, c);
}
