/* Elementwise operations of two and three operands, all of one shape.
 *
 * i32 wraps to 32 bits; x / 0 and x % 0 are 0. Division of i32 truncates; the remainder takes the sign
 * of the divisor, for both dtypes (Python, NumPy). */
#include "ops/lower.h"
#include "ops/rules.h"

#include <math.h>

static bool number2_shape(const Node *n, Type *out, Why *why)
{
    *out = n->in[0]->type;
    return rule_number(n, 0, why) && rule_same_type(n, 0, 1, why);
}

static bool float2_shape(const Node *n, Type *out, Why *why)
{
    *out = n->in[0]->type;
    return rule_float(n, 0, why) && rule_same_type(n, 0, 1, why);
}

static bool equal_shape(const Node *n, Type *out, Why *why)
{
    *out = n->in[0]->type;
    out->dtype = DT_BOOL;
    return rule_same_type(n, 0, 1, why);
}

static bool order_shape(const Node *n, Type *out, Why *why)
{
    return rule_number(n, 0, why) && equal_shape(n, out, why);
}

static bool logic_shape(const Node *n, Type *out, Why *why)
{
    *out = n->in[0]->type;
    if (out->dtype != DT_BOOL)
        return why_set(why, "%s needs bool operands, got %s", n->op->name, TYPE_TEXT(out));
    return rule_same_type(n, 0, 1, why);
}

static bool select_shape(const Node *n, Type *out, Why *why)
{
    const Type *cond = &n->in[0]->type;
    *out = n->in[1]->type;
    if (cond->dtype != DT_BOOL)
        return why_set(why, "select needs a bool condition, got %s", TYPE_TEXT(cond));
    if (!type_same_shape(cond, out))
        return why_set(why, "select: the condition is %s, but the values are %s", TYPE_TEXT(cond),
                       TYPE_TEXT(out));
    return rule_same_type(n, 1, 2, why);
}

/* An evaluation from an f32 expression over x, y and an i32 expression over ix, iy (int64). */
#define EVAL_BINARY(name, expr, int_expr)                                                          \
    static void name##_eval(const Node *n, const Tensor *const *in, Tensor *out, const EvalCtx *ctx) \
    {                                                                                              \
        (void)ctx;                                                                                 \
        bool integer = n->in[0]->type.dtype == DT_I32;                                             \
        for (int64_t i = 0; i < type_count(&out->type); i++) {                                     \
            double x = in[0]->data[i], y = in[1]->data[i];                                         \
            int64_t ix = integer ? (int64_t)x : 0, iy = integer ? (int64_t)y : 0;                  \
            out->data[i] = integer ? (double)(int32_t)(uint32_t)(int_expr) : (expr);               \
        }                                                                                          \
    }

static int64_t int_div(int64_t x, int64_t y) { return y ? x / y : 0; }
static int64_t int_mod(int64_t x, int64_t y)
{
    int64_t r = y ? x % y : 0;
    return r && (r < 0) != (y < 0) ? r + y : r;
}

EVAL_BINARY(add, x + y, ix + iy)
EVAL_BINARY(sub, x - y, ix - iy)
EVAL_BINARY(mul, x *y, ix *iy)
EVAL_BINARY(div, x / y, int_div(ix, iy))
EVAL_BINARY(mod, x - y * floor(x / y), int_mod(ix, iy))
EVAL_BINARY(max, x < y ? y : x, ix < iy ? iy : ix)
EVAL_BINARY(min, y < x ? y : x, iy < ix ? iy : ix)
EVAL_BINARY(pow, pow(x, y), 0 * (ix + iy))
EVAL_BINARY(eq, x == y, ix == iy)
EVAL_BINARY(ne, x != y, ix != iy)
EVAL_BINARY(lt, x < y, ix < iy)
EVAL_BINARY(le, x <= y, ix <= iy)
EVAL_BINARY(and, x != 0 && y != 0, ix &iy)
EVAL_BINARY(or, x != 0 || y != 0, ix | iy)

static void select_eval(const Node *n, const Tensor *const *in, Tensor *out, const EvalCtx *ctx)
{
    (void)n;
    (void)ctx;
    for (int64_t i = 0; i < type_count(&out->type); i++)
        out->data[i] = in[0]->data[i] != 0 ? in[1]->data[i] : in[2]->data[i];
}

/* ---- derivatives ---- */

static Node *times(GradCtx *c, Node *a, Node *b) { return build_binary(c->g, &op_mul, a, b); }
static Node *negated(GradCtx *c, Node *a) { return build_unary(c->g, &op_neg, a); }

static void add_grad(GradCtx *c, Node *n, Node *dy, Node **dx)
{
    (void)c;
    (void)n;
    dx[0] = dx[1] = dy;
}

static void sub_grad(GradCtx *c, Node *n, Node *dy, Node **dx)
{
    (void)n;
    dx[0] = dy;
    if (c->need[1])
        dx[1] = negated(c, dy);
}

static void mul_grad(GradCtx *c, Node *n, Node *dy, Node **dx)
{
    if (c->need[0])
        dx[0] = times(c, dy, n->in[1]);
    if (c->need[1])
        dx[1] = times(c, dy, n->in[0]);
}

static void div_grad(GradCtx *c, Node *n, Node *dy, Node **dx)
{
    Node *b = n->in[1];
    Node *da = build_binary(c->g, &op_div, dy, b);
    dx[0] = da;
    if (c->need[1])
        dx[1] = negated(c, times(c, da, n));
}

static void mod_grad(GradCtx *c, Node *n, Node *dy, Node **dx)
{
    dx[0] = dy;
    if (c->need[1]) {
        Node *quotient = build_binary(c->g, &op_div, n->in[0], n->in[1]);
        dx[1] = negated(c, times(c, dy, build_unary(c->g, &op_floor, quotient)));
    }
}

/* dy to the first operand where cond holds, else to the second. */
static void split_grad(GradCtx *c, Node *cond, Node *dy, Node **first, Node **second, bool need_first,
                       bool need_second)
{
    Node *zero = build_like(c->g, dy, 0);
    if (need_first)
        *first = build_select(c->g, cond, dy, zero);
    if (need_second)
        *second = build_select(c->g, cond, zero, dy);
}

/* At ties the first operand gets all. */
static void max_grad(GradCtx *c, Node *n, Node *dy, Node **dx)
{
    Node *first = build_binary(c->g, &op_le, n->in[1], n->in[0]);
    split_grad(c, first, dy, &dx[0], &dx[1], c->need[0], c->need[1]);
}

static void min_grad(GradCtx *c, Node *n, Node *dy, Node **dx)
{
    Node *first = build_binary(c->g, &op_le, n->in[0], n->in[1]);
    split_grad(c, first, dy, &dx[0], &dx[1], c->need[0], c->need[1]);
}

/* d/da a^b = b a^(b-1), 0 where b is 0 (also at a = 0). d/db a^b = a^b log a where a > 0, else 0: for
 * a < 0 the power exists only at whole b, and at a = 0 it is constant for b > 0. */
static void pow_grad(GradCtx *c, Node *n, Node *dy, Node **dx)
{
    Node *a = n->in[0], *b = n->in[1], *zero = build_like(c->g, a, 0), *one = build_like(c->g, a, 1);
    if (c->need[0]) {
        Node *lower = build_binary(c->g, &op_pow, a, build_binary(c->g, &op_sub, b, one));
        Node *flat = build_binary(c->g, &op_eq, b, zero);
        dx[0] = times(c, dy, build_select(c->g, flat, zero, times(c, b, lower)));
    }
    if (c->need[1]) {
        Node *positive = build_binary(c->g, &op_lt, zero, a);
        Node *log_a = build_unary(c->g, &op_log, build_select(c->g, positive, a, one));
        dx[1] = times(c, dy, build_select(c->g, positive, times(c, n, log_a), zero));
    }
}

static void select_grad(GradCtx *c, Node *n, Node *dy, Node **dx)
{
    split_grad(c, n->in[0], dy, &dx[1], &dx[2], c->need[1], c->need[2]);
}

/* ---- lowering ---- */

#define EMIT_BINARY(name, op, a, b)                                                                \
    static LExpr *name##_emit(Lower *lw, const Node *n, LExpr *const *in)                          \
    {                                                                                              \
        (void)n;                                                                                   \
        return lx_bin(lw->func, op, in[a], in[b]);                                                 \
    }

EMIT_BINARY(add, LX_ADD, 0, 1)
EMIT_BINARY(sub, LX_SUB, 0, 1)
EMIT_BINARY(mul, LX_MUL, 0, 1)
/* LX_MAX gives its second operand at ties and for NaN: in this order x, so that a NaN in x survives
 * max(x, 0). */
EMIT_BINARY(max, LX_MAX, 1, 0)
EMIT_BINARY(min, LX_MIN, 1, 0)
EMIT_BINARY(eq, LX_EQ, 0, 1)
EMIT_BINARY(ne, LX_NE, 0, 1)
EMIT_BINARY(lt, LX_LT, 0, 1)
EMIT_BINARY(le, LX_LE, 0, 1)
EMIT_BINARY(and, LX_AND, 0, 1)
EMIT_BINARY(or, LX_OR, 0, 1)

static LExpr *pow_emit(Lower *lw, const Node *n, LExpr *const *in)
{
    (void)n;
    return lx_math(lw->func, LX_POW, in[0], in[1]);
}

/* A divisor the processor can divide by: 0 traps, and so does the lowest number by -1. */
static LExpr *safe_divisor(LFunc *f, LExpr *y)
{
    LExpr *bad = lx_bin(f, LX_OR, lx_bin(f, LX_EQ, y, lx_int(f, LK_I32, 0)),
                        lx_bin(f, LX_EQ, y, lx_int(f, LK_I32, -1)));
    return lx_select(f, bad, lx_int(f, LK_I32, 1), y);
}

static LExpr *div_emit(Lower *lw, const Node *n, LExpr *const *in)
{
    LFunc *f = lw->func;
    if (n->type.dtype == DT_F32)
        return lx_bin(f, LX_DIV, in[0], in[1]);
    LExpr *zero = lx_int(f, LK_I32, 0);
    LExpr *quotient = lx_bin(f, LX_DIV, in[0], safe_divisor(f, in[1]));
    LExpr *minus = lx_bin(f, LX_EQ, in[1], lx_int(f, LK_I32, -1));
    quotient = lx_select(f, minus, lx_bin(f, LX_SUB, zero, in[0]), quotient);
    return lx_select(f, lx_bin(f, LX_EQ, in[1], zero), zero, quotient);
}

static LExpr *mod_emit(Lower *lw, const Node *n, LExpr *const *in)
{
    LFunc *f = lw->func;
    LExpr *x = in[0], *y = in[1];
    if (n->type.dtype == DT_F32) {
        LExpr *whole = lx_un(f, LX_FLOOR, lx_bin(f, LX_DIV, x, y));
        return lx_bin(f, LX_SUB, x, lx_bin(f, LX_MUL, y, whole));
    }
    LExpr *zero = lx_int(f, LK_I32, 0);
    LExpr *r = lx_bin(f, LX_MOD, x, safe_divisor(f, y));
    LExpr *signs = lx_bin(f, LX_NE, lx_bin(f, LX_LT, r, zero), lx_bin(f, LX_LT, y, zero));
    LExpr *adjust = lx_bin(f, LX_AND, lx_bin(f, LX_NE, r, zero), signs);
    return lx_select(f, adjust, lx_bin(f, LX_ADD, r, y), r);
}

static LExpr *select_emit(Lower *lw, const Node *n, LExpr *const *in)
{
    (void)n;
    return lx_select(lw->func, in[0], in[1], in[2]);
}

/* ---- samples ---- */

#define ON_SHAPES(lo_, hi_, distinct_)                                                             \
    { { F32(3, 5), F32(3, 5) }, 2, { { 0 } }, lo_, hi_, distinct_, NULL },                         \
        { { S_F32, S_F32 }, 2, { { 0 } }, lo_, hi_, distinct_, NULL },                             \
        { { F32(2, 1, 17), F32(2, 1, 17) }, 2, { { 0 } }, lo_, hi_, distinct_, NULL },             \
        { { F32(67), F32(67) }, 2, { { 0 } }, lo_, hi_, distinct_, NULL }
#define INTEGERS(lo_, hi_)                                                                         \
    { { I32(4, 7), I32(4, 7) }, 2, { { 0 } }, lo_, hi_, false, NULL },                             \
        { { S_I32, S_I32 }, 2, { { 0 } }, lo_, hi_, false, NULL }
#define BOOLEANS                                                                                   \
    { { BOOL(4, 7), BOOL(4, 7) }, 2, { { 0 } }, 0, 1, false, NULL },                               \
        { { S_BOOL, S_BOOL }, 2, { { 0 } }, 0, 1, false, NULL }

static const OpSample add_samples[] = { ON_SHAPES(-3, 3, false), INTEGERS(-50, 50),
                                        INTEGERS(-2147483647, 2147483647) };
static const OpSample sub_samples[] = { ON_SHAPES(-3, 3, false), INTEGERS(-2147483647, 2147483647) };
static const OpSample mul_samples[] = { ON_SHAPES(-3, 3, false), INTEGERS(-2147483647, 2147483647) };
static const OpSample div_samples[] = { ON_SHAPES(0.5, 3, false), ON_SHAPES(-3, -0.5, false),
                                        INTEGERS(-2, 2), INTEGERS(-99, 99) };
static const OpSample mod_samples[] = { ON_SHAPES(1.1, 1.9, true), INTEGERS(-2, 2), INTEGERS(-99, 99) };
static const OpSample max_samples[] = { ON_SHAPES(-3, 3, true), INTEGERS(-3, 3) };
static const OpSample min_samples[] = { ON_SHAPES(-3, 3, true), INTEGERS(-3, 3) };
static const OpSample pow_samples[] = { ON_SHAPES(0.3, 2.5, false), ON_SHAPES(1, 5, false) };
static const OpSample eq_samples[] = { ON_SHAPES(-3, 3, false), INTEGERS(-1, 1), BOOLEANS };
static const OpSample ne_samples[] = { ON_SHAPES(-3, 3, false), INTEGERS(-1, 1), BOOLEANS };
static const OpSample lt_samples[] = { ON_SHAPES(-3, 3, false), INTEGERS(-1, 1) };
static const OpSample le_samples[] = { ON_SHAPES(-3, 3, false), INTEGERS(-1, 1) };
static const OpSample and_samples[] = { BOOLEANS };
static const OpSample or_samples[] = { BOOLEANS };
static const OpSample select_samples[] = {
    { { BOOL(3, 5), F32(3, 5), F32(3, 5) }, 3, { { 0 } }, -3, 3, false, NULL },
    { { S_BOOL, S_F32, S_F32 }, 3, { { 0 } }, -3, 3, false, NULL },
    { { BOOL(67), I32(67), I32(67) }, 3, { { 0 } }, -9, 9, false, NULL },
    { { BOOL(2, 9), BOOL(2, 9), BOOL(2, 9) }, 3, { { 0 } }, 0, 1, false, NULL },
};

/* ---- definitions ---- */

#define BINARY_OP(id, flags_, doc_, shape_, grad_)                                                 \
    const OpDef op_##id = {                                                                        \
        .name = #id,                                                                               \
        .min_in = 2,                                                                               \
        .max_in = 2,                                                                               \
        .flags = OP_ELEMENTWISE | (flags_),                                                        \
        .doc = doc_,                                                                               \
        .shape = shape_,                                                                           \
        .grad = grad_,                                                                             \
        .eval = id##_eval,                                                                         \
        .emit = id##_emit,                                                                         \
        SAMPLES(id##_samples),                                                                     \
    }

BINARY_OP(add, OP_CHEAP | OP_COMMUTATIVE, "x + y", number2_shape, add_grad);
BINARY_OP(sub, OP_CHEAP, "x - y", number2_shape, sub_grad);
BINARY_OP(mul, OP_CHEAP | OP_COMMUTATIVE, "x * y", number2_shape, mul_grad);
BINARY_OP(div, OP_EXPENSIVE, "x / y; i32 truncates, x / 0 is 0", number2_shape, div_grad);
BINARY_OP(mod, OP_EXPENSIVE, "x - y floor(x / y): the sign of y", number2_shape, mod_grad);
BINARY_OP(max, OP_CHEAP, "the larger; x at ties", number2_shape, max_grad);
BINARY_OP(min, OP_CHEAP, "the smaller; x at ties", number2_shape, min_grad);
BINARY_OP(pow, OP_EXPENSIVE, "x to the power y, f32", float2_shape, pow_grad);
BINARY_OP(eq, OP_CHEAP | OP_COMMUTATIVE | OP_NO_GRAD, "x == y", equal_shape, NULL);
BINARY_OP(ne, OP_CHEAP | OP_COMMUTATIVE | OP_NO_GRAD, "x != y", equal_shape, NULL);
BINARY_OP(lt, OP_CHEAP | OP_NO_GRAD, "x < y", order_shape, NULL);
BINARY_OP(le, OP_CHEAP | OP_NO_GRAD, "x <= y", order_shape, NULL);
BINARY_OP(and, OP_CHEAP | OP_COMMUTATIVE | OP_NO_GRAD, "x and y, bool", logic_shape, NULL);
BINARY_OP(or, OP_CHEAP | OP_COMMUTATIVE | OP_NO_GRAD, "x or y, bool", logic_shape, NULL);

const OpDef op_select = {
    .name = "select",
    .min_in = 3,
    .max_in = 3,
    .flags = OP_ELEMENTWISE | OP_CHEAP,
    .doc = "a where the condition holds, else b",
    .shape = select_shape,
    .grad = select_grad,
    .eval = select_eval,
    .emit = select_emit,
    SAMPLES(select_samples),
};
