/* Elementwise operations of one operand: result[i] = f(x[i]). */
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
EVAL_UNARY(erf, erf(x))
EVAL_UNARY(sin, sin(x))
EVAL_UNARY(floor, floor(x))
EVAL_UNARY(round, nearbyint(x)) /* half to even */
EVAL_UNARY(abs, n->type.dtype == DT_I32 ? wrap_i32(fabs(x)) : fabs(x))
EVAL_UNARY(not, x == 0)

static double cast_value(DType to, double x)
{
    switch (to) {
    case DT_I32: return wrap_i32(x);
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

static void erf_grad(GradCtx *c, Node *n, Node *dy, Node **dx)
{
    Node *x = n->in[0];
    Node *bell = build_unary(c->g, &op_exp, build_unary(c->g, &op_neg, times(c, x, x)));
    dx[0] = times(c, dy, scaled(c, bell, 2 / sqrt(M_PI)));
}

static void sin_grad(GradCtx *c, Node *n, Node *dy, Node **dx)
{
    Node *x = n->in[0];
    Node *shifted = build_binary(c->g, &op_add, x, build_like(c->g, x, M_PI / 2));
    dx[0] = times(c, dy, build_unary(c->g, &op_sin, shifted));
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
};

const OpDef op_sin = {
    .name = "sin",
    .min_in = 1,
    .max_in = 1,
    .flags = OP_ELEMENTWISE | OP_EXPENSIVE,
    .doc = "sine; cos x is sin(x + pi/2)",
    .shape = float_shape,
    .grad = sin_grad,
    .eval = sin_eval,
};

const OpDef op_floor = {
    .name = "floor",
    .min_in = 1,
    .max_in = 1,
    .flags = OP_ELEMENTWISE | OP_CHEAP | OP_NO_GRAD,
    .doc = "largest whole number not above x, f32",
    .shape = float_shape,
    .eval = floor_eval,
};

const OpDef op_round = {
    .name = "round",
    .min_in = 1,
    .max_in = 1,
    .flags = OP_ELEMENTWISE | OP_CHEAP | OP_NO_GRAD,
    .doc = "nearest whole number, half to even, f32",
    .shape = float_shape,
    .eval = round_eval,
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
};

const OpDef op_not = {
    .name = "not",
    .min_in = 1,
    .max_in = 1,
    .flags = OP_ELEMENTWISE | OP_CHEAP | OP_NO_GRAD,
    .doc = "logical negation, bool",
    .shape = bool_shape,
    .eval = not_eval,
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
};
