/* Leaves: input, var, const, iota, rand, step, epoch. */
#include "ops/lower.h"
#include "ops/rules.h"

#include <math.h>
#include <string.h>

static bool shape_attr(const Node *n, int attr, DType dtype, Type *out)
{
    *out = type_make(dtype, n->attr[attr].ints.n, n->attr[attr].ints.v);
    return true;
}

static void copy_into(Tensor *out, const Tensor *from)
{
    memcpy(out->data, from->data, sizeof *out->data * (size_t)type_count(&out->type));
}

/* ---- input ---- */

static bool input_shape(const Node *n, Type *out, Why *why)
{
    (void)why;
    return shape_attr(n, 1, (DType)n->attr[2].i, out);
}

static void input_eval(const Node *n, const Tensor *const *in, Tensor *out, const EvalCtx *ctx)
{
    (void)in;
    for (int i = 0; i < ctx->run->n_inputs; i++) {
        const NamedTensor *t = &ctx->run->inputs[i];
        if (strcmp(t->name, n->attr[0].name) != 0)
            continue;
        if (!type_equal(&t->value.type, &out->type)) {
            *ctx->fault = arena_printf(ctx->arena, "input \"%s\" is %s, but %s was given", t->name,
                                       TYPE_TEXT(&out->type), TYPE_TEXT(&t->value.type));
            return;
        }
        copy_into(out, &t->value);
        return;
    }
    *ctx->fault = arena_printf(ctx->arena, "no value was given for input \"%s\"", n->attr[0].name);
}

const OpDef op_input = {
    .name = "input",
    .flags = OP_LEAF,
    .attrs = { { "name", AK_NAME }, { "shape", AK_INTS }, { "dtype", AK_DTYPE } },
    .doc = "a tensor the caller supplies",
    .shape = input_shape,
    .eval = input_eval,
};

/* ---- var ---- */

static bool var_shape(const Node *n, Type *out, Why *why)
{
    (void)why;
    *out = n->attr[0].var->type;
    return true;
}

static void var_eval(const Node *n, const Tensor *const *in, Tensor *out, const EvalCtx *ctx)
{
    (void)in;
    const Var *v = n->attr[0].var;
    if (!ctx->run->vars || !ctx->run->vars[v->index].data) {
        *ctx->fault = arena_printf(ctx->arena, "no value was given for variable @%s", v->name);
        return;
    }
    copy_into(out, &ctx->run->vars[v->index]);
}

const OpDef op_var = {
    .name = "var",
    .flags = OP_LEAF,
    .attrs = { { "var", AK_VAR } },
    .doc = "the value a variable had when the entry was called",
    .shape = var_shape,
    .eval = var_eval,
};

/* ---- const ---- */

static bool representable(DType t, double v)
{
    switch (t) {
    case DT_F32: return isnan(v) || (double)(float)v == v;
    case DT_I32: return v >= -2147483648.0 && v <= 2147483647.0 && v == floor(v);
    case DT_BOOL: return v == 0 || v == 1;
    case DT_COUNT: break;
    }
    return false;
}

static bool const_shape(const Node *n, Type *out, Why *why)
{
    const Tensor *t = n->attr[0].tensor;
    *out = t->type;
    if (!type_valid(out, why))
        return false;
    for (int64_t i = 0; i < type_count(&t->type); i++)
        if (!representable(t->type.dtype, t->data[i]))
            return why_set(why, "const: element %lld (%.17g) cannot be represented in %s", (long long)i,
                           t->data[i], dtype_name(t->type.dtype));
    return true;
}

static void const_eval(const Node *n, const Tensor *const *in, Tensor *out, const EvalCtx *ctx)
{
    (void)in;
    (void)ctx;
    copy_into(out, n->attr[0].tensor);
}

static const Tensor const_scalar = { S_F32, (double[]){ 0.1f } };
static const Tensor const_row = { F32(3), (double[]){ -1.5, 0, 3e9f } };
static const Tensor const_flat = { F32(2, 1, 3), (double[]){ 7, 7, 7, 7, 7, 7 } };
static const Tensor const_ints = { I32(2, 2), (double[]){ -2147483648.0, 2147483647, 0, -1 } };
static const Tensor const_bools = { BOOL(3), (double[]){ 1, 0, 1 } };
static const OpSample const_samples[] = {
    { .attr = { { .tensor = &const_scalar } } }, { .attr = { { .tensor = &const_row } } },
    { .attr = { { .tensor = &const_flat } } },   { .attr = { { .tensor = &const_ints } } },
    { .attr = { { .tensor = &const_bools } } },
};

const OpDef op_const = {
    .name = "const",
    .flags = OP_LEAF | OP_CHEAP,
    .attrs = { { "value", AK_TENSOR } },
    .doc = "a tensor known at compile time",
    .shape = const_shape,
    .eval = const_eval,
    SAMPLES(const_samples),
};

/* ---- iota ---- */

static bool iota_shape(const Node *n, Type *out, Why *why)
{
    return rule_axis(n, 1, n->attr[0].ints.n, why) && rule_positions(n, n->attr[0].ints.v[n->attr[1].i], why) &&
           shape_attr(n, 0, DT_I32, out);
}

static void iota_eval(const Node *n, const Tensor *const *in, Tensor *out, const EvalCtx *ctx)
{
    (void)in;
    (void)ctx;
    int64_t inner = shape_span(&out->type, (int)n->attr[1].i + 1, out->type.rank);
    for (int64_t i = 0; i < type_count(&out->type); i++)
        out->data[i] = (double)(i / inner % out->type.dim[n->attr[1].i]);
}

static LExpr *iota_value(Lower *lw, const Node *n, LExpr *const *index)
{
    return lx_cast(lw->func, index[n->attr[1].i], LK_I32);
}

static const OpSample iota_samples[] = {
    { .attr = { IV(7), { .i = 0 } } },
    { .attr = { IV(3, 5), { .i = 0 } } },
    { .attr = { IV(3, 5), { .i = 1 } } },
    { .attr = { IV(2, 1, 17), { .i = 1 } } },
};

const OpDef op_iota = {
    .name = "iota",
    .flags = OP_LEAF | OP_CHEAP,
    .attrs = { { "shape", AK_INTS }, { "axis", AK_INT } },
    .doc = "each element's index along an axis, i32",
    .shape = iota_shape,
    .eval = iota_eval,
    .value = iota_value,
    SAMPLES(iota_samples),
};

/* ---- rand ---- */

static bool rand_shape(const Node *n, Type *out, Why *why)
{
    shape_attr(n, 0, DT_F32, out);
    /* The element number is a 32-bit counter. */
    return type_valid(out, why) &&
           (type_count(out) <= (int64_t)1 << 32 ||
            why_set(why, "rand: %s has more than 2^32 elements", TYPE_TEXT(out)));
}

static void rand_eval(const Node *n, const Tensor *const *in, Tensor *out, const EvalCtx *ctx)
{
    (void)in;
    uint64_t key = nnr_key(ctx->ctx.seed, ctx->ctx.step, (uint64_t)n->attr[1].i);
    for (int64_t i = 0; i < type_count(&out->type); i++)
        out->data[i] = (double)nnr_uniform(key, (uint32_t)i);
}

/* nnr_bits and nnr_uniform of runtime/nnr.h, in the loop IR: the same bits. */
static LExpr *xor_shift(Lower *lw, LExpr *x, int by)
{
    LFunc *f = lw->func;
    LExpr *v = lx_var(f, lb_let(f, lw->at, "bits", x));
    return lx_bin(f, LX_XOR, v, lx_bin(f, LX_SHR, v, lx_int(f, LK_U32, by)));
}

static LExpr *times_u32(Lower *lw, LExpr *x, uint32_t by)
{
    return lx_bin(lw->func, LX_MUL, x, lx_int(lw->func, LK_U32, by));
}

static LExpr *rand_value(Lower *lw, const Node *n, LExpr *const *index)
{
    LFunc *f = lw->func;
    LExpr *key = lower_rand_key(lw, n);
    LExpr *high = lx_cast(f, lx_bin(f, LX_SHR, key, lx_int(f, LK_U64, 32)), LK_U32);
    LExpr *x = lx_cast(f, lower_offset(lw, n, index), LK_U32);
    x = lx_bin(f, LX_XOR, x, lx_cast(f, key, LK_U32));
    x = times_u32(lw, xor_shift(lw, x, 16), 0x7feb352du);
    x = times_u32(lw, xor_shift(lw, x, 15), 0x846ca68bu);
    x = lx_add(f, xor_shift(lw, x, 16), high);
    x = times_u32(lw, xor_shift(lw, x, 16), 0x21f0aaadu);
    x = times_u32(lw, xor_shift(lw, x, 15), 0x735a2d97u);
    x = xor_shift(lw, x, 15);
    x = lx_bin(f, LX_SHR, x, lx_int(f, LK_U32, 8)); /* 24 bits: exact through i32, which converts fast */
    return lx_mul(f, lx_cast(f, lx_cast(f, x, LK_I32), LK_F32), lx_float(f, 0x1p-24));
}

static const OpSample rand_samples[] = {
    { .attr = { IV_NONE, { .i = 1 } } },
    { .attr = { IV(67), { .i = 0x1234567890abcdef } } },
    { .attr = { IV(3, 1, 5), { .i = -1 } } },
};

const OpDef op_rand = {
    .name = "rand",
    .flags = OP_LEAF | OP_DRAW,
    .attrs = { { "shape", AK_INTS }, { "salt", AK_INT } },
    .doc = "uniform in [0, 1): element i is nnr_uniform(nnr_key(seed, step, salt), i)",
    .shape = rand_shape,
    .eval = rand_eval,
    .value = rand_value,
    SAMPLES(rand_samples),
};

/* ---- step, epoch ---- */

static bool counter_shape(const Node *n, Type *out, Why *why)
{
    (void)n;
    (void)why;
    *out = type_scalar(DT_I32);
    return true;
}

static void step_eval(const Node *n, const Tensor *const *in, Tensor *out, const EvalCtx *ctx)
{
    (void)n;
    (void)in;
    out->data[0] = (double)(int32_t)(uint32_t)ctx->ctx.step;
}

static void epoch_eval(const Node *n, const Tensor *const *in, Tensor *out, const EvalCtx *ctx)
{
    (void)n;
    (void)in;
    out->data[0] = ctx->ctx.epoch;
}

static LExpr *step_value(Lower *lw, const Node *n, LExpr *const *index)
{
    (void)n;
    (void)index;
    lfunc_use_ctx(lw->func);
    return lx_cast(lw->func, lx_var(lw->func, lw->func->step), LK_I32);
}

static LExpr *epoch_value(Lower *lw, const Node *n, LExpr *const *index)
{
    (void)n;
    (void)index;
    lfunc_use_ctx(lw->func);
    return lx_var(lw->func, lw->func->epoch);
}

static const OpSample counter_samples[] = { { .note = "no operands, no attributes" } };

const OpDef op_step = {
    .name = "step",
    .flags = OP_LEAF | OP_DRAW | OP_CHEAP,
    .doc = "completed steps of this entry point, i32",
    .shape = counter_shape,
    .eval = step_eval,
    .value = step_value,
    SAMPLES(counter_samples),
};

const OpDef op_epoch = {
    .name = "epoch",
    .flags = OP_LEAF | OP_DRAW | OP_CHEAP,
    .doc = "number of the epoch, from 0, i32",
    .shape = counter_shape,
    .eval = epoch_eval,
    .value = epoch_value,
    SAMPLES(counter_samples),
};
