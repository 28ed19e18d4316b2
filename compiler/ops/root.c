/* Roots (output, update) and markers (stop_grad, gradient). */
#include "ops/rules.h"

#include <string.h>

static bool same_shape(const Node *n, Type *out, Why *why)
{
    (void)why;
    *out = n->in[0]->type;
    return true;
}

static void copy_eval(const Node *n, const Tensor *const *in, Tensor *out, const EvalCtx *ctx)
{
    (void)n;
    (void)ctx;
    memcpy(out->data, in[0]->data, sizeof *out->data * (size_t)type_count(&out->type));
}

const OpDef op_output = {
    .name = "output",
    .min_in = 1,
    .max_in = 1,
    .flags = OP_ROOT | OP_NO_GRAD,
    .attrs = { { "name", AK_NAME } },
    .doc = "hands a value to the caller",
    .shape = same_shape,
    .eval = copy_eval,
};

static bool update_shape(const Node *n, Type *out, Why *why)
{
    const Var *v = n->attr[0].var;
    *out = n->in[0]->type;
    return type_equal(out, &v->type) || why_set(why, "update: @%s is %s, but the value is %s", v->name,
                                                TYPE_TEXT(&v->type), TYPE_TEXT(out));
}

const OpDef op_update = {
    .name = "update",
    .min_in = 1,
    .max_in = 1,
    .flags = OP_ROOT | OP_NO_GRAD,
    .attrs = { { "var", AK_VAR } },
    .doc = "gives a variable a new value after all reads",
    .shape = update_shape,
    .eval = copy_eval,
};

const OpDef op_stop_grad = {
    .name = "stop_grad",
    .min_in = 1,
    .max_in = 1,
    .flags = OP_META | OP_NO_GRAD,
    .doc = "the operand, as a constant to differentiation",
    .shape = same_shape,
    .eval = copy_eval,
};

static bool gradient_shape(const Node *n, Type *out, Why *why)
{
    const Type *loss = &n->in[0]->type;
    *out = n->in[1]->type;
    if (loss->rank != 0 || loss->dtype != DT_F32)
        return why_set(why, "gradient needs a scalar f32 loss, got %s", TYPE_TEXT(loss));
    return rule_float(n, 1, why);
}

static void gradient_eval(const Node *n, const Tensor *const *in, Tensor *out, const EvalCtx *ctx)
{
    (void)n;
    (void)in;
    (void)out;
    *ctx->fault = "a gradient marker has no value before the grad pass";
}

const OpDef op_gradient = {
    .name = "gradient",
    .min_in = 2,
    .max_in = 2,
    .flags = OP_META | OP_NO_GRAD,
    .doc = "loss, x: d loss / d x, replaced by the grad pass",
    .shape = gradient_shape,
    .eval = gradient_eval,
};
