/* Expressions and stores as LLVM values. */
#include "back/llvm/lower.h"
#include "loop/expr.h"

#include <string.h>

static bool is_real(LType t) { return t.kind == LK_F32 || t.kind == LK_F64; }
static bool is_signed(LType t) { return t.kind == LK_I32 || t.kind == LK_I64; }

/* ---- constants ---- */

static LLVMValueRef splat_constant(LLVMValueRef scalar, int lanes)
{
    LLVMValueRef all[32];
    for (int i = 0; i < lanes; i++)
        all[i] = scalar;
    return LLVMConstVector(all, (unsigned)lanes);
}

static LLVMValueRef constant(const Lower *g, LType type, int64_t ival, double fval)
{
    LLVMTypeRef t = low_type(g, ltype((LKind)type.kind, 1));
    LLVMValueRef c = is_real(type) ? LLVMConstReal(t, type.kind == LK_F32 ? (double)(float)fval : fval)
                                   : LLVMConstInt(t, (unsigned long long)ival, false);
    return type.lanes == 1 ? c : splat_constant(c, type.lanes);
}

/* 0, 1, 2, ... of an integer type */
static LLVMValueRef ramp_constant(LLVMTypeRef scalar, int lanes)
{
    LLVMValueRef all[32];
    for (int i = 0; i < lanes; i++)
        all[i] = LLVMConstInt(scalar, (unsigned long long)i, false);
    return LLVMConstVector(all, (unsigned)lanes);
}

LLVMValueRef low_table(Lower *g, const LBuf *b)
{
    LLVMTypeRef element = low_memory_type(g, ltype(b->kind, 1));
    LLVMValueRef *v = ARENA_ARRAY(g->arena, LLVMValueRef, b->count + 1);
    for (int64_t i = 0; i < b->count; i++)
        v[i] = lkind_is_float(b->kind) ? LLVMConstReal(element, b->data[i])
                                       : LLVMConstInt(element, (unsigned long long)(int64_t)b->data[i], false);
    LLVMValueRef data = LLVMConstArray2(element, v, (uint64_t)b->count);
    LLVMValueRef table = LLVMAddGlobal(g->module, LLVMTypeOf(data),
                                       arena_printf(g->arena, "%s.table%d", g->func->name, g->n_tables++));
    LLVMSetInitializer(table, data);
    LLVMSetGlobalConstant(table, true);
    LLVMSetLinkage(table, LLVMPrivateLinkage);
    LLVMSetUnnamedAddress(table, LLVMGlobalUnnamedAddr);
    LLVMSetAlignment(table, NNR_ALIGN);
    return table;
}

/* ---- memory ---- */

int64_t low_gcd(int64_t a, int64_t b)
{
    while (b) {
        int64_t r = a % b;
        a = b;
        b = r;
    }
    return a < 0 ? -a : a;
}

int64_t low_factor(const Lower *g, const LExpr *e)
{
    switch (e->op) {
    case LX_CONST: return e->ival < 0 ? -e->ival : e->ival;
    case LX_VAR: return e->var->mutable_ ? 1 : g->frame.factor[e->var->id];
    case LX_ADD:
    case LX_SUB: return low_gcd(low_factor(g, e->a), low_factor(g, e->b));
    case LX_MUL: {
        int64_t a = low_factor(g, e->a), b = low_factor(g, e->b);
        return a > 1 << 20 || b > 1 << 20 ? low_gcd(a, 1 << 20) : a * b;
    }
    default: return 1;
    }
}

/* Bytes an access of whole elements at index is surely aligned to. */
static unsigned alignment(const Lower *g, const LBuf *buf, const LExpr *index)
{
    int64_t at = low_factor(g, index) * lkind_bytes(buf->kind);
    return (unsigned)low_gcd(g->align[buf->id], at);
}

static LLVMValueRef address(Lower *g, const LBuf *buf, const LExpr *index)
{
    LLVMValueRef i = low_expr(g, index), base = g->frame.buf[buf->id];
    return LLVMBuildInBoundsGEP2(g->b, low_memory_type(g, ltype(buf->kind, 1)), base, &i, 1, "");
}

/* Lanes below the limit: a constant where the limit is one. */
static LLVMValueRef mask(Lower *g, const LExpr *limit, int lanes)
{
    if (limit->op == LX_CONST) {
        LLVMValueRef bit[32];
        for (int i = 0; i < lanes; i++)
            bit[i] = LLVMConstInt(g->i1, i < limit->ival, false);
        return LLVMConstVector(bit, (unsigned)lanes);
    }
    LLVMValueRef args[2] = { low_expr(g, limit), low_int(g, lanes) };
    LLVMValueRef n = low_intrinsic(g, "llvm.smin", &g->i64, 1, args, 2);
    args[0] = n, args[1] = low_int(g, 0);
    n = low_intrinsic(g, "llvm.smax", &g->i64, 1, args, 2);
    n = LLVMBuildTrunc(g->b, n, g->i32, "");
    LLVMTypeRef wide = LLVMVectorType(g->i32, (unsigned)lanes);
    LLVMValueRef all = LLVMBuildInsertElement(g->b, LLVMGetPoison(wide), n, LLVMConstInt(g->i32, 0, false), "");
    all = LLVMBuildShuffleVector(g->b, all, LLVMGetPoison(wide), LLVMConstNull(wide), "");
    return LLVMBuildICmp(g->b, LLVMIntULT, ramp_constant(g->i32, lanes), all, "");
}

/* NULL: every lane is below it. */
static const LExpr *real_limit(const LExpr *limit, int lanes)
{
    return limit && limit->op == LX_CONST && limit->ival >= lanes ? NULL : limit;
}

static LLVMValueRef lower_load(Lower *g, const LExpr *e)
{
    LLVMTypeRef type = low_memory_type(g, e->type);
    LLVMValueRef p = address(g, e->buf, e->a), v;
    unsigned align = alignment(g, e->buf, e->a);
    const LExpr *limit = real_limit(e->b, e->type.lanes);
    if (limit) {
        LLVMTypeRef overloads[2] = { type, g->ptr };
        LLVMValueRef args[4] = { p, LLVMConstInt(g->i32, align, false), mask(g, limit, e->type.lanes), LLVMConstNull(type) };
        v = low_intrinsic(g, "llvm.masked.load", overloads, 2, args, 4);
    } else {
        v = LLVMBuildLoad2(g->b, type, p, "");
        LLVMSetAlignment(v, align);
    }
    return e->type.kind == LK_BOOL ? LLVMBuildICmp(g->b, LLVMIntNE, v, LLVMConstNull(type), "") : v;
}

void low_prefetch(Lower *g, const LStmt *s)
{
    /* the place may be outside the buffer: no in-bounds promise */
    LLVMValueRef i = low_expr(g, s->index), base = g->frame.buf[s->buf->id];
    LLVMValueRef p = LLVMBuildGEP2(g->b, low_memory_type(g, ltype(s->buf->kind, 1)), base, &i, 1, "");
    LLVMValueRef args[4] = { p, LLVMConstInt(g->i32, 0, false), LLVMConstInt(g->i32, 3, false),
                             LLVMConstInt(g->i32, 1, false) };
    low_intrinsic(g, "llvm.prefetch", &g->ptr, 1, args, 4);
}

void low_store(Lower *g, const LStmt *s)
{
    LType type = s->value->type;
    LLVMValueRef v = low_expr(g, s->value);
    if (type.kind == LK_BOOL)
        v = LLVMBuildZExt(g->b, v, low_memory_type(g, type), "");
    LLVMValueRef p = address(g, s->buf, s->index);
    unsigned align = alignment(g, s->buf, s->index);
    const LExpr *limit = real_limit(s->limit, type.lanes);
    if (limit) {
        LLVMTypeRef overloads[2] = { LLVMTypeOf(v), g->ptr };
        LLVMValueRef args[4] = { v, p, LLVMConstInt(g->i32, align, false), mask(g, limit, type.lanes) };
        low_intrinsic(g, "llvm.masked.store", overloads, 2, args, 4);
    } else {
        LLVMSetAlignment(LLVMBuildStore(g->b, v, p), align);
    }
}

/* ---- arithmetic ---- */

static LLVMValueRef contract(LLVMValueRef v)
{
    if (LLVMIsAInstruction(v) && LLVMCanValueUseFastMathFlags(v))
        LLVMSetFastMathFlags(v, LLVMFastMathAllowContract);
    return v;
}

/* i64 scalars are index arithmetic, which does not overflow; other integers wrap. */
static LLVMValueRef no_wrap(LType t, LLVMValueRef v)
{
    if (t.kind == LK_I64 && t.lanes == 1 && LLVMIsABinaryOperator(v))
        LLVMSetNSW(v, true);
    return v;
}

static LLVMValueRef lower_divide(Lower *g, const LExpr *e, LLVMValueRef a, LLVMValueRef b)
{
    if (is_real(e->type))
        return LLVMBuildFDiv(g->b, a, b, "");
    int64_t min, max;
    bool natural = !is_signed(e->type) || (e->type.kind == LK_I64 && e->type.lanes == 1 && lx_range(e->a, &min, &max) &&
                                           min >= 0 && lx_range(e->b, &min, &max) && min > 0);
    if (e->op == LX_MOD)
        return natural ? LLVMBuildURem(g->b, a, b, "") : LLVMBuildSRem(g->b, a, b, "");
    return natural ? LLVMBuildUDiv(g->b, a, b, "") : LLVMBuildSDiv(g->b, a, b, "");
}

static LLVMValueRef lower_binary(Lower *g, const LExpr *e)
{
    LLVMValueRef a = low_expr(g, e->a), b = low_expr(g, e->b);
    bool real = is_real(e->type);
    switch (e->op) {
    case LX_ADD: return real ? contract(LLVMBuildFAdd(g->b, a, b, "")) : no_wrap(e->type, LLVMBuildAdd(g->b, a, b, ""));
    case LX_SUB: return real ? contract(LLVMBuildFSub(g->b, a, b, "")) : no_wrap(e->type, LLVMBuildSub(g->b, a, b, ""));
    case LX_MUL: return real ? contract(LLVMBuildFMul(g->b, a, b, "")) : no_wrap(e->type, LLVMBuildMul(g->b, a, b, ""));
    case LX_DIV:
    case LX_MOD: return lower_divide(g, e, a, b);
    case LX_AND: return LLVMBuildAnd(g->b, a, b, "");
    case LX_OR: return LLVMBuildOr(g->b, a, b, "");
    case LX_XOR: return LLVMBuildXor(g->b, a, b, "");
    case LX_SHL: return LLVMBuildShl(g->b, a, b, "");
    default: return is_signed(e->type) ? LLVMBuildAShr(g->b, a, b, "") : LLVMBuildLShr(g->b, a, b, "");
    }
}

/* a < b, a <= b, ... of a kind */
static LLVMValueRef compare(Lower *g, LOp op, LType t, LLVMValueRef a, LLVMValueRef b)
{
    static const struct {
        LLVMRealPredicate real;
        LLVMIntPredicate is_signed, natural;
    } P[] = {
        [LX_EQ] = { LLVMRealOEQ, LLVMIntEQ, LLVMIntEQ },
        [LX_NE] = { LLVMRealUNE, LLVMIntNE, LLVMIntNE },
        [LX_LT] = { LLVMRealOLT, LLVMIntSLT, LLVMIntULT },
        [LX_LE] = { LLVMRealOLE, LLVMIntSLE, LLVMIntULE },
    };
    if (is_real(t))
        return LLVMBuildFCmp(g->b, P[op].real, a, b, "");
    return LLVMBuildICmp(g->b, is_signed(t) ? P[op].is_signed : P[op].natural, a, b, "");
}

static LLVMValueRef extreme(Lower *g, bool max, LType t, LLVMValueRef a, LLVMValueRef b)
{
    LLVMValueRef first = max ? compare(g, LX_LT, t, b, a) : compare(g, LX_LT, t, a, b);
    return LLVMBuildSelect(g->b, first, a, b, "");
}

static LLVMValueRef lower_fma(Lower *g, const LExpr *e)
{
    LLVMValueRef args[3] = { low_expr(g, e->a), low_expr(g, e->b), low_expr(g, e->c) };
    LLVMTypeRef type = LLVMTypeOf(args[0]);
    if (is_real(e->type)) /* one rounding where the target has it: what fmuladd says */
        return low_intrinsic(g, "llvm.fmuladd", &type, 1, args, 3);
    return no_wrap(e->type, LLVMBuildAdd(g->b, no_wrap(e->type, LLVMBuildMul(g->b, args[0], args[1], "")), args[2], ""));
}

static LLVMValueRef lower_unary(Lower *g, const LExpr *e)
{
    LLVMValueRef a = low_expr(g, e->a);
    LLVMTypeRef type = LLVMTypeOf(a);
    bool real = is_real(e->type);
    switch (e->op) {
    case LX_NEG: return real ? LLVMBuildFNeg(g->b, a, "") : no_wrap(e->type, LLVMBuildNeg(g->b, a, ""));
    case LX_NOT: return LLVMBuildNot(g->b, a, "");
    case LX_SQRT: return low_intrinsic(g, "llvm.sqrt", &type, 1, &a, 1);
    case LX_FLOOR: return low_intrinsic(g, "llvm.floor", &type, 1, &a, 1);
    /* rint, not roundeven: the same in the rounding mode that C starts with, and in every libm */
    case LX_ROUND: return low_intrinsic(g, "llvm.rint", &type, 1, &a, 1);
    default: break;
    }
    if (real)
        return low_intrinsic(g, "llvm.fabs", &type, 1, &a, 1);
    if (!is_signed(e->type))
        return a;
    LLVMValueRef args[2] = { a, LLVMConstInt(g->i1, 0, false) };
    return low_intrinsic(g, "llvm.abs", &type, 1, args, 2);
}

/* ---- conversions ---- */

static LLVMValueRef lower_cast(Lower *g, const LExpr *e)
{
    LType from = e->a->type, to = e->type;
    LLVMValueRef a = low_expr(g, e->a);
    LLVMTypeRef type = low_type(g, to);
    if (from.kind == to.kind)
        return a;
    if (to.kind == LK_BOOL)
        return compare(g, LX_NE, from, a, LLVMConstNull(LLVMTypeOf(a)));
    if (is_real(from) && is_real(to))
        return LLVMBuildFPCast(g->b, a, type, "");
    if (is_real(from)) { /* frozen: what is out of range is some value of the type, not poison */
        LLVMValueRef v = is_signed(to) ? LLVMBuildFPToSI(g->b, a, type, "") : LLVMBuildFPToUI(g->b, a, type, "");
        return LLVMBuildFreeze(g->b, v, "");
    }
    if (is_real(to))
        return is_signed(from) ? LLVMBuildSIToFP(g->b, a, type, "") : LLVMBuildUIToFP(g->b, a, type, "");
    return LLVMBuildIntCast2(g->b, a, type, is_signed(from), "");
}

static LLVMValueRef splat(Lower *g, LLVMValueRef scalar, int lanes)
{
    if (LLVMIsConstant(scalar))
        return splat_constant(scalar, lanes);
    LLVMTypeRef type = LLVMVectorType(LLVMTypeOf(scalar), (unsigned)lanes);
    LLVMTypeRef indices = LLVMVectorType(g->i32, (unsigned)lanes);
    LLVMValueRef v = LLVMBuildInsertElement(g->b, LLVMGetPoison(type), scalar, LLVMConstInt(g->i32, 0, false), "");
    return LLVMBuildShuffleVector(g->b, v, LLVMGetPoison(type), LLVMConstNull(indices), "");
}

static LLVMValueRef lower_ramp(Lower *g, const LExpr *e)
{
    LLVMValueRef first = low_expr(g, e->a);
    LLVMValueRef steps = ramp_constant(LLVMTypeOf(first), e->type.lanes);
    return LLVMBuildAdd(g->b, splat(g, first, e->type.lanes), steps, "");
}

/* Halves folded: lane i with lane i + n/2, until one is left. */
static LLVMValueRef lower_horizontal(Lower *g, const LExpr *e)
{
    LLVMValueRef v = low_expr(g, e->a);
    LType t = e->a->type;
    for (int n = t.lanes / 2; n >= 1; n /= 2) {
        LLVMValueRef half[2], which[2][32];
        for (int i = 0; i < n; i++) {
            which[0][i] = LLVMConstInt(g->i32, (unsigned long long)i, false);
            which[1][i] = LLVMConstInt(g->i32, (unsigned long long)(i + n), false);
        }
        for (int h = 0; h < 2; h++)
            half[h] = n == 1 ? LLVMBuildExtractElement(g->b, v, which[h][0], "")
                             : LLVMBuildShuffleVector(g->b, v, LLVMGetPoison(LLVMTypeOf(v)),
                                                      LLVMConstVector(which[h], (unsigned)n), "");
        if (e->op != LX_HADD)
            v = extreme(g, e->op == LX_HMAX, t, half[0], half[1]);
        else
            v = is_real(t) ? LLVMBuildFAdd(g->b, half[0], half[1], "") : LLVMBuildAdd(g->b, half[0], half[1], "");
    }
    return v;
}

static LLVMValueRef lower_zip(Lower *g, const LExpr *e)
{
    LLVMValueRef a = low_expr(g, e->a), b = low_expr(g, e->b), which[32];
    int lanes = e->type.lanes, from = e->op == LX_ZIP_HIGH ? lanes / 2 : 0;
    for (int i = 0; i < lanes; i++)
        which[i] = LLVMConstInt(g->i32, (unsigned long long)(from + i / 2 + (i % 2 ? lanes : 0)), false);
    return LLVMBuildShuffleVector(g->b, a, b, LLVMConstVector(which, (unsigned)lanes), "");
}

static LLVMValueRef lower_select(Lower *g, const LExpr *e)
{
    const LExpr *condition = e->a->op == LX_SPLAT ? e->a->a : e->a; /* one for all lanes */
    LLVMValueRef c = low_expr(g, condition), a = low_expr(g, e->b), b = low_expr(g, e->c);
    return LLVMBuildSelect(g->b, c, a, b, "");
}

static LLVMValueRef lower_var(Lower *g, const LVar *v)
{
    LLVMValueRef slot = g->frame.slot[v->id];
    return slot ? LLVMBuildLoad2(g->b, low_type(g, v->type), slot, "") : g->frame.value[v->id];
}

LLVMValueRef low_expr(Lower *g, const LExpr *e)
{
    switch (e->op) {
    case LX_CONST: return constant(g, e->type, e->ival, e->fval);
    case LX_VAR: return lower_var(g, e->var);
    case LX_LOAD: return lower_load(g, e);
    case LX_FMA: return lower_fma(g, e);
    case LX_MIN:
    case LX_MAX: {
        LLVMValueRef a = low_expr(g, e->a), b = low_expr(g, e->b);
        return extreme(g, e->op == LX_MAX, e->type, a, b);
    }
    case LX_NEG:
    case LX_ABS:
    case LX_SQRT:
    case LX_FLOOR:
    case LX_ROUND:
    case LX_NOT: return lower_unary(g, e);
    case LX_EQ:
    case LX_NE:
    case LX_LT:
    case LX_LE: {
        LLVMValueRef a = low_expr(g, e->a), b = low_expr(g, e->b);
        return compare(g, e->op, e->a->type, a, b);
    }
    case LX_SELECT: return lower_select(g, e);
    case LX_CAST: return lower_cast(g, e);
    case LX_BITCAST: return LLVMBuildBitCast(g->b, low_expr(g, e->a), low_type(g, e->type), "");
    case LX_SPLAT: return splat(g, low_expr(g, e->a), e->type.lanes);
    case LX_RAMP: return lower_ramp(g, e);
    case LX_LANE:
        return LLVMBuildExtractElement(g->b, low_expr(g, e->a), LLVMConstInt(g->i32, (unsigned long long)e->ival, false), "");
    case LX_HADD:
    case LX_HMIN:
    case LX_HMAX: return lower_horizontal(g, e);
    case LX_ZIP_LOW:
    case LX_ZIP_HIGH: return lower_zip(g, e);
    default: return lower_binary(g, e); /* exp, log ...: loop_expand_math has turned them into the above */
    }
}
