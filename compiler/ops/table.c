/* The list of all operations. An op that is not here does not exist for the reader and the tests. */
#include "ops/ops.h"

#include <string.h>

const OpDef *const OPS[] = {
    /* leaves */
    &op_input, &op_var, &op_const, &op_iota, &op_rand, &op_step, &op_epoch,
    /* elementwise */
    &op_neg, &op_exp, &op_log, &op_sqrt, &op_tanh, &op_sigmoid, &op_erf, &op_sin, &op_floor, &op_round, &op_abs,
    &op_not, &op_cast, &op_add, &op_sub, &op_mul, &op_div, &op_mod, &op_max, &op_min, &op_pow, &op_eq,
    &op_ne, &op_lt, &op_le, &op_and, &op_or, &op_select,
    /* movement */
    &op_reshape, &op_transpose, &op_broadcast, &op_slice, &op_pad, &op_concat, &op_reverse,
    /* reductions and windows */
    &op_sum, &op_reduce_max, &op_argmax, &op_window_max, &op_window_place, &op_window_take, &op_window_put,
    /* tables and order */
    &op_gather, &op_scatter_add, &op_argsort, &op_take_along,
    /* the sum of products, the loop over time */
    &op_contract, &op_scan,
    /* roots and markers */
    &op_output, &op_update, &op_stop_grad, &op_gradient, NULL
};

const OpDef *op_find(const char *name)
{
    for (int i = 0; OPS[i]; i++)
        if (strcmp(OPS[i]->name, name) == 0)
            return OPS[i];
    return NULL;
}

int op_attr(const OpDef *op, const char *name)
{
    for (int i = 0; i < MAX_ATTR && op->attrs[i].kind != AK_NONE; i++)
        if (strcmp(op->attrs[i].name, name) == 0)
            return i;
    return -1;
}

/* Inputs, variables and constants are read from memory by the kernel lowerings themselves. */
static bool in_memory(const OpDef *op) { return op == &op_input || op == &op_var || op == &op_const; }

static bool has_lowering(const OpDef *op)
{
    if ((op->flags & (OP_META | OP_ROOT)) || in_memory(op))
        return true;
    if (op == &op_contract) /* its kernels are ops/contract_lower.c */
        return true;
    if (op->flags & OP_ELEMENTWISE)
        return op->emit;
    if (op->flags & (OP_MOVEMENT | OP_LEAF))
        return op->value;
    if (op->flags & OP_REDUCE)
        return op->combine;
    return (op->flags & OP_OPAQUE) && op->lower;
}

const char *op_lacks(const OpDef *op)
{
    bool sampled = !(op->flags & (OP_META | OP_ROOT)) && op != &op_input && op != &op_var;
    if (!op->name || !op->doc)
        return "a name or a line of documentation";
    if (!op->shape)
        return "a shape rule";
    if (!op->eval)
        return "a reference evaluation";
    if (!op->grad && !(op->flags & (OP_NO_GRAD | OP_LEAF | OP_META)))
        return "a derivative (or OP_NO_GRAD)";
    if (op->grad && (op->flags & OP_NO_GRAD))
        return "a decision: it has both a derivative and OP_NO_GRAD";
    if (!has_lowering(op))
        return "a lowering";
    if (sampled && op->n_samples < 1)
        return "samples";
    return NULL;
}
