/* Elementwise operations of one operand: result[i] = f(x[i]). */
#include "ops/lower.h"
#include "ops/rules.h"

#include <math.h>

static bool float_shape(const Node *n, Type *out, Why *why)
{
    *out = n->in[0]->type;
    return rule_float(n, 0, why);
}

static bool number_shape(const Node *n, Type *out, Why *why)
{
    *out = n->in[0]->type;
    return rule_number(n, 0, why);
}

static bool bool_shape(const Node *n, Type *out, Why *why)
{
    *out = n->in[0]->type;
    return out->dtype == DT_BOOL ||
           why_set(why, "%s needs bool, but the operand is %s", n->op->name, TYPE_TEXT(out));
}

static bool cast_shape(const Node *n, Type *out, Why *why)
{
    (void)why;
    *out = n->in[0]->type;
    out->dtype = (DType)n->attr[0].i;
    return true;
}

/* An evaluation that applies EXPR to x; `n` is in scope for attributes. */
#define EVAL_UNARY(name, expr)                                                                     \
    static void name##_eval(const Node *n, const Tensor *const *in, Tensor *out, const EvalCtx *ctx) \
    {                                                                                              \
        (void)n;                                                                                   \
        (void)ctx;                                                                                 \
        for (int64_t i = 0; i < type_count(&out->type); i++) {                                     \
            double x = in[0]->data[i];                                                             \
            out->data[i] = (expr);                                                                 \
        }                                                                                          \
    }

EVAL_UNARY(neg, n->type.dtype == DT_I32 ? wrap_i32(-x) : -x)
EVAL_UNARY(exp, exp(x))
EVAL_UNARY(log, log(x))
EVAL_UNARY(sqrt, sqrt(x))
EVAL_UNARY(tanh, tanh(x))
EVAL_UNARY(sigmoid, 1 / (1 + exp(-x)))
EVAL_UNARY(erf, erf(x))
EVAL_UNARY(sin, sin(x))
EVAL_UNARY(floor, floor(x))
EVAL_UNARY(round, nearbyint(x)) /* half to even */
EVAL_UNARY(abs, n->type.dtype == DT_I32 ? wrap_i32(fabs(x)) : fabs(x))
EVAL_UNARY(not, x == 0)

/* f32 to i32 beyond the range, and of NaN, gives the lowest i32, as the loop IR's cast does. */
static double cast_value(DType to, double x)
{
    switch (to) {
    case DT_I32: return x > -2147483649.0 && x < 2147483648.0 ? trunc(x) : -2147483648.0;
    case DT_BOOL: return x != 0;
    case DT_F32:
    case DT_COUNT: break;
    }
    return x;
}
EVAL_UNARY(cast, cast_value(n->type.dtype, x))

/* ---- derivatives ---- */

static Node *times(GradCtx *c, Node *a, Node *b) { return build_binary(c->g, &op_mul, a, b); }
static Node *scaled(GradCtx *c, Node *a, double k) { return times(c, a, build_like(c->g, a, k)); }

static void neg_grad(GradCtx *c, Node *n, Node *dy, Node **dx)
{
    (void)n;
    dx[0] = build_unary(c->g, &op_neg, dy);
}

static void exp_grad(GradCtx *c, Node *n, Node *dy, Node **dx) { dx[0] = times(c, dy, n); }

static void log_grad(GradCtx *c, Node *n, Node *dy, Node **dx)
{
    dx[0] = build_binary(c->g, &op_div, dy, n->in[0]);
}

/* 1 / (2 sqrt x): infinite at 0, as the derivative is. */
static void sqrt_grad(GradCtx *c, Node *n, Node *dy, Node **dx)
{
    dx[0] = build_binary(c->g, &op_div, scaled(c, dy, 0.5), n);
}

static void tanh_grad(GradCtx *c, Node *n, Node *dy, Node **dx)
{
    Node *one = build_like(c->g, n, 1);
    dx[0] = times(c, dy, build_binary(c->g, &op_sub, one, times(c, n, n)));
}

static void sigmoid_grad(GradCtx *c, Node *n, Node *dy, Node **dx)
{
    Node *other = build_binary(c->g, &op_sub, build_like(c->g, n, 1), n);
    dx[0] = times(c, dy, times(c, n, other));
}

static void erf_grad(GradCtx *c, Node *n, Node *dy, Node **dx)
{
    Node *x = n->in[0];
    Node *bell = build_unary(c->g, &op_exp, build_unary(c->g, &op_neg, times(c, x, x)));
    dx[0] = times(c, dy, scaled(c, bell, 2 / sqrt(M_PI)));
}

/* cos x = 1 - 2 sin^2(x/2): needs no pi/2, which f32 has only to 4e-8. */
static void sin_grad(GradCtx *c, Node *n, Node *dy, Node **dx)
{
    Node *half = build_unary(c->g, &op_sin, scaled(c, n->in[0], 0.5));
    Node *lost = scaled(c, times(c, half, half), 2);
    dx[0] = times(c, dy, build_binary(c->g, &op_sub, build_like(c->g, n, 1), lost));
}

/* 0 at the kink. */
static void abs_grad(GradCtx *c, Node *n, Node *dy, Node **dx)
{
    Node *x = n->in[0], *zero = build_like(c->g, x, 0);
    Node *positive = build_binary(c->g, &op_lt, zero, x);
    Node *negative = build_binary(c->g, &op_lt, x, zero);
    Node *down = build_select(c->g, negative, build_unary(c->g, &op_neg, dy), zero);
    dx[0] = build_select(c->g, positive, dy, down);
}

static void cast_grad(GradCtx *c, Node *n, Node *dy, Node **dx)
{
    (void)c;
    dx[0] = n->in[0]->type.dtype == DT_F32 && n->type.dtype == DT_F32 ? dy : NULL;
}

/* ---- samples ----
 * Shapes: a row that fills no vector, odd, rank 0, a dimension of 1; values on both sides of 0. */

#define ON_SHAPES(lo_, hi_)                                                                        \
    { { F32(3, 5) }, 1, { { 0 } }, lo_, hi_, false, NULL },                                        \
        { { S_F32 }, 1, { { 0 } }, lo_, hi_, false, NULL },                                        \
        { { F32(2, 1, 17) }, 1, { { 0 } }, lo_, hi_, false, NULL },                                \
        { { F32(67) }, 1, { { 0 } }, lo_, hi_, false, NULL }
#define INTEGERS                                                                                   \
    { { I32(4, 7) }, 1, { { 0 } }, -50, 50, false, NULL },                                         \
        { { S_I32 }, 1, { { 0 } }, -9, 9, false, NULL }

static const OpSample neg_samples[] = { ON_SHAPES(-3, 3), INTEGERS };
static const OpSample exp_samples[] = { ON_SHAPES(-3, 3), ON_SHAPES(-20, -10) };
static const OpSample log_samples[] = { ON_SHAPES(0.1, 5), ON_SHAPES(50, 900) };
static const OpSample sqrt_samples[] = { ON_SHAPES(0.1, 5) };
static const OpSample tanh_samples[] = { ON_SHAPES(-3, 3), ON_SHAPES(-0.01, 0.01) };
static const OpSample sigmoid_samples[] = { ON_SHAPES(-4, 4), ON_SHAPES(-40, -10) };
static const OpSample erf_samples[] = { ON_SHAPES(-2, 2), ON_SHAPES(-0.01, 0.01) };
static const OpSample sin_samples[] = { ON_SHAPES(-3, 3), ON_SHAPES(-40, 40) };
static const OpSample floor_samples[] = { ON_SHAPES(-3, 3) };
static const OpSample round_samples[] = { ON_SHAPES(-3, 3) };
static const OpSample abs_samples[] = { ON_SHAPES(0.5, 3), ON_SHAPES(-3, -0.5), INTEGERS };
static const OpSample not_samples[] = { { { BOOL(3, 5) }, 1, { { 0 } }, 0, 1, false, NULL },
                                        { { S_BOOL }, 1, { { 0 } }, 0, 1, false, NULL } };
static const OpSample cast_samples[] = {
    { { F32(3, 5) }, 1, { { .i = DT_F32 } }, -3, 3, false, NULL },
    { { F32(3, 5) }, 1, { { .i = DT_I32 } }, -9, 9, false, "towards 0" },
    { { F32(3, 5) }, 1, { { .i = DT_BOOL } }, -1, 1, false, NULL },
    { { I32(2, 9) }, 1, { { .i = DT_F32 } }, -9, 9, false, NULL },
    { { I32(2, 9) }, 1, { { .i = DT_BOOL } }, -1, 1, false, NULL },
    { { BOOL(2, 9) }, 1, { { .i = DT_F32 } }, 0, 1, false, NULL },
    { { BOOL(7) }, 1, { { .i = DT_I32 } }, 0, 1, false, NULL },
};

/* ---- lowering ---- */

#define EMIT_UNARY(name, build)                                                                    \
    static LExpr *name##_emit(Lower *lw, const Node *n, LExpr *const *in)                          \
    {                                                                                              \
        (void)n;                                                                                   \
        return build;                                                                              \
    }
#define EMIT_MATH(name, op) EMIT_UNARY(name, lx_math(lw->func, op, in[0], NULL))
#define EMIT_SIMPLE(name, op) EMIT_UNARY(name, lx_un(lw->func, op, in[0]))

EMIT_SIMPLE(neg, LX_NEG)
EMIT_MATH(exp, LX_EXP)
EMIT_MATH(log, LX_LOG)
EMIT_SIMPLE(sqrt, LX_SQRT)
EMIT_MATH(tanh, LX_TANH)
EMIT_MATH(sigmoid, LX_SIGMOID)
EMIT_MATH(erf, LX_ERF)
EMIT_MATH(sin, LX_SIN)
EMIT_SIMPLE(floor, LX_FLOOR)
EMIT_SIMPLE(round, LX_ROUND)
EMIT_SIMPLE(abs, LX_ABS)
EMIT_SIMPLE(not, LX_NOT)
EMIT_UNARY(cast, lx_cast(lw->func, in[0], lower_kind(n->type.dtype)))

/* ---- definitions ---- */

const OpDef op_neg = {
    .name = "neg",
    .min_in = 1,
    .max_in = 1,
    .flags = OP_ELEMENTWISE | OP_CHEAP,
    .doc = "-x; i32 wraps",
    .shape = number_shape,
    .grad = neg_grad,
    .eval = neg_eval,
    .emit = neg_emit,
    SAMPLES(neg_samples),
};

const OpDef op_exp = {
    .name = "exp",
    .min_in = 1,
    .max_in = 1,
    .flags = OP_ELEMENTWISE | OP_EXPENSIVE,
    .doc = "e to the power x",
    .shape = float_shape,
    .grad = exp_grad,
    .eval = exp_eval,
    .emit = exp_emit,
    SAMPLES(exp_samples),
};

const OpDef op_log = {
    .name = "log",
    .min_in = 1,
    .max_in = 1,
    .flags = OP_ELEMENTWISE | OP_EXPENSIVE,
    .doc = "natural logarithm",
    .shape = float_shape,
    .grad = log_grad,
    .eval = log_eval,
    .emit = log_emit,
    SAMPLES(log_samples),
};

const OpDef op_sqrt = {
    .name = "sqrt",
    .min_in = 1,
    .max_in = 1,
    .flags = OP_ELEMENTWISE | OP_EXPENSIVE,
    .doc = "square root",
    .shape = float_shape,
    .grad = sqrt_grad,
    .eval = sqrt_eval,
    .emit = sqrt_emit,
    SAMPLES(sqrt_samples),
};

const OpDef op_tanh = {
    .name = "tanh",
    .min_in = 1,
    .max_in = 1,
    .flags = OP_ELEMENTWISE | OP_EXPENSIVE,
    .doc = "hyperbolic tangent",
    .shape = float_shape,
    .grad = tanh_grad,
    .eval = tanh_eval,
    .emit = tanh_emit,
    SAMPLES(tanh_samples),
};

const OpDef op_sigmoid = {
    .name = "sigmoid",
    .min_in = 1,
    .max_in = 1,
    .flags = OP_ELEMENTWISE | OP_EXPENSIVE,
    .doc = "logistic function 1 / (1 + exp(-x))",
    .shape = float_shape,
    .grad = sigmoid_grad,
    .eval = sigmoid_eval,
    .emit = sigmoid_emit,
    SAMPLES(sigmoid_samples),
};

const OpDef op_erf = {
    .name = "erf",
    .min_in = 1,
    .max_in = 1,
    .flags = OP_ELEMENTWISE | OP_EXPENSIVE,
    .doc = "error function",
    .shape = float_shape,
    .grad = erf_grad,
    .eval = erf_eval,
    .emit = erf_emit,
    SAMPLES(erf_samples),
};

const OpDef op_sin = {
    .name = "sin",
    .min_in = 1,
    .max_in = 1,
    .flags = OP_ELEMENTWISE | OP_EXPENSIVE,
    .doc = "sine; cos x is 1 - 2 sin^2(x/2)",
    .shape = float_shape,
    .grad = sin_grad,
    .eval = sin_eval,
    .emit = sin_emit,
    SAMPLES(sin_samples),
};

const OpDef op_floor = {
    .name = "floor",
    .min_in = 1,
    .max_in = 1,
    .flags = OP_ELEMENTWISE | OP_CHEAP | OP_NO_GRAD,
    .doc = "largest whole number not above x, f32",
    .shape = float_shape,
    .eval = floor_eval,
    .emit = floor_emit,
    SAMPLES(floor_samples),
};

const OpDef op_round = {
    .name = "round",
    .min_in = 1,
    .max_in = 1,
    .flags = OP_ELEMENTWISE | OP_CHEAP | OP_NO_GRAD,
    .doc = "nearest whole number, half to even, f32",
    .shape = float_shape,
    .eval = round_eval,
    .emit = round_emit,
    SAMPLES(round_samples),
};

const OpDef op_abs = {
    .name = "abs",
    .min_in = 1,
    .max_in = 1,
    .flags = OP_ELEMENTWISE | OP_CHEAP,
    .doc = "absolute value; i32 wraps",
    .shape = number_shape,
    .grad = abs_grad,
    .eval = abs_eval,
    .emit = abs_emit,
    SAMPLES(abs_samples),
};

const OpDef op_not = {
    .name = "not",
    .min_in = 1,
    .max_in = 1,
    .flags = OP_ELEMENTWISE | OP_CHEAP | OP_NO_GRAD,
    .doc = "logical negation, bool",
    .shape = bool_shape,
    .eval = not_eval,
    .emit = not_emit,
    SAMPLES(not_samples),
};

const OpDef op_cast = {
    .name = "cast",
    .min_in = 1,
    .max_in = 1,
    .flags = OP_ELEMENTWISE | OP_CHEAP,
    .attrs = { { "dtype", AK_DTYPE } },
    .doc = "f32 to i32 truncates; to bool is x != 0",
    .shape = cast_shape,
    .grad = cast_grad,
    .eval = cast_eval,
    .emit = cast_emit,
    SAMPLES(cast_samples),
};
