/* An operation in one place. Each family of operations is a file here that holds, for every op, its
 * shape rule, derivative, reference evaluation, lowering and samples, in one static OpDef. Passes ask
 * flags; they do not switch on names (they may compare op pointers where an op's algebra is the
 * point, as simplification does).
 *
 * op_lacks (asked by the tests for every op) refuses one without a rule, a derivative (or OP_NO_GRAD), an
 * evaluation, a lowering or samples. */
#ifndef NNC_OPS_OPS_H
#define NNC_OPS_OPS_H
#include "graph/op.h"
#include "loop/loop.h"

extern const OpDef *const OPS[]; /* every op, NULL-terminated (ops/table.c) */
/* What the definition of an op lacks ("a derivative"), or NULL. */
const char *op_lacks(const OpDef *op);

/* Leaves */
extern const OpDef op_input /* {name, shape, dtype} */, op_var /* {var} */,
    op_const /* {value: tensor} */, op_iota /* {shape, axis}: i32 */,
    op_rand /* {shape, salt}: f32 uniform in [0,1), nnr_uniform(nnr_key(seed, step, salt), i) */,
    op_step /* i32 scalar: ctx.step */, op_epoch /* i32 scalar */;
/* Elementwise, operands of one shape (broadcast is a node of its own). Comparisons give bool. */
extern const OpDef op_neg, op_exp, op_log, op_sqrt, op_tanh, op_sigmoid, op_erf, op_sin, op_floor, op_round,
    op_abs, op_not, op_cast /* {dtype} */, op_add, op_sub, op_mul, op_div, op_mod, op_max, op_min,
    op_pow, op_eq, op_ne, op_lt, op_le, op_and, op_or, op_select /* cond, a, b */;
/* Movement */
extern const OpDef op_reshape /* {shape} */,
    op_transpose /* {perm}: result dim i is operand dim perm[i] */,
    op_broadcast /* {shape, axes}: operand dim i becomes result dim axes[i]; other dims repeat */,
    op_slice /* {start, stop, step}: rank ints each, step >= 1 */,
    op_pad /* x, scalar value; {lo, hi, inner}: inner puts gaps between elements; lo, hi >= 0 */,
    op_concat /* {axis} */, op_reverse /* {axes} */;
/* Reductions: {axes}, reduced dims are dropped. argmax: {axis}, i32, first of equals */
extern const OpDef op_sum, op_reduce_max, op_argmax;
/* Windows over all axes: {window, stride}, valid positions only (pad first) */
extern const OpDef op_window_max, op_window_place /* x: number of the first maximum in its window, i32 */,
    op_window_take /* place, v: v's element there */, op_window_put /* place, v; {.., shape}: the adjoint */;
/* Tables and order. gather: table[R, ...], indices[...] i32 -> indices.shape + table.shape[1:];
 * an index outside is clamped. scatter_add: {rows}: values, indices -> [rows, ...], fixed order.
 * argsort {axis, descending}: i32 permutation, stable. take_along {axis}: x, i32 indices. */
extern const OpDef op_gather, op_scatter_add, op_argsort, op_take_along;
extern const OpDef op_contract /* {contract} */, op_scan /* see ops/scan.c */;
/* Roots and markers */
extern const OpDef op_output /* {name} */, op_update /* {var} */, op_stop_grad,
    op_gradient /* loss, x: d loss / d x, replaced by the grad pass */;

#endif
