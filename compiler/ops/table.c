/* The list of all operations. An op that is not here does not exist for the reader and the tests. */
#include "ops/ops.h"

#include <string.h>

const OpDef *const OPS[] = {
    /* leaves */
    &op_input, &op_var, &op_const, &op_iota, &op_rand, &op_step, &op_epoch,
    /* elementwise */
    &op_neg, &op_exp, &op_log, &op_sqrt, &op_tanh, &op_erf, &op_sin, &op_floor, &op_round, &op_abs,
    &op_not, &op_cast, &op_add, &op_sub, &op_mul, &op_div, &op_mod, &op_max, &op_min, &op_pow, &op_eq,
    &op_ne, &op_lt, &op_le, &op_and, &op_or, &op_select,
    /* movement */
    &op_reshape, &op_transpose, &op_broadcast, &op_slice, &op_pad, &op_concat, &op_reverse,
    /* reductions and windows */
    &op_sum, &op_reduce_max, &op_argmax, &op_window_max, &op_window_max_grad, &op_window_max_pick,
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
