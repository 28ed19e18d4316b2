/* Builders for compiler-made nodes: rules known to hold (graph_must_add). They set loc and path from
 * the graph. Elementwise binary builders need equal shapes; build_like makes a scalar constant of
 * another node's type and shape. */
#ifndef NNC_OPS_BUILD_H
#define NNC_OPS_BUILD_H
#include "ops/ops.h"

Node *build_unary(Graph *g, const OpDef *op, Node *a);
Node *build_binary(Graph *g, const OpDef *op, Node *a, Node *b);
Node *build_select(Graph *g, Node *cond, Node *a, Node *b);
Node *build_cast(Graph *g, Node *a, DType dtype); /* a itself when already so */
Node *build_scalar(Graph *g, DType dtype, double value);
Node *build_full(Graph *g, Type type, double value); /* scalar constant, broadcast */
Node *build_like(Graph *g, const Node *a, double value);
Node *build_const(Graph *g, Type type, const double *data);
Node *build_reshape(Graph *g, Node *a, int rank, const int64_t *dim);
/* A reshape to the shape it has: what fusion uses for a copy in memory. */
Node *build_copy(Graph *g, Node *a);
Node *build_transpose(Graph *g, Node *a, const int64_t *perm);
/* NumPy rule: trailing axes align, dims of 1 repeat; NULL when the shapes do not fit. */
Node *build_broadcast_to(Graph *g, Node *a, int rank, const int64_t *dim);
Node *build_broadcast(Graph *g, Node *a, int rank, const int64_t *dim, const int64_t *axes);
Node *build_slice(Graph *g, Node *a, const int64_t *start, const int64_t *stop, const int64_t *step);
Node *build_pad(Graph *g, Node *a, Node *value, const int64_t *lo, const int64_t *hi,
                const int64_t *inner /* NULL: none */);
Node *build_concat(Graph *g, Node *const *parts, int n, int axis);
Node *build_reduce(Graph *g, const OpDef *op, Node *a, const int64_t *axes, int n_axes);
Node *build_iota(Graph *g, int rank, const int64_t *dim, int axis);
Node *build_rand(Graph *g, int rank, const int64_t *dim, uint64_t salt);
Node *build_contract(Graph *g, Node *a, Node *b /* or NULL */, const Contract *c);
Node *build_var(Graph *g, Var *var);
Node *build_input(Graph *g, const char *name, Type type);
Node *build_output(Graph *g, const char *name, Node *value);
Node *build_update(Graph *g, Var *var, Node *value);
Node *build_gradient(Graph *g, Node *loss, Node *x);
Ints ints_copy(Arena *arena, const int64_t *v, int n);
#endif
