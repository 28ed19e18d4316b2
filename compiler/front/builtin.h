/* The functions behind the table in builtin.c. */
#ifndef NNC_FRONT_BUILTIN_H
#define NNC_FRONT_BUILTIN_H
#include "front/elab.h"

/* builtin_math.c */
Value run_unary(BCall *c);   /* b->op on f32 */
Value run_cos(BCall *c);
Value run_abs(BCall *c);
Value run_sign(BCall *c);
Value run_rounding(BCall *c);
Value run_pow(BCall *c);
Value run_div(BCall *c);
Value run_where(BCall *c);
Value run_cast(BCall *c);
Value run_int(BCall *c);
Value run_float(BCall *c);
/* builtin_reduce.c */
Value run_extreme(BCall *c); /* min and max, of two or along an axis */
Value run_sum(BCall *c);
Value run_mean(BCall *c);
Value run_prod(BCall *c);
Value run_argmax(BCall *c);
Value run_argsort(BCall *c);
Value run_window_max(BCall *c);
/* builtin_shape.c */
Value run_reshape(BCall *c);
Value run_transpose(BCall *c);
Value run_broadcast(BCall *c);
Value run_pad(BCall *c);
Value run_concat(BCall *c);
Value run_reverse(BCall *c);
Value run_gather(BCall *c);
Value run_scatter_add(BCall *c);
Value run_take_along(BCall *c);
/* builtin_make.c */
Value run_iota(BCall *c);
Value run_fill(BCall *c); /* zeros, ones: kind tells the value */
Value run_full(BCall *c);
Value run_rand(BCall *c);
Value run_stop_grad(BCall *c);
Value run_params(BCall *c);
Value run_total(BCall *c); /* train.c */
Value run_len(BCall *c);
Value run_range(BCall *c);
Value run_is_list(BCall *c);

/* A list of ints >= least; numbers count as lists of one. false when reported. */
bool arg_dims(BCall *c, int i, int64_t least, int64_t *out, int *n);
Value reduce_keep(BCall *c, Node *whole, Node *reduced, const int64_t *axes, int n);
#endif
