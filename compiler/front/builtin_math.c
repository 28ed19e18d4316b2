/* Elementwise functions, of numbers (computed now) and of tensors. */
#include "front/builtin.h"

#include <math.h>
#include <string.h>

static bool is_static(Value v) { return value_is_number(v); }

static Value domain(BCall *c, double x)
{
    if (isfinite(x))
        return value_float(x);
    return fail(c->fr, c->at, "%s(%s) is not a finite number", c->builtin->name,
                value_text(c->fr->f, c->args[0].v));
}

/* An f32 tensor; i32 is refused with the way out. */
static Node *float_tensor(BCall *c, int i)
{
    Node *x = arg_tensor(c, i);
    if (!x)
        return NULL;
    place(c->fr, c->at);
    x = node_float(c->fr, x);
    if (x->type.dtype == DT_F32)
        return x;
    fail(c->fr, c->args[i].at, "%s of %s: it works on f32", c->builtin->name,
         type_text(c->fr->f->arena, &x->type));
    hint(c->fr, "cast(x, f32) converts");
    return NULL;
}

static double compute(const OpDef *op, double x)
{
    if (op == &op_exp)
        return exp(x);
    if (op == &op_log)
        return log(x);
    if (op == &op_sqrt)
        return sqrt(x);
    if (op == &op_tanh)
        return tanh(x);
    if (op == &op_sigmoid)
        return 1 / (1 + exp(-x));
    return op == &op_erf ? erf(x) : sin(x);
}

Value run_unary(BCall *c)
{
    if (is_static(c->args[0].v))
        return domain(c, compute(c->builtin->op, value_number(c->args[0].v)));
    Node *x = float_tensor(c, 0);
    return x ? tensor_value(c->fr, add_node(c->fr, c->builtin->op, &x, 1, NULL, c->at)) : value_bad();
}

Value run_cos(BCall *c)
{
    if (is_static(c->args[0].v))
        return domain(c, cos(value_number(c->args[0].v)));
    Node *x = float_tensor(c, 0);
    if (!x)
        return value_bad();
    Graph *g = c->fr->gen->g; /* cos x = sin(x + pi/2) */
    x = build_binary(g, &op_add, x, build_like(g, x, 1.5707963267948966));
    return tensor_value(c->fr, build_unary(g, &op_sin, x));
}

Value run_abs(BCall *c)
{
    Value v = c->args[0].v;
    if (v.kind == V_INT)
        return v.i < 0 ? arith_unary(c->fr, OP_NEG, v, c->at) : v;
    if (v.kind == V_FLOAT)
        return value_float(fabs(v.f));
    Node *x = arg_tensor(c, 0);
    if (!x)
        return value_bad();
    place(c->fr, c->at);
    x = node_float(c->fr, x);
    return tensor_value(c->fr, add_node(c->fr, &op_abs, &x, 1, NULL, c->at));
}

Value run_sign(BCall *c)
{
    Value v = c->args[0].v;
    if (is_static(v)) {
        double d = value_number(v);
        int64_t s = (d > 0) - (d < 0);
        return v.kind == V_INT ? value_int(s) : value_float((double)s);
    }
    Node *x = arg_tensor(c, 0);
    if (!x)
        return value_bad();
    Graph *g = c->fr->gen->g;
    place(c->fr, c->at);
    x = node_float(c->fr, x);
    Node *zero = build_like(g, x, 0);
    Node *above = build_cast(g, build_binary(g, &op_lt, zero, x), x->type.dtype);
    Node *below = build_cast(g, build_binary(g, &op_lt, x, zero), x->type.dtype);
    return tensor_value(c->fr, build_binary(g, &op_sub, above, below));
}

static Value rounded(BCall *c, double x)
{
    if (fabs(x) < 9e15)
        return value_int((int64_t)x);
    return fail(c->fr, c->at, "%s is too large for an int", value_text(c->fr->f, c->args[0].v));
}

/* floor, ceil, round: of a number an int, of a tensor its dtype. */
Value run_rounding(BCall *c)
{
    Value v = c->args[0].v;
    const OpDef *op = c->builtin->op;
    if (v.kind == V_INT)
        return v;
    if (v.kind == V_FLOAT)
        return rounded(c, !op ? ceil(v.f) : op == &op_floor ? floor(v.f) : nearbyint(v.f));
    Node *x = arg_tensor(c, 0);
    if (!x || x->type.dtype == DT_I32)
        return tensor_value(c->fr, x);
    x = float_tensor(c, 0);
    Graph *g = c->fr->gen->g;
    if (op)
        return tensor_value(c->fr, build_unary(g, op, x));
    return tensor_value(c->fr, build_unary(g, &op_neg, build_unary(g, &op_floor, build_unary(g, &op_neg, x))));
}

Value run_pow(BCall *c) { return arith_binary(c->fr, OP_POW, c->args[0].v, c->args[1].v, c->at); }

/* Whole division, rounded down. */
static int64_t floor_div(int64_t a, int64_t b)
{
    int64_t q = a / b;
    return a % b != 0 && (a < 0) != (b < 0) ? q - 1 : q;
}

Value run_div(BCall *c)
{
    Value a = c->args[0].v, b = c->args[1].v;
    if (a.kind == V_INT && b.kind == V_INT) {
        if (b.i == 0)
            return fail(c->fr, c->args[1].at, "division by zero");
        return b.i == -1 ? arith_unary(c->fr, OP_NEG, a, c->at) : value_int(floor_div(a.i, b.i));
    }
    if (is_static(a) && is_static(b)) {
        if (value_number(b) == 0)
            return fail(c->fr, c->args[1].at, "division by zero");
        return rounded(c, floor(value_number(a) / value_number(b)));
    }
    Node *in[2];
    if (!nodes_unify(c->fr, a, b, "div", c->at, true, &in[0], &in[1]))
        return value_bad();
    Graph *g = c->fr->gen->g;
    if (in[0]->type.dtype == DT_F32)
        return tensor_value(c->fr, build_unary(g, &op_floor, build_binary(g, &op_div, in[0], in[1])));
    /* whole numbers: (a - a mod b) / b, with mod of the divisor's sign */
    Node *left = build_binary(g, &op_sub, in[0], build_binary(g, &op_mod, in[0], in[1]));
    return tensor_value(c->fr, add_node(c->fr, &op_div, (Node *[]){ left, in[1] }, 2, NULL, c->at));
}

Value run_where(BCall *c)
{
    Value cond = c->args[0].v;
    if (cond.kind == V_BOOL)
        return cond.i ? c->args[1].v : c->args[2].v;
    Node *in[3] = { arg_tensor(c, 0) };
    if (!in[0])
        return value_bad();
    if (in[0]->type.dtype != DT_BOOL) {
        fail(c->fr, c->args[0].at, "the condition of where is %s, not a bool tensor",
             type_text(c->fr->f->arena, &in[0]->type));
        hint(c->fr, "compare: where(x > 0, ...)");
        return value_bad();
    }
    if (!nodes_unify(c->fr, c->args[1].v, c->args[2].v, "where", c->at, false, &in[1], &in[2]) ||
        !nodes_broadcast(c->fr, in, 3, "where", c->at))
        return value_bad();
    return tensor_value(c->fr, add_node(c->fr, &op_select, in, 3, NULL, c->at));
}

Value run_cast(BCall *c)
{
    Value v = c->args[0].v, t = c->args[1].v;
    if (t.kind != V_DTYPE) {
        fail(c->fr, c->args[1].at, "cast to %s: the type is f32, i32 or bool", value_what(c->fr->f, t));
        return value_bad();
    }
    if (is_static(v) || v.kind == V_BOOL) {
        double d = v.kind == V_BOOL ? (double)v.i : value_number(v);
        return t.i == DT_F32 ? value_float(d) : t.i == DT_BOOL ? value_bool(d != 0) : rounded(c, trunc(d));
    }
    Node *x = arg_tensor(c, 0);
    if (!x)
        return value_bad();
    place(c->fr, c->at);
    return tensor_value(c->fr, build_cast(c->fr->gen->g, x, (DType)t.i));
}

Value run_int(BCall *c)
{
    Value v = c->args[0].v;
    if (v.kind == V_BOOL)
        return value_int(v.i);
    if (is_static(v))
        return v.kind == V_INT ? v : rounded(c, trunc(v.f));
    return fail(c->fr, c->at, "int of %s: for tensors write cast(x, i32)", value_what(c->fr->f, v));
}

Value run_float(BCall *c)
{
    Value v = c->args[0].v;
    if (v.kind == V_BOOL)
        return value_float((double)v.i);
    if (is_static(v))
        return value_float(value_number(v));
    return fail(c->fr, c->at, "float of %s: for tensors write cast(x, f32)", value_what(c->fr->f, v));
}
